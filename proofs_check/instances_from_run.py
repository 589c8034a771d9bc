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
from proofs_check.descent.enumeration import (
    Path,
    Step,
    max_variance,
    path_outcomes,
    path_radius,
    step_outcomes,
    step_radius,
)
from proofs_check.descent.finite_sum import Finite
from proofs_check.descent.objectives import Risk
from proofs_check.instances import Driven, Moved, Pair, Started, move_params, norm_caps
from proofs_check.norms import euclidean_norm
from proofs_check.register import identity
from proofs_check.training import Training
from refsast.model.unroll import unroll

LazyInstance = tuple[Claim, Callable[[], object]]  # or, in place of an instance, why there is none


def network_instances(x: Driven, rng: np.random.Generator) -> Iterator[LazyInstance]:
    """The claims on the network's run and gradient, each with an instance when it is asked for."""
    one = Driven(x.network, x.params, x.x[:, :1], x.y[:1])
    for claim in (stability.COMPACT, stability.COMPACT_BY_STEP, stability.SATURATION):
        yield claim, partial(identity, x)
    for claim in (stability.INCREMENTAL_STABILITY, stability.CONTRACTION):
        yield claim, partial(_two_states_instance, x)
    order = rng.permutation(x.x.shape[1])
    yield lipschitz.INPUT_PAIRS, partial(identity, Pair(x.network, x.params, x.x, x.x[:, order]))
    yield lipschitz.INPUT_GRADIENT, partial(identity, one)
    yield smoothness.GRADIENT_BOUND, partial(identity, x)
    moved = partial(_two_points_instance, x)
    for claim in (
        smoothness.DIFFERENCE_QUOTIENT,
        smoothness.HESSIAN_PRODUCT,
        smoothness.JOINT_SMOOTHNESS,
    ):
        yield claim, moved
    yield smoothness.HESSIAN_EIGENVALUE, partial(identity, x)
    yield mechanism.IDENTITY, partial(identity, one)
    alone = mechanism.Conditioned(one.network, one.params, one.x, one.y, 1.0)
    yield mechanism.ROWS, partial(mechanism.fit_mu_to_rows, alone)
    yield mechanism.JACOBIANS, partial(mechanism.fit_mu_to_logits, alone)
    for claim in transfer.CLAIMS:
        yield claim, partial(identity, x)


def loss_instances(x: Driven, training: Training) -> Iterator[LazyInstance]:
    """The claims of THEORY 4 and 5, likewise."""
    of_sam = (sam.REMAINDER, sam.MAXIMUM, sam.CHANGE, sam.DROPPED)
    of_descent = (convergence.ONE_STEP, convergence.K_STEPS)
    if trouble := _why_no_loss(x.network):
        for claim in (*of_sam, *of_descent):
            yield claim, partial(identity, trouble)
        return
    ascent = sam.Ascent(Risk(x.network, x.x, x.y), rs.flatten(x.params), training.rho, np.nan)
    for claim in of_sam:
        yield claim, partial(sam.certify_smoothness, ascent)
    if training.learning_rate is None:
        for claim in of_descent:
            yield claim, partial(identity, "plain descent at a constant rate")
    else:
        yield convergence.ONE_STEP, partial(_step_instance, x, training, training.learning_rate)
        yield (
            convergence.K_STEPS,
            lambda eta=training.learning_rate: _path_instance(x, training, eta),
        )


def _why_no_loss(network: rs.Network) -> str:
    """Why THEORY 4 and 5 have nothing to speak about, if so."""
    if any(neuron.detach_reset for neuron in network.neurons):
        return "no neuron detaches its reset"
    return (
        "" if stability.has_certified_spikes(network.neurons) else stability.CERTIFIED_SPIKES.says
    )


def _step_instance(x: Driven, training: Training, eta: float) -> Step:
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
    bend = first.family.lipschitz(first.w, step_radius(first))
    return replace(first, lipschitz=bend, variance=max_variance(step_outcomes(first).slopes))


def _path_instance(x: Driven, training: Training, eta: float) -> Path:
    """Two such steps."""
    path = Path(_step_instance(x, training, eta), 2, 0.0)
    bend = path.first.family.lipschitz(path.first.w, path_radius(path))
    return replace(
        path, first=replace(path.first, lipschitz=bend, variance=path_outcomes(path).noise)
    )


def _two_states_instance(x: Driven) -> Started:
    """The layer that contracts least, started in the states of two recordings."""
    trace = unroll(x.network, x.params, x.x)
    layers = list(zip(x.network.neurons, x.params, (x.x, *trace.s), trace.u, strict=False))
    if stability.has_certified_spikes(x.network.neurons):
        layers.sort(key=lambda of: -float(stability.effective_kappa(of[0], of[1])))
    neuron, layer, a, u = layers[0]
    return Started(neuron, layer, a, u[-1], np.roll(u[-1], 1, axis=0) + 1e-3)


def _two_points_instance(x: Driven) -> Moved:
    """The network and a point a little further along the gradient."""
    grad = smoothness.risk_gradient(x, x.params)
    size = 1e-2 / max(float(euclidean_norm(*grad)), 1e-300)
    there = move_params(x.params, grad, size)
    return Moved(x.network, x.params, there, x.x, x.y, norm_caps(x, there, 1.0 + 1e-12))
