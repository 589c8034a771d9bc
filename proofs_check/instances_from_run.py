"""Instances of every claim that are made of one given network, its recordings and its training."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.claim import Claim
from proofs_check.claims import (
    convergence,
    deployment,
    lipschitz,
    local,
    mechanism,
    reshuffling,
    sam,
    smoothness,
    stability,
    transfer,
)
from proofs_check.claims.reshuffling import ONCE, SastEpoch, epoch_radius
from proofs_check.descent import enumeration
from proofs_check.descent.enumeration import SastPath, SastStep
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.descent.objectives import Risk
from proofs_check.instances import (
    LabelledBatch,
    TwoInputs,
    TwoParameterPoints,
    TwoStartStates,
    move_point,
)
from proofs_check.norms import euclidean_norm
from proofs_check.training import Training
from refsast.model.unroll import unroll

PATH_STEPS = 4  # of 5b: with two minibatches for either pass, 4^4 ends
LOCAL_RADIUS = 1e-2  # how far a second point is from the first
# A claim and what makes its instance or, in place of one, says why there is none.
LazyInstance = tuple[Claim, Callable[[], object]]


def network_instances(x: LabelledBatch, rng: np.random.Generator) -> Iterator[LazyInstance]:
    """The claims on the network's run and gradient, each with an instance when it is asked for."""
    one = replace(x, x=x.x[:, :1], y=x.y[:1])
    alone = mechanism.ConditionedRecording(one.network, one.params, one.x, one.y, 1.0)
    pair = TwoInputs(x.network, x.params, x.x, x.x[:, rng.permutation(x.x.shape[1])])
    yield stability.COMPACT, lambda: x
    yield stability.COMPACT_BY_STEP, lambda: x
    yield stability.SATURATION, lambda: x
    yield stability.INCREMENTAL_STABILITY, lambda: _two_states(x)
    yield stability.CONTRACTION, lambda: _two_states(x)
    yield lipschitz.INPUT_PAIRS, lambda: pair
    yield lipschitz.INPUT_GRADIENT, lambda: one
    yield local.LOCAL_LIPSCHITZ, lambda: _near_input(one)
    yield local.LOCAL_GRADIENT, lambda: _near_input(one)
    yield smoothness.GRADIENT_BOUND, lambda: x
    yield smoothness.DIFFERENCE_QUOTIENT, lambda: _two_points(x)
    yield smoothness.HESSIAN_PRODUCT, lambda: _two_points(x)
    yield smoothness.JOINT_SMOOTHNESS, lambda: _two_points(x)
    yield smoothness.HESSIAN_EIGENVALUE, lambda: x
    yield local.LOCAL_SMOOTHNESS, lambda: _two_points(one)
    yield mechanism.IDENTITY, lambda: one
    yield mechanism.ROWS, lambda: mechanism.fit_mu_to_rows(alone)
    yield mechanism.JACOBIANS, lambda: mechanism.fit_mu_to_logits(alone)
    for claim in (*transfer.CLAIMS, *deployment.CLAIMS):
        yield claim, lambda: x


def loss_instances(x: LabelledBatch, training: Training) -> Iterator[LazyInstance]:
    """The claims of THEORY 4 and 5, likewise."""
    no_loss = _why_no_loss(x.network)
    eta = np.nan if training.learning_rate is None else training.learning_rate
    why = (training.no_descent, training.no_independence)
    no_step = no_loss or "; ".join(filter(None, why))
    no_epoch = no_loss or training.no_descent or (ONCE if training.independent_steps else "")

    def ascent() -> object:
        risk = Risk(x.network, x.x, x.y)
        return sam.certify_smoothness(sam.Ascent(risk, rs.flatten(x.params), training.rho, np.nan))

    for claim in (sam.REMAINDER, sam.MAXIMUM, sam.CHANGE, sam.DROPPED):
        yield claim, lambda: no_loss or ascent()
    yield local.LOCAL_ASCENT, lambda: no_loss or _local_ascent(x, training)
    yield convergence.ONE_STEP, lambda: no_step or _step(x, training, eta)
    yield convergence.K_STEPS, lambda: no_step or _path(x, training, eta)
    yield reshuffling.EPOCH, lambda: no_epoch or _epoch(x, training, eta)


