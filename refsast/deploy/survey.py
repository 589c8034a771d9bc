"""One trained network in integers of several widths: what it still reads, and what that costs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array, Integers
from refsast.deploy.certificate import certify_rounding
from refsast.deploy.network import IntegerLayer, IntegerNetwork, require_dense, with_weights
from refsast.deploy.operations import count_operations
from refsast.deploy.run import IntegerTrace
from refsast.deploy.run import run as run_integers
from refsast.experiment.evaluate import accuracy, iterate_pairs, predict
from refsast.model import Network, Params, Trace, heaviside
from refsast.model.validation import validate_dataset
from refsast.spikes import Spikes

Recordings: TypeAlias = NDArray[np.generic] | Spikes
CHUNK = 64  # recordings run at a time


@dataclass(frozen=True)
class Deployed:
    """A network in one width, on some recordings.

    Attributes
    ----------
    bits : int
        Of a weight.
    weights_alone : float
        Accuracy with hard spikes, these weights, and all else, biases too, in real numbers.
    accuracy : float
        Of the integer network.
    same_class : float
        Share of recordings that it answers as the real hard network does.
    overflows : float
        Share of potentials that did not fit into their format.
    synaptic : float
        Synaptic operations per recording.
    nonzero : float
        Those over weights that are not zero.
    certified : float
        Share of recordings that every rounding of this width provably answers as the real hard
        network does: `certify_rounding`.
    """

    bits: int
    weights_alone: float
    accuracy: float
    same_class: float
    overflows: float
    synaptic: float
    nonzero: float
    certified: float


@dataclass(frozen=True)
class Survey:
    """What `survey` found.

    Attributes
    ----------
    recordings : int
        How many were run.
    smooth, hard : float
        Accuracy of the network in real numbers, with smooth and with hard spikes.
    dense : float
        Multiplications per recording if every input were multiplied at every step.
    synaptic : float
        Synaptic operations per recording of the hard network in real numbers.
    updates : float
        Leaks of a potential per recording.
    deployed : tuple of Deployed
        One per width, as asked for.
    """

    recordings: int
    smooth: float
    hard: float
    dense: float
    synaptic: float
    updates: float
    deployed: tuple[Deployed, ...]


def survey(
    made: Sequence[IntegerNetwork],
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    watch: Callable[[int], object] = lambda more: None,
) -> Survey:
    """Return how one network reads recordings in integers, of several formats.

    Parameters
    ----------
    made : sequence of IntegerNetwork
        The network in each format, at least one; all made of the same one.
    params : tuple of Layer
        Its parameters in real numbers.
    x : (time, n, n_0) array of integers, or Spikes
        Recordings, at least one.
    y : (n,) array of int
        Labels.
    watch : callable, optional
        Told how many more formats are done.

    Returns
    -------
    Survey
        Accuracies and costs.

    Raises
    ------
    ValueError
        As `run` and `certify_rounding`; where recordings do not fit the network; where networks
        differ, or have other than dense layers.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> made = rs.deploy.to_integers(network, params)
    >>> found = rs.deploy.survey([made], params, np.ones((4, 1, 2)), [2])
    >>> [(each.bits, each.same_class, each.certified) for each in found.deployed]
    [(8, 1.0, 1.0)]
    """
    if not made or any(each.network != made[0].network for each in made):
        raise ValueError(f"made must be of one network, got {len(made)} networks that differ")
    network = made[0].network
    require_dense(made[0], "a survey")
    x, labels = validate_dataset(network, x, y)
    smooth, hard, cost = _run_real(network, params, x)
    deployed = []
    for each in made:
        alone = predict(network, with_weights(each, params), x, heaviside)
        shares = (
            accuracy(alone, labels),
            float(certify_rounding(network, params, x, each.formats).certified.mean()),
        )
        deployed.append(_measure(each, x, labels, hard.argmax(axis=1), *shares))
        watch(1)
    dense, synaptic, _, updates = (float(total) / len(labels) for total in cost)
    return Survey(
        len(labels), accuracy(smooth, labels), accuracy(hard, labels),
        dense, synaptic, updates, tuple(deployed),
    )  # fmt: skip


def _measure(
    made: IntegerNetwork,
    x: Recordings,
    labels: Integers,
    answers: Integers,
    alone: float,
    certified: float,
) -> Deployed:
    """Run one integer network; `answers` are those of the real one with hard spikes."""
    logits, outside, potentials, costs = [], 0, 0, []
    for part in _chunks(x):
        trace = run_integers(made, part)
        logits.append(trace.logits)
        outside += sum(int(count.sum()) for count in trace.overflows)
        potentials += sum(u.size for u in trace.u)
        costs.append(_costs(made.layers, part, trace))
    ours, (_, synaptic, nonzero, _) = np.concatenate(logits), np.sum(costs, axis=0)
    return Deployed(
        made.formats.weights.bits,
        alone,
        accuracy(ours, labels),
        float((ours.argmax(axis=1) == answers).mean()),
        outside / potentials,
        float(synaptic) / len(labels),
        float(nonzero) / len(labels),
        certified,
    )


def _run_real(network: Network, params: Params, x: Recordings) -> tuple[Array, Array, Integers]:
    """The logits with smooth and with hard spikes, and what all hard runs together cost."""
    smooth, hard, costs = [], [], []
    for part in _chunks(x):
        ((ours, swapped),) = iterate_pairs(network, params, part)
        smooth.append(ours.logits)
        hard.append(swapped.logits)
        costs.append(_costs(params, part, swapped))
    return np.concatenate(smooth), np.concatenate(hard), np.sum(costs, axis=0)


def _chunks(x: Recordings) -> Iterator[Recordings]:
    for start in range(0, x.shape[1], CHUNK):
        yield x[:, start : start + CHUNK]


def _costs(
    layers: Params | tuple[IntegerLayer, ...], x: Recordings, trace: Trace | IntegerTrace
) -> Integers:
    """Dense products, synaptic operations, those over nonzero weights, updates: of all layers."""
    costs = count_operations(layers, x, trace)
    return np.array(
        [[c.dense.sum(), c.synaptic.sum(), c.nonzero.sum(), c.updates.sum()] for c in costs]
    ).sum(axis=0)
