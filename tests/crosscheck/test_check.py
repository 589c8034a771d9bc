"""`rs.check`: right implementations pass, wrong ones are found out, named and located."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params
from refsast.crosscheck.variants import reference_variant, solve
from refsast.model.params import map_params
from tests.crosscheck.known_faults.faults import apply_fault, restrict
from tests.crosscheck.permutations import DTYPES, draw_steep_case, permute_implementation
from tests.crosscheck.planted_faults import (
    KINDS,
    PAIRS,
    bend_derivative,
    black_box,
    diagnose_fault,
    draw_case,
    draw_faulty_case,
    draw_unknown_fault,
    nudge_potential,
)
from tests.draws import draws


def make_rng(text: str) -> np.random.Generator:
    """A generator of one's own for every test."""
    return np.random.default_rng([ord(c) for c in text])


@pytest.fixture(scope="module")
def case() -> rs.Case:
    return draw_faulty_case(np.random.default_rng(1), KINDS["reset detached"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_fault_is_found_and_named_and_nothing_false_is_said_of_its_place(kind):
    rng = make_rng(kind)
    for _ in range(2):
        found = diagnose_fault(draw_faulty_case(rng, KINDS[kind]), KINDS[kind])
        assert found.detected
        assert found.equal
        assert found.partly


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=" + ".join)
def test_two_faults_at_once_are_found(pair):
    faults = [KINDS[kind] for kind in pair]
    found = diagnose_fault(draw_faulty_case(make_rng("".join(pair)), *faults), *faults)

    assert found.detected
    assert found.named
    assert found.partly


@pytest.mark.slow
@pytest.mark.parametrize("plant", [nudge_potential, bend_derivative])
def test_an_unknown_fault_is_called_unknown_and_nothing_false_is_said_of_its_place(plant):
    rng = make_rng(plant.__name__)
    for _ in range(draws(3)):
        found = diagnose_fault(*draw_unknown_fault(rng, plant))
        assert found.detected
        assert found.named
        assert found.partly


def test_a_fault_in_one_layer_alone_is_found_there():
    rng = np.random.default_rng(5)
    while True:
        case = draw_faulty_case(rng, KINDS["reset detached"])
        fault = restrict(KINDS["reset detached"], 0)
        if len(case.network.neurons) > 1 and apply_fault(case, fault) is not None:
            break
    report = rs.check(black_box(case, fault), case)

    assert report.cause.name == "reset detached in layer 1 alone"
    assert (report.first.what, report.first.layer) == ("adjoint", 0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_implementations_raise_no_alarm(dtype):
    rng, undecided = np.random.default_rng(7), 0
    for _ in range(60):
        case = draw_steep_case(rng)
        report = rs.check(permute_implementation(case.network, rng, dtype), case)
        assert report.verdict != "DISAGREES", report
        undecided += report.verdict == "undecided"
        assert report.dtype == dtype
        assert report.first is report.cause is None
    # Slopes up to 25: in single precision some of these gradients are little more than rounding.
    assert undecided <= (0 if dtype is np.float64 else 18)


def test_everything_given_is_compared_in_the_order_of_the_computation(case):
    report = rs.check(lambda p, x, y: solve(replace(case, params=p, x=x, y=y)), case)

    assert report.agrees
    assert [stage.name for stage in report.stages] == [
        "loss",
        "states",
        "adjoints",
        "parameter gradients",
        "input gradient",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["u", "s", "adjoints"])
def test_one_wrong_number_among_states_or_adjoints_is_the_first_place(case, name):
    def wrong(p, x, y):
        answer = solve(replace(case, params=p, x=x, y=y))
        arrays = [a.copy() for a in getattr(answer, name)]
        arrays[-1][-1, -1, -1] += 1e-9
        return replace(answer, **{name: tuple(arrays)})

    first = rs.check(wrong, case).first
    last = (len(case.network.neurons), *getattr(solve(case), name)[-1].shape)
    assert (first.layer, first.time, first.recording, first.neuron) == tuple(n - 1 for n in last)
    assert first.what == ("adjoint" if name == "adjoints" else "state")
    assert "given" in first.how


def test_potentials_of_after_the_reset_are_a_difference_of_states_only(case):
    def report_after_reset(p, x, y):
        answer = solve(replace(case, params=p, x=x, y=y))
        return replace(answer, u=tuple(u - s for u, s in zip(answer.u, answer.s, strict=True)))

    report = rs.check(report_after_reset, case)
    assert [stage.agrees for stage in report.stages] == [True, False, True, True, True]


def test_a_fault_in_an_entry_of_1e_12_is_found():
    network = rs.Network((3, 4, 4), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.LinearReadout(2))
    rng = np.random.default_rng(0)
    params = rs.init(network, rng)
    faint = (*params[:-1], replace(params[-1], w=1e-11 * params[-1].w))
    case = rs.Case(network, faint, rng.standard_normal((6, 3, 3)), np.array([0, 1, 1]))

    def wrong(p, x, y):
        loss, grads = rs.fast.loss_and_grad(network, p, x, y)
        grads[0].w[1, 2] *= 1.0 + 1e-9
        return loss, grads

    size = abs(rs.fast.loss_and_grad(network, *(case.params, case.x, case.y))[1][0].w[1, 2])
    assert 0.0 < size < 2e-12
    worst = rs.check(wrong, case).stages[-1].worst
    assert (worst.name, worst.index) == ("grads[0].w", (1, 2))


def test_states_that_are_carried_over_are_found_out(case):
    calls = []

    def keep_state(p, x, y):
        calls.append(len(calls))
        answer = solve(replace(case, params=p, x=x, y=y))
        return answer.loss + 1e-6 * calls[-1], answer.grads

    report = rs.check(keep_state, case)
    assert not report.agrees
    assert not report.repeated
    assert "are states reset, gradients cleared" in str(report)


def test_single_precision_is_judged_as_such_and_a_fault_in_it_is_named(case):
    detached = black_box(case, KINDS["reset detached"])

    def single(p, x, y):
        loss, grads = detached(p, x, y)
        return np.float32(loss), cast_params(grads, np.float32)

    report = rs.check(single, case)
    assert report.dtype == np.float32
    assert report.cause.name == "reset detached"


def test_whatever_is_done_to_the_question_stays_with_the_implementation(case):
    before = [rs.flatten(case.params).copy(), case.x.copy()]

    def spoil_arguments(p, x, y):
        answer = solve(replace(case, params=p, x=x, y=y))
        for layer in p:
            layer.w[:] = 0.0
        x[:] = 0.0
        return answer

    assert rs.check(spoil_arguments, case).agrees
    assert np.array_equal(before[0], rs.flatten(case.params))
    assert np.array_equal(before[1], case.x)


def test_a_hard_potential_within_rounding_of_the_threshold_is_no_question():
    network = rs.Network((1, 1), rs.LIF(0.5, 1.0, rs.Arctan(2.0)), rs.SpikeRate(2.0), bias=False)
    just_below = np.full((1, 1, 1), 1.0 - 2.0**-53)
    case = rs.Case(network, (rs.Layer(np.ones((1, 1))),), just_below, [0], hard=True)

    def fires(p, x, y):
        return solve(replace(case, params=p, x=np.ones_like(x), y=y))

    report = rs.check(fires, case)
    assert report.verdict == "undecided"
    assert not report.agrees
    assert "within rounding of the threshold; take other recordings" in str(report)


def test_a_hard_potential_at_the_threshold_fires():
    case = draw_faulty_case(np.random.default_rng(3), KINDS["tie rule"])
    report = rs.check(lambda p, x, y: solve(replace(case, params=p, x=x, y=y)), case)

    assert report.agrees
    spikes = report.case.network.neurons[0]
    u, s = (getattr(solve(case), name) for name in ("u", "s"))
    assert any(((a == spikes.threshold) & (b == 1.0)).any() for a, b in zip(u, s, strict=True))


@pytest.mark.parametrize("current", [False, True])
def test_with_nothing_exchanged_the_program_is_the_reference(current):
    rng = np.random.default_rng(4)
    for _ in range(10):
        case = draw_case(rng)
        loss, grads = rs.reference.loss_and_grad(case.network, case.params, case.x, case.y)
        if current:  # a synapse that is none
            case = replace(case, synapse=rs.Synapse(0.0, 1.0))
        answer = solve(case, reference_variant(case))
        assert answer.loss == pytest.approx(float(loss), rel=1e-14)
        assert rs.flatten(answer.grads) == pytest.approx(rs.flatten(grads), rel=1e-10, abs=1e-16)


def test_a_tie_that_rounding_made_is_no_question():
    w = np.array([[0.1, 0.1, 0.1, 0.3, 0.2, 0.2]])
    network = rs.Network((6, 1), rs.LIF(0.5, 1.0, rs.Arctan(2.0)), rs.SpikeRate(2.0), bias=False)
    case = rs.Case(network, (rs.Layer(w),), np.ones((1, 1, 6)), [0], hard=True)
    assert (w @ np.ones(6)).item() == 1.0  # in this order

    def silent(p, x, y):
        return solve(replace(case, params=(rs.Layer(0.5 * p[0].w),), x=x, y=y))

    assert rs.check(silent, case).verdict == "undecided"


@pytest.mark.parametrize("slope", [5.0, 100.0])
def test_a_potential_at_a_kink_of_the_derivative_raises_no_alarm(slope):
    rng = np.random.default_rng(0)
    network = rs.Network(
        (40, 3), rs.LIF(0.5, 1.0, rs.PiecewiseQuadratic(slope)), rs.SpikeRate(5.0), bias=False
    )

    def sum_in_reverse(p, x, y):
        loss, grads = rs.fast.loss_and_grad(network, (rs.Layer(p[0].w[:, ::-1]),), x[..., ::-1], y)
        return loss, (rs.Layer(grads[0].w[:, ::-1]),)

    for _ in range(20):
        w = rng.standard_normal((3, 40))
        w -= w.mean(axis=1, keepdims=True) - (1.0 + 1.0 / slope) / 40
        case = rs.Case(network, (rs.Layer(w),), np.ones((2, 2, 40)), [0, 1])
        assert rs.check(sum_in_reverse, case).verdict == "undecided"  # gradients are all rounding


def test_an_answer_that_grows_from_call_to_call_is_not_repeated(case):
    calls = []

    def grow(p, x, y):
        calls.append(1)
        answer = solve(replace(case, params=p, x=x, y=y))
        return answer.loss, map_params(lambda a: len(calls) * a, answer.grads)

    assert not rs.check(grow, case).repeated


@pytest.mark.slow
def test_a_cause_that_holds_in_the_active_inputs_only_is_not_exact():
    network = rs.Network((80, 4, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.LinearReadout(2))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 3, 80)) * np.where(np.arange(80) < 64, 1.0, 0.1)
    case = rs.Case(network, rs.init(network, rng), x, [0, 1, 1])
    detached = black_box(case, KINDS["reset detached"])

    def wrong(p, x, y):
        loss, grads = detached(p, x, y)
        w = grads[0].w * np.where(np.arange(80) < 64, 1.0, 3.0)
        return loss, (replace(grads[0], w=w), *grads[1:])

    assert not rs.check(wrong, case).cause.exact
    assert rs.check(detached, case).cause.exact


@pytest.mark.slow
def test_adjoints_that_are_wrong_as_the_loss_is_are_not_the_first_place():
    case = draw_faulty_case(np.random.default_rng(2), KINDS["no reset"])

    def partly(p, x, y):
        asked = replace(case, params=p, x=x, y=y)
        answer = solve(asked, apply_fault(asked, KINDS["no reset"]))
        return replace(answer, u=None, s=None)

    assert (rs.check(partly, case).first.what, rs.check(partly, case).first.how) == (
        "state",
        "by its cause",
    )
