"""A whole network, forward and backward, in one chunk of time or in several.

Rule 1: no loop over batch or neurons; the only Python loops are over time and layers.
Rule 2: a chunk goes through all layers before the next begins. With one chunk, everything that the
        backward pass needs is kept. With several, only the states between them are (checkpoints),
        and the backward pass runs each chunk forward a second time when it gets there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array, as_array
from refsast.gradient.fast.inputs import (
    DenseInputs,
    Inputs,
    flatten_steps,
    matmul_over_time,
    touch_blas_buffers,
)
from refsast.gradient.fast.layer import (
    LayerState,
    Saved,
    SavedStates,
    backward,
    forward,
    forward_glif,
    initial_state,
)
from refsast.gradient.fast.records import BackwardChunk, ForwardPass, LossGrad, Problem
from refsast.gradient.glif import backward_glif
from refsast.model.glif import GLIF
from refsast.model.glif_step import State
from refsast.model.objective import is_usual
from refsast.model.params import Layer, Params, allocate_like, layer_arrays, param_arrays
from refsast.model.readout import MeanPotential, Readout
from refsast.model.unroll import connection_grads, layer_currents
from refsast.model.validation import validate_params
from refsast.spikes import Spikes


def run_forward(
    problem: Problem, params: Params, inputs: Inputs | None = None, currents: Array | None = None
) -> ForwardPass:
    """Run a network from rest.

    Where there is one chunk only, its `inputs` may be given, and the first layer's product with
    them, `currents`, shape (time, batch, n_1), which is overwritten.
    """
    network, dtype, batch = problem.network, params[0].w.dtype, problem.x.shape[1]
    if network.connections is not None:
        touch_blas_buffers(dtype)  # the products of blocks of windows are small
    states = [
        initial_state(neuron, layer, np.zeros((batch, n), dtype))
        for neuron, layer, n in zip(network.neurons, params, network.sizes[1:], strict=False)
    ]
    pooled = np.zeros((batch, network.sizes[-1]), dtype)
    usual = is_usual(network)
    alpha = problem.alpha(dtype) if usual else None
    checkpoints, given, saved, read = [], inputs, (), []
    for steps in problem.chunks:
        inputs = given or problem.inputs(steps, dtype)
        checkpoints.append(states)
        saved, states = _run_chunk(problem, params, inputs, states, currents)
        if alpha is not None:
            pooled += np.einsum("t,tbn->bn", alpha[steps], saved[-1].s)
        else:
            read.append(_read_chunk(network.readout, saved[-1]))
    assert inputs is not None  # there is at least one step
    last = None if usual else np.concatenate(read)
    return ForwardPass(problem, params, checkpoints, saved, inputs, pooled, last)


def _read_chunk(readout: Readout, saved: Saved) -> Array:
    """What the readout reads of the last layer; `validate` has seen to its being a `GLIF`."""
    if isinstance(readout, MeanPotential) and isinstance(saved, SavedStates):
        return np.stack([state.u for state in saved.states[1:]])
    return saved.s


def _run_chunk(
    problem: Problem,
    params: Params,
    inputs: Inputs,
    states: list[LayerState | State],
    currents: Array | None = None,
) -> tuple[tuple[Saved, ...], list[LayerState | State]]:
    """Run all layers through a chunk; `currents` is the first layer's product, if it is known."""
    saved, after = [], []
    connected = problem.network.connections is not None
    for i, (neuron, layer) in enumerate(zip(problem.surrogate.neurons, params, strict=False)):
        if connected:
            below = [_input_array(inputs), *(activations.s for activations in saved)]
            with np.errstate(invalid="ignore"):
                currents = layer_currents(problem.network, i, layer, below)
        elif i > 0:
            currents = matmul_over_time(saved[-1].s, layer.w.T, inputs.matmul)
        elif currents is None:
            with np.errstate(invalid="ignore"):  # `bound` below notices what is not finite
                currents = inputs.multiply(layer.w)
        if layer.b is not None and not connected:
            currents += layer.b
        spike = problem.network.neurons[i].spike
        before: Any = states[i]
        if isinstance(neuron, GLIF):
            # A spike of an infinite potential is finite, and so would be the loss.
            others = [a for name, a in layer_arrays(layer).items() if name not in ("w", "b")]
            if not all(np.isfinite(a).all() for a in (currents, *others)):
                require_finite(problem, params)
            activations, state = forward_glif(neuron, spike, layer, currents, before)
        else:
            bound = _potential_bound(neuron.threshold, layer.v, currents, before)
            if not np.isfinite(bound):
                require_finite(problem, params)
            activations, state = forward(neuron, spike, layer.v, currents, before, bound)
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


