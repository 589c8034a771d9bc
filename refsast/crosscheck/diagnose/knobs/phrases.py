"""The words for each knob: what completes "your gradient is the reference ..."."""

from refsast.crosscheck.diagnose.knobs.forward import START_GAIN
from refsast.crosscheck.diagnose.knobs.rare_phrases import RARE_GAINS

# "with ... VALUE in place of RIGHT"
NUMBER_WORDS = {
    "threshold": "the threshold",
    "firing threshold": "the threshold of the spike alone",
    "slope": "slope",
    "leak": "leak",
    "gain": "the readout's gain",
    "readout leak": "the readout's leak",
    "synapse leak": "the synapse's leak",
    "input scale": "the scale of all input",
    "subtracts": "what a reset subtracts",
    "slope backward": "backwards slope",
    "threshold backward": "backwards the threshold",
    "leak backward": "backwards leak",
    "derivative width": "for it k",
    "readout leak backward": "backwards the readout's leak",
    "temperature": "logits multiplied by",
    "start": "potentials that start at",
    "reset to": "a reset to",
}

SIZE_WORDS = (
    ("steps", "steps"),
    ("batch", "recordings"),
    ("classes", "classes"),
    ("inputs", "inputs (fan-in)"),
)
# What it is called at zero; what it is called at another value.
GAIN_WORDS = {
    **RARE_GAINS,
    "straight-through": ("with smooth spikes forward, too", ""),
    "readout bias summed": ("", "with the readout's bias counted once, not at every step"),
    "synapse delay": ("without the synapse's delay", ""),
    "weight gain": ("without W", "with W multiplied by {}"),
    "bias gain": ("without the biases", "with the biases multiplied by {}"),
    "offset": ("", "with {} added to the input at every step"),
    "reset share": ("without a reset", "with the reset multiplied by {}"),
    "recurrence gain": ("without recurrence", "with the recurrent input multiplied by {}"),
    "label smoothing": ("", "with labels smoothed by {}"),
    "loss factor": ("with a loss of zero", "with the loss and its gradient multiplied by {}"),
    "gradient factor": ("multiplied by zero", "multiplied by {}"),
    "layer factor": (
        "with zeros for the layer's gradients",
        "with the layer's gradients multiplied by {}",
    ),
    "reset path": ("with the reset detached", "with the gradient through the reset times {}"),
    "state path": (
        "with the state detached (truncated BPTT)",
        "with all gradients through time times {}",
    ),
    "potential path": (
        "with the potential of the step before detached",
        "with the gradient through the leak multiplied by {}",
    ),
    "reset path of the potential": (
        "with the reset's factor 1 - s left out of the gradient through the leak",
        "with the reset in the gradient through the leak times {}",
    ),
    "recurrent path": (
        "with the spikes that are fed back detached",
        "with the gradient through the recurrent weights times {}",
    ),
    "carry path": (
        "with what the reset leaves of the step before detached",
        "with the gradient through what the reset leaves times {}",
    ),
    "recurrent blocks": (
        "",
        "with the spikes that are fed back detached at each {} steps (truncated BPTT)",
    ),
    "carry blocks": ("", "with what the reset leaves detached at each {} steps (truncated BPTT)"),
    "synapse path": (
        "with the synaptic current of the step before detached",
        "with the gradient through the synapse's leak times {}",
    ),
    "drive path": (
        "without a gradient from the potential to its input",
        "with the gradient from the potential to its input times {}",
    ),
    "layer path": (
        "with each layer's input detached",
        "with the gradient to the layer below times {}",
    ),
    "derivative factor": (
        "with a derivative of zero in place of the spike's",
        "with the spike's derivative multiplied by {}",
    ),
    "first step in the sums": (
        "with the first step left out of the sums",
        "with the first step counted {} times in the sums",
    ),
    "last step in the sums": (
        "with the last step left out of the sums",
        "with the last step counted {} times in the sums",
    ),
    "w factor": ("with zeros for the gradient in W", "with the gradient in W multiplied by {}"),
    "b factor": (
        "with zeros for the gradient in the biases",
        "with the gradient in the biases multiplied by {}",
    ),
    "start factor": (
        "with zeros for the gradient in the potentials before the first step, start",
        "with the gradient in the potentials before the first step, start, multiplied by {}",
    ),
    START_GAIN: (
        "from a potential of zero, not from the one before the first step",
        "with the potentials before the first step multiplied by {}",
    ),
    "v factor": ("with zeros for the gradient in V", "with the gradient in V multiplied by {}"),
    "report factor": (
        "with a reported loss of zero",
        "with the reported loss alone, not its gradient, multiplied by {}",
    ),
    **{
        f"{name} in the sums of {part}": (
            f"with the {name} left out of the sum of the gradient in {words}",
            f"with the {name} counted {{}} times in the sum of the gradient in {words}",
        )
        for name in ("first step", "last step")
        for part, words in (("w", "W"), ("b", "the biases"), ("v", "V"))
    },
    **{
        f"weight of recording {b + 1}": (
            f"with recording {b + 1} left out of loss and gradient",
            f"with recording {b + 1} weighted {{}} times in loss and gradient",
        )
        for b in range(64)
    },
    "decay": ("", "with {} of each parameter added (weight decay)"),
    "decay of weights": ("", "with {} of each weight added (weight decay)"),
    "decay of feed-forward weights": ("", "with {} of each weight added (weight decay), not of V"),
    "decay of signs": ("", "with {} of each parameter's sign added (L1 penalty)"),
    "derivative floor": ("", "with the spike's derivative never below {}"),
    "derivative plus": ("", "with the spike's derivative plus {}"),
    "potential at least": (
        "with potentials clamped at zero from below",
        "with potentials clamped at {} from below",
    ),
    "last steps alone": ("", "with a gradient through the last {} steps only (truncated BPTT)"),
    "first steps unread": ("", "with the mean of the readout over all but the first {} steps"),
    "microbatches": (
        "",
        "with the batch in two microbatches, the first of {} recordings, whose means are averaged",
    ),
    "window": ("", "with the spike's derivative zero where |u - threshold| is above {}"),
    "derivative cap": ("", "with the spike's derivative at most {}"),
    "blocks": ("", "with the gradient through time cut after each {} steps (truncated BPTT)"),
    "blocks from the end": ("", "with the gradient through time cut each {} steps from the end"),
    "smallest entries dropped": (
        "",
        "with the smallest entries dropped, {} of all",
    ),
    **{
        f"recording {b + 1}": (
            f"with recording {b + 1} left out of the gradient",
            f"with recording {b + 1} weighted {{}} times in the gradient",
        )
        for b in range(64)
    },
    **{
        f"recording {b + 1} in the sums": (
            f"with recording {b + 1} left out of the sums",
            f"with recording {b + 1} counted {{}} times in the sums",
        )
        for b in range(64)
    },
}

