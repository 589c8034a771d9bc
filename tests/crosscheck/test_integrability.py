"""Whether the test that needs no reference tells gradients from what passes for them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count, islice

import numpy as np
import pytest

import refsast as rs
from refsast.arrays import Array
from refsast.crosscheck.case import Case, cast_params
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.integrability import criteria, field
from refsast.crosscheck.integrability.criteria import decide, integrable, loss_slope
from refsast.crosscheck.integrability.field import ABSCISSAE, CALLS, Field, Sample, spacing
from refsast.crosscheck.integrability.verdict import Measurement, Verdict, VerdictKind
from refsast.model.params import param_arrays
from refsast.testing import RESETS, SURROGATES
from tests.draws import draws

READOUTS = (rs.SpikeRate(4.0), rs.LinearReadout(3), rs.LeakyReadout(3, 0.9))


def draw_case(seed: int, *, detach: bool = False) -> Case:
    """A network of ordinary liveliness; one whose reset matters if that is to be detached."""
    rng = np.random.default_rng(seed)
    sizes = tuple(int(n) for n in rng.integers(2, 6, 4 if seed % 4 == 0 else 3))
    spike = SURROGATES[seed % 5](rng.uniform(1.0, 5.0))
    reset = RESETS[rng.integers(3 if detach else 4)]
    neuron = rs.LIF(rng.uniform(0.5, 1.0), rng.uniform(0.3, 1.0), spike, reset, detach)
    readout, bias, recurrent = READOUTS[seed % 3], rng.integers(2) == 1, rng.integers(2) == 1
    network = rs.Network(sizes, neuron, readout, bias=bool(bias), recurrent=bool(recurrent))
    w = rng.uniform(1.0, 2.0) * rs.flatten(rs.init(network, rng))
    x = rng.random((int(rng.integers(3, 7)), 3, sizes[0])) + 0.5 * (seed % 2)
    return Case(network, rs.unflatten(network, w), x, rng.integers(0, network.classes, 3))


def small(seed: int = 0, **changes: object) -> Case:
    """4-6-3, five steps, batch 3."""
    neuron = replace(rs.LIF(0.9, 0.6, rs.Arctan(3.0)), **changes)
    return _live(rs.Network((4, 6, 3), neuron, rs.SpikeRate(4.0)), 5, 3, seed)


def _live(network: rs.Network, time: int, batch: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    params, x = rs.init(network, rng), rng.random((time, batch, network.sizes[0]))
    return Case(network, params, x, rng.integers(0, network.classes, batch))


def exact(case: Case) -> Gradient:
    return lambda params, x, y: rs.fast.loss_and_grad(case.network, params, x, y)


def straight(case: Case) -> Gradient:
    return lambda params, x, y: rs.straight_through(case.network, params, x, y)


def single(gradient: Gradient) -> Gradient:
    """The same in single precision."""
    return lambda params, x, y: gradient(cast_params(params, np.float32), x.astype(np.float32), y)


def change_network(case: Case, change: Callable[[float, Array], tuple[float, Array]]) -> Gradient:
    """The exact one, its loss and flat gradient changed."""

    def gradient(params, x, y):
        loss, grads = rs.fast.loss_and_grad(case.network, params, x, y)
        loss, g = change(loss, rs.flatten(grads))
        return loss, rs.unflatten(case.network, g)

    return gradient


def verdict(gradient: Gradient, case: Case, seed: int = 0) -> Verdict:
    return integrable(gradient, case, rng=np.random.default_rng(seed))


def kinds(gradients: Callable[[Case], Gradient], cases: list[Case]) -> Counter[VerdictKind]:
    return Counter(verdict(gradients(case), case, i).kind for i, case in enumerate(cases))


def alive(number: int, *, detach: bool = False) -> list[Case]:
    """The first so many whose estimates are not zero or, by chance, right.

    A spline that is nowhere but in its flat parts gives a gradient of exactly zero, and one that is
    flat wherever the reset acts gives the right gradient with the reset detached.
    """
    cases = (draw_case(seed, detach=detach) for seed in count())
    return list(islice((case for case in cases if _matters(case)), number))


def _matters(case: Case) -> bool:
    attached = replace(case.network.neuron, detach_reset=False)
    right = exact(replace(case, network=replace(case.network, neuron=attached)))
    vectors = [
        rs.flatten(box(case.params, case.x, case.y)[1])
        for box in (right, exact(case), straight(case))
    ]
    differs = not case.network.neuron.detach_reset or not np.array_equal(*vectors[:2])
    return differs and all(g.any() for g in vectors)


@pytest.mark.slow
def test_of_a_hundred_of_each_none_is_wrong():
    many = draws(100)
    smooth, detached = alive(many), alive(many, detach=True)
    estimates = kinds(straight, smooth)

    assert kinds(exact, smooth) == {VerdictKind.GRADIENT: many}
    assert kinds(exact, detached) == {VerdictKind.NONE: many}
    # In one of them only the last layer's bias gets any gradient: of its bias, a plain function.
    assert estimates.keys() <= {VerdictKind.NONE, VerdictKind.UNDECIDED}
    assert estimates[VerdictKind.UNDECIDED] <= 1


def test_single_precision_may_be_undecided_but_is_never_wrong():
    found = kinds(lambda case: single(exact(case)), alive(draws(50)))

    assert found.keys() <= {VerdictKind.GRADIENT, VerdictKind.UNDECIDED}
    assert found[VerdictKind.GRADIENT] >= 0.9 * draws(50)


@pytest.mark.parametrize("spike", SURROGATES)
@pytest.mark.parametrize("reset", RESETS[:2])
def test_one_of_each(spike, reset):
    case = small(spike=spike(3.0), reset=reset)
    detached = small(spike=spike(3.0), reset=reset, detach_reset=True)

    assert verdict(exact(case), case).kind is VerdictKind.GRADIENT
    assert verdict(exact(detached), detached).kind is VerdictKind.NONE
    assert verdict(straight(case), case).kind is VerdictKind.NONE


def pair_asymmetries(gradient: Gradient, case: Case) -> Array:
    """abs(<d, H e> - <e, H d>) of the pairs of directions that `verdict` draws, relative."""
    d = field._directions(param_arrays(case.params), np.random.default_rng(0))[: field.LINES]
    w, h = rs.flatten(case.params), 1e-5

    def grad(point: Array) -> Array:
        params = rs.unflatten(case.network, point)
        return rs.flatten(gradient(params, case.x, case.y)[1])

    hessian = np.array([(grad(w + h * e) - grad(w - h * e)) / (2.0 * h) for e in d]) @ d.T
    pairs = ~np.eye(len(d), dtype=bool)
    gaps = abs(hessian - hessian.T)[np.triu_indices(len(d), 1)]
    return gaps / np.sqrt(np.mean(hessian[pairs] ** 2))


def test_gaps_are_weighted_by_their_errors():
    """Two gaps of 3 and 4 with errors of 1 and 2: weights of 4 to 1, relative to a scale of 10."""
    found = criteria._combine(np.array([3.0, -4.0]), np.array([1.0, 2.0]), 10.0)

    assert found.statistic == pytest.approx(np.sqrt((4.0 * 9.0 + 16.0) / 5.0) / 10.0, rel=1e-14)
    assert found.floor == pytest.approx(
        criteria.SIGMAS * np.sqrt(2.0 * 4.0 / 5.0) / 10.0, rel=1e-14
    )


def test_the_table_of_the_field():
    """Two layers, T = 12; Gygax and Zenke's three rows: asymmetry, work, exponent.

    The asymmetry is a mean over three pairs of directions whose weights are measured rounding
    errors, which differ from machine to machine; so it lies between those of the pairs.
    """
    neuron = rs.LIF(0.9, 0.6, rs.Logistic(4.0))
    network = rs.Network((4, 6, 3), neuron, rs.SpikeRate(4.0))
    smooth = _live(network, 12, 3, seed=3)
    loose = replace(smooth, network=replace(network, neuron=replace(neuron, detach_reset=True)))
    rows = (
        (exact(smooth), smooth, 0.0, 0.0, 2.0),
        (exact(loose), loose, 0.1638, 0.121, 1.0),
        (straight(smooth), smooth, 0.757, 0.581, 1.0),
    )

    for gradient, case, asymmetry, work, exponent in rows:
        found, pairs = verdict(gradient, case), pair_asymmetries(gradient, case)
        mean = np.sqrt(np.mean(pairs**2))
        assert (mean, found.work.statistic, found.exponent) == pytest.approx(
            (asymmetry, work, exponent), rel=5e-3, abs=1e-9
        )
        assert pairs.min() - 1e-8 <= found.symmetry.statistic <= pairs.max() + 1e-8


WRONG = {
    "twice": (lambda loss, g: (loss, 2.0 * g), VerdictKind.OTHER, 2.0),
    "summed": (lambda loss, g: (loss, 3.0 * g), VerdictKind.OTHER, 3.0),
    "uphill": (lambda loss, g: (loss, -g), VerdictKind.OTHER, -1.0),
    "constant": (lambda loss, g: (loss, np.cos(np.arange(g.size))), VerdictKind.OTHER, np.nan),
    "zero": (lambda loss, g: (loss, 0.0 * g), VerdictKind.ELSEWHERE, 0.0),
    "clipped": (lambda loss, g: (loss, g / np.linalg.norm(g)), VerdictKind.NONE, None),
    "an entry": (
        lambda loss, g: (loss, g * (1.0 + 1e-3 * (np.arange(g.size) == 7))),
        VerdictKind.NONE,
        None,
    ),
    "loss of another": (lambda loss, g: (np.tanh(loss), g), VerdictKind.OTHER, None),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(name):
    change, kind, factor = WRONG[name]
    case = small()

    found = verdict(change_network(case, change), case)

    assert found.kind is kind
    if factor is not None:
        assert found.factor == pytest.approx(factor, rel=1e-6, nan_ok=True)
    if kind is VerdictKind.OTHER:
        assert found.symmetry.holds or found.work.holds
        assert found.slope.fails


def test_the_gradient_of_another_networks_loss_is_the_gradient_of_something():
    case, other = small(), small(leak=0.5)

    def gradient(params, x, y):
        loss, _ = rs.fast.loss_and_grad(case.network, params, x, y)
        return loss, rs.fast.loss_and_grad(other.network, params, x, y)[1]

    found = verdict(gradient, case)

    assert found.kind is VerdictKind.OTHER
    assert np.isnan(found.factor)
    assert found.exponent == pytest.approx(1.0, abs=1e-3)


def test_a_sum_over_the_batch_is_the_gradient_of_a_loss_that_is_summed():
    case = small()

    assert (
        verdict(change_network(case, lambda f, g: (3.0 * f, 3.0 * g)), case).kind
        is VerdictKind.GRADIENT
    )


def test_a_state_that_is_carried_over_is_found_before_anything_else():
    case, calls = small(), []

    def gradient(params, x, y):
        calls.append(x)
        return rs.fast.loss_and_grad(case.network, params, x + 1e-3 * len(calls), y)

    found = verdict(gradient, case)

    assert found.kind is VerdictKind.UNREPEATABLE
    assert len(calls) == 2
    assert found.symmetry is found.work is found.slope is None
    assert "states reset" in str(found)
    assert not found.unrepeated.later


def test_a_box_that_remembers_other_questions_is_found_in_the_end():
    case, seen = small(), set()

    def gradient(params, x, y):
        seen.add(rs.flatten(params).tobytes())
        loss, grads = rs.fast.loss_and_grad(case.network, params, x, y)
        return loss + 0.25 * (len(seen) > 5), grads

    found = verdict(gradient, case)

    assert found.kind is VerdictKind.UNREPEATABLE
    assert found.unrepeated.later
    assert (found.unrepeated.apart, found.unrepeated.loss) == (0.0, 0.25)


def test_the_number_of_calls_is_bounded_whatever_the_size():
    calls = []
    network = rs.Network((300, 40, 10), rs.LIF(0.9, 0.6, rs.Arctan(3.0)), rs.SpikeRate(4.0))
    case = _live(network, 3, 2, seed=0)

    def gradient(params, x, y):
        calls.append(x)
        return rs.fast.loss_and_grad(network, params, x, y)

    assert verdict(gradient, case).kind is VerdictKind.GRADIENT
    assert len(calls) == CALLS <= 60


def test_the_same_seed_gives_the_same_verdict():
    case = small()

    assert verdict(exact(case), case, 3) == verdict(exact(case), case, 3)
    assert verdict(exact(case), case, 3) != verdict(exact(case), case, 4)


def test_a_saturated_network_is_undecided():
    case = small(spike=rs.PiecewiseQuadratic(3.0))
    nothing = rs.unflatten(case.network, np.zeros(case.network.n_params))
    silent = replace(case, params=nothing)

    found = verdict(exact(silent), silent)

    assert found.kind is VerdictKind.UNDECIDED
    assert found.silent
    assert "zero here" in str(found)


def test_one_parameter_alone_is_always_a_gradient():
    neuron = rs.LIF(0.9, 0.6, rs.Arctan(3.0))
    network = rs.Network((1, 1), neuron, rs.SpikeRate(4.0), bias=False, recurrent=False)
    case = Case(network, (rs.Layer(np.ones((1, 1))),), np.ones((4, 2, 1)), np.array([0, 0]))

    assert verdict(exact(case), case).kind is VerdictKind.UNDECIDED  # one class: the loss is zero
    box = change_network(case, lambda loss, g: (1.0, np.ones(1)))
    assert not verdict(box, case).symmetry.fails


def test_one_of_each_kind():
    case, detached = small(), small(detach_reset=True)

    assert verdict(exact(case), case).kind is VerdictKind.GRADIENT
    assert verdict(exact(detached), detached).kind is VerdictKind.NONE
    still = verdict(straight(case), case)
    assert still.kind is VerdictKind.NONE
    assert "stands still" in str(still)


def test_single_precision_in_disguise_is_no_alarm():
    """Computed in single precision, handed back in double."""
    case = small()

    def gradient(params, x, y):
        loss, grads = single(exact(case))(params, x, y)
        return float(loss), cast_params(grads, np.float64)

    assert verdict(gradient, case).kind is VerdictKind.GRADIENT
    assert verdict(single(exact(case)), case).kind is VerdictKind.GRADIENT


def test_the_noise_that_a_dtype_does_not_tell_is_measured():
    """Rounding of intermediate numbers, though the answer has all digits of a double."""
    case = small()

    def gradient(params, x, y):
        round_answer = cast_params(cast_params(params, np.float32), np.float64)
        return rs.fast.loss_and_grad(case.network, round_answer, x, y)

    assert verdict(gradient, case).kind in (VerdictKind.GRADIENT, VerdictKind.UNDECIDED)


def test_a_loss_in_single_precision_beside_a_double_gradient_is_no_alarm():
    """So flat that the loss does not move at all in its precision."""
    case = small()

    def round_answer(loss, g):
        return float(np.float32(1.1 + 1e-5 * loss)), 1e-5 * g

    assert verdict(change_network(case, round_answer), case).kind in (
        VerdictKind.GRADIENT,
        VerdictKind.UNDECIDED,
    )


@pytest.mark.parametrize("scale", [1e-150, 1e-170, 1e-308, 1e150])
def test_extreme_numbers_neither_crash_nor_deceive(scale):
    case = small()
    found = verdict(change_network(case, lambda loss, g: (scale * loss, scale * g)), case)

    assert found.kind in (VerdictKind.GRADIENT, VerdictKind.UNDECIDED)


def test_an_answer_that_is_no_number_is_an_error():
    case = small()

    with pytest.raises(ValueError, match="must be finite"):
        verdict(change_network(case, lambda loss, g: (loss, g * np.nan)), case)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_coarse_numbers_are_at_worst_undecided(dtype):
    case = small()

    def round_answer(loss, g):
        return float(dtype(loss)), g.astype(dtype).astype(float)

    assert verdict(change_network(case, round_answer), case).kind in (
        VerdictKind.GRADIENT,
        VerdictKind.UNDECIDED,
    )


HELD, FAILED, UNSEEN = Measurement(0.0, 1e-9), Measurement(1.0, 1e-9), Measurement(0.5, 1.0)


@pytest.mark.parametrize(
    ("findings", "kind"),
    [
        ((HELD, HELD, HELD), VerdictKind.GRADIENT),
        ((UNSEEN, UNSEEN, HELD), VerdictKind.GRADIENT),
        ((FAILED, HELD, HELD), VerdictKind.NONE),
        ((UNSEEN, FAILED, UNSEEN), VerdictKind.NONE),
        ((HELD, UNSEEN, FAILED), VerdictKind.OTHER),
        ((UNSEEN, HELD, FAILED), VerdictKind.OTHER),
        ((UNSEEN, UNSEEN, FAILED), VerdictKind.ELSEWHERE),
        ((HELD, HELD, UNSEEN), VerdictKind.UNDECIDED),
    ],
)
def test_three_findings_make_one_verdict(findings, kind):
    assert decide(*findings) is kind


def test_what_a_polynomial_loss_does_is_what_its_derivative_says():
    """On a line as long as the numbers are large: nothing is left over up to the fourth power."""
    t = ABSCISSAE
    losses, slopes = t + t**2 + 3.0 * t**3 + t**4, 1.0 + 2.0 * t + 9.0 * t**2 + 4.0 * t**3
    size = np.ones(5)
    line = tuple(Sample(f, np.full(5, g), size) for f, g in zip(losses, slopes, strict=True))
    field = Field(line[len(t) // 2], (line,) * 3, line, 1.0, 1.0, np.finfo(float).eps)

    finding, factor = loss_slope(field)

    assert finding.holds
    assert factor == pytest.approx(1.0, rel=1e-14)


def test_the_spacing_of_numbers_is_seen_in_their_digits():
    numbers = np.random.default_rng(0).normal(size=100)

    for dtype in (np.float16, np.float32, np.float64):
        assert spacing(numbers.astype(dtype).astype(float)) == np.finfo(dtype).eps
    assert spacing(np.zeros(3)) == spacing(np.array([1.0, -2.0])) == np.finfo(float).eps


def test_it_reads_in_ten_seconds():
    case = small()
    lines = str(verdict(change_network(case, lambda loss, g: (loss, 2.0 * g)), case)).splitlines()

    assert lines[0] == "A gradient, but not of its loss. It is 2 times that gradient."
    assert [line.split("?")[1].split()[0] for line in lines[1:]] == ["holds", "holds", "FAILS"]
    assert lines[3].endswith("remainder h^1.00")


def confident(seed: int, gap: float) -> Case:
    """A network that is sure of the right class: by so many nats, with a readout's bias."""
    rng = np.random.default_rng(seed)
    spike, reset = SURROGATES[seed % 5](rng.uniform(1.0, 4.0)), RESETS[seed % 4]
    neuron = rs.LIF(rng.uniform(0.5, 1.0), rng.uniform(0.4, 1.2), spike, reset)
    sizes = (3, *map(int, rng.integers(2, 7, 1 + seed % 3)))
    readout = rs.LinearReadout(3) if seed % 2 else rs.LeakyReadout(3, 0.5)
    network = rs.Network(sizes, neuron, readout, recurrent=seed % 4 == 1)
    *inner, last = rs.init(network, rng)
    scale = gap if seed % 2 else 0.75 * gap  # a leaky readout adds up its bias
    last = replace(last, b=last.b + np.array([scale, 0.0, 0.0]))
    return Case(network, (*inner, last), rng.standard_normal((6, 4, 3)), np.zeros(4, np.int64))


