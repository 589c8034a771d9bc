"""The run of a network against three nested loops, and what a trace must look like."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import refsast as rs
from refsast.testing import (
    TOLERANCE,
    Problem,
    fractions,
    make_read_only,
    min_examples,
    problems,
    to_float32,
)
from tests import oracle


def scale(case):
    """Return how large the terms of a potential are, at most: all there is to round."""
    largest = 1.0 + abs(rs.flatten(case.params)).sum() * (1.0 + abs(case.x).max())
    return largest + 2.0 * len(case.x)


@given(problems())
@min_examples(300)
def test_the_smooth_network_is_that_of_the_equations(case):
    u, s, logits = oracle.run(case)

    trace = rs.run(case.network, case.params, case.x)

    for got, want in zip((*trace.u, *trace.s, trace.logits), (*u, *s, logits), strict=True):
        assert got.shape == np.shape(want)
        assert np.abs(got - want).max() <= TOLERANCE * scale(case)


@given(problems())
@min_examples(300)
def test_the_hard_network_is_that_of_the_equations(case):
    """Up to the first potential so close to threshold that rounding decides; mostly there is none.

    In quarters and halves nothing rounds, so there ties at threshold are compared too.
    """
    u, s, logits = oracle.run(case, fire=oracle.step_function)
    trace = rs.run(case.network, case.params, case.x, spike=rs.heaviside)
    thresholds = [neuron.threshold for neuron in case.network.neurons]
    margins = [np.abs(np.array(a) - th) for a, th in zip(u, thresholds, strict=True)]
    if any(((m > 0.0) & (m < 1e-9)).any() for m in margins):
        return

    for got, want in zip((*trace.u, *trace.s, trace.logits), (*u, *s, logits), strict=True):
        assert np.abs(got - want).max() <= TOLERANCE * scale(case)
    assert all(np.isin(each, (0.0, 1.0)).all() for each in trace.s)


def tie(reset, leak=0.5):
    """One neuron driven exactly to its threshold at every first step."""
    neuron = rs.LIF(leak, 1.0, rs.Arctan(2.0), reset)
    network = rs.Network((1, 1), neuron, rs.SpikeRate(3.0), bias=False)
    return network, (rs.Layer(np.ones((1, 1))),), np.ones((3, 1, 1))


@pytest.mark.parametrize(
    ("reset", "potentials", "spikes"),
    [
        (rs.ToZero(), [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
        (rs.Subtract(), [1.0, 0.5, 1.25], [1.0, 0.0, 1.0]),
        (rs.Subtract(leaked=True), [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
        (rs.NoReset(), [1.0, 1.5, 1.75], [1.0, 1.0, 1.0]),
    ],
)
def test_a_potential_exactly_at_threshold_fires(reset, potentials, spikes):
    trace = rs.run(*tie(reset), spike=rs.heaviside)

    assert trace.u[0].ravel().tolist() == potentials
    assert trace.s[0].ravel().tolist() == spikes
    assert trace.logits.item() == sum(spikes)


@given(problems())
@min_examples(100)
def test_swapping_in_the_spike_that_is_there_changes_nothing(case):
    neuron = case.network.neurons[0]
    network = replace(case.network, neuron=(neuron,) * len(case.network.neurons))

    own = rs.run(network, case.params, case.x)
    swapped = rs.run(network, case.params, case.x, spike=neuron.spike)

    for a, b in zip((*own.u, *own.s), (*swapped.u, *swapped.s), strict=True):
        assert (a == b).all()


@given(problems())
@min_examples(100)
def test_the_first_steps_do_not_know_the_last(case):
    network, params, x, _ = case

    whole, first = rs.run(network, params, x), rs.run(network, params, x[:1])

    for a, b in zip((*whole.u, *whole.s), (*first.u, *first.s), strict=True):
        assert np.allclose(a[:1], b, rtol=1e-12, atol=1e-12)


@given(problems().map(to_float32))
@min_examples(50)
def test_single_precision_stays_single(case):
    trace = rs.run(case.network, case.params, case.x.astype(float))

    assert {a.dtype for a in (*trace.u, *trace.s, trace.logits)} == {np.dtype(np.float32)}


@given(st.integers(1, 3), fractions(0.0, 1.0, 0.0, 0.5, 1.0), st.integers(1, 9))
@min_examples(100)
def test_the_weights_of_a_leaky_readout_are_those_of_its_loop(n_out, leak, time):
    want = []
    for fired in range(time):  # the mean potential after one unit spike
        v = total = 0.0
        for t in range(time):
            v = leak * v + (t == fired)
            total += v
        want.append(total / time)

    assert rs.LeakyReadout(n_out, leak).time_weights(time) == pytest.approx(want, rel=1e-13)


def test_a_leaky_readout_that_keeps_nothing_is_a_linear_one():
    assert (rs.LeakyReadout(1, 0.0).time_weights(7) == rs.LinearReadout(1).time_weights(7)).all()


EDGES = {
    "one step": lambda c: len(c.x) == 1,
    "a batch of one": lambda c: c.x.shape[1] == 1,
    "one neuron": lambda c: c.network.sizes == (1, 1),
    "three layers": lambda c: len(c.network.sizes) == 4,
    "leak 0": lambda c: any(n.leak == 0.0 for n in c.network.neurons),
    "leak 1": lambda c: any(n.leak == 1.0 for n in c.network.neurons),
    "zero weights": lambda c: not rs.flatten(c.params).any(),
    "silence": lambda c: not c.x.any(),
    "one neuron per layer": lambda c: len(set(c.network.neurons)) > 1,
    "recurrent with bias": lambda c: c.network.recurrent and c.network.bias,
    "feed-forward without bias": lambda c: not (c.network.recurrent or c.network.bias),
    "a tie": lambda c: any(
        (u == n.threshold).any()
        for n, u in zip(c.network.neurons, rs.run(c.network, c.params, c.x).u, strict=True)
    ),
}


FIRST = settings(phases=[Phase.generate], max_examples=3000, derandomize=True, database=None)


@pytest.mark.parametrize("edge", EDGES)
def test_the_strategies_reach(edge):
    assert EDGES[edge](find(problems(), EDGES[edge], settings=FIRST))


def test_no_argument_of_a_drawn_case_can_be_written():
    case = find(problems(), lambda c: True, settings=FIRST)

    assert make_read_only(case) is case
    with pytest.raises(ValueError, match="read-only"):
        case.params[0].w[...] = 0.0


@pytest.mark.parametrize(
    "neuron",
    [
        rs.LIF(np.float64(0.9), np.float64(1.0), rs.Arctan(np.float64(2.0)), rs.Subtract()),
        rs.GLIF(
            0.9, 1.0, spike=rs.FastSigmoid(np.float64(2.0)), synapse=rs.Alpha(*np.full(2, 0.5))
        ),
        rs.GLIF(
            0.9, 1.0, spike=rs.Logistic(np.int64(2)), adaptation=rs.Adaptation(*np.full(2, 0.5))
        ),
        rs.GLIF(np.float64(0.5), np.float64(1.0), rs.Arctan(2.0), refractory=np.int64(1)),
    ],
)
@pytest.mark.parametrize("readout", [rs.SpikeRate(np.float64(4.0)),
                                     rs.LeakyReadout(np.int64(2), np.float64(0.5))])  # fmt: skip
def test_numbers_of_numpy_leave_single_precision_single(neuron, readout):
    network = rs.Network((3, 2), neuron, readout)
    rng = np.random.default_rng(0)
    problem = Problem(network, rs.init(network, rng), rng.random((4, 3, 3)), np.zeros(3, int))
    single = to_float32(problem)
    trace = rs.run(single.network, single.params, single.x)

    assert {a.dtype for a in (*trace.u, *trace.s, trace.logits)} == {np.dtype(np.float32)}