def _why_no_loss(network: rs.Network) -> str:
    """Why THEORY 4 and 5 have nothing to speak about, if so."""
    if any(neuron.detach_reset for neuron in network.neurons):
        return "no neuron detaches its reset"
    known = stability.has_certified_spikes(network.neurons)
    return "" if known else stability.CERTIFIED_SPIKES.condition


def _step(x: LabelledBatch, training: Training, eta: float) -> SastStep:
    """A step from these parameters, with two halves of the recordings as minibatches."""
    half = max(x.x.shape[1] // 2, 1)
    rows = [slice(start, start + half) for start in range(0, 2 * half, half)]
    samples = [Risk(x.network, x.x[:, r], x.y[r]) for r in rows[: x.x.shape[1]]]
    family, shared = FiniteSum(tuple(samples), 1), not training.independent
    first = SastStep(family, rs.flatten(x.params), training.rho, eta, np.inf, 0.0, shared)
    lipschitz = first.family.lipschitz(first.w, enumeration.step_radius(first))
    variance = enumeration.step_outcomes(first).gradient_variance
    return replace(first, lipschitz=lipschitz, variance=variance)


def _epoch(x: LabelledBatch, training: Training, eta: float) -> SastEpoch:
    """Such an epoch: a step on each half, climbing on the other one."""
    first = _step(x, training, eta)
    n = len(first.family.samples)
    epoch = SastEpoch(first, tuple(range(n)), tuple(range(n))[:: -1 if training.independent else 1])
    return replace(
        epoch, first=replace(first, lipschitz=first.family.lipschitz(first.w, epoch_radius(epoch)))
    )


def _path(x: LabelledBatch, training: Training, eta: float) -> SastPath:
    """Some such steps, in every way that they can go."""
    first = _step(x, training, eta)
    path = SastPath(first, PATH_STEPS, 0.0)
    lipschitz = first.family.lipschitz(first.w, enumeration.path_radius(path))
    variance = enumeration.path_outcomes(path).gradient_variance
    return replace(path, first=replace(first, lipschitz=lipschitz, variance=variance))


def _two_states(x: LabelledBatch) -> TwoStartStates:
    """The layer that contracts least, started in the states of two recordings."""
    trace = unroll(x.network, x.params, x.x)
    layers = list(zip(x.network.neurons, x.params, (x.x, *trace.s), trace.u, strict=False))
    if stability.has_certified_spikes(x.network.neurons):
        layers.sort(key=lambda of: -float(stability.effective_kappa(of[0], of[1])))
    neuron, layer, a, u = layers[0]
    return TwoStartStates(neuron, layer, a, u[-1], np.roll(u[-1], 1, axis=0) + 1e-3)


def _near_input(x: LabelledBatch) -> TwoInputs:
    """A recording, and the same with its inputs a little larger."""
    size = max(float(np.linalg.norm(x.x)), 1e-300)
    return TwoInputs(x.network, x.params, x.x, x.x * (1.0 + LOCAL_RADIUS / size))


def _local_ascent(x: LabelledBatch, training: Training) -> sam.Ascent:
    """SAM's ascent on the loss of one recording."""
    risk = Risk(x.network, x.x[:, :1], x.y[:1])
    return sam.Ascent(risk, rs.flatten(x.params), training.rho, 1.0)


def _two_points(x: LabelledBatch) -> TwoParameterPoints:
    """The network and a point a little further along the gradient."""
    grad = smoothness.risk_gradient(x, x.params)
    return move_point(x, grad, LOCAL_RADIUS / max(float(euclidean_norm(*grad)), 1e-300))
