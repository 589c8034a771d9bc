"""The five spikes as one function of slope times distance, and how curved it is.

A spike of slope b is the unit spike S, that of slope 1, of ``z = b v``. So its derivative by the
slope is ``v S'(z)``, by the distance ``b S'(z)``, and what a change of both does is a change of z.
"""

import numpy as np

from refsast.arrays import Array
from refsast.model.lif import LIF
from refsast.model.surrogate import (
    Algebraic,
    Arctan,
    FastSigmoid,
    Logistic,
    PiecewiseQuadratic,
    Surrogate,
)

# Where abs(S'') is largest: it rises up to there and falls beyond. In the last two it is largest at
# zero, where S'' jumps.
PEAKS: dict[type[Surrogate], float] = {
    Arctan: 2.0 / (np.pi * 3.0**0.5),
    Logistic: float(np.log(2.0 + 3.0**0.5)),
    Algebraic: 0.5,
    FastSigmoid: 0.0,
    PiecewiseQuadratic: 0.0,
}


def unit_spike(neuron: LIF) -> tuple[Surrogate, float]:
    """Return the spike of slope 1 of the neuron's family, and its slope.

    One derived from a family counts as of it; `certify_swap` takes none. Raises ValueError for
    any other spike.
    """
    for family in PEAKS:
        if isinstance(neuron.spike, family):
            return family(1.0), neuron.spike.slope
    names = ", ".join(family.__name__ for family in PEAKS)
    raise ValueError(f"spike must be one of {names}, got {neuron.spike!r}")


def sup_second(unit: Surrogate, nearest: Array, farthest: Array) -> Array:
    """Return the largest ``abs(S''(z))`` where ``nearest <= abs(z) <= farthest``.

    A second derivative that jumps counts from either side. To rounding.
    """
    peak = PEAKS[type(unit)]
    ends = np.maximum(np.abs(unit.second(nearest)), np.abs(unit.second(farthest)))
    return np.where((nearest <= peak) & (peak <= farthest), unit.sup_second, ends)
