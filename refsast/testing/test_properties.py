"""Properties of every right network and smooth spike, on what the environment names.

``pytest --pyargs refsast.testing`` runs them on drawn networks of refsast itself; docs/verify.md
says how to ask about a spike or a network of one's own, and what a pass does not say.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refsast.arrays import Array
from refsast.autodiff.numeric import central_difference
from refsast.gradient import bptt, fast, reference
from refsast.gradient.rounding import rounding
from refsast.model.params import Params, flatten
from refsast.model.spike import TwiceSmooth, heaviside
from refsast.model.unroll import run
from refsast.model.vector import unflatten
from refsast.testing.error_ratio import TOLERANCE, error_ratio, params_error_ratio
from refsast.testing.numbers import directions
from refsast.testing.problem import Problem
from refsast.testing.spikes import spike_faults
from refsast.testing.target import Target, read_target


def _read() -> Target:
    try:
        return read_target(os.environ)
    except ValueError:  # `conftest` says it before anything runs
        return read_target({})


TARGET = _read()
drawn = given(TARGET.problems)
with_direction = given(TARGET.problems, directions(4096))
asked = settings(
    max_examples=TARGET.examples,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
needs_bounds = pytest.mark.skipif(
    not all(isinstance(spike, TwiceSmooth) for spike in TARGET.spikes),
    reason="a spike without a method second: what rounding does cannot be bounded",
)
pytestmark = pytest.mark.slow


def _directional_slope(problem: Problem, numbers: Array) -> tuple[Params, Array, Array]:
    """A direction, and the slope of the loss along it with its error, by differences."""
    network, params, x, y = problem.network, problem.params, problem.x, problem.y
    w = flatten(params)
    direction = np.resize(numbers, w.size)

    def loss(w: Array) -> Array:
        return reference.loss(network, unflatten(network, w), x, y)

    slope, error = central_difference(loss, w, direction, step=1e-2)
    return unflatten(network, direction), slope, error


@pytest.mark.parametrize("spike", TARGET.spikes, ids=repr)
def test_a_spike_is_smooth_and_its_derivatives_are_its_own(spike):
    """Values in [0, 1] that never fall; derivatives and suprema as they are stated."""
    assert spike_faults(spike) == ()


@with_direction
@asked
def test_the_gradient_is_the_slope_of_the_loss(problem, numbers):
    """Along a random direction, against differences of the loss."""
    direction, slope, error = _directional_slope(problem, numbers)

    grads = reference.loss_and_grad(*problem)[1]

    terms = flatten(grads) * flatten(direction)
    allowed = 100.0 * error + 1e-6 * np.abs(terms).sum() + 1e-12
    assert abs(terms.sum() - slope) <= allowed


@needs_bounds
@drawn
@asked
def test_three_gradients_are_one(problem):
    """By the tape, by hand on one page, and by hand and fast: equal to rounding, entry by entry."""
    loss, grads = reference.loss_and_grad(*problem)
    bounds = rounding(*problem)[0]

    for other_loss, other in (bptt.loss_and_grad(*problem), fast.loss_and_grad(*problem)):
        assert abs(other_loss - loss) <= TOLERANCE * (1.0 + abs(loss))
        assert params_error_ratio(other, grads, bounds) <= TOLERANCE


@needs_bounds
@drawn
@asked
def test_input_gradients_are_one(problem):
    """By the tape and by hand."""
    by_hand, by_tape = fast.input_grad(*problem), reference.input_grad(*problem)

    assert error_ratio(by_hand, by_tape, rounding(*problem)[1]) <= TOLERANCE


@needs_bounds
@drawn
@asked
def test_a_batch_is_the_mean_of_its_recordings(problem):
    """A recording never sees the others."""
    network, params, x, y = problem.network, problem.params, problem.x, problem.y

    each = [fast.loss_and_grad(network, params, x[:, [k]], y[[k]])[1] for k in range(y.size)]

    mean = np.mean([flatten(grads) for grads in each], axis=0)
    whole = flatten(fast.loss_and_grad(*problem)[1])
    assert error_ratio(mean, whole, flatten(rounding(*problem)[0])) <= TOLERANCE


@needs_bounds
@given(TARGET.problems, st.randoms(use_true_random=False))
@asked
def test_inputs_have_no_order(problem, random):
    """Inputs exchanged together with their weights change nothing but the order of the gradient."""
    order = list(range(problem.network.sizes[0]))
    random.shuffle(order)
    first = problem.params[0]
    exchanged = replace(
        problem,
        params=(replace(first, w=first.w[:, order]), *problem.params[1:]),
        x=problem.x[:, :, order],
    )

    grads, others = (fast.loss_and_grad(*p)[1] for p in (problem, exchanged))

    bounds = rounding(*problem)[0]
    ordered = (replace(grads[0], w=grads[0].w[:, order]), *grads[1:])
    bound = (replace(bounds[0], w=bounds[0].w[:, order]), *bounds[1:])
    assert params_error_ratio(others, ordered, bound) <= TOLERANCE


@drawn
@asked
def test_the_past_does_not_depend_on_the_future(problem):
    """Potentials up to a step do not depend on inputs after it."""
    network, params, x = problem.network, problem.params, problem.x
    half = len(x) // 2
    later = np.concatenate([x[:half], 1.0 - x[half:]])

    before, after = run(network, params, x), run(network, params, later)

    for u, other in zip(before.u, after.u, strict=True):
        np.testing.assert_array_equal(u[:half], other[:half])


@drawn
@asked
def test_hard_spikes_are_zeros_and_ones(problem):
    """The deployed network: the same, but for the spike."""
    trace = run(problem.network, problem.params, problem.x, heaviside)

    for neuron, u, s in zip(problem.network.neurons, trace.u, trace.s, strict=True):
        np.testing.assert_array_equal(s, u >= neuron.threshold)
