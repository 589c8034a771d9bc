"""Every number of a run as a function of the slope: a line, and how far from it at most.

A cell is an interval of slopes, ``centre + half e`` times those of the network, e in [-1, 1]. Each
potential and each spike is enclosed, for all e at once, by a form ::

        c + k e + [-r, r]

Rule 1: e is the same number everywhere, so what the slope does to two neurons can cancel; r is what
        is not known, of each number on its own.
Rule 2: what is enclosed is the run in exact arithmetic and the run in double precision, whose
        spikes are off their formula by at most 8 * 2^-53 (`libm`).
Rule 3: a bound that is NaN bounds nothing: comparisons are written so that they fail.

Proof. A sum of forms, and a product with weights, is a form: r adds up with the magnitudes of the
weights. Only the spike and the reset are not linear. Let u = c + k e + p, abs(p) <= r, let the
slope of the neuron be K0 + K1 e, and S its unit spike, that of slope 1. With v = c - theta and
a = abs(k) + r, the spike is S(z) of ::

        z = (K0 + K1 e)(v + k e + p) = z0 + zk e + K0 p + z2
        z0 = K0 v,    zk = K0 k + K1 v,    abs(z2) = abs(K1 e (k e + p)) <= K1 a

and by Taylor's theorem, with the supremum over all z of the cell (S' is Lipschitz in all five
families, with constant abs(S'') on either side of a jump), ::

        S(z) = S(z0) + S'(z0) (z - z0) + rest,      abs(rest) <= sup abs(S'') (z - z0)^2 / 2
             = s0 + sk e + sp p + s2,    sk = S'(z0) zk,   sp = S'(z0) K0,
        abs(s2) <= S'(z0) abs(z2) + abs(rest)

Here p is still the p of u. The reset r(u, s) is affine in u and in s; only that to zero has a mixed
term, -m u s with m the leak. Inserting both, ::

        r(u, s) = r(c, s0) + (r_u k + r_s sk) e + (r_u + r_s sp) p + r2
        abs(r2) <= m a (abs(sk) + sp r) + (abs(r_s) + m a) abs(s2)

in which r_u + r_s sp is small where a potential near threshold resets itself. Where a spike is far
from a line in the cell its range is the better form: S between its ends; and of the reset the
corners of two boxes, cut where the potential crosses threshold, one with s <= 1/2 and one with
s >= 1/2. Each number takes the narrower. Induction over steps, then over layers.

Rounding. A potential sums n_in + n_out products, a bias and a reset, in the run, in c, in k and in
r: ``4 (n_in + n_out + 8) 2^-53`` of the magnitudes abs(c) + abs(k) + r that enter is more than all
of it. What is computed here for one spike or reset is off by less than 16 * 2^-53 of the terms
that are added, and widened by twice that (`FEW`); sums of positive terms are raised by 2^-46 of
themselves (`GROW`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.certify.libm import SPIKE_ROUNDING, UNIT_ROUNDOFF
from refsast.certify.unit_spike import sup_second, unit_spike
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer, Params
from refsast.model.reset import ToZero

FEW = 32.0 * UNIT_ROUNDOFF
GROW = 1.0 + 2.0**-46
FAR = 1e100  # of arguments whose squares could overflow only the range is used
LARGEST_SPIKE = 3.0  # magnitude of a spike: 0 <= c <= 1, abs(k) <= 1, r <= 1/2, and rounding


class Form(NamedTuple):
    """Numbers ``c + k e + [-r, r]``, for every e in [-1, 1]; three arrays of one shape."""

    c: Array
    k: Array
    r: Array

    def magnitude(self) -> Array:
        """Return what no number is larger than."""
        return np.abs(self.c) + np.abs(self.k) + self.r

    def step(self, t: int) -> "Form":
        """Return the numbers of one step."""
        return Form(self.c[t], self.k[t], self.r[t])


class Cell(NamedTuple):
    """Slopes ``centre + half e`` of the neurons of a layer, per row, (rows, 1)."""

    centre: Array
    half: Array


class SpikeRange(NamedTuple):
    """Ends of a potential, of its distance from threshold times the slope, and of its spike."""

    u_low: Array
    u_high: Array
    z_low: Array
    z_high: Array
    s_low: Array
    s_high: Array


class SpikeLine(NamedTuple):
    """A spike as ``s0 + sk e + sp p + s2``: see the proof. `near`: squares cannot overflow."""

    s0: Array
    sk: Array
    sp: Array
    s2: Array
    near: NDArray[np.bool_]


def enclose_last_spikes(
    network: Network, params: Params, first: Array, largest: Array, centre: Array, half: Array
) -> Form:
    """Return the spikes of the last spiking layer, for each row in its own cell.

    Parameters
    ----------
    network, params : Network, tuple of Layer
        With one of the five smooth spikes each, in double precision.
    first : (time, rows, n_1) array
        Currents into the first layer; a recording may stand in several rows.
    largest : (rows,) array
        Largest magnitude of the input that made them.
    centre, half : (rows,) array
        The cells, as factors of the network's own slopes: ``0 <= half <= centre / 2``.
    """
    zero = np.zeros_like(first)
    currents, s = Form(first, zero, zero), None
    with np.errstate(all="ignore"):  # what overflows is infinite or NaN, and certifies nothing
        for neuron, layer in zip(network.neurons, params, strict=False):
            if s is not None:
                currents = _multiply(s, layer.w)
                if layer.b is not None:
                    currents = currents._replace(c=currents.c + layer.b)
                largest = s.magnitude().max(axis=(0, 2))
            _, slope = unit_spike(neuron)
            cell = Cell(slope * centre[:, None], slope * half[:, None])
            s = enclose_layer(neuron, layer, currents, largest, cell)
    assert s is not None  # for the type checker: a network has a spiking layer
    return s


def enclose_layer(neuron: LIF, layer: Layer, currents: Form, largest: Array, cell: Cell) -> Form:
    """Return the spikes of one layer, (time, rows, n_out), from its currents."""
    share = 4.0 * (sum(layer.w.shape) + 8) * UNIT_ROUNDOFF
    rest = share * _largest_current(layer, largest)
    zero = np.zeros(rest.shape)
    carried = s = Form(zero, zero, zero)
    size, spikes = zero, []
    for t in range(len(currents.c)):
        u = _add(carried, currents.step(t))
        if layer.v is not None:
            u = _add(u, _multiply(s, layer.v))
        u = u._replace(r=u.r + share * (size + neuron.threshold) + rest)
        size = u.magnitude()
        s, carried = enclose_spike(neuron, u, cell)
        spikes.append(s)
    return Form(*(np.stack(part) for part in zip(*spikes, strict=True)))


def _largest_current(layer: Layer, largest: Array) -> Array:
    """Magnitudes of what weights and biases contribute at most, (rows, n_out)."""
    fixed = np.zeros(len(layer.w)) if layer.b is None else np.abs(layer.b)
    if layer.v is not None:
        fixed = fixed + LARGEST_SPIKE * np.abs(layer.v).sum(axis=1)
    return largest[:, None] * np.abs(layer.w).sum(axis=1) + fixed


def _add(a: Form, b: Form) -> Form:
    return Form(a.c + b.c, a.k + b.k, a.r + b.r)


def _multiply(a: Form, w: Array) -> Form:
    """``W a``, of forms whose last axis is multiplied."""
    rows = [part.reshape(-1, part.shape[-1]) for part in a]
    shape = (*a.c.shape[:-1], len(w))
    products = (rows[0] @ w.T, rows[1] @ w.T, rows[2] @ np.abs(w).T)
    return Form(*(product.reshape(shape) for product in products))


def enclose_spike(neuron: LIF, u: Form, cell: Cell) -> tuple[Form, Form]:
    """Return the spike of a potential, and what the reset leaves, for every slope of the cell."""
    ends = spike_range(neuron, u, cell)
    line = spike_line(neuron, u, cell, ends)
    half = 0.5 * (ends.s_high - ends.s_low) + FEW
    radius = GROW * (line.sp * u.r + line.s2)
    s = _narrower(
        line.near & (radius < half),
        Form(line.s0, line.sk, radius),
        0.5 * (ends.s_low + ends.s_high),
        half,
    )
    return s, _enclose_reset(neuron, u, line, ends)


def _narrower(choice: NDArray[np.bool_], line: Form, middle: Array, half: Array) -> Form:
    """The line where it is chosen, the range elsewhere."""
    c, r = np.where(choice, line.c, middle), np.where(choice, line.r, half)
    return Form(c, np.where(choice, line.k, 0.0), r)


def spike_range(neuron: LIF, u: Form, cell: Cell) -> SpikeRange:
    """Return the ends of what a potential and its spike can be; rounding included."""
    v = u.c - neuron.threshold
    reach = np.abs(u.k) + u.r
    reach = GROW * reach + FEW * np.abs(v)
    low, high = v - reach, v + reach
    steep, flat = cell.centre + cell.half, cell.centre - cell.half
    z_low = low * np.where(low < 0.0, steep, flat)
    z_high = high * np.where(high < 0.0, flat, steep)
    z_low, z_high = z_low - FEW * np.abs(z_low), z_high + FEW * np.abs(z_high)
    unit, _ = unit_spike(neuron)
    s_low = np.maximum(unit(z_low) - SPIKE_ROUNDING, 0.0)
    s_high = np.minimum(unit(z_high) + SPIKE_ROUNDING, 1.0)
    reach = reach + FEW * np.abs(u.c)
    return SpikeRange(u.c - reach, u.c + reach, z_low, z_high, s_low, s_high)


def spike_line(neuron: LIF, u: Form, cell: Cell, ends: SpikeRange) -> SpikeLine:
    """Return the spike to first order, and a bound on all else; rounding included."""
    (unit, _), v = unit_spike(neuron), u.c - neuron.threshold
    k0, k1, size = cell.centre, cell.half, np.abs(u.k)
    z0, zk = k0 * v, k0 * u.k + k1 * v
    z2 = k1 * (size + u.r) + FEW * (k0 * (np.abs(v) + size) + k1 * np.abs(v))
    reach = np.abs(zk) + k0 * u.r + z2
    nearest = np.maximum(np.maximum(ends.z_low, -ends.z_high), 0.0)
    farthest = np.maximum(-ends.z_low, ends.z_high)
    curvature = sup_second(unit, nearest, farthest)
    s0, s1 = unit(z0), unit.derivative(z0)
    sk, sp = s1 * zk, s1 * k0
    s2 = GROW * (s1 * z2 + 0.5 * curvature * reach * reach)
    s2 = s2 + SPIKE_ROUNDING + FEW * (np.abs(sk) + sp * u.r)
    return SpikeLine(s0, sk, sp, s2, reach < FAR)


def _enclose_reset(neuron: LIF, u: Form, line: SpikeLine, ends: SpikeRange) -> Form:
    """What the reset leaves of a potential with its spike."""
    leak, theta = neuron.leak, neuron.threshold
    by_u, by_s = neuron.reset.partials(leak, theta, u.c, line.s0)
    mixed = leak if isinstance(neuron.reset, ToZero) else 0.0
    reach, moved = np.abs(u.k) + u.r, np.abs(line.sk) + line.sp * u.r
    second = mixed * reach * moved + (np.abs(by_s) + mixed * reach) * line.s2
    rounding = FEW * (np.abs(u.c) + theta + reach + np.abs(by_s) * moved)
    radius = GROW * (np.abs(by_u + by_s * line.sp) * u.r + second) + rounding
    low, high = reset_range(neuron, ends)
    half = 0.5 * (high - low) + FEW * (np.abs(u.c) + theta + reach)
    return _narrower(
        line.near & (radius < half),
        Form(neuron.reset(leak, theta, u.c, line.s0), by_u * u.k + by_s * line.sk, radius),
        0.5 * (low + high),
        half,
    )


def reset_range(neuron: LIF, ends: SpikeRange) -> tuple[Array, Array]:
    """Return the ends of the reset over a box that is cut where the potential crosses threshold."""
    theta = neuron.threshold
    middle_low, middle_high = 0.5 - SPIKE_ROUNDING, 0.5 + SPIKE_ROUNDING
    below = _reset_corners(
        neuron,
        (np.minimum(ends.u_low, theta), np.minimum(ends.u_high, theta)),
        (np.minimum(ends.s_low, middle_high), np.minimum(ends.s_high, middle_high)),
    )
    above = _reset_corners(
        neuron,
        (np.maximum(ends.u_low, theta), np.maximum(ends.u_high, theta)),
        (np.maximum(ends.s_low, middle_low), np.maximum(ends.s_high, middle_low)),
    )
    # One of the two parts may be empty; a potential that is NaN is in both.
    never_below, never_above = ends.u_low >= theta, ends.u_high < theta
    low = np.minimum(
        np.where(never_below, np.inf, below[0]), np.where(never_above, np.inf, above[0])
    )
    high = np.maximum(
        np.where(never_below, -np.inf, below[1]), np.where(never_above, -np.inf, above[1])
    )
    return low, high


def _reset_corners(
    neuron: LIF, u: tuple[Array, Array], s: tuple[Array, Array]
) -> tuple[Array, Array]:
    """The reset over a box of u and s: affine in each, so extreme in a corner."""
    corners = [neuron.reset(neuron.leak, neuron.threshold, a, b) for a in u for b in s]
    return np.minimum.reduce(corners), np.maximum.reduce(corners)
