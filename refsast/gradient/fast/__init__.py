"""Loss and gradients by hand-derived backpropagation through time: the quick way.

Rule 1: nothing here comes from the tape; agreement with `gradient.reference` is evidence.
Rule 2: same names, same units, same answers as `gradient.reference`, also in float32.
Rule 3: what is large is a matrix product (`products`), or is written into arrays that are there
        already (`in_place`), step by step (`layer`), stretch by stretch (`network`).
"""

from refsast.gradient.fast.loss import input_grad, loss_and_grad, straight_through
from refsast.gradient.fast.sam import sam_gradient

__all__ = ["input_grad", "loss_and_grad", "sam_gradient", "straight_through"]
