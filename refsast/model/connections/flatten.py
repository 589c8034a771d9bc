"""An image as a row of numbers."""

import math
from dataclasses import dataclass

from refsast.arrays import Array
from refsast.model.connections.windows import Shape


@dataclass(frozen=True)
class Flatten:
    """The same numbers without their shape, row-major; `Dense` does not need it.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.Flatten().output_shape((32, 5, 5))
    (800,)
    """

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``(n,)``."""
        return (math.prod(shape),)

    def __call__(self, a: Array, shape: Shape) -> Array:
        """Return `a`, which is flat already."""
        return a

    def transpose(self, g: Array, a: Array, shape: Shape) -> Array:
        """Return `g`."""
        return g
