"""A whole network, forwards and backwards, in one stretch of time or in several.

Rule 1: no loop over batch or neurons; the only Python loops are over time and layers.
Rule 2: a stretch goes through all layers before the next begins. With one stretch, all that the way
        back needs is kept; with several, only what each begins with, and each is run again when the
        way back comes to it.
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
from refsast.model.params import Layer, Params, layer_arrays
from refsast.model.readout import affine
from refsast.model.validation import validate_params
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be differentiated, checked.

    Attributes
    ----------
    forward, backward : Network
        What is run, and the network whose spikes give the derivatives; the same but for the
        straight-through estimate.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels.
    span : int
        Steps of a stretch.
    dense_above : float, optional
        Share of ones above which spikes are multiplied as an array.
    """

    forward: Network
    backward: Network
    x: NDArray[np.generic] | Spikes
    y: Integers
    span: int
    dense_above: float | None

    @property
    def spans(self) -> list[slice]:
        """The stretches."""
        time = self.x.shape[0]
        return [slice(t, min(t + self.span, time)) for t in range(0, time, self.span)]

    def inputs(self, span: slice, dtype: np.dtype) -> Inputs:
        """The input of a stretch."""
        x = self.x.during(span) if isinstance(self.x, Spikes) else self.x[span]
        above = self.dense_above
        if above is None:
            first, *others = (np.prod(shapes["w"]) for shapes in self.forward.shapes)
            above = break_even_density(x.shape[0] * x.shape[1], sum(others) / first)
        return make_inputs(x, dtype, above)

    def alpha(self, dtype: np.dtype) -> Array:
        """The readout's weight of each step, shape (time,)."""
        return self.forward.readout.time_weights(self.x.shape[0]).astype(dtype)


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """A run, as far as the way back needs it.

    Attributes
    ----------
    task, params : Task, tuple of Layer
        What was run.
    begins : list of list of Rest
        What each stretch began with, layer by layer.
    last : tuple of Stretch
        What happened in the last stretch, layer by layer.
    inputs : Dense or Sparse
        Its input.
    pooled : (batch, n) array
        ``sum_t alpha_t s_t`` of the last layer.
    """

    task: Problem
    params: Params
    begins: list[list[LayerState]]
    last: tuple[SavedActivations, ...]
    inputs: Inputs
    pooled: Array

    @property
    def logits(self) -> Array:
        """The readout, shape (batch, classes)."""
        readout = self.task.forward.readout
        if readout.n_out is None:
            return self.pooled
        return affine(readout, self.params[-1], self.pooled, self.task.x.shape[0])


def run_forward(
    task: Problem, params: Params, known: Inputs | None = None, currents: Array | None = None
) -> ForwardPass:
    """Run a network from rest.

    Parameters
    ----------
    task : Task
        What to run.
    params : tuple of Layer
        Its parameters.
    known : Dense or Sparse, optional
        The input, where it has been made ready and there is but one stretch.
    currents : (time, batch, n_1) array, optional
        The first layer's product with it; overwritten.

    Returns
    -------
    Passage
        For `backward_chunks`.
    """
    dtype, batch = params[0].w.dtype, task.x.shape[1]
    states = [initial_state(batch, n, dtype) for n in task.forward.sizes[1:]]
    alpha, begins = task.alpha(dtype), []
    pooled = np.zeros((batch, task.forward.sizes[-1]), dtype)
    inputs, last = known, ()
    for span in task.spans:
        inputs = known or task.inputs(span, dtype)
        begins.append(states)
        driven = _input_currents(inputs, params) if currents is None else currents
        last, states = _run_chunk(task, params, inputs, driven, states)
        pooled += _pool(alpha[span], last[-1].s)
    assert inputs is not None  # there is at least one step
    return ForwardPass(task, params, begins, last, inputs, pooled)


def _input_currents(inputs: Inputs, params: Params) -> Array:
    """The first layer's product with the input; what is not finite in it is looked at next."""
    with np.errstate(invalid="ignore"):
        return inputs.times(params[0].w)


def _pool(alpha: Array, s: Array) -> Array:
    """``sum_t alpha_t s_t``, shape (batch, n)."""
    return np.einsum("t,tbn->bn", alpha, s)


def _run_chunk(
    task: Problem, params: Params, inputs: Inputs, currents: Array, states: list[LayerState]
) -> tuple[tuple[SavedActivations, ...], list[LayerState]]:
    """Run all layers through a stretch; `currents` is the first layer's product, overwritten."""
    done, after = [], []
    for i, (neuron, layer) in enumerate(zip(task.backward.neurons, params, strict=False)):
        if i > 0:
            currents = matmul_over_time(done[-1].s, layer.w.T, inputs.product)
        if layer.b is not None:
            currents += layer.b
        bound = _potential_bound(neuron.threshold, layer.v, currents, states[i])
        if not np.isfinite(bound):
            require_finite(task, params)
        spike = task.forward.neurons[i].spike
        stretch, rest = forward(neuron, spike, layer.v, currents, states[i], bound)
        done.append(stretch)
        after.append(rest)
    return tuple(done), after


