"""A trained network in integers: weights of few bits, potentials in fixed point, leaks as shifts.

``formats`` says how numbers are stored, ``network`` is what is stored, ``conversion`` makes it of a
trained network, ``accumulators`` says what must fit into 32 bits, ``run`` runs it,
``agreement`` compares them with the real network that they stand for, ``files`` keeps them,
``c_code`` writes them for a C compiler, ``operations`` counts what a run costs; ``survey`` does it
all for several widths of the weights, and ``page`` shows that.
"""

from refsast.deploy.agreement import Agreement, compare_runs, rounding_bound
from refsast.deploy.c_code import write_c
from refsast.deploy.conversion import round_weights, to_integers
from refsast.deploy.files import load, save
from refsast.deploy.formats import Leak, LeakFormat, PotentialFormat, WeightFormat
from refsast.deploy.network import (
    Formats,
    IntegerLayer,
    IntegerNetwork,
    IntegerReadout,
    dequantise,
)
from refsast.deploy.operations import LayerOperations, count_operations
from refsast.deploy.run import IntegerTrace, run
from refsast.deploy.survey import Deployed, Survey, survey

__all__ = [
    "Agreement",
    "Deployed",
    "Formats",
    "IntegerLayer",
    "IntegerNetwork",
    "IntegerReadout",
    "IntegerTrace",
    "LayerOperations",
    "Leak",
    "LeakFormat",
    "PotentialFormat",
    "Survey",
    "WeightFormat",
    "compare_runs",
    "count_operations",
    "dequantise",
    "load",
    "round_weights",
    "rounding_bound",
    "run",
    "save",
    "survey",
    "to_integers",
    "write_c",
]
