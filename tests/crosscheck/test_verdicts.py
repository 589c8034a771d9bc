"""Three verdicts: agreement is claimed only where the case could have shown a fault.

Each kind of case that once misled is drawn ten times or more: in other sizes, resets, types.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params, select_recordings
from refsast.crosscheck.compare import compare_answers, examine
from refsast.crosscheck.tolerance import MAX_SHARE
from refsast.crosscheck.unclear import unclear_recordings
from refsast.crosscheck.variants import solve
from refsast.model.params import map_params

RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())
DTYPES = (np.float64, np.float32)


def answer(case, dtype=np.float64, change=lambda grads: grads, network=None):
    """An implementation in some type, right but for a change to its gradients."""

    def gradient(params, x, y):
        network_run = network or case.network
        loss, grads = rs.fast.loss_and_grad(
            network_run, cast_params(params, dtype), x.astype(dtype), y
        )
        return loss, change(grads)

    return gradient


def draw_long_network(rng, reset, *, slope=3.0, detach=False):
    """A recurrent network over many steps, whose errors are forgotten as fast as its states."""
    n_in, n, steps = int(rng.integers(10, 30)), int(rng.integers(16, 65)), int(rng.integers(20, 81))
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(slope), reset, detach)
    network = rs.Network((n_in, n, 5), neuron, rs.SpikeRate(10.0), recurrent=True)
    x = 1.0 * (rng.random((steps, 4, n_in)) < 0.2)
    return rs.Case(network, rs.init(network, rng), x, rng.integers(5, size=4))


FAULTS = {
    "zeros": partial(map_params, lambda a: 0.0 * a),
    "minus": partial(map_params, lambda a: -a),
    "ten times": partial(map_params, lambda a: 10.0 * a),
    "layer 1 flipped": lambda grads: (*map_params(lambda a: -a, grads[:1]), *grads[1:]),
    "layer 1 zero": lambda grads: (*map_params(lambda a: 0.0 * a, grads[:1]), *grads[1:]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(10))
def test_no_tolerance_of_a_long_recurrent_network_swallows_its_gradient(seed, dtype):
    rng = np.random.default_rng(seed)
    case = draw_long_network(rng, RESETS[seed % 3])  # a sum without any reset needs fewer steps
    exam = examine(answer(case, dtype), case)
    assert exam.wrong == frozenset()
    assert all(stage.resolution[1] <= MAX_SHARE for stage in exam.stages)
    for change in FAULTS.values():
        wrong = replace(exam.got, grads=change(exam.got.grads))
        stages = compare_answers(wrong, exam.right, exam.tolerance)
        assert not all(stage.agrees for stage in stages)


@pytest.mark.parametrize("seed", range(10))
def test_a_detached_reset_is_seen_in_single_precision_in_deep_networks(seed):
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(3, 7))
    sizes = (20, *(int(n) for n in rng.integers(10, 40, depth)), 5)
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(float(rng.uniform(2, 8))), RESETS[seed % 3])
    network = rs.Network(sizes, neuron, rs.SpikeRate(10.0))
    params = map_params(lambda a: 1.5 * a, rs.init(network, rng))
    x = 1.0 * (rng.random((15, 3, 20)) < 0.25)
    case = rs.Case(network, params, x, rng.integers(5, size=3))
    detached = replace(network, neuron=replace(neuron, detach_reset=True))
    assert not examine(answer(case, np.float32), case).wrong
    exam = examine(answer(case, np.float32, network=detached), case)
    assert exam.wrong or seed == 0  # too deep for single precision


def draw_quiet_case(seed):
    """A network whose potentials stay where the spike's derivative is zero."""
    rng = np.random.default_rng(seed)
    neuron = rs.LIF(0.9, 1.0, rs.PiecewiseQuadratic(5.0), RESETS[seed % 4])
    network = rs.Network((4, int(rng.integers(2, 7)), 3), neuron, rs.SpikeRate(5.0))
    params = map_params(lambda a: 0.05 * a, rs.init(network, rng))
    return rs.Case(network, params, rng.standard_normal((8, 3, 4)), rng.integers(3, size=3))


@pytest.mark.parametrize("seed", range(10))
def test_a_case_without_gradients_is_undecided_and_a_harder_one_decides(seed):
    case = draw_quiet_case(seed)
    zeros = FAULTS["zeros"]
    report = rs.check(answer(case, change=zeros), case)
    assert report.verdict == "undecided"
    assert not report.agrees
    assert "every gradient is zero" in str(report)
    assert len(report.power.unseen) == report.power.planted

    better = rs.harder(case)
    assert rs.check(answer(better), better).verdict == "agrees"
    assert examine(answer(better, change=zeros), better).wrong == {"parameter gradients"}
    assert len(rs.check(answer(better), better).power.unseen) < report.power.planted


