"""Where potentials and spikes can be in every integer network between two.

Rule 1: the two networks differ in their weights alone, each weight of the one at most that of the
        other; between them are all networks whose weights are between theirs.
Rule 2: intervals of integers, which are exact; what a chip rounds, the leak, it rounds alike at
        both ends. Only sums over several steps are real, and rounded outwards.

Proof. Let the spikes of the layer below lie in [a_lo, a_hi], 0 <= a_lo (the input is known). Of a
product w a, w in [w_lo, w_hi], the largest is w_hi a_hi where w_hi >= 0 and w_hi a_lo elsewhere,
the smallest w_lo a_lo where w_lo >= 0 and w_lo a_hi elsewhere. What is stored, saturated, rises
with the sum; where a sum could wrap around, any potential is possible. A potential whose interval
is on one side of the threshold has a certain spike, and the reset is that of this spike.

*Any reset.* Where the spike is not certain, the interval is cut at the threshold, and what is
carried over is the hull of both parts: with the spike fixed each reset rises with the potential,
since the leak ``(k u + offset) >> m`` does. Recurrent weights act on the last step's spikes.

*Reset to zero, without recurrence.* A potential whose last spike was in step m has u_m = 0 after
it, and was below threshold in between. So for each m that is possible there is an interval U(m, t):
what is carried over from U(m, t - 1), cut at the threshold, plus the input; and, if no potential of
the window can have left its format, all at once ::

    u_t = 2^f W A + b (1 + leak + ... + leak^(t-m-1)) + rest,   A = sum_{m < k <= t} leak^(t-k) a_k
    abs(rest) <= e (1 + leak + ... + leak^(t-m-2))

with f fraction bits and e the rounding of a leak (`agreement`). Both hold, so their intersection
does. A is bounded over whole trains of the spikes below (`bounds.sum_spikes`), which counts a spike
that may come a step later once. What the neuron can do at t after m is whether U(m, t) reaches the
threshold, and goes below it. Induction over steps, then over layers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array
from refsast.certify.libm import UNIT_ROUNDOFF
from refsast.deploy.accumulators import join_widest, require_accumulator
from refsast.deploy.agreement import rounding_bound
from refsast.deploy.bounds import Bounds, Trains, multiply_bounds, stack_bounds, sum_spikes
from refsast.deploy.formats import PotentialFormat
from refsast.deploy.network import IntegerLayer, IntegerNetwork, require_dense
from refsast.deploy.run import carry, read_counts
from refsast.model.reset import ToZero
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class RunBounds:
    """Where the numbers of all runs are.

    Attributes
    ----------
    u, s : tuple of Bounds of (time, batch, n) arrays
        Potentials, in units of the last place, and spikes, per spiking layer.
    counts : Bounds of (batch, n) arrays
        How often each neuron of the last layer fires.
    """

    u: tuple[Bounds, ...]
    s: tuple[Bounds, ...]
    counts: Bounds


def enclose_runs(low: IntegerNetwork, high: IntegerNetwork, x: ArrayLike | Spikes) -> RunBounds:
    """Return where potentials and spikes can be in each network between two.

    Parameters
    ----------
    low, high : IntegerNetwork
        Alike but for their weights, no weight of `low` above that of `high`.
    x : (time, batch, n_0) array of integers, or Spikes
        Counts, none below 0.

    Raises
    ------
    ValueError
        As `to_integers` and `run`, of any network between; if a count is negative.
    """
    require_dense(low, "the certificate")
    widest = join_widest(low, high)
    for i, made in enumerate(widest.layers, 1):
        require_accumulator(made, i, 1, low.formats)
    a = read_counts(widest, x)
    if a.min() < 0:
        raise ValueError(f"x must hold counts, none below 0, got {a.min()}")
    known = a.astype(np.float64)
    below, us, ss, trains = Bounds(known, known), [], [], None
    for layers in zip(low.layers, high.layers, strict=True):
        layer = Between(*layers, low.formats.potentials)
        if isinstance(layer.low.reset, ToZero) and layer.low.v is None:
            u, below, trains = enclose_by_last_spike(layer, below, trains)
        else:
            u, below = enclose_by_step(layer, below)
            trains = _independent_steps(below)
        us.append(u)
        ss.append(below)
    assert trains is not None  # for the type checker: a network has a spiking layer
    (*_, last) = sum_spikes(trains, 1.0)
    return RunBounds(tuple(us), tuple(ss), Bounds(last.low[0], last.high[0]))


@dataclass(frozen=True, eq=False)
class Between:
    """A layer whose weights are between those of two."""

    low: IntegerLayer
    high: IntegerLayer
    potentials: PotentialFormat

    @property
    def part(self) -> int:
        """Units of the last place in a weight step."""
        return 2**self.potentials.fraction_bits

    def currents(self, a: Bounds) -> Bounds:
        """Return where input and bias of a step are, in units of the last place."""
        sums = multiply_bounds(a, self.low.w, self.high.w)
        return Bounds(self.part * sums.low + self.low.b, self.part * sums.high + self.low.b)

    def store(self, sums: Bounds) -> Bounds:
        """Return where the stored potential is."""
        ends = (np.rint(end).astype(np.int64) for end in sums)
        (low, under), (high, over) = map(self.potentials.fit, ends)
        if self.potentials.overflow == "wrap":
            low = np.where(under | over, self.potentials.lowest, low)
            high = np.where(under | over, self.potentials.highest, high)
        return Bounds(low.astype(np.float64), high.astype(np.float64))

    def holds(self, sums: Bounds) -> NDArray[np.bool_]:
        """Return whether sums are stored as they are, where the neuron does not fire."""
        wraps = self.potentials.overflow == "wrap"  # what saturates upwards fires
        high = sums.high <= self.potentials.highest if wraps else True
        return (sums.low >= self.potentials.lowest) & high

    def carry(self, u: Array, spike: int) -> Array:
        """Return what is left of potentials, integers as real numbers, after a spike or none."""
        whole = u.astype(np.int64)
        return carry(self.low, whole, np.full_like(whole, spike)).astype(np.float64)


def enclose_by_step(layer: Between, a: Bounds) -> tuple[Bounds, Bounds]:
    """Return potentials and spikes of a layer with any reset, step by step."""
    currents, theta = layer.currents(a), layer.low.threshold
    zero = np.zeros(currents.low.shape[1:])
    u = s = Bounds(zero, zero)
    us, ss = [], []
    for current in currents.steps():
        sums = current.plus(_carry_bounds(layer, u))
        if layer.low.v is not None and layer.high.v is not None:
            recurrent = multiply_bounds(s, layer.low.v, layer.high.v)
            sums = sums.plus(Bounds(*(layer.part * end for end in recurrent)))
        u = layer.store(sums)
        s = Bounds(*((end >= theta).astype(np.float64) for end in u))
        us.append(u)
        ss.append(s)
    return stack_bounds(us), stack_bounds(ss)


def _carry_bounds(layer: Between, u: Bounds) -> Bounds:
    """What leak and reset can leave: the hull of what they do with a spike and without."""
    theta = layer.low.threshold
    silent = [layer.carry(np.minimum(end, theta - 1), 0) for end in u]
    fired = [layer.carry(np.maximum(end, theta), 1) for end in u]
    certain, never = u.low >= theta, u.high < theta
    low, high = (
        np.where(certain, f, np.where(never, s, hull(s, f)))
        for s, f, hull in zip(silent, fired, (np.minimum, np.maximum), strict=True)
    )
    return Bounds(low, high)


def enclose_by_last_spike(
    layer: Between, a: Bounds, trains: Trains | None
) -> tuple[Bounds, Bounds, Trains]:
    """Return potentials and spikes of a layer that resets to zero, and its trains.

    `trains` are those of the layer below; None where `a` is the input, which is known.
    """
    currents, theta = layer.currents(a), layer.low.threshold
    sums = None if trains is None else sum_spikes(trains, layer.low.leak.value)
    new = np.zeros((1, *currents.low.shape[1:]))  # what is left after a spike
    alive, u = np.ones(new.shape, bool), Bounds(new[:0], new[:0])
    within = alive[:0]  # whether no potential since the last spike can have left its format
    us, ss, fires, rests = [], [], [], []
    for t, current in enumerate(currents.steps()):
        kept = (layer.carry(np.minimum(end, theta - 1), 0) for end in u)
        reached = Bounds(*(np.concatenate([end, new]) for end in kept)).plus(current)
        within = np.concatenate([within, np.ones(new.shape, bool)])
        if sums is not None:
            reached = _intersect(reached, _enclose_windows(layer, sums[t]), within)
        within = within & layer.holds(reached)
        u = layer.store(reached)
        fires.append(u.high >= theta)
        rests.append(u.low < theta)
        us.append(_hull(u, alive))
        can_rest, can_fire = alive & rests[-1], (alive & fires[-1]).any(axis=0)
        ss.append(Bounds(~can_rest.any(axis=0) * 1.0, can_fire * 1.0))
        alive = np.concatenate([can_rest, can_fire[None]])
    return stack_bounds(us), stack_bounds(ss), Trains(tuple(fires), tuple(rests))


def _intersect(a: Bounds, b: Bounds, where: NDArray[np.bool_]) -> Bounds:
    """Both at once in some places, the first alone elsewhere."""
    low, high = np.maximum(a.low, b.low), np.minimum(a.high, b.high)
    return Bounds(np.where(where, low, a.low), np.where(where, high, a.high))


def _hull(u: Bounds, alive: NDArray[np.bool_]) -> Bounds:
    """All that is possible after any last spike that is, (batch, n)."""
    low, high = np.where(alive, u.low, np.inf), np.where(alive, u.high, -np.inf)
    return Bounds(low.min(axis=0), high.max(axis=0))


def _enclose_windows(layer: Between, sums: Bounds) -> Bounds:
    """Potentials of one step, (t + 1, batch, n), from sums since the last spike; see the proof."""
    leak = layer.low.leak
    steps = len(sums.low)
    whole = multiply_bounds(sums, layer.low.w, layer.high.w)
    bias = layer.low.b * np.cumsum(leak.value ** np.arange(steps))[::-1, None, None]
    off = rounding_bound(leak, steps)[::-1, None, None]
    most = np.maximum(abs(layer.low.w), abs(layer.high.w))
    size = layer.part * (sums.high @ most.T) + abs(bias) + off
    off = off + 4.0 * (len(most.T) + steps + 8) * UNIT_ROUNDOFF * size
    return Bounds(
        np.ceil(layer.part * whole.low + bias - off), np.floor(layer.part * whole.high + bias + off)
    )


def _independent_steps(s: Bounds) -> Trains:
    """Trains of which nothing is known but each step by itself."""
    states = [np.ones((t + 1, 1, 1), bool) for t in range(len(s.low))]
    fires = tuple(many & (high == 1.0) for many, high in zip(states, s.high, strict=True))
    return Trains(
        fires, tuple(many & (low == 0.0) for many, low in zip(states, s.low, strict=True))
    )
