"""The known faults: `FORWARD` ones change the loss, `BACKWARD` ones only its derivatives."""

from typing import get_args

from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.surrogate import Surrogate
from tests.crosscheck.known_faults import inputs, readout, resets, spikes
from tests.crosscheck.known_faults.faults import Fault, layerwise

FAMILIES = get_args(Surrogate)
RESET_NAMES = {  # as a report names them
    "reset to zero": ToZero(),
    "unleaked subtraction": Subtract(),
    "leaked subtraction": Subtract(leaked=True),
    "no reset": NoReset(),
}

BACKWARD = (
    Fault("reset detached", "with the reset detached", layerwise(resets.detach_spike)),
    Fault("reset attached", "with a gradient through the reset", layerwise(resets.attach_spike)),
    Fault("state detached", "with the state detached (truncated BPTT)",
          layerwise(resets.detach_state)),
    Fault("potential detached", "with the potential of the step before detached",
          layerwise(resets.detach_potential)),
    Fault("bias constant", "without a gradient in the biases", layerwise(inputs.detach_bias)),
    Fault("bias gradients zero", "with zeros for all biases' gradients",
          readout.zero_bias_gradients),
    Fault("gradient zero", "multiplied by zero", readout.scale_gradient(0.0)),
    Fault("recurrence detached", "with the spikes that are fed back detached",
          layerwise(inputs.detach_recurrence)),
    Fault("layers detached", "with each layer's input detached", layerwise(inputs.detach_input)),
    Fault("transposed weight backwards", "with W in place of its transpose on the way back",
          layerwise(inputs.transpose_adjoint)),
    Fault("gradient transposed", "with the gradients in square W transposed",
          readout.transpose_gradient),
    Fault("time order backwards", "with adjoints paired with the inputs of the mirrored step",
          layerwise(inputs.mirror_time)),
)  # fmt: skip

FORWARD = (
    Fault("straight-through",
          "with Heaviside spikes forward, smooth ones backward (straight-through)",
          layerwise(spikes.harden_spike)),
    Fault("smooth forward", "with smooth spikes forward, too", layerwise(spikes.soften_spike)),
    Fault("tie rule", "with potentials at the threshold not firing",
          layerwise(spikes.exclude_ties)),
    *(
        Fault(name, f"with {name}", layerwise(resets.replace_reset(reset)))
        for name, reset in RESET_NAMES.items()
    ),
    Fault("reset shifted", "with the reset one step late", layerwise(resets.delay_reset)),
    Fault("reset at rest", "with neurons at rest reset by the smooth spike of a potential of zero",
          layerwise(resets.reset_at_rest)),
    Fault("reset by any spike", "with potentials reset by any spike that is not quite none",
          layerwise(resets.reset_on_any_spike)),
    Fault("leak exchanged", "with leak and 1 - leak exchanged", layerwise(resets.exchange_leak)),
    Fault("input scaled", "with all input scaled by 1 - leak", layerwise(inputs.scale_input)),
    Fault("scale missing", "without the synapse's scale", layerwise(inputs.drop_synapse_scale)),
    Fault("bias missing", "without the biases", layerwise(inputs.drop_bias)),
    Fault("readout bias missing", "without the bias of the readout", readout.drop_readout_bias),
    Fault("recurrence missing", "without recurrence", layerwise(inputs.drop_recurrence)),
    Fault("layers delayed", "with each layer seeing its input one step late",
          layerwise(inputs.delay_input)),
    Fault("transposed weight", "with W transposed", layerwise(inputs.transpose_weight)),
    Fault("time order", "with the steps of the input in reversed order", readout.reverse_input),
    Fault("sum over time", "with spikes summed, not averaged, over time", readout.sum_over_time),
    Fault("last step", "with the spikes of the last step only", readout.read_last_step),
    Fault("softmax twice", "with the softmax taken twice", readout.apply_softmax_twice),
    Fault("sum over batch", "summed, not averaged, over the batch", readout.sum_loss),
    *(
        Fault(f"another surrogate: {family.__name__}",
              f"with {family.__name__} spikes, as steep at threshold",
              layerwise(spikes.replace_spike(family)))
        for family in FAMILIES
    ),
    *(
        Fault(f"another surrogate: {family.__name__}, same number",
              f"with {family.__name__} spikes of the same slope parameter",
              layerwise(spikes.replace_family(family)))
        for family in FAMILIES
    ),
)  # fmt: skip
