"""Validation that both measures share."""

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, Integers
from refsast.gradient import reference
from refsast.model import Network, Params, flatten
from refsast.model.validation import validate, validate_real_params
from refsast.model.vector import split_vector
from refsast.spikes import Spikes


def validate_point(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike
) -> tuple[Params, Array, Integers]:
    """Check everything once, not at every product; in double precision, and dense."""
    reference.require_hessian(network)
    w = flatten(validate_real_params(network, params)).astype(np.float64)
    return validate(network, split_vector(network, w), x, y)
