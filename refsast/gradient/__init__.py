"""Two gradients, one signature: `reference` by the tape, the oracle, and `fast` by hand.

`magnitude` says how large the terms are of which a gradient entry is the sum: the yardstick for
rounding errors.
"""

from refsast.gradient import fast, reference
from refsast.gradient.magnitude import magnitude

__all__ = ["fast", "magnitude", "reference"]