def backward_chunks(
    forward_pass: ForwardPass, g: LossGrad, input_too: bool = False
) -> Iterator[BackwardChunk]:
    """Yield the backward pass, the last chunk first, from the cotangent of the loss.

    With connections the gradient in the input is there only where it is asked for. What the
    forward pass saved is overwritten.
    """
    problem, params = forward_pass.problem, forward_pass.params
    cotangents = _last_cotangents(forward_pass, g)
    later: Sequence[Array | State | None] = [None] * len(forward_pass.saved)
    for i, steps in reversed(list(enumerate(problem.chunks))):
        inputs, saved = forward_pass.inputs, forward_pass.saved
        if i < len(problem.chunks) - 1:  # only the last chunk was kept: run this one again
            inputs = problem.inputs(steps, params[0].w.dtype)
            saved, _ = _run_chunk(problem, params, inputs, forward_pass.checkpoints[i])
        shell = BackwardChunk(steps, inputs, saved, ())
        received = [cotangents(t) for t in range(steps.start, steps.stop)]
        chunk = _backward_layers(problem, params, shell, received, later, input_too)
        later = chunk.before
        yield chunk


def _last_cotangents(forward_pass: ForwardPass, g: LossGrad) -> Callable[[int], Array]:
    """What is read of the last layer receives at a step."""
    if g.read is not None:
        return g.read.__getitem__
    in_pooled = g.pooled
    assert in_pooled is not None
    alpha = forward_pass.problem.alpha(in_pooled.dtype)  # pooled = sum_t alpha_t s_t
    return lambda t: alpha[t] * in_pooled


def _backward_layers(
    problem: Problem,
    params: Params,
    chunk: BackwardChunk,
    g: list[Array],
    later: Sequence[Array | State | None],
    input_too: bool,
) -> BackwardChunk:
    """Return a chunk completed by its backward pass, given what its last states receive."""
    network, depth = problem.network, len(chunk.saved)
    below = [*([] if network.connections is None else [_input_array(chunk.inputs)])]
    below += [saved.s for saved in chunk.saved]
    # What the input and the spikes of each layer receive from all layers above.
    received: list[Any] = [None] * depth + [g]
    layers, connected = [], []
    for i in reversed(range(depth)):
        above = received[i + 1]
        if above is None:  # no layer above looks at this one
            above = np.zeros_like(chunk.saved[i].s)
        layers.append(_backward_layer(problem, i, params[i], chunk, above, later[i]))
        delta = layers[-1][0]
        if network.connections is None:
            if i > 0:
                received[i] = matmul_over_time(delta, params[i].w, chunk.inputs.matmul)
            continue
        connected.append(connection_grads(network, i, params[i], below, delta, input_too))
        for j, part in connected[-1].below.items():
            received[j] = part if received[j] is None else np.add(received[j], part)
    deltas, before, learned = zip(*reversed(layers), strict=True)
    return replace(
        chunk,
        deltas=deltas,
        before=before,
        learned=learned,
        connected=tuple(reversed(connected)) or None,
        in_x=received[0],
    )


