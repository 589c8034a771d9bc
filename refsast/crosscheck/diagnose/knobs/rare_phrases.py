"""The words for knobs that are seldom turned, as `phrases` has those of the others."""

from refsast.crosscheck.diagnose.knobs.adjoints import CLIPPED, GATE_AFTER, HARD_BACKWARD
from refsast.crosscheck.diagnose.knobs.backward import (
    ABOVE_FIRED,
    ABOVE_SUMMED,
    BEFORE_LIMIT,
    SHARED,
)
from refsast.crosscheck.diagnose.knobs.batches import FILLED, HALVES, NOMINAL, SEVERAL
from refsast.crosscheck.diagnose.knobs.below import PASSED_ON, UPDATED
from refsast.crosscheck.diagnose.knobs.dials import AS_RIGHT
from refsast.crosscheck.diagnose.knobs.finish import ADAM
from refsast.crosscheck.diagnose.knobs.forward import (
    FIRES_BEFORE,
    FIRES_LAST,
    LAST_LOST,
    POTENTIALS_IN,
    RESIDUAL,
    TRACED,
)
from refsast.crosscheck.diagnose.knobs.history_phrases import HISTORY_GAINS, HISTORY_SWITCHES
from refsast.crosscheck.diagnose.knobs.layer_numbers import (
    BIAS_FIRES,
    DEAF,
)
from refsast.crosscheck.diagnose.knobs.limits import GRIDS
from refsast.crosscheck.diagnose.knobs.loss_forms import (
    BACKWARD_FORMS,
    RARE_FORMS,
)
from refsast.crosscheck.diagnose.knobs.losses import (
    BY_FREQUENCY,
    CLASS_WEIGHTS,
    UNLESS_ALONE,
)
from refsast.crosscheck.diagnose.knobs.penalties import PENALTIES, SQUARED_RATES, WEIGHT_PENALTIES
from refsast.crosscheck.diagnose.knobs.program import BIAS_ONCE, UNLEAKED
from refsast.crosscheck.diagnose.knobs.readout import (
    BIAS_AFTER,
    DOWN_DISCOUNTED,
    DOWN_REVERSED,
    DOWN_SHORT,
    DOWN_UNLEAKED,
    ONE_UNREAD,
    READ_RESET,
    SHARE_UNREAD,
    SHARE_ZERO,
)
from refsast.crosscheck.diagnose.knobs.resets import OFTEN, UNRESET_NEURONS
from refsast.crosscheck.diagnose.knobs.seldom_phrases import SELDOM_GAINS, SELDOM_SWITCHES
from refsast.crosscheck.diagnose.knobs.start_sums import START_LAST, START_SECOND, START_SUMMED
from refsast.crosscheck.diagnose.knobs.sums import (
    BIAS_PAST,
    COPIED,
    HALF_SUMS,
    NEURON_ENDS,
    SWAPPED,
)
from refsast.crosscheck.diagnose.knobs.weights import (
    BIAS_STEPS,
    DERIVED,
    NOT_V,
    PULLS,
    WEIGHT_CHANGES,
)

