"""The search for the lowest slope down to which a class is certified, many recordings at a time.

From some factor of the network's slopes on, the boxes of `boxes` certify a recording for all slopes
above. From there the search goes down in cells, each of which begins where the last has ended. A
cell that holds makes the next wider, one that fails makes it narrower. All recordings that are
not done are in one array; where few are left, several cells of each are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array
from refsast.certify.boxes import enclose_currents, largest_input, validate_smooth
from refsast.certify.sharp import (
    HardLeads,
    compare_boxes,
    hard_leads,
    lead_weights,
    readout_rounding,
)
from refsast.certify.slope_form import LARGEST_SPIKE, Form, enclose_last_spikes
from refsast.model.network import Network, replace_spikes
from refsast.model.params import Params
from refsast.model.readout import pool
from refsast.model.spike import Spike
from refsast.model.surrogate import Surrogate
from refsast.model.unroll import input_currents, run
from refsast.spikes import Spikes

ROWS = 64  # cells at a time: numbers of so many fit the cache
LADDER = 10.0 ** (0.5 * np.arange(27))  # factors at which the boxes are asked
OVERLAP = 1.0 + 2.0**-48  # the first cell begins above what the boxes certify
FIRST_WIDTH, WIDEST = 0.05, 0.5  # of a cell, relative
WIDER, NARROWER, MUCH_NARROWER = 1.4, 0.7, 0.4


@dataclass(frozen=True, eq=False)
class Problem:
    """Recordings of which the class is to be certified.

    Attributes
    ----------
    network, params, x : Network, tuple of Layer, (time, batch, n_0) array
        As `validate_smooth` returns them.
    first : (time, batch, n_1) array
        Currents into the first layer.
    largest : (batch,) array
        Largest magnitude of the input.
    hard : HardLeads
        What the hard network says.
    """

    network: Network
    params: Params
    x: Array
    first: Array
    largest: Array
    hard: HardLeads


def pose_problem(network: Network, params: Params, x: ArrayLike | Spikes) -> Problem:
    """Validate, and run the hard network; errors as `validate_smooth`."""
    network, params, inputs = validate_smooth(network, params, x)
    first, largest = input_currents(params[0], inputs), largest_input(inputs)
    return Problem(network, params, inputs, first, largest, hard_leads(network, params, inputs))


def scale_slopes(network: Network, factor: float) -> Network:
    """Return the network with every slope multiplied; ValueError if a spike has none."""

    def steep(spike: Spike) -> Spike:
        if not isinstance(spike, Surrogate):
            raise ValueError(f"spike must be a smooth spike of refsast, got {spike!r}")
        return replace(spike, slope=spike.slope * float(factor))

    return replace_spikes(network, steep)


def steep_factors(problem: Problem) -> Array:
    """Return a factor from which on the boxes certify each recording; infinite where none does."""
    network, params = problem.network, problem.params
    found = np.full(len(problem.largest), np.inf)
    for factor in LADDER:
        rows = np.flatnonzero(np.isinf(found) & (tied_classes(problem.hard) == 0))
        if not len(rows):
            break
        steep = scale_slopes(network, factor)
        boxes = enclose_currents(steep, params, problem.first[:, rows], problem.largest[rows])
        certified = compare_boxes(steep, params, problem.hard[rows], boxes.s[-1]).certified
        found[rows[certified]] = factor
    return found


def tied_classes(hard: HardLeads) -> NDArray[np.intp]:
    """Return how many other classes have the largest hard logit, too, (batch,)."""
    return np.sum(hard.lead == 0.0, axis=1) - 1


def smallest_leads(
    network: Network, params: Params, classes: NDArray[np.intp], spikes: Form
) -> Array:
    """Return a lower bound of each class's lead over every other, at all slopes of a cell, (rows,).

    `spikes` are those of the last layer, (time, rows, n). Where overflow makes it NaN, it is that.
    """
    c, k, r = (pool(network.readout, part) for part in spikes)
    d = lead_weights(network, params, classes)
    lead = np.einsum("bcn,bn->bc", d, c)
    if network.readout.n_out is not None and (b := params[-1].b) is not None:
        lead = lead + (b[classes][:, None] - b) * network.readout.time_weights(len(spikes.c)).sum()
    lead = lead - np.abs(np.einsum("bcn,bn->bc", d, k)) - np.einsum("bcn,bn->bc", np.abs(d), r)
    lead = lead - LARGEST_SPIKE * readout_rounding(network, params, len(spikes.c), classes)
    lead[np.arange(len(classes)), classes] = np.inf
    return lead.min(axis=1)


def certify_cells(
    problem: Problem, rows: NDArray[np.intp], low: Array, high: Array
) -> NDArray[np.bool_]:
    """Return, for each row of the batch and its cell, whether the class leads in all of it."""
    network, params = problem.network, problem.params
    centre = 0.5 * (low + high)
    half = 0.5 * (high - low) + 2.0**-50 * high  # so that rounding does not part two cells
    first, largest = problem.first[:, rows], problem.largest[rows]
    spikes = enclose_last_spikes(network, params, first, largest, centre, half)
    return smallest_leads(network, params, problem.hard.classes[rows], spikes) > 0.0


def descend(
    problem: Problem, start: Array, lowest: float, narrowest: float, cells: int
) -> tuple[Array, NDArray[np.int64]]:
    """Return how far down from `start` each class is certified, and how many cells that took.

    Parameters
    ----------
    problem : Problem
        The recordings.
    start : (batch,) array
        Factors from which on they are certified; infinite ones stay so.
    lowest : float
        Factor at which to stop.
    narrowest : float
        Relative width of the narrowest cell: where one fails, its recording is given up.
    cells : int
        At most about so many cells per recording.
    """
    edge = np.where(start > lowest, start * OVERLAP, start)
    width = np.full(len(start), max(FIRST_WIDTH, narrowest))
    count, goes_on = np.zeros(len(start), np.int64), np.isfinite(edge)
    while True:
        rows = np.flatnonzero(goes_on & (edge > lowest) & (count < cells))[:ROWS]
        if not len(rows):
            return np.minimum(edge, start), count
        several = ROWS // len(rows)
        powers = (1.0 + width[rows, None]) ** -np.arange(several + 1.0)
        edges = np.maximum(edge[rows, None] * powers, lowest)
        holds = certify_cells(
            problem, np.repeat(rows, several), edges[:, 1:].ravel(), edges[:, :-1].ravel()
        ).reshape(-1, several)
        reached = np.where(holds.all(axis=1), several, holds.argmin(axis=1))
        edge[rows] = edges[np.arange(len(rows)), reached]
        count[rows] += several
        change = np.where(reached == several, WIDER, np.where(reached > 0, NARROWER, MUCH_NARROWER))
        goes_on[rows] = (reached > 0) | (width[rows] > narrowest)
        width[rows] = np.clip(width[rows] * change, narrowest, WIDEST)


def find_witness(problem: Problem, row: int, lowest: float, edge: float) -> float:
    """Return a factor from `lowest` to `edge` at which the run gives another class, else NaN."""
    edge = edge if np.isfinite(edge) else LADDER[-1] * max(lowest, 1.0)
    near = edge * (1.0 - np.geomspace(1e-8, 0.05, 20))
    factors = np.concatenate([near, np.geomspace(edge, lowest, 20)])
    x = problem.x[:, row : row + 1]
    for factor in np.maximum(factors, lowest):
        logits = run(scale_slopes(problem.network, factor), problem.params, x).logits
        if logits.argmax() != problem.hard.classes[row]:
            return float(factor)
    return np.nan
