"""The numbers that a layer computes with: leaks, what a spike takes off, those of its synapse."""

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import Dials
from refsast.crosscheck.diagnose.knobs.resets import RESETS, reset_parts
from refsast.model.params import Layer

BIAS_FIRES = "bias in the spike alone"
DEAF = "input multiplied by what a spike leaves"


def membrane_leak(case: Case, index: int, dials: Dials) -> Array | float:
    """Return the leak of a layer's potential."""
    leak = dials.read("leak", index, case.network.neurons[index].leak)
    if case.synapse is None or not dials.turns("leaks exchanged", index):
        return leak
    return leak + dials.read("leaks exchanged", index, 0.0) * (case.synapse.leak - leak)


def reset_amounts(
    case: Case, index: int, dials: Dials, side: str = ""
) -> tuple[Array | float, Array | float, Array | float]:
    """What a full spike takes off: per potential, a constant, per drive."""
    neuron = case.network.neurons[index]
    leak = membrane_leak(case, index, dials)
    theta = dials.read("threshold", index, neuron.threshold)
    if side:
        leak = dials.read("leak" + side, index, leak)
    theta = dials.read("subtracts", index, theta)
    zero, subtract, leaked, wiped = reset_parts(neuron, index, dials)
    if any(dials.turns(name + side, index) for name in RESETS):
        zero, subtract, leaked, wiped = reset_parts(neuron, index, dials, side)
    share = dials.read("reset share", index, 1.0)
    constant = subtract * theta + leaked * leak * theta - dials.read("reset to", index, 0.0)
    return share * zero * leak, share * constant, share * wiped + dials.read(DEAF, index, 0.0)


def synapse_numbers(
    case: Case, index: int, dials: Dials
) -> tuple[Array | float, Array | float, Array | float]:
    """Scale, leak, and share of the delayed current, of a layer's synapse."""
    synapse = case.synapse
    scale, kept, delayed = (
        (1.0, 0.0, 0.0) if synapse is None else (synapse.scale, synapse.leak, synapse.delayed)
    )
    if case.synapse is not None and dials.turns("leaks exchanged", index):
        share, leak = dials.read("leaks exchanged", index, 0.0), case.network.neurons[index].leak
        kept = kept + share * (leak - kept)
    if dials.turns("synapse unused", index):
        used = 1.0 - np.asarray(dials.read("synapse unused", index, 0.0))
        scale, kept, delayed = 1.0 + used * (scale - 1.0), used * kept, used * float(delayed)
    return (
        dials.read("input scale", index, scale),
        dials.read("synapse leak", index, kept),
        dials.read("synapse delay", index, np.asarray(delayed, dtype=np.float64)),
    )


def trace_leak(case: Case, index: int) -> float:
    """Return the leak of the layer below, if there is one."""
    return case.network.neurons[index - 1].leak if index > 0 else 0.0


def hold_bias(layer: Layer, index: int, dials: Dials) -> Array | float:
    """Return what of the bias a spike hears, and no potential."""
    if layer.b is None or not dials.turns(BIAS_FIRES, index):
        return 0.0
    return dials.read(BIAS_FIRES, index, 0.0) * layer.b
