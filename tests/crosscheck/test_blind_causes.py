"""Kinds of the blind set that were not named when it was made, and are now."""

import numpy as np
import pytest

import refsast as rs

pytest.importorskip("torch")
from tests.crosscheck.blind.__main__ import KINDS, draw_question

NAMED = {
    "Eprop": "paired with a trace of the inputs",
    "LateHalfSummed": "first T // 2 of T steps left out of the sums",
    "LastNeuron": "without the last neuron of the layer",
    "SharedNumbers": "of the first layer",
    "StandardisedInput": "averaged over n - 1",
    "ClippedAdjoint": "adjoint of every step clipped to 0.001",
    "NoReadoutLeakBack": "gives to spikes without its leak",
    "MirroredReadoutBack": "gives to spikes in reversed order",
    "Epsilon": "logarithm of p + 0.0001",
    "Centred": "mean over recordings taken off the currents",
    "AnnealedSlope": "slope multiplied by 1 + 0.5 t/T",
    "ShortMemory": "going back 3 steps in the layer",
    "DroppedRecording": "last recording left out of the batch",
    "NormedRows": "weights of each neuron divided by their norm",
    "SkippedStep": "first step left out of the loop over time, its spikes zero",
    "UnleakedStart": "potentials before the first step multiplied by",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_it_is_named_and_no_place_is_wrong(name):
    case, dtype, _, truth = draw_question(KINDS[name], 0)

    report = rs.check(KINDS[name].make(case.network, dtype), case)

    assert report.cause.exact
    assert NAMED[name] in report.cause.says
    top = truth.stage == "loss or readout" and report.first.what == "adjoint"  # the first wrong one
    assert top or report.first.what in (truth.stage, "not known")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Refractory", "Centred"])
def test_what_saturation_does_not_hide_is_no_proof_of_what_lies_above(name):
    case, dtype, _, truth = draw_question(KINDS[name], 0)

    report = rs.check(KINDS[name].make(case.network, dtype), case)

    assert truth.stage == "state"
    assert np.isfinite(truth.size)
    assert "above them" not in str(report.first)
