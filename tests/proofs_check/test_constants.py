"""The constants against samples, closed forms and planted errors; Arb judges them elsewhere."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from proofs_check.certified import constants, reset_map, unit_spikes
from proofs_check.certified.intervals import exact
from proofs_check.certified.unit_spikes import UNIT_SPIKES, tail_envelope
from refsast.testing import SURROGATES, min_examples, neurons, seeds
from tests.proofs_check.sampled_constants import agrees, sample, wide, width

families = pytest.mark.parametrize("family", SURROGATES, ids=lambda f: f.__name__)
RATIOS = [1e-6, 1e-3, 0.1, 0.5, 0.9, 1.0, 1.1, 1.9, 2.0, 2.1, 3.0, 10.0, 1e3, 1e9]
OF_MAPS = (constants.max_carry, constants.kappa, constants.map_curvature)
OF_SPIKES = (constants.sup_derivative, constants.sup_second)


@given(neurons())
@min_examples(60)
def test_a_dense_sample_agrees_whatever_the_neuron(neuron):
    assert agrees(constants.kappa(neuron), sample(neuron, 1))
    assert agrees(constants.map_curvature(neuron), sample(neuron, 2))
    assert not isinstance(neuron.reset, rs.ToZero) or agrees(
        constants.max_carry(neuron), sample(neuron, 0)
    )


@given(seeds().map(wide), st.sampled_from([0, 1, 2]))
@min_examples(60)
def test_every_enclosure_is_tight_and_agrees_with_a_sample(neuron, order):
    found = OF_MAPS[order](neuron)

    assert 0.0 <= found.upper - found.lower <= 1e-6 * found.upper
    assert agrees(found, sample(neuron, order))


@families
@pytest.mark.parametrize("slope", [1e-3, 0.7, 2.0, 1e6])
def test_the_closed_forms_of_both_packages_are_one(family, slope):
    spike = family(slope)

    for f, closed in zip(OF_SPIKES, (spike.sup_derivative, spike.sup_second), strict=True):
        found = f(spike)
        assert found.lower * (1.0 - 1e-15) <= closed <= found.upper * (1.0 + 1e-15)
        assert found.upper - found.lower <= 1e-9 * found.upper


def bend(a, z):
    """Return 2 S' + (z + a) S'' of the arctangent."""
    return 2.0 * (1.0 - a * z) / (math.pi * (1.0 + z * z) ** 2)


def arctan_slope(a):
    z = 1.0 / a
    return max(1.0, abs(math.atan2(1.0, z) - (z + a) / (1.0 + z * z)) / math.pi)


def algebraic_slope(a):
    root = math.hypot(3.0 * a, math.sqrt(8.0))
    right, left = 4.0 / (3.0 * a + root), (3.0 * a + root) / 2.0
    tail = 0.5 / (math.hypot(1.0, right) * (math.hypot(1.0, right) + right))
    value = tail - 0.5 * (right + a) / math.hypot(1.0, right) ** 3
    excess = 0.5 * (left - a) / math.hypot(1.0, left) ** 3
    excess -= 0.5 / (math.hypot(1.0, left) * (math.hypot(1.0, left) + left))
    return max(1.0, 1.0 + excess, abs(value))


def piecewise_slope(a):
    below = 1.0 + (1.0 - a) ** 2 / 6.0 if a < 1.0 else 1.0
    return max(below, (1.0 + a) ** 2 / 6.0 if a <= 2.0 else a - 0.5)


def arctan_bend(a):
    root = math.hypot(2.0, math.sqrt(3.0) * a)
    return max(abs(bend(a, -a / (2.0 + root))), abs(bend(a, (2.0 + root) / (3.0 * a))))


