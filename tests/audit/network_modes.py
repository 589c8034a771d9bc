"""What is audited beyond dense LIF layers: cells, connections and losses of released libraries."""

import refsast as rs
from tests.audit.modes import NetworkMode
from tests.audit.network_others import (
    ask_scan,
    ask_spytorch,
    norse_layers,
    sinabs_images,
    sinabs_layers,
)
from tests.audit.network_questions import (
    SPIKE,
    STEPS,
    Make,
    ask_module,
    jelly_images,
    jelly_layers,
    jelly_residual,
    jelly_squared_error,
    snntorch_images,
    snntorch_integrator,
    snntorch_layers,
    snntorch_loss,
    snntorch_potentials,
)

IMAGE = (1, 9, 9)
DETACHED = {"detach_reset": True}  # what snnTorch states: asked about everything else
SECOND = (
    "A potential that is still above the threshold after its reset is reset once more in the next "
    "step, by a detached spike of `mem_reset`."
)
COUNTS = (
    "It squares counts of spikes and divides by the number of steps once, so that it is the "
    "squared error of rates times that number."
)
WHOLE = "The counts that are wanted are rounded down to whole spikes, here 6 and 1 of 8."
ZEROS = (
    "`SumPool2d` is PyTorch's `lp_pool2d`, whose gradient at zero is set to zero: a window without "
    "a spike passes none on."
)
DETACH = "`mem_reset` detaches the reset's spike, whatever the options."


def per_neuron(n: int):
    """Numbers of each of `n` neurons, as a tensor."""
    import torch

    return torch.linspace(0.6, 0.9, n)


def _snntorch(description: str, make: Make, note: str = "", **options) -> NetworkMode:
    return NetworkMode("snntorch", description, ask_module("snntorch", make, **options), note)


def _cell(description: str, cell: str, settings: dict, note: str = "", **options) -> NetworkMode:
    return _snntorch(description, snntorch_layers(cell, **settings), note, **DETACHED | options)


def _jelly(description: str, make: Make, note: str = "", **options) -> NetworkMode:
    return NetworkMode("spikingjelly", description, ask_module("spikingjelly", make, **options), note)  # fmt: skip  # noqa: E501


def _norse(description: str, make: Make, note: str = "", **options) -> NetworkMode:
    options = {"drive": 20.0, "scale": 2.0} | options
    return NetworkMode("norse", description, ask_module("norse", make, **options), note)


def _sinabs(description: str, make: Make, note: str = "", **options) -> NetworkMode:
    options = {"drive": 8.0, "spike": SPIKE} | options
    return NetworkMode("sinabs", description, ask_module("sinabs", make, **options), note)