# A power of a size: what is multiplied or divided.
POWER_WORDS = {
    f"{prefix} over {name}": words
    for prefix, words in (
        ("loss", "with loss and gradient"),
        ("gradient", "with all gradients"),
        ("layer", "with the layer's gradients"),
        ("spikes", "with what the readout gives to spikes"),
        ("report", "with the reported loss alone, not its gradient,"),
        ("w", "with the gradient in W"),
        ("b", "with the gradient in the biases"),
        ("v", "with the gradient in V"),
        ("start", "with the gradient in the potentials before the first step"),
    )
    for name, _ in SIZE_WORDS
}
# Of all gradients together; of each array of a layer.
BEND_WORDS = {
    "clipped to values": ("with every entry clipped to {}",) * 2,
    "clipped to values from above": ("with every entry clipped to {} from above, not from below",)
    * 2,
    "clipped to a norm, norm + 1e-6": (
        "with all gradients together clipped to the norm {}, divided by their norm + 1e-6",
        "with each array clipped to the norm {}, divided by its norm + 1e-6",
    ),
    "brought to a norm, norm + 1e-6": (
        "with all gradients together normalised to the norm {}, divided by their norm + 1e-6",
        "with each array normalised to the norm {}, divided by its norm + 1e-6",
    ),
    "clipped to a norm": (
        "with all gradients together clipped to the norm {}",
        "with each array clipped to the norm {}",
    ),
    "brought to a norm": (
        "with all gradients together normalised to the norm {}",
        "with each array normalised to the norm {}",
    ),
}