CLOSED = {  # of leak 1 and width 1, a the threshold
    (rs.Arctan, 1): arctan_slope,
    (rs.Algebraic, 1): algebraic_slope,
    (rs.FastSigmoid, 1): lambda a: max(1.0, abs(1.0 - a) / 2.0),
    (rs.PiecewiseQuadratic, 1): piecewise_slope,
    (rs.Arctan, 2): arctan_bend,
    (rs.FastSigmoid, 2): lambda a: 1.0 + a,
    (rs.PiecewiseQuadratic, 2): lambda a: 2.0 + a,
    (rs.FastSigmoid, 0): lambda a: 0.5 if a <= 1.0 else a + 1.5 - math.sqrt(2.0 * (a + 1.0)),
}


@pytest.mark.parametrize("case", CLOSED, ids=lambda c: f"{c[0].__name__}-{c[1]}")
@pytest.mark.parametrize("a", RATIOS)
@pytest.mark.parametrize("slope", [1.0, 50.0])
def test_branch_and_bound_finds_the_closed_forms(case, a, slope):
    family, order = case
    spike = family(slope)
    neuron = rs.LIF(0.8, a / width(spike), spike)
    wanted = CLOSED[case](a) * 0.8 * width(spike) ** (order - 1)
    found = OF_MAPS[order](neuron)

    assert found.lower <= wanted * (1.0 + 1e-13)
    assert found.upper >= wanted * (1.0 - 1e-13)


@families
def test_no_value_past_far_is_beyond(family):
    unit = UNIT_SPIKES[family]
    tail = tail_envelope(unit)
    m = exact(unit.far * np.array([1.0, 1.1, 2.0, 1e3]))
    if family is rs.PiecewiseQuadratic:
        m = exact(np.ones(1))  # beyond, all is zero
    for name in ("tail", "first", "second"):
        bound = getattr(tail, name)(exact(unit.far))
        values = getattr(unit, name)(m)
        assert (values.lower <= bound.upper).all()
        if name != "tail":
            assert ((m * values).lower <= (unit.far * bound).upper).all()
    assert (unit.moment(m).lower <= max(unit.limit.upper, unit.moment(m).upper[0])).all()


@pytest.fixture
def forgetful():
    """Searches that remember nothing, before and after."""
    caches = (reset_map._search_supremum, reset_map.map_supremum)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


NEAR = rs.LIF(1.0, 0.5, rs.Algebraic(1.0))  # its kappa is attained at z = -3.1
CARRIED = rs.LIF(1.0, 0.05, rs.Arctan(2.0))  # its carry at z = 4.2


@pytest.mark.parametrize(("neuron", "order"), [(NEAR, 1), (CARRIED, 0)])
def test_a_tail_cut_near_is_loose_but_true(neuron, order, forgetful, monkeypatch):
    family = type(neuron.spike)
    monkeypatch.setitem(UNIT_SPIKES, family, replace(UNIT_SPIKES[family], far=1.0))

    assert OF_MAPS[order](neuron).upper >= sample(neuron, order)


def test_a_limit_is_exact_and_its_point_infinite():
    kappa = constants.kappa(rs.LIF(0.7, 1.0, rs.Arctan(1.0)))
    carry = constants.max_carry(rs.LIF(1.0, 0.25, rs.FastSigmoid(2.0)))

    assert (kappa.point, carry.point) == (-math.inf, math.inf)
    assert kappa.lower == pytest.approx(0.7, rel=1e-15)
    assert carry.lower == pytest.approx(0.25, rel=1e-15)


def test_a_forgotten_tail_is_caught(forgetful, monkeypatch):
    monkeypatch.setitem(UNIT_SPIKES, rs.Algebraic, replace(UNIT_SPIKES[rs.Algebraic], far=1.0))
    monkeypatch.setattr(
        reset_map,
        "tail_envelope",
        lambda unit: replace(unit, **dict.fromkeys(("tail", "first", "second"), lambda m: 0.0 * m)),
    )

    assert not agrees(constants.kappa(NEAR), sample(NEAR, 1))


