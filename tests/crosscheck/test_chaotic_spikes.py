"""In chaos rounding may decide whether a smooth spike is zero: then nothing is called wrong."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import truncate_case
from refsast.crosscheck.compare import examine
from refsast.crosscheck.unclear import unclear_recordings
from refsast.crosscheck.variants import solve
from refsast.model.params import map_params

REACH = 0.5  # of the second layer's spikes: zero where the potential is further below threshold
SHOWN = 1e-3  # potentials of the second layer are chaotic where they are moved by this


def silent_behind_chaos(seed):
    """A chaotic layer below one that never fires."""
    rng = np.random.default_rng(seed)
    chaotic = rs.LIF(0.9, 0.5, rs.PiecewiseQuadratic(8.0), rs.Subtract())
    silent = rs.LIF(0.5, 100.0, rs.PiecewiseQuadratic(1.0 / REACH), rs.NoReset())
    neurons = (chaotic, silent, rs.LIF(0.9, 1.0, rs.Arctan(2.0)))
    network = rs.Network((4, 10, 3, 2), neurons, rs.SpikeRate(5.0), recurrent=True)
    first, second, third = rs.init(network, rng)
    v = 5.0 / np.sqrt(10.0) * rng.standard_normal((10, 10))
    params = (replace(first, v=v), rs.Layer(0.3 * second.w, second.b, 0.0 * second.v), third)
    return rs.Case(network, params, rng.random((150, 1, 4)), [0])


def round_recurrent(case, seed):
    """A right implementation whose recurrent weights are rounded in some way."""

    def gradient(params, x, y):
        rounded = 1.0 + 2.0**-52 * np.random.default_rng(seed).integers(-1, 2, (10, 10))
        first = replace(params[0], v=params[0].v * rounded)
        return solve(replace(case, params=(first, *params[1:]), x=x, y=y))

    return gradient


def put_edge_between(case, gradient):
    """A threshold that the second layer's potentials reach as this implementation rounds alone."""
    right = solve(case).u[1]
    u = gradient(case.params, case.x, case.y).u[1]
    chaos = slice(int((abs(u - right).max(axis=(1, 2)) > SHOWN).argmax()), None)
    reached = right[chaos].max()
    threshold = REACH + reached + 0.8 * (u[chaos].max() - reached)
    first, second, third = case.network.neurons
    neurons = (first, replace(second, threshold=float(threshold)), third)
    return replace(case, network=replace(case.network, neuron=neurons))


# Of forty roundings those that go furthest, where the runs with random errors do not go either.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "rounding"), [(0, 6), (2, 32), (13, 2), (43, 27), (50, 36), (54, 13)]
)
def test_a_spike_that_only_another_rounding_wakes_is_no_error(seed, rounding):
    case = silent_behind_chaos(seed)
    case = put_edge_between(case, round_recurrent(case, rounding))
    gradient = round_recurrent(case, rounding)
    exam = examine(gradient, case)
    assert exam.wrong  # by tolerances alone
    assert unclear_recordings(exam) == (0,)
    report = rs.check(gradient, case)
    assert report.verdict == "undecided"
    assert "a potential that rounding moves too far to tell" in str(report)


@pytest.mark.parametrize("seed", [0, 2, 13, 43, 50, 54])
def test_before_chaos_a_potential_near_the_edge_is_clear(seed):
    case = truncate_case(silent_behind_chaos(seed), 10)
    first, second, third = case.network.neurons
    edge = float(solve(case).u[1].max()) + REACH - 1e-3
    network = replace(case.network, neuron=(first, replace(second, threshold=edge), third))
    case = replace(case, network=network)
    assert rs.check(round_recurrent(case, 0), case).verdict == "agrees"

    def faulty(params, x, y):
        right = solve(replace(case, params=params, x=x, y=y))
        return replace(right, grads=map_params(lambda a: 1.001 * a, right.grads))

    assert unclear_recordings(examine(faulty, case)) == ()
    assert rs.check(faulty, case).verdict == "DISAGREES"