@pytest.mark.parametrize("seed", range(10))
def test_silent_outputs_are_named(seed):
    rng = np.random.default_rng(seed)
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0), RESETS[seed % 4])
    network = rs.Network((6, 8, 4), neuron, rs.SpikeRate(10.0), bias=False)
    first, second = rs.init(network, rng)
    params = (replace(first, w=4.0 * first.w), replace(second, w=-abs(second.w)))
    case = rs.Case(network, params, rng.random((6, 3, 6)), rng.integers(4, size=3), hard=True)
    report = rs.check(lambda p, x, y: solve(replace(case, params=p, x=x, y=y)), case)
    assert report.power.silent == 4
    assert report.power.rates[0] > 0.0
    assert "4 silent outputs" in str(report)


def test_a_network_in_which_no_neuron_fires_is_undecided():
    network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0), bias=False)
    case = rs.Case(network, rs.init(network, 0), np.full((5, 2, 2), 0.01), [0, 1], hard=True)
    report = rs.check(lambda p, x, y: solve(replace(case, params=p, x=x, y=y)), case)
    assert report.verdict == "undecided"
    assert "no neuron fires" in str(report)


def test_one_step_shows_nothing_of_memory():
    network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    case = rs.Case(network, rs.init(network, 0), np.ones((1, 2, 2)), [0, 1])
    power = rs.check(answer(case), case).power
    assert set(power.unseen) == {"reset detached in layer 1", "state detached in layer 1"}
    assert not rs.check(answer(rs.harder(case)), rs.harder(case)).power.unseen


def near_threshold(seed, many=3):
    """Hard recordings, the last of which has a potential a rounding below the threshold."""
    rng = np.random.default_rng(seed)
    neuron = rs.LIF(0.5, 1.0, rs.Arctan(2.0), RESETS[seed % 4])
    network = rs.Network((2, 1), neuron, rs.SpikeRate(2.0), bias=False)
    x = rng.choice([0.25, 0.5, 2.0], (int(rng.integers(1, 5)), many, 2))
    x[0, -1] = [1.0 - 2.0**-53, 0.0]
    return rs.Case(network, (rs.Layer(np.ones((1, 2))),), x, np.zeros(many, int), hard=True)


@pytest.mark.parametrize("seed", range(12))
def test_a_recording_in_which_rounding_decides_is_left_out_and_named(seed):
    case = near_threshold(seed)

    def fires(p, x, y):
        return solve(replace(case, params=p, x=np.where(x == 1.0 - 2.0**-53, 1.0, x), y=y))

    report = rs.check(fires, case)
    assert report.verdict != "DISAGREES"
    assert report.left_out == (2,)
    assert "left out: recordings 3" in str(report)
    assert len(report.case.y) == 2

    def faulty(p, x, y):  # a fault in the others is seen all the same
        found = fires(p, x, y)
        return replace(found, grads=map_params(lambda a: 1.001 * a + 1e-3, found.grads))

    wrong = rs.check(faulty, case)
    assert wrong.verdict == "DISAGREES"
    assert wrong.left_out == (2,)


def test_where_no_recording_is_clear_the_case_is_undecided():
    case = select_recordings(near_threshold(0), np.array([2]))

    def fires(p, x, y):
        return solve(replace(case, params=p, x=np.where(x == 1.0 - 2.0**-53, 1.0, x), y=y))

    report = rs.check(fires, case)
    assert report.verdict == "undecided"
    assert unclear_recordings(examine(fires, case)) == (0,)


def test_an_implementation_of_a_fixed_batch_is_undecided_with_such_a_recording():
    case = near_threshold(1)

    def fires(p, x, y):
        if len(y) != 3:
            raise RuntimeError("three recordings, please")
        return solve(replace(case, params=p, x=np.where(x == 1.0 - 2.0**-53, 1.0, x), y=y))

    report = rs.check(fires, case)
    assert report.verdict == "undecided"
    assert "undecided: recordings 3 have a hard potential within rounding" in str(report)


