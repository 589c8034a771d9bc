"""What a smooth spike must be, looked at on a grid, in words where it is not."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.autodiff.numeric import central_difference
from refsast.model.spike import Spike

GRID = np.concatenate(  # even near the threshold, by magnitude far from it, and both ends
    [np.linspace(-6.0, 6.0, 2401), *(sign * np.geomspace(6.0, 1e300, 300) for sign in (-1.0, 1.0))]
)
WIDTHS = np.geomspace(1e-9, 1e9, 361)  # where the width of a spike is looked for
HUGE = 1e30  # beyond, a fall is more often an overflow than a wrong formula
KINKS = 0.02  # share of the points at which a derivative may jump, as that of a spline does


def spike_faults(spike: Spike) -> tuple[str, ...]:
    """Say what is wrong with a smooth spike, as far as a grid of 3,001 points shows it.

    Looked at: values in [0, 1] that never fall and are finite up to 1e300, in the dtype that comes
    in; `derivative` and `second`, where there are any, against differences of the value and of
    `derivative`; `sup_derivative` and `sup_second`, where there are any, against all points.
    Not looked at: what lies between the points, and whether the suprema are the smallest.

    Parameters
    ----------
    spike : callable
        From the distance above threshold, an array of any shape, to the spike.

    Returns
    -------
    tuple of str
        One sentence for each fault; empty where none was seen.

    Examples
    --------
    >>> import refsast as rs
    >>> from refsast.testing import spike_faults
    >>> spike_faults(rs.Arctan(2.0))
    ()
    >>> spike_faults(lambda v: 2.0 * rs.Arctan(2.0)(v))[0]
    'values must lie in [0, 1], got 2 at 1e+300'
    """
    return tuple(_find_faults(spike))


def _find_faults(spike: Spike) -> Iterator[str]:
    with np.errstate(all="ignore"):
        value = spike(GRID)
        narrow: Any = np.float32  # arrays are typed as float64 throughout
        single = np.asarray(spike(np.zeros(2, narrow))).dtype
        if single != np.float32:
            yield f"values of float32 must be float32, got {single}"
        if np.shape(value) != GRID.shape:
            yield f"values must have the argument's shape {GRID.shape}, got {np.shape(value)}"
            return
        if not np.all(np.isfinite(value)):
            yield f"values must be finite, got {_worst(value, ~np.isfinite(value))}"
            return
        outside = (value < 0.0) | (value > 1.0)
        if outside.any():
            yield f"values must lie in [0, 1], got {_worst(value, outside, last=True)}"
        order = np.argsort(GRID)
        fall = np.diff(value[order])
        if fall.min() < -1e-15:
            at = GRID[order][1:][fall.argmin()]
            hint = " (overflow? clip the argument)" if abs(at) > HUGE else ""
            yield f"values must never fall, got a fall by {-fall.min():.2g} before {at:.3g}{hint}"
        slope = getattr(spike, "derivative", None)
        if slope is None:
            yield "a method derivative must be there for gradients, got none"
            return
        width = _find_width(spike)
        yield from _compare("derivative", spike, slope, width)
        if (second := getattr(spike, "second", None)) is not None:
            yield from _compare("second", slope, second, width)
        for name, of in (("sup_derivative", slope), ("sup_second", second)):
            bound = getattr(spike, name, None)
            if bound is not None and of is not None:
                largest = np.abs(of(GRID)).max()
                if not largest <= bound * (1.0 + 1e-12):
                    yield f"{name} must be at least {largest:.6g}, got {bound:.6g}"


def _worst(value: Array, wrong: NDArray[np.bool_], last: bool = False) -> str:
    at = np.flatnonzero(wrong)[-1 if last else 0]
    return f"{value[at]:g} at {GRID[at]:g}"


def _find_width(spike: Spike) -> float:
    """How far above threshold the spike has gone half of its way to what it ends at."""
    start, end = spike(np.zeros(1))[0], spike(WIDTHS)[-1]
    there = spike(WIDTHS) >= 0.5 * (start + end)
    return float(WIDTHS[there.argmax()])


def _compare(
    name: str,
    function: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
    width: float,
) -> Iterator[str]:
    """A derivative against difference quotients; kinks of a spline are few, and let pass."""
    near = np.linspace(-8.0, 8.0, 1200) * width  # an even number: splines have a kink at zero
    step = np.full_like(near, width / 200.0)
    quotient, error = central_difference(function, near, step, step=1.0, halvings=4)
    want, error = quotient / step, error / step
    got = derivative(near)
    wrong = ~(np.abs(got - want) <= 10.0 * error + 1e-8 * (1.0 + np.abs(want).max()))
    if wrong.mean() > KINKS:
        at = np.abs(np.where(wrong, got - want, 0.0)).argmax()
        yield (
            f"{name} must be the derivative of what is above it, "
            f"got {got[at]:.6g} in place of {want[at]:.6g} at {near[at]:.3g}"
        )
