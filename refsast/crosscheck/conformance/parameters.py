"""Parameters as training leaves them: a few steps of descent on a case's own batch."""

import numpy as np

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
        params = unflatten(case.network, w)
        if case.synapse is None:
            descend = straight_through if case.hard else loss_and_grad
            g = flatten(descend(case.network, params, case.x, case.y)[1])
        else:
            g = flatten(solve(case, params=params).grads)
        norm = float(np.linalg.norm(g))
        if norm == 0.0:
            break
        w = w - LENGTH * float(np.linalg.norm(w)) / np.sqrt(STEPS) * g / norm
    return unflatten(case.network, w)
