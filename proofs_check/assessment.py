"""Which theorems say something about a given network, and how much.

For each claim: do its hypotheses hold for these weights, these recordings, this training; what is
the bound, what was measured, and what is their ratio. One of

    holds     the hypotheses hold, and the bound says something
    vacuous   the hypotheses hold, but the bound is more than `VACUOUS_RATIO` times what is
              measured; of 7, but no recording is certified
    silent    a hypothesis fails
    REFUTED   the hypotheses hold and the bound is exceeded: an error in the theorem or the code

4 and 5 are about the loss, so they are silent where there is none: where a neuron detaches its
reset. 5a and 5b are checked on steps from these parameters, with the two halves of the recordings
as minibatches, so that every choice can be enumerated; the training's own steps are not on record.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import refsast as rs
from proofs_check.claim import Claim, ClaimResult, bound_share, check_claim
from proofs_check.claims import mechanism, transfer
from proofs_check.claims.reshuffling import SastEpoch
from proofs_check.claims.sam import Ascent
from proofs_check.descent.enumeration import SastPath, SastStep
from proofs_check.instances import LabelledBatch, TwoInputs, TwoStartStates
from proofs_check.instances_from_run import LazyInstance, loss_instances, network_instances
from proofs_check.replay import Json, finite_or_none
from proofs_check.training import Training
from proofs_check.transfer import certificate
from proofs_check.transfer.slope_curve import SlopeCurve, curve_figure
from refsast.arrays import Array, Integers
from refsast.certify.sharp import sharp_certificate
from refsast.experiment import html_document
from refsast.experiment.tables import align_columns
from refsast.model.network import describe_extension

VACUOUS_RATIO = 1000.0
STATES = ("holds", "vacuous", "silent", "REFUTED")
HEADINGS = ("claim", "about", "looks at", "state", "measured", "bound", "ratio")
STEP_HEADINGS = ("step", "measured", "bound", "ratio")
LEGEND = (
    "Holds: every hypothesis is met, and the bound says something. Vacuous: the hypotheses are "
    "met, but the bound is more than 1000 times what was measured (of 7: no recording is "
    "certified); true, and of no use here. Silent: a hypothesis fails, so nothing is claimed. Both "
    "sides are shown at the entry that comes closest to its bound. All recordings in this table "
    "are training recordings; only the figure is about those held out."
)


@dataclass(frozen=True)
class Assessment:
    """What a claim says about a network.

    Attributes
    ----------
    claim : Claim
        The claim.
    state : str
        One of `STATES`; see the top of the file.
    result : ClaimResult
        What came of checking it; both sides are NaN if it is silent.
    scope : str
        What was looked at, such as "1 recording"; all of it from the training recordings.
    by_step : tuple of (float, float)
        Of a claim about one layer's states, both sides at each step, where they come closest.
    """

    claim: Claim
    state: str
    result: ClaimResult
    scope: str = "-"
    by_step: tuple[tuple[float, float], ...] = ()

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Measured, bound, and measured over bound."""
        measured, bound = self.result.measured, self.result.bound
        return measured, bound, measured / bound if bound != 0.0 else np.nan


def assess(
    network: rs.Network,
    params: rs.Params,
    x: Array,
    y: Integers,
    *,
    training: Training,
    rng: np.random.Generator,
    progress: Callable[[Iterable[LazyInstance], int], Iterable[LazyInstance]] = (
        lambda claims, total: claims
    ),
) -> tuple[Assessment, ...]:
    """Return for each claim whether it holds of a network, and whether it says anything.

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
        Wraps the claims as they are assessed: ``progress(claims, how many)``.
    """
    params = rs.unflatten(network, rs.flatten(params).astype(float))
    batch = LabelledBatch(network, params, np.asarray(x, float), np.asarray(y))
    claims = [*network_instances(batch, rng), *loss_instances(batch, training)]
    if extension := describe_extension(network):
        reason = f"dense LIF layers, a readout linear in time, cross entropy; not {extension}"
        claims = [(claim, lambda: reason) for claim, _ in claims]
    return tuple(_assess_claim(claim, make()) for claim, make in progress(claims, len(claims)))


def _assess_claim(claim: Claim, instance: object) -> Assessment:
    """Check one claim; a sentence in place of an instance says why there is none."""
    missing = isinstance(instance, str)
    found = ClaimResult(claim.label, (instance,)) if missing else check_claim(claim, instance)
    state = "holds"
    if found.unmet:
        state = "silent"
    elif found.refuted:
        state = "REFUTED"
    elif _is_vacuous(claim, instance, found):
        state = "vacuous"
    scope = "-" if missing else _describe_scope(instance)
    by_step = (
        _sides_by_step(claim, instance)
        if found.applies and isinstance(instance, TwoStartStates)
        else ()
    )
    return Assessment(claim, state, found, scope, by_step)


