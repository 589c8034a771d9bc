"""What every library on PyTorch shares: a network run through time, and autograd's gradients of it.

Rule 1: a population turns a layer's currents into spikes; libraries differ in nothing else.
Rule 2: parameters are copied in anew at every call, and every state starts at rest.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters.ties import make_leaves
from refsast.crosscheck.case import Answer, Case, cast_params
from refsast.crosscheck.implementation import Implementation
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.readout import LeakyReadout, SpikeRate
from refsast.model.synapse import Synapse

Leaves: TypeAlias = list[dict[str, Tensor]]  # parameters, as leaves of the tape


@dataclass(frozen=True, eq=False)
class LayerOutput:
    """What one layer did.

    Attributes
    ----------
    s : (time, batch, n) tensor
        Its spikes.
    u : sequence of (batch, n) tensor, or None
        Its potentials before the reset, one per step, where the library shows them.
    currents : tensor, or sequence of tensor
        Its input currents, (time, batch, n) or one (batch, n) per step.
    """

    s: Tensor
    u: Sequence[Tensor] | None
    currents: Tensor | Sequence[Tensor]


# ``population(i, currents, v)``: layer i's currents (time, batch, n) and recurrent weights or None.
Population: TypeAlias = Callable[[int, Tensor, Tensor | None], LayerOutput]
# ``cell(current)``: one step, from a current (batch, n) to spikes and, where shown, potentials; it
# holds its own state.
Cell: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor | None]]

TOLERANCE = 1e-12  # relative; a scale computed from a time constant is not exactly one minus a leak


def make_stepwise_population(make: Callable[[int], Cell]) -> Population:
    """Return a population of cells called step by step; ``make(i)`` makes layer i's at rest."""

    def population(i: int, currents: Tensor, v: Tensor | None) -> LayerOutput:
        cell, spikes, potentials, arriving = make(i), [], [], []
        s = torch.zeros_like(currents[0])  # the layer's own spikes of the step before
        for current in currents.unbind():
            if v is not None:
                current = current + torch.nn.functional.linear(s, v)
            arriving.append(current)
            s, u = cell(current)
            s = s.to(currents.dtype)  # some libraries return hard spikes in single precision
            spikes.append(s)
            potentials.append(u)
        shown = None if None in potentials else potentials
        return LayerOutput(torch.stack(spikes), shown, arriving)

    return population


def autograd_implementation(
    case: Case,
    population: Population,
    *,
    name: str,
    dtype: torch.dtype = torch.float64,
    precision: type[np.floating] | None = None,
) -> Implementation:
    """Return an implementation that runs a population of neurons and lets autograd differentiate.

    Its states and adjoints are those that the population shows. `precision` is a floating type to
    round parameters, input and answer to, where a library rounds inside.
    """
    network = case.network

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        leaves = make_leaves(params, dtype)
        inputs = torch.tensor(x, dtype=dtype, requires_grad=True)
        a, layers = inputs, []
        # Not strict: the last leaf may be the readout's.
        for i, leaf in zip(range(len(network.neurons)), leaves, strict=False):
            currents = torch.nn.functional.linear(a, leaf["w"], leaf.get("b"))
            layers.append(_retain_grads(population(i, currents, leaf.get("v"))))
            a = layers[-1].s
        z = compute_logits(network, leaves, a)
        loss = torch.nn.functional.cross_entropy(z, torch.as_tensor(y))
        loss.backward()
        return _collect_answer(case, loss, leaves, layers, inputs)

    return Implementation(round_numbers(gradient, precision), name=name)


def compute_logits(network: Network, leaves: Leaves, s: Tensor) -> Tensor:
    """Return the readout of the last layer's spikes."""
    readout = network.readout
    if isinstance(readout, SpikeRate):
        return readout.gain * s.mean(dim=0)
    w, b = leaves[-1]["w"], leaves[-1].get("b")
    if not isinstance(readout, LeakyReadout):
        return torch.nn.functional.linear(s.mean(dim=0), w, b)
    # The integrator step by step, as users write it; refsast weighs the steps instead.
    v, total = 0.0, 0.0
    for current in torch.nn.functional.linear(s, w, b).unbind():
        v = readout.leak * v + current
        total = total + v
    return total / len(s)  # pyright: ignore[reportReturnType]


def _retain_grads(layer: LayerOutput) -> LayerOutput:
    """Make autograd keep the gradients that adjoints are read from."""
    sources = layer.currents if layer.u is None else layer.u
    for tensor in [sources] if isinstance(sources, Tensor) else sources:
        tensor.retain_grad()
    return layer


def _collect_answer(
    case: Case, loss: Tensor, leaves: Leaves, layers: list[LayerOutput], x: Tensor
) -> Answer:
    """Collect the gradients that autograd stored."""
    grads = tuple(Layer(**{k: read_grad(a) for k, a in leaf.items()}) for leaf in leaves)
    return Answer(
        loss.item(),
        grads,
        _all_or_none([_stack_steps(layer.u) for layer in layers]),
        tuple(layer.s.detach().numpy() for layer in layers),
        _all_or_none([_adjoint(case, layer) for layer in layers]),
        read_grad(x),
    )


def _all_or_none(arrays: Sequence[Array | None]) -> tuple[Array, ...] | None:
    """Return them as a tuple, if none is missing."""
    present = tuple(a for a in arrays if a is not None)
    return present if len(present) == len(arrays) else None


def _stack_steps(tensors: Sequence[Tensor] | None) -> Array | None:
    """Return one tensor per step as an array (time, batch, n)."""
    return None if tensors is None else np.stack([a.detach().numpy() for a in tensors])


def _adjoint(case: Case, layer: LayerOutput) -> Array | None:
    """Return dL/du: read from the potentials, or from the currents, which are added to them.

    None where a synapse remembers the currents and potentials are not shown.
    """
    if layer.u is not None:
        return np.stack([read_grad(u) for u in layer.u])
    if case.synapse is not None and (case.synapse.leak > 0.0 or case.synapse.delayed):
        return None
    # u = ... + scale * current: dL/du is dL/dcurrent over the scale.
    currents = layer.currents
    if isinstance(currents, Tensor):
        adjoint = read_grad(currents)
    else:
        adjoint = np.stack([read_grad(a) for a in currents])
    return adjoint if case.synapse is None else adjoint / case.synapse.scale


def read_grad(tensor: Tensor) -> Array:
    """Return a tensor's gradient; autograd stores none where the loss does not depend on it."""
    return np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()


def scales_match(synapse: Synapse, scale: float) -> bool:
    """Whether a synapse has this scale, up to rounding, and no delay."""
    return not synapse.delayed and abs(synapse.scale - scale) <= TOLERANCE * scale


def round_numbers(
    gradient: Callable[[Params, Array, Integers], Answer], dtype: type[np.floating] | None
) -> Callable[[Params, Array, Integers], Answer]:
    """Round parameters, input and answer to another floating type; None: leave them."""
    if dtype is None:
        return gradient

    def cast(array: Array) -> Array:
        return array.astype(dtype)  # pyright: ignore[reportReturnType]

    def cast_layers(arrays: tuple[Array, ...] | None) -> tuple[Array, ...] | None:
        return None if arrays is None else tuple(map(cast, arrays))

    def round_gradient(params: Params, x: Array, y: Integers) -> Answer:
        full = gradient(cast_params(params, dtype), cast(x), y)
        u, s, adjoints = map(cast_layers, (full.u, full.s, full.adjoints))
        x_grad = None if full.x is None else cast(full.x)
        return Answer(full.loss, cast_params(full.grads, dtype), u, s, adjoints, x_grad)

    return round_gradient
