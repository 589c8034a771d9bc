"""The right answers of the second golden set: the model's own text, on numbers of fifty digits.

As in `answers`: nothing is rounded here, and only what falls back to float64 is written again.
"""

from functools import partial

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import hvp
from refsast.autodiff.tape import Node, backward, leaf, primal
from refsast.crosscheck.case import Case
from refsast.crosscheck.golden.reader import Question
from refsast.model.glif import as_glif
from refsast.model.glif_step import State, start_state, unroll_glif
from refsast.model.network import Network, replace_spikes
from refsast.model.objective import objective
from refsast.model.params import (
    Params,
    flatten,
    layer_arrays,
    map_params,
    param_arrays,
    replace_arrays,
)
from refsast.model.unroll import layer_currents, readout_logits
from refsast.model.vector import split_vector
from tools.golden.answers import hard_spike, norm_and_direction, omissions, smooth_spike
from tools.golden.digits import lift

Layers = list[list[State]]


def wide_network(case: Case) -> Network:
    """Return the network with spikes that keep all digits."""
    spike = hard_spike if case.hard else smooth_spike
    return replace_spikes(case.network, lambda own: partial(spike, own))


def run_wide(network: Network, params: Params, x: Array) -> Layers:
    """Return the states of all layers after each step; on the tape, too."""
    inputs, found = [x], []
    for i, (neuron, layer) in enumerate(zip(map(as_glif, network.neurons), params, strict=False)):
        currents = layer_currents(network, i, layer, inputs)
        zero = np.zeros(currents.shape[1:], currents.dtype)
        if isinstance(currents, Node):  # so that a potential that nothing drives has an adjoint
            zero = leaf(zero)
        found.append(unroll_glif(neuron, layer, currents, start_state(neuron, layer, zero))[1:])
        inputs.append(np.stack([state.s for state in found[-1]]))
    return found


def wide_loss(network: Network, params: Params, x: Array, y: Integers) -> Array:
    """Return the loss alone."""
    last = run_wide(network, params, x)[-1]
    return objective(network, params, np.stack([state.s for state in last]), y)


def solve_wide(case: Case, w: Array) -> dict[str, Array]:
    """Return loss, logits, states, adjoints and gradients, by their names in the file."""
    network = wide_network(case)
    params = map_params(leaf, split_vector(network, w))
    x = leaf(lift(case.x))
    layers = run_wide(network, params, x)
    last = np.stack([state.s for state in layers[-1]])
    loss = objective(network, params, last, case.y)
    potentials = [state.u for states in layers for state in states]
    cotangents = iter(backward(loss, [*param_arrays(params), x, *potentials], np.ones(())))  # pyright: ignore[reportArgumentType]
    grads = map_params(lambda _: np.asarray(next(cotangents), object), params)
    found = {"loss": np.array(primal(loss), object)}
    found["logits"] = primal(readout_logits(network, params, last))
    in_x = next(cotangents)
    for i, states in enumerate(layers):
        found[f"u.{i}"] = np.stack([primal(state.u) for state in states])
    for i, states in enumerate(layers):
        found[f"s.{i}"] = np.stack([primal(state.s) for state in states])
    for i, states in enumerate(layers):
        found[f"adjoints.{i}"] = np.stack([next(cotangents) for _ in states])
    for i, layer in enumerate(grads):
        found |= {f"grads.{i}.{part}": array for part, array in layer_arrays(layer).items()}
    return found | {"x_grad": in_x, "flat": flatten(grads)}


def compute_extended(question: Question) -> dict[str, Array]:
    """Return every right answer, as arrays of `Digits`, as `compute_answers` does."""
    case, rho = question.case, question.rho
    w = lift(flatten(case.params))
    found = solve_wide(case, w)
    g = found.pop("flat")
    norm, unit = norm_and_direction(g)
    point = w + rho * unit
    found |= {"sam.point": point, "sam.grads": solve_wide(question.second, point)["flat"]}
    if omissions(case):
        return found
    ascended = solve_wide(case, point)["flat"]
    tangential = ascended - unit * (unit @ ascended)
    exact = ascended + rho * hessian_product(case, w, tangential) / norm
    return {**found, "sam.exact": exact, "hvp": hessian_product(case, w, lift(question.direction))}


def hessian_product(case: Case, w: Array, direction: Array) -> Array:
    """Return the Hessian of the loss at `w` times a direction; all are flat vectors of `Digits`."""
    network, x = wide_network(case), lift(case.x)

    def loss(*arrays: Array) -> Array:
        return wide_loss(network, replace_arrays(case.params, arrays), x, case.y)

    point, tangent = (param_arrays(split_vector(network, v)) for v in (w, direction))
    return np.concatenate([np.asarray(a, object).ravel() for a in hvp(loss, point, tangent)])
