"""The control: one factor on all thresholds."""

import numpy as np
import pytest

import refsast as rs
from refsast.experiment.calibrate import calibrate, calibrate_layers, scale_threshold

NETWORK = rs.Network((2, 2), rs.LIF(0.0, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0), bias=False)
PARAMS = (rs.Layer(0.5 * np.eye(2)),)
X, Y = np.eye(2)[None], np.array([0, 1])  # a potential of 0.5 never reaches the threshold of 1


def test_the_factor_makes_the_hard_network_right():
    factor = calibrate(NETWORK, PARAMS, X, Y)

    assert factor == 0.5  # the nearest to 1 of those that let 0.5 fire
    assert rs.evaluate(NETWORK, PARAMS, X, Y).hard == 0.5
    assert rs.evaluate(scale_threshold(NETWORK, factor), PARAMS, X, Y).hard == 1.0


def test_of_equally_good_factors_the_nearest_to_one_is_taken():
    assert calibrate(NETWORK, (rs.Layer(1.2 * np.eye(2)),), X, Y) == 1.0
    assert calibrate(NETWORK, PARAMS, X, Y, factors=[0.1, 0.4, 0.2]) == 0.4


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"factors": []}, "factors must not be empty"),
        ({"factors": [0.0]}, "threshold must be positive"),
        ({"y": np.array([0, 2])}, "y must lie in"),
        ({"x": np.eye(2)}, "x must have shape"),
    ],
)
def test_bad_input_is_refused(more, says):
    given = {"x": X, "y": Y} | more
    with pytest.raises(ValueError, match=says):
        calibrate(NETWORK, PARAMS, **given)


def test_one_factor_per_layer_mends_what_one_factor_cannot():
    """The first layer needs a low threshold, the second a high one: its bias alone reaches 0.9."""
    network = rs.Network((2, 2, 2), rs.LIF(0.0, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))
    none, steps = np.zeros(2), np.repeat(X, 3, axis=0)
    params = (rs.Layer(0.5 * np.eye(2), none), rs.Layer(0.35 * np.eye(2), none + 0.9))
    one = calibrate(network, params, steps, Y)
    each = calibrate_layers(network, params, steps, Y)

    assert rs.evaluate(scale_threshold(network, one), params, steps, Y).hard == 0.5
    assert rs.evaluate(scale_threshold(network, each), params, steps, Y).hard == 1.0
    assert each == (0.5, 1.0)


def test_factors_per_layer_must_be_as_many_as_layers():
    with pytest.raises(ValueError, match="factor must be one or one per layer, got 2 of 1"):
        scale_threshold(NETWORK, [1.0, 2.0])
