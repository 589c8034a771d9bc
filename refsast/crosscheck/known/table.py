"""The known faults: `FORWARD` ones change the loss, `BACKWARD` ones only its derivatives."""

from refsast.crosscheck.faults import Fault, per_layer
from refsast.crosscheck.known import around, arriving, carried, fired
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, Logistic, PiecewiseQuadratic

FAMILIES = (Arctan, Logistic, Algebraic, FastSigmoid, PiecewiseQuadratic)
RESETS = {
    "reset to zero": ToZero(),
    "unleaked subtraction": Subtract(),
    "leaked subtraction": Subtract(leaked=True),
    "no reset": NoReset(),
}

BACKWARD = (
    Fault("reset detached", "with the reset detached", per_layer(carried.detached)),
    Fault("reset attached", "with a gradient through the reset", per_layer(carried.attached)),
    Fault(
        "state detached", "with the state detached (truncated BPTT)", per_layer(carried.forgotten)
    ),
    Fault(
        "potential detached",
        "with the potential of the step before detached",
        per_layer(carried.half_forgotten),
    ),
    Fault("bias constant", "without a gradient in the biases", per_layer(arriving.constant_bias)),
    Fault("bias gradients zero", "with zeros for all biases' gradients", around.no_bias_gradients),
    Fault("gradient zero", "multiplied by zero", around.multiplied(0.0)),
    Fault(
        "recurrence detached",
        "with the spikes that are fed back detached",
        per_layer(arriving.constant_recurrence),
    ),
    Fault("layers detached", "with each layer's input detached", per_layer(arriving.cut)),
    Fault(
        "transposed weight backwards",
        "with W in place of its transpose on the way back",
        per_layer(arriving.transposed_back),
    ),
    Fault(
        "gradient transposed", "with the gradients in square W transposed", around.turned_gradient
    ),
    Fault(
        "time order backwards",
        "with adjoints paired with the inputs of the mirrored step",
        per_layer(arriving.backwards_in_time),
    ),
)

FORWARD = (
    Fault(
        "straight-through",
        "with Heaviside spikes forward, smooth ones backward (straight-through)",
        per_layer(fired.hardened),
    ),
    Fault("smooth forward", "with smooth spikes forward, too", per_layer(fired.softened)),
    Fault(
        "tie rule",
        "with potentials at the threshold not firing",
        per_layer(fired.silent_at_threshold),
    ),
    *(
        Fault(name, f"with {name}", per_layer(carried.other_reset(reset)))
        for name, reset in RESETS.items()
    ),
    Fault("reset shifted", "with the reset one step late", per_layer(carried.late)),
    Fault(
        "reset at rest",
        "with neurons at rest reset by the smooth spike of a potential of zero",
        per_layer(carried.fired_at_rest),
    ),
    Fault(
        "reset by any spike",
        "with potentials reset by any spike that is not quite none",
        per_layer(carried.lost),
    ),
    Fault("leak exchanged", "with leak and 1 - leak exchanged", per_layer(carried.other_leak)),
    Fault("input scaled", "with all input scaled by 1 - leak", per_layer(arriving.damped)),
    Fault("scale missing", "without the synapse's scale", per_layer(arriving.undamped)),
    Fault("bias missing", "without the biases", per_layer(arriving.without_bias)),
    Fault("readout bias missing", "without the bias of the readout", around.without_readout_bias),
    Fault("recurrence missing", "without recurrence", per_layer(arriving.without_recurrence)),
    Fault(
        "layers delayed",
        "with each layer seeing its input one step late",
        per_layer(arriving.one_step_late),
    ),
    Fault("transposed weight", "with W transposed", per_layer(arriving.transposed)),
    Fault("time order", "with the steps of the input in reversed order", around.reversed_time),
    Fault("sum over time", "with spikes summed, not averaged, over time", around.summed_over_time),
    Fault("last step", "with the spikes of the last step only", around.last_step),
    Fault("softmax twice", "with the softmax taken twice", around.softmax_twice),
    Fault("sum over batch", "summed, not averaged, over the batch", around.summed_loss),
    *(
        Fault(
            f"another surrogate: {family.__name__}",
            f"with {family.__name__} spikes, as steep at threshold",
            per_layer(fired.other_spike(family)),
        )
        for family in FAMILIES
    ),
    *(
        Fault(
            f"another surrogate: {family.__name__}, same number",
            f"with {family.__name__} spikes of the same slope parameter",
            per_layer(fired.same_number(family)),
        )
        for family in FAMILIES
    ),
)
