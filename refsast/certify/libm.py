"""What the certificates take for granted of the machine's arithmetic, and a test of it.

Sums, products, quotients and roots are correctly rounded (IEEE 754). Elementary functions are not,
so one assumption is needed: **libm within 4 ulp**. The machine's arctan, exp and tanh differ from
the exact values by at most four units in the last place, which NumPy's own loops are built to keep.

From it follows that a spike of one of the five families is off its formula by at most 8 u,
absolutely, u = 2^-53. Rounding the argument z moves a spike by ``4 u abs(z S'(z))``, which is at
most u in all five. Then, with 4 ulp at most 8 u of the value: arctan, 8 u pi/2, is divided by pi
and added to 1/2, in all ``4 + 0.7 + 0.5`` u; exp enters 1/(1 + e) with a factor of at most 1/4, so
8 u becomes 2 u, and the sum and the quotient add 2 u; the other three round at most six numbers
below 1.

It is tested once, before the first certificate, on a fixed grid of each function, as an array, with
strides and alone, since these are different loops of NumPy; what is compared with is computed in 50
decimal digits. Measured with NumPy 2.4 on x86-64: arctan 0.50, exp 0.50, tanh 0.83 ulp.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import lru_cache

import numpy as np

from refsast.arrays import Array

UNIT_ROUNDOFF = 2.0**-53  # of double precision
LARGEST_ULP = 4.0
SPIKE_ROUNDING = 16.0 * UNIT_ROUNDOFF  # of a spike in a run, 8, and of one in a bound
DIGITS = Context(prec=50)
HALF_PI = Decimal("1.57079632679489661923132169163975144209858469968755291")
GRID = 200  # points of each sign and function


@dataclass(frozen=True)
class Elementary:
    """An elementary function of the machine, its exact value, and how large its arguments get.

    Attributes
    ----------
    compute : callable
        NumPy's.
    exact : callable
        In decimal digits.
    far : float
        Largest magnitude of an argument on the grid.
    """

    compute: Callable[[Array], Array]
    exact: Callable[[Decimal], Decimal]
    far: float


def _arctan(x: Decimal) -> Decimal:
    """Arctangent, by halving the angle four times and a series that alternates and shrinks."""
    t = abs(x)
    large = t > 1
    t = 1 / t if large else t
    for _ in range(4):
        t = t / (1 + (1 + t * t).sqrt())
    square, term, total = t * t, t, Decimal(0)  # t < tan(pi/64) < 1/20: 10^-2.6 a term
    for j in range(20):
        total += term / (2 * j + 1) if j % 2 == 0 else -term / (2 * j + 1)
        term *= square
    angle = HALF_PI - 16 * total if large else 16 * total
    return angle.copy_sign(x)


def _tanh(x: Decimal) -> Decimal:
    e = (-2 * abs(x)).exp()
    return ((1 - e) / (1 + e)).copy_sign(x)


FUNCTIONS = {
    "arctan": Elementary(np.arctan, _arctan, 1e8),
    "exp": Elementary(np.exp, Decimal.exp, 700.0),
    "tanh": Elementary(np.tanh, _tanh, 20.0),
}


def largest_error(function: Elementary) -> tuple[float, float]:
    """Return the largest error on the grid, in units in the last place, and where it is."""
    positive = np.geomspace(1e-6, function.far, GRID)
    x = np.concatenate([-positive[::-1], positive])
    strided = function.compute(np.repeat(x, 3)[1::3])
    alone = np.array([function.compute(np.asarray(point)).item() for point in x])
    worst = 0.0, 0.0
    with localcontext(DIGITS):
        exact = [function.exact(Decimal(float(point))) for point in x]
        for values in (function.compute(x), strided, alone):
            for point, value, true in zip(x, values, exact, strict=True):
                unit = Decimal(float(np.spacing(abs(value)))) if np.isfinite(value) else Decimal(0)
                error = float(abs(Decimal(float(value)) - true) / unit) if unit else np.inf
                worst = max(worst, (error, float(point)))
    return worst


@lru_cache(maxsize=1)
def require_accurate_libm() -> None:
    """Refuse a machine on which the assumption is seen to fail; look only once.

    Raises
    ------
    ValueError
        If an elementary function is off by more than four units in the last place.
    """
    for name, function in FUNCTIONS.items():
        error, point = largest_error(function)
        if not error <= LARGEST_ULP:
            wanted = f"be within {LARGEST_ULP:g} units in the last place for a certificate"
            raise ValueError(f"numpy.{name} must {wanted}, got {error:.3g} at {point!r}")
