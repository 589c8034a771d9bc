"""Kernels: spike and reset of one time step, written into arrays that the caller allocated.

Rule 1: a maker takes what is fixed for a layer, allocates scratch memory once, and returns the
        kernel; with the arctangent spike the loop over time then allocates nothing.
Rule 2: value and derivative of a spike come from one evaluation.
"""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy import add, multiply, subtract

from refsast.arrays import Array
from refsast.model.lif import LIF
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.spike import Spike, first_derivative
from refsast.model.surrogate import Arctan

SpikeKernel: TypeAlias = Callable[[Array, Array, Array], object]
ResetKernel: TypeAlias = Callable[[Array, Array, Array, Array, Array], object]

# arctan(z)/z is a Stieltjes function of r = sqrt(1 + z^2), its cut at r in [-1, 0]; so three poles
# there, with positive weights, give it to single precision::
#
#     arctan(z)/pi = z sum_i WEIGHTS[i] / (r + POLES[i]) + error,    abs(error) < 5.3e-9
#
# Weights and poles are from a minimax fit over all z; a test measures the error.
WEIGHTS = (0.07767075456535937, 0.17647052208088979, 0.24585871814268967)
POLES = (0.09499795063996508, 0.4770015266928554, 0.9222938426786327)
SMALL_STEP = 2000  # entries; below, the overhead of a call costs more than its arithmetic
SQUARE_LIMIT = {"f": 1e18, "d": 1e150, "D": 1e150}  # by dtype: below it, squares are finite


@cache
def has_vector_arctan() -> bool:
    """Whether ``numpy.arctan`` takes several float32 numbers at once here (AVX-512)."""
    known = np.lib.introspect.opt_func_info(func_name="^arctan$").get("arctan", {})
    return "baseline" not in known.get("ff", {}).get("current", "baseline")


def scalars(dtype: np.dtype, *values: float) -> list[Array]:
    """Return numbers as 0-d arrays, which ufuncs need not convert at every call."""
    return [np.array(value, dtype) for value in values]


def make_spike_kernel(neuron: LIF, spike: Spike, like: Array, bound: float) -> SpikeKernel:
    """Return ``kernel(u, s, slope)``, which writes the spike at `u` and its derivative.

    `spike` gives the value: the neuron's own, or the hard one for the straight-through estimate.
    The derivative is that of the neuron's own. `like` has the shape and dtype of one step; no
    potential exceeds `bound`, which is NaN or infinite where none is known.
    """
    smooth, limit = neuron.spike, SQUARE_LIMIT[like.dtype.char]
    # The special kernel squares slope * u without looking for overflow.
    if isinstance(smooth, Arctan) and spike is smooth and smooth.slope * bound < limit:
        return _arctan_kernel(smooth.slope, neuron.threshold, like)
    (threshold,) = scalars(like.dtype, neuron.threshold)
    derivative = first_derivative(smooth)

    def kernel(u: Array, s: Array, slope: Array) -> None:
        v = u - threshold
        s[...] = spike(v)
        slope[...] = derivative(v)

    return kernel


def _arctan_kernel(b: float, threshold: float, like: Array) -> SpikeKernel:
    """The arctangent spike and its derivative, ``(b/2) / (1 + z^2)``."""
    one, half = scalars(like.dtype, 1.0, 0.5)
    steep, shift, peak = scalars(like.dtype, 0.5 * np.pi * b, 0.5 * np.pi * b * threshold, 0.5 * b)
    z, q = np.empty_like(like), np.empty_like(like)
    # NumPy's arctan of float32 is slow where the processor has no vector instruction for it.
    rational = like.dtype == np.float32 and like.size > SMALL_STEP and not has_vector_arctan()
    arctan = _rational_arctan(like) if rational else _numpy_arctan(like)

    def kernel(u: Array, s: Array, slope: Array) -> None:
        multiply(u, steep, z)
        subtract(z, shift, z)
        multiply(z, z, q)
        add(q, one, q)
        np.divide(peak, q, slope)
        arctan(z, q, s)
        add(s, half, s)

    return kernel


def _numpy_arctan(like: Array) -> Callable[[Array, Array, Array], object]:
    """``arctan(z)/pi`` by NumPy."""
    (pi,) = scalars(like.dtype, np.pi)

    def arctan(z: Array, q: Array, out: Array) -> None:
        np.arctan(z, out)
        np.divide(out, pi, out)

    return arctan


def _rational_arctan(like: Array) -> Callable[[Array, Array, Array], object]:
    """``arctan(z)/pi`` from ``q = 1 + z^2``, in single precision; `q` is overwritten."""
    (w1, w2, w3), (p1, p2, p3) = (scalars(like.dtype, *c) for c in (WEIGHTS, POLES))
    term, total = np.empty_like(like), np.empty_like(like)

    def arctan(z: Array, q: Array, out: Array) -> None:
        r = np.sqrt(q, q)
        np.divide(w1, add(r, p1, total), total)
        add(total, np.divide(w2, add(r, p2, term), term), total)
        add(total, np.divide(w3, add(r, p3, term), term), total)
        multiply(total, z, out)

    return arctan


def make_reset_kernel(neuron: LIF, like: Array) -> ResetKernel:
    """Return ``kernel(u, s, slope, reset_slope, out)``, which prepares the next step.

    ``out`` becomes the reset ``r(u, s)``, ``reset_slope`` its total derivative in ``u``::

        reset_slope = dr/du + dr/ds sigma'(u - theta)

    without the second term where the reset is detached.
    """
    return RESET_KERNELS[type(neuron.reset)](neuron, like.dtype)


def _reset_to_zero_kernel(neuron: LIF, dtype: np.dtype) -> ResetKernel:
    leak, less = scalars(dtype, neuron.leak, -neuron.leak)

    def kernel(u: Array, s: Array, slope: Array, reset_slope: Array, out: Array) -> None:
        multiply(s, less, out)
        add(out, leak, out)  # leak (1 - s)
        if neuron.detach_reset:
            reset_slope[...] = out
        else:
            multiply(u, slope, reset_slope)
            multiply(reset_slope, leak, reset_slope)
            subtract(out, reset_slope, reset_slope)
        multiply(out, u, out)

    return kernel


def _subtract_kernel(neuron: LIF, dtype: np.dtype) -> ResetKernel:
    drop = neuron.threshold * (neuron.leak if neuron.reset == Subtract(leaked=True) else 1.0)
    leak, less = scalars(dtype, neuron.leak, -drop)

    def kernel(u: Array, s: Array, slope: Array, reset_slope: Array, out: Array) -> None:
        multiply(s, less, reset_slope)
        multiply(u, leak, out)
        add(out, reset_slope, out)
        if neuron.detach_reset:
            reset_slope[...] = leak
        else:
            multiply(slope, less, reset_slope)
            add(reset_slope, leak, reset_slope)

    return kernel


def _no_reset_kernel(neuron: LIF, dtype: np.dtype) -> ResetKernel:
    (leak,) = scalars(dtype, neuron.leak)

    def kernel(u: Array, s: Array, slope: Array, reset_slope: Array, out: Array) -> None:
        multiply(u, leak, out)
        reset_slope[...] = leak

    return kernel


RESET_KERNELS = {
    ToZero: _reset_to_zero_kernel,
    Subtract: _subtract_kernel,
    NoReset: _no_reset_kernel,
}
