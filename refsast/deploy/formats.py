"""Number formats of a chip: weights of few bits, potentials in fixed point, leaks as k/2^m.

Rule 1: integers only; every rounding is named here, and every value that does not fit is counted.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, is_int, plain_numbers, require_fraction

Ints: TypeAlias = NDArray[np.int64]
Rounding: TypeAlias = Literal["nearest", "stochastic", "down", "up"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
SMALLEST = np.finfo(np.float64).smallest_normal  # below it a number has fewer digits


@dataclass(frozen=True)
class WeightFormat:
    """Symmetric integers, ``w = scale q`` with ``|q| <= 2^(bits - 1) - 1``.

    Attributes
    ----------
    bits : int
        Width of a weight with its sign, from 2 to 16.
    per : "tensor" or "channel"
        Whether a layer has one scale or each of its neurons has its own: a neuron's weights share
        a potential, so its input and recurrent weights share a scale.
    rounding : "nearest", "stochastic", "down" or "up"
        To the nearest integer, ties to even; up with the probability of the remainder, else down;
        always down; always up. Whichever it is, a weight becomes one of its two neighbours.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.deploy.WeightFormat(bits=4).largest
    7
    """

    bits: int = 8
    per: Literal["tensor", "channel"] = "channel"
    rounding: Rounding = "nearest"

    def __post_init__(self) -> None:
        plain_numbers(self)  # of a NumPy integer of 8 bits powers of two would wrap around
        if not is_int(self.bits, 2) or self.bits > 16:
            raise ValueError(f"bits must be an integer from 2 to 16, got {self.bits!r}")
        if self.per not in ("tensor", "channel"):
            raise ValueError(f"per must be 'tensor' or 'channel', got {self.per!r}")
        if self.rounding not in ROUNDINGS:
            names = ", ".join(map(repr, ROUNDINGS))
            raise ValueError(f"rounding must be one of {names}, got {self.rounding!r}")

    @property
    def largest(self) -> int:
        """The largest integer; the smallest is minus that."""
        return 2 ** (self.bits - 1) - 1

    def scales(self, rows: Array) -> Array:
        """Return the scale of each neuron, shape (n,), of its weights, shape (n, any).

        The largest weight is the largest integer. Where all weights are zero the scale is 1.
        ValueError where a scale is below the smallest normal number, 2.2e-308: too few digits.
        """
        peak = abs(rows).max(axis=1)
        if self.per == "tensor":
            peak = np.full_like(peak, peak.max())
        scales = np.where(peak > 0.0, peak / self.largest, 1.0)
        if scales.min() < SMALLEST:
            wanted = f"be zero or reach {self.largest * SMALLEST:.3g}"
            raise ValueError(f"weights of a scale must {wanted}, got {peak[scales.argmin()]:.3g}")
        return scales

    def quantise(self, rows: Array, scales: Array, rng: np.random.Generator | None) -> Ints:
        """Return the integers of weights (n, any), given each neuron's scale, (n,)."""
        scaled = rows / scales[:, None]
        match self.rounding:
            case "nearest":
                rounded = np.rint(scaled)
            case "down":
                rounded = np.floor(scaled)
            case "up":
                rounded = np.ceil(scaled)
            case "stochastic":
                if rng is None:
                    raise ValueError("rng must be a generator for stochastic rounding, got None")
                below = np.floor(scaled)
                # The remainder is exact; floor(scaled + random) could round up to the next but one.
                rounded = below + (rng.random(scaled.shape) < scaled - below)
        return np.clip(rounded, -self.largest, self.largest).astype(np.int64)


