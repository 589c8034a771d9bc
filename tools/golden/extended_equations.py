"""The formulas in the index of the second set, beside those that both have."""

from refsast.crosscheck.case import Case
from refsast.model.glif import GLIF, as_glif
from refsast.model.network import Neuron
from refsast.model.synapse import Alpha, Synapse
from tools.golden.equations import EQUATIONS, reset_formula

EXTENDED_EQUATIONS = EQUATIONS | {
    "loss": "by the network's `loss`, the mean over the batch in all; no `loss`: CrossEntropy",
    "losses": {
        "CrossEntropy": "-log softmax(logits)[y]",
        "StepCrossEntropy": "mean_t of -log softmax(z_t)[y], z_t what the readout says at step t: "
        "gain * s_t, W_o s_t + b_o, or v_t",
        "MeanSquaredRate": "mean over classes of (rate - (right if class = y else wrong))^2, rate "
        "the logit without the gain",
    },
    "readouts": {
        "SpikeRate": "logits = gain * mean_t s_t; the mean of `population` neurons side by side",
        "LinearReadout": "logits = W_o mean_t s_t + b_o",
        "LeakyReadout": "logits = mean_t v_t, v_t = leak*v_{t-1} + W_o s_t + b_o, v_0 = 0",
        "LastPotential": "logits = v_T, v_t as of LeakyReadout",
        "MaxPotential": "logits = max_t v_t, v_t as of LeakyReadout; the first of equal ones",
    },
    "connections": {
        "Dense": "W a + b",
        "Conv2d": "cross-correlation as of PyTorch, w (channels, channels in / groups, height, "
        "width), b (channels,); zeros outside",
        "AvgPool2d": "mean of each window, padding counts as zeros",
        "MaxPool2d": "largest of each window, the first of equal ones; padding never",
        "Flatten": "the same numbers",
        "Skip": "adds the spikes of a layer, 0 the input, at that place of the chain",
        "order": "a layer's chain is applied from left to right to the spikes of the layer below; "
        "no `connections`: Dense. Images (channels, height, width) are flattened row-major",
    },
    "learned": "a parameter p of a layer, named leak, threshold or synapse_leak, is the number, "
    "or with `sigmoid` 1/(1 + exp(-p)); `start` is u_0",
    "rest": "u_0 = 0 or start; s_0, i_0, h_0, a_0 and all earlier spikes = 0",
    "flat": "layer after layer, each as w, b, v, leak, threshold, synapse_leak, start, row-major",
    "draw": "raw bits of PCG64(seed), see tools/golden/questions.py",
}


def extended_updates(case: Case) -> list[str]:
    """Return the equations of one step, one line per layer; c is what the connection makes."""
    return [_layer_equation(case, neuron) for neuron in case.network.neurons]


def _layer_equation(case: Case, neuron: Neuron) -> str:
    general = as_glif(neuron)
    arrives, drive = _synapse_equations(general, "c" + " + V s" * case.network.recurrent)
    kept = reset_formula(general)
    if neuron.detach_reset:
        kept += " (its s a constant for the gradient)"
    raised, distance = "", "u' - threshold"
    if general.adaptation is not None:
        raised = f"a' = {general.adaptation.leak}*a + s; "
        distance += f" - {general.adaptation.strength}*a'"
    held = "".join(f" (1 - s_(t-{k}))" for k in range(1, general.refractory + 1))
    backward = " (backward: sigma' in place of H')" if case.hard else ""
    spike = f"{'H' if case.hard else 'sigma'}({distance}){held}"
    return f"{arrives}u' = {kept} + {drive}; {raised}s' = {spike}{backward}"


def _synapse_equations(neuron: GLIF, current: str) -> tuple[str, str]:
    """The update of the synaptic current, and what reaches the potential."""
    synapse = neuron.synapse
    if isinstance(synapse, Alpha):
        arrives = f"h' = {synapse.rise}*h + {current}; i' = {synapse.decay}*i + h'; "
        return arrives, f"{synapse.scale}*i'"
    if isinstance(synapse, Synapse):
        leak = "synapse_leak" if neuron.synapse_leak is not None else synapse.leak
        now = "i" if synapse.delayed else "i'"
        return f"i' = {leak}*i + {current}; ", f"{synapse.scale}*{now}"
    return "", current
