"""Unit spikes and the reset map: closed forms, tails, and the cut between search and tail."""

from dataclasses import replace

import numpy as np
import pytest

from proofs_check.certified import reset_map
from proofs_check.certified.intervals import Interval, exact
from proofs_check.certified.reset_map import DERIVATIVES
from proofs_check.certified.supremum import supremum
from proofs_check.certified.unit_spikes import UNIT_SPIKES, initial_edges
from refsast.testing import SURROGATES

families = pytest.mark.parametrize("family", SURROGATES, ids=lambda f: f.__name__)
unending = pytest.mark.parametrize("family", SURROGATES[:4], ids=lambda f: f.__name__)
orders = pytest.mark.parametrize("order", [0, 1, 2])
sides = pytest.mark.parametrize("side", [-1.0, 1.0])
CUT = 4.0  # by then every tail falls
THRESHOLDS = [1e-3, 0.1, 1.0, 10.0, 1e4]  # in widths
OUT = CUT * np.geomspace(1.0, 1e6, 400)


@families
@pytest.mark.parametrize("order", [1, 2])
def test_the_closed_form_is_what_branch_and_bound_finds_over_all_numbers(family, order):
    unit = UNIT_SPIKES[family]
    value = (unit.first, unit.second)[order - 1]
    slope = (lambda m: -unit.second(m), lambda m: -unit.third(m))[order - 1]
    bound, rel = unit.bounds[order - 1], 1e-7

    found = supremum(lambda m: abs(value(m)), slope, initial_edges(unit), rel)

    assert found.lower <= bound.upper
    assert bound.lower <= found.upper <= bound.upper * (1.0 + 2.0 * rel)
    assert abs(found.point - unit.peaks[order - 1]) <= 10.0 * np.sqrt(rel)
    assert abs(value(exact(unit.far))).upper <= bound.upper  # beyond, it falls


@unending
def test_tails_fall_from_the_cut_to_the_end_and_moments_tend_to_their_limit(family):
    unit, m = (
        UNIT_SPIKES[family],
        OUT if family is not SURROGATES[1] else np.linspace(CUT, 700.0, 400),
    )
    x = exact(m)

    for f in (unit.tail, unit.first, unit.second):
        assert_falls(f(x))
    for f in (unit.first, unit.second):
        assert_falls(x * f(x))
    if unit.limit.lower == 0.0:
        assert_falls(unit.moment(x))
    else:
        assert_falls(-unit.moment(x))
        assert (unit.moment(x).upper <= unit.limit.upper * (1.0 + 1e-15)).all()
    assert abs(unit.moment(exact(2.0**40)) - unit.limit).upper <= 1e-11
    assert (abs(unit.moment(x) - x * unit.tail(x)).lower == 0.0).all()


def assert_falls(values):
    """Check that values known between two numbers do not surely rise."""
    assert (values.lower[1:] <= values.upper[:-1]).all()
    assert values.upper[-1] < values.lower[0]


@families
def test_what_ends_at_far_ends_there(family):
    unit = UNIT_SPIKES[family]
    tails = [f(exact(unit.far)) for f in (unit.tail, unit.first)]

    assert all(0.0 <= t.upper <= 2e-12 for t in tails)


@unending
@orders
@sides
@pytest.mark.parametrize("a", THRESHOLDS)
def test_the_bound_beyond_the_cut_holds_there(family, order, side, a):
    unit = replace(UNIT_SPIKES[family], far=CUT)

    bound = reset_map._tail_bound(unit, exact(a), order, side)

    values = DERIVATIVES[order](UNIT_SPIKES[family], exact(a), side, exact(OUT))
    most = (values if order == 0 else abs(values)).lower.max()
    assert most <= bound
    assert bound <= 2.0 * abs(most) + 1.0


@unending
@orders
@pytest.mark.parametrize("a", THRESHOLDS)
def test_the_search_may_be_cut_anywhere(family, order, a, monkeypatch):
    whole = reset_map._search_supremum.__wrapped__(family, order, a, a)
    monkeypatch.setitem(UNIT_SPIKES, family, replace(UNIT_SPIKES[family], far=CUT))
    short = reset_map._search_supremum.__wrapped__(family, order, a, a)

    assert short.upper >= whole.lower
    assert short.lower <= whole.upper


@pytest.mark.parametrize("order", [0, 1, 2])
@families
@sides
def test_each_map_is_the_derivative_of_the_one_before(family, order, side):
    m, a, h = np.linspace(0.05, 0.9, 30), exact(0.7), 1e-5
    f, slope = DERIVATIVES[order : order + 2]

    def middle(x: Interval):
        return 0.5 * (x.lower + x.upper)

    rise = middle(f(UNIT_SPIKES[family], a, side, exact(m + h))) - middle(
        f(UNIT_SPIKES[family], a, side, exact(m - h))
    )

    assert rise / (2.0 * side * h) == pytest.approx(
        middle(slope(UNIT_SPIKES[family], a, side, exact(m))), rel=1e-6, abs=1e-6
    )


@families
def test_the_first_boxes_leave_no_gap(family):
    edges = initial_edges(UNIT_SPIKES[family])

    assert edges[0] == 0.0
    assert edges[-1] == UNIT_SPIKES[family].far
    assert (np.diff(edges) > 0.0).all()
