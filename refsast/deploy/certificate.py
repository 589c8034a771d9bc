"""Which recordings no rounding of the weights reads differently from the real network.

Of a width and a scale each weight has two neighbours on the grid, and whatever rounds it takes one
of them: to the nearest, at random, always down, learned. The network with all lower ones and the
network with all upper ones have every other between them, so `enclosure` holds all of their runs.
The class y of the real hard network is certified where in all of them

    logit_y - logit_c >= 1 for c < y,      logit_y - logit_c >= 0 for c > y

which is how the first of several equals is taken. Counted spikes: the smallest count of y less the
largest of c. An affine readout: its difference of two rows is one more matrix between two, applied
to counts between two. All of it in integers: nothing is rounded.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.deploy.conversion import to_integers
from refsast.deploy.enclosure import RunBounds, enclose_runs
from refsast.deploy.formats import Ints
from refsast.deploy.network import USUAL, Formats, IntegerNetwork, require_formats
from refsast.deploy.run import count_classes
from refsast.model import Network, Params, heaviside, run
from refsast.model.params import cast_float64, map_params
from refsast.model.validation import validate_input, validate_real_params
from refsast.spikes import Spikes

CHUNK = 64  # recordings at a time


@dataclass(frozen=True, eq=False)
class RoundingCertificate:
    """What is proved of the class of each recording, for all roundings of one width.

    Attributes
    ----------
    classes : (batch,) array of int
        The class that the real network gives with hard spikes.
    certified : (batch,) array of bool
        Whether every rounding gives that class.
    unknown : tuple of float
        Per spiking layer, the share of spikes of which it is not known whether they are there.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> found = rs.deploy.certify_rounding(network, rs.init(network, 0), np.ones((4, 1, 2), int))
    >>> found.classes, found.unknown
    (array([2]), (0.0,))
    """

    classes: NDArray[np.intp]
    certified: NDArray[np.bool_]
    unknown: tuple[float, ...]


def certify_rounding(
    network: Network, params: Params, x: ArrayLike | Spikes, formats: Formats = USUAL
) -> RoundingCertificate:
    """Certify that no rounding of the weights to a width changes the class.

    Compared are all integer networks that `to_integers` can make with these formats, whichever
    neighbour each weight takes, with the real network with hard spikes. A weight that is a
    multiple of the scale in double precision has no neighbours but itself. Thresholds, biases and
    leaks are as `to_integers` rounds them; potentials are stored in their format. Nothing is said
    of other scales. The class of the real network is that of its run in double precision.

    Parameters
    ----------
    network : Network
        As `to_integers` takes it. Bounds are tightest for resets to zero without recurrence.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array of integers, or Spikes
        Recordings: spikes or counts, none below 0.
    formats : Formats
        How numbers are stored; of the weights the rounding does not matter.

    Returns
    -------
    RoundingCertificate
        Per recording the class, and whether it is certified.

    Raises
    ------
    ValueError
        As `to_integers` and `run`, of weights that are rounded in any way; if a count is negative.

    References
    ----------
    THEORY 7, 7-rounding.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params, x = rs.init(network, 0), np.ones((4, 1, 2), int)
    >>> rs.deploy.certify_rounding(network, params, x).certified
    array([ True])
    """
    ends, x = enclose_weights(network, params, formats), validate_input(network, x)
    params = map_params(cast_float64, validate_real_params(network, params))
    classes, certified, unknown = [], [], []
    for start in range(0, x.shape[1], CHUNK):
        part = x[:, start : start + CHUNK]
        bounds = enclose_runs(*ends, part)
        classes.append(run(network, params, part, heaviside).logits.argmax(axis=1))
        certified.append(keeps_class(ends, bounds, classes[-1]))
        unknown.append([np.sum(s.low != s.high) / s.low[0, 0].size for s in bounds.s])
    shares = np.sum(unknown, axis=0) / np.prod(x.shape[:2])
    return RoundingCertificate(
        np.concatenate(classes), np.concatenate(certified), tuple(shares.tolist())
    )


def enclose_weights(
    network: Network, params: Params, formats: Formats
) -> tuple[IntegerNetwork, IntegerNetwork]:
    """Return the networks with every weight rounded down, and up; errors as `to_integers`."""
    require_formats(formats)
    low, high = (
        to_integers(
            network, params, replace(formats, weights=replace(formats.weights, rounding=rounding))
        )
        for rounding in ("down", "up")
    )
    return low, high


def keeps_class(
    ends: tuple[IntegerNetwork, IntegerNetwork], bounds: RunBounds, classes: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return whether all runs give these classes, (batch,)."""
    leads = _smallest_leads(ends, bounds, classes)
    columns = np.arange(leads.shape[1])
    first = columns < classes[:, None]  # of equals the first is taken
    own = columns == classes[:, None]
    return ((leads >= first) | own).all(axis=1)


def _smallest_leads(
    ends: tuple[IntegerNetwork, IntegerNetwork],
    bounds: RunBounds,
    classes: NDArray[np.intp],
) -> Ints:
    """The least that the logit of each class is above every other, (batch, classes)."""
    fewest, most = (end.astype(np.int64) for end in bounds.counts)
    low, high = (made.readout for made in ends)
    if low is None or high is None:
        fewest, most = (count_classes(ends[0].network, each) for each in (fewest, most))
        return np.take_along_axis(fewest, classes[:, None], axis=1) - most
    w = low.w[classes][:, None, :] - high.w  # the smallest difference of two rows
    lead = np.einsum("bcn,bn->bc", np.maximum(w, 0), fewest)
    lead = lead + np.einsum("bcn,bn->bc", np.minimum(w, 0), most)
    part = 2 ** ends[0].formats.potentials.fraction_bits
    return part * lead + len(bounds.s[-1].low) * (low.b[classes][:, None] - low.b)
