"""Two gradients, one signature: `reference` by the tape, the oracle, and `fast` by hand.

`rounding` says how far rounding can move each entry: the yardstick by which two gradients are
compared.
"""

from refsast.gradient import fast, reference
from refsast.gradient.rounding import rounding

__all__ = ["fast", "reference", "rounding"]
