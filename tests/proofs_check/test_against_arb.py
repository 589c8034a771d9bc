"""A second opinion: ball arithmetic of another hand, and derivatives by power series."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check.certified import constants, intervals
from proofs_check.certified.intervals import Interval, arccot, exact, exp
from proofs_check.certified.unit_spikes import UNIT_SPIKES
from refsast.testing import RESETS, SURROGATES, min_examples, seeds
from tests.proofs_check.sampled_constants import wide

flint = pytest.importorskip("flint")
arb, series = flint.arb, flint.arb_series

families = pytest.mark.parametrize("family", SURROGATES, ids=lambda f: f.__name__)
OF_MAPS = (constants.max_carry, constants.kappa, constants.map_curvature)
OF_SPIKES = (constants.sup_derivative, constants.sup_second)
RATIOS = [1e-3, 0.4, 1.0, 2.5, 30.0]
HUGE = [0.0, 5e-324, 1e-300, 1e-8, 0.5, 1.0, 1.5, 700.0, 709.0, 710.0, 745.0, 746.0, 1e20, 1e308]


@pytest.fixture(autouse=True)
def precision():
    """Twice the digits of a double, for these tests only."""
    before, flint.ctx.prec = flint.ctx.prec, 128
    yield
    flint.ctx.prec = before


ELEMENTARY = {
    "exp": (exp, lambda x: x.exp()),
    "arccot": (arccot, lambda x: (1 / x).atan() if x > 1 else arb.pi() / 2 - x.atan()),
}


def missed(name, numbers):
    """Return how many values of Arb are not within ours."""
    ours, theirs = ELEMENTARY[name]
    found = ours(exact(numbers))
    values = [theirs(arb(float(x))) for x in numbers]
    low = [not arb(float(lower)) <= v for lower, v in zip(found.lower, values, strict=True)]
    high = [not v <= arb(float(upper)) for upper, v in zip(found.upper, values, strict=True)]
    return sum(low) + sum(high)


def arguments(name):
    rng = np.random.default_rng(0)
    near = np.concatenate(
        [
            HUGE if name != "exp" else HUGE[:-1],
            rng.uniform(0.0, 1.0, 50),
            rng.uniform(0.0, 700.0, 50),
        ]
    )
    return near if name == "arccot" else np.concatenate([near, -near])


@pytest.mark.parametrize("name", ELEMENTARY)
def test_the_elementary_functions_hold_those_of_arb_however_far(name):
    assert missed(name, arguments(name)) == 0


def test_past_all_doubles_the_exponential_is_known_to_be_large_or_small():
    found = exp(exact(np.array([-np.inf, -1e308, 1e308, np.inf])))

    assert found.lower[:2].tolist() == [0.0, 0.0]
    assert (found.upper[:2] < 1e-300).all()
    assert (found.lower[2:] > 1e300).all()
    assert np.isinf(found.upper[2:]).all()


@pytest.mark.parametrize("name", ELEMENTARY)
def test_without_outward_rounding_arb_is_not_held(name, monkeypatch):
    monkeypatch.setattr(intervals, "round_outward", Interval)

    assert missed(name, arguments(name)) > 3


@pytest.mark.parametrize(("name", "terms"), [("exp", "EXP_TERMS"), ("arccot", "ARCTAN_TERMS")])
def test_a_series_cut_short_is_caught(name, terms, monkeypatch):
    monkeypatch.setattr(intervals, terms, getattr(intervals, terms)[3:])

    assert missed(name, arguments(name)) > 5


@pytest.mark.parametrize("name", ELEMENTARY)
def test_the_elementary_functions_are_tight_and_hold_what_lies_between(name):
    ours, _ = ELEMENTARY[name]
    x = np.linspace(0.1, 600.0, 201)
    thin, wide = ours(exact(x)), ours(Interval(x[:-1], x[1:]))

    assert (thin.upper - thin.lower <= 1e-10 * thin.lower).all()
    for end in (thin.lower, thin.upper):
        assert (wide.lower <= np.minimum(end[:-1], end[1:])).all()
        assert (wide.upper >= np.maximum(end[:-1], end[1:])).all()


def spike_of(family, z, side):
    """Return S(z) of balls or series, by the textbook, on one side of the jump."""
    if family is rs.Arctan:
        return z.atan() / arb.pi() + arb(0.5)
    if family is rs.Logistic:
        return 1 / (1 + (-z).exp())
    if family is rs.Algebraic:
        return (1 + z / (1 + z * z).sqrt()) / 2
    if family is rs.FastSigmoid:
        return (1 + z / (1 + side * z)) / 2
    return arb(0.5) + z - side * z * z / 2


def width(spike):
    return arb(spike.slope) * (arb.pi() / 2 if isinstance(spike, rs.Arctan) else 1)


def derivative(neuron, u, side, order):
    """Return abs of a derivative of g at a ball u, by Taylor's series."""
    t = series([u, arb(1)], prec=order + 1)
    s = spike_of(type(neuron.spike), width(neuron.spike) * (t - neuron.threshold), side)
    return abs((arb(neuron.leak) * t * (1 - s))[order] * (1, 1, 2)[order])


def of_spike(spike, v, order):
    t = series([v, arb(1)], prec=order + 1)
    s = spike_of(type(spike), width(spike) * t, 1)
    return abs(s[order] * (1, 1, 2, 6)[order])


def neuron_of(family, slope, ratio):
    spike = family(slope)
    return rs.LIF(0.9, float(ratio / float(width(spike).mid())), spike)


