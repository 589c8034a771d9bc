"""The formulas in the index of golden vectors, so that it can be read without refsast."""

from refsast.crosscheck.case import Case
from refsast.model.glif import GLIF
from refsast.model.lif import LIF
from refsast.model.reset import Subtract
from refsast.model.synapse import Synapse

RESET_FORMULAS = {
    "ToZero": "leak*u*(1 - s)",
    "Subtract": "leak*u - threshold*s",
    "Subtract(leaked)": "leak*(u - threshold*s)",
    "NoReset": "leak*u",
}
EQUATIONS = {
    "loss": "mean over the batch of -log softmax(logits)[y]",
    "tie": "u = threshold fires: H(0) = 1",
    "spikes": {
        "Arctan": "1/2 + arctan(pi*slope*v/2)/pi",
        "Logistic": "1/(1 + exp(-slope*v))",
        "Algebraic": "(1 + slope*v/sqrt(1 + (slope*v)^2))/2",
        "FastSigmoid": "(1 + slope*v/(1 + slope*|v|))/2",
        "PiecewiseQuadratic": "1/2 + z - z*|z|/2 for z = slope*v in [-1, 1], else 0 or 1",
    },
    "readouts": {
        "SpikeRate": "logits = gain * mean_t s_t",
        "LinearReadout": "logits = W_o mean_t s_t + b_o",
        "LeakyReadout": "logits = mean_t v_t, v_t = leak*v_{t-1} + W_o s_t + b_o, v_0 = 0",
    },
    "rest": "u_0 = 0, s_0 = 0, i_0 = 0",
    "flat": "layer after layer, each as w, b, v, in row-major order",
    "sam": {
        "point": "w + rho*g/|g|, g the gradient at w on (x, y)",
        "grads": "the gradient at the point on (x2, y2)",
        "exact": "the gradient in w of the loss at the point, both on (x, y), Hessian term kept",
        "hvp": "the Hessian of the loss on (x, y) at w, times direction",
    },
    "adjoints": "dL/du_t, total: through everything that follows from u_t",
    # The path is where tools/golden/questions.py stood when the set was made; its bytes stay.
    "draw": "raw bits of PCG64(seed), see refsast/crosscheck/golden/questions.py",
    "yardstick": "first-order bound on what rounding can do to each entry of the answers, in the "
    "order of `answers`, in units of one rounding: 1.1e-16 in float64, 6e-8 in float32",
}


def update_equations(case: Case) -> list[str]:
    """Return the equations of one step, one line per layer, a its input; later steps in time."""
    return [_layer_equation(case, neuron) for neuron in case.network.neurons]


def _layer_equation(case: Case, neuron: LIF) -> str:
    current = "W a" + " + b" * case.network.bias + " + V s" * case.network.recurrent
    arrives, drive = _synapse_equations(case.synapse, current)
    kept = reset_formula(neuron)
    if neuron.detach_reset:
        kept += " (its s a constant for the gradient)"
    spike = f"{'H' if case.hard else 'sigma'}(u' - threshold)"
    backward = " (backward: sigma')" if case.hard else ""
    return f"{arrives}u' = {kept} + {drive}; s' = {spike}{backward}"


def reset_formula(neuron: LIF | GLIF) -> str:
    """Return what the reset leaves of u with spike s, as a formula."""
    kind = type(neuron.reset).__name__
    leaked = isinstance(neuron.reset, Subtract) and neuron.reset.leaked
    return RESET_FORMULAS[f"{kind}(leaked)" if leaked else kind]


def _synapse_equations(synapse: Synapse | None, current: str) -> tuple[str, str]:
    """The update of the synaptic current, and what reaches the potential."""
    if synapse is None:
        return "", current
    now = "i" if synapse.delayed else "i'"
    arrives = f"i' = {synapse.leak}*i + {current}; "
    return arrives, f"{synapse.scale}*{now}"
