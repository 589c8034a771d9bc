"""Parameters as training leaves them: a few steps of descent on a case's own batch."""

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.variants import solve
from refsast.gradient.fast.loss import loss_and_grad, straight_through
from refsast.model.params import Params, flatten
from refsast.model.vector import unflatten

STEPS = 12
LENGTH = 0.15  # of a step, relative to the parameters


def learn_params(case: Case) -> Params:
    """Return the parameters after a few steps of normalised gradient descent."""
    w = flatten(case.params)
    for _ in range(STEPS):
        g = flat_gradient(case, w)
        norm = float(np.linalg.norm(g))
        if norm == 0.0:
            break
        w = w - LENGTH * float(np.linalg.norm(w)) / np.sqrt(STEPS) * g / norm
    return unflatten(case.network, w)


def flat_gradient(case: Case, w: Array) -> Array:
    """Return the right gradient of a case of dense LIF layers at a flat vector of parameters."""
    params = unflatten(case.network, w)
    if case.synapse is not None:  # the tape alone has it there
        return flatten(solve(case, params=params).grads)
    descend = straight_through if case.hard else loss_and_grad
    return flatten(descend(case.network, params, case.x, case.y)[1])
