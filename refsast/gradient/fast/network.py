"""A whole network, forward and backward, in one chunk of time or in several.

Rule 1: no loop over batch or neurons; the only Python loops are over time and layers.
Rule 2: a chunk goes through all layers before the next begins. With one chunk, everything that the
        backward pass needs is kept. With several, only the states between them are (checkpoints),
        and the backward pass runs each chunk forward a second time when it gets there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, Integers, as_array
from refsast.gradient.fast.inputs import (
    Inputs,
    break_even_density,
    flatten_steps,
    make_inputs,
    matmul_over_time,
)
from refsast.gradient.fast.layer import (
    LayerState,
    SavedActivations,
    backward,
    forward,
    initial_state,
)
from refsast.model.network import Network
from refsast.model.params import Layer, Params, param_arrays, replace_arrays
from refsast.model.readout import affine
from refsast.model.validation import validate_params
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be differentiated, validated.

    Attributes
    ----------
    network : Network
        What is run.
    surrogate : Network
        Its spikes give the derivatives; another network only for the straight-through estimate.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels.
    chunk_steps : int
        Steps of a chunk.
    dense_above : float, optional
        Share of ones above which spikes are multiplied as an array.
    """

    network: Network
    surrogate: Network
    x: NDArray[np.generic] | Spikes
    y: Integers
    chunk_steps: int
    dense_above: float | None

    @property
    def chunks(self) -> list[slice]:
        """The steps of each chunk."""
        time, n = self.x.shape[0], self.chunk_steps
        return [slice(t, min(t + n, time)) for t in range(0, time, n)]

    def inputs(self, steps: slice, dtype: np.dtype) -> Inputs:
        """The input of a chunk, ready for products."""
        x = self.x.during(steps) if isinstance(self.x, Spikes) else self.x[steps]
        above = self.dense_above
        if above is None:
            # Other layers have one thread while the sparse product has all: their size counts.
            first, *others = (np.prod(shapes["w"]) for shapes in self.network.shapes)
            above = break_even_density(x.shape[0] * x.shape[1], sum(others) / first)
        return make_inputs(x, dtype, above)

    def alpha(self, dtype: np.dtype) -> Array:
        """The readout's weight of each step, shape (time,)."""
        return self.network.readout.time_weights(self.x.shape[0]).astype(dtype)


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """A run, as far as the backward pass needs it.

    Attributes
    ----------
    problem, params : Problem, tuple of Layer
        What was run.
    checkpoints : list of list of LayerState
        The states before each chunk, layer by layer.
    saved : tuple of SavedActivations
        Those of the last chunk, layer by layer.
    inputs : DenseInputs or SparseInputs
        The input of the last chunk.
    pooled : (batch, n) array
        ``sum_t alpha_t s_t`` of the last layer.
    """

    problem: Problem
    params: Params
    checkpoints: list[list[LayerState]]
    saved: tuple[SavedActivations, ...]
    inputs: Inputs
    pooled: Array

    @property
    def logits(self) -> Array:
        """The readout, shape (batch, classes)."""
        readout = self.problem.network.readout
        if readout.n_out is None:
            return self.pooled
        return affine(readout, self.params[-1], self.pooled, self.problem.x.shape[0])


@dataclass(frozen=True, eq=False)
class BackwardChunk:
    """The backward pass through one chunk: its steps and input; layer by layer, saved and delta."""

    steps: slice
    inputs: Inputs
    saved: tuple[SavedActivations, ...]
    deltas: tuple[Array, ...]


def run_forward(
    problem: Problem, params: Params, inputs: Inputs | None = None, currents: Array | None = None
) -> ForwardPass:
    """Run a network from rest.

    Where there is one chunk only, its `inputs` may be given, and the first layer's product with
    them, `currents`, shape (time, batch, n_1), which is overwritten.
    """
    network, dtype, batch = problem.network, params[0].w.dtype, problem.x.shape[1]
    states = [initial_state(batch, n, dtype) for n in network.sizes[1:]]
    pooled = np.zeros((batch, network.sizes[-1]), dtype)
    alpha, checkpoints, given, saved = problem.alpha(dtype), [], inputs, ()
    for steps in problem.chunks:
        inputs = given or problem.inputs(steps, dtype)
        checkpoints.append(states)
        saved, states = _run_chunk(problem, params, inputs, states, currents)
        pooled += np.einsum("t,tbn->bn", alpha[steps], saved[-1].s)
    assert inputs is not None  # there is at least one step
    return ForwardPass(problem, params, checkpoints, saved, inputs, pooled)


def _run_chunk(
    problem: Problem,
    params: Params,
    inputs: Inputs,
    states: list[LayerState],
    currents: Array | None = None,
) -> tuple[tuple[SavedActivations, ...], list[LayerState]]:
    """Run all layers through a chunk; `currents` is the first layer's product, if it is known."""
    saved, after = [], []
    for i, (neuron, layer) in enumerate(zip(problem.surrogate.neurons, params, strict=False)):
        if i > 0:
            currents = matmul_over_time(saved[-1].s, layer.w.T, inputs.matmul)
        elif currents is None:
            with np.errstate(invalid="ignore"):  # `bound` below notices what is not finite
                currents = inputs.multiply(layer.w)
        if layer.b is not None:
            currents += layer.b
        bound = _potential_bound(neuron.threshold, layer.v, currents, states[i])
        if not np.isfinite(bound):
            require_finite(problem, params)
        spike = problem.network.neurons[i].spike
        activations, state = forward(neuron, spike, layer.v, currents, states[i], bound)
        saved.append(activations)
        after.append(state)
    return tuple(saved), after


