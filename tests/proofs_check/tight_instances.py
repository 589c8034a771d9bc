"""Networks and steps worked out by hand, each of which attains a bound or nearly does."""

from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.descent.counterexamples import bowl_step, bowl_sum
from proofs_check.descent.enumeration import SastPath, SastStep
from refsast.arrays import Array

Instance = tuple[rs.Network, rs.Params, Array]
FLAT = rs.Arctan(1e-3)  # fires about half wherever it is
RATE = rs.SpikeRate(1.0)


def one_neuron(neuron: rs.LIF, currents: tuple[float, ...], v: float | None = None) -> Instance:
    """One neuron, driven by these currents."""
    network = rs.Network((1, 1), neuron, RATE, bias=False, recurrent=v is not None)
    layer = rs.Layer(np.eye(1), v=None if v is None else np.full((1, 1), v))
    return network, (layer,), np.array(currents)[:, None, None]


def two_layers(
    neuron: rs.LIF,
    weight: float,
    biases: tuple[float, float],
    steps: int = 1,
    readout: rs.SpikeRate | rs.LeakyReadout = RATE,
    copies: int = 1,
) -> Instance:
    """Neurons just above threshold, which smooth fires half, into two: +weight, -weight in sum."""
    first = replace(neuron, leak=0.0, spike=FLAT)
    network = rs.Network((1, copies, 2), (first, neuron), readout)
    layers = (
        rs.Layer(np.ones((copies, 1)), b=np.full(copies, 1.0 + 1e-9)),
        rs.Layer(np.outer([weight, -weight], np.full(copies, 1.0 / copies)), b=np.array(biases)),
    )
    if readout.n_out is not None:
        layers = (*layers, rs.Layer(np.eye(2), b=np.zeros(2)))
    return network, layers, np.zeros((steps, 1, 1))


STEEP = rs.Arctan(40.0)
# theta = 1: the first of the two neurons fires with margin 0.5, the second is 0.5 below; the half
# spike that is missing below moves each by almost 0.25, half its margin, towards threshold.
HALFWAY = (0.499, (1.001, 0.999))
PUSHED = two_layers(rs.LIF(0.0, 1.0, STEEP), *HALFWAY)
PUSHED_BY_FOUR = two_layers(rs.LIF(0.0, 1.0, STEEP), *HALFWAY, copies=4)
PUSHED_LONG = two_layers(rs.LIF(0.9, 1.0, STEEP, rs.NoReset()), 0.38, (2.42, -0.42), steps=6)
PUSHED_LEAKY = two_layers(rs.LIF(0.0, 1.0, STEEP), *HALFWAY, 5, rs.LeakyReadout(2, 0.9))
THROUGH_RESET = {
    "to zero": one_neuron(rs.LIF(1e-3, 1.0, FLAT), (1.002, 1.002)),
    "subtract": one_neuron(rs.LIF(0.0, 1.0, FLAT, rs.Subtract()), (2.1, 3.2)),
    "leaked": one_neuron(rs.LIF(1e-2, 1.0, FLAT, rs.Subtract(leaked=True)), (1.1, 1.2)),
}
THROUGH_RECURRENCE = one_neuron(rs.LIF(0.0, 1.0, FLAT, rs.NoReset()), (2.1, 2.1), v=1.0)
# Pushed across: the half spike moves each by 0.75, and their margin is 0.5.
CROSSED = two_layers(rs.LIF(0.0, 1.0, STEEP), 1.5, (0.0, 2.0))
# Pushed by 0.4 of 0.5: on the right side still, but nearer to threshold than half the margin.
PUSHED_TOO_FAR = two_layers(rs.LIF(0.0, 1.0, STEEP), 0.8, (0.7, 1.3))
INSTANCES = {
    "pushed": PUSHED,
    "pushed by four": PUSHED_BY_FOUR,
    "pushed for long": PUSHED_LONG,
    "pushed, leaky readout": PUSHED_LEAKY,
    "through recurrence": THROUGH_RECURRENCE,
    **{f"through reset, {name}": instance for name, instance in THROUGH_RESET.items()},
}


def tight_step(eta: float = 1.0) -> SastStep:
    """A step that attains 5a at eta = 1, and 5a-sharp at any eta."""
    return bowl_step(1.0, -1.0, w=0.5, rho=2.0, eta=eta, variance=1.0)


def tight_path() -> SastPath:
    """The path on which 5b is attained at K = 1: plain descent of a bowl, in one step."""
    return SastPath(bowl_step(0.0, w=1.0), 1, bowl_sum(0.0).lower)
