"""What the homotopy in the slope says of logits, and runs in its cells, for claim 7-homotopy.

The proof is at the top of `refsast.certify.slope_form`; logits are a linear map of the last spikes.
"""

import numpy as np

from proofs_check.instances import LabelledBatch
from refsast import run
from refsast.arrays import Array
from refsast.certify.boxes import largest_input
from refsast.certify.search import scale_slopes
from refsast.certify.sharp import logit_rounding, readout_matrix
from refsast.certify.slope_form import LARGEST_SPIKE, Form, enclose_last_spikes
from refsast.model.readout import pool, pooled_logits
from refsast.model.unroll import input_currents

WIDTHS = (1e-4, 1e-2, 0.2)  # of cells, as factors of the slope: from it to 1 + width times it
PLACES = (-1.0, -0.6, 0.0, 0.3, 1.0)  # of slopes in a cell


def enclose_logits(x: LabelledBatch, width: float) -> Form:
    """Return the logits, (batch, classes), as forms in the slope of a cell."""
    centre = np.full(x.x.shape[1], 1.0 + 0.5 * width)
    half = np.full(x.x.shape[1], 0.5 * width)
    first, largest = input_currents(x.params[0], x.x), largest_input(x.x)
    spikes = enclose_last_spikes(x.network, x.params, first, largest, centre, half)
    c, k, r = (pool(x.network.readout, part) for part in spikes)
    w = readout_matrix(x.network, x.params)
    rounding = LARGEST_SPIKE * logit_rounding(x.network, x.params, len(x.x))
    logits = pooled_logits(x.network.readout, x.params, c, len(x.x))
    return Form(logits, k @ w.T, r @ np.abs(w).T + rounding)


def distances(x: LabelledBatch) -> tuple[Array, ...]:
    """Return how far runs in each cell are from the lines, (batch, classes), one per width."""
    found = []
    for width in WIDTHS:
        form = enclose_logits(x, width)
        off = [
            np.abs(_logits_at(x, 1.0 + 0.5 * width * (1.0 + e)) - form.c - form.k * e)
            for e in PLACES
        ]
        found.append(np.max(off, axis=0))
    return tuple(found)


def _logits_at(x: LabelledBatch, factor: float) -> Array:
    return run(scale_slopes(x.network, factor), x.params, x.x).logits


def radii(x: LabelledBatch) -> tuple[Array, ...]:
    """Return what is claimed of them."""
    return tuple(enclose_logits(x, width).r for width in WIDTHS)
