"""THEORY 2, and the forms of THEORY 3: networks held at threshold, one term of a bound each."""

from dataclasses import dataclass, replace

import numpy as np

import refsast as rs
from proofs_check.attained.stability import SMALL
from proofs_check.certified.constants import map_curvature
from proofs_check.instances import LabelledBatch, TwoInputs, TwoParameterPoints, norm_caps
from refsast.arrays import Array
from refsast.model.params import replace_arrays
from refsast.model.spike import Spike

LINEAR = rs.Arctan(0.05)  # straight for potentials of a few units
# sigma' and abs(sigma'') are largest next to threshold, both.
CORNER = rs.PiecewiseQuadratic(1.0)
TWO_WAYS = np.array([[1.0], [-1.0]])


@dataclass(frozen=True)
class Chain:
    """A chain of layers of one neuron each, held near threshold by the input of the first.

    Attributes
    ----------
    neurons : tuple of LIF
        One per layer; only the first may be recurrent.
    steps : int
        How many.
    v : float or None
        Recurrent weight of the first layer.
    w : tuple of float
        Weight into each layer but the first, whose own is 1.
    offset : float
        Of the first potential, from threshold.
    out : (2, 1) array, or None
        Weights of a linear readout; without, a spike rate.
    readout : LeakyReadout or None
        In place of a linear readout.
    bias : (2,) array
        Of the readout.
    """

    neurons: tuple[rs.LIF, ...]
    steps: int = 1
    v: float | None = None
    w: tuple[float, ...] = ()
    offset: float = 0.0
    out: Array | None = None
    readout: rs.LeakyReadout | None = None
    bias: tuple[float, float] = (0.0, 0.0)

    def batch(self) -> LabelledBatch:
        """Return the network on the input that holds it, with a label that is wrong."""
        read = rs.SpikeRate(1.0) if self.out is None else self.readout or rs.LinearReadout(2)
        sizes = (1,) * (len(self.neurons) + 1)
        network = rs.Network(sizes, self.neurons, read, recurrent=self.v is not None)
        params, held = [], [self._layer(self.neurons[0], 1.0, self.v)]
        for neuron, w in zip(self.neurons[1:], self.w, strict=True):
            held.append(self._layer(neuron, w, None if self.v is None else 0.0))
            # Spikes of a half come from below, and nothing is left over from step to step.
            held[-1] = rs.Layer(held[-1].w, np.array([neuron.threshold - 0.5 * w]), held[-1].v)
        params = tuple(held)
        if self.out is not None:
            params = (*params, rs.Layer(self.out, np.array(self.bias)))
        return LabelledBatch(network, params, self._input(), np.ones(1, np.int64))

    def _layer(self, neuron: rs.LIF, w: float, v: float | None) -> rs.Layer:
        return rs.Layer(np.full((1, 1), w), np.zeros(1), None if v is None else np.full((1, 1), v))

    def _input(self) -> Array:
        """The input that takes the first potential to its place in one step, and holds it."""
        neuron = self.neurons[0]
        at = np.array(neuron.threshold + self.offset)
        s = neuron.spike(at - neuron.threshold)
        kept = neuron.reset(neuron.leak, neuron.threshold, at, s) + (self.v or 0.0) * s
        x = np.full(self.steps, at - kept)
        x[0] = at
        return x.reshape(-1, 1, 1)


def two_inputs(chain: Chain, along: Array | None = None) -> TwoInputs:
    """Return the chain on two inputs that differ a little, the same at every step unless given."""
    x = chain.batch()
    step = SMALL * (np.ones(len(x.x)) if along is None else along / np.max(along))
    return TwoInputs(x.network, x.params, x.x, x.x + step[:, None, None])


def two_points(x: LabelledBatch, *direction: Array | float) -> TwoParameterPoints:
    """Return the batch with a second point along a direction, one entry for each block."""
    blocks = [np.ones(1) * d for d in direction]
    arrays = [a for layer in x.params for a in (layer.w, layer.b, layer.v) if a is not None]
    moved = [a + np.broadcast_to(d, a.shape) for a, d in zip(arrays, blocks, strict=True)]
    points = replace_arrays(x.params, moved)
    return TwoParameterPoints(
        x.network, x.params, points, x.x, x.y, norm_caps(x.network, x.params, points)
    )


def saturated(n: int, *, steps: int = 1, upper: bool = False) -> LabelledBatch:
    """Return n neurons that fire wholly at every step, into one more layer or a readout."""
    neuron = rs.LIF(0.0, 1.0, CORNER, rs.NoReset())
    sizes, layers = (1, n), [rs.Layer(np.full((n, 1), 5.0), np.zeros(n), np.zeros((n, n)))]
    if upper:
        sizes = (1, n, 1)
        layers.append(rs.Layer(np.zeros((1, n)), np.zeros(1), np.zeros((1, 1))))
    network = rs.Network(sizes, neuron, rs.LinearReadout(2), recurrent=True)
    layers.append(rs.Layer(np.zeros((2, sizes[-1])), np.zeros(2)))
    return LabelledBatch(network, tuple(layers), np.ones((steps, 1, 1)), np.ones(1, np.int64))


def spread(*shape: int) -> Array:
    """Return a matrix of equal entries, of Frobenius norm 1."""
    return np.full(shape, 1.0 / np.sqrt(np.prod(shape)))