def _potential_bound(
    threshold: float, v: Array | None, currents: Array, before: LayerState
) -> float:
    """What no potential of a stretch exceeds: everything that comes in, at its most."""
    peak = max(currents.real.max(), -currents.real.min())
    recurrent = 0.0 if v is None else abs(v).sum(axis=1).max()
    each = float(peak) + threshold + float(recurrent)
    return float(abs(before.carry).max()) + len(currents) * each


def require_finite(task: Problem, params: Params) -> None:
    """Say which number is not finite, if one is: a run of finite ones may overflow by itself."""
    validate_params(task.forward, params)
    if not isinstance(task.x, Spikes):
        as_array(task.x, "x")
        with np.errstate(over="ignore"):
            as_array(np.asarray(task.x, params[0].w.dtype), "x")  # too large for the computation


def backward_chunks(
    passage: ForwardPass, g: Array
) -> Iterator[tuple[slice, Inputs, tuple[SavedActivations, ...], tuple[Array, ...]]]:
    """Walk back through a run, the last stretch first.

    Parameters
    ----------
    passage : Passage
        The run; its last stretch is overwritten.
    g : (batch, classes) array
        Cotangent of the logits.

    Yields
    ------
    span : slice
        The steps of a stretch.
    inputs : Dense or Sparse
        Their input.
    stretches : tuple of Stretch
        What happened in them, layer by layer.
    deltas : tuple of (time, batch, n) array
        dloss/du, layer by layer.
    """
    task, params = passage.task, passage.params
    alpha = task.alpha(g.dtype)
    if task.forward.readout.n_out is not None:
        g = g @ params[-1].w
    later: list[Array | None] = [None] * len(passage.last)
    for i, span in reversed(list(enumerate(task.spans))):
        inputs, stretches = passage.inputs, passage.last
        if i < len(task.spans) - 1:
            inputs = task.inputs(span, g.dtype)
            driven = _input_currents(inputs, params)
            stretches, _ = _run_chunk(task, params, inputs, driven, passage.begins[i])
        found = _backward_layers(params, inputs, stretches, [a * g for a in alpha[span]], later)
        later = [delta[0].copy() for delta in found]
        yield span, inputs, stretches, found


def _backward_layers(
    params: Params,
    inputs: Inputs,
    stretches: tuple[SavedActivations, ...],
    g: list[Array] | Array,
    later: list[Array | None],
) -> tuple[Array, ...]:
    """Delta of all layers in a stretch, given that of the step after it."""
    found: list[Array] = []
    for i in reversed(range(len(stretches))):
        found.append(backward(stretches[i], params[i].v, g, later[i]))
        if i > 0:
            g = matmul_over_time(found[-1], params[i].w, inputs.product)
    return tuple(reversed(found))


def param_grads(passage: ForwardPass, g: Array) -> Params:
    """Return the gradient of all parameters, from the cotangent `g` of the logits (batch, classes).

    The last stretch of the run is overwritten.
    """
    total: tuple[Layer, ...] | None = None
    for _, inputs, stretches, found in backward_chunks(passage, g):
        ws = [inputs.gradient(found[0]), *upper_weight_grads(inputs, stretches, found)]
        part = layer_grads(passage.params, ws, stretches, found)
        total = part if total is None else tuple(map(_add_layers, total, part))
    assert total is not None  # there is at least one step
    return total + readout_grads(passage, g)


def upper_weight_grads(
    inputs: Inputs, stretches: tuple[SavedActivations, ...], found: tuple[Array, ...]
) -> list[Array]:
    """Return the gradients of the weights of all layers but the first."""
    below = [flatten_steps(stretch.s) for stretch in stretches[:-1]]
    return [inputs.product(flatten_steps(d).T, a) for d, a in zip(found[1:], below, strict=True)]


def layer_grads(
    params: Params,
    ws: Sequence[Array | None],
    stretches: tuple[SavedActivations, ...],
    found: tuple[Array, ...],
) -> Params:
    """Return the spiking layers' gradients; `ws` are those of their weights."""

    def of_layer(w: Array | None, layer: Layer, stretch: SavedActivations, delta: Array) -> Layer:
        b = None if layer.b is None else flatten_steps(delta).sum(axis=0)
        return Layer(w, b, _recurrent_grad(layer, stretch, delta))  # pyright: ignore[reportArgumentType]

    return tuple(map(of_layer, ws, params, stretches, found))


def _recurrent_grad(layer: Layer, stretch: SavedActivations, delta: Array) -> Array | None:
    """Gradient of the recurrent weights: delta of each step with the spikes of the one before."""
    if layer.v is None:
        return None
    return (
        flatten_steps(delta[1:]).T @ flatten_steps(stretch.s[:-1]) + delta[0].T @ stretch.before.s
    )


def readout_grads(passage: ForwardPass, g: Array) -> Params:
    """Gradient of the readout's parameters, from the cotangent of the logits; () if it has none."""
    network = passage.task.forward
    if network.readout.n_out is None:
        return ()
    b = g.sum(axis=0) * passage.task.alpha(g.dtype).sum() if network.bias else None
    return (Layer(g.T @ passage.pooled, b),)


def _add_layers(total: Layer, part: Layer) -> Layer:
    """The sum of two layers' gradients."""
    more = layer_arrays(part)
    return Layer(**{name: array + more[name] for name, array in layer_arrays(total).items()})
