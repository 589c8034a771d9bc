"""The words for knobs that are off or on, and short names of all knobs."""

from refsast.crosscheck.diagnose.derivative_shapes import SHAPE_NAMES, SHAPES
from refsast.crosscheck.diagnose.knobs.finish_whole import GRADIENT_ROUNDINGS
from refsast.crosscheck.diagnose.knobs.forward import FAMILIES
from refsast.crosscheck.diagnose.knobs.losses import READ_SPIKES, REPORT_DIGITS, SHARES_READ
from refsast.crosscheck.diagnose.knobs.precision import ROUNDINGS, WEIGHT_ROUNDINGS
from refsast.crosscheck.diagnose.knobs.questions import AXES, DEVIATIONS, PADDED, UNBIASED
from refsast.crosscheck.diagnose.knobs.rare_phrases import RARE_LAGS, RARE_SWITCHES
from refsast.crosscheck.diagnose.knobs.readout import LATE_POTENTIAL

PART_WORDS = {
    "w": "W",
    "b": "the biases",
    "v": "V",
    "start": "the potentials before the first step",
}
ORDERS = {
    "neurons reversed": "with the neurons of the gradient in {} in reversed order",
    "neurons rolled": "with the neurons of the gradient in {} one place further",
    "neurons rolled back": "with the neurons of the gradient in {} one place back",
    "inputs reversed": "with the inputs of the gradient in {} in reversed order",
    "inputs rolled": "with the inputs of the gradient in {} one place further",
    "inputs rolled back": "with the inputs of the gradient in {} one place back",
    "gradient symmetric": "with the gradient in square {} averaged with its transpose",
    "gradient by columns": "with the gradients in {} that are not square reshaped by columns",
    "gradient transposed": "with the gradients in square {} transposed",
    "gradient without diagonal": "with the diagonal of the gradient in {} zero",
    "gradient of the diagonal": "with all but the diagonal of the gradient in {} zero",
}
LAG_WORDS = {
    "one step earlier": "with adjoints paired with the {} of the step before",
    "two steps earlier": "with adjoints paired with the {} of two steps before",
    "one step later": "with adjoints paired with the {} of the step after",
    "two steps later": "with adjoints paired with the {} of two steps after",
    **RARE_LAGS,
    "mirrored": "with adjoints paired with the {} of the mirrored step",
    "averaged": "with adjoints paired with the mean over time of the {}",
}
TIME_WORDS = {
    "sum over time": "with spikes summed, not averaged, over time",
    "last step": "with the spikes of the last step only",
    "final potential": "with the readout's last potential only",
    "first step unread": "with the first step left out by the readout",
    "last step unread": "with the last step left out by the readout",
    "readout one step late": "with the readout seeing spikes one step late",
    LATE_POTENTIAL: "with the readout's potential read one step late, before its step's input",
    "readout state detached": "with the readout's state detached",
    "logits summed over time": "with logits summed, not averaged, over time",
    "all but the last step": "with the last step left out, of the readout's mean, too",
    "mean over a step more": "with the readout's mean divided by the steps plus one",
    "mean over a step less": "with the readout's mean divided by the steps minus one",
    "loss at every step": "with the loss of each step's logits, averaged over steps",
    "probabilities averaged over time": "with the softmax of each step's logits averaged over"
    " steps, before the logarithm",
    READ_SPIKES: "with a readout that fires as the last layer does, its spikes"
    " averaged in place of its potentials",
    SHARES_READ: "with spikes divided by all spikes of the recording, not by the steps",
    "largest over time": "with the largest logits over time, not their mean",
    "potentials read": "with the readout reading potentials in place of spikes",
}
RESET_WORDS = ("reset to zero", "unleaked subtraction", "leaked subtraction", "no reset")
QUESTION_WORDS = {
    "first step repeated": "with the input of the first step repeated at every step",
    "last step repeated": "with the input of the last step repeated at every step",
    "first step left out": "with the first step left out of the loop over time",
    "each step twice": "with each step of the input shown twice, the first half stretched",
    "steps rolled": "with the last step of the input first",
    "steps rolled back": "with the first step of the input last",
    "steps and recordings exchanged": "with the input read as (batch, time, n): axes exchanged",
    "steps and recordings exchanged, then reshaped": "with the input made (batch, time, n), and"
    " read as (time, batch, n): reshaped, not transposed",
    **{
        f"steps padded to a multiple of {m}": "with silent steps at the end, up to a multiple of"
        f" {m} (padding)"
        for m in PADDED
    },
    "first recording repeated": "with the first recording in place of all others of the batch",
    "recordings reversed": "with the recordings in reversed order, their labels not",
    "recordings rolled": "with each recording in the place of the next, their labels not",
    "recordings rolled back": "with each recording in the place before, their labels not",
    "silent recording added": "with a silent recording of label 0 added to the batch (padding)",
    "single precision inside": "with single precision (float32) inside, returned as double",
    "inputs in reversed order": "with the neurons of the input in reversed order",
    "inputs one place further": "with the neurons of the input one place further",
    "inputs one place back": "with the neurons of the input one place back",
    "input binary": "with the input made binary, 1 where it is above 0",
    "input at least 1/2 is one": "with the input made binary, 1 where it is at least 1/2",
    "signs of the input": "with the signs of the input",
    "absolute input": "with absolute values of the input",
    "input at least zero": "with negative input made zero",
    "input within 0 and 1": "with the input clipped to 0 and 1",
    "input over its largest": "with the input divided by its largest value",
    **{
        f"input standardised{axes}{of}": f"with the input standardised to mean 0 and deviation 1"
        f"{axes}{of}"
        for axes in AXES
        for of in (*DEVIATIONS, *(f"{of}{UNBIASED}" for of in DEVIATIONS))
    },
    "first recording twice": "with the first recording counted twice in the batch",
    "last recording twice": "with the last recording counted twice in the batch",
    "labels in reversed order": "with the labels in reversed order, the recordings not",
    "labels one recording further": "with each label given to the next recording",
    "labels one recording back": "with each label given to the recording before",
    "first label for all": "with the label of the first recording for all",
    "last label for all": "with the label of the last recording for all",
    "input centred": "with the mean of the input taken off",
    "input centred, each channel": "with the mean of each input channel taken off",
    "first layer's parameters in all layers": "with the parameters of the first layer in all"
    " spiking layers, their gradients added up in it ([layer] * n)",
    "recurrence of the input": "with V reading the layer's input of the same step in place of its"
    " own spikes of the step before",
    "input averaged over each two steps": "with the input of each two steps averaged",
    "input stretched to 0 and 1": "with the input stretched to 0 and 1 (least, largest)",
    "input stretched to 0 and 1, each channel": "with each channel of the input stretched to 0 and"
    " 1 (least, largest)",
    "input of the step before added": "with the input of the step before added to that of each",
    "steps sorted as text": "with the steps of the input in the order of their numbers as text (1,"
    " 10, 11, ..., 2)",
    "input over its norm, each recording": "with each recording of the input divided by its norm",
    "input rounded to integers": "with the input rounded to integers",
    "input cut to integers": "with the input cut to integers, towards zero",
    "input doubled, minus 1": "with the input doubled, minus 1",
    "one minus the input": "with 1 minus the input",
    "input of the first step alone": "with the input of the first step alone, none after it",
    "input of the last step left out": "with no input at the last step",
    "input at odd steps alone": "with input at every second step alone",
    "every second recording left out": "with every second recording left out of the batch",
    "every second recording alone": "with every second recording alone in the batch",
    "first half of the batch alone": "with the first half of the batch alone",
    "last half of the batch alone": "with the last half of the batch alone",
    "first recording alone": "with the first recording of the batch alone",
    "last recording alone": "with the last recording of the batch alone",
    "square root of the input": "with the square root of the input",
    "squared input": "with the square of the input",
    "ln(1 + input)": "with ln(1 + x) of the input",
    "tanh of the input": "with tanh of the input",
    "logistic function of the input": "with the logistic function of the input",
    "input over 255": "with the input divided by 255",
    "input within -1 and 1": "with the input clipped to -1 and 1",
    "input summed up over time": "with the input summed up over time",
    "differences of the input": "with the differences of the input from step to step",
    "mean input at every step": "with the mean input over time at every step",
    **{f"input in {name}": f"with the input rounded to {name}" for name in ROUNDINGS},
}
SWITCH_WORDS = {
    **RARE_SWITCHES,
    "transposed weight": "with W transposed",
    "straight-through": "with Heaviside spikes forward, smooth ones backward (straight-through)",
    "tie rule": "with potentials at the threshold not firing",
    "reset at rest": "with neurons at rest reset by the smooth spike of a potential of zero",
    "spike at rest": "with a spike before the first step, the smooth one of a potential of zero",
    "bias at the first step": "with the bias added at the first step only",
    "readout bias at the first step": "with the readout's bias added at the first step only",
    "hard reset": "with a reset by hard (Heaviside) spikes, detached",
    "leaks exchanged": "with the leaks of synapse and potential exchanged",
    "synapse unused": "with the synapse unused, its input passed on",
    "signs of the weights backward": "with the signs of W in place of W on the way back",
    "products in TF32": "with products of matrices in TF32 precision",
    "labels shifted back": "with labels one class off, back",
    "classes reversed": "with the classes of the labels in reversed order",
    "summed squares of the softmax": "with summed squared errors of the softmax for a loss",
    "binary cross entropies": "with binary cross entropies of each class for a loss",
    "minus the label's logit": "with minus the logit of the label for a loss",
    "minus the label's probability": "with minus the probability of the label for a loss",
    "first recording left out": "with the first recording left out of the batch",
    "last recording left out": "with the last recording left out of the batch",
    **{
        f"report of {d:.0f} digits": f"with the reported loss rounded to {d:.0f} digits"
        for d in REPORT_DIGITS
    },
    **{
        f"potentials in {name}": f"with potentials rounded to {name} at every step"
        for name in ROUNDINGS
    },
    **{name: f"with {name}" for name in WEIGHT_ROUNDINGS},
    **{
        name: f"with gradients rounded to {name.removeprefix('gradients in ')}"
        for name in GRADIENT_ROUNDINGS
    },
    **QUESTION_WORDS,
    "reset late": "with the reset one step late",
    "reset by any spike": "with potentials reset by any spike that is not quite none",
    "reset of the input too": "with the reset wiping the input of the step, too",
    "reset of the input too backward": "with a reset backwards that wipes the input, too",
    **{name: f"with {name}" for name in RESET_WORDS},
    **{f"{name} backward": f"with {name} backwards" for name in RESET_WORDS},
    "synapse delay": "with the synapse's current one step late",
    "input one step late": "with each layer seeing its input one step late",
    "input two steps late": "with each layer seeing its input two steps late",
    "input three steps late": "with each layer seeing its input three steps late",
    "input four steps late": "with each layer seeing its input four steps late",
    "input one step early": "with each layer seeing its input one step early",
    "input reversed": "with the steps of the input in reversed order",
    "recurrence late": "with the recurrent input one step late",
    "recurrence transposed": "with V transposed",
    "recurrence without diagonal": "with the diagonal of V zero",
    "input weights recurrent": "with W in place of V in the recurrent input",
    "readout bias summed": "with the readout's bias counted at every step",
    "labels shifted": "with labels one class off",
    "softmax twice": "with the softmax taken twice",
    "squares of the softmax": "with squared errors of the softmax for a loss",
    "squares of the logits": "with squared errors of the logits for a loss",
    "squares of the scores": "with summed squared errors of the logits for a loss",
    "recurrence transposed backward": "with V in place of its transpose on the way back",
    "recurrence without diagonal backward": "with the diagonal of V zero on the way back",
    "recurrence of the diagonal backward": "with the diagonal of V alone on the way back",
    "bias adjoint": "with the adjoint of the potential, not of the current, in the bias",
    "transposed weight backward": "with W in place of its transpose on the way back",
    "layer path one step later": "with what comes from above one step late",
    "layer path one step earlier": "with what comes from above one step early",
    "derivative at u": "with the spike's derivative taken at u, not at u - threshold",
    "derivative of the step before": "with the spike's derivative of the step before",
    "derivative of the step after": "with the spike's derivative of the step after",
    "derivative after the reset to zero": "with the derivative taken after the reset to zero",
    "derivative after the subtraction": "with the derivative taken after the reset, a subtraction",
    "derivative before the input": "with the derivative taken before the input of the step",
    "derivative at the spike": "with the spike's derivative taken at the spike minus the threshold",
    "derivative at the spike itself": "with the spike's derivative taken at the spike itself",
    "derivative over the threshold": "with the derivative taken at u - threshold divided by"
    " the threshold",
    "derivative zero above threshold": "with the spike's derivative zero above the threshold",
    "derivative zero below threshold": "with the spike's derivative zero below the threshold",
    "derivative below the threshold": "with the spike's derivative taken at u + threshold",
    "derivative of the drive": "with the spike's derivative taken at the step's input",
    "absolute values": "with absolute values for gradients",
    "signs": "with signs for gradients",
    **TIME_WORDS,
    **{f"{name} backward": f"{words}, backwards alone" for name, words in TIME_WORDS.items()},
    "readout forward in time backward": "with the readout's recursion forward, not backward,"
    " in time on the way back",
    "readout state detached backward": "with the readout's state detached",
    **{
        f"{part} {order}": words.format(PART_WORDS[part])
        for part in PART_WORDS
        for order, words in ORDERS.items()
    },
    **{
        f"{what} {lag}": words.format(thing)
        for what, thing in (("input", "inputs"), ("recurrence", "recurrent spikes"))
        for lag, words in LAG_WORDS.items()
    },
    **{
        f"derivative {shape}": f"with the spike's derivative replaced by {shape}"
        + (f" ({SHAPE_NAMES[shape]})" if shape in SHAPE_NAMES else "")
        for shape in SHAPES
    },
    **{
        f"another surrogate: {family}": f"with {family} spikes, as steep at threshold"
        for family in FAMILIES
    },
    **{
        f"{where}another surrogate: {family}{same}": f"with {what}{family} spikes{steep}"
        for family in FAMILIES
        for where, what in (("", ""), ("derivative of ", "the derivative of "))
        for same, steep in (
            ("", ", as steep at threshold"),
            (", same number", " of the same slope parameter"),
        )
    },
}

