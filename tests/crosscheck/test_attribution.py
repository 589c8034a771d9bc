"""Causes that must not be named: of nothing, of no numbers, of a cell that is not there."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.check import attach_cause
from refsast.crosscheck.compare import examine
from refsast.crosscheck.diagnose.attribution import _setting_cause, attribute
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.misfit import misfit
from refsast.crosscheck.diagnose.observations import observe
from refsast.model.params import map_params
from tests.crosscheck.random_cases import draw_case


def answer(case: rs.Case, params, x, y):
    return rs.fast.loss_and_grad(case.network, params, x, y)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_off_by_less_than_causes_differ_has_no_cause(seed):
    case = draw_case(seed)

    def slightly_off(params, x, y):
        loss, grads = answer(case, params, x, y)
        return loss, map_params(lambda a: a * (1.0 + 1e-11), grads)

    report = rs.check(slightly_off, case)

    assert report.verdict == "DISAGREES"
    assert not report.cause.exact
    assert "unchanged" not in str(report)


def test_a_candidate_that_is_no_number_fits_nothing():
    case = draw_case(0)
    exam = examine(lambda *given: answer(case, *given), case)
    lost = replace(exam.right, grads=map_params(lambda a: np.full(a.shape, np.nan), case.params))

    assert misfit(exam, exam.right) <= 1.0
    assert misfit(exam, lost) == np.inf


def test_a_cause_in_a_cell_is_not_looked_for_in_a_smaller_network():
    wide, narrow = (
        draw_case(3, sizes=(4, n, 3), recurrent=False, spike=rs.Arctan(2.0)) for n in (5, 2)
    )

    def last_row_lost(case):
        def gradient(params, x, y):
            loss, grads = answer(case, params, x, y)
            w = grads[0].w.copy()
            w[-1] = 0.0
            return loss, (replace(grads[0], w=w), *grads[1:])

        return gradient

    explanation, cause = attribute(observe(last_row_lost(wide), examine(last_row_lost(wide), wide)))
    assert cause.exact, cause
    assert len(explanation(wide)) > 0

    narrow = replace(narrow, network=replace(narrow.network, neuron=wide.network.neuron))
    report = rs.check(last_row_lost(narrow), narrow)
    assert attach_cause(report, explanation, cause).simulated == ()
    assert explanation(narrow) == []


def test_a_knob_without_effect_is_not_named():
    case = draw_case(1, reset=rs.Subtract())

    def scaled(params, x, y):
        loss, grads = answer(case, params, x, y)
        return loss, map_params(lambda a: 2.0 * a, grads)

    observations = observe(scaled, examine(scaled, case))
    factor = {("gradient factor", WHOLE): 2.0}
    idle = {("penalty on spike rates", WHOLE): 6.5e-21}

    found, _ = _setting_cause(observations, observations.samples, [factor | idle])

    assert found is not None
    assert "penalty" not in found[1].name


@pytest.mark.slow
@pytest.mark.parametrize("along", [True, False])
def test_what_vanishes_beside_the_right_gradient_has_no_cause(along):
    """All of it is below what single precision tells from zero: a clip to that norm would fit."""
    case = draw_case(1)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], case.network.n_params)

    def vanishing(params, x, y):
        loss, grads = answer(case, params, x, y)
        w = 1e-36 * (rs.flatten(grads) if along else signs)
        return np.float32(loss), rs.unflatten(case.network, w.astype(np.float32))

    report = rs.check(vanishing, case)

    assert report.verdict == "DISAGREES"
    assert not report.cause.exact, report
