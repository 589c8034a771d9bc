"""Forms in the slope: nothing escapes them, in double precision or in fifty digits."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.certify import slope_form
from refsast.certify.boxes import largest_input
from refsast.certify.search import scale_slopes
from refsast.certify.slope_form import Cell, Form, enclose_last_spikes, enclose_spike
from refsast.model.reset import RESETS
from refsast.model.unroll import input_currents
from refsast.testing import inputs, min_examples, networks, parameters

FAMILIES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid, rs.PiecewiseQuadratic)
PLACES = (-1.0, -0.7, -0.2, 0.0, 0.4, 0.9, 1.0)


def exact_spike(family, z):
    """The unit spike in many digits."""
    if family is rs.Arctan:
        return mpmath.mpf(1) / 2 + mpmath.atan(mpmath.pi * z / 2) / mpmath.pi
    if family is rs.Logistic:
        return 1 / (1 + mpmath.exp(-z))
    if family is rs.Algebraic:
        return (1 + z / mpmath.sqrt(1 + z * z)) / 2
    if family is rs.FastSigmoid:
        return (1 + z / (1 + abs(z))) / 2
    z = max(mpmath.mpf(-1), min(mpmath.mpf(1), z))
    return mpmath.mpf(1) / 2 + z - z * abs(z) / 2


def exact_reset(reset, leak, theta, u, s):
    if isinstance(reset, rs.ToZero):
        return leak * u * (1 - s)
    if isinstance(reset, rs.Subtract):
        return leak * (u - theta * s) if reset.leaked else leak * u - theta * s
    return leak * u


def enclose(network, params, x, low, high):
    """Last spikes of a whole batch in one cell."""
    ones = np.ones(x.shape[1])
    centre, half = 0.5 * (low + high) * ones, 0.5 * (high - low) * ones
    first, largest = input_currents(params[0], x), largest_input(x)
    return enclose_last_spikes(network, params, first, largest, centre, half)


def escapes(network, params, x, low, high):
    """How many spikes of runs in the cell lie outside of it, and the largest share of r used."""
    form = enclose(network, params, x, low, high)
    outside, used = 0, 0.0
    for e in PLACES:
        steep = scale_slopes(network, 0.5 * (low + high) + 0.5 * (high - low) * e)
        off = np.abs(rs.run(steep, params, x).s[-1] - form.c - form.k * e)
        outside += int(np.sum(~(off <= form.r)))
        with np.errstate(all="ignore"):  # a planted error may leave no radius
            used = max(used, float(np.nanmax(off / form.r)))
    return outside, used


@st.composite
def cells(draw):
    """A network of any kind with any slope, its parameters, a batch, and a cell."""
    network = scale_slopes(draw(networks()), 10.0 ** draw(st.floats(-1.0, 5.0)))
    width = 10.0 ** draw(st.floats(-9.0, -0.4))
    x = draw(inputs(network.sizes[0]))
    return network, draw(parameters(network)), x, 1.0, 1.0 + width


@min_examples(200)
@given(cells())
def test_no_run_escapes_its_cell(case):
    outside, _ = escapes(*case)

    assert outside == 0


def drawn_spike(rng, family):
    """A neuron, a form of potentials around its threshold, and a cell."""
    reset = list(RESETS.values())[rng.integers(len(RESETS))]
    theta = float(rng.choice([0.1, 1.0, 30.0]))
    neuron = rs.LIF(float(rng.choice([0.0, 0.5, 0.9, 1.0])), theta, family(1.0), reset)
    slope = 10.0 ** rng.uniform(-1.0, 6.0)
    v = rng.normal() * 10.0 ** rng.uniform(-3.0, 2.0) / slope
    k, r = (rng.normal() * 10.0 ** rng.uniform(-4.0, 1.0) / slope for _ in range(2))
    half = slope * 10.0 ** rng.uniform(-8.0, -0.7)
    u = Form(*(np.array([[value]]) for value in (theta + v, k, abs(r))))
    return neuron, u, Cell(np.array([[slope]]), np.array([[half]]))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_spike_and_its_reset_are_enclosed_in_fifty_digits(family):
    """200 settings of each family, ten exact values of each."""
    rng = np.random.default_rng(7)
    lines = 0
    with mpmath.workdps(50):
        for _ in range(200):
            neuron, u, cell = drawn_spike(rng, family)
            found = enclose_spike(neuron, u, cell)
            c, k, r = (mpmath.mpf(part.item()) for part in u)
            centre, half = (mpmath.mpf(part.item()) for part in cell)
            lines += found[0].k.item() != 0.0
            for e, p in zip([*PLACES, 0.3, -1.0, 1.0], rng.uniform(-1.0, 1.0, 10), strict=True):
                e, p = mpmath.mpf(e), r * mpmath.mpf(float(np.sign(p) if abs(p) > 0.7 else p))
                potential = c + k * e + p
                s = exact_spike(family, (centre + half * e) * (potential - neuron.threshold))
                leak, theta = mpmath.mpf(neuron.leak), mpmath.mpf(neuron.threshold)
                left = exact_reset(neuron.reset, leak, theta, potential, s)
                for form, value in zip(found, (s, left), strict=True):
                    middle, line, radius = (mpmath.mpf(part.item()) for part in form)
                    assert abs(value - middle - line * e) <= radius
    assert 40 < lines < 200  # both forms are used: lines, and ranges


@pytest.mark.parametrize("family", FAMILIES)
def test_the_line_is_the_derivative_by_the_slope(family):
    """dS(b v)/db = v S'(b v), in fifty digits, of a potential that is known."""
    neuron = rs.LIF(0.9, 1.0, family(1.0))
    for v, slope in ((0.3, 2.0), (-0.2, 3.0), (-0.05, 7.0)):
        u = Form(np.array([[1.0 + v]]), np.zeros((1, 1)), np.zeros((1, 1)))
        cell = Cell(np.array([[slope]]), np.array([[1e-7]]))
        distance = float(u.c.item() - 1.0)
        with mpmath.workdps(50):
            exact = mpmath.diff(lambda b, d=distance: exact_spike(family, b * mpmath.mpf(d)), slope)
        spike, _ = enclose_spike(neuron, u, cell)

        assert spike.k.item() / 1e-7 == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_second_derivative_is_above_its_supremum(family):
    rng = np.random.default_rng(3)
    unit = family(1.0)
    for _ in range(200):
        nearest, farthest = np.sort(10.0 ** rng.uniform(-3.0, 1.0, 2))
        bound = slope_form.sup_second(unit, nearest * (rng.random() > 0.2), farthest)
        z = rng.uniform(nearest, farthest, 50)

        assert np.abs(unit.second(z)).max() <= bound * (1.0 + 1e-12)
        assert bound <= unit.sup_second


