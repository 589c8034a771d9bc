"""A trained network in integers: weights of few bits, potentials in fixed point, leaks as shifts.

``formats`` says how numbers are stored, ``network`` is what is stored, ``conversion`` makes it of a
trained network, ``connections`` takes sums for means, ``accumulators`` says what must fit into 32
bits, ``run`` runs it, ``agreement`` compares it with the real network that it stands for,
``certificate`` proves which classes no rounding changes (by an ``enclosure`` of all runs, made of
``bounds``), ``files`` keeps it, ``c_code`` writes it for a C compiler, ``description`` says in
words what real numbers cannot, ``operations`` counts what a run costs; ``survey`` does it all for
several widths of the weights, and ``page`` shows that.
"""

from refsast.deploy.agreement import Agreement, compare_runs, rounding_bound
from refsast.deploy.c_code import write_c
from refsast.deploy.certificate import RoundingCertificate, certify_rounding
from refsast.deploy.conversion import round_weights, to_integers
from refsast.deploy.description import describe_integers
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
    "RoundingCertificate",
    "Survey",
    "WeightFormat",
    "certify_rounding",
    "compare_runs",
    "count_operations",
    "dequantise",
    "describe_integers",
    "load",
    "round_weights",
    "rounding_bound",
    "run",
    "save",
    "survey",
    "to_integers",
    "write_c",
]
