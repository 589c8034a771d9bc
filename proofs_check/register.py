"""The register: every claim, where its instances come from, and how many a full run looks at.

``claim.statement`` says what each claims; the proof is in the docstring of its module.

    stability    potentials stay bounded and forget where they started          THEORY 1
    lipschitz    how far the input can move the logits and the loss             THEORY 2
    smoothness   the gradient is bounded and Lipschitz                          THEORY 3
    sam          what the first-order step of SAM misses                        THEORY 4
    local        2, 3b and 4 near one recording, or one point of w THEORY 2 to 4
    convergence  the gradient of stochastic SAST becomes small                  THEORY 5
    mechanism    a small parameter gradient makes for a small input gradient    THEORY 6
    transfer     when smooth and hard spikes predict the same class             THEORY 7
    deployment   when all roundings of the weights predict the same class       THEORY 7
"""

from types import ModuleType

from proofs_check import draws, instances
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
    state_derivatives,
    transfer,
)
from proofs_check.descent import draws as sast_draws
from proofs_check.descent import enumeration, finite_sum, objectives, runs
from proofs_check.draws import Trial
from refsast import model

REGISTER = (
    Trial(stability.COMPACT, draws.draw_leaky_network, 20_000),
    Trial(stability.COMPACT_BY_STEP, draws.draw_batch, 15_000),
    Trial(stability.SATURATION, draws.draw_zero_reset_network, 15_000),
    Trial(stability.INCREMENTAL_STABILITY, draws.draw_two_states, 15_000),
    Trial(stability.CONTRACTION, draws.draw_two_states, 20_000),
    Trial(lipschitz.INPUT_PAIRS, draws.draw_two_inputs, 4_000),
    Trial(lipschitz.INPUT_GRADIENT, draws.draw_batch, 2_000),
    Trial(state_derivatives.FIRST, draws.draw_two_points, 1_000),
    Trial(state_derivatives.SECOND, draws.draw_two_points, 1_000),
    Trial(local.LOCAL_LIPSCHITZ, local.draw_near_inputs, 200),
    Trial(local.LOCAL_GRADIENT, local.draw_near_inputs, 150),
    Trial(smoothness.GRADIENT_BOUND, draws.draw_batch, 1_000),
    Trial(smoothness.DIFFERENCE_QUOTIENT, draws.draw_two_points, 1_000, draws.tighten_caps),
    Trial(smoothness.HESSIAN_PRODUCT, draws.draw_two_points, 600),
    Trial(smoothness.HESSIAN_EIGENVALUE, draws.draw_small_network, 100),
    Trial(smoothness.JOINT_SMOOTHNESS, draws.draw_two_points, 600),
    Trial(local.LOCAL_SMOOTHNESS, local.draw_near_points, 60),
    Trial(sam.REMAINDER, sam.draw_ascent, 1_000, sam.certify_smoothness),
    Trial(sam.MAXIMUM, sam.draw_ascent, 300, sam.certify_smoothness),
    Trial(sam.CHANGE, sam.draw_ascent, 1_000, sam.certify_smoothness),
    Trial(sam.DROPPED, sam.draw_ascent, 500, sam.certify_smoothness),
    Trial(local.LOCAL_ASCENT, local.draw_network_ascent, 60),
    Trial(convergence.ONE_STEP, sast_draws.draw_step, 1_500, sast_draws.tighten_step),
    Trial(
        convergence.ONE_STEP_SHARP, sast_draws.draw_long_step, 1_000, sast_draws.tighten_long_step
    ),
    Trial(
        convergence.SHARED_STEP, sast_draws.draw_shared_step, 500, sast_draws.tighten_shared_step
    ),
    Trial(convergence.K_STEPS, sast_draws.draw_path, 500, sast_draws.tighten_path),
    Trial(convergence.SEEDED, sast_draws.draw_runs, 100),
    Trial(convergence.UNBIASED, sast_draws.draw_step, 500),
    Trial(convergence.BIAS, sast_draws.draw_shared_step, 500),
    Trial(reshuffling.EPOCH, reshuffling.draw_epoch, 1_000, reshuffling.tighten_epoch),
    Trial(mechanism.IDENTITY, draws.draw_batch_of_one, 300),
    Trial(mechanism.ROWS, mechanism.draw_independent_rows, 1_000, mechanism.fit_mu_to_rows),
    Trial(mechanism.JACOBIANS, mechanism.draw_independent_logits, 300, mechanism.fit_mu_to_logits),
    Trial(transfer.LAYER_ERRORS, transfer.draw_steep_network, 2_000),
    Trial(transfer.SIMPLE_LEADS, transfer.draw_steep_network, 2_000),
    Trial(transfer.SHARP_LEADS, transfer.draw_steep_network, 2_000),
    Trial(transfer.HOMOTOPY, transfer.draw_steep_network, 1_000),
    Trial(deployment.ROUNDING, deployment.draw_counted_batch, 500),
)
MODULES = (
    *(stability, lipschitz, smoothness, state_derivatives, local, sam, convergence, reshuffling),
    *(mechanism, transfer, deployment),
)


def proof_module(claim: Claim) -> ModuleType:
    """Return the module whose docstring holds the proof of a claim, or says where it is."""
    return next(m for m in MODULES if claim.label in _labels(m))


def _labels(module: ModuleType) -> set[str]:
    """The labels of the claims that a module defines."""
    return {value.label for value in vars(module).values() if isinstance(value, Claim)}


CLAIMS_BY_LABEL = {trial.label: trial for trial in REGISTER}

# The records that an instance may be made of, by name.
RECORD_TYPES = {
    record.__name__: record
    for record in (
        *(getattr(model, name) for name in model.__all__ if isinstance(getattr(model, name), type)),
        *(instances.LabelledBatch, instances.TwoStartStates),
        *(instances.TwoInputs, instances.TwoParameterPoints),
        *(objectives.Quadratic, objectives.Ridge, objectives.Risk),
        *(finite_sum.FiniteSum, enumeration.SastStep, enumeration.SastPath, runs.SastRuns),
        *(sam.Ascent, mechanism.ConditionedRecording, reshuffling.SastEpoch),
    )
}
