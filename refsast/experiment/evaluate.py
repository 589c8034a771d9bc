"""What a network is worth: accuracy with smooth and with hard spikes, and the gap between them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, Integers
from refsast.model import Network, Params, Trace, heaviside, run
from refsast.model.glif_step import thresholds
from refsast.model.loss import cross_entropy
from refsast.model.objective import is_usual, objective
from refsast.model.params import cast_float64, map_params
from refsast.model.readout import read_layer
from refsast.model.spike import Spike
from refsast.model.validation import validate_dataset
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
    loss, smooth = _run_smooth(network, params, x, labels)
    hard, fires = _run_hard(network, params, x)
    best = hard == hard.max(axis=1, keepdims=True)
    count = best.sum(axis=1)
    shared = best[np.arange(len(labels)), labels] / count
    return Scores(
        loss,
        accuracy(smooth, labels),
        accuracy(hard, labels),
        hard_shared=float(shared.mean()),
        tied=float((count > 1).mean()),
        silent=float(1.0 - fires.mean()),
    )


def _run_smooth(
    network: Network, params: Params, x: ArrayLike | Spikes, labels: Integers
) -> tuple[float, Array]:
    """The mean loss, and the logits, with smooth spikes."""
    # In double precision: a mean over many recordings in single precision would lose digits.
    if is_usual(network):
        logits = predict(network, params, x)
        return float(cross_entropy(logits.astype(np.float64), labels)), logits
    wide, found, total, start = map_params(cast_float64, params), [], 0.0, 0
    for trace in iterate_traces(network, params, x):
        found.append(trace.logits)
        part = labels[start : start + len(trace.logits)]
        last = cast_float64(read_layer(network.readout, trace.u[-1], trace.s[-1]))
        total += len(part) * float(objective(network, wide, last, part))
        start += len(part)
    return total / len(labels), np.concatenate(found)


def _run_hard(network: Network, params: Params, x: ArrayLike | Spikes) -> tuple[Array, Array]:
    """The logits with hard spikes, and for which recordings the last spiking layer fires."""
    traces = [
        (trace.logits, trace.s[-1].any(axis=(0, 2)))
        for trace in iterate_traces(network, params, x, heaviside)
    ]
    logits, fires = zip(*traces, strict=True)
    return np.concatenate(logits), np.concatenate(fires)


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
