"""Faults in what arrives at a layer: weights, biases, recurrence, scale, order."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.autodiff.ops import Op
from refsast.autodiff.tape import apply
from refsast.crosscheck.case import Case
from refsast.crosscheck.variants import Rules
from refsast.model.lif import LIF
from refsast.model.params import Layer
from refsast.model.synapse import Synapse

Pullback: TypeAlias = Callable[[Array, Array, Array, Array], Array]


def scale_input(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """All input multiplied by one minus the leak."""
    if neuron.leak == 0.0:
        return None
    return _scale_drive(rules, 1.0 - neuron.leak)


def drop_synapse_scale(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """The synapse's scale left out."""
    if case.synapse is None or case.synapse.scale == 1.0:
        return None
    return _scale_drive(rules, 1.0 / case.synapse.scale)


def _scale_drive(rules: Rules, factor: float) -> Rules:
    def conduct(synapse: Synapse | None, i: Array, current: Array) -> tuple[Array, Array]:
        i, arrives = rules.conduct(synapse, i, current)
        return i, factor * arrives

    return replace(rules, conduct=conduct)


def drop_bias(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """The bias left out."""
    if layer.b is None or not layer.b.any():
        return None
    return replace(rules, currents=lambda layer, a: rules.currents(replace(layer, b=None), a))


def detach_bias(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """No gradient in the bias."""
    if layer.b is None:
        return None

    def currents(layer: Layer, a: Array) -> Array:
        return rules.currents(replace(layer, b=stop_gradient(layer.b)), a)  # pyright: ignore[reportArgumentType]

    return replace(rules, currents=currents)


def drop_recurrence(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """The recurrent input left out."""
    if layer.v is None or len(case.x) < 2:
        return None
    # Zero times the input has its shape, and leaves V on the tape.
    return replace(rules, recurrent=lambda layer, s: 0.0 * rules.recurrent(layer, s))


def detach_recurrence(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """No gradient through the spikes that are fed back."""
    if layer.v is None or len(case.x) < 2:
        return None
    return replace(rules, recurrent=lambda layer, s: rules.recurrent(layer, stop_gradient(s)))


def delay_input(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """The layer sees its input one step late; in one step, nothing."""

    def currents(layer: Layer, a: Array) -> Array:
        # A first input of nothing, on the tape; one step after the other, as the tape indexes.
        return rules.currents(layer, np.stack([0.0 * a[0], *(a[t] for t in range(len(a) - 1))]))

    return replace(rules, currents=currents)


def detach_input(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """No gradient to the layer below."""
    return replace(rules, currents=lambda layer, a: rules.currents(layer, stop_gradient(a)))


def transpose_weight(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """``W' a`` in place of ``W a``."""
    if not is_transposable(layer.w):
        return None
    return replace(rules, currents=lambda layer, a: rules.currents(replace(layer, w=layer.w.T), a))


def transpose_adjoint(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """``W delta`` in place of ``W' delta``."""
    if not is_transposable(layer.w):
        return None
    return _replace_pullbacks(rules, in_a=lambda g, y, w, a: g @ w.T)


def mirror_time(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """The gradient in W pairs the adjoint of a step with the input of its mirror image."""
    if len(case.x) < 2:
        return None
    return _replace_pullbacks(rules, in_w=lambda g, y, w, a: np.einsum("tbi,tbj->ij", g, a[::-1]))


def _replace_pullbacks(
    rules: Rules,
    in_w: Pullback = lambda g, y, w, a: np.einsum("tbi,tbj->ij", g, a),
    in_a: Pullback = lambda g, y, w, a: g @ w,
) -> Rules:
    """``W a`` with the pullbacks of a wrong implementation; the defaults are the right ones."""
    product = Op("wrong backwards", lambda w, a: a @ w.T, (in_w, in_a))

    def currents(layer: Layer, a: Array) -> Array:
        current = apply(product, layer.w, a)
        return current if layer.b is None else current + layer.b

    return replace(rules, currents=currents)


def is_transposable(w: Array) -> bool:
    """Whether a matrix can be transposed by mistake, and it shows."""
    return w.shape[0] == w.shape[1] and not np.array_equal(w, w.T)
