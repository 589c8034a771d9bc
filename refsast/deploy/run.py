"""The hard forward pass of an integer network, in integers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.deploy.accumulators import require_accumulator, require_counts, require_sum
from refsast.deploy.connections import connect_integers
from refsast.deploy.formats import Ints
from refsast.deploy.network import IntegerLayer, IntegerNetwork
from refsast.model.network import Network
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class IntegerTrace:
    """Everything that happened in a run in integers.

    Attributes
    ----------
    u : tuple of (time, batch, n) array of int64
        Potentials, in units of the last place, one array per spiking layer.
    s : tuple of (time, batch, n) array of int64
        Spikes, zeros and ones.
    logits : (batch, classes) array of int64
        Counts of spikes per class, or the affine readout's sums over all steps; the largest is
        the answer, the first of several.
    overflows : tuple of (time, batch) array of int64
        How many potentials of each layer did not fit into their format.
    """

    u: tuple[Ints, ...]
    s: tuple[Ints, ...]
    logits: Ints
    overflows: tuple[Ints, ...]


def run(made: IntegerNetwork, x: ArrayLike | Spikes) -> IntegerTrace:
    """Run an integer network on a batch, from rest.

    In a step a potential is leaked and reset as the last spike says, the input is added in 32 bits,
    and the sum is stored in the format of the potentials; then it is compared with the threshold.
    Products of inputs and weights are taken in double precision, in which integers below 2^53 and
    their sums are exact.

    Parameters
    ----------
    made : IntegerNetwork
        The network.
    x : (time, batch, n_0) array of integers, or Spikes
        Spikes or counts per step.

    Returns
    -------
    IntegerTrace
        Potentials, spikes, logits, and how many potentials did not fit.

    Raises
    ------
    ValueError
        If `x` has another shape or holds other than integers, or if counts are so large that the
        sum of a step could exceed 32 bits.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> trace = rs.deploy.run(made, np.ones((4, 1, 2), int))
    >>> trace.u[0].shape, trace.logits.shape, trace.overflows[0].any()
    ((4, 1, 3), (1, 3), np.False_)
    """
    if not isinstance(made, IntegerNetwork):
        raise ValueError(f"made must be an IntegerNetwork, got {type(made).__name__}")
    a = read_counts(made, x)
    us, ss, overflows = [], [], []
    for i in range(len(made.layers)):
        u, a, count = _run_layer(made, i, a)
        us.append(u)
        ss.append(a)
        overflows.append(count)
    return IntegerTrace(tuple(us), tuple(ss), _read(made, a), tuple(overflows))


def read_counts(made: IntegerNetwork, x: ArrayLike | Spikes) -> Ints:
    """Return counts as integers; ValueError if a sum over them could exceed its 32 bits."""
    a = require_counts(x.dense() if isinstance(x, Spikes) else x, made.network.sizes[0])
    require_accumulator(made.layers[0], 1, int(abs(a).max()), made.formats)
    if made.readout is not None:
        require_sum(made.readout, len(a), made.formats)
    return a


def _run_layer(made: IntegerNetwork, i: int, a: Ints) -> tuple[Ints, Ints, Ints]:
    """Potentials and spikes of a layer, and how many potentials did not fit."""
    layer, potentials = made.layers[i], made.formats.potentials
    part = 2**potentials.fraction_bits
    chain, shapes = made.network.chains[i], made.network.chain_shapes[i]
    currents = connect_integers(chain, shapes, part * layer.w, layer.b, a)
    u = s = np.zeros(currents.shape[1:], np.int64)
    us, ss = np.empty_like(currents), np.empty_like(currents)
    overflows = np.empty(currents.shape[:2], np.int64)
    for t, current in enumerate(currents):
        recurrent = 0 if layer.v is None else part * multiply(s, layer.v)
        u, outside = potentials.fit(carry(layer, u, s) + current + recurrent)
        s = (u >= layer.threshold).astype(np.int64)
        us[t], ss[t], overflows[t] = u, s, outside.sum(axis=1)
    return us, ss, overflows


def carry(layer: IntegerLayer, u: Ints, s: Ints) -> Ints:
    """Return what is left of potentials after leak and reset."""
    leak, drop = layer.leak, layer.threshold * s
    match layer.reset:
        case ToZero():
            return leak.apply(u) * (1 - s)
        case Subtract(leaked=True):
            return leak.apply(u - drop)
        case Subtract():
            return leak.apply(u) - drop
        case NoReset():
            return leak.apply(u)


def multiply(a: Ints, w: Ints) -> Ints:
    """Return ``W a`` of integers, (..., n): exact, since no sum reaches 2^53."""
    return np.rint(a.astype(np.float64) @ w.T.astype(np.float64)).astype(np.int64)


def _read(made: IntegerNetwork, s: Ints) -> Ints:
    """The integer logits of the last layer's spikes, (time, batch, n)."""
    counts = s.sum(axis=0)
    if made.readout is not None:
        part = 2**made.formats.potentials.fraction_bits
        return part * multiply(counts, made.readout.w) + len(s) * made.readout.b
    return count_classes(made.network, counts)


def count_classes(network: Network, counts: Ints) -> Ints:
    """Return the spikes of each class, (batch, classes), of those of each neuron."""
    population = getattr(network.readout, "population", 1)
    return counts.reshape(len(counts), -1, population).sum(axis=2)
