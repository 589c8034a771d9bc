"""Ranges of sigma', sigma'', g' and g'' over intervals of the potential, rounding included.

Each half-line, below and above threshold, is taken by itself, in units of the spike's width, by the
functions of `certified.unit_spikes`; beyond ``far`` what they fall to holds.

Proof. S' falls in m, so its ends are those of the interval. n = -S'' rises from 0 to its one peak
and falls (S''' changes sign once; of FastSigmoid and PiecewiseQuadratic the peak is at 0), so its
minimum is at an end and its maximum at the end that is nearer to the peak, or is the closed form
of D2 where the peak may lie between. Of reset to zero g' is G' times the leak: on each of `PARTS`
parts it lies in the interval extension of its formula and in that of its mean value,
``G'(z0) + G''(Z) (Z - z0)``, so in both.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from proofs_check.certified.constants import kappa, map_curvature, sup_derivative, sup_second
from proofs_check.certified.intervals import Interval, exact, ignore_overflow
from proofs_check.certified.reset_map import DERIVATIVES
from proofs_check.certified.unit_spikes import (
    UNIT_SPIKES,
    IntervalFunction,
    UnitSpike,
    clip_to_domain,
    spike_family,
    tail_envelope,
)
from refsast import LIF, NoReset, PiecewiseQuadratic, Subtract

PARTS = 8  # into which an interval of g' is cut
NEAR_PEAK = 1e-6  # the peaks of `UnitSpike` are known to many more digits than these
LARGEST = 1e100  # potentials beyond have the ranges over all real numbers
OnHalfLine = Callable[[UnitSpike, float, Interval], Interval]  # unit, side, m


def derivative_range(neuron: LIF, u: Interval) -> Interval:
    """Return the range of sigma' over potentials, of the shape of `u`."""
    bound = sup_derivative(neuron.spike).upper

    def first(unit: UnitSpike, side: float, m: Interval) -> Interval:
        ends = unit.first(exact(np.stack([m.upper, m.lower])))
        return Interval(ends.lower[0], ends.upper[1])

    unit, c = _unit(neuron)
    return _intersect(_hull(neuron, u, first, unit) * c, 0.0, bound)


def second_range(neuron: LIF, u: Interval) -> Interval:
    """Return the range of sigma'' over potentials, of the shape of `u`; both limits at a jump."""
    bound = sup_second(neuron.spike).upper
    unit, c = _unit(neuron)
    return _intersect(_hull(neuron, u, _second, unit) * (c * c), -bound, bound)


def map_derivative_range(neuron: LIF, u: Interval) -> Interval:
    """Return the range of g' over potentials, of the shape of `u`."""
    bound = kappa(neuron).upper
    if isinstance(neuron.reset, NoReset):
        return Interval(*(np.full_like(u.lower, neuron.leak),) * 2)
    if isinstance(neuron.reset, Subtract):
        return _intersect(neuron.leak - _drop(neuron) * derivative_range(neuron, u), -bound, bound)
    return _intersect(_hull_of_parts(neuron, u, _map_first) * neuron.leak, -bound, bound)


def map_second_range(neuron: LIF, u: Interval) -> Interval:
    """Return the range of g'' over potentials, of the shape of `u`; both limits at a jump."""
    bound = map_curvature(neuron).upper
    if isinstance(neuron.reset, NoReset):
        return exact(np.zeros_like(u.lower))
    if isinstance(neuron.reset, Subtract):
        return _intersect(-(_drop(neuron) * second_range(neuron, u)), -bound, bound)
    _, c = _unit(neuron)
    found = _hull_of_parts(neuron, u, lambda a: _map_formula(a, 2))
    return _intersect(found * (c * neuron.leak), -bound, bound)


def _unit(neuron: LIF) -> tuple[UnitSpike, Interval]:
    """The unit spike of a neuron, and c."""
    family, slope = spike_family(neuron.spike)
    return UNIT_SPIKES[family], UNIT_SPIKES[family].width * slope


def _drop(neuron: LIF) -> Interval:
    """What a spike subtracts."""
    leaked = isinstance(neuron.reset, Subtract) and neuron.reset.leaked
    return exact(neuron.threshold) * (neuron.leak if leaked else 1.0)


