"""The run without errors, forward and backward by hand, which `gradient.noise` perturbs."""

from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array, Integers
from refsast.gradient.noise_layer import Clean, exact_dials, no_jitter, run_adjoints
from refsast.model.loss import one_hot, softmax
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.synapse import Synapse
from refsast.model.unroll import input_currents


@dataclass(frozen=True, eq=False)
class Run:
    """The question, and the run without errors.

    Attributes
    ----------
    network, synapse, hard
        As in `crosscheck.Case`.
    truth : (batch, classes) array
        The labels, one-hot.
    alpha : (time, 1, 1, 1) array
        The readout's weights of the steps.
    readout : Layer
        The readout; of one without parameters the identity.
    layers : tuple of Clean
        The spiking layers.
    logits, g : (1, batch, classes) array
        Logits, and the loss's derivative in them.
    pooled : (1, batch, n) array
        What the readout reads.
    """

    network: Network
    synapse: Synapse | None
    hard: bool
    truth: Array
    alpha: Array
    readout: Layer
    layers: tuple[Clean, ...]
    pooled: Array
    logits: Array
    g: Array


def run_clean(
    network: Network,
    params: Params,
    x: Array,
    y: Integers,
    us: tuple[Array, ...],
    ss: tuple[Array, ...],
    *,
    synapse: Synapse | None = None,
    hard: bool = False,
) -> Run:
    """Return the run without errors, given its states; nothing is validated."""
    alpha = network.readout.time_weights(len(x)).reshape(-1, 1, 1, 1)
    has_params = network.readout.n_out is not None
    readout = params[-1] if has_params else Layer(np.eye(network.classes))
    truth = one_hot(y, network.classes)
    pooled = (alpha * ss[-1][:, None]).sum(axis=0)
    logits = compute_logits(readout, pooled, alpha.sum(axis=0))
    g = (softmax(logits) - truth) / len(y)
    cotangent, layers = alpha * (g @ readout.w), []
    for i in reversed(range(len(us))):
        neuron, layer = network.neurons[i], params[i]
        a, u, s = (each[:, None] for each in ((x, *ss)[i], us[i], ss[i]))
        inflow = input_currents(layer, a[:, 0])[:, None]
        dials = exact_dials(neuron, synapse)
        adjoints = run_adjoints(neuron, layer, synapse, dials, u, s, cotangent, no_jitter)
        layers.insert(0, Clean(neuron, layer, a, inflow, u, s, cotangent, *adjoints))
        cotangent = adjoints[1] @ layer.w if i > 0 else cotangent
    return Run(network, synapse, hard, truth, alpha, readout, tuple(layers), pooled, logits, g)


def compute_logits(readout: Layer, pooled: Array, weight: Array) -> Array:
    """The logits, of what is pooled over time, and of the sum of the steps' weights."""
    z = pooled @ readout.w.T
    return z if readout.b is None else z + readout.b * weight


def compute_losses(run: Run, z: Array) -> Array:
    """The mean cross entropy of each repeat's logits."""
    z = z - z.max(axis=-1, keepdims=True)
    each = np.log(np.exp(z).sum(axis=-1)) - (z * run.truth).sum(axis=-1)
    return each.mean(axis=-1)