SNNTORCH = (
    _cell("`Leaky(learn_beta=True)`", "Leaky", {"beta": 0.8, "learn_beta": True}),
    _cell("`Leaky(learn_threshold=True)`", "Leaky", {"beta": 0.8, "learn_threshold": True}),
    _cell("`Leaky`, learned `beta` per neuron", "Leaky", {"beta": per_neuron, "learn_beta": True}),
    _cell(
        "`Leaky`, `zero`, learned `beta`",
        "Leaky",
        {"beta": 0.8, "learn_beta": True, "reset_mechanism": "zero"},
    ),
    _cell(
        "`Leaky(reset_delay=False)`, potentials below twice the threshold",
        "Leaky",
        {"beta": 0.8, "reset_delay": False},
        detach_reset=False,
        drive=1.5,
    ),
    _cell(
        "`Leaky(reset_delay=False)`, some above it",
        "Leaky",
        {"beta": 0.8, "reset_delay": False},
        SECOND,
        detach_reset=False,
    ),
    _cell(
        "`Synaptic`, learned `alpha` and `beta`",
        "Synaptic",
        {"alpha": 0.8, "beta": 0.7, "learn_alpha": True, "learn_beta": True},
    ),
    _cell(
        "`Synaptic`, if its reset is not asked to be detached",
        "Synaptic",
        {"alpha": 0.8, "beta": 0.7},
        DETACH,
        detach_reset=False,
    ),
    _cell("`RLeaky`", "RLeaky", {"beta": 0.7}),
    _cell(
        "`RSynaptic`, learned `beta`", "RSynaptic", {"alpha": 0.8, "beta": 0.7, "learn_beta": True}
    ),
    _cell("`Alpha`, `none`", "Alpha", {"alpha": 0.8, "beta": 0.7, "reset_mechanism": "none"}),
    _cell("`Alpha`, `zero`", "Alpha", {"alpha": 0.8, "beta": 0.7}),
    _cell("`Synaptic`, `zero`", "Synaptic", {"alpha": 0.8, "beta": 0.7, "reset_mechanism": "zero"}),
    _cell("`Lapicque`", "Lapicque", {"beta": 0.8}),
    _cell("`SLSTM`", "SLSTM", {}),
    _snntorch(
        "`Conv2d`, `MaxPool2d`, `Leaky`", snntorch_images("MaxPool2d"), shape=IMAGE, **DETACHED
    ),
    _snntorch(
        "`Conv2d`, `AvgPool2d`, `Leaky`",
        snntorch_images("AvgPool2d"),
        shape=IMAGE,
        scale=4.0,  # means of windows are small
        **DETACHED,
    ),
    _cell(
        "`ce_rate_loss`",
        "Leaky",
        {"beta": 0.8},
        loss=rs.StepCrossEntropy(),
        gain=1.0,
        wrap=snntorch_loss("ce_rate_loss"),
    ),
    _cell(
        "`ce_count_loss`",
        "Leaky",
        {"beta": 0.8},
        gain=float(STEPS),
        wrap=snntorch_loss("ce_count_loss"),
    ),
    _cell(
        "`mse_count_loss(0.75, 0.25)`",
        "Leaky",
        {"beta": 0.8},
        COUNTS,
        loss=rs.MeanSquaredRate(0.75, 0.25),
        wrap=snntorch_loss("mse_count_loss", correct_rate=0.75, incorrect_rate=0.25),
    ),
    _cell(
        "the same, divided by the number of steps once more",
        "Leaky",
        {"beta": 0.8},
        loss=rs.MeanSquaredRate(0.75, 0.25),
        wrap=snntorch_loss(
            "mse_count_loss", factor=1 / STEPS, correct_rate=0.75, incorrect_rate=0.25
        ),
    ),
    _cell(
        "`mse_count_loss(0.8, 0.2)`, divided so",
        "Leaky",
        {"beta": 0.8},
        WHOLE,
        loss=rs.MeanSquaredRate(0.8, 0.2),
        wrap=snntorch_loss(
            "mse_count_loss", factor=1 / STEPS, correct_rate=0.8, incorrect_rate=0.2
        ),
    ),
    _cell(
        "the same, if rates of 6/8 and 1/8 are what is wanted",
        "Leaky",
        {"beta": 0.8},
        loss=rs.MeanSquaredRate(6 / 8, 1 / 8),
        wrap=snntorch_loss(
            "mse_count_loss", factor=1 / STEPS, correct_rate=0.8, incorrect_rate=0.2
        ),
    ),
    _snntorch(
        "`ce_max_membrane_loss` of neurons without reset",
        snntorch_integrator,
        readout=rs.MaxPotential,
        wrap=snntorch_loss("ce_max_membrane_loss", 1),
        **DETACHED,
    ),
    _snntorch(
        "`mem` of `Leaky`, mean over steps",
        snntorch_potentials,
        readout=rs.MeanPotential(),
        loss=rs.StepCrossEntropy(),
        **DETACHED,
    ),
)
SPIKINGJELLY = (
    _jelly("`IFNode`", jelly_layers("IFNode")),
    _jelly("`IFNode`, hard", jelly_layers("IFNode", smooth=False)),
    _jelly("`ParametricLIFNode`", jelly_layers("ParametricLIFNode")),
    _jelly("`ParametricLIFNode`, hard", jelly_layers("ParametricLIFNode", smooth=False)),
    _jelly("`ParametricLIFNode`, single step", jelly_layers("ParametricLIFNode", mode="s")),
    _jelly(
        "`ParametricLIFNode(decay_input=False)`",
        jelly_layers("ParametricLIFNode", decay_input=False),
    ),
    _jelly("`ParametricLIFNode(v_reset=None)`", jelly_layers("ParametricLIFNode", v_reset=None)),
    _jelly("`ParametricLIFNode(v_reset=-0.2)`", jelly_layers("ParametricLIFNode", v_reset=-0.2)),
    _jelly(
        "`ParametricLIFNode(detach_reset=True)`",
        jelly_layers("ParametricLIFNode", detach_reset=True),
    ),
    _jelly("`KLIFNode`", jelly_layers("KLIFNode")),
    _jelly("`EIFNode`", jelly_layers("EIFNode")),
    _jelly(
        "`Conv2d`, `BatchNorm2d` in evaluation mode, `MaxPool2d`, smooth",
        jelly_images("MaxPool2d"),
        shape=(1, 6, 6),
    ),
    _jelly("the same, hard", jelly_images("MaxPool2d", smooth=False), shape=(1, 6, 6)),
    _jelly(
        "the same, `AvgPool2d`, `ParametricLIFNode`",
        jelly_images("AvgPool2d", node="ParametricLIFNode"),
        shape=(1, 6, 6),
    ),
    _jelly("spikes added to later ones, as in SEW-ResNet", jelly_residual, shape=(2, 4, 4)),
    _jelly(
        "squared error of rates",
        jelly_layers("IFNode"),
        loss=rs.MeanSquaredRate(),
        wrap=jelly_squared_error,
    ),
)
NORSE = (
    _norse("`LIF`, `tanh`, alpha 2", norse_layers("LIF")),
    _norse("`LSNN`, `tanh`, alpha 2", norse_layers("LSNN", beta=0.3, tau_adapt_inv=100.0)),
    _norse(
        "`LSNN`, other time constants",
        norse_layers("LSNN", beta=1.0, tau_adapt_inv=20.0, tau_mem_inv=200.0),
    ),
    _norse("`Conv2d`, `LIF`, `AvgPool2d`", norse_layers("LIF", image=True), shape=(1, 6, 6)),
    _norse("`LIFEx`", norse_layers("LIFEx")),
    _norse("`LIFAdEx`", norse_layers("LIFAdEx")),
)
SINABS = (
    _sinabs("`IAF`", sinabs_layers("IAF")),
    _sinabs("`IAF`, `SingleSpike`", sinabs_layers("IAF", hard=True)),
    _sinabs("`LIF`, learned `tau_mem`", sinabs_layers("LIF", tau_mem=4.0)),
    _sinabs(
        "`LIF`, learned `tau_mem` per neuron",
        sinabs_layers("LIF", tau_mem=lambda n: 6.0 * per_neuron(n)),
    ),
    _sinabs(
        "`LIF`, learned `tau_mem` and `tau_syn`", sinabs_layers("LIF", tau_mem=4.0, tau_syn=3.0)
    ),
    _sinabs(
        "`LIF(train_alphas=True)`",
        sinabs_layers("LIF", tau_mem=4.0, tau_syn=3.0, train_alphas=True),
    ),
    _sinabs(
        "`LIF(norm_input=False)`", sinabs_layers("LIF", tau_mem=4.0, norm_input=False), drive=3.0
    ),
    _sinabs(
        "`ALIF`, `MembraneSubtract(1.0)`",
        sinabs_layers("ALIF", subtract=1.0, tau_mem=4.0, tau_adapt=5.0, adapt_scale=0.8),
    ),
    _sinabs("`ALIF`, its own reset", sinabs_layers("ALIF", tau_mem=4.0, tau_adapt=5.0)),
    _sinabs(
        "`Conv2d`, `IAFSqueeze`, `AvgPool2d`, `SingleSpike`",
        sinabs_images("AvgPool2d", hard=True),
        shape=(1, 6, 6),
    ),
    _sinabs(
        "`Conv2d`, `IAFSqueeze`, `SumPool2d`, smooth",
        sinabs_images("SumPool2d", hard=False),
        shape=(1, 6, 6),
    ),
    _sinabs(
        "`Conv2d`, `IAFSqueeze`, `SumPool2d`, `SingleSpike`",
        sinabs_images("SumPool2d", hard=True),
        ZEROS,
        shape=(1, 6, 6),
    ),
)
PLAIN = (
    NetworkMode(
        "torch", "functions of tensors: delayed current, largest potential over time", ask_spytorch
    ),
    NetworkMode(
        "jax",
        "`grad` of a scan: learned leaks and thresholds, adaptation, a loss per step",
        ask_scan,
    ),
)
NETWORK_MODES = (*PLAIN, *SPIKINGJELLY, *SNNTORCH, *SINABS, *NORSE)