@pytest.mark.parametrize("reset", RESETS.values(), ids=list(RESETS))
@pytest.mark.parametrize("family", FAMILIES)
def test_half_the_cell_leaves_a_quarter_of_the_radius(family, reset):
    """Second order: what is not a line shrinks with the square of the cell."""
    rng = np.random.default_rng(1)
    neuron = rs.LIF(0.9, 1.0, family(2.0), reset)
    network = rs.Network((4, 6, 6, 3), neuron, rs.SpikeRate(1.0), recurrent=True)
    params = rs.unflatten(network, 0.4 * rng.normal(size=network.n_params))
    x = rng.normal(size=(4, 8, 4))
    wide, narrow = (enclose(network, params, x, 1.0, 1.0 + h).r.max() for h in (2e-4, 1e-4))

    assert 3.5 < wide / narrow < 4.5


def witness(rng, reset, family=rs.Arctan, slope=20.0):
    neuron = rs.LIF(0.9, 1.0, family(slope), reset)
    network = rs.Network((5, 6, 4), neuron, rs.SpikeRate(1.0), recurrent=True)
    params = rs.unflatten(network, 0.6 * rng.normal(size=network.n_params))
    return network, params, rng.normal(size=(6, 30, 5))


@pytest.fixture(scope="module")
def witnesses():
    rng = np.random.default_rng(5)
    made = [witness(rng, reset, family) for reset in RESETS.values() for family in FAMILIES[::2]]
    return [(*case, 1.0, 1.0 + width) for case in made for width in (1e-3, 0.1)]


