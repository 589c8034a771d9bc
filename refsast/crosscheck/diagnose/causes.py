"""Which search names the cause of a wrong answer: that of knobs, or that of faults of any network.

Rule 1: where the program with knobs computes a network, its knobs are asked first.
"""

from dataclasses import replace

from refsast.crosscheck.compare import Examination, ask_again
from refsast.crosscheck.diagnose.attribution import UNKNOWN, Cause, Explanation, attribute
from refsast.crosscheck.diagnose.faults.cause import find_cause
from refsast.crosscheck.diagnose.observations import observe
from refsast.crosscheck.implementation import Gradient
from refsast.model.glif import GLIF
from refsast.model.lif import LIF
from refsast.model.network import Network, describe_extension


def explain_answer(gradient: Gradient, exam: Examination) -> tuple[Explanation | None, Cause]:
    """Return what explains a wrong answer, None where nothing does, and the cause in words.

    None is looked for where a later call may give another answer than that one.
    """
    if not has_knobs(exam.case.network):
        return find_cause(gradient, exam)
    if ask_again(gradient, exam) is not None:
        says = "a later call of the same case gives another answer than the first two"
        return None, Cause(UNKNOWN, says, 0.0, 0.0, exact=False)
    found = attribute(observe(gradient, exam))
    if found[1].exact or exam.case.synapse is not None or "states" in exam.wrong:
        return found
    more = find_cause(gradient, exam)
    return more if more[1].exact else found


def has_knobs(network: Network) -> bool:
    """Whether knobs are of a network: of dense LIF layers that may learn where they start."""
    return not describe_extension(replace(network, neuron=tuple(map(_drop_start, network.neurons))))


def _drop_start(neuron: LIF | GLIF) -> LIF | GLIF:
    """A neuron at rest before the first step; itself where it has more than a LIF neuron has."""
    lif = GLIF(neuron.leak, neuron.threshold, neuron.spike, neuron.reset, neuron.detach_reset)
    leak, threshold = neuron.leak, neuron.threshold
    if neuron != replace(lif, learn_start=True):
        return neuron
    if not (isinstance(leak, int | float) and isinstance(threshold, int | float)):
        return neuron  # learned, or of each neuron
    return LIF(leak, threshold, neuron.spike, neuron.reset, neuron.detach_reset)