def _second(unit: UnitSpike, side: float, m: Interval) -> Interval:
    """S'' on a half-line."""
    peak = unit.peaks[1]
    top = exact(np.clip(peak, m.lower, m.upper))
    ends = unit.second(exact(np.stack([m.lower, m.upper])))
    near = (m.lower <= peak + NEAR_PEAK) & (m.upper >= peak - NEAR_PEAK)
    largest = np.where(near, unit.bounds[1].upper, unit.second(top).upper)
    return -side * Interval(np.maximum(ends.lower.min(axis=0), 0.0), largest)


def _map_formula(a: Interval, order: int) -> OnHalfLine:
    """A derivative of G, by its formula."""
    return lambda unit, side, m: DERIVATIVES[order](unit, a, side, m)


def _map_first(a: Interval) -> OnHalfLine:
    """G', by its formula and by its mean value."""

    def first(unit: UnitSpike, side: float, m: Interval) -> Interval:
        middle = exact(np.clip(0.5 * (m.lower + m.upper), m.lower, m.upper))
        slope = DERIVATIVES[2](unit, a, side, m)
        mean_value = DERIVATIVES[1](unit, a, side, middle) + slope * (side * (m - middle))
        plain = DERIVATIVES[1](unit, a, side, m)
        return Interval(
            np.maximum(mean_value.lower, plain.lower), np.minimum(mean_value.upper, plain.upper)
        )

    return first


def _hull_of_parts(neuron: LIF, u: Interval, formula: Callable[[Interval], OnHalfLine]) -> Interval:
    """The range of a function of z over an interval that is cut into parts."""
    unit, c = _unit(neuron)
    low, high = (np.clip(end, -LARGEST, LARGEST) for end in (u.lower, u.upper))
    # Sorted and clipped: parts whose ends are rounded still cover the interval.
    edges = np.sort(np.clip(np.linspace(low, high, PARTS + 1), low, high), axis=0)
    found = _hull(neuron, Interval(edges[:-1], edges[1:]), formula(c * neuron.threshold), unit)
    hull = Interval(found.lower.min(axis=0), found.upper.max(axis=0))
    known = (np.abs(u.lower) <= LARGEST) & (np.abs(u.upper) <= LARGEST)
    return Interval(np.where(known, hull.lower, -np.inf), np.where(known, hull.upper, np.inf))


def _hull(neuron: LIF, u: Interval, f: OnHalfLine, unit: UnitSpike) -> Interval:
    """The hull of the ranges of `f` on the half-lines that `u` meets."""
    low, high = np.full_like(u.lower, np.inf), np.full_like(u.lower, -np.inf)
    for found, met in _half_lines(neuron, u, f, unit):
        low = np.where(met, np.minimum(low, found.lower), low)
        high = np.where(met, np.maximum(high, found.upper), high)
    known = low <= high  # not where a potential is NaN, which may be anything
    return Interval(np.where(known, low, -np.inf), np.where(known, high, np.inf))


def _half_lines(
    neuron: LIF, u: Interval, f: OnHalfLine, unit: UnitSpike
) -> Iterator[tuple[Interval, NDArray[np.bool_]]]:
    """The ranges on each half-line, short of the tail and in it, and where `u` meets them."""
    _, c = _unit(neuron)
    v, tail = u - neuron.threshold, exact(np.full_like(u.lower, unit.far))
    for side in (-1.0, 1.0):
        reach = c * (v if side > 0.0 else -v)
        near = (reach.upper >= 0.0) & (reach.lower <= unit.far)
        if near.any():
            yield _finite(f(unit, side, clip_to_domain(unit, reach))), near
        beyond = reach.upper >= unit.far
        if beyond.any():
            yield _finite(f(_beyond(neuron, unit), side, tail)), beyond


def _beyond(neuron: LIF, unit: UnitSpike) -> UnitSpike:
    """The unit spike past `far`; there a spline is straight."""
    envelope = tail_envelope(unit)
    if not isinstance(neuron.spike, PiecewiseQuadratic):
        return envelope
    zero: IntervalFunction = lambda m: exact(np.zeros_like(m.upper))  # noqa: E731
    return UnitSpike(
        zero, zero, zero, zero, zero, unit.width, unit.far, unit.limit, unit.bounds, unit.peaks
    )


@ignore_overflow
def _finite(x: Interval) -> Interval:
    """What is NaN bounds nothing."""
    low, high = (
        np.where(np.isnan(end), far, end) for end, far in ((x.lower, -np.inf), (x.upper, np.inf))
    )
    return Interval(low, high)


def _intersect(x: Interval, low: float, high: float) -> Interval:
    """The part of an interval that lies between two numbers."""
    return Interval(np.clip(x.lower, low, high), np.clip(x.upper, low, high))