def without_magnitude(a, w):
    rows = [part @ w.T for part in a]
    return Form(rows[0], rows[1], np.abs(rows[2]))


def spike_line(change):
    whole = slope_form.spike_line
    return lambda *given: change(whole(*given))


def swapped_range(neuron, u, cell):
    return RANGE(neuron, u, Cell(cell.centre, -cell.half))


RANGE, RESET_RANGE = slope_form.spike_range, slope_form.reset_range
PLANTED = {
    "no curvature": ("sup_second", lambda unit, low, high: 0.0 * low),
    "a third of the curvature": ("sup_second", lambda *a: slope_form_sup(*a) / 3.0),
    "weights keep their signs": ("_multiply", without_magnitude),
    "the wrong ends of the slope": ("spike_range", swapped_range),
    "no derivative by the slope": ("spike_line", spike_line(lambda s: s._replace(sk=0.0 * s.sk))),
    "the spike's rest forgotten": ("spike_line", spike_line(lambda s: s._replace(s2=0.0 * s.s2))),
    "half the reset's range": (
        "reset_range",
        lambda *a: tuple(0.5 * (RESET_RANGE(*a)[0] + RESET_RANGE(*a)[1]) for _ in range(2)),
    ),
}
slope_form_sup = slope_form.sup_second


def test_the_witnesses_are_sound(witnesses):
    assert sum(escapes(*case)[0] for case in witnesses) == 0


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_caught(name, witnesses, monkeypatch):
    monkeypatch.setattr(slope_form, *PLANTED[name])

    assert sum(escapes(*case)[0] for case in witnesses) > 0


def test_the_mixed_term_of_the_reset_is_attained(monkeypatch):
    """At threshold S'' is zero: what is left of u (1 - s) is the product of the two lines."""
    neuron = rs.LIF(1.0, 1.0, rs.Arctan(1.0))
    u = Form(np.ones((1, 1)), np.full((1, 1), 1e-3), np.zeros((1, 1)))
    cell = Cell(np.ones((1, 1)), np.full((1, 1), 1e-12))

    def share():
        _, left = enclose_spike(neuron, u, cell)
        end = 1.0 + 1e-3
        exact = end * (1.0 - neuron.spike(np.array(end - 1.0)))
        return abs(exact - left.c - left.k).item() / left.r.item()

    assert 0.9 < share() <= 1.0
    monkeypatch.setattr(slope_form, "ToZero", rs.Subtract)
    assert share() > 2.0


def test_rounding_is_in_the_radius():
    """A cell of no width: all that is left is rounding, and runs in another order differ by it."""
    rng = np.random.default_rng(2)
    network = rs.Network((300, 30, 20), rs.LIF(0.9, 1.0, rs.Arctan(30.0)), rs.SpikeRate(1.0))
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    x = rng.normal(size=(6, 20, 300))
    form = enclose(network, params, x, 1.0, 1.0)
    first = replace(params[0], w=params[0].w[:, ::-1])
    off = np.abs(rs.run(network, (first, *params[1:]), x[..., ::-1]).s[-1] - form.c)

    assert np.all(off <= form.r)
    assert off.max() > 1e-15
    assert np.median(form.r) < 1e-8


def test_what_overflows_bounds_nothing():
    """A current that is infinite in double precision is finite in exact arithmetic."""
    network = rs.Network((2, 1, 1), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))
    params = rs.unflatten(network, np.array([1e200, -1e200, 0.0, 1.0, 0.0]))
    with np.errstate(all="ignore"):
        form = enclose(network, params, np.full((3, 1, 2), 1e200), 1.0, 1.1)

    assert not np.any(np.abs(form.c) + np.abs(form.k) + form.r < 0.5)
