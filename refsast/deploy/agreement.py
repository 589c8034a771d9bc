"""How far an integer run is from the real one that it stands for, and how far it can be.

The only rounding is that of the leak, so while all spikes agree and all potentials fit, a potential
of step t is off by at most e (1 + leak + ... + leak^(t-2)) units of the last place, where e is the
rounding of one leak: a reset by a spike takes the same from both, the input is the same in both,
and the first step has nothing to leak.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.deploy.formats import Leak
from refsast.deploy.network import IntegerNetwork, dequantise
from refsast.deploy.run import run as run_integers
from refsast.model import heaviside
from refsast.model import run as run_real
from refsast.spikes import Spikes


@dataclass(frozen=True)
class Agreement:
    """An integer run beside the hard run of the network in real numbers that it stands for.

    Attributes
    ----------
    largest_error : tuple of float
        Per layer, of the potentials whose past agrees: before them no spike of the recording
        differs and all potentials fit. In units of the last place.
    bound : tuple of float
        Per layer, what `largest_error` cannot exceed.
    compared : tuple of float
        Per layer, the share of potentials whose past agrees.
    differing : tuple of int
        Per layer, how many spikes differ, whatever their past.
    same_class : float
        Share of recordings of which both have the same answer.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> found = rs.deploy.compare_runs(made, np.ones((4, 1, 2), int))
    >>> found.largest_error <= found.bound, found.same_class
    (True, 1.0)
    """

    largest_error: tuple[float, ...]
    bound: tuple[float, ...]
    compared: tuple[float, ...]
    differing: tuple[int, ...]
    same_class: float


def rounding_bound(leak: Leak, time: int) -> Array:
    """Return how far potentials can be from the real ones, per step, in units of the last place.

    Parameters
    ----------
    leak : Leak
        What a layer keeps per step.
    time : int
        Steps.

    Returns
    -------
    (time,) array
        Zero at the first step.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.deploy.rounding_bound(rs.deploy.LeakFormat(1).nearest(0.5), 4)
    array([0.   , 0.5  , 0.75 , 0.875])
    """
    bound = np.zeros(time)
    for t in range(1, time):
        bound[t] = leak.value * bound[t - 1] + leak.largest_error
    return bound


def compare_runs(made: IntegerNetwork, x: ArrayLike | Spikes) -> Agreement:
    """Return how an integer run compares with the hard run in real numbers.

    The real run is that of `dequantise` in units of the last place. Its own rounding, in double
    precision, is below a part in 2^53 of a potential per operation and is not counted.

    Parameters
    ----------
    made : IntegerNetwork
        The network.
    x : (time, batch, n_0) array of integers, or Spikes
        Spikes or counts per step.

    Returns
    -------
    Agreement
        Errors, bounds and differences.

    Raises
    ------
    ValueError
        As `run`.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> rs.deploy.compare_runs(made, np.ones((4, 1, 2), int)).differing
    (0,)
    """
    ours = run_integers(made, x)
    network, params = dequantise(made, "last place")
    truth = run_real(network, params, x, heaviside)
    time, batch = ours.s[0].shape[:2]
    below = np.ones((time, batch), bool)  # of layers below: all well, this step included
    errors, bounds, compared, differing = [], [], [], []
    for layer, u, s, over, real_u, real_s in zip(
        made.layers, ours.u, ours.s, ours.overflows, truth.u, truth.s, strict=True
    ):
        well = (s == real_s).all(axis=2) & (over == 0)
        before = np.vstack([np.ones((1, batch), bool), well[:-1]])
        past = below & np.logical_and.accumulate(before, axis=0)
        clean = past & (over == 0)
        bound = rounding_bound(layer.leak, time)
        error = abs(u - real_u).max(axis=2)[clean]
        errors.append(float(error.max(initial=0.0)))
        bounds.append(float(bound.max()))
        compared.append(float(clean.mean()))
        differing.append(int(np.count_nonzero(s != real_s)))
        below = np.logical_and.accumulate(past & well, axis=0)
    same = ours.logits.argmax(axis=1) == truth.logits.argmax(axis=1)
    return Agreement(
        tuple(errors), tuple(bounds), tuple(compared), tuple(differing), float(same.mean())
    )
