"""Matrices known up to a radius, entry by entry, with the rounding of every product in the radius.

Rule 1: a ball holds every matrix whose entries are within `radius` of `centre`, and every
        operation's ball holds the exact results of what its operands hold.
Rule 2: a sum of n products, in whatever order, is off by at most ``n 2^-53`` of the sum of their
        magnitudes, to first order; radii carry `share`, several times that, of those magnitudes,
        and are themselves raised by `share`, since they are rounded, too. Products below all
        doubles, and squares of small numbers, are covered by `TINY`.
Rule 3: what overflows ends at an infinite or NaN radius, which bounds nothing.

Reference: S. M. Rump, "Verification methods", Acta Numerica 19 (2010), midpoint-radius arithmetic.
"""

from dataclasses import dataclass

import numpy as np

from proofs_check.certified.intervals import Interval, ignore_overflow
from refsast.arrays import Array

UNIT_ROUNDOFF = 2.0**-53
TINY = 2.0**-400
LARGEST_SOLVED = 256  # rows of a matrix whose eigenvalues are computed
SQUARINGS = 3  # of a larger one


def share(terms: int) -> float:
    """Return what a sum of `terms` products is off by at most, as a share of their magnitudes."""
    return 4.0 * (terms + 8) * UNIT_ROUNDOFF


@dataclass(frozen=True, eq=False)
class Ball:
    """All arrays within a radius of an array, entry by entry.

    Attributes
    ----------
    centre, radius : ndarray
        Of one shape; the radius is not negative.
    """

    centre: Array
    radius: Array

    def __getitem__(self, index: object) -> "Ball":
        return Ball(self.centre[index], self.radius[index])  # pyright: ignore

    @ignore_overflow
    def __add__(self, other: "Ball") -> "Ball":
        total = self.centre + other.centre
        return Ball(total, raise_radius(self.radius + other.radius, np.abs(total), 2))

    @ignore_overflow
    def __mul__(self, other: "Ball") -> "Ball":
        product = self.centre * other.centre
        spread = np.abs(self.centre) * other.radius + self.radius * abs(other)
        return Ball(product, raise_radius(spread, np.abs(product), 2))

    def __abs__(self) -> Array:
        """The largest magnitude of each entry."""
        return raise_radius(np.abs(self.centre) + self.radius, 0.0, 1)

    @property
    def interval(self) -> Interval:
        """The same entries between two ends."""
        return Interval(
            np.nextafter(self.centre - self.radius, -np.inf),
            np.nextafter(self.centre + self.radius, np.inf),
        )


def exact_ball(array: Array) -> Ball:
    """Return the ball that holds one array only."""
    return Ball(array, np.zeros_like(array))


@ignore_overflow
def ball_of_interval(x: Interval) -> Ball:
    """Return a ball that holds an interval."""
    centre = 0.5 * x.lower + 0.5 * x.upper
    reach = np.maximum(x.upper - centre, centre - x.lower)
    return Ball(centre, raise_radius(reach, np.abs(centre), 1))


def raise_radius(radius: Array, magnitude: Array | float, terms: int) -> Array:
    """Return a radius that also holds the rounding of what summed to `magnitude`."""
    part = share(terms)
    return (radius + part * magnitude) * (1.0 + part) + TINY


@ignore_overflow
def matmul(w: Array, x: Ball) -> Ball:
    """Return ``w x`` of an exact matrix (n, k) and a ball (k, columns)."""
    part, size = share(w.shape[1]), np.abs(w)
    # One product with abs(w) serves for the radii and for the rounding of the centre.
    spread = size @ (x.radius + part * np.abs(x.centre))
    return Ball(w @ x.centre, spread * (1.0 + part) + TINY)


@ignore_overflow
def top_eigenvalue_bound(form: Ball) -> float:
    """Return an upper bound of the largest eigenvalue of every symmetric matrix in a ball.

    That of the centre, and the Frobenius norm of the radius. Infinite where an entry is not finite.
    Beyond `LARGEST_SOLVED` rows it is the spectral norm that is bounded, to a factor of the rank to
    the power 1/16.
    """
    if not (np.isfinite(form.centre).all() and np.isfinite(form.radius).all()):
        return np.inf
    middle = 0.5 * (form.centre + form.centre.T)
    rest = frobenius_bound(np.abs(form.centre - middle) + form.radius)
    solved = len(middle) <= LARGEST_SOLVED
    top = _eigenvalue_solution(middle) if solved else _norm_square(middle, SQUARINGS)
    return (top + rest) * (1.0 + share(4)) + TINY


def _eigenvalue_solution(form: Array) -> float:
    """The largest eigenvalue, from above, or 0.

    With V and the numbers d from an eigenvalue solver, whatever their errors, ``A = V diag(d) V' +
    E``, so it is at most ``max(d, 0) |V|^2 + |E|``; |V|^2 is at most 1 plus the norm of
    ``V'V - I``, and both norms are at most Frobenius norms, with the rounding of their products.
    """
    d, v = np.linalg.eigh(form)
    part, size = share(len(form)), np.abs(v)
    rest = np.abs(form - (v * d) @ v.T)
    rest = rest + part * ((size * np.abs(d)) @ size.T + np.abs(form))
    skew = np.abs(v.T @ v - np.eye(len(d))) + part * (size.T @ size + np.eye(len(d)))
    return max(float(d[-1]), 0.0) * (1.0 + frobenius_bound(skew)) + frobenius_bound(rest)


def _norm_square(form: Array, squarings: int) -> float:
    """The spectral norm, from above: ``|A|_2^2 = |A^2|_2``, at the last the Frobenius norm.

    A product of two matrices is off by at most `share` of ``|A|_F^2``, in that norm.
    """
    size = frobenius_bound(np.abs(form))
    if squarings == 0 or not 0.0 < size < np.inf:
        return size
    scaled = form / size  # so that powers neither overflow nor vanish
    product = scaled @ scaled
    product = 0.5 * (product + product.T)  # symmetric but for rounding
    square = _norm_square(product, squarings - 1) + share(len(form)) + share(8)
    return size * float(np.sqrt(square)) * (1.0 + share(4))


@ignore_overflow
def frobenius_bound(x: Array) -> float:
    """Return an upper bound of the Euclidean norm over all entries of an array of magnitudes."""
    peak = float(np.max(x, initial=0.0))
    if not 0.0 < peak < np.inf:
        return peak if peak == 0.0 else np.inf
    total = float(np.sqrt(np.sum(np.square(x / peak))))
    return peak * total * (1.0 + share(x.size)) + TINY
