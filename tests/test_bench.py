"""The pieces of the benchmark program, on a tiny workload; nothing here depends on the clock."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from tests.bench import columns, convolution, epochs, limit
from tests.bench.__main__ import main
from tests.bench.check import verdict
from tests.bench.figures import bars, png, scaling
from tests.bench.implementations import ADAM, REFSAST, AbsentError, exact, weights_to_params
from tests.bench.machine import is_installed
from tests.bench.memory import Peak
from tests.bench.peers import PEERS
from tests.bench.report import exponent, page
from tests.bench.sections import COMPARISONS, MEMORY, SECTIONS, Results
from tests.bench.timing import ALL, Timing, quartiles, ratios
from tests.bench.workloads import (
    SMALL,
    TINY,
    describe_recordings,
    draw,
    recordings,
    sweeps,
)


def answers(name):
    """Return what an implementation answers on the tiny workload, and what it must answer."""
    one = ALL[name]
    if not is_installed(one.needs):
        pytest.skip(f"{one.needs} is not installed")
    try:
        built = one.build(TINY, draw(TINY))
    except AbsentError as error:
        pytest.skip(str(error))
    built.step()
    return None if built.answer is None else built.answer(), one.oracle and one.oracle(TINY)


@pytest.mark.parametrize("name", REFSAST)
def test_every_way_of_refsast_gives_the_same_gradient(name):
    got, wanted = answers(name)

    assert got is None or verdict(got, wanted) == ""
    assert (got is None) == (name == "floor")


@pytest.mark.filterwarnings("ignore")  # of libraries, about themselves
@pytest.mark.parametrize("name", [name for name in PEERS if name != "torch-compile"])
def test_every_peer_gives_the_gradient_that_it_says(name):
    got, wanted = answers(name)

    assert verdict(got, wanted) == ""
    assert (verdict(got, exact(TINY)) == "") == (name != "snntorch")  # whose reset is detached


WRONG = {
    "loss": lambda loss, grads: (1.001 * loss, grads),
    "layer 2": lambda loss, grads: (loss, [grads[0], 1.001 * grads[1]]),
    "layer 1: shape": lambda loss, grads: (loss, [grads[0].T, grads[1]]),
    "1 gradients": lambda loss, grads: (loss, grads[:1]),
    "layer 1 is off by nan": lambda loss, grads: (loss, [np.nan * grads[0], grads[1]]),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_implementation_is_refused(message):
    right = exact(TINY)

    assert verdict(right, right) == ""
    assert message in verdict(WRONG[message](*right), right)


def test_the_oracles_differ():
    """Or else a check against the wrong one would pass."""
    oracles = dict.fromkeys(one.oracle for one in ALL.values() if one.oracle is not None)
    found = [oracle(TINY) for oracle in oracles]

    assert len(found) == 4
    for i, one in enumerate(found):
        assert all(verdict(one, other) for other in found[:i])


def test_a_workload_is_drawn_twice_alike_and_its_seed_matters():
    work = replace(SMALL, density=0.05)
    one, same, other = draw(work), draw(work), draw(replace(work, seed=1))

    assert (one.x == same.x).all()
    assert (one.y == same.y).all()
    assert (one.x != other.x).any()
    assert set(np.unique(one.x)) == {0.0, 1.0}
    assert one.x.mean() == pytest.approx(work.density, rel=0.05)
    assert draw(replace(work, stored="uint8")).x.dtype == np.uint8
    assert draw(replace(work, dtype="float64")).weights[0].dtype == np.float64


@pytest.fixture
def few_recordings(monkeypatch):
    """Twelve synthetic recordings, and no real ones."""
    monkeypatch.setattr("tests.bench.workloads.SYNTHETIC", 12)
    monkeypatch.setenv("REFSAST_NMNIST", "nowhere")
    recordings.cache_clear()
    yield
    recordings.cache_clear()


def test_a_minibatch_has_different_recordings_of_the_set(few_recordings):
    work = replace(SMALL, steps=3)
    one, same, other = draw(work), draw(work), draw(replace(work, seed=1))
    x, y = recordings(3)
    whole = x.dense().swapaxes(0, 1).reshape(len(y), -1)
    where = [np.flatnonzero((whole == r.ravel()).all(axis=1)) for r in one.x.swapaxes(0, 1)]
    rows = np.concatenate(where)

    assert len(set(rows.tolist())) == len(rows) == work.batch
    assert one.y.tolist() == y[rows].tolist()
    assert (one.x == same.x).all()
    assert (one.x != other.x).any()
    assert "12 synthetic; in 3 steps" in describe_recordings(3)


def test_products_split_by_column_are_the_products(few_recordings):
    ways = columns.make_ways(replace(SMALL, steps=3))
    forward, grad = ways.pop(columns.DENSE)()

    for name, way in ways.items():
        for got, wanted in zip(way(), (forward, grad), strict=True):
            assert abs(got - wanted).max() < 1e-5 * abs(wanted).max(), name


def little(rho):
    return epochs.Task(replace(SMALL, steps=3, batch=5, sizes=(2312, 8, 10)), None, rho)


@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_an_epoch_is_its_steps_one_by_one(few_recordings, rho):
    task = little(rho)
    rows, network = epochs.minibatches(task), task.work.network
    w = rs.flatten(weights_to_params(epochs.start(task.work)))
    state = ADAM.init(w)
    for pair in zip(rows.ascent, rows.descent, strict=True):
        first, second = ((rows.x[:, r], rows.y[r]) for r in pair)
        params = rs.unflatten(network, w)
        _, grads = rs.fast.sam_gradient(network, params, first, second if rho else None, rho=rho)
        state, w = ADAM.update(state, w, rs.flatten(grads), 1.0)
    epochs.make_trainer.cache_clear()
    got = np.concatenate([a.ravel() for a in epochs.make_trainer("refsast", task)()])

    assert rows.descent.shape == (2, 5)
    assert (rows.ascent == rows.descent).all() == (rho == 0.0)
    assert abs(got - w).max() < 1e-5


@pytest.mark.filterwarnings("ignore")  # of libraries, about themselves
@pytest.mark.parametrize("rho", [0.0, 0.1])
@pytest.mark.parametrize("name", ["torch", "jax", "spikingjelly"])
def test_everybody_trains_the_same_network(few_recordings, name, rho):
    if not is_installed(PEERS[name].needs):
        pytest.skip(f"{PEERS[name].needs} is not installed")
    epochs.make_trainer.cache_clear()
    ours, theirs = (epochs.make_trainer(one, little(rho))() for one in ("refsast", name))

    for got, wanted, begun in zip(theirs, ours, epochs.start(little(rho).work), strict=True):
        assert np.linalg.norm(got - wanted) < 1e-2 * np.linalg.norm(wanted - begun)


def test_what_an_epoch_must_do_is_counted(few_recordings):
    plain, sast = (limit.count_work(little(rho)) for rho in (0.0, 0.1))
    ones, p = len(little(0.0).data[0].index), 2312 * 8 + 80

    assert plain["products with the input"] == (2 * 8.0 * 2312 * 8 + 4 * ones, 16.0 * ones)
    assert plain["products of upper layers"] == (2 * 8.0 * 80, 3.0 * 30 * 80)
    assert plain["Adam"] == sast["Adam"] == (2 * 28.0 * p, 0.0)
    assert sast["spikes and resets"][0] == 2 * plain["spikes and resets"][0] == 2 * 24 * 30 * 18


def test_the_largest_losses_are_above_what_must_be():
    parts = {"a": (5.0, 4.5), "b": (1.0, 0.0), "c": (2.0, 0.0), "d": (0.1, 0.0)}
    found = limit.Limit(10.0, 2.0, 30.0, 8.0, parts)

    assert found.seconds == 4.0
    assert found.losses == [("c", 2.0), ("b", 1.0), ("a", 0.5)]


def made_up(names=tuple(ALL), scale=1.0):
    """Return timings that nobody measured: one is wrong, one is absent."""
    found = {n: Timing(n, (scale * (i + 1.0), scale * (i + 2.0)), 0.5) for i, n in enumerate(names)}
    found["torch"] = replace(found["torch"], wrong="layer 1 is off by 0.5 of its norm")
    return found | {"jax": Timing("jax", absent="jax is not installed")}


def everything():
    points = {of: [(v, made_up(scale=v**2)) for v, _ in ps] for of, ps in sweeps().items()}
    peaks = [Peak("fast", 1e8, 2e8, 3.0), Peak("jax", absent="jax is not installed")]
    took = epochs.EpochTiming((4.0, 5.0, 9.0), 1.25)
    missing = epochs.EpochTiming(absent="jax is not installed")
    return Results(
        {"processor": "made up"},
        {name: made_up() for name in COMPARISONS},
        points,
        {name: peaks for name in MEMORY},
        columns={
            "reference": {"dense": (0.1, 2.0), "sparse": (0.05, 1.0), "split at 5 %": (0.04, 0.8)}
        },
        reading={"one file at a time": 1234.5},
        epochs={"made up": {"plain": {"refsast": took, "jax": missing}}},
        limits={"made up": {"plain": limit.Limit(1e9, 1e9, 2e9, 5e8, {"Adam": (3.0, 1.0)})}},
    )


def test_ratios_are_taken_round_by_round():
    assert ratios(Timing("fast", (2.0, 9.0)), Timing("floor", (1.0, 3.0))) == [2.0, 3.0]
    assert quartiles((1.0, 2.0, 3.0, 4.0, 5.0)) == (2.0, 3.0, 4.0)


def test_exponents_are_those_of_a_power():
    assert exponent(everything().sweeps["steps"], "fast") == pytest.approx(2.0)
    assert np.isnan(exponent(everything().sweeps["steps"], "jax"))


def test_the_page_says_who_is_wrong_and_who_is_not_there():
    text = page(everything())

    assert "**not the same gradient**: layer 1 is off by 0.5" in text
    assert "JAX, jit and scan (jax is not installed)" in text
    assert "reset detached" in text
    assert "| one file at a time | 1234 |" in text
    assert "| refsast, rs.train | 5.00 | 1.2500 |" in text
    assert "| the machine's limit | 2.00 |  |" in text
    assert "Largest losses of `rs.train`: Adam, 2.00 s." in text
    assert "| split at 5 % | 40.0 (0.80) |" in text
    assert "the best of them took 0.80 times" in text
    assert "made up" in text


def test_a_page_of_nothing_can_be_written():
    assert page(Results()).startswith("# Benchmarks")


@pytest.mark.slow
def test_figures_are_drawn_and_small():
    for figure in (bars(made_up()), scaling(everything())):
        picture = png(figure)
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 150_000


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rounds", "0"], "--rounds must be positive, got 0"),
        (["--only", "speed"], f"--only must be one of {', '.join(SECTIONS)}, got speed"),
    ],
)
def test_bad_input_ends_in_one_line(capsys, flags, message):
    assert main(flags) == 2
    assert capsys.readouterr().err == f"tests.bench: {message}\n"


def test_bad_input_of_the_convolution_ends_in_one_line(capsys):
    assert convolution.main(["--rounds", "0"]) == 2
    assert capsys.readouterr().err == (
        "tests.bench.convolution: --rounds must be positive, got 0\n"
    )


@pytest.mark.skipif(not is_installed("torch"), reason="torch is not installed")
@pytest.mark.parametrize("dtype", convolution.AGREE)
def test_a_convolution_is_timed_only_where_both_agree(dtype):
    options = convolution.parser().parse_args(["--steps", "2", "--dtype", dtype])
    batch = convolution.draw(options, 2)
    ours, theirs = convolution.build_fast(batch), convolution.build_torch(batch)

    def wrong():
        loss, grads = ours()
        return loss, [1.001 * grads[0], *grads[1:]]

    convolution.require_agreement({"refsast": ours, "PyTorch": theirs}, dtype)
    with pytest.raises(ValueError, match="gradients must agree to"):
        convolution.require_agreement({"refsast": wrong, "PyTorch": theirs}, dtype)
