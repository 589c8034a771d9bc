"""Which theorems say something about a given network, and how much.

For each claim: do its hypotheses hold for these weights, these recordings, this training; what is
the bound, what was measured, and what is their ratio. One of

    holds     the hypotheses hold, and the bound says something
    vacuous   the hypotheses hold, but the bound is more than `VACUOUS_RATIO` times what is measured; of
              7, but no recording is certified
    silent    a hypothesis fails
    REFUTED   the hypotheses hold and the bound is exceeded: an error in the theorem or the code

4 and 5 are about the loss, so they are silent where there is none: where a neuron detaches its
reset. 5a and 5b are checked on steps from these parameters, with the two halves of the recordings
as minibatches, so that every choice can be enumerated; the training's own steps are not on record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import refsast as rs
from proofs_check.claim import Claim, ClaimResult, check_claim
from proofs_check.claims import (
    mechanism,
    transfer,
)
from proofs_check.instances import Driven
from proofs_check.instances_from_run import LazyInstance, loss_instances, network_instances
from proofs_check.replay import Json, finite_or_none
from proofs_check.training import Training
from proofs_check.transfer import certificate
from proofs_check.transfer.slope_curve import SlopeCurve, curve_figure
from refsast.arrays import Array, Integers
from refsast.experiment import html_document as pages
from refsast.experiment.tables import align_columns

VACUOUS_RATIO = 1000.0


@dataclass(frozen=True)
class Assessment:
    """What a claim says about a network.

    Attributes
    ----------
    label, title : str
        Of the claim.
    state : str
        ``holds``, ``vacuous``, ``silent`` or ``REFUTED``; see the top of the file.
    unmet : tuple of str
        The hypotheses that fail.
    measured, bound : float
        Both sides, at the entry that comes closest to its bound; not a number if silent.
    """

    label: str
    title: str
    state: str
    unmet: tuple[str, ...]
    measured: float
    bound: float

    @property
    def ratio(self) -> float:
        """Measured over bound."""
        return self.measured / self.bound if self.bound != 0.0 else np.nan


def assess(
    network: rs.Network,
    params: rs.Params,
    x: Array,
    y: Integers,
    *,
    training: Training,
    rng: np.random.Generator,
    progress: Callable[
        [Iterable[LazyInstance], int], Iterable[LazyInstance]
    ] = lambda claims, total: claims,
) -> tuple[Assessment, ...]:
    """Say for each theorem whether it holds of a network, and whether it says anything.

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters; computed with in double precision.
    x : (time, batch, n_0) array
        Recordings; the risk of 3 and 4 is their mean loss.
    y : (batch,) array of int
        Their labels.
    training : Training
        How the network was trained or is to be.
    rng : numpy.random.Generator
        Pairs the recordings and draws directions; advanced.
    progress : callable
        Wraps the claims as they are looked at: ``progress(claims, how many)``.

    Returns
    -------
    tuple of Finding
        One per claim.

    References
    ----------
    THEORY 8; the paper's theory-alignment control.
    """
    params = rs.unflatten(network, rs.flatten(params).astype(float))
    x, y = np.asarray(x, float), np.asarray(y)
    point = Driven(network, params, x, y)
    claims = [*network_instances(point, rng), *loss_instances(point, training)]
    return tuple(_assess_claim(claim, make()) for claim, make in progress(claims, len(claims)))


def _assess_claim(claim: Claim, instance: object) -> Assessment:
    """Check one claim; a sentence in place of an instance says why there is none."""
    silent = isinstance(instance, str)
    verdict = ClaimResult(claim.label, (instance,)) if silent else check_claim(claim, instance)
    state = "holds"
    if verdict.unmet:
        state = "silent"
    elif verdict.refuted:
        state = "REFUTED"
    elif _is_vacuous(claim, instance, verdict):
        state = "vacuous"
    return Assessment(
        claim.label, claim.title, state, verdict.unmet, verdict.measured, verdict.bound
    )


def _is_vacuous(claim: Claim, instance: object, verdict: ClaimResult) -> bool:
    """Whether a claim that holds is of no use."""
    if claim is mechanism.IDENTITY:  # its bound is rounding
        return False
    if isinstance(instance, Driven) and claim in transfer.CLAIMS:
        asked = (
            certificate.sharp_certificate
            if claim is transfer.SHARP_LEADS
            else certificate.simple_certificate
        )
        return not asked(instance.network, instance.params, instance.x).certified.any()
    return verdict.bound == 0.0 or not verdict.measured * VACUOUS_RATIO >= verdict.bound


def page(findings: Sequence[Assessment], says: str, curves: Mapping[str, SlopeCurve]) -> str:
    """Return the findings as a page, with the certificates over the slope.

    Parameters
    ----------
    findings : sequence of Finding
        From `assess`.
    says : str
        What was assessed, on which recordings.
    curves : mapping of Curve
        By title; from `slopes.curve`.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    rows = [table_cells(finding) for finding in findings]
    sections = [
        ("Every theorem", [pages.table(HEADINGS, rows), pages.paragraph(LEGEND)]),
        (
            "Transfer certificate over the slope",
            [
                pages.picture(
                    pages.encode_png(curve_figure(dict(curves))),
                    "The same weights with spikes of every slope: on how many recordings smooth "
                    "and hard spikes provably predict the same class, and on how many they do.",
                )
            ],
        ),
    ]
    return pages.render_page("What the theorems say about this network", says, sections)


def summary(findings: Sequence[Assessment]) -> str:
    """Return how many claims hold, are vacuous, silent or refuted, in one sentence."""
    counts = {state: sum(f.state == state for f in findings) for state in STATES}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) + "."


STATES = ("holds", "vacuous", "silent", "REFUTED")
LEGEND = (
    "Holds: every hypothesis is met, and the bound says something. Vacuous: the hypotheses are "
    "met, but the bound is more than 1000 times what was measured (of 7: no recording is "
    "certified); true, and of no use here. Silent: a hypothesis fails, so nothing is claimed. Both "
    "sides are shown at the entry that comes closest to its bound."
)
HEADINGS = ("claim", "about", "state", "measured", "bound", "ratio")


def record(finding: Assessment) -> dict[str, Json]:
    """Return a finding as JSON."""
    numbers = {
        name: finite_or_none(getattr(finding, name)) for name in ("measured", "bound", "ratio")
    }
    words = {name: getattr(finding, name) for name in ("label", "title", "state")}
    return {**words, "unmet": list(finding.unmet), **numbers}


def format_table(findings: Sequence[Assessment]) -> str:
    """Return the table as a terminal shows it."""
    return align_columns([HEADINGS, *map(table_cells, findings)], words=(0, 1, 2))


def table_cells(finding: Assessment) -> tuple[str, ...]:
    """Return a finding as text, under `HEADINGS`."""
    why = f" ({'; '.join(finding.unmet)} fails)" if finding.unmet else ""
    numbers = (finding.measured, finding.bound, finding.ratio)
    sides = tuple("-" if np.isnan(n) else f"{n:.3g}" for n in numbers)
    return (finding.label, finding.title, finding.state + why, *sides)
