"""Loss and gradients by hand-derived backpropagation through time: `gradient.bptt`, made fast.

Rule 1: nothing here comes from the tape; agreement with `gradient.reference` is evidence.
Rule 2: same names, same units, same answers as `gradient.reference`, also in float32.
Rule 3: `inputs` has the large matrix products, `kernels` one step written into allocated arrays,
        `layer` a chunk of steps, `network` all layers and chunks, `sam` two passes at once.
"""

from refsast.gradient.fast.loss import input_grad, loss_and_grad, straight_through
from refsast.gradient.fast.sam import sam_gradient

__all__ = ["input_grad", "loss_and_grad", "sam_gradient", "straight_through"]
