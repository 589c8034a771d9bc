"""Which theorems say something about a given network, and how much.

For each claim: do its hypotheses hold for these weights, these recordings, this training; what is
the bound, what was measured, and what is their ratio. One of

    holds     the hypotheses hold, and the bound says something
    vacuous   the hypotheses hold, but the bound is more than `VACUOUS` times what is measured; of
              7, but no recording is certified
    silent    a hypothesis fails
    REFUTED   the hypotheses hold and the bound is exceeded: an error in the theorem or the code

5a and 5b are about the training, not about a point of it. What they bound cannot be measured
exactly on real data; they are called vacuous where the bound of 5b exceeds what 3a says of every
gradient.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

import refsast as rs
from proofs_check.claim import Claim, Verdict, check
from proofs_check.claims import lipschitz, mechanism, sam, smoothness, stability, transfer
from proofs_check.descent.objectives import Risk
from proofs_check.instances import Driven, Moved, Pair, Started, caps, step
from proofs_check.norms import length
from proofs_check.training import Training
from proofs_check.transfer import certificate
from proofs_check.transfer.slopes import Curve, figure
from refsast.arrays import Array, Integers
from refsast.experiment import page as pages
from refsast.model.unroll import unroll

VACUOUS = 1000.0
Instances = tuple[Claim, Callable[[], object]]


@dataclass(frozen=True)
class Finding:
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
    progress: Callable[[Iterable[Instances], int], Iterable[Instances]] = lambda claims, total: (
        claims
    ),
) -> tuple[Finding, ...]:
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
    claims = list(_instances(Driven(network, params, x, y), training.rho, rng))
    found = [_finding(claim, make()) for claim, make in progress(claims, len(claims))]
    return (*found, *_convergence(Driven(network, params, x, y), training))


def _finding(claim: Claim, instance: object) -> Finding:
    """Check one claim."""
    verdict = check(claim, instance)
    state = "holds"
    if verdict.unmet:
        state = "silent"
    elif verdict.refuted:
        state = "REFUTED"
    elif _says_nothing(claim, instance, verdict):
        state = "vacuous"
    return Finding(claim.label, claim.title, state, verdict.unmet, verdict.measured, verdict.bound)


def _says_nothing(claim: Claim, instance: object, verdict: Verdict) -> bool:
    """Whether a claim that holds is of no use."""
    if claim is mechanism.IDENTITY:  # its bound is rounding
        return False
    if isinstance(instance, Driven) and claim in transfer.CLAIMS:
        asked = certificate.sharp if claim is transfer.SHARP else certificate.simple
        return not asked(instance.network, instance.params, instance.x).certified.any()
    return not verdict.measured * VACUOUS >= verdict.bound


def _instances(x: Driven, rho: float, rng: np.random.Generator) -> Iterator[Instances]:
    """Every claim with an instance that is made of the network, when it is asked for."""
    one = Driven(x.network, x.params, x.x[:, :1], x.y[:1])
    for claim in (stability.COMPACT, stability.COMPACT_BY_STEP, stability.SATURATION):
        yield claim, partial(_same, x)
    for claim in (stability.FORGETTING, stability.CONTRACTION):
        yield claim, partial(_started, x)
    order = rng.permutation(x.x.shape[1])
    yield lipschitz.PAIRS, partial(_same, Pair(x.network, x.params, x.x, x.x[:, order]))
    yield lipschitz.GRADIENT, partial(_same, one)
    yield smoothness.GRADIENT_BOUND, partial(_same, x)
    moved = partial(_uphill, x)
    for claim in (smoothness.QUOTIENT, smoothness.PRODUCT, smoothness.JOINT):
        yield claim, moved
    yield smoothness.EIGENVALUE, partial(_same, x)
    ascent = sam.Ascent(Risk(x.network, x.x, x.y), rs.flatten(x.params), rho, np.nan)
    for claim in (sam.REMAINDER, sam.MAXIMUM, sam.CHANGE, sam.DROPPED):
        yield claim, partial(sam.settled, ascent)
    yield mechanism.IDENTITY, partial(_same, one)
    alone = mechanism.Conditioned(one.network, one.params, one.x, one.y, 1.0)
    yield mechanism.ROWS, partial(mechanism.tight_rows, alone)
    yield mechanism.JACOBIANS, partial(mechanism.tight_logits, alone)
    for claim in transfer.CLAIMS:
        yield claim, partial(_same, x)


def _same(instance: object) -> object:
    """An instance that is there already."""
    return instance


def _started(x: Driven) -> Started:
    """The layer that contracts least, started in the states of two recordings."""
    trace = unroll(x.network, x.params, x.x)
    layers = list(zip(x.network.neurons, x.params, (x.x, *trace.s), trace.u, strict=False))
    neuron, layer, a, u = max(layers, key=lambda of: float(stability.effective(of[0], of[1])))
    return Started(neuron, layer, a, u[-1], np.roll(u[-1], 1, axis=0) + 1e-3)


def _uphill(x: Driven) -> Moved:
    """The network and a point a little further along the gradient."""
    grad = smoothness.risk_gradient(x, x.params)
    size = 1e-2 / max(float(length(*grad)), 1e-300)
    there = step(x.params, grad, size)
    return Moved(x.network, x.params, there, x.x, x.y, caps(x, there, 1.0 + 1e-12))


def _convergence(x: Driven, training: Training) -> Iterator[Finding]:
    """5a and 5b, from the constants of the risk."""
    constant = Risk(x.network, x.x, x.y).lipschitz(rs.flatten(x.params), training.rho)
    conditions = (
        ("plain descent", training.plain),
        ("eta <= 1/L", training.learning_rate * constant <= 1.0),
        ("independent second minibatch", training.independent),
    )
    unmet = tuple(says for says, holds in conditions if not holds)
    for label, title in (("5a", "one step of stochastic SAST"), ("5b", "K steps")):
        yield Finding(label, title, "silent" if unmet else "vacuous", unmet, np.nan, np.nan)


def page(findings: Sequence[Finding], says: str, curves: Mapping[str, Curve]) -> str:
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
    rows = [cells(finding) for finding in findings]
    sections = [
        ("Every theorem", [pages.table(HEADINGS, rows), pages.paragraph(READING)]),
        (
            "Transfer certificate over the slope",
            [
                pages.picture(
                    pages.png(figure(dict(curves))),
                    "The same weights with spikes of every slope: on how many recordings smooth "
                    "and hard spikes provably predict the same class, and on how many they do.",
                )
            ],
        ),
    ]
    return pages.page("What the theorems say about this network", says, sections)


def verdict(findings: Sequence[Finding]) -> str:
    """Return how many claims hold, are vacuous, silent or refuted, in one sentence."""
    counts = {state: sum(f.state == state for f in findings) for state in STATES}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) + "."


STATES = ("holds", "vacuous", "silent", "REFUTED")
READING = (
    "Holds: every hypothesis is met, and the bound says something. Vacuous: the hypotheses are "
    "met, but the bound is more than 1000 times what was measured (of 7: no recording is "
    "certified); true, and of no use here. Silent: a hypothesis fails, so nothing is claimed. Both "
    "sides are shown at the entry that comes closest to its bound."
)
HEADINGS = ("claim", "about", "state", "measured", "bound", "ratio")


def cells(finding: Finding) -> tuple[str, ...]:
    """Return a finding as text, under `HEADINGS`."""
    why = f" ({'; '.join(finding.unmet)} fails)" if finding.unmet else ""
    numbers = (finding.measured, finding.bound, finding.ratio)
    sides = tuple("-" if np.isnan(n) else f"{n:.3g}" for n in numbers)
    return (finding.label, finding.title, finding.state + why, *sides)