def curved_reset(neuron: rs.LIF) -> TwoParameterPoints:
    """Return a neuron that is curved most by its reset, and by little else."""
    point = map_curvature(neuron).point
    # On the side of the corner where the second derivative has its limit.
    at = point - neuron.threshold
    return two_points(Chain((neuron,), 2, offset=at + 1e-7 * np.sign(at or 1.0)).batch(), 0.0, 1.0)


def _leaky(spike: Spike, leak: float = 0.0) -> rs.LIF:
    """A neuron without a reset."""
    return rs.LIF(leak, 0.1, spike, rs.NoReset())


MEMORY = Chain((_leaky(LINEAR, 0.5),), 40, out=TWO_WAYS)
LOOP = Chain((_leaky(LINEAR),), 40, v=20.0, out=TWO_WAYS)
TWICE = Chain((_leaky(LINEAR), _leaky(LINEAR)), w=(3.0,), out=np.array([[3.0], [4.0]]))
FADING = Chain((_leaky(LINEAR),), 5, out=TWO_WAYS, readout=rs.LeakyReadout(2, 0.9))
WRONG = (50.0, -50.0)  # biases of a readout that make the wrong class certain
# Bends at every step in the same way: 1/(1 - 0.8) steps are remembered.
BENT_LOOP = Chain((_leaky(CORNER),), 60, v=0.8, offset=1e-6)


def _chain_points(chain: Chain, *direction: Array | float) -> TwoParameterPoints:
    return two_points(chain.batch(), *direction)


ATTAINED = {
    "2-pairs": {
        "one step": lambda: two_inputs(TWICE),
        "sum over steps": lambda: two_inputs(MEMORY),
        "recurrent weights": lambda: two_inputs(LOOP),
        "weights of the steps": lambda: two_inputs(FADING, rs.LeakyReadout(2, 0.9).time_weights(5)),
    },
    "2-gradient": {
        "one step": lambda: replace(TWICE, bias=WRONG, out=TWO_WAYS).batch(),
        "sum over steps": lambda: replace(MEMORY, bias=WRONG).batch(),
        "recurrent weights": lambda: replace(LOOP, bias=WRONG).batch(),
    },
    "3-first": {
        "inputs": lambda: _chain_points(Chain((_leaky(LINEAR),), offset=3.0), 1.0, 0.0),
        "bias": lambda: _chain_points(Chain((_leaky(LINEAR),)), 0.0, 1.0),
        "recurrent spikes": lambda: two_points(
            saturated(4, steps=2), 0.0, 0.0, spread(4, 4), 0.0, 0.0
        ),
        "sum over steps": lambda: _chain_points(Chain((_leaky(LINEAR, 0.9),), 60), 0.0, 1.0),
        "recurrent weights": lambda: _chain_points(LOOP, 0.0, 1.0, 0.0, 0.0, 0.0),
        "layer below": lambda: _chain_points(TWICE, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        "spikes of the layer below": lambda: two_points(
            saturated(4, upper=True), 0.0, 0.0, 0.0, spread(1, 4), 0.0, 0.0, 0.0, 0.0
        ),
        "readout's weights": lambda: two_points(saturated(4), 0.0, 0.0, 0.0, spread(2, 4), 0.0),
        "readout's bias": lambda: _chain_points(FADING, 0.0, 0.0, 0.0, 1.0),
    },
    "3-second": {
        "reset to zero": lambda: curved_reset(rs.LIF(1e-3, 1.0, rs.Arctan(2.0))),
        "reset by subtraction": lambda: curved_reset(
            rs.LIF(0.0, 1e-3, rs.Arctan(2.0), rs.Subtract())
        ),
        "recurrent curvature": lambda: _chain_points(BENT_LOOP, 0.0, 1.0, 0.0),
        "weights and the layer below": lambda: _chain_points(
            replace(TWICE, w=(0.0,), out=None), 0.0, 1.0, 1.0, 0.0
        ),
        "recurrent weights": lambda: _chain_points(
            Chain((_leaky(LINEAR),), 3, v=0.0), 0.0, 1.0, 0.01
        ),
        "curvature of the layer below": lambda: _chain_points(
            Chain((_leaky(CORNER), _leaky(CORNER)), w=(1.0,), offset=1e-6), 0.0, 1.0, 0.0, 0.0
        ),
        "second derivative of the layer below": lambda: _chain_points(
            replace(BENT_LOOP, neurons=(_leaky(CORNER),) * 2, w=(1.0,)),
            0.0,
            1.0,
            0.0,
            0.0,
            0.0,
            0.0,
        ),
        "readout's weights": lambda: _chain_points(
            Chain((_leaky(LINEAR),), out=0.0 * TWO_WAYS), 0.0, 1.0, 1.0, 0.0
        ),
        "curvature of the last spikes": lambda: _chain_points(
            Chain((_leaky(CORNER),), offset=1e-6, out=TWO_WAYS), 0.0, 1.0, 0.0, 0.0
        ),
        "second derivative of the last spikes": lambda: _chain_points(
            replace(BENT_LOOP, out=TWO_WAYS), 0.0, 1.0, 0.0, 0.0, 0.0
        ),
    },
}