def _potential_bound(
    threshold: float, v: Array | None, currents: Array, before: LayerState
) -> float:
    """Return what no potential of a chunk exceeds: the sum of the largest values of all terms."""
    peak = max(currents.real.max(), -currents.real.min())
    recurrent = 0.0 if v is None else abs(v).sum(axis=1).max()
    each = float(peak) + threshold + float(recurrent)
    return float(abs(before.carry).max()) + len(currents) * each


def require_finite(problem: Problem, params: Params) -> None:
    """Name the array with a number that is not finite, if any: finite ones may overflow, too."""
    validate_params(problem.network, params)
    if not isinstance(problem.x, Spikes):
        as_array(problem.x, "x")
        with np.errstate(over="ignore"):
            # Finite as given, but too large for single precision.
            as_array(np.asarray(problem.x, params[0].w.dtype), "x")


def backward_chunks(forward_pass: ForwardPass, g: Array) -> Iterator[BackwardChunk]:
    """Yield the backward pass, the last chunk first, from the cotangent `g` of the logits.

    What the forward pass saved is overwritten.
    """
    problem, params = forward_pass.problem, forward_pass.params
    # logits = W_o sum_t alpha_t s_t + b_o, so each spike of step t receives alpha_t W_o' g.
    alpha = problem.alpha(g.dtype)
    if problem.network.readout.n_out is not None:
        g = g @ params[-1].w
    later: list[Array | None] = [None] * len(forward_pass.saved)
    for i, steps in reversed(list(enumerate(problem.chunks))):
        inputs, saved = forward_pass.inputs, forward_pass.saved
        if i < len(problem.chunks) - 1:  # only the last chunk was kept: run this one again
            inputs = problem.inputs(steps, g.dtype)
            saved, _ = _run_chunk(problem, params, inputs, forward_pass.checkpoints[i])
        deltas = _backward_layers(params, inputs, saved, [a * g for a in alpha[steps]], later)
        # A copy, so that the chunk's memory can be freed before the next one runs.
        later = [delta[0].copy() for delta in deltas]
        yield BackwardChunk(steps, inputs, saved, deltas)


def _backward_layers(
    params: Params,
    inputs: Inputs,
    saved: tuple[SavedActivations, ...],
    g: list[Array] | Array,
    later: list[Array | None],
) -> tuple[Array, ...]:
    """Return delta of all layers in a chunk, given that of the step after it."""
    deltas: list[Array] = []
    for i in reversed(range(len(saved))):
        deltas.append(backward(saved[i], params[i].v, g, later[i]))
        if i > 0:
            g = matmul_over_time(deltas[-1], params[i].w, inputs.matmul)
    return tuple(reversed(deltas))


def param_grads(forward_pass: ForwardPass, g: Array) -> Params:
    """Return the gradient of all parameters, from the cotangent `g` of the logits (batch, classes).

    What the forward pass saved is overwritten.
    """
    total: Params = ()  # gradients of the chunks add up
    for chunk in backward_chunks(forward_pass, g):
        ws = [chunk.inputs.weight_grad(chunk.deltas[0]), *upper_weight_grads(chunk)]
        part = layer_grads(forward_pass.params, ws, chunk)
        sums = map(np.add, param_arrays(total), param_arrays(part))
        total = replace_arrays(part, sums) if total else part
    return total + readout_grads(forward_pass, g)


def upper_weight_grads(chunk: BackwardChunk) -> list[Array]:
    """Return the gradients of the weights of all layers but the first."""
    below = [flatten_steps(saved.s) for saved in chunk.saved[:-1]]
    deltas = map(flatten_steps, chunk.deltas[1:])
    return [chunk.inputs.matmul(delta.T, a) for delta, a in zip(deltas, below, strict=True)]


def layer_grads(params: Params, ws: Sequence[Array | None], chunk: BackwardChunk) -> Params:
    """Return the spiking layers' gradients; `ws` are those of their weights."""
    grads = []
    for w, layer, saved, delta in zip(ws, params, chunk.saved, chunk.deltas, strict=False):
        b = None if layer.b is None else flatten_steps(delta).sum(axis=0)
        v = None if layer.v is None else _recurrent_grad(saved, delta)
        grads.append(Layer(w, b, v))  # pyright: ignore[reportArgumentType]
    return tuple(grads)


def _recurrent_grad(saved: SavedActivations, delta: Array) -> Array:
    """Return ``sum_t delta_t s_{t-1}'``; the first step's s_{t-1} is from before the chunk."""
    return flatten_steps(delta[1:]).T @ flatten_steps(saved.s[:-1]) + delta[0].T @ saved.before.s


def readout_grads(forward_pass: ForwardPass, g: Array) -> Params:
    """Return the gradient of the readout's parameters, () if it has none; `g` as `param_grads`."""
    problem = forward_pass.problem
    if problem.network.readout.n_out is None:
        return ()
    b = g.sum(axis=0) * problem.alpha(g.dtype).sum() if problem.network.bias else None
    return (Layer(g.T @ forward_pass.pooled, b),)
