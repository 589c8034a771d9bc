"""The ladder of slopes: what is certified where, and the picture of it."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import refsast as rs
from proofs_check.transfer.certificate import simple_certificate
from proofs_check.transfer.slope_curve import (
    curve_figure,
    plot_curve,
    replace_slope,
    slope_curve,
)
from refsast.certify.sharp import sharp_certificate

SLOPES = (1.0, 1e2, 1e3, 1e4, 1e6)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    network = rs.Network((6, 8, 3), rs.LIF(0.9, 1.0, rs.Logistic(2.0)), rs.SpikeRate(1.0))
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    return network, params, rng.normal(size=(5, 50, 6))


@pytest.fixture(scope="module")
def ladder(case):
    return slope_curve(*case, SLOPES)


def test_each_row_is_what_the_certificates_say_at_that_slope(case, ladder):
    network, params, x = case
    for i, slope in enumerate(SLOPES):
        steep = replace_slope(network, slope)
        plain = simple_certificate(steep, params, x)
        hard, smooth = (rs.run(steep, params, x, s).logits for s in (rs.heaviside, None))

        assert np.array_equal(ladder.applies[i], plain.applies)
        assert np.array_equal(ladder.simple[i], plain.certified)
        assert np.array_equal(ladder.sharp[i], sharp_certificate(steep, params, x).certified)
        assert np.array_equal(ladder.agree[i], hard.argmax(axis=1) == smooth.argmax(axis=1))


def test_what_is_certified_agrees_and_stays_certified(ladder):
    for certified in (ladder.simple, ladder.sharp):
        assert certified[-1].mean() > 0.5 > certified[0].mean()
        assert np.all(ladder.agree | ~certified)
        assert np.all(certified[1:] | ~certified[:-1])
    assert np.all(ladder.sharp | ~ladder.simple)


def test_only_the_slope_is_replaced(case):
    network = case[0]
    steep = replace_slope(network, 7.0)

    assert steep.neurons[0].spike == rs.Logistic(7.0)
    assert replace_slope(steep, 2.0).neurons == network.neurons


def test_slopes_are_taken_through_progress(case):
    seen = []

    def progress(slopes):
        for slope in slopes:
            seen.append(slope)
            yield slope

    slope_curve(*case, SLOPES[:2], progress)
    assert seen == [1.0, 1e2]


@pytest.mark.parametrize("slopes", [(), (2.0, 1.0), (1.0, 1.0), (1.0, np.nan)])
def test_slopes_that_do_not_rise_are_refused(case, slopes):
    with pytest.raises(ValueError, match="slopes must be one or more rising numbers, got"):
        slope_curve(*case, slopes)


def test_spikes_without_a_slope_are_refused(case):
    network = rs.Network((6, 3), rs.LIF(0.9, 1.0, rs.heaviside), rs.SpikeRate(1.0))
    with pytest.raises(ValueError, match="spike must be a smooth spike of refsast, got"):
        replace_slope(network, 2.0)


def test_what_is_drawn_is_the_shares(ladder):
    axis = Figure().add_subplot()
    plot_curve(ladder, axis)
    lines = {line.get_label(): line.get_ydata() for line in axis.get_lines()}

    assert axis.get_xscale() == "log"
    assert np.array_equal(lines["certified, sharp"], 100.0 * ladder.sharp.mean(axis=1))
    assert np.array_equal(lines["certified, simple"], 100.0 * ladder.simple.mean(axis=1))
    assert np.array_equal(lines["smooth and hard agree"], 100.0 * ladder.agree.mean(axis=1))
    assert len(curve_figure({"a": ladder, "b": ladder, "c": ladder}).axes) == 3