MAX_LABELS = 1000
PRODUCT_WORDS = {
    "derivative times the spike": "multiplied by the spike itself",
    "derivative times one minus the spike": "multiplied by 1 - s, s the spike itself",
    "derivative times the potential": "multiplied by the potential u",
    "derivative times the distance": "multiplied by |u - threshold|",
    "derivative zero at potentials below rest": "zero where the potential u is below zero, at rest",
    "derivative zero at potentials above rest": "zero where the potential u is above zero, at rest",
    "derivative halved below threshold": "multiplied by 0.5 below the threshold",
    "derivative halved above threshold": "multiplied by 0.5 above the threshold",
}
PLACE_WORDS = {
    "derivative of the last step": "taken at the potential of the last step, at every step",
    "derivative of the first step": "taken at the potential of the first step, at every step",
    "derivative of the first recording": "taken at the potentials of the first recording",
    "derivative at the mean over recordings": "taken at the mean potential of all recordings",
}
WEIGHT_WORDS = {
    "weights reshaped, not transposed": "weights reshaped, not transposed",
    "weights as absolute values": "absolute values |W| of the weights in place of weights",
    "weights at least zero": "negative weights made zero",
    "weights over the norm of each row": "the weights of each neuron divided by their norm",
    "weights standardised": "weights standardised to mean 0 and deviation 1, all of a layer",
    "weights standardised, each row": "weights standardised to mean 0 and deviation 1, those of"
    " each neuron",
    "weights within -1 and 1": "weights clipped to -1 and 1",
}
WEIGHT_WORDS |= {name + DERIVED: f"{WEIGHT_WORDS[name]}, derived" for name in PULLS}
PENALTY_WORDS = {
    "penalty on all spikes": "on each spike",
    "penalty on spike rates": "on the mean spikes of each layer",
    "penalty on squared rates": "on the squared rates of neurons",
    "penalty on summed squared rates": "on the squared rates of neurons, summed over neurons,",
    "penalty on squared spikes": "on the mean squared spike of each layer",
    "penalty on summed squared spikes": "on each squared spike",
    SQUARED_RATES: "on the squared rates of neurons over the batch, averaged over neurons,",
    f"{SQUARED_RATES}, summed over neurons": "on the squared rates of neurons over the batch,"
    " summed over neurons,",
    "penalty on the squared rate of the layer": "on the squared mean rate of each layer",
    "weight penalty": "on the weights' squares, biases too,",
    "penalty on weights without biases": "on the squares of weights, not of biases,",
    "penalty on absolute parameters": "on the absolute values of all parameters (L1)",
    "penalty on feed-forward weights": "on the squares of weights W, not of V or biases,",
    "penalty on absolute feed-forward weights": "on the absolute values of weights W, not of V or"
    " biases, (L1)",
    "penalty on absolute weights": "on the absolute values of weights, not of biases, (L1)",
}


def _format_phrase(name: str) -> str:
    """Weights in some format, in words."""
    return name if "quantised" in name else name.replace("weights", "weights rounded", 1)


