"""Faults around the layers: the order of the input, the readout, the loss, what is handed out."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.diagnose.faults import Change
from refsast.crosscheck.diagnose.input_faults import is_transposable
from refsast.crosscheck.variants import Variant
from refsast.model.network import Network
from refsast.model.params import Params, map_params


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
        e = np.exp(logits - stop_gradient(logits).max(axis=1, keepdims=True))
        return variant.loss(e / np.sum(e, axis=1, keepdims=True), y)

    return replace(variant, loss=loss) if case.network.classes > 1 else None


def sum_loss(variant: Variant, case: Case) -> Variant | None:
    """The loss, and so the gradient, summed over the batch."""
    if len(case.y) < 2:
        return None
    return replace(variant, loss=lambda logits, y: variant.loss(logits, y) * float(len(y)))


def scale_gradient(factor: float) -> Change:
    """All that is derived from the loss multiplied by a number; the loss is right."""

    def finish(variant: Variant) -> Callable[[Answer], Answer]:
        def times(answer: Answer) -> Answer:
            answer = variant.finish(answer)
            grads = map_params(lambda a: factor * a, answer.grads)
            adjoints = tuple(factor * a for a in answer.adjoints or ())
            x = None if answer.x is None else factor * answer.x
            return replace(answer, grads=grads, adjoints=adjoints, x=x)

        return times

    return lambda variant, case: replace(variant, finish=finish(variant))


def transpose_gradient(variant: Variant, case: Case) -> Variant | None:
    """The gradients in square W handed out transposed."""
    if not any(is_transposable(layer.w) for layer in case.params):
        return None

    def finish(answer: Answer) -> Answer:
        answer = variant.finish(answer)
        turned = [
            replace(g, w=g.w.T.copy()) if g.w.shape[0] == g.w.shape[1] else g for g in answer.grads
        ]
        return replace(answer, grads=tuple(turned))

    return replace(variant, finish=finish)


def zero_bias_gradients(variant: Variant, case: Case) -> Variant | None:
    """The gradients in all biases, the readout's among them, handed out as zeros."""
    if case.network.readout.n_out is None or case.params[-1].b is None:
        return None

    def finish(answer: Answer) -> Answer:
        answer = variant.finish(answer)
        grads = tuple(g if g.b is None else replace(g, b=np.zeros_like(g.b)) for g in answer.grads)
        return replace(answer, grads=grads)

    return replace(variant, finish=finish)
