"""What a network is worth: accuracy with smooth and with hard spikes, and the gap between them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, Integers
from refsast.model import Network, Params, Trace, heaviside, run
from refsast.model.glif_step import thresholds
from refsast.model.loss import cross_entropy
from refsast.model.network import replace_spikes
from refsast.model.objective import is_usual, objective
from refsast.model.params import cast_float64, map_params
from refsast.model.readout import read_layer
from refsast.model.spike import Spike
from refsast.model.unroll import layer_currents, unroll
from refsast.model.validation import validate_dataset, validate_run
from refsast.spikes import Spikes

CHUNK = 256  # recordings at a time, which bounds the memory


@dataclass(frozen=True)
class Scores:
    """The worth of one network on one set of recordings.

    Attributes
    ----------
    loss : float
        Mean cross entropy with smooth spikes, in nats.
    smooth, hard : float
        Share of recordings read correctly with smooth and with hard spikes, in [0, 1]. Of equal
        logits the first counts, as ``numpy.argmax`` has it.
    hard_shared : float or None
        The same for hard spikes by another rule for ties: where k logits are the largest, and the
        label's is one of them, the recording counts 1/k. None in records written before it existed,
        as the next two.
    tied : float or None
        Share of recordings whose largest logit, with hard spikes, is that of several classes.
    silent : float or None
        Share of recordings for which, with hard spikes, no neuron of the last spiking layer fires.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> scores = rs.evaluate(network, params, x, y)
    >>> scores.smooth - scores.hard  # the transfer gap
    0.0
    """

    loss: float
    smooth: float
    hard: float
    hard_shared: float | None = None
    tied: float | None = None
    silent: float | None = None

    @property
    def gap(self) -> float:
        """The transfer gap: what the swap to hard spikes costs, ``smooth - hard``."""
        return self.smooth - self.hard


def evaluate(network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike) -> Scores:
    """Return loss and accuracy with smooth spikes, and accuracy with hard ones.

    Parameters
    ----------
    network, params : Network, tuple of Layer
        The network and its parameters.
    x : (time, n, n_0) array, or Spikes
        Recordings; any number of them, at least one.
    y : (n,) array of int
        Labels in [0, classes).

    Returns
    -------
    Scores
        On these recordings.

    Raises
    ------
    ValueError
        If recordings or labels do not fit the network.

    References
    ----------
    DESIGN, "SAST in four lines": nothing changes in the swap but the spike.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> scores = rs.evaluate(network, params, x, y)
    >>> scores.smooth, scores.hard
    (1.0, 1.0)
    """
    x, labels = validate_dataset(network, x, y)
    smooth, hard, fires, losses = [], [], [], []
    wide, start = map_params(cast_float64, params), 0
    for ours, swapped in iterate_pairs(network, params, x):
        smooth.append(ours.logits)
        hard.append(swapped.logits)
        fires.append(swapped.s[-1].any(axis=(0, 2)))
        part = labels[start : start + len(ours.logits)]
        losses.append(len(part) * _loss(network, wide, ours, part))
        start += len(part)
    smooth, hard, fires = map(np.concatenate, (smooth, hard, fires))
    best = hard == hard.max(axis=1, keepdims=True)
    count = best.sum(axis=1)
    shared = best[np.arange(len(labels)), labels] / count
    return Scores(
        sum(losses) / len(labels),
        accuracy(smooth, labels),
        accuracy(hard, labels),
        hard_shared=float(shared.mean()),
        tied=float((count > 1).mean()),
        silent=float(1.0 - fires.mean()),
    )


def _loss(network: Network, wide: Params, trace: Trace, labels: Integers) -> float:
    """The mean loss of some recordings, in double precision as the parameters `wide`."""
    if is_usual(network):
        return float(cross_entropy(trace.logits.astype(np.float64), labels))
    last = cast_float64(read_layer(network.readout, trace.u[-1], trace.s[-1]))
    return float(objective(network, wide, last, labels))


def accuracy(logits: Array, labels: Integers) -> float:
    """Return the share of recordings whose largest logit is the label's."""
    return float((logits.argmax(axis=1) == labels).mean())


def predict(
    network: Network, params: Params, x: ArrayLike | Spikes, spike: Spike | None = None
) -> Array:
    """Return the logits (n, classes) of any number of recordings, a chunk at a time."""
    return np.concatenate([trace.logits for trace in iterate_traces(network, params, x, spike)])


def iterate_traces(
    network: Network, params: Params, x: ArrayLike | Spikes, spike: Spike | None = None
) -> Iterator[Trace]:
    """Yield the runs of any number of recordings, a chunk at a time."""
    x = x if isinstance(x, Spikes) else np.asarray(x)
    for start in range(0, x.shape[1], CHUNK):
        yield run(network, params, x[:, start : start + CHUNK], spike)


def iterate_pairs(
    network: Network, params: Params, x: ArrayLike | Spikes
) -> Iterator[tuple[Trace, Trace]]:
    """Yield the runs with smooth and with hard spikes, a chunk of recordings at a time.

    The first layer's product with the input, most of the work, serves both.
    """
    hard = replace_spikes(network, lambda _: heaviside)
    x = x if isinstance(x, Spikes) else np.asarray(x)
    for start in range(0, x.shape[1], CHUNK):
        own, dense = validate_run(network, params, x[:, start : start + CHUNK])
        first = layer_currents(network, 0, own[0], [dense])
        yield unroll(network, own, dense, first), unroll(hard, own, dense, first)


def potential_histogram(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    edges: Array,
    spike: Spike | None = None,
) -> Array:
    """Return how often each distance from threshold, ``u - threshold``, occurs: (layers, bins).

    Shares of all potentials of a layer, over steps, recordings and neurons; they sum to one unless
    some lie beyond the `edges`. `spike` stands in for every neuron's own, as for `run`.
    """
    counts = np.zeros((len(network.neurons), len(edges) - 1))
    totals = np.zeros((len(network.neurons), 1))
    for trace in iterate_traces(network, params, x, spike):
        for i, (neuron, u) in enumerate(zip(network.neurons, trace.u, strict=True)):
            counts[i] += np.histogram(u - thresholds(neuron, params[i], trace.s[i]), edges)[0]
            totals[i] += u.size
    return counts / totals