def _describe_scope(instance: Any) -> str:
    """How many recordings an instance is about."""
    if isinstance(instance, TwoStartStates):
        return f"{instance.x.shape[1]} recordings, one layer"
    if isinstance(instance, TwoInputs):
        return f"{instance.x.shape[1]} pairs of recordings"
    if isinstance(instance, Ascent):
        risk: Any = instance.objective  # of a run, whose recordings it holds
        return _count_recordings(risk.x.shape[1])
    if isinstance(instance, SastPath | SastEpoch):
        instance = instance.first
    if isinstance(instance, SastStep):
        samples: Any = instance.family.samples
        each = [sample.x.shape[1] for sample in samples]
        return f"{_count_recordings(sum(each))}, {len(each)} minibatches"
    return _count_recordings(instance.x.shape[1])  # a batch, or two points with one


def _count_recordings(n: int) -> str:
    return f"{n} recording" + "s" * (n != 1)


def _sides_by_step(claim: Claim, instance: TwoStartStates) -> tuple[tuple[float, float], ...]:
    """Both sides at every step, of the recording that comes closest to its bound there."""
    sides = (np.asarray(side) for side in (claim.measure(instance), claim.bound(instance)))
    measured, bound = np.broadcast_arrays(*sides)
    worst = bound_share(measured, bound, 0.0).argmax(axis=1)
    rows = np.arange(len(worst))
    return tuple(zip(measured[rows, worst].tolist(), bound[rows, worst].tolist(), strict=True))


def _is_vacuous(claim: Claim, instance: object, result: ClaimResult) -> bool:
    """Whether a claim that holds is of no use."""
    if claim is mechanism.IDENTITY:  # its bound is rounding
        return False
    if isinstance(instance, LabelledBatch) and claim in transfer.CLAIMS:
        sharp = claim is transfer.SHARP_LEADS
        certify = sharp_certificate if sharp else certificate.simple_certificate
        return not certify(instance.network, instance.params, instance.x).certified.any()
    return result.bound == 0.0 or not abs(result.measured) * VACUOUS_RATIO >= result.bound


def html_page(
    findings: Sequence[Assessment], description: str, curves: Mapping[str, SlopeCurve]
) -> str:
    """Return the assessment as a page that refers to nothing outside itself.

    Parameters
    ----------
    findings : sequence of Assessment
        From `assess`.
    description : str
        What was assessed, on which recordings.
    curves : mapping of SlopeCurve
        The transfer certificate over the slope, by title; empty where there is none.
    """
    caption = (
        "The same weights with spikes of every slope: on how many recordings smooth and hard "
        "spikes provably predict the same class, and on how many they do."
    )
    table = html_document.table(HEADINGS, [table_cells(finding) for finding in findings])
    sections = [("Every theorem", [table, html_document.paragraph(LEGEND)])]
    sections += [
        (
            f"{finding.claim.label} by step",
            [html_document.table(STEP_HEADINGS, step_cells(finding))],
        )
        for finding in findings
        if finding.by_step
    ]
    if curves:
        picture = html_document.picture(html_document.encode_png(curve_figure(curves)), caption)
        sections.append(("Transfer certificate over the slope", [picture]))
    return html_document.render_page(
        "What the theorems say about this network", description, sections
    )


def summary(findings: Sequence[Assessment]) -> str:
    """Return how many claims hold, are vacuous, silent or refuted, in one sentence."""
    counts = {state: sum(f.state == state for f in findings) for state in STATES}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) + "."


def record(finding: Assessment) -> dict[str, Json]:
    """Return what a claim says as JSON."""
    numbers = dict(zip(HEADINGS[4:], map(finite_or_none, finding.numbers), strict=True))
    words = {"label": finding.claim.label, "title": finding.claim.title, "state": finding.state}
    steps = {"by_step": [list(sides) for sides in finding.by_step]} if finding.by_step else {}
    scope = {"looks_at": finding.scope, "unmet": list(finding.result.unmet)}
    return {**words, **scope, **numbers, **steps}


def format_table(findings: Sequence[Assessment]) -> str:
    """Return the table as a terminal shows it."""
    whole = align_columns([HEADINGS, *map(table_cells, findings)], words=(0, 1, 2, 3))
    steps = [
        f"{finding.claim.label} by step\n\n"
        + align_columns([STEP_HEADINGS, *step_cells(finding)], words=())
        for finding in findings
        if finding.by_step
    ]
    return "\n\n".join([whole, *steps])


def step_cells(finding: Assessment) -> list[tuple[str, ...]]:
    """Return both sides at each step as text, under `STEP_HEADINGS`."""
    return [
        (str(t), f"{measured:.3g}", f"{bound:.3g}", f"{measured / bound:.3g}" if bound else "-")
        for t, (measured, bound) in enumerate(finding.by_step, 1)
    ]


def table_cells(finding: Assessment) -> tuple[str, ...]:
    """Return what a claim says as text, under `HEADINGS`."""
    unmet = finding.result.unmet
    why = f" (fails: {'; '.join(unmet)})" if unmet else ""
    numbers = ("-" if np.isnan(n) else f"{n:.3g}" for n in finding.numbers)
    return (
        *(finding.claim.label, finding.claim.title, finding.scope, finding.state + why),
        *numbers,
    )
