"""THEORY 7: what a run in integers can be, whichever way the weights are rounded.

The proof is in `refsast.deploy.enclosure`, for potentials and spikes, and in
`refsast.deploy.certificate`, for the class: all integer networks that a rounding can make lie
between the one with all weights rounded down and the one with all rounded up, and intervals are
carried along the steps and up the layers.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import refsast as rs
from proofs_check.claim import Claim, Hypothesis
from proofs_check.draws import LEAKS, RESETS, THRESHOLDS, Source, draw_parameters
from proofs_check.instances import LabelledBatch
from refsast import deploy
from refsast.arrays import Array
from refsast.deploy.certificate import enclose_weights, keeps_class
from refsast.deploy.enclosure import RunBounds, enclose_runs
from refsast.deploy.formats import ROUNDINGS

Ends = tuple[deploy.IntegerNetwork, deploy.IntegerNetwork]
WIDE = (
    deploy.Formats(),
    deploy.Formats(deploy.WeightFormat(4, "tensor"), leaks=deploy.LeakFormat(4, "shift")),
    deploy.Formats(deploy.WeightFormat(3), deploy.PotentialFormat(13, 2, "wrap")),
)


def _has_integers(x: LabelledBatch) -> bool:
    try:
        for _ in enclosures(x):
            pass
    except ValueError:
        return False
    return True


IN_INTEGERS = Hypothesis[LabelledBatch](
    "the inputs are counts, and all numbers fit into their formats", _has_integers
)


def narrow(x: LabelledBatch, wide: deploy.Formats) -> deploy.Formats:
    """Return formats whose potentials just hold the thresholds, so that many sums do not fit."""
    made = deploy.to_integers(x.network, x.params, wide)
    bits = max(int(layer.threshold.max()).bit_length() for layer in made.layers)
    fewest = max(1, bits - wide.potentials.fraction_bits)
    return replace(wide, potentials=replace(wide.potentials, integer_bits=fewest))


def enclosures(x: LabelledBatch) -> Iterator[tuple[deploy.Formats, Ends, RunBounds]]:
    """Yield each format with the two networks that have all others between, and their bounds."""
    for formats in (WIDE[0], *(narrow(x, wide) for wide in WIDE[1:])):
        ends = enclose_weights(x.network, x.params, formats)
        yield formats, ends, enclose_runs(*ends, x.x)


def roundings(x: LabelledBatch, formats: deploy.Formats) -> Iterator[deploy.IntegerNetwork]:
    """Yield networks in integers: to the nearest, at random, all down, all up."""
    rng = np.random.default_rng(0)
    for rounding in ROUNDINGS:
        weights = replace(formats.weights, rounding=rounding)
        yield deploy.to_integers(x.network, x.params, replace(formats, weights=weights), rng)


def hard_classes(x: LabelledBatch) -> NDArray[np.intp]:
    """Return the class that the real network gives with hard spikes, (batch,)."""
    return rs.run(x.network, x.params, x.x, rs.heaviside).logits.argmax(axis=1)


def largest_distances(x: LabelledBatch) -> tuple[Array, ...]:
    """Return how far runs are from the middle of what is claimed.

    Potentials of each layer, counts of the last layer, and whether a class is another one; for
    each format.
    """
    found, classes = [], hard_classes(x)
    for formats, _, bounds in enclosures(x):
        runs = [deploy.run(made, x.x) for made in roundings(x, formats)]
        for i, (low, high) in enumerate(bounds.u):
            found.append(np.max([abs(run.u[i] - 0.5 * (low + high)) for run in runs], axis=0))
        middle = 0.5 * (bounds.counts.low + bounds.counts.high)
        found.append(np.max([abs(run.s[-1].sum(axis=0) - middle) for run in runs], axis=0))
        found.append(np.max([run.logits.argmax(axis=1) != classes for run in runs], axis=0) * 1.0)
    return tuple(found)


def radii(x: LabelledBatch) -> tuple[Array, ...]:
    """Return what is claimed of them."""
    found, classes = [], hard_classes(x)
    for _, ends, bounds in enclosures(x):
        found += [0.5 * (high - low) for low, high in (*bounds.u, bounds.counts)]
        found.append(1.0 - keeps_class(ends, bounds, classes))
    return tuple(found)


def draw_counted_batch(source: Source) -> LabelledBatch:
    """Draw a network that integers can have, on spikes or counts."""
    sizes = tuple(source.choice((1, 2, 3, 5)) for _ in range(source.choice((2, 3, 4))))
    resets = source.choice((RESETS, (rs.ToZero(),)))
    neurons = tuple(
        rs.LIF(source.choice(LEAKS), source.choice(THRESHOLDS), rs.Arctan(2.0), reset)
        for reset in (source.choice(resets) for _ in sizes[1:])
    )
    readout = source.choice((rs.SpikeRate(1.0), rs.LinearReadout(3)))
    recurrent = source.choice((False, False, True))
    network = rs.Network(sizes, neurons, readout, source.choice((True, False)), recurrent)
    x = source.array(source.choice((1, 3, 5, 8)), source.choice((1, 2)), sizes[0])
    counts = (x > 0.0).astype(float) if source.choice((True, False)) else np.abs(np.rint(2.0 * x))
    params = draw_parameters(source, network)
    return LabelledBatch(network, params, counts, np.zeros(x.shape[1], np.int64))


ROUNDING = Claim[LabelledBatch](
    label="7-rounding",
    title="all roundings of the weights at once: every potential in an interval",
    source="THEORY 7 (own)",
    statement="Whichever neighbour on the grid of its format each weight takes, each potential and "
    "each count of spikes of the run in integers is in its interval. So where the smallest lead of "
    "class y is at least 1 over each class before it and 0 over each after it, y the class of the "
    "real hard network, every such run gives y.",
    hypotheses=(IN_INTEGERS,),
    measure=largest_distances,
    bound=radii,
)
CLAIMS = (ROUNDING,)
