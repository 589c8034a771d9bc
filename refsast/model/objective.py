"""From the spikes of the last layer to the loss, for every readout and loss, and back by hand.

Most networks need less: a readout that is linear in time and the cross entropy of its logits, which
`gradient.bptt` writes out.
"""

from typing import Any

import numpy as np

from refsast.arrays import Array, Integers
from refsast.model.loss import (
    CrossEntropy,
    MeanSquaredRate,
    StepCrossEntropy,
    cross_entropy,
    loss_and_cotangent,
    one_hot,
)
from refsast.model.network import Network
from refsast.model.output_potential import (
    mark_largest,
    output_potentials,
    output_potentials_back,
)
from refsast.model.params import Params
from refsast.model.readout import (
    Direct,
    LeakyReadout,
    MaxPotential,
    MeanPotential,
    SpikeRate,
    mean_populations,
    pool,
    pooled_back,
    pooled_logits,
    spread_populations,
)
from refsast.model.unroll import readout_logits


def is_usual(network: Network) -> bool:
    """Whether the loss is the cross entropy of logits that are linear in the spikes."""
    linear = not isinstance(network.readout, MaxPotential | MeanPotential)
    return linear and isinstance(network.loss, CrossEntropy)


def objective(network: Network, params: Params, s: Array, y: Integers) -> Array:
    """Return the loss, from what is read of the last layer (time, batch, n); on the tape, too."""
    if isinstance(network.loss, StepCrossEntropy):
        z = step_logits(network, params, s)
        return cross_entropy(z.reshape(-1, z.shape[-1]), np.tile(y, s.shape[0]))
    logits = readout_logits(network, params, s)
    if isinstance(network.loss, MeanSquaredRate):
        excess, _ = _excess_rates(network, logits, y)
        return np.mean(excess * excess)  # pyright: ignore[reportReturnType]
    return cross_entropy(logits, y)


def step_logits(network: Network, params: Params, s: Array) -> Array:
    """Return what the readout says at each step, (time, batch, classes)."""
    readout = network.readout
    if isinstance(readout, Direct):
        return readout.gain * mean_populations(readout, s)
    leak = readout.leak if isinstance(readout, LeakyReadout) else 0.0
    return output_potentials(leak, params[-1], s)


def objective_back(
    network: Network, params: Params, s: Array, y: Integers
) -> tuple[Array, Array, Params]:
    """Return the loss, its cotangent of what is read, and the gradients of the readout, by hand."""
    readout, time = network.readout, len(s)
    if isinstance(network.loss, StepCrossEntropy):
        z = step_logits(network, params, s)
        loss, g = loss_and_cotangent(z.reshape(-1, z.shape[-1]), np.tile(y, time))
        return loss, *_steps_back(network, params, s, g.reshape(z.shape))
    if isinstance(readout, MaxPotential):
        v = output_potentials(readout.leak, params[-1], s)
        marks = mark_largest(v)
        loss, g = loss_and_cotangent(np.where(marks, v, 0.0).sum(axis=0), y)
        g_s, layer = output_potentials_back(readout.leak, params[-1], s, marks * g)
        return loss, g_s, (layer,)
    pooled = pool(readout, s)
    loss, g = _logits_back(network, pooled_logits(readout, params, pooled, time), y)
    in_pooled, grads = pooled_back(readout, params, pooled, g, time)
    return loss, np.einsum("t,bi->tbi", readout.time_weights(time), in_pooled), grads


def _logits_back(network: Network, logits: Array, y: Integers) -> tuple[Array, Array]:
    if not isinstance(network.loss, MeanSquaredRate):
        return loss_and_cotangent(logits, y)
    excess, gain = _excess_rates(network, logits, y)
    loss: Any = np.mean(excess * excess)
    return loss, 2.0 * excess / (excess.size * gain)


def _steps_back(network: Network, params: Params, s: Array, g: Array) -> tuple[Array, Params]:
    """What spikes and readout receive of `g`, the cotangent of `step_logits`."""
    readout = network.readout
    if isinstance(readout, Direct):
        return readout.gain * spread_populations(readout, g), ()
    leak = readout.leak if isinstance(readout, LeakyReadout) else 0.0
    g_s, layer = output_potentials_back(leak, params[-1], s, g)
    return g_s, (layer,)


def _excess_rates(network: Network, logits: Array, y: Integers) -> tuple[Array, float]:
    """By how much rates exceed those that `MeanSquaredRate` wants, and the readout's gain."""
    loss, readout = network.loss, network.readout
    assert isinstance(loss, MeanSquaredRate)
    assert isinstance(readout, SpikeRate)
    wanted = loss.wrong + (loss.right - loss.wrong) * one_hot(y, network.classes)
    return logits / readout.gain - wanted, readout.gain
