"""Property tests as building blocks: what to draw, how to compare, what a spike must be.

Strategies of Hypothesis for neurons, networks, parameters, inputs and whole problems, with the
usual parts (`problems`) or with all that there are (`extended_problems`); error ratios in units of
computed rounding bounds; and properties that can be run on a network or a smooth spike of one's
own, without a line of code::

    REFSAST_SPIKE=package:Spike pytest --pyargs refsast.testing
    REFSAST_NETWORK=package:network pytest --pyargs refsast.testing

docs/verify.md shows both. It needs ``pip install refsast[test]``.
"""

from refsast.testing.error_ratio import TOLERANCE, error_ratio, params_error_ratio
from refsast.testing.extensions import (
    connections,
    extended_networks,
    extended_problems,
    glif_neurons,
)
from refsast.testing.numbers import (
    arrays,
    directions,
    fractions,
    magnitudes,
    min_examples,
    numbers,
    seeds,
)
from refsast.testing.problem import Problem, make_read_only, to_float32, to_float64
from refsast.testing.spikes import spike_faults
from refsast.testing.strategies import (
    ANALYTIC,
    RESETS,
    SURROGATES,
    inputs,
    labels,
    networks,
    neurons,
    parameters,
    problems,
    readouts,
    surrogates,
)

__all__ = [
    "ANALYTIC",
    "RESETS",
    "SURROGATES",
    "TOLERANCE",
    "Problem",
    "arrays",
    "connections",
    "directions",
    "error_ratio",
    "extended_networks",
    "extended_problems",
    "fractions",
    "glif_neurons",
    "inputs",
    "labels",
    "magnitudes",
    "make_read_only",
    "min_examples",
    "networks",
    "neurons",
    "numbers",
    "parameters",
    "params_error_ratio",
    "problems",
    "readouts",
    "seeds",
    "spike_faults",
    "surrogates",
    "to_float32",
    "to_float64",
]