def softmax_as_frameworks(case: Case, dtype: type) -> Gradient:
    """The exact states; loss, and p - y in the readout, as written by hand in `dtype`."""

    def gradient(params, x, y):
        params = cast_params(params, dtype)
        z = rs.run(case.network, params, x.astype(dtype)).logits.astype(dtype)
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        _, grads = rs.fast.loss_and_grad(case.network, params, x.astype(dtype), y)
        return float(-log_p[np.arange(len(y)), y].mean()), grads

    return gradient


GAPS = {np.float64: (20.0, 25.0, 30.0, 35.0, 45.0), np.float32: (5.0, 8.0, 11.0, 14.0, 20.0)}


@pytest.mark.parametrize(
    ("dtype", "gap"), [(dtype, gap) for dtype, gaps in GAPS.items() for gap in gaps]
)
def test_a_right_gradient_of_a_confident_network_is_never_called_wrong(dtype, gap):
    cases = [confident(seed, gap) for seed in range(4)]

    found = [verdict(softmax_as_frameworks(case, dtype), case) for case in cases]

    assert {each.kind for each in found} <= {VerdictKind.GRADIENT, VerdictKind.UNDECIDED}
    if gap == GAPS[dtype][0] and dtype is np.float64:  # a loss of 1e-9 is still something
        assert {each.kind for each in found} == {VerdictKind.GRADIENT}
    if gap == GAPS[dtype][-1]:
        assert all("the loss is zero to rounding here" in str(each) for each in found)


