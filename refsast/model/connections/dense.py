"""All to all: one weight per pair of neurons."""

import math
from dataclasses import dataclass

from refsast.arrays import Array, is_positive_int
from refsast.model.connections.windows import Shape


@dataclass(frozen=True)
class Dense:
    """Every neuron has a weight for each of its inputs, ``w a + b``; of an image, for each pixel.

    Attributes
    ----------
    n : int
        Neurons. Positive.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.Dense(10).output_shape((32, 5, 5)), rs.Dense(10).weight_shape((32, 5, 5))
    ((10,), (10, 800))
    """

    n: int

    def __post_init__(self) -> None:
        if not is_positive_int(self.n):
            raise ValueError(f"n must be a positive integer, got {self.n!r}")

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n,)``."""
        return (self.n,)

    def weight_shape(self, shape: Shape) -> Shape:
        """Return ``(n, n_in)``."""
        return self.n, math.prod(shape)

    def __call__(self, w: Array, b: Array | None, a: Array, shape: Shape) -> Array:
        """Return ``a w' + b``, (rows, n)."""
        current = a @ w.T
        return current if b is None else current + b

    def transpose(self, w: Array, g: Array, shape: Shape) -> Array:
        """Return the cotangent of `a`, (rows, n_in), of that of the value."""
        return g @ w

    def weight_grad(self, g: Array, a: Array, shape: Shape) -> Array:
        """Return the cotangent of `w`."""
        return g.T @ a

    def bias_grad(self, g: Array, shape: Shape) -> Array:
        """Return the cotangent of `b`, (n,)."""
        return g.sum(axis=0)