def _backward_layer(
    problem: Problem,
    i: int,
    layer: Layer,
    chunk: BackwardChunk,
    g: Sequence[Array] | Array,
    later: Any,
) -> tuple[Array, Array | State, dict[str, Array]]:
    """Delta of a chunk, what the state before it receives, and gradients of learned numbers."""
    saved = chunk.saved[i]
    if isinstance(saved, SavedStates):
        neuron: Any = problem.surrogate.neurons[i]
        spike = problem.network.neurons[i].spike
        g_u = None
        if isinstance(problem.network.readout, MeanPotential) and i == len(chunk.saved) - 1:
            g, g_u = np.zeros_like(saved.s), g
        whole = backward_glif(neuron, layer, saved.states, g, later, spike, g_u)
        learned = whole.learned
        if "start" in learned and chunk.steps.start > 0:  # the start is that of the first chunk
            learned = {**learned, "start": np.zeros_like(learned["start"])}
        return whole.delta, whole.before, learned
    delta = backward(saved, layer.v, g, later)
    # A copy, so that the chunk's memory can be freed before the next one runs.
    return delta, delta[0].copy(), {}


def _input_array(inputs: Inputs) -> Array:
    """The input of a network with connections, (time, batch, n_0)."""
    assert isinstance(inputs, DenseInputs)
    return inputs.input_rows().reshape(inputs.x.shape)


def param_grads(forward_pass: ForwardPass, g: LossGrad) -> Params:
    """Return the gradient of all parameters, from the cotangent of the loss.

    All are views of one vector, which a step of training then need not make. What the forward pass
    saved is overwritten.
    """
    params = forward_pass.params
    total, begun = allocate_like(params), False
    for chunk in backward_chunks(forward_pass, g):
        out = None if begun else total[0].w  # the largest array: written once, where it belongs
        ws = [] if chunk.connected else [chunk.inputs.weight_grad(chunk.deltas[0], out)]
        part = layer_grads(params, [*ws, *upper_weight_grads(chunk)], chunk)
        _write_arrays(total, part, np.add if begun else None)
        begun = True  # gradients of the chunks add up
    _write_arrays(total[len(forward_pass.saved) :], g.readout, None)
    return total


def _write_arrays(out: Params, params: Params, combine: np.ufunc | None) -> None:
    """Write the arrays of some layers into others, combined with what is there."""
    for target, array in zip(param_arrays(out), param_arrays(params), strict=False):
        if combine is not None:
            combine(target, array, target)
        elif target is not array:
            target[...] = array


def upper_weight_grads(chunk: BackwardChunk) -> list[Array]:
    """Return the gradients of the weights of all layers but the first; of connections, of all."""
    if chunk.connected is not None:
        return [grads.w for grads in chunk.connected]
    below = [flatten_steps(saved.s) for saved in chunk.saved[:-1]]
    deltas = map(flatten_steps, chunk.deltas[1:])
    return [chunk.inputs.matmul(delta.T, a) for delta, a in zip(deltas, below, strict=True)]


def layer_grads(params: Params, ws: Sequence[Array | None], chunk: BackwardChunk) -> Params:
    """Return the spiking layers' gradients; `ws` are those of their weights."""
    grads = []
    for i, (w, layer, saved, delta) in enumerate(
        zip(ws, params, chunk.saved, chunk.deltas, strict=False)
    ):
        b = None
        if layer.b is not None:
            connected = chunk.connected
            b = connected[i].b if connected else flatten_steps(delta).sum(axis=0)
        v = None if layer.v is None else _recurrent_grad(saved, delta)
        grads.append(Layer(w, b, v, **chunk.learned[i]))  # pyright: ignore[reportArgumentType]
    return tuple(grads)


def _recurrent_grad(saved: Saved, delta: Array) -> Array:
    """Return ``sum_t delta_t s_{t-1}'``; the first step's s_{t-1} is from before the chunk."""
    return flatten_steps(delta[1:]).T @ flatten_steps(saved.s[:-1]) + delta[0].T @ saved.before.s
