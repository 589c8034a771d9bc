"""Whether the swap to hard spikes can change a class, at any slope from training's to infinity.

From some slope on the boxes of `sharp` certify a recording, the hard network included. From there
down the slopes are cut into cells; in each, `slope_form` encloses the last layer's spikes, and so
the lead of the hard network's class over every other, ::

    sum_t alpha_t D s_t + const = (D c + const) + (D k) e + [-abs(D) r, abs(D) r]

of the pooled c, k and r, D = W_o[y] - W_o[c]. Where ``D c + const - abs(D k) - abs(D) r`` is
positive for every other class, so is the lead at every slope of the cell. Cells meet, so if none
fails, all slopes from the lowest to infinity, and the hard network, give one and the same class.
That is the theorem. A cell that fails is made narrower, and where it has become too narrow the
search ends: of lower slopes nothing is said.

Rounding of leads as in `sharp`, with the largest magnitude of a form in place of that of a spike.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array, is_positive_int, require_positive
from refsast.certify.search import (
    Problem,
    descend,
    find_witness,
    pose_problem,
    steep_factors,
    tied_classes,
)
from refsast.certify.unit_spike import PEAKS
from refsast.model.network import Network, require_plain
from refsast.model.params import Params
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.validation import validate_input, validate_labels
from refsast.spikes import Spikes

CERTIFIED, TIE, OTHER, OPEN = REASONS = ("certified", "tie", "other class", "open")
CHUNK = 200  # recordings at a time
RESETS = (ToZero, Subtract, NoReset)


@dataclass(frozen=True, eq=False)
class SwapCertificate:
    """What is proved of the class of each recording, from a slope up to hard spikes.

    Slopes are factors of the network's own: at 1 it is as it was trained.

    Attributes
    ----------
    classes : (batch,) array of int
        The class that the hard network gives.
    factor : (batch,) array
        Every slope from this factor up, and the hard network, provably give that class. Infinite
        where that is known of the hard network alone.
    lowest : float
        The factor down to which was asked.
    reason : tuple of str
        Per recording ``"certified"``: down to `lowest`. ``"tie"``: the hard network's largest
        logits are equal. ``"other class"``: at `witness` the run gives another one. ``"open"``: the
        enclosure does not decide.
    witness : (batch,) array
        A factor between `lowest` and `factor` with another class; NaN where none was found, or,
        of a tie, none was looked for.
    cells : (batch,) array of int
        How many intervals of slope were enclosed.
    correct : (batch,) array of bool, or None
        Whether that class is the label, where labels were given.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> certificate = rs.certify_swap(network, rs.init(network, 0), np.ones((4, 1, 2)))
    >>> certificate.reason, certificate.certified
    (('certified',), array([ True]))
    """

    classes: NDArray[np.intp]
    factor: Array
    lowest: float
    reason: tuple[str, ...]
    witness: Array
    cells: NDArray[np.int64]
    correct: NDArray[np.bool_] | None

    @property
    def certified(self) -> NDArray[np.bool_]:
        """Whether no slope from `lowest` up changes the class, shape (batch,)."""
        return self.factor <= self.lowest

    def share(self, factors: ArrayLike) -> Array:
        """Return the share of recordings whose class no slope from each factor up changes."""
        return np.mean(self.factor <= np.asarray(factors, float)[..., None], axis=-1)


def certify_swap(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike | None = None,
    *,
    lowest: float = 1.0,
    narrowest: float = 1e-6,
    cells: int = 5000,
    watch: Callable[[int], object] | None = None,
) -> SwapCertificate:
    """Certify that smooth and hard spikes give the same class, at every slope in between.

    What is proved holds for exact arithmetic and for the run in double precision, if NumPy's
    elementary functions are within 4 units in the last place, which is tested.

    Parameters
    ----------
    network : Network
        Dense LIF layers with any of the five smooth spikes, resets and recurrence.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Recordings.
    y : (batch,) array of int, optional
        Their labels.
    lowest : float
        Factor of the network's slopes at which to stop; 1 is the slope of training. Positive.
    narrowest : float
        Relative width of the narrowest cell, in (0, 1): where one fails, its recording is given up.
    cells : int
        At most so many cells per recording. Positive.
    watch : callable, optional
        Told how many more recordings are done.

    Returns
    -------
    SwapCertificate
        Per recording the class, and the slope down to which it is certified.

    Raises
    ------
    ValueError
        If the network has anything that no proof covers, an argument is not as it must be, or the
        machine's elementary functions are not accurate.

    References
    ----------
    THEORY 7, 7-homotopy.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> certificate = rs.certify_swap(network, rs.init(network, 0), np.ones((4, 1, 2)), [2])
    >>> certificate.classes, certificate.correct, certificate.share([1.0, 10.0])
    (array([2]), array([ True]), array([1., 1.]))
    """
    require_positive(lowest, "lowest")
    if not 0.0 < narrowest < 1.0:
        raise ValueError(f"narrowest must lie in (0, 1), got {narrowest}")
    if not is_positive_int(cells):
        raise ValueError(f"cells must be a positive integer, got {cells!r}")
    _require_known(network)
    x = validate_input(network, x)
    labels = None if y is None else validate_labels(y, x.shape[1], network.classes)
    parts = []
    for start in range(0, x.shape[1], CHUNK):
        problem = pose_problem(network, params, x[:, start : start + CHUNK])
        parts.append(_certify(problem, lowest, narrowest, cells))
        if watch is not None:
            watch(len(problem.largest))
    classes, factor, witness, counts = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("classes", "factor", "witness", "cells")
    )
    reason = tuple(word for part in parts for word in part.reason)
    correct = None if labels is None else classes == labels
    return SwapCertificate(classes, factor, float(lowest), reason, witness, counts, correct)


def _require_known(network: Network) -> None:
    """Refuse what may compute something else than the proofs are about."""
    require_plain(network, "a certificate of the swap")
    for neuron in network.neurons:
        for name, thing, known in (
            ("spike", neuron.spike, tuple(PEAKS)),
            ("reset", neuron.reset, RESETS),
        ):
            if type(thing) not in known:
                names = ", ".join(kind.__name__ for kind in known)
                raise ValueError(f"{name} must be one of {names}, got {thing!r}")


def _certify(problem: Problem, lowest: float, narrowest: float, cells: int) -> SwapCertificate:
    """Certify a chunk of recordings."""
    steep = steep_factors(problem)
    factor, counts = descend(problem, steep, lowest, narrowest, cells)
    tied = tied_classes(problem.hard) > 0
    witness = np.full(len(factor), np.nan)
    for row in np.flatnonzero((factor > lowest) & ~tied).tolist():
        witness[row] = find_witness(problem, row, lowest, factor[row])
    reason = np.select([factor <= lowest, tied, ~np.isnan(witness)], [CERTIFIED, TIE, OTHER], OPEN)
    classes = problem.hard.classes
    return SwapCertificate(classes, factor, lowest, tuple(reason.tolist()), witness, counts, None)
