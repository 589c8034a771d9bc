"""Instances of every claim that are made of one given network, its recordings and its training."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

import refsast as rs
from proofs_check.claim import Claim
from proofs_check.claims import (
    convergence,
    lipschitz,
    mechanism,
    sam,
    smoothness,
    stability,
    transfer,
)
from proofs_check.descent.descents import Path, Step, noise, outcomes, path_reach, step_reach, tree
from proofs_check.descent.families import Finite
from proofs_check.descent.objectives import Risk
from proofs_check.instances import Driven, Moved, Pair, Started, caps, step
from proofs_check.norms import length
from proofs_check.register import unchanged
from proofs_check.training import Training
from refsast.model.unroll import unroll

Instances = tuple[Claim, Callable[[], object]]  # or, in place of an instance, why there is none


def of_network(x: Driven, rng: np.random.Generator) -> Iterator[Instances]:
    """The claims on the network's run and gradient, each with an instance when it is asked for."""
    one = Driven(x.network, x.params, x.x[:, :1], x.y[:1])
    for claim in (stability.COMPACT, stability.COMPACT_BY_STEP, stability.SATURATION):
        yield claim, partial(unchanged, x)
    for claim in (stability.FORGETTING, stability.CONTRACTION):
        yield claim, partial(_started, x)
    order = rng.permutation(x.x.shape[1])
    yield lipschitz.PAIRS, partial(unchanged, Pair(x.network, x.params, x.x, x.x[:, order]))
    yield lipschitz.GRADIENT, partial(unchanged, one)
    yield smoothness.GRADIENT_BOUND, partial(unchanged, x)
    moved = partial(_uphill, x)
    for claim in (smoothness.QUOTIENT, smoothness.PRODUCT, smoothness.JOINT):
        yield claim, moved
    yield smoothness.EIGENVALUE, partial(unchanged, x)
    yield mechanism.IDENTITY, partial(unchanged, one)
    alone = mechanism.Conditioned(one.network, one.params, one.x, one.y, 1.0)
    yield mechanism.ROWS, partial(mechanism.tight_rows, alone)
    yield mechanism.JACOBIANS, partial(mechanism.tight_logits, alone)
    for claim in transfer.CLAIMS:
        yield claim, partial(unchanged, x)


def of_loss(x: Driven, training: Training) -> Iterator[Instances]:
    """The claims of THEORY 4 and 5, likewise."""
    of_sam = (sam.REMAINDER, sam.MAXIMUM, sam.CHANGE, sam.DROPPED)
    of_descent = (convergence.ONE_STEP, convergence.K_STEPS)
    if trouble := _no_loss(x.network):
        for claim in (*of_sam, *of_descent):
            yield claim, partial(unchanged, trouble)
        return
    ascent = sam.Ascent(Risk(x.network, x.x, x.y), rs.flatten(x.params), training.rho, np.nan)
    for claim in of_sam:
        yield claim, partial(sam.settled, ascent)
    if training.learning_rate is None:
        for claim in of_descent:
            yield claim, partial(unchanged, "plain descent at a constant rate")
    else:
        yield convergence.ONE_STEP, partial(_step, x, training, training.learning_rate)
        yield convergence.K_STEPS, lambda eta=training.learning_rate: _path(x, training, eta)


def _no_loss(network: rs.Network) -> str:
    """Why THEORY 4 and 5 have nothing to speak about, if so."""
    if any(neuron.detach_reset for neuron in network.neurons):
        return "no neuron detaches its reset"
    return "" if stability.certified(network.neurons) else stability.CERTIFIED.says


def _step(x: Driven, training: Training, eta: float) -> Step:
    """A step from these parameters, with two halves of the recordings as minibatches."""
    half = max(x.x.shape[1] // 2, 1)
    rows = [slice(start, start + half) for start in range(0, 2 * half, half)]
    samples = [Risk(x.network, x.x[:, r], x.y[r]) for r in rows[: x.x.shape[1]]]
    first = Step(
        Finite(tuple(samples), 1),
        rs.flatten(x.params),
        training.rho,
        eta,
        np.inf,
        0.0,
        shared=not training.independent,
    )
    bend = first.family.lipschitz(first.w, step_reach(first))
    return replace(first, lipschitz=bend, variance=noise(outcomes(first).slopes))


def _path(x: Driven, training: Training, eta: float) -> Path:
    """Two such steps."""
    path = Path(_step(x, training, eta), 2, 0.0)
    bend = path.first.family.lipschitz(path.first.w, path_reach(path))
    return replace(path, first=replace(path.first, lipschitz=bend, variance=tree(path).noise))


def _started(x: Driven) -> Started:
    """The layer that contracts least, started in the states of two recordings."""
    trace = unroll(x.network, x.params, x.x)
    layers = list(zip(x.network.neurons, x.params, (x.x, *trace.s), trace.u, strict=False))
    if stability.certified(x.network.neurons):
        layers.sort(key=lambda of: -float(stability.effective(of[0], of[1])))
    neuron, layer, a, u = layers[0]
    return Started(neuron, layer, a, u[-1], np.roll(u[-1], 1, axis=0) + 1e-3)


def _uphill(x: Driven) -> Moved:
    """The network and a point a little further along the gradient."""
    grad = smoothness.risk_gradient(x, x.params)
    size = 1e-2 / max(float(length(*grad)), 1e-300)
    there = step(x.params, grad, size)
    return Moved(x.network, x.params, there, x.x, x.y, caps(x, there, 1.0 + 1e-12))
