"""The constants that bounds are made of, each between two certified numbers.

Rule 1: `upper` comes from a closed form or from branch and bound, `lower` from one evaluation in
        intervals at `point`, a double; an infinite point is a limit.
Rule 2: suprema are over all real numbers. At a jump of sigma'' the limit from either side counts,
        so that the constant bounds difference quotients.
Rule 3: a spike of a class derived from one of the five is taken for one of the five, whatever it
        computes: that is what a checker must notice.
"""

from math import inf

import numpy as np

from proofs_check.certified.intervals import Interval, interval, point_interval
from proofs_check.certified.reset_map import map_supremum
from proofs_check.certified.supremum import SupremumBounds
from proofs_check.certified.unit_spikes import (
    derivative_magnitude,
    derivative_supremum,
    spike_family,
)
from proofs_check.norms import geometric_series
from refsast import LIF, Subtract, ToZero
from refsast.model.spike import Spike


def sup_derivative(spike: Spike) -> SupremumBounds:
    """Return D1, the largest abs(sigma'), attained at threshold.

    Parameters
    ----------
    spike : Arctan, Logistic, Algebraic, FastSigmoid or PiecewiseQuadratic
        Or of a class derived from one of them, which it is taken for.

    Returns
    -------
    Enclosure
        Its point is a distance above threshold.

    Raises
    ------
    ValueError
        If `spike` is none of these.

    References
    ----------
    THEORY 0.
    """
    return derivative_supremum(*spike_family(spike), 1)


def sup_second(spike: Spike) -> SupremumBounds:
    """Return D2, the Lipschitz constant of sigma': the largest abs(sigma''), jumps or not.

    Parameters
    ----------
    spike : Arctan, Logistic, Algebraic, FastSigmoid or PiecewiseQuadratic
        Or of a class derived from one of them, which it is taken for.

    Returns
    -------
    Enclosure
        Its point is a distance above threshold; a jump there stands for its limits.

    Raises
    ------
    ValueError
        If `spike` is none of these.

    References
    ----------
    THEORY 0.
    """
    return derivative_supremum(*spike_family(spike), 2)


def sup_third(spike: Spike) -> SupremumBounds:
    """Return D3, the Lipschitz constant of sigma'': infinite where sigma'' jumps.

    Parameters
    ----------
    spike : Arctan, Logistic, Algebraic, FastSigmoid or PiecewiseQuadratic
        Or of a class derived from one of them, which it is taken for.

    Returns
    -------
    Enclosure
        Its point is a distance above threshold.

    Raises
    ------
    ValueError
        If `spike` is none of these.

    References
    ----------
    THEORY 0.
    """
    return derivative_supremum(*spike_family(spike), 3)


def kappa(neuron: LIF) -> SupremumBounds:
    """Return the Lipschitz constant of the autonomous map, ``sup abs(g'(u))`` over all real u::

        reset to zero    g' = leak (1 - sigma - u sigma')       by branch and bound
        subtract         g' = leak - q sigma'                   max(leak, abs(leak - q D1))
        none             g' = leak

    with q the threshold, times the leak if that acts on it. Whether gradients ignore the reset
    makes no difference.

    Parameters
    ----------
    neuron : LIF
        With one of the five spikes.

    Returns
    -------
    Enclosure
        Its point is a potential, or minus infinity, where g' tends to the leak.

    Raises
    ------
    ValueError
        If the spike is none of the five.

    References
    ----------
    THEORY 0.
    """
    if isinstance(neuron.reset, ToZero):
        return _of_map(neuron, 1)
    slope, drop = sup_derivative(neuron.spike), _spike_drop(neuron)
    if drop.upper == 0.0:
        return SupremumBounds(neuron.leak, neuron.leak, -inf)
    steepest = interval(slope.lower, slope.upper)
    there = abs(neuron.leak - drop * steepest)
    point = -inf if neuron.leak >= there.lower else neuron.threshold
    lower, upper = np.maximum(there.lower, neuron.leak), np.maximum(there.upper, neuron.leak)
    return SupremumBounds(float(lower), float(upper), point)


