"""What refsast offers, and the floor below it, each as a step on a workload.

A step is what is timed; an answer is the loss and the gradients of the weight matrices, for the
check. Peers are in `tests.bench.peers`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.experiment.sam_step import step_gradient
from tests.bench.workloads import Data, Minibatches, Workload, another, draw

Answer: TypeAlias = tuple[float, list[Array]]
RHO = 0.1
RATE, BETAS, EPSILON = 2e-3, (0.9, 0.999), 1e-8
ADAM = rs.descent.adam(
    learning_rate=RATE, beta1=BETAS[0], beta2=BETAS[1], epsilon=EPSILON, weight_decay=0.0
)
CHECKPOINT = 32  # steps between kept states
CHECKPOINTED = partial(rs.fast.loss_and_grad, checkpoint=CHECKPOINT)
FEW = 16  # recordings that the tape is given at a time


class AbsentError(Exception):
    """An implementation that this version, or this machine, does not have."""


@dataclass(frozen=True)
class Built:
    """An implementation made ready for one workload.

    Attributes
    ----------
    step : callable
        What is timed; what it returns is not looked at.
    answer : callable or None
        ``() -> (loss, gradients of the weight matrices)``; None for the floor, which has none.
    train : callable or None
        ``minibatches -> weight matrices`` after an epoch with Adam, from those it was built with.
    """

    step: Callable[[], object]
    answer: Callable[[], Answer] | None
    train: Callable[[Minibatches], tuple[Array, ...]] | None = None


@dataclass(frozen=True)
class Implementation:
    """One way to compute a workload.

    Attributes
    ----------
    title : str
        Its name in tables.
    process : str
        Implementations of the same one share a process.
    build : callable
        ``(workload, data) -> Built``.
    oracle : callable or None
        ``workload -> answer``: what its answer must be; None where there is none.
    needs : str
        Package that must be installed.
    note : str
        What a reader of the table must know.
    """

    title: str
    process: str
    build: Callable[[Workload, Data], Built]
    oracle: Callable[[Workload], Answer] | None
    needs: str = "refsast"
    note: str = ""


def weights_to_params(weights: tuple[Array, ...]) -> rs.Params:
    """Return weight matrices as parameters."""
    return tuple(rs.Layer(w) for w in weights)


def extract_answer(result: tuple[Array, rs.Params]) -> Answer:
    """Return loss and parameters as loss and weight matrices."""
    loss, grads = result
    return float(loss), [layer.w for layer in grads]


# What answers must be.


def exact(work: Workload, detach_reset: bool = False) -> Answer:
    """Return loss and gradients by the tape, in float64, a few recordings at a time."""
    data, network = draw(work), work.network
    network = replace(network, neuron=replace(network.neuron, detach_reset=detach_reset))
    params = weights_to_params(tuple(w.astype(np.float64) for w in data.weights))
    loss, grads = 0.0, [np.zeros_like(layer.w) for layer in params]
    for i in range(0, work.batch, FEW):
        x, y = data.x[:, i : i + FEW].astype(np.float64), data.y[i : i + FEW]
        part, pieces = extract_answer(rs.reference.loss_and_grad(network, params, x, y))
        loss += part * len(y) / work.batch
        grads = [g + p * (len(y) / work.batch) for g, p in zip(grads, pieces, strict=True)]
    return loss, grads


detached = partial(exact, detach_reset=True)


def sam_exact(work: Workload, shared: bool = False) -> Answer:
    """Return the loss of the first pass and the SAM gradient, in float64, by the tape."""
    network, data, pairs = work.network, draw(work), minibatches(work, shared)
    w = rs.flatten(weights_to_params(data.weights)).astype(np.float64)
    first, second = (objective(rs.reference, network, *pair) for pair in pairs)
    grad = rs.sam.gradient(first, w, rho=RHO, second=second)
    return first(w)[0], extract_answer((0.0, rs.unflatten(network, grad)))[1]


def minibatches(work: Workload, shared: bool) -> list[tuple[Array, Array]]:
    """Return the (x, y) of the first pass of SAM and of the second."""
    first = draw(work)
    second = first if shared else draw(another(work))
    return [(each.x, each.y) for each in (first, second)]


def objective(gradient, network: rs.Network, x: Array, y: Array):
    """Return the loss and its flat gradient as a function of the flat parameters."""

    def value_and_grad(w: Array) -> tuple[float, Array]:
        loss, grads = gradient.loss_and_grad(network, rs.unflatten(network, w), x, y)
        return float(loss), rs.flatten(grads)

    return value_and_grad


# Ways to compute them.


def by_tape(work: Workload, data: Data) -> Built:
    """`rs.reference`, in float64."""
    wide = tuple(w.astype(np.float64) for w in data.weights)
    return _gradient(rs.reference.loss_and_grad, work, replace(data, weights=wide))


def dense(work: Workload, data: Data) -> Built:
    """`rs.fast` on an array."""
    return _gradient(rs.fast.loss_and_grad, work, data)


def events(work: Workload, data: Data) -> Built:
    """`rs.fast` on the places of the ones, which is how the data are kept."""
    return _gradient(rs.fast.loss_and_grad, work, replace(data, x=rs.as_spikes(data.x)))


def dense_checkpointed(work: Workload, data: Data) -> Built:
    """`rs.fast` on an array, keeping only every few states."""
    return _gradient(CHECKPOINTED, work, data)


def events_checkpointed(work: Workload, data: Data) -> Built:
    """`rs.fast` on the places of the ones, keeping only every few states."""
    return _gradient(CHECKPOINTED, work, replace(data, x=rs.as_spikes(data.x)))


def _gradient(loss_and_grad, work: Workload, data: Data) -> Built:
    """A built step of one of refsast's gradients."""
    step = partial(loss_and_grad, work.network, weights_to_params(data.weights), data.x, data.y)
    return Built(step, lambda: extract_answer(step()))