@pytest.mark.parametrize("family", [rs.FastSigmoid, rs.PiecewiseQuadratic])
def test_a_forgotten_side_of_a_jump_is_caught(family):
    neuron, unit, a = rs.LIF(1.0, 0.7, family(1.0)), UNIT_SPIKES[family], exact(0.7)
    right = [
        reset_map._half_line_supremum(unit, a, 2, 1.0, sign, 0.0).upper for sign in (-1.0, 1.0)
    ]

    assert max(right) < 0.99 * sample(neuron, 2)


@pytest.mark.parametrize("name", ["second", "third"])
def test_a_wrong_derivative_is_caught(name, forgetful, monkeypatch):
    wrong = replace(UNIT_SPIKES[rs.Logistic], **{name: lambda m: 0.0 * m})
    monkeypatch.setitem(UNIT_SPIKES, rs.Logistic, wrong)
    neuron = rs.LIF(1.0, 3.0, rs.Logistic(1.0))
    order = {"second": 1, "third": 2}[name]

    assert not agrees(OF_MAPS[order](neuron), sample(neuron, order))


def test_a_leak_of_zero_leaves_nothing():
    neuron = rs.LIF(0.0, 1.0, rs.Logistic(4.0))
    leaked = replace(neuron, reset=rs.Subtract(leaked=True))
    subtract = replace(neuron, reset=rs.Subtract())

    assert {f(neuron).upper for f in OF_MAPS} == {0.0}
    assert constants.kappa(leaked).upper == constants.map_curvature(leaked).upper == 0.0
    assert constants.kappa(subtract).lower <= 1.0 <= constants.kappa(subtract).upper  # not leaked


@given(neurons())
@min_examples(20)
def test_detaching_changes_nothing(neuron):
    other = replace(neuron, detach_reset=not neuron.detach_reset)

    assert constants.kappa(other) == constants.kappa(neuron)
    assert constants.map_curvature(other) == constants.map_curvature(neuron)


@pytest.mark.parametrize(("k", "steps", "wanted"), [(1.0, 7, 7.0), (0.5, 3, 1.75), (2.0, 0, 0.0)])
def test_the_geometric_sum(k, steps, wanted):
    assert constants.geometric_sum(k, steps) == wanted
    assert constants.geometric_sum(1.0 + 1e-9, 1000) == pytest.approx(
        1000.0 + 499_500e-9, rel=1e-12
    )
    assert constants.geometric_sum(10.0, 400) == math.inf


class Impostor(rs.Arctan):
    """Of the family by name, steeper by what it answers."""

    def derivative(self, v):
        return 2.0 * super().derivative(v)


def test_an_impostor_gets_the_constants_of_its_family():
    for f in OF_SPIKES:
        assert f(Impostor(2.0)) == f(rs.Arctan(2.0))
    for f in OF_MAPS:
        assert f(rs.LIF(0.9, 1.0, Impostor(2.0))) == f(rs.LIF(0.9, 1.0, rs.Arctan(2.0)))


@pytest.mark.parametrize("f", [*OF_SPIKES, *OF_MAPS])
@pytest.mark.parametrize("reset", [rs.ToZero(), rs.Subtract(), rs.NoReset()])
def test_another_spike_is_refused(f, reset):
    if f is constants.max_carry and not isinstance(reset, rs.ToZero):
        return
    asked = rs.heaviside if f in OF_SPIKES else rs.LIF(0.9, 1.0, rs.heaviside, reset)

    with pytest.raises(ValueError, match=r"^spike must be one of Arctan, Logistic, .*, got <func"):
        f(asked)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda n: constants.max_carry(replace(n, reset=rs.NoReset())),
            "reset must be ToZero, got ",
        ),
        (lambda n: constants.geometric_sum(-1.0, 3), "k must not be negative, got -1"),
        (lambda n: constants.geometric_sum(1.0, -3), "steps must not be negative, got -3"),
    ],
)
def test_invalid_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call(NEAR)


def test_the_families_are_those_of_the_model():
    assert unit_spikes.SPIKE_FAMILIES == SURROGATES