# Short names, by knob and by what its value is called; None: by any value.
ALIASES: dict[tuple[str, str | None], str] = {
    ("reset path", "0"): "reset detached",
    ("reset path", "1"): "reset attached",
    ("state path", "0"): "state detached",
    ("potential path", "0"): "potential detached",
    ("b factor", "0"): "bias constant",
    ("gradient factor", "0"): "gradient zero",
    ("gradient factor", None): "constant factor",
    ("recurrent path", "0"): "recurrence detached",
    ("layer path", "0"): "layers detached",
    ("transposed weight backward", "1"): "transposed weight backwards",
    ("w gradient transposed", "1"): "gradient transposed",
    ("input mirrored", "1"): "time order backwards",
    ("straight-through", "0"): "smooth forward",
    ("reset late", "1"): "reset shifted",
    ("leak", "1 - leak"): "leak exchanged",
    ("input scale", "1 - leak"): "input scaled",
    ("bias gain", "0"): "bias missing",
    ("recurrence gain", "0"): "recurrence missing",
    ("input one step late", "1"): "layers delayed",
    ("input reversed", "1"): "time order",
    ("loss over batch", "1"): "sum over batch",
    ("derivative factor", None): "slope factor",
    **{(f"derivative {shape}", "1"): f"another surrogate backwards: {shape}" for shape in SHAPES},
}