def test_a_wrong_gradient_of_a_confident_network_is_still_found():
    """Where the loss is 1e-4, rounding hides little."""
    for seed in range(4):
        case = confident(seed, 9.0)
        exactly = exact(case)

        def twice(params, x, y, exactly=exactly, case=case):
            loss, grads = exactly(params, x, y)
            return loss, rs.unflatten(case.network, 2.0 * rs.flatten(grads))

        assert verdict(twice, case).kind is VerdictKind.OTHER
        assert verdict(exactly, case).kind is VerdictKind.GRADIENT


def test_hard_spikes_are_undecided_at_once_without_a_call():
    def box(params, x, y):
        raise AssertionError("asked")

    found = verdict(box, replace(small(), hard=True))

    assert found.kind is VerdictKind.UNDECIDED
    assert str(found).startswith("Undecided: spikes are hard")
    assert "hard=False" in str(found)


def test_hard_spikes_that_nobody_declared_are_asked_about_a_small_part():
    """A box of hard spikes whose case says smooth: its loss stands still."""
    network = rs.Network((30, 20, 5), rs.LIF(0.9, 0.6, rs.Arctan(3.0)), rs.SpikeRate(4.0))
    case, sizes = _live(network, 80, 40, seed=0), []

    def box(params, x, y):
        sizes.append(x.shape[:2])
        return rs.straight_through(network, params, x, y)

    found = verdict(box, case)

    assert sizes.count((80, 40)) == 3
    assert set(sizes[3:]) == {(field.STILL_STEPS, field.STILL_BATCH)}
    assert found.kind in (VerdictKind.NONE, VerdictKind.UNDECIDED)
    assert "stands still" in str(found)
    assert "first 12 steps of 3 recordings" in str(found)