@dataclass(frozen=True)
class PotentialFormat:
    """Fixed point Qm.n in units of a neuron's weight step, two's complement.

    Attributes
    ----------
    integer_bits : int
        m: potentials reach ``2^m`` weight steps. From 1.
    fraction_bits : int
        n: a weight step has ``2^n`` parts. From 0; with the sign, ``1 + m + n`` is at most 31.
    overflow : "saturate" or "wrap"
        What does not fit stays at the end of the range, or comes back at its other end.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> potential = rs.deploy.PotentialFormat(integer_bits=3, fraction_bits=1)
    >>> potential.lowest, potential.highest, potential.fit(np.array([7, 20]))
    (-16, 15, (array([ 7, 15]), array([False,  True])))
    """

    integer_bits: int = 13
    fraction_bits: int = 4
    overflow: Literal["saturate", "wrap"] = "saturate"

    def __post_init__(self) -> None:
        plain_numbers(self)
        if not is_int(self.integer_bits, 1):
            raise ValueError(f"integer_bits must be a positive integer, got {self.integer_bits!r}")
        if not is_int(self.fraction_bits, 0):
            wanted = "an integer that is not negative"
            raise ValueError(f"fraction_bits must be {wanted}, got {self.fraction_bits!r}")
        if self.width > 31:
            parts = f"1 + {self.integer_bits} + {self.fraction_bits}"
            raise ValueError(f"width must be at most 31 bits, got {parts} = {self.width}")
        if self.overflow not in ("saturate", "wrap"):
            raise ValueError(f"overflow must be 'saturate' or 'wrap', got {self.overflow!r}")

    @property
    def width(self) -> int:
        """Bits of a potential, its sign among them."""
        return 1 + self.integer_bits + self.fraction_bits

    @property
    def highest(self) -> int:
        """The largest potential, as an integer."""
        return 2 ** (self.width - 1) - 1

    @property
    def lowest(self) -> int:
        """The smallest potential, as an integer."""
        return -(2 ** (self.width - 1))

    def fit(self, values: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Return what is stored of integers, and which of them did not fit."""
        low, high = self.lowest, self.highest
        outside = (values < low) | (values > high)
        if self.overflow == "saturate":
            return np.clip(values, low, high), outside
        return (values - low) % 2**self.width + low, outside


@dataclass(frozen=True)
class LeakFormat:
    """A leak ``k / 2^m``: one multiplication and a shift; or ``1 - 2^-k``: a shift alone.

    Attributes
    ----------
    shift : int
        m, from 0 to 15, or, of a shift alone, the largest k.
    kind : "product" or "shift"
        ``(k u + 2^(m-1)) >> m``, to the nearest, ties up; or ``u - (u >> k)``, upwards.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.deploy.LeakFormat(4).nearest(0.9), rs.deploy.LeakFormat(8, "shift").nearest(0.9)
    (Leak(factor=7, shift=3, offset=4), Leak(factor=7, shift=3, offset=7))
    """

    shift: int = 8
    kind: Literal["product", "shift"] = "product"

    def __post_init__(self) -> None:
        plain_numbers(self)
        if not is_int(self.shift, 0) or self.shift > 15:
            raise ValueError(f"shift must be an integer from 0 to 15, got {self.shift!r}")
        if self.kind not in ("product", "shift"):
            raise ValueError(f"kind must be 'product' or 'shift', got {self.kind!r}")

    def nearest(self, leak: float) -> "Leak":
        """Return the leak of this format that is nearest to a number in [0, 1]."""
        require_fraction(leak, "leak")
        if self.kind == "product":
            factor, shift = int(np.rint(leak * 2**self.shift)), self.shift
            while shift and factor % 2 == 0:  # in lowest terms: the same for less work
                factor, shift = factor // 2, shift - 1
            return Leak(factor, shift, 2**shift // 2)
        if leak == 1.0:
            return Leak(1, 0, 0)
        # u - (u >> k) is (2^k - 1) u / 2^k, rounded upwards.
        k = min(range(self.shift + 1), key=lambda k: abs(1.0 - 2.0**-k - leak))
        return Leak(2**k - 1, k, 2**k - 1)


@dataclass(frozen=True)
class Leak:
    """``(factor u + offset) >> shift``, on integers; the shift rounds down.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> rs.deploy.LeakFormat(1).nearest(0.5).apply(np.array([-3, 3]))
    array([-1,  2])
    """

    factor: int
    shift: int
    offset: int

    @property
    def value(self) -> float:
        """The leak as a number."""
        return self.factor / 2**self.shift

    @property
    def largest_error(self) -> float:
        """How far `apply` is from ``value u`` at most, in units of the last place."""
        return max(self.offset, 2**self.shift - 1 - self.offset) / 2**self.shift

    def apply(self, u: Ints) -> Ints:
        """Return what is left of potentials."""
        return (self.factor * u + self.offset) >> self.shift
