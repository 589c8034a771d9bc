"""Kinds of the blind set that were not named when it was made, and are now."""

from itertools import combinations

import numpy as np
import pytest

import refsast as rs

pytest.importorskip("torch")
from refsast.crosscheck.case import truncate_case
from tests.crosscheck.blind.__main__ import KINDS, draw_question
from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.networks import draw_case

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
    "NonNegative": "negative weights made zero, derived",
    "PotentialsBelow": "paired with the potentials of the layer below",
    "UnequalHalves": "means of two halves of the batch",
    "Boxcar": "rectangular derivative, 1 where |u - threshold| <= 0.5",  # in both layers alike
    "FromAboveNeverCleared": "from above added to that of all later steps",
    "FiredMaskAsOfReLU": "from above where a neuron fires",
    "AdjointsInFixedPoint": "in units of 2^-11, cut",
    "IntegerInput": "with the input cut to integers, towards zero",
    "EventsCountOnce": "ones where the inputs are not zero",
    "BiasSumWithoutAxis": "in the biases summed over neurons",
    "OnlyPositiveWeightsLearn": "zero where the weight is not positive",
    "StartGetsEveryStep": "from the adjoints of all steps",
    "RecurrentSymmetricAndReadoutOfLastStep": "V averaged with its transpose",
    "WarmUpStepsLeftOut": "first T // 4 of T steps read as zeros",
    "BatchFirstReshaped": "reshaped, not transposed",
    "DeafAfterASpike": "deaf after a spike",
    "BiasInsideTheSumOfConnections": "biases multiplied by",
    "RelativeDistance": "k/threshold, k its slope",
    "PotentialInEighths": "in units of 2^-3, rounded down",
    "FireFirst": "before the step's input",
    "PaddingWithoutMask": "up to a multiple of 16 (padding)",
    "ReadoutPairedWithLastSpikes": "in place of those of all steps",
    "FiredBeforeIntegrated": "computed from the potential of the step before",
    "NetNotResetAfterWarmUp": "that an earlier pass through the same steps has left",
    "BackBufferNotCleared": "from above passed on beside",
    "OneAccumulatorForAllLayers": "in one array: sums of those in W",
    "OneBufferOverwritten": "in one array: the first layer's in W",
    "SlopeAveragedOverBatch": "derivative averaged over recordings",
    "FeedbackTwoStepsLate": "through V from two steps later",
    "CarryCutByHardMask": "through the leak zero where a neuron fires",
    "CarrySeededWithTheError": "of the last step receive carried into it",
    "RecurrenceTruncatedEveryFour": "fed back detached at each 4 steps",
    "CarryMeanOverRecordings": "carried back through time averaged over recordings",
    "FeedbackThroughW": "W in place of V in the gradient",
    "ResetDifferentiatedWhereFiredOnly": "the reset where a neuron fires (s > 1/2) alone",
    "PotentialPenaltyInBackward": "0.01 of each potential",
    "LastNeuronBelowForgotten": "nothing given to the last neuron of the layer below",
    "ProbabilitiesAveraged": "softmax of each step's logits averaged over steps",
    "ExtraClassOfZeroLogit": "one class more, of logit 0",
    "ReadoutResets": "1 taken off the readout's potential",
    "RecurrenceInFirstLayerOnly": "without recurrence in layers 2, 3, 4, 5 and 6",
    "TracePassedOn": "a trace of the spikes of the layer below",
    "BiasShiftsThresholdOnly": "the bias heard by the spike alone",
    "RecurrentGetsFeedforwardGradient": "the gradient in V that in W",
    "SmallerHalfDropped": "smallest entries of each array of the gradient zero, 0.5 of all",
    "PrunedWeightsMasked": "zero where weights are smaller than 0.2 (pruned)",
    "AveragedOverTimeGoingDown": "from above averaged over steps",
    "TanhDerivativeOfSpikes": "k (1 - s^2)",
    "LogitsClippedForSafety": "logits clipped to 5",
    "MaxNotAddedBack": "without the largest logit added again",
    "LabelsOverwrittenByPredictions": "of the predictions, not the labels",
    "ReadoutTraceOneStepShort": "gives to spikes one step short",
    "ConfidencePenaltyAndBiasFrozen": "less 0.1 of the softmax's entropy",
    "OutputNeuronSpikesCounted": "a readout that fires as the last layer does",
    "MinMaxPerFeature": "each channel of the input stretched to 0 and 1",
    "OverlappingBins": "input of the step before added",
    "InhibitionLeftOn": "neuron of the largest potential of a layer alone",
    "ReluLeftBeforeNeurons": "negative currents made zero",
    "WeightsReshapedNotTransposed": "with weights reshaped, not transposed",
    "GradientsSavedAsText": "gradients rounded to 4 decimals",
    "ClippedOnlyAbove": "from above, not from below",
    "StartReadsSecondStep": "from the adjoint of the second step",
    "StartReadsLastAdjoint": "before the first step from the adjoint of the last step",
    "BiasSumsErrorsFromAbove": "the biases summed from what comes from above",
    "FeedbackThroughOtherLayersWeights": "with V of the first layer",
    "NumbersPrintedShort": "rounded to 2 decimals",
    "LayerListMultiplied": "the parameters of the first layer in all",
    "OneSpikeVariableForAll": "V reading the layer's input of the same step",
    "StartOfFirstRecordingOnly": "before the first step given to the first recording alone",
    "SharesOfSpikes": "divided by all spikes of the recording",
    "MultiSpikeReset": "as often as the threshold fits",
    "FirstRecordingResetsAll": "by the spikes of the first",
    "BelowAveragedOverBatch": "from above averaged over recordings",
    "BelowClippedToThousandth": "from above clipped to 0.001",
    "InputCutToIntegersInSum": "paired with the inputs cut to integers",
    "LastNeuronNeverReset": "the last neuron of the layer never reset",
    "LastStepWithoutSlope": "spikes of the last step receive for the adjoint",
    "WeightsWithoutLastRecordingAndBiasTwice": "recordings but the last counted in the sums",
    "WholeNormClippedToTenth": "clipped to the norm 0.1, divided by their norm + 1e-6",
    "UngatedLeakAndNoRecurrentPath": "1 - s left out",
    "FeaturesMirroredAndLeaksReversed": "exchanged and with the neurons of the input in reversed",
}


