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
from proofs_check.descent import descents, families, objectives, runs
from proofs_check.descent import draws as descent_draws
from proofs_check.draws import Seeded, Source
from refsast import model


def unchanged(instance: object) -> object:
    """Return an instance none of whose fields follows from its arrays."""
    return instance


@dataclass(frozen=True)
class Entry:
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
    mend: Callable[..., object] = unchanged

    @property
    def kind(self) -> type:
        """The record that an instance is."""
        return type(self.draw(Seeded(np.random.default_rng(0))))


ENTRIES = (
    Entry(stability.COMPACT, draws.contracting, 20_000),
    Entry(stability.COMPACT_BY_STEP, draws.driven, 15_000),
    Entry(stability.SATURATION, draws.resetting, 15_000),
    Entry(stability.FORGETTING, draws.started, 15_000),
    Entry(stability.CONTRACTION, draws.started, 20_000),
    Entry(lipschitz.PAIRS, draws.pair, 4_000),
    Entry(lipschitz.GRADIENT, draws.driven, 2_000),
    Entry(smoothness.GRADIENT_BOUND, draws.driven, 1_000),
    Entry(smoothness.QUOTIENT, draws.moved, 1_000, draws.fitted),
    Entry(smoothness.PRODUCT, draws.moved, 600),
    Entry(smoothness.EIGENVALUE, draws.small, 100),
    Entry(smoothness.JOINT, draws.moved, 600),
    Entry(sam.REMAINDER, sam.ascents, 1_000, sam.settled),
    Entry(sam.MAXIMUM, sam.ascents, 300, sam.settled),
    Entry(sam.CHANGE, sam.ascents, 1_000, sam.settled),
    Entry(sam.DROPPED, sam.ascents, 500, sam.settled),
    Entry(convergence.ONE_STEP, descent_draws.step, 1_500, descent_draws.fitted),
    Entry(convergence.ONE_STEP_SHARP, descent_draws.long_step, 1_000, descent_draws.fitted_long),
    Entry(convergence.SHARED_STEP, descent_draws.either_step, 500, descent_draws.fitted_either),
    Entry(convergence.K_STEPS, descent_draws.path, 500, descent_draws.fitted_path),
    Entry(convergence.SEEDED, descent_draws.runs, 100),
    Entry(convergence.UNBIASED, descent_draws.step, 500),
    Entry(convergence.BIAS, descent_draws.either_step, 500),
    Entry(mechanism.IDENTITY, draws.single, 300),
    Entry(mechanism.ROWS, mechanism.independent_rows, 1_000, mechanism.tight_rows),
    Entry(mechanism.JACOBIANS, mechanism.independent_logits, 300, mechanism.tight_logits),
    Entry(transfer.LAYERS, transfer.steep, 2_000),
    Entry(transfer.SIMPLE, transfer.steep, 2_000),
    Entry(transfer.SHARP, transfer.steep, 2_000),
)
CLAIMS = {entry.claim.label: entry for entry in ENTRIES}

# The records that an instance may be made of, by name.
KINDS = {
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
        families.Finite,
        descents.Step,
        descents.Path,
        runs.Runs,
        sam.Ascent,
        mechanism.Conditioned,
    )
}
