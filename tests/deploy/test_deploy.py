"""Integer networks against Python's own integers, the real network, and a C compiler."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from tests.deploy.integers import draw_case, simulate

deploy = rs.deploy
NETWORK = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
PARAMS = rs.init(NETWORK, 0)
FORMATS = deploy.Formats(
    deploy.WeightFormat(8), deploy.PotentialFormat(12, 4), deploy.LeakFormat(4)
)
MADE = deploy.to_integers(NETWORK, PARAMS, FORMATS)


def make_cases(seeds):
    """The drawn networks whose thresholds fit; most do."""
    found, refusals = [], []
    for seed in seeds:
        try:
            found.append(draw_case(seed))
        except ValueError as error:
            refusals.append(str(error))
    assert all(text.startswith("threshold of layer") for text in refusals)
    assert len(found) >= 0.8 * len(seeds)
    return found


def test_runs_are_those_of_pythons_integers():
    overflowing = set()
    for made, x in make_cases(range(120)):
        trace = deploy.run(made, x)
        u, s, logits = simulate(made, x)

        assert [a.tolist() for a in trace.u] == u
        assert [a.tolist() for a in trace.s] == s
        assert trace.logits.tolist() == logits
        if sum(int(count.sum()) for count in trace.overflows):
            overflowing.add(made.formats.potentials.overflow)
    assert overflowing == {"saturate", "wrap"}  # else nothing was said of them


def test_potentials_keep_to_the_bound_as_long_as_the_past_agrees():
    ratios = []
    for made, x in make_cases(range(200, 400)):
        found = deploy.compare_runs(made, x)
        for error, bound in zip(found.largest_error, found.bound, strict=True):
            assert error <= bound * (1.0 + 1e-12)
            if bound:
                ratios.append(error / bound)
    assert max(ratios) >= 0.9  # the bound is nearly attained


def test_without_a_leak_nothing_is_rounded():
    network = replace(NETWORK, neuron=replace(NETWORK.neuron, leak=1.0))
    made = deploy.to_integers(network, PARAMS, FORMATS)
    x = np.random.default_rng(0).integers(0, 2, (30, 20, 2))

    found = deploy.compare_runs(made, x)

    assert found == deploy.Agreement((0.0,), (0.0,), (1.0,), (0,), 1.0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_c_program_gives_the_same_spikes(tmp_path):
    for made, x in make_cases(range(1000, 1012)):
        assert run_c(tmp_path, made, x) == [
            "".join(
                str(spike)
                for t in range(len(x))
                for s in deploy.run(made, x).s
                for spike in s[t, r].tolist()
            )
            for r in range(x.shape[1])
        ]


def run_c(folder, made, x):
    """The lines that the program writes for a batch."""
    _, program = deploy.write_c(made, folder, steps=len(x))
    binary = folder / "run"
    warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsanitize=undefined"]
    subprocess.run(
        ["cc", "-std=c99", *warnings, "-fno-sanitize-recover", "-o", binary, program], check=True
    )
    given = x.swapaxes(0, 1).astype(np.uint8).tobytes()
    return (
        subprocess.run([binary], input=given, capture_output=True, check=True)
        .stdout.decode()
        .split()
    )


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_c_program_reads_real_recordings(tmp_path, nmnist):
    spikes, _ = rs.load_nmnist_spikes(nmnist, "Test", steps=10, per_class=2)
    network = rs.Network((2312, 16, 10), NETWORK.neuron, rs.SpikeRate(5.0))
    params = tuple(replace(layer, w=5.0 * layer.w) for layer in rs.init(network, 0))
    made = deploy.to_integers(network, params, FORMATS)
    trace = deploy.run(made, spikes)

    lines = run_c(tmp_path, made, spikes.dense())

    assert len(lines) == 20
    assert "1" in lines[0]
    for r, line in enumerate(lines):
        ours = np.concatenate([s[:, r] for s in trace.s], axis=1)
        assert line == "".join(map(str, ours.ravel().tolist()))


def test_saved_networks_are_read_to_the_bit(tmp_path):
    for i, (made, x) in enumerate(make_cases(range(500, 520))):
        deploy.save(made, tmp_path / str(i))
        again = deploy.load(tmp_path / str(i))

        assert again.network == made.network
        assert again.formats == made.formats
        ours, theirs = deploy.run(made, x), deploy.run(again, x)
        assert all(np.array_equal(a, b) for a, b in zip(ours.u, theirs.u, strict=True))
        assert np.array_equal(ours.logits, theirs.logits)


def test_damaged_files_are_refused(tmp_path):
    deploy.save(MADE, tmp_path)
    other = deploy.to_integers(NETWORK, rs.init(NETWORK, 1), FORMATS)
    deploy.save(other, tmp_path / "other")
    (tmp_path / "other/integers.npz").rename(tmp_path / "integers.npz")
    with pytest.raises(ValueError, match=r"must be the arrays of integers\.json, got others"):
        deploy.load(tmp_path)
    (tmp_path / "integers.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"integers\.npz"):
        deploy.load(tmp_path)
    (tmp_path / "integers.json").unlink()
    with pytest.raises(ValueError, match="record must be a readable JSON file"):
        deploy.load(tmp_path)


def test_weights_are_rounded_to_the_nearest_step_or_on_average_to_themselves():
    w = np.random.default_rng(0).normal(size=(4, 500))
    nearest = deploy.WeightFormat(4, "channel")
    scales = nearest.scales(w)
    codes = nearest.quantise(w, scales, None)
    assert abs(codes).max(axis=1).tolist() == [7] * 4
    assert (abs(codes * scales[:, None] - w) <= 0.5 * scales[:, None] * (1 + 1e-12)).all()

    stochastic = replace(nearest, rounding="stochastic")
    rng = np.random.default_rng(1)
    mean = np.mean([stochastic.quantise(w, scales, rng) for _ in range(2000)], axis=0)
    off = mean - w / scales[:, None]
    assert abs(off).max() < 5 * 0.5 / np.sqrt(2000)  # five standard deviations


def test_a_leak_as_a_shift_is_a_subtraction():
    u = np.arange(-1000, 1000)
    for k in range(6):
        leak = deploy.LeakFormat(5, "shift").nearest(1.0 - 2.0**-k)
        assert leak.value == 1.0 - 2.0**-k
        assert np.array_equal(leak.apply(u), u - (u >> k))


def test_operations_are_counted_one_by_one():
    made, x = make_cases(range(600, 640))[7]
    trace = deploy.run(made, x)
    below = x
    for layer, s, cost in zip(
        made.layers, trace.s, deploy.count_operations(made.layers, x, trace), strict=True
    ):
        for r in range(x.shape[1]):
            synaptic = nonzero = 0
            for t in range(len(x)):
                arriving = [(below[t, r], layer.w)]
                if layer.v is not None and t:
                    arriving.append((s[t - 1, r], layer.v))
                for events, weights in arriving:
                    for j, count in enumerate(events):
                        synaptic += int(count) * len(weights)
                        nonzero += int(count) * int((weights[:, j] != 0).sum())
            assert (cost.synaptic[r], cost.nonzero[r]) == (synaptic, nonzero)
            assert cost.spikes[r] == s[:, r].sum()
        below = s


REFUSED = {
    "bits of 0": (lambda: deploy.WeightFormat(0), "bits must be an integer from 2 to 16, got 0"),
    "bits of 33": (lambda: deploy.WeightFormat(33), "bits must be an integer from 2 to 16, got 33"),
    "33 bits": (
        lambda: deploy.PotentialFormat(28, 4),
        r"width must be at most 31 bits, got 1 \+ 28 \+ 4 = 33",
    ),
    "no threshold": (
        lambda: deploy.to_integers(
            NETWORK, tuple(replace(p, w=1e6 * p.w) for p in PARAMS), FORMATS
        ),
        "threshold of layer 1 must be at least one unit of the last place, .*, got 1",
    ),
    "too narrow": (
        lambda: deploy.to_integers(
            NETWORK, PARAMS, replace(FORMATS, potentials=deploy.PotentialFormat(3, 4))
        ),
        "threshold of layer 1 must fit into potentials, at most 127 units .*, got",
    ),
    "a bias": (
        lambda: deploy.to_integers(
            NETWORK, tuple(replace(p, b=p.b + 1e9) for p in PARAMS), FORMATS
        ),
        "bias of layer 1 must fit into 32 bits",
    ),
    "no generator": (
        lambda: deploy.to_integers(
            NETWORK, PARAMS, replace(FORMATS, weights=deploy.WeightFormat(8, rounding="stochastic"))
        ),
        "rng must be a generator for stochastic rounding, got None",
    ),
    "complex weights": (
        lambda: deploy.to_integers(
            NETWORK, tuple(replace(p, w=p.w + 1j, b=p.b + 0j) for p in PARAMS)
        ),
        "params must be real, got dtype complex128",
    ),
    "tiny weights": (
        lambda: deploy.to_integers(NETWORK, tuple(replace(p, w=1e-310 * p.w) for p in PARAMS)),
        "weights of a scale must be zero or reach 2.83e-306, got",
    ),
    "the least integer": (
        lambda: deploy.run(MADE, np.full((1, 1, 2), -(2**63))),
        "x must fit into 32 bits, got 9223372036854775808",
    ),
    "fractions": (
        lambda: deploy.run(MADE, np.full((1, 1, 2), 0.5)),
        "x must hold integers, got others, of dtype float64",
    ),
    "a shape": (lambda: deploy.run(MADE, np.ones((2, 2))), r"x must have shape \(time, batch, 2\)"),
    "large counts": (
        lambda: deploy.run(MADE, np.full((1, 1, 2), 10**6)),
        "sum of a step of layer 1 must stay within 32 bits, 2147483647, got up to",
    ),
    "no steps": (
        lambda: deploy.write_c(MADE, "nowhere", steps=0),
        "steps must be a positive integer, got 0",
    ),
}  # fmt: skip


def test_widths_may_be_integers_of_numpy():
    small = np.int8
    assert deploy.WeightFormat(small(16)) == deploy.WeightFormat(16)
    assert deploy.WeightFormat(small(16)).largest == 2**15 - 1
    assert deploy.PotentialFormat(small(13), small(4)).lowest == -(2**17)
    assert deploy.LeakFormat(small(8)).nearest(0.9) == deploy.LeakFormat(8).nearest(0.9)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name):
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()