def map_curvature(neuron: LIF) -> SupremumBounds:
    """Return G2, the Lipschitz constant of g': ``sup abs(g''(u))``, jumps or not::

        reset to zero    g'' = -leak (2 sigma' + u sigma'')     by branch and bound
        subtract         g'' = -q sigma''                       q D2
        none             g'' = 0

    Parameters
    ----------
    neuron : LIF
        With one of the five spikes.

    Returns
    -------
    Enclosure
        Its point is a potential; a jump there stands for the larger of its limits.

    Raises
    ------
    ValueError
        If the spike is none of the five.

    References
    ----------
    THEORY 0.
    """
    if isinstance(neuron.reset, ToZero):
        return _of_map(neuron, 2)
    bound, drop = sup_second(neuron.spike), _spike_drop(neuron)
    if drop.upper == 0.0:
        return SupremumBounds(0.0, 0.0, neuron.threshold)
    u = neuron.threshold + bound.point
    value = derivative_magnitude(
        *spike_family(neuron.spike), 2, point_interval(u) - neuron.threshold
    )
    return SupremumBounds(float((value * drop).lower), float((bound.upper * drop).upper), u)


def max_carry(neuron: LIF) -> SupremumBounds:
    """Return the most that a reset to zero leaves: ``sup leak u (1 - sigma(u - theta))``, u >= 0.

    Parameters
    ----------
    neuron : LIF
        With one of the five spikes, reset to zero.

    Returns
    -------
    Enclosure
        Its point is a potential, or infinity: Arctan and FastSigmoid leave something of a
        potential however high.

    Raises
    ------
    ValueError
        If the spike is none of the five, or the reset another.

    References
    ----------
    THEORY 1b.
    """
    if not isinstance(neuron.reset, ToZero):
        raise ValueError(f"reset must be ToZero, got {neuron.reset!r}")
    return _of_map(neuron, 0)


def recurrent_cap(neuron: LIF, kappa_e: float) -> float:
    """Return the largest |V|_2 with which ``kappa + D1 |V|_2`` is no larger than `kappa_e`.

    Parameters
    ----------
    neuron : LIF
        With one of the five spikes.
    kappa_e : float
        What a step of a recurrent layer may multiply distances by; below 1 for a contraction.

    Returns
    -------
    float
        Rounded down; a cap for `refsast.project`.

    Raises
    ------
    ValueError
        If the spike is none of the five, or kappa alone is larger than `kappa_e`.

    References
    ----------
    THEORY 0 and 1c.
    """
    alone = kappa(neuron).upper
    if not kappa_e >= alone:
        raise ValueError(f"kappa_e must be at least kappa, {alone}, got {kappa_e}")
    cap = (point_interval(kappa_e) - alone) / point_interval(sup_derivative(neuron.spike).upper)
    return max(float(cap.lower), 0.0)


def geometric(k: float, steps: int) -> float:
    """Return ``c_T(k) = 1 + k + ... + k^(T - 1)``, summed term by term; 0 for no steps.

    Parameters
    ----------
    k : float
        Not negative; may exceed 1.
    steps : int
        T, not negative.

    Returns
    -------
    float
        To rounding; exact for k = 0 and 1; infinite where it is beyond all doubles.

    Raises
    ------
    ValueError
        If `k` or `steps` is negative.

    References
    ----------
    THEORY 0.
    """
    if not k >= 0.0:
        raise ValueError(f"k must not be negative, got {k}")
    if not steps >= 0:
        raise ValueError(f"steps must not be negative, got {steps}")
    return float(geometric_series(k, steps))


def _of_map(neuron: LIF, order: int) -> SupremumBounds:
    family, slope = spike_family(neuron.spike)
    return map_supremum(family, slope, neuron.threshold, neuron.leak, order)


def _spike_drop(neuron: LIF) -> Interval:
    """What a spike subtracts; exactly zero where nothing is."""
    reset, threshold = neuron.reset, point_interval(neuron.threshold)
    if isinstance(reset, Subtract) and not reset.leaked:
        return threshold
    if isinstance(reset, Subtract) and neuron.leak > 0.0:
        return threshold * neuron.leak
    return point_interval(0.0)
