"""Rules of words, as `rules`, for the kinds of `faults.usual_*`."""

TRUE: dict[str, tuple[str, ...]] = {
    # backwards
    "SlopeOfTheStepAfter": ("derivative of the step after",),
    "SlopeAtOtherLayersThreshold": ("backwards the threshold .*the threshold of the",),
    "ResetByOneBack": ("through the reset times .*1/threshold",),
    "ZeroResetPathUnleaked": ("through the reset times .*1/leak",),
    "ResetPathOfWipedPotential": (r"at the potential after the reset, u \(1 - s\) \(cosine",),
    "ResetPathReadsOlderSpike": ("through the leak taken at the step before",),
    "SlopeOfTheUnhalvedSpike": ("derivative multiplied by 2",),
    "LastStepNeverVisitedBack": ("adjoint of zero at the last step",),
    "ReadoutLeakOnTheCarry": ("the readout's leak in place", "through the leak multiplied by"),
    "InstantErrorGoingDown": ("spike's part of the adjoint alone.* passed to the layer below",),
    "OutputLayerTakenForLinear": (r"replaced by 1 \(constant\)",),
    "SlopeBeforeInput": ("taken before the input of the step",),
    "WarmUpUnderNoGrad": ("adjoints of zero at the first 3 steps",),
    "ResetDetachedAndTimeMean": (
        "reset detached and with .*divided by .*the number of steps",
        "divided by .*the number of steps.* reset detached",
    ),
    "FeedbackDetachedAndSlopeUnscaled": (
        "derivative multiplied by .*1/k.*fed back detached",
        "derivative multiplied by .*fed back detached",
    ),
    "AveragedOverTimeGoingDown": ("from above averaged over steps",),
    "TanhDerivativeOfSpikes": (r"k \(1 - s\^2\)",),
    # losses and readouts
    "LabelsOffByOneRecording": ("each label given to the next recording",),
    "LogitsClippedForSafety": ("logits clipped to 5",),
    "MaxNotAddedBack": ("without the largest logit added again",),
    "LabelsOverwrittenByPredictions": ("of the predictions, not the labels",),
    "MeanOverInitialStateToo": ("divided by the steps plus one",),
    "DividedByNominalBatch": ("mean over recordings divided by 8",),
    "NllOfProbabilities": ("minus the probability of the label",),
    "ReadoutTraceOneStepShort": ("gives to spikes one step short",),
    # states
    "MinMaxPerFeature": ("each channel of the input stretched to 0 and 1",),
    "OverlappingBins": ("input of the step before added",),
    "LeakAsBitShift": (r"leak rounded to 1 - 2\^-n", "with leak .* in place"),
    "SlopeTakenForWidth": ("slope .*1/k, k its slope",),
    "RecurrentInputLeaked": ("recurrent input multiplied by .*the leak",),
    "BiasBeforeTheLeak": ("biases multiplied by .*the leak",),
    "StartForFirstLayerAlone": (
        "from a potential of zero, not from the one before",
    ),
    "ResetInsideTheLeak": ("leaked subtraction",),
    "ZeroResetTimesThreshold": ("with the reset multiplied by .*the threshold",),
    "InhibitionLeftOn": ("neuron of the largest potential of a layer alone",),
    "ReluLeftBeforeNeurons": ("negative currents made zero",),
    "SignOfEventsLost": ("absolute values of the input",),
    "FramesSortedAsText": ("in the order of their numbers as text",),
    "WeightsReshapedNotTransposed": ("weights reshaped, not transposed", "W transposed"),
    "KernelUntransposedAndResetDetached": ("W transposed and with the reset detached",),
    # sums and finished gradients
    "InputOfTheStepBefore": ("paired with the inputs of the step before",),
    "RecurrentPairedWithPotentials": ("V paired with potentials",),
    "RecurrentTwoStepsBefore": ("paired with the recurrent spikes of the step before",),
    "ReadoutBiasUntrained": ("zeros for the gradient in the biases in the readout",),
    "ClipWithoutMinimum": ("all gradients together normalised to the norm 1",),
    "ColumnMajorReshape": ("reshaped by columns", "square [WV] transposed"),
    "FirstFramePairedWithAllSteps": ("paired with the inputs of the first step",),
    "StartReadsSecondStep": ("from the adjoint of the second step",),
    "GradientsSavedAsText": ("gradients rounded to 4 decimals",),
    "ClippedOnlyAbove": ("from above, not from below",),
    "RecurrentSameStepAndBiasBatchMean": (
        "recurrent spikes of the step after and .*biases divided by .*number of recordings",
    ),
}
EQUAL: dict[str, tuple[str, ...]] = {
    "ResetPathOfWipedPotential": ("at the potential after the reset",),
    "LastStepNeverVisitedBack": ("last step left out by the readout",),
    "OutputLayerTakenForLinear": ("derivative never below",),
    "SlopeOfTheUnhalvedSpike": ("to the layer below times",),
    "WarmUpUnderNoGrad": ("first 3 steps left out of the sums",),
    "ResetDetachedAndTimeMean": ("no reset backwards and with .*the number of steps",),
    "LabelsOffByOneRecording": ("each recording in the place before",),
    "SlopeTakenForWidth": ("without W",),  # all spikes are none in so narrow a window
}