RARE_GAINS = {
    **HISTORY_GAINS,
    **SELDOM_GAINS,
    UPDATED: ("", "with weights already updated by {} times their gradient on the way back"),
    "state cut after step": ("", "with the state detached once, after step {} (truncated BPTT)"),
    **{
        name: ("", f"with a penalty of {{}} {PENALTY_WORDS[name]} added to the loss")
        for name in (*PENALTIES, *WEIGHT_PENALTIES)
    },
    **{
        f"{name} backward": ("", f"with a penalty of {{}} {PENALTY_WORDS[name]} in the gradient"
                             " alone, not in the loss")
        for name in PENALTIES
    },
    **{
        name: (f"without the {name.split()[0]} neuron of the layer in the sums of its gradients",
               f"with the {name.split()[0]} neuron of the layer counted {{}} times in the sums")
        for name in NEURON_ENDS
    },
    READ_RESET: ("", "with {} taken off the readout's potential at the step after one at which it"
                 " is above that (a reset)"),
    SHARE_ZERO: ("", "with the first T // {} of T steps read as zeros by the readout"),
    SHARE_UNREAD: ("", "with the mean of the readout over all but the first T // {} steps"),
    ONE_UNREAD: (
        "", "with the mean of the readout over all but the first T // {} steps, at least one"),
    NOMINAL: ("", "with the mean over recordings divided by {}, not by their number"),
    SEVERAL: ("", "with loss and gradient of more than one recording multiplied by {}"),
    CLIPPED: ("", "with the adjoint of every step clipped to {} on the way back"),
    DOWN_DISCOUNTED: (
        "with what the readout gives to the spikes of the last step alone",
        "with what the readout gives to earlier spikes discounted by {}",
    ),
    "terms discounted": ("", "with the terms of earlier steps discounted by {} in the sums"),
    **{
        name: ("", f"with potentials in units of 2^-{{}}, {words}, at every step")
        for name, words in zip(GRIDS, ("rounded", "rounded down", "cut"), strict=True)
    },
    "potential at most": ("", "with potentials clamped at {} from above"),
    "decay of signs of feed-forward weights": (
        "", "with {} of each weight's sign added (L1 penalty), not of V"),
    "decay of signs of weights": ("", "with {} of each weight's sign added (L1 penalty)"),
    "last steps alone in the sums": (
        "", "with the last {} steps alone counted in the sums of all gradients"),
}  # fmt: skip
RARE_SWITCHES = {
    **HISTORY_SWITCHES,
    **SELDOM_SWITCHES,
    AS_RIGHT: "with the way back that of the right equations, though the way forth is not",
    BEFORE_LIMIT: "with adjoints of potentials as they are before they are clamped",
    ABOVE_SUMMED: "with what comes from above added to that of all later steps (never cleared)",
    PASSED_ON: "with what a layer receives from above passed on beside what it gives to the layer"
    " below (one array that is added to, not cleared)",
    ABOVE_FIRED: "with what comes from above where a neuron fires (s > 1/2) alone",
    START_SUMMED: "with the gradient in the potentials before the first step from the adjoints of"
    " all steps",
    FIRES_BEFORE: "with the spike of what is left of the potential, before the step's input",
    BIAS_FIRES: "with the bias heard by the spike alone, as a shift of the threshold, not added to"
    " the potential",
    TRACED: "with a trace of the spikes of the layer below for input, which decays with its leak",
    **{
        name: f"with the {name.split()[-2]} neuron of the layer never reset"
        for name in UNRESET_NEURONS
    },
    OFTEN: "with the reset taken off as often as the threshold fits into the potential",
    COPIED: "with the gradient in V that in W",
    START_SECOND: "with the gradient in the potentials before the first step from the adjoint of"
    " the second step",
    START_LAST: "with the gradient in the potentials before the first step from the adjoint of the"
    " last step",
    FIRES_LAST: "with the spike of a step computed from the potential of the step before",
    LAST_LOST: "with the last step not computed, its potentials and spikes zero",
    DEAF: "with the current multiplied by 1 - s of the step before (deaf after a spike)",
    "gradient in the biases summed over neurons": "with the gradient in the biases summed over"
    " neurons, one number for all",
    SHARED: "with one array for the gradient in the spikes of all steps, added to in place",
    GATE_AFTER: "with the reset's factor 1 - s in the gradient through the leak taken at the step"
    " after",
    HARD_BACKWARD: "with hard (Heaviside) spikes in place of smooth ones on the way back",
    SWAPPED: "with the gradients in W and V exchanged",
    HALF_SUMS: "with gradients summed over steps in half precision (float16)",
    BIAS_PAST: "with the bias added to the potential, past the synapse",
    BIAS_ONCE: "with the gradient in the readout's bias not summed over the weights of time",
    UNLEAKED: "with the leak of the readout left out of the gradient in its weights",
    ADAM: "with the first step of Adam, g / (|g| + 1e-8), for each gradient g",
    **{name: f"with the means of {name}, averaged" for name in HALVES},
    **{name: f"with the mean over recordings divided by the size of a {name}" for name in FILLED},
    BY_FREQUENCY: "with recordings weighted by one over the number of their class",
    POTENTIALS_IN: "with potentials, not spikes, of the layer below for input",
    DOWN_REVERSED: "with what the readout gives to spikes in reversed order of the steps",
    DOWN_SHORT: "with what the readout gives to spikes one step short: that of the step after"
    " each, none at the last",
    DOWN_UNLEAKED: "with what the readout gives to spikes without its leak",
    "state cut at the middle": "with the state detached once, after half of the steps (truncated"
    " BPTT)",
    "recurrence of the diagonal": "with the diagonal of V alone",
    "recurrence wrapped around": "with V at the first step paired with the spikes of the last step",
    "recurrence of potentials": "with V paired with potentials in place of spikes",
    "recurrent path of the spike's part": "with the spike's part of the adjoint alone, not the"
    " leak's, in the gradient through the recurrent weights",
    "layer path of the spike's part": "with the spike's part of the adjoint alone, not the leak's,"
    " passed to the layer below",
    "input as a trace": "with adjoints paired with a trace of the inputs, summed with the leak",
    "recurrence as a trace": "with adjoints paired with a trace of the recurrent spikes, summed"
    " with the leak",
    "potentials of the last step handed over": "with the potentials of the last step handed over"
    " for every step (stored in one array)",
    "potentials handed over after a reset to zero": "with potentials handed over after the reset"
    " to zero",
    "potentials handed over after a subtraction": "with potentials handed over after the reset, a"
    " subtraction",
    **{name: f"with the spike's derivative {words}" for name, words in PRODUCT_WORDS.items()},
    **{name: f"with the spike's derivative {words}" for name, words in PLACE_WORDS.items()},
    **{
        name + other: f"with {WEIGHT_WORDS.get(name, _format_phrase(name))}{other}"
        for name in WEIGHT_CHANGES
        for other in ("", NOT_V)
    },
    **{name: f"with the {name}" for name in RARE_FORMS},
    **{
        f"{name} backward": f"with the gradient of another loss than is returned: {name}"
        for name in BACKWARD_FORMS
    },
    "gradient from above at the last step alone": "with what comes from above at the last step"
    " alone (overwritten at the others)",
    "spike path at the last step alone": "with the gradient through the spike at the last step"
    " alone (overwritten at the others)",
    **{
        f"{name} {c}": f"with recordings of class {c - 1} left out of the loss"
        + (", the mean over the others" if rest else ", counted in the mean")
        for c in range(1, MAX_LABELS)
        for name, rest in CLASS_WEIGHTS.items()
    },
    **{
        f"{UNLESS_ALONE} {c}": f"with recordings of class {c - 1} left out of the loss, the mean"
        " over the others, if there are any"
        for c in range(1, MAX_LABELS)
    },
    **{f"bias at {name}": f"with the bias added at {name} only" for name in BIAS_STEPS},
    "potential through tanh": "with tanh of the potential in place of it, at every step",
    BIAS_AFTER: "with the readout's bias added once, after the integration",
    RESIDUAL: "with the input of the layer below added to the layer's own (a residual connection)",
    "smooth reset": "with a reset by smooth spikes, where hard ones are passed on",
    "reset by the squared spike": "with a reset by the squared spike",
    "reset by the root of the spike": "with a reset by the square root of the spike",
    "reset factor squared": "with the reset's factor 1 - s squared (the reset applied twice)",
    "hard reset, attached": "with a reset by hard (Heaviside) spikes, its gradient passed through",
    "recurrence of the potential": "with potentials in place of spikes in the recurrent input",
    "reset path of the step after": "with the gradient through the reset taken at the potential"
    " of the step after",
    "reset path of the last step": "with the gradient through the reset taken at the potential"
    " of the last step",
    "columns centred": "with the mean of each column taken off the gradient in W",
    "gradient in W centred": "with its mean taken off the gradient in W",
    "gradient in the biases centred": "with its mean taken off the gradient in the biases",
    "gradient of the first recording alone": "with the gradient of the first recording alone,"
    " divided by the batch",
    "gradient of the last recording alone": "with the gradient of the last recording alone,"
    " divided by the batch",
    "gradient of a batch of the first recording": "with the gradient of the first recording"
    " alone, for a batch of one",
    "gradient of a batch of the last recording": "with the gradient of the last recording"
    " alone, for a batch of one",
}
RARE_LAGS = {
    "of the last step": "with adjoints paired with the {} of the last step",
    "of the first step": "with adjoints paired with the {} of the first step",
    "as zeros and ones": "with adjoints paired with the {} rounded to zeros and ones",
    "of the next recording": "with adjoints paired with the {} of the next recording",
    "of the recording before": "with adjoints paired with the {} of the recording before",
    "of the first recording": "with adjoints paired with the {} of the first recording",
    "averaged over recordings": "with adjoints paired with the mean over recordings of the {}",
    "as integers, cut": "with adjoints paired with the {} cut to integers",
    "as integers, rounded": "with adjoints paired with the {} rounded to integers",
    "as signs": "with adjoints paired with the signs of the {}",
    "as events": "with adjoints paired with ones where the {} are not zero",
}