def sam(work: Workload, data: Data, shared: bool = False, sparse: bool = False) -> Built:
    """One SAM gradient: two passes, on two minibatches or on one."""
    descent_gradient = _descent_gradient(work, data, RHO, shared, sparse)
    return Built(descent_gradient, _answer(work, descent_gradient))


def training(work: Workload, data: Data, rho: float = 0.0, sparse: bool = False) -> Built:
    """A step as `rs.train` makes it, in place; other parameters move, so that gradients stay."""
    descent_gradient = _descent_gradient(work, data, rho, False, sparse)
    moved = rs.flatten(weights_to_params(data.weights))
    state, update = ADAM.init(moved), ADAM.update_in_place
    assert update is not None

    def step() -> None:
        update(state, moved, descent_gradient()[1], 1.0)

    return Built(step, _answer(work, descent_gradient))


def _descent_gradient(work: Workload, data: Data, rho: float, shared: bool, sparse: bool):
    """``() -> (loss, flat gradient)`` of one step of `rs.train`."""
    config = rs.Config(1, work.batch, rho, 0.0, ADAM, rs.descent.constant)
    gradient = step_gradient(rs.fast.loss_and_grad, config)
    w = rs.flatten(weights_to_params(data.weights))
    one_batch = shared or rho == 0.0
    pairs = [(rs.as_spikes(x) if sparse else x, y) for x, y in minibatches(work, one_batch)]
    first, second = pairs[0], None if one_batch else pairs[1]
    rng = np.random.default_rng(0)  # unused
    return lambda: gradient(work.network, w, first, second, rho, rng)[:2]


def _answer(work: Workload, descent_gradient):
    """What is compared, of a loss and a flat gradient."""

    def answer() -> Answer:
        loss, grad = descent_gradient()
        return loss, extract_answer((0.0, rs.unflatten(work.network, grad)))[1]

    return answer


def floor(work: Workload, data: Data) -> Built:
    """The matrix products that nobody who multiplies dense matrices can leave out.

    Per layer A W' forwards and Delta' A backwards, and Delta W for every layer but the first;
    outputs are written in place, nothing else is done.
    """
    rows = work.steps * work.batch
    rng = np.random.default_rng(work.seed)
    signals = [data.x.reshape(rows, -1).astype(work.dtype, copy=False)]
    signals += [rng.random((rows, n), np.float32).astype(work.dtype) for n in work.sizes[1:]]
    products = []
    for i, (w, a, delta) in enumerate(zip(data.weights, signals, signals[1:], strict=False)):
        products += [(a, w.T, np.empty_like(delta)), (delta.T, a, np.empty_like(w))]
        products += [(delta, w, np.empty_like(a))] if i > 0 else []

    def step() -> None:
        for left, right, out in products:
            np.matmul(left, right, out=out)

    return Built(step, None)


def _ours(title: str, build, oracle=exact, **options) -> Implementation:
    return Implementation(title, "refsast", partial(build, **options), oracle)


sam_shared = partial(sam_exact, shared=True)
REFSAST = {
    "floor": _ours("dense floor (products alone)", floor, None),
    "events": _ours("refsast fast, events", events),
    "fast": _ours("refsast fast, dense", dense),
    "tape": _ours("refsast reference (tape, float64)", by_tape),
    "events-checkpoint": _ours("refsast fast, events, checkpoints", events_checkpointed),
    "fast-checkpoint": _ours("refsast fast, dense, checkpoints", dense_checkpointed),
    "sam": _ours("SAM gradient, two minibatches", sam, sam_exact),
    "sam-events": _ours("SAM gradient, two minibatches, events", sam, sam_exact, sparse=True),
    "sam-shared": _ours("SAM gradient, one minibatch", sam, sam_shared, shared=True),
    "sam-shared-events": _ours(
        "SAM gradient, one minibatch, events", sam, sam_shared, shared=True, sparse=True
    ),
    "train": _ours("training step, plain", training),
    "train-sam": _ours("training step, SAM", training, sam_exact, rho=RHO),
    "train-events": _ours("training step, plain, events", training, sparse=True),
    "train-sam-events": _ours(
        "training step, SAM, events", training, sam_exact, rho=RHO, sparse=True
    ),
}
