"""Three gradients, one signature: `bptt` to read, `reference` by the tape, `fast` to train with.

`rounding` says how far rounding can move each entry: the error bounds by which two gradients are
compared.
"""

from refsast.gradient import bptt, fast, reference
from refsast.gradient.rounding import rounding

__all__ = ["bptt", "fast", "reference", "rounding"]