@families
def test_a_unit_spike_holds_the_textbook_and_its_derivatives(family):
    unit = UNIT_SPIKES[family]
    for m in np.concatenate([[0.0, 1e-9, 0.5], np.geomspace(0.01, min(unit.far, 60.0), 9)[:-1]]):
        s = spike_of(family, series([arb(m), arb(1)], prec=4), 1)
        textbook = (1 - s[0], m * (1 - s[0]), s[1], -2 * s[2], 6 * s[3])
        ours = (unit.tail, unit.moment, unit.first, unit.second, unit.third)
        for f, value in zip(ours, textbook, strict=True):
            found = f(exact(np.array([m])))
            assert arb(found.lower[0]) <= value <= arb(found.upper[0])
            assert found.upper[0] - found.lower[0] <= 1e-10


@families
@pytest.mark.parametrize("slope", [1e-3, 0.8, 3.0, 1e6])
def test_the_constants_of_a_spike_are_attained(family, slope):
    for order, f in enumerate(OF_SPIKES, 1):
        found = f(family(slope))
        value = of_spike(family(slope), arb(found.point), order)
        assert arb(found.lower) <= value <= arb(found.upper)


@families
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_constants_of_a_neuron_are_attained(family, ratio, order):
    neuron = neuron_of(family, 3.0, ratio)
    found = OF_MAPS[order](neuron)
    if not np.isfinite(found.point):
        return
    sides = [1, -1] if found.point == neuron.threshold else [1]
    sides = [-1] if found.point < neuron.threshold else sides

    values = [derivative(neuron, arb(found.point), side, order) for side in sides]

    assert any(arb(found.lower) <= value for value in values)
    assert all(value <= arb(found.upper) for value in values)


def reset_by(neuron, u, s):
    """Return what is left of a potential."""
    leak, threshold, reset = arb(neuron.leak), arb(neuron.threshold), neuron.reset
    if isinstance(reset, rs.ToZero):
        return leak * u * (1 - s)
    if isinstance(reset, rs.Subtract):
        return leak * (u - threshold * s) if reset.leaked else leak * u - threshold * s
    return leak * u


@given(seeds().map(wide), st.sampled_from(RESETS), st.sampled_from([1, 2]))
@min_examples(100)
def test_over_decades_and_all_resets_the_lower_end_is_attained(neuron, reset, order):
    neuron = replace(neuron, reset=reset)
    found = OF_MAPS[order](neuron)
    if not np.isfinite(found.point):
        assert found.lower <= neuron.leak <= found.upper
        return
    v = arb(found.point) - arb(neuron.threshold)
    t, values = series([v, arb(1)], prec=order + 1), []
    for side in (side for side in (-1, 1) if v * side >= 0):
        s = spike_of(type(neuron.spike), width(neuron.spike) * t, side)
        carried = reset_by(neuron, t + arb(neuron.threshold), s)
        values.append(abs(carried[order] * order))  # 1! and 2!

    assert any(arb(found.lower) <= value for value in values)
    assert all(value <= arb(found.upper) for value in values)
    assert any(value <= arb(found.lower) * (1 + 1e-9) + 1e-300 for value in values)


def proved(f, edges, bound):
    """Whether abs(f) is at most `bound` between the edges, by halving balls where it may not be."""
    boxes = list(itertools.pairwise(edges))
    for _ in range(40):
        boxes = [
            half
            for low, high in boxes
            if not f(arb(0.5 * (low + high), 0.5 * (high - low)).union(arb(low))) <= bound
            for half in ((low, 0.5 * (low + high)), (0.5 * (low + high), high))
        ]
        if not boxes or len(boxes) > 4000:
            return not boxes
    return False


def distances(family):
    far = 1.0 if family is rs.PiecewiseQuadratic else 50.0
    return [0.0, *np.geomspace(0.01, far, 40)]


@families
@pytest.mark.parametrize("order", [1, 2])
def test_arb_proves_the_closed_forms_of_a_spike(family, order):
    spike = family(1.0)
    bound = OF_SPIKES[order - 1](spike)
    edges = [m / float(width(spike).mid()) for m in distances(family)]
    edges[-1] *= 1.0 - 1e-12  # not past the end of the spline

    assert proved(lambda v: of_spike(spike, v, order), edges, arb(1.001 * bound.upper))
    assert not proved(lambda v: of_spike(spike, v, order), edges, arb(0.999 * bound.lower))


@families
@pytest.mark.parametrize("ratio", [0.4, 3.0])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_arb_proves_the_constants_of_a_neuron(family, ratio, order):
    neuron = neuron_of(family, 1.0, ratio)
    c, bound = float(width(neuron.spike).mid()), arb(1.002 * OF_MAPS[order](neuron).upper)
    for side in (-1, 1):
        m = np.array(distances(family)) * (1.0 - 1e-12)
        m = np.minimum(m, ratio) if (order, side) == (0, -1) else m  # u >= 0
        edges = np.unique(neuron.threshold + side * m / c)

        assert proved(lambda u, side=side: derivative(neuron, u, side, order), edges, bound)


def test_arb_does_not_prove_what_is_false():
    """The larger limit at the jump, 1 + a, is missed by a search of one side."""
    neuron = neuron_of(rs.FastSigmoid, 1.0, 3.0)
    edges = neuron.threshold - np.array(distances(rs.FastSigmoid))[::-1]
    below = arb(0.99 * constants.map_curvature(neuron).lower)

    assert not proved(lambda u: derivative(neuron, u, -1, 2), edges, below)