def test_a_box_of_one_size_only_whose_loss_stands_still_is_undecided():
    network = rs.Network((30, 20, 5), rs.LIF(0.9, 0.6, rs.Arctan(3.0)), rs.SpikeRate(4.0))
    case = _live(network, 20, 5, seed=0)

    def box(params, x, y):
        if x.shape != case.x.shape:
            raise RuntimeError("20 steps of 5 recordings")
        return rs.straight_through(network, params, x, y)

    found = verdict(box, case)

    assert found.kind is VerdictKind.UNDECIDED
    assert "20 steps of 5 recordings" in str(found)


COARSE_LOSSES = {
    "rounded": lambda loss: float(np.float32(loss)),
    "summed in single, then divided in double": lambda loss: float(np.float32(5.0 * loss)) / 5.0,
    "beside a large constant": lambda loss: float(np.float32(loss + 100.0)) - 100.0,
    "of half precision": lambda loss: float(np.float16(loss)),
    "three decimals": lambda loss: round(float(loss), 3),
}


@pytest.mark.parametrize("name", COARSE_LOSSES)
def test_a_coarser_loss_than_its_gradient_is_never_an_alarm(name):
    for seed in range(12):
        case = small(seed)
        box = change_network(case, lambda loss, g: (COARSE_LOSSES[name](loss), g))

        found = verdict(box, case)

        assert found.kind in (VerdictKind.GRADIENT, VerdictKind.UNDECIDED)
        assert "stands still" in str(found) or "too few digits" in str(found) or found.slope.holds


def test_a_loss_that_moves_in_jumps_shows_its_jumps():
    smooth = np.linspace(0.0, 1.0, 30) ** 2

    assert criteria.loss_grain(smooth) == 0.0
    assert criteria.loss_grain(np.round(smooth, 1)) == pytest.approx(0.1)
    assert np.isinf(criteria.loss_grain(np.full(30, 0.7)))
