"""Rules of words, as `rules`, for the kinds of `faults.common_*`."""

TRUE: dict[str, tuple[str, ...]] = {
    # states
    "LeakSquaredInOneLayer": (r"= leak\^2 in place",),
    "FirstLayerCurrentTimesOneMinusLeak": ("scale of all input .*1 - leak in place",),
    "ResetByFirstLayersThreshold": ("a reset subtracts .*the threshold of the first layer",),
    "SlopeTimesPotentialOnly": ("threshold/k", "the threshold of the spike alone"),
    "LastNeuronNeverReset": ("the last neuron of the layer never reset",),
    "PotentialsOfOneLayerKept": ("the states (of layer .* )?kept",),
    "InputOneFrameEarly": ("input one step early in layer 1", "input one step early"),
    "BiasTwiceAndFirstLayersLeak": (
        "biases multiplied by 2 and .*the leak of the first layer",
        "the leak of the first layer.* and .*biases multiplied by 2",
    ),
    "OwnRecurrenceAndLeakOfDropSwapped": ("diagonal of V alone.*subtract",),
    "LastCurrentScaledAndResetDetached": ("1 - leak in place of 1 .*and with the reset detached",),
    # adjoints
    "SlopeAtPotentialAfterReset": ("the derivative taken after the reset",),
    "SlopeForgetsThresholdInOneLayer": ("derivative taken at u, not at u - threshold",),
    "ResetPathOfNextPotential": ("reset taken at the potential of the step after",),
    "LeakPathGatedByHardSpike": ("through the leak zero where a neuron fires",),
    "BelowAveragedOverBatch": ("from above averaged over recordings",),
    "BelowClippedToThousandth": ("from above clipped to 0.001",),
    "LastStepWithoutSlope": ("the last step receive for the adjoint",),
    "ResetDetachedAndSlopeCapped": (
        "at most 0.5 and with the reset detached",
        "reset detached and .*at most 0.5",
    ),
    "UngatedLeakAndNoRecurrentPath": (
        "fed back detached and .*1 - s left out",
        "1 - s left out .*fed back detached",
        "through the leak times 0 and .*recurrent weights times 0",
    ),
    "FirstLayersLeakBackAndNoFactorSlope": (
        "multiplied by 1/k.* the leak of the first layer",
        "multiplied by 1/k.*through the leak multiplied by",
    ),
    # sums
    "WeightOfOneLayerOverwritten": (
        "the first step alone counted in the sums of the gradient in W",
    ),
    "BiasOfFirstRecordingOnly": ("the first recording alone .*gradient in the biases",),
    "RecurrentSumOfSameStep": ("recurrent spikes of the step after",),
    "InputCutToIntegersInSum": ("paired with the inputs cut to integers",),
    "StartSumWithoutLeak": ("start, multiplied by .*1/leak",),
    "ReadoutWeightsFromLastSpikes": ("readout's weights from the spikes of the last step alone",),
    "WholeNormClippedToTenth": ("together clipped to the norm 0.1",),
    "WeightsWithoutLastRecordingAndBiasTwice": (
        "recordings but the last .*gradient in W .*biases multiplied by 2",
    ),
    "ResetDetachedAndWeightsDecay": (r"0\.001 of each weight added .*reset detached",),
    # losses
    "CrossEntropyOfEveryStep": ("loss of each step's logits",),
    "SquaredErrorOfRates": ("squared errors of the logits.*gain 1 in place",),
    "RateOfSecondHalf": (r"all but the first T // 2 steps",),
    "LeakyBiasAddedOnce": ("readout's bias added once",),
    "SoftmaxOverBatchOnWayBack": ("softmax over recordings, not classes",),
    "BatchMeanTwiceOnWayBack": ("gradients divided by .*the number of recordings",),
    "ActivityPenaltyInLoss": ("penalty of 0.1 on the mean spikes of each layer",),
    "CrossEntropySummedAndReadoutUnbiased": (
        "the number of recordings: summed.*without the bias of the readout",
    ),
    "NoGainBackAndLastStepUntold": ("last step left out by the readout, backwards.*1/gain",),
}

# Other causes of the same numbers.
EQUAL: dict[str, tuple[str, ...]] = {
    # of spikes that are not reset, or are to zero, a threshold of the spike is the threshold
    "SlopeTimesPotentialOnly": ("with the threshold",),
    "NoGainBackAndLastStepUntold": (
        "one step late, backwards alone and .*1/gain",
        "adjoint of zero at the last step.*1/gain",
    ),
}
