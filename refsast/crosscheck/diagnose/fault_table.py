"""The known faults: `FORWARD` ones change the loss, `BACKWARD` ones only its derivatives."""

from refsast.crosscheck.diagnose import input_faults, readout_faults, reset_faults, spike_faults
from refsast.crosscheck.diagnose.faults import Fault, layerwise
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, Logistic, PiecewiseQuadratic

FAMILIES = (Arctan, Logistic, Algebraic, FastSigmoid, PiecewiseQuadratic)
RESET_NAMES = {
    "reset to zero": ToZero(),
    "unleaked subtraction": Subtract(),
    "leaked subtraction": Subtract(leaked=True),
    "no reset": NoReset(),
}

BACKWARD = (
    Fault("reset detached", "with the reset detached", layerwise(reset_faults.detach_spike)),
    Fault(
        "reset attached",
        "with a gradient through the reset",
        layerwise(reset_faults.attach_spike),
    ),
    Fault(
        "state detached",
        "with the state detached (truncated BPTT)",
        layerwise(reset_faults.detach_state),
    ),
    Fault(
        "potential detached",
        "with the potential of the step before detached",
        layerwise(reset_faults.detach_potential),
    ),
    Fault("bias constant", "without a gradient in the biases", layerwise(input_faults.detach_bias)),
    Fault(
        "bias gradients zero",
        "with zeros for all biases' gradients",
        readout_faults.zero_bias_gradients,
    ),
    Fault("gradient zero", "multiplied by zero", readout_faults.scale_gradient(0.0)),
    Fault(
        "recurrence detached",
        "with the spikes that are fed back detached",
        layerwise(input_faults.detach_recurrence),
    ),
    Fault(
        "layers detached",
        "with each layer's input detached",
        layerwise(input_faults.detach_input),
    ),
    Fault(
        "transposed weight backwards",
        "with W in place of its transpose on the way back",
        layerwise(input_faults.transpose_adjoint),
    ),
    Fault(
        "gradient transposed",
        "with the gradients in square W transposed",
        readout_faults.transpose_gradient,
    ),
    Fault(
        "time order backwards",
        "with adjoints paired with the inputs of the mirrored step",
        layerwise(input_faults.mirror_time),
    ),
)

FORWARD = (
    Fault(
        "straight-through",
        "with Heaviside spikes forward, smooth ones backward (straight-through)",
        layerwise(spike_faults.harden_spike),
    ),
    Fault(
        "smooth forward",
        "with smooth spikes forward, too",
        layerwise(spike_faults.soften_spike),
    ),
    Fault(
        "tie rule",
        "with potentials at the threshold not firing",
        layerwise(spike_faults.exclude_ties),
    ),
    *(
        Fault(name, f"with {name}", layerwise(reset_faults.replace_reset(reset)))
        for name, reset in RESET_NAMES.items()
    ),
    Fault("reset shifted", "with the reset one step late", layerwise(reset_faults.delay_reset)),
    Fault(
        "reset at rest",
        "with neurons at rest reset by the smooth spike of a potential of zero",
        layerwise(reset_faults.reset_at_rest),
    ),
    Fault(
        "reset by any spike",
        "with potentials reset by any spike that is not quite none",
        layerwise(reset_faults.reset_on_any_spike),
    ),
    Fault(
        "leak exchanged",
        "with leak and 1 - leak exchanged",
        layerwise(reset_faults.exchange_leak),
    ),
    Fault(
        "input scaled",
        "with all input scaled by 1 - leak",
        layerwise(input_faults.scale_input),
    ),
    Fault(
        "scale missing",
        "without the synapse's scale",
        layerwise(input_faults.drop_synapse_scale),
    ),
    Fault("bias missing", "without the biases", layerwise(input_faults.drop_bias)),
    Fault(
        "readout bias missing", "without the bias of the readout", readout_faults.drop_readout_bias
    ),
    Fault("recurrence missing", "without recurrence", layerwise(input_faults.drop_recurrence)),
    Fault(
        "layers delayed",
        "with each layer seeing its input one step late",
        layerwise(input_faults.delay_input),
    ),
    Fault("transposed weight", "with W transposed", layerwise(input_faults.transpose_weight)),
    Fault(
        "time order", "with the steps of the input in reversed order", readout_faults.reverse_input
    ),
    Fault(
        "sum over time", "with spikes summed, not averaged, over time", readout_faults.sum_over_time
    ),
    Fault("last step", "with the spikes of the last step only", readout_faults.read_last_step),
    Fault("softmax twice", "with the softmax taken twice", readout_faults.apply_softmax_twice),
    Fault("sum over batch", "summed, not averaged, over the batch", readout_faults.sum_loss),
    *(
        Fault(
            f"another surrogate: {family.__name__}",
            f"with {family.__name__} spikes, as steep at threshold",
            layerwise(spike_faults.replace_spike(family)),
        )
        for family in FAMILIES
    ),
    *(
        Fault(
            f"another surrogate: {family.__name__}, same number",
            f"with {family.__name__} spikes of the same slope parameter",
            layerwise(spike_faults.replace_family(family)),
        )
        for family in FAMILIES
    ),
)
