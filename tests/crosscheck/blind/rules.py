"""Rules of words: what a cause has to say, kind by kind, to be true.

`TRUE` says the fault; `EQUAL` says other words for the same numbers, of all networks of that sort,
which somebody has worked out by hand. Regular expressions, searched for.
"""

TRUE: dict[str, tuple[str, ...]] = {
    # backwards in time
    "DetachedReset": ("^[^;]*reset detached",),
    "ResetSign": ("through the reset times -1",),
    "UnresetLeakPath": ("factor 1 - s left out of the gradient through the leak",),
    "OtherResetBack": ("unleaked subtraction backwards",),
    "ResetLaterPotential": ("through the reset taken at the potential of the step after",),
    "UnleakedBack": ("backwards leak 1 in place", "through the leak multiplied by 1/leak"),
    "LeakTwiceBack": (
        "through the leak multiplied by the leak",
        r"backwards leak leak\^2",
        "backwards leak .* = the leak squared",
    ),
    "LeakAboveBack": ("backwards leak .* = the leak of the",),
    "NoTime": ("state detached", "all gradients through time times 0"),
    "Blocks": ("cut after each 5 steps",),
    "ShortMemory": ("3 steps",),
    "DetachedRecurrence": ("fed back detached",),
    "UntransposedBack": ("V in place of its transpose",),
    "ClippedAdjoint": ("adjoint.* (clip|at most)",),
    # the spike's derivative
    "UnitSlopeBack": ("backwards slope 1 in place",),
    "NoInnerDerivative": (
        "derivative multiplied by (1/k|[0-9.]+)",
        "derivative divided by",
        "derivative of a triangle max",  # k max(0, 1 - k |v|) without its k
    ),
    "PeakOne": (r"derivative multiplied by", r"replaced by \(1\+\(k v\)\^2\)"),
    "Boxcar": ("(rectangle|boxcar|1 where)",),
    "Gaussian": ("[Gg]auss|exp",),
    "LogisticHabit": (r"s \(1 - s\)",),
    "SlopeAtPotential": ("derivative.* at (u|the potential)", "threshold is not subtracted"),
    "SlopeEarlier": ("derivative of the step before",),
    "SlopeAfterReset": ("derivative taken after the reset",),
    "Window": (r"derivative zero where \|u - threshold\| is above 0.5",),
    "BelowOnly": ("derivative zero above the threshold",),
    "Floor": ("derivative plus 0.05",),
    "Capped": ("derivative at most 0.3",),
    "SquaredSlope": ("derivative (squared|applied twice)",),
    # the way down
    "SignSymmetric": ("signs of W in place of W on the way back",),
    "FeedbackAlignment": ("another matrix in place of the weights W",),
    "UpdatedWeights": ("weights already updated by 0.1",),
    "LateBelow": ("what comes from above one step late",),
    "CutBelow": ("layer's input detached", "to the layer below times 0"),
    "ScaledBelow": ("to the layer below times", "to the layer below divided"),
    # resets and states
    "ResetByOne": ("what a reset subtracts 1 in place",),
    "ResetWipesInput": ("reset wiping the input",),
    "LastLayerUnreset": (r"no reset in layer \d alone",),
    "OtherReset": ("with reset to zero", "with (leaked|unleaked|a) ?(reset by )?subtraction"),
    "ResetLate": ("the reset one step late",),
    "WeakReset": ("reset multiplied by 0.2",),
    "HardReset": (r"a reset by hard \(Heaviside\) spikes",),
    "Refractory": ("refractory", "after a spike"),
    "Rectified": ("potentials? .*(clamped|at least 0|not below)",),
    "IgnoredStart": ("start.* (zero|at rest|ignored|left out)",),
    "UnleakedStart": ("start",),
    "FiredStart": ("spike before the first step",),
    "CarriedOver": ("recording before|one recording to the next",),
    # numbers
    "LeakyInput": ("scale of all input .*the leak",),
    "ScaledInput": ("scale of all input .*1 - leak",),
    "ComplementLeak": ("leak .*1 - leak",),
    "SigmoidLeak": ("(the leak|leak|leaks) [0-9.]+.* in place of",),
    "HalfStep": ("scale of all input 0.5 in place of 1 and .*leak",),
    "SharedNumbers": ("of the first layer", "of layer 1"),
    "UnitThreshold": (r"threshold 1 in place of [0-9.]+ in layer \d",),
    "RelativeDistance": (
        "slope .*(slope|k)/threshold",
        "spike [A-Za-z]+.[0-9.]+. forward and back",
    ),
    "NoThreshold": ("threshold is never subtracted",),
    "HardSpikes": ("Heaviside spikes forward, smooth ones backward",),
    "HardLayer": (r"Heaviside spikes.* in layer \d",),
    "SparseSpikes": ("spikes below",),
    "FireFirst": ("before (its|the) input",),
    "AnnealedSlope": ("slope .*step",),
    "Adapting": ("adapt",),
}
EQUAL: dict[str, tuple[str, ...]] = {
    # with subtraction, dr/du + dr/ds is one number: leak - threshold, or leak (1 - threshold)
    "UnslopedReset": ("no reset backwards and with (backwards leak|the gradient through)",),
    # without a reset, r(u + I) = leak u + leak I, one step later
    "FireFirst": ("input one step late and with the scale of all input the leak",),
}
