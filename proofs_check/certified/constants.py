"""The constants that bounds are made of, each between two certified numbers.

Rule 1: `upper` comes from a closed form or from branch and bound, `lower` from one evaluation in
        intervals at `point`, a double; an infinite point is a limit.
Rule 2: suprema are over all real numbers. At a jump of sigma'' the limit from either side counts,
        so that the constant bounds difference quotients.
Rule 3: a subclass of one of the five spikes gets the constants of its parent, even if it computes
        something else. The checks must find that.

All take one of the five spikes of `unit_spikes.SPIKE_FAMILIES`, or a neuron with one, and raise
ValueError for any other. `SupremumBounds.point` is a distance above threshold for the constants of
a spike and a potential for those of a neuron. The constants are defined in THEORY 0 and 1b.
"""

from itertools import accumulate
from math import inf

import numpy as np

from proofs_check.certified.intervals import Interval, exact, interval
from proofs_check.certified.reset_map import map_supremum
from proofs_check.certified.supremum import SupremumBounds
from proofs_check.certified.unit_spikes import (
    derivative_magnitude,
    derivative_supremum,
    spike_family,
)
from proofs_check.norms import geometric_series
from refsast import LIF, NoReset, Subtract, ToZero
from refsast.model.spike import Spike


def sup_derivative(spike: Spike) -> SupremumBounds:
    """Return D1, the largest abs(sigma'), attained at threshold."""
    return derivative_supremum(*spike_family(spike), 1)


def sup_second(spike: Spike) -> SupremumBounds:
    """Return D2, the Lipschitz constant of sigma': the largest abs(sigma''), jumps or not."""
    return derivative_supremum(*spike_family(spike), 2)


def kappa(neuron: LIF) -> SupremumBounds:
    """Return the Lipschitz constant of the autonomous map, ``sup abs(g'(u))`` over all real u::

        reset to zero    g' = leak (1 - sigma - u sigma')       by branch and bound
        subtract         g' = leak - q sigma'                   max(leak, abs(leak - q D1))
        none             g' = leak

    with q the threshold, times the leak if that acts on it. Whether gradients ignore the reset
    makes no difference. The point is minus infinity where g' tends to the leak.
    """
    if isinstance(neuron.reset, ToZero):
        return _map_supremum(neuron, 1)
    slope, drop = sup_derivative(neuron.spike), _spike_drop(neuron)
    if drop.upper == 0.0:
        return SupremumBounds(neuron.leak, neuron.leak, -inf)
    # sigma' runs from 0, far from threshold, to D1: g' is extreme at one of the two.
    at_threshold = abs(neuron.leak - drop * interval(slope.lower, slope.upper))
    point = -inf if neuron.leak >= at_threshold.lower else neuron.threshold
    lower, upper = (np.maximum(e, neuron.leak) for e in (at_threshold.lower, at_threshold.upper))
    return SupremumBounds(float(lower), float(upper), point)


def map_curvature(neuron: LIF) -> SupremumBounds:
    """Return G2, the Lipschitz constant of g': ``sup abs(g''(u))``, jumps or not::

        reset to zero    g'' = -leak (2 sigma' + u sigma'')     by branch and bound
        subtract         g'' = -q sigma''                       q D2
        none             g'' = 0

    A jump at the point stands for the larger of its limits.
    """
    if isinstance(neuron.reset, ToZero):
        return _map_supremum(neuron, 2)
    bound, drop = sup_second(neuron.spike), _spike_drop(neuron)
    if drop.upper == 0.0:
        return SupremumBounds(0.0, 0.0, neuron.threshold)
    # The lower end is evaluated at a potential that is a double, as Rule 1 asks.
    u = neuron.threshold + bound.point
    v = exact(u) - neuron.threshold
    value = derivative_magnitude(*spike_family(neuron.spike), 2, v)
    return SupremumBounds(float((value * drop).lower), float((bound.upper * drop).upper), u)


def max_carry(neuron: LIF) -> SupremumBounds:
    """Return the most that a reset to zero leaves: ``sup leak u (1 - sigma(u - theta))``, u >= 0.

    The point may be infinite: Arctan and FastSigmoid leave something of a potential however high.

    Raises
    ------
    ValueError
        If the reset is another.
    """
    if not isinstance(neuron.reset, ToZero):
        raise ValueError(f"reset must be ToZero, got {neuron.reset!r}")
    return _map_supremum(neuron, 0)


def geometric_sum(k: float, steps: int) -> float:
    """Return ``c_T(k) = 1 + k + ... + k^(T - 1)``, T the number of steps; 0 for no steps.

    To rounding; exact for k = 0 and 1; infinite where it is beyond all doubles.

    Raises
    ------
    ValueError
        If `k` or `steps` is negative.
    """
    if not k >= 0.0:
        raise ValueError(f"k must not be negative, got {k}")
    if not steps >= 0:
        raise ValueError(f"steps must not be negative, got {steps}")
    return float(geometric_series(k, steps))


def geometric_sums(k: float, steps: int) -> tuple[float, ...]:
    """Return ``c_0(k), ..., c_T(k)``, each as `geometric_sum` gives it, which says what is raised.

    Examples
    --------
    >>> geometric_sums(0.5, 3)
    (0.0, 1.0, 1.5, 1.75)
    """
    geometric_sum(k, min(steps, 0))  # for its errors
    return tuple(accumulate(range(steps), lambda total, _: total * k + 1.0, initial=0.0))


def _map_supremum(neuron: LIF, order: int) -> SupremumBounds:
    family, slope = spike_family(neuron.spike)
    return map_supremum(family, slope, neuron.threshold, neuron.leak, order)


def _spike_drop(neuron: LIF) -> Interval:
    """What a spike subtracts; exactly zero where nothing is."""
    require_proved_reset(neuron)
    reset, threshold = neuron.reset, exact(neuron.threshold)
    if isinstance(reset, Subtract) and not reset.leaked:
        return threshold
    if isinstance(reset, Subtract) and neuron.leak > 0.0:
        return threshold * neuron.leak
    return exact(0.0)


def require_proved_reset(neuron: LIF) -> None:
    """Refuse a reset that no proof covers, rather than take it for another."""
    if not isinstance(neuron.reset, ToZero | Subtract | NoReset):
        raise ValueError(f"reset must be ToZero, Subtract or NoReset, got {neuron.reset!r}")
