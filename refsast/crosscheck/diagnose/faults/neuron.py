"""All faults of a neuron."""

from collections.abc import Iterator

from refsast.crosscheck.diagnose.faults.adaptation import adaptation_faults
from refsast.crosscheck.diagnose.faults.detached import detached_faults
from refsast.crosscheck.diagnose.faults.fault import Fault
from refsast.crosscheck.diagnose.faults.learned import (
    all_learned_faults,
    alone_faults,
    learned_faults,
    path_faults,
)
from refsast.crosscheck.diagnose.faults.numbers import NUMBER_WORDS, number_faults
from refsast.crosscheck.diagnose.faults.recurrence import recurrent_faults
from refsast.crosscheck.diagnose.faults.reset import reset_faults
from refsast.crosscheck.diagnose.faults.spike import spike_faults
from refsast.crosscheck.diagnose.faults.synapse import synapse_faults


def neuron_faults() -> Iterator[Fault]:
    """Yield the faults of a neuron."""
    yield from detached_faults()
    yield from reset_faults()
    yield from path_faults()
    yield from alone_faults()
    yield from number_faults()
    yield from spike_faults()
    yield from synapse_faults()
    yield from adaptation_faults()
    yield from recurrent_faults()
    for name in NUMBER_WORDS:
        yield from learned_faults(name)
    yield from all_learned_faults()
