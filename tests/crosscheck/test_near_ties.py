"""Maxima that rounding decides: recordings with one are left out; exact ties and clear ones not."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params
from refsast.crosscheck.compare import examine
from refsast.crosscheck.unclear import unclear_recordings

ULP = float(np.spacing(np.float32(0.5)))


def draw_case(gap: float, *, batch: int = 2) -> rs.Case:
    """Two pixels of equal sums of channels but for `gap`, of which the larger is taken.

    Their channels differ, so that it matters which one it is. The second recording is clear.
    """
    network = rs.Network(
        ((2, 1, 2), rs.Conv2d(1, 1), (rs.MaxPool2d((1, 2)), 3)),
        rs.LIF(0.9, 1.0, rs.Arctan(2.0)),
        rs.SpikeRate(5.0),
    )
    params = (rs.Layer(np.ones((1, 2, 1, 1)), np.zeros(1)), rs.init(network, 0)[1])
    near, clear = [0.5, 0.125, 0.125, 0.5 + gap], [0.2, 0.9, 0.3, 0.8]
    x = np.array([near, clear])[None, :batch] * np.ones((3, 1, 1))
    return rs.Case(network, params, x, np.arange(batch))


def take_other(case: rs.Case, pixel: int = 0):
    """Return an implementation in float32 in which one pixel is the larger, by a rounding."""
    more = ULP * (np.arange(4) == 3 * pixel)

    def gradient(params, x, y):
        x = np.where(abs(x - 0.5) < 1e-2, 0.5 + more, x)
        loss, grads = rs.fast.loss_and_grad(case.network, params, x, y)
        return loss, cast_params(grads, np.float32)

    return gradient


def test_a_maximum_that_rounding_decides_is_left_out():
    case = draw_case(ULP)

    report = rs.check(take_other(case), case)

    assert examine(take_other(case), case).wrong
    assert report.verdict == "agrees", report
    assert report.left_out == (0,)
    assert "left out: recordings 1, a maximum that rounding decides" in str(report)


def test_where_every_recording_has_one_nothing_follows():
    case = draw_case(ULP, batch=1)

    report = rs.check(take_other(case), case)

    assert report.verdict == "undecided", report
    assert "every recording has a maximum that rounding decides" in str(report)


@pytest.mark.parametrize(("gap", "taken"), [(0.0, 1), (1e-3, 0)])
def test_an_exact_tie_and_a_clear_maximum_are_compared(gap, taken):
    case = draw_case(gap)

    exam = examine(take_other(case, taken), case)

    assert unclear_recordings(exam) == ()
    assert "parameter gradients" in exam.wrong


def test_the_largest_potential_over_time_may_be_one_that_rounding_decides():
    network = rs.Network(
        (1, 1), rs.LIF(0.0, 1.0, rs.Arctan(2.0)), rs.MaxPotential(2, 1.0), bias=False
    )
    params = (rs.Layer(np.array([[1.0]])), rs.Layer(np.array([[1.0], [-1.0]])))
    x = np.full((2, 2, 1), 0.5)  # potentials rise or fall by a spike at every step
    x[1, 1] = -1e17  # a second step adds next to nothing
    case = rs.Case(network, params, x, [0, 1])

    exam = examine(lambda params, x, y: rs.fast.loss_and_grad(network, params, x, y), case)

    assert unclear_recordings(exam) == (1,)
    assert unclear_recordings(replace(exam, dtype=np.dtype(np.float64))) == (1,)