@pytest.mark.parametrize("seed", range(10))
def test_a_loss_of_single_precision_beside_double_gradients_is_right_and_named(seed):
    case = draw_long_network(np.random.default_rng(seed), RESETS[seed % 3])

    def single_loss(p, x, y):
        loss, grads = rs.fast.loss_and_grad(case.network, p, x, y)
        return float(np.float32(loss)), grads

    report = rs.check(single_loss, case)
    assert report.agrees, report
    assert report.dtype == np.float64
    assert "it has single precision only" in str(report)

    def wrong_loss(p, x, y):
        loss, grads = rs.fast.loss_and_grad(case.network, p, x, y)
        return float(np.float32(1.01 * loss)), grads

    assert "loss" in examine(wrong_loss, case).wrong


@pytest.mark.parametrize("seed", range(10))
def test_long_sums_of_equal_terms_one_after_the_other_are_right(seed):
    rng = np.random.default_rng(seed)
    steps, batch = int(rng.integers(50, 120)), int(rng.integers(50, 120))
    neuron = rs.LIF(float(rng.uniform(0.3, 0.7)), 1.0, rs.Arctan(2.0), RESETS[seed % 4])
    network = rs.Network((3, 4), neuron, rs.SpikeRate(5.0))
    case = rs.Case(network, rs.init(network, rng), np.ones((steps, batch, 3)), np.zeros(batch, int))

    def add(terms):
        return np.add.accumulate(terms.astype(np.float32), axis=0)[-1]

    def one_by_one(params, x, y):
        right = solve(replace(case, params=params, x=x, y=y))
        delta = right.adjoints[0].reshape(-1, 4)
        w = add(delta[:, :, None] * x.reshape(-1, 1, 3))
        return right.loss, [{"w": w, "b": add(delta)}]

    report = rs.check(one_by_one, case)
    assert report.agrees, report


@pytest.mark.parametrize("arrange", [list, lambda layers: dict(enumerate(layers))])
@pytest.mark.parametrize("extra", ["beta", "threshold", "alpha", "scale"])
def test_what_comes_with_the_gradients_and_is_not_compared_is_named(extra, arrange):
    network = rs.Network((4, 6, 3), rs.LIF(0.8, 1.0, rs.Logistic(4.0)), rs.SpikeRate(8.0))
    rng = np.random.default_rng(0)
    x, y = 1.5 * rng.standard_normal((8, 5, 4)), rng.integers(0, 3, 5)
    case = rs.Case(network, rs.init(network, rng), x, y)

    def learnable(p, x, y):
        loss, grads = rs.fast.loss_and_grad(network, p, x, y)
        return loss, arrange({"w": layer.w, "b": layer.b, extra: 100.0} for layer in grads)

    report = rs.check(learnable, case)
    assert report.agrees
    assert f"grads[0].{extra}" in report.not_compared
    assert f"not compared: states, adjoints, input gradient, grads[0].{extra}" in str(report)


def test_every_report_ends_with_what_it_saw():
    case = draw_long_network(np.random.default_rng(0), rs.ToZero())
    lines = str(rs.check(answer(case), case)).splitlines()
    assert [line.split(":")[0].strip() for line in lines[-3:]] == [
        "resolution",
        "compared",
        "power",
    ]


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_error_of_the_resolution_is_seen_and_one_rounding_is_not(dtype):
    case = draw_long_network(np.random.default_rng(3), rs.ToZero())
    report = rs.check(answer(case, dtype), case)
    share = report.resolution[1]
    assert 0.0 < share < MAX_SHARE
    seen = examine(
        answer(case, dtype, partial(map_params, lambda a: a * (1.0 + 2.0 * share))), case
    )
    assert seen.wrong == {"parameter gradients"}
    near = np.finfo(dtype).eps
    assert not examine(
        answer(case, dtype, partial(map_params, lambda a: a * (1.0 + near))), case
    ).wrong


def test_an_error_of_the_search_leaves_the_verdict(monkeypatch):
    network = rs.Network((3, 4), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    rng = np.random.default_rng(0)
    case = rs.Case(network, rs.init(network, rng), rng.standard_normal((4, 2, 3)), [0, 2])

    def twice(params, x, y):
        loss, grads = rs.fast.loss_and_grad(case.network, params, x, y)
        return loss, rs.unflatten(case.network, 2.0 * rs.flatten(grads))

    def fail(*_):
        raise IndexError("out of range")

    monkeypatch.setattr("refsast.crosscheck.check.explain_answer", fail)
    report = rs.check(twice, case)

    assert report.verdict == "DISAGREES"
    assert "ended in an error, IndexError: out of range" in str(report)
    assert report.first.what == "not known"
