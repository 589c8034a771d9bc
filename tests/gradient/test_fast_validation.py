"""What the fast gradient refuses, and that it names what is wrong."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.testing import TOLERANCE, to_float32
from tests.gradient.test_paths import binarize

NOT_FINITE = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("part", ["w", "b", "v"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_parameter_that_is_not_finite_is_named(tiny, number, events, part, which):
    case = binarize(tiny())
    case.x[:, :, 0] = 0.0  # an input that is silent
    spoilt = {k: None if a is None else a.copy() for k, a in vars(case.params[which]).items()}
    if spoilt[part] is None:
        pytest.skip(f"layer {which} of this network has no {part}")
    spoilt[part][(0,) * spoilt[part].ndim] = number
    params = tuple(rs.Layer(**spoilt) if i == which else p for i, p in enumerate(case.params))
    x = rs.as_spikes(case.x) if events else case.x

    with pytest.raises(ValueError, match=rf"params\[{which}\]\.{part} must be finite"):
        rs.fast.loss_and_grad(case.network, params, x, case.y, dense_above=1.0)


@pytest.mark.parametrize("number", [*NOT_FINITE, 1e300])
def test_an_input_that_is_not_finite_is_named(tiny, number):
    case = to_float32(tiny())
    x = case.x.astype(float)
    x[0, 0, 0] = number

    with pytest.raises(ValueError, match="x must be finite"):
        rs.fast.loss_and_grad(case.network, case.params, x, case.y)


OPTIONS = {
    "checkpoint must be a positive integer, got 0": {"checkpoint": 0},
    "checkpoint must be a positive integer, got 2.5": {"checkpoint": 2.5},
    r"dense_above must lie in \[0, 1\], got 1.5": {"dense_above": 1.5},
    "dense_above must be a number, got '1'": {"dense_above": "1"},
    r"dense_above must lie in \[0, 1\], got nan": {"dense_above": np.nan},
}


@pytest.mark.parametrize("message", OPTIONS)
def test_options_that_make_no_sense_are_refused(tiny, message):
    with pytest.raises(ValueError, match=message):
        rs.fast.loss_and_grad(*tiny(), **OPTIONS[message])


def spikes(steps, cells, starts, index):
    return rs.Spikes(steps, cells, np.array(starts), np.array(index))


UNSOUND = {
    r"index of x must lie in \[0, 3\), got 0 to 3": spikes(1, 3, [0, 2], [0, 3]),
    r"index of x must lie in \[0, 3\), got -1 to 0": spikes(1, 3, [0, 2], [-1, 0]),
    "index of x must ascend in every row": spikes(1, 3, [0, 2], [1, 1]),
    "starts of x must never decrease": spikes(2, 3, [0, 3, 2], [0, 1]),
    r"x must have shape \(time, batch, 3\), got \(1, 1, 4\)": spikes(1, 4, [0, 1], [0]),
}


@pytest.mark.parametrize("message", UNSOUND)
@pytest.mark.parametrize("gradient", [rs.fast.loss_and_grad, rs.reference.loss_and_grad])
def test_spikes_that_point_nowhere_are_refused(tiny, message, gradient):
    case = tiny()

    with pytest.raises(ValueError, match=message):
        gradient(case.network, case.params, UNSOUND[message], case.y[:1])


def test_rows_may_begin_below_where_the_last_one_ended(tiny):
    """Between two rows the index may fall, also over empty ones."""
    case, x = tiny(), spikes(2, 3, [0, 2, 2, 2, 4], [1, 2, 0, 1])

    loss, _ = rs.fast.loss_and_grad(case.network, case.params, x, case.y, dense_above=1.0)

    same = rs.reference.loss(case.network, case.params, x.dense(), case.y)
    assert abs(loss - same) <= TOLERANCE * same


@pytest.mark.parametrize("part", ["w", "b"])
def test_a_readout_that_is_not_finite_is_named_though_it_may_not_show(tiny, part):
    """A logit of minus infinity has probability zero, and the loss stays finite."""
    case = tiny()
    last = replace(case.params[-1], **{part: getattr(case.params[-1], part).copy()})
    getattr(last, part)[1] = -np.inf  # of a class that is nobody's label

    with pytest.raises(ValueError, match=rf"params\[2\]\.{part} must be finite"):
        rs.fast.loss_and_grad(case.network, (*case.params[:-1], last), case.x, case.y)


def test_a_complex_input_needs_complex_parameters(tiny):
    case = tiny()

    with pytest.raises(ValueError, match="x must be real where params are"):
        rs.fast.loss_and_grad(case.network, case.params, case.x + 1e-3j, case.y)


def test_something_else_than_a_network_is_refused(tiny):
    with pytest.raises(ValueError, match="network must be a Network, got NoneType"):
        rs.fast.loss_and_grad(None, *list(tiny())[1:])
