"""The register: every claim, where its instances come from, and how many a full run looks at.

What each line says is in ``claim.says``; its proof is in the docstring of its module. Read it as

    stability    potentials stay bounded and forget where they started          THEORY 1
    lipschitz    how far the input can move the logits and the loss             THEORY 2
    smoothness   the gradient is bounded and Lipschitz                          THEORY 3
    sam          what the first-order step of SAM misses                        THEORY 4
    convergence  the gradient of stochastic SAST becomes small                  THEORY 5
    mechanism    a small parameter gradient makes for a small input gradient    THEORY 6
    transfer     when smooth and hard spikes predict the same class             THEORY 7
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from proofs_check import draws, instances
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
from proofs_check.descent import draws as descent_draws
from proofs_check.descent import enumeration, finite_sum, objectives, runs
from proofs_check.draws import RandomSource, Source
from refsast import model


def identity(instance: object) -> object:
    """Return an instance none of whose fields follows from its arrays."""
    return instance


@dataclass(frozen=True)
class RegisteredClaim:
    """A claim in the register.

    Attributes
    ----------
    claim : Claim
        The claim.
    draw : callable
        ``draw(source) -> instance``, aimed at the hypotheses and their edges.
    instances : int
        How many a full run draws.
    mend : callable
        ``mend(instance) -> instance``: what follows from the arrays, made to fit them again
        after an attack has moved them.
    """

    claim: Claim
    draw: Callable[[Source], object]
    instances: int
    mend: Callable[..., object] = identity

    @property
    def kind(self) -> type:
        """The record that an instance is."""
        return type(self.draw(RandomSource(np.random.default_rng(0))))


REGISTER = (
    RegisteredClaim(stability.COMPACT, draws.draw_leaky_network, 20_000),
    RegisteredClaim(stability.COMPACT_BY_STEP, draws.draw_batch, 15_000),
    RegisteredClaim(stability.SATURATION, draws.draw_zero_reset_network, 15_000),
    RegisteredClaim(stability.INCREMENTAL_STABILITY, draws.draw_two_states, 15_000),
    RegisteredClaim(stability.CONTRACTION, draws.draw_two_states, 20_000),
    RegisteredClaim(lipschitz.INPUT_PAIRS, draws.draw_two_inputs, 4_000),
    RegisteredClaim(lipschitz.INPUT_GRADIENT, draws.draw_batch, 2_000),
    RegisteredClaim(smoothness.GRADIENT_BOUND, draws.draw_batch, 1_000),
    RegisteredClaim(
        smoothness.DIFFERENCE_QUOTIENT, draws.draw_two_points, 1_000, draws.tighten_caps
    ),
    RegisteredClaim(smoothness.HESSIAN_PRODUCT, draws.draw_two_points, 600),
    RegisteredClaim(smoothness.HESSIAN_EIGENVALUE, draws.draw_small_network, 100),
    RegisteredClaim(smoothness.JOINT_SMOOTHNESS, draws.draw_two_points, 600),
    RegisteredClaim(sam.REMAINDER, sam.draw_ascent, 1_000, sam.certify_smoothness),
    RegisteredClaim(sam.MAXIMUM, sam.draw_ascent, 300, sam.certify_smoothness),
    RegisteredClaim(sam.CHANGE, sam.draw_ascent, 1_000, sam.certify_smoothness),
    RegisteredClaim(sam.DROPPED, sam.draw_ascent, 500, sam.certify_smoothness),
    RegisteredClaim(
        convergence.ONE_STEP, descent_draws.draw_step, 1_500, descent_draws.tighten_step
    ),
    RegisteredClaim(
        convergence.ONE_STEP_SHARP,
        descent_draws.draw_long_step,
        1_000,
        descent_draws.tighten_long_step,
    ),
    RegisteredClaim(
        convergence.SHARED_STEP,
        descent_draws.draw_shared_step,
        500,
        descent_draws.tighten_shared_step,
    ),
    RegisteredClaim(convergence.K_STEPS, descent_draws.draw_path, 500, descent_draws.tighten_path),
    RegisteredClaim(convergence.SEEDED, descent_draws.draw_runs, 100),
    RegisteredClaim(convergence.UNBIASED, descent_draws.draw_step, 500),
    RegisteredClaim(convergence.BIAS, descent_draws.draw_shared_step, 500),
    RegisteredClaim(mechanism.IDENTITY, draws.draw_single_recording, 300),
    RegisteredClaim(
        mechanism.ROWS, mechanism.draw_independent_rows, 1_000, mechanism.fit_mu_to_rows
    ),
    RegisteredClaim(
        mechanism.JACOBIANS, mechanism.draw_independent_logits, 300, mechanism.fit_mu_to_logits
    ),
    RegisteredClaim(transfer.LAYER_ERRORS, transfer.draw_steep_network, 2_000),
    RegisteredClaim(transfer.SIMPLE_LEADS, transfer.draw_steep_network, 2_000),
    RegisteredClaim(transfer.SHARP_LEADS, transfer.draw_steep_network, 2_000),
)
CLAIMS_BY_LABEL = {entry.claim.label: entry for entry in REGISTER}

# The records that an instance may be made of, by name.
RECORD_TYPES = {
    kind.__name__: kind
    for kind in (
        *(getattr(model, name) for name in model.__all__ if isinstance(getattr(model, name), type)),
        instances.Driven,
        instances.Started,
        instances.Pair,
        instances.Moved,
        objectives.Quadratic,
        objectives.Ridge,
        objectives.Risk,
        finite_sum.Finite,
        enumeration.Step,
        enumeration.Path,
        runs.Runs,
        sam.Ascent,
        mechanism.Conditioned,
    )
}
