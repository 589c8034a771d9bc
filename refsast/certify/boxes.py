"""What potentials any spike close to the hard one can lead to: a box per neuron and step.

Rule 1: a spike sigma need only lie in the envelope of some smooth spike::

            0 <= sigma(v) <= tail(-v)  where v < 0,      1 - tail(v) <= sigma(v) <= 1  elsewhere

        so one enclosure holds for that smooth spike, for every steeper one of its family, for the
        hard one (as it is run, ties included) and for any other function in it, monotone or not.
Rule 2: it goes forward in time and up the layers, so no condition is needed: it is never silent.
Rule 3: the rounding of the runs that are enclosed, and of the enclosure itself, is in the boxes.

Proof. Let the spikes of the layer below lie in their boxes (the input is its own box). A current
``W a + b`` is largest where each a_j is at the end of its box that the sign of W_ij asks for: W
times the centre, plus abs(W) times the radius. The state (u, s) of the step before lies in one of
two boxes, since tail falls: u below theta with s in [0, tail(theta - u_hi)], or u not below theta
with s in [1 - tail(u_lo - theta), 1]; at theta tail is 1/2. What is carried over, r(u, s), is
affine in u and affine in s for each reset, so on a box it is extreme in a corner. Recurrent weights
act on the box of s at t - 1 as W acts on the input's. So u at t lies in the sum of these boxes, and
s between the ends of the envelope, which rise with u. Induction over t, then over l.

Rounding. A sum of n products in any order is off by at most n 2^-53, to first order, of the sum of
their magnitudes. A potential sums n_in (recurrent: + n_out) products, a bias and a reset; the run
rounds once, and the ends of its box once more. So the box of a potential is widened each way by
``4 (n_in + n_out + 8) 2^-53`` of the magnitudes that enter it: about twice what is needed. A spike
is off its formula by at most 8 * 2^-53, absolutely (`libm` has why, and tests what it rests on), so
the envelope is widened by ``16 * 2^-53``, within [0, 1].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.certify.libm import SPIKE_ROUNDING, UNIT_ROUNDOFF, require_accurate_libm
from refsast.model.lif import LIF
from refsast.model.network import Network, require_plain
from refsast.model.params import Layer, Params, map_params
from refsast.model.surrogate import Surrogate
from refsast.model.unroll import input_currents
from refsast.model.validation import validate_run
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Box:
    """All arrays between two arrays.

    Attributes
    ----------
    lo, hi : ndarray
        Of one shape; ``lo <= hi``.
    """

    lo: Array
    hi: Array

    def __add__(self, other: "Box") -> "Box":
        return Box(self.lo + other.lo, self.hi + other.hi)

    def __abs__(self) -> Array:
        """The largest magnitude."""
        return np.maximum(abs(self.lo), abs(self.hi))

    def __getitem__(self, t: int) -> "Box":
        return Box(self.lo[t], self.hi[t])

    @property
    def centre(self) -> Array:
        """The middle."""
        return 0.5 * (self.lo + self.hi)

    @property
    def radius(self) -> Array:
        """Half the width."""
        return 0.5 * (self.hi - self.lo)


@dataclass(frozen=True, eq=False)
class StateBoxes:
    """Where potentials and spikes can be.

    Attributes
    ----------
    u, s : tuple of Box of (time, batch, n) arrays
        Potentials and spikes, one box per spiking layer.
    """

    u: tuple[Box, ...]
    s: tuple[Box, ...]


def validate_smooth(
    network: Network, params: Params, x: ArrayLike | Spikes
) -> tuple[Network, Params, Array]:
    """Check what the functions of this package are given, and return it in double precision.

    Parameters
    ----------
    network : Network
        With smooth spikes of the families of `refsast`: symmetric, monotone.
    params : tuple of Layer
        Its parameters, real.
    x : (time, batch, n_0) array, or Spikes
        Recordings.

    Raises
    ------
    ValueError
        If a spike is of another family, a shape or number is not valid, or `libm` is not accurate.
    """
    require_accurate_libm()
    require_plain(network, "the certificate")
    params, x = validate_run(network, params, x)
    for neuron in network.neurons:
        if not isinstance(neuron.spike, Surrogate):
            raise ValueError(f"spike must be a smooth spike of refsast, got {neuron.spike!r}")
    if np.iscomplexobj(x) or np.iscomplexobj(params[0].w):
        raise ValueError("x and params must be real, got complex numbers")
    return network, map_params(lambda a: a.astype(float), params), x.astype(float)


def spike_tail(neuron: LIF, distance: Array) -> Array:
    """Return ``sup abs(sigma(v) - H(v))`` over ``abs(v) >= distance``, rounding included.

    The spike is symmetric and monotone, so the supremum is ``sigma(-distance)``. At distance 0 it
    is 1/2, since the hard spike fires at threshold and the smooth one fires half.
    """
    return neuron.spike(-distance) + SPIKE_ROUNDING


def enclose_states(network: Network, params: Params, x: ArrayLike | Spikes) -> StateBoxes:
    """Return where potentials and spikes can be, for every spike in the envelope of the network's.

    That holds the smooth run, the hard run, and the smooth run with every steeper slope. Parameters
    and errors as `validate_smooth`; the proof is at the top of this file.
    """
    network, params, x = validate_smooth(network, params, x)
    return enclose_currents(network, params, input_currents(params[0], x), largest_input(x))


def largest_input(x: Array) -> Array:
    """Return the largest magnitude of an input (time, batch, n), per recording."""
    return np.abs(x).max(axis=(0, 2))


def enclose_currents(network: Network, params: Params, first: Array, largest: Array) -> StateBoxes:
    """Return `enclose_states` from the currents into the first layer, (time, batch, n_1).

    `largest`, (batch,), is `largest_input` of the input that made them. Nothing is validated.
    """
    us, ss, currents = [], [], Box(first, first)  # the input is known exactly: no width
    for neuron, layer in zip(network.neurons, params, strict=False):
        if ss:
            currents, largest = _affine_box(ss[-1], layer.w, layer.b), largest_input(abs(ss[-1]))
        u, s = _layer_boxes(neuron, layer, currents, largest)
        us.append(u)
        ss.append(s)
    return StateBoxes(tuple(us), tuple(ss))


def potential_rounding(layer: Layer, largest: Array) -> tuple[float, Array]:
    """Return what a potential's box is widened by: a share of the state before, and the rest.

    Parameters
    ----------
    layer : Layer
        The layer.
    largest : (batch,) array
        Largest magnitude of an input of the layer, per recording.

    Returns
    -------
    share : float
        ``4 (n_in + n_out + 8) 2^-53``.
    rest : (batch, n_out) array
        That share of the most that weights, with spikes of at most 1, and biases can contribute.
    """
    share = 4.0 * (sum(layer.w.shape) + 8) * UNIT_ROUNDOFF
    fixed = np.zeros(layer.w.shape[0]) if layer.b is None else np.abs(layer.b)
    if layer.v is not None:
        fixed = fixed + np.abs(layer.v).sum(axis=1)
    return share, share * (largest[:, None] * np.abs(layer.w).sum(axis=1) + fixed)


def _layer_boxes(neuron: LIF, layer: Layer, currents: Box, largest: Array) -> tuple[Box, Box]:
    """Boxes of potentials and spikes of one layer, from that of its currents."""
    share, rest = potential_rounding(layer, largest)
    us, ss = [], []
    u = s = carried = Box(np.zeros(rest.shape), np.zeros(rest.shape))  # at rest before t = 1
    for t in range(len(currents.lo)):
        # Magnitudes of the state before: u' = r(u, s) + current is rounded in that many sums.
        width = share * (abs(u) + neuron.threshold) + rest
        u = carried + currents[t] + Box(-width, width)
        if layer.v is not None:
            u = u + _affine_box(s, layer.v)
        s, carried = _spike_box(neuron, u), _reset_box(neuron, u)
        us.append(u)
        ss.append(s)
    return _stack_boxes(us), _stack_boxes(ss)


def _stack_boxes(boxes: list[Box]) -> Box:
    return Box(np.stack([b.lo for b in boxes]), np.stack([b.hi for b in boxes]))


def _affine_box(a: Box, w: Array, b: Array | None = None) -> Box:
    """``W a + b`` over the box of `a`, whose last axis is multiplied."""
    # Each entry is extreme where every factor is at the end that the sign of its weight asks for.
    centre = a.centre @ w.T if b is None else a.centre @ w.T + b
    spread = a.radius @ np.abs(w).T
    return Box(centre - spread, centre + spread)


def _spike_box(neuron: LIF, u: Box) -> Box:
    """Spikes over the box of `u`: the ends of the envelope, which rise with u."""
    above, below = u.lo - neuron.threshold, neuron.threshold - u.hi
    # The argument is clipped because both branches of `where` are evaluated.
    lo = np.where(above >= 0.0, 1.0 - spike_tail(neuron, np.maximum(above, 0.0)), 0.0)
    hi = np.where(below > 0.0, spike_tail(neuron, np.maximum(below, 0.0)), 1.0)
    return Box(np.maximum(lo, 0.0), np.minimum(hi, 1.0))


def _reset_box(neuron: LIF, u: Box) -> Box:
    """What the reset leaves: the hull of what it is below threshold, and not below.

    A potential below threshold has a small spike and one above a large one. Splitting the box there
    keeps the two together, which a single box of (u, s) would lose.
    """
    theta = neuron.threshold
    low = Box(np.minimum(u.lo, theta), np.minimum(u.hi, theta))
    high = Box(np.maximum(u.lo, theta), np.maximum(u.hi, theta))
    small = Box(np.zeros_like(u.lo), spike_tail(neuron, theta - low.hi))
    large = Box(1.0 - spike_tail(neuron, high.lo - theta), np.ones_like(u.lo))
    below, above = _reset_corners(neuron, low, small), _reset_corners(neuron, high, large)
    none_below, none_above = u.lo >= theta, u.hi < theta  # one part of the box may be empty
    return Box(
        np.minimum(np.where(none_below, np.inf, below.lo), np.where(none_above, np.inf, above.lo)),
        np.maximum(
            np.where(none_below, -np.inf, below.hi), np.where(none_above, -np.inf, above.hi)
        ),
    )


def _reset_corners(neuron: LIF, u: Box, s: Box) -> Box:
    """The reset over a box: affine in u and in s, so extreme in a corner."""
    corners = [
        neuron.reset(neuron.leak, neuron.threshold, v, spike)
        for v in (u.lo, u.hi)
        for spike in (s.lo, s.hi)
    ]
    return Box(np.minimum.reduce(corners), np.maximum.reduce(corners))
