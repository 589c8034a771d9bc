"""Faults around the layers: the order of the input, the readout, the loss, what is returned."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.variants import Variant
from refsast.model.network import Network
from refsast.model.params import Layer, Params, map_params
from tests.crosscheck.known_faults.faults import Change
from tests.crosscheck.known_faults.inputs import is_transposable


def reverse_input(variant: Variant, case: Case) -> Variant | None:
    """The input of the last step first."""
    if len(case.x) < 2 or np.array_equal(case.x, case.x[::-1]):
        return None

    def enter(x: Array) -> Array:
        x = variant.enter(x)
        return np.stack([x[t] for t in reversed(range(len(x)))])

    return replace(variant, enter=enter)


def sum_over_time(variant: Variant, case: Case) -> Variant | None:
    """The readout sees the sum of all spikes, not their mean."""
    if len(case.x) < 2:
        return None
    return replace(variant, read=lambda net, params, s: variant.read(net, params, s * len(case.x)))


def read_last_step(variant: Variant, case: Case) -> Variant | None:
    """The readout sees the spikes of the last step only."""
    if len(case.x) < 2:
        return None

    def read(network: Network, params: Params, s: Array) -> Array:
        # The readout averages over time: the mean of the last step repeated is that step.
        return variant.read(network, params, np.stack([s[len(case.x) - 1]] * len(case.x)))

    return replace(variant, read=read)


def drop_readout_bias(variant: Variant, case: Case) -> Variant | None:
    """The bias of the readout left out."""
    if case.network.readout.n_out is None or case.params[-1].b is None:
        return None

    def read(network: Network, params: Params, s: Array) -> Array:
        return variant.read(network, (*params[:-1], replace(params[-1], b=None)), s)

    return replace(variant, read=read)


def apply_softmax_twice(variant: Variant, case: Case) -> Variant | None:
    """The softmax taken before a loss that takes it again."""

    def loss(logits: Array, y: Integers) -> Array:
        # The largest logit is a constant: it cancels, in the value and in the derivative.
        e = np.exp(logits - stop_gradient(logits).max(axis=1, keepdims=True))
        return variant.loss(e / np.sum(e, axis=1, keepdims=True), y)

    return replace(variant, loss=loss) if case.network.classes > 1 else None


def sum_loss(variant: Variant, case: Case) -> Variant | None:
    """The loss, and so the gradient, summed over the batch."""
    if len(case.y) < 2:
        return None
    return replace(variant, loss=lambda logits, y: variant.loss(logits, y) * float(len(y)))


def scale_gradient(factor: float) -> Change:
    """All derivatives of the loss multiplied by a number; the loss itself is right."""

    def change(variant: Variant, case: Case) -> Variant:
        def finish(answer: Answer) -> Answer:
            answer = variant.finish(answer)
            grads = map_params(lambda a: factor * a, answer.grads)
            adjoints = tuple(factor * a for a in answer.adjoints or ())
            x = None if answer.x is None else factor * answer.x
            return replace(answer, grads=grads, adjoints=adjoints, x=x)

        return replace(variant, finish=finish)

    return change


def transpose_gradient(variant: Variant, case: Case) -> Variant | None:
    """The gradients in square W returned transposed."""
    if not any(is_transposable(layer.w) for layer in case.params):
        return None

    def transpose(g: Layer) -> Layer:
        return replace(g, w=g.w.T.copy()) if g.w.shape[0] == g.w.shape[1] else g

    return _map_grads(variant, transpose)


def zero_bias_gradients(variant: Variant, case: Case) -> Variant | None:
    """The gradients in all biases, the readout's among them, returned as zeros."""
    if case.network.readout.n_out is None or case.params[-1].b is None:
        return None  # without a bias in the readout, `input_faults.detach_bias` gives the same
    return _map_grads(variant, lambda g: g if g.b is None else replace(g, b=np.zeros_like(g.b)))


def _map_grads(variant: Variant, change: Callable[[Layer], Layer]) -> Variant:
    """The gradients of each layer changed before they are returned."""

    def finish(answer: Answer) -> Answer:
        answer = variant.finish(answer)
        return replace(answer, grads=tuple(map(change, answer.grads)))

    return replace(variant, finish=finish)