# What networks have in which some two kinds would show as one.
NEEDS = ("recurrent steps bias", "subtract own deep steps", "start", "leaky own deep reset",
         "parted deep analog", "square deep recurrent", "square deep rest", "square deep reset",
         "linear bias parted", "zero recurrent steps")  # fmt: skip


def numbers_of(implementation, case):
    """Loss and gradients of a second call; None where a network lacks what a kind needs."""
    try:
        for _ in range(2):
            loss, grads = implementation(case.params, case.x, case.y)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return None
    return np.concatenate([[loss], *(np.ravel(a) for layer in grads for a in layer.values())])


def are_near(a, b):
    return a.shape == b.shape and np.allclose(a, b, 1e-7, 1e-10 * np.linalg.norm(b), equal_nan=True)


def are_alike(mine, theirs, unharmed, others_unharmed):
    """Whether two kinds give the same wrong numbers, on two networks or more, and no others."""
    told = 0
    for a, b, right, right_too in zip(mine, theirs, unharmed, others_unharmed, strict=True):
        if a is None or b is None or (right and right_too):
            continue
        if not are_near(a, b):
            return False
        told += 1
    return told >= 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_two_kinds_of_the_blind_set_are_one():
    double = np.dtype(np.float64)
    cases = [truncate_case(draw_case(seed, needs)[0], 9) for seed, needs in enumerate(NEEDS)]
    right = [numbers_of(Hand(case.network, double), case) for case in cases]
    found = {
        name: [numbers_of(kind.make(case.network, double), case) for case in cases]
        for name, kind in KINDS.items()
    }
    unharmed = {
        name: [a is not None and are_near(a, b) for a, b in zip(numbers, right, strict=True)]
        for name, numbers in found.items()
    }
    for one, other in combinations(found, 2):
        assert not are_alike(found[one], found[other], unharmed[one], unharmed[other]), (one, other)
    for name, numbers in found.items():
        assert sum(a is not None for a in numbers) >= 2, name


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
def test_factors_on_the_way_down_may_be_factors_of_finished_gradients():
    case, dtype, *_ = draw_question(KINDS["LayerwiseRatesAndBiasOfLastStep"], 0)

    report = rs.check(KINDS["LayerwiseRatesAndBiasOfLastStep"].make(case.network, dtype), case)

    assert report.first.what == "not known"
    assert "adjoint of layer" in report.first.how
    assert "gradient of layer" in report.first.how


def test_a_last_step_that_is_not_computed_may_be_one_that_is_not_read():
    case, dtype, _, truth = draw_question(KINDS["LastStepNeverIntegrated"], 0)

    report = rs.check(KINDS["LastStepNeverIntegrated"].make(case.network, dtype), case)

    assert "last step left out by the readout" in report.cause.says
    assert "last step not computed" in str(report.cause.others)
    assert truth.stage == "state"
    assert report.first.what == "not known"
    assert "loss or readout" in str(report.first)
    assert f"state of layer {truth.layer}, step {truth.step}" in str(report.first)


@pytest.mark.slow
def test_a_gradient_of_zero_has_no_place():
    case, dtype, *_ = draw_question(KINDS["AdjointsInFixedPoint"], 1)

    report = rs.check(KINDS["AdjointsInFixedPoint"].make(case.network, dtype), case)

    assert {s.ratio for s in report.stages if s.name == "parameter gradients"} == {0.0}
    assert report.first.what == "not known"
    assert "every gradient is zero" in str(report.first)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Refractory", "Centred"])
def test_what_saturation_does_not_hide_is_no_proof_of_what_lies_above(name):
    case, dtype, _, truth = draw_question(KINDS[name], 0)

    report = rs.check(KINDS[name].make(case.network, dtype), case)

    assert truth.stage == "state"
    assert np.isfinite(truth.size)
    assert "above them" not in str(report.first)
