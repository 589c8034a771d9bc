"""The questions of the second golden set: networks beyond dense LIF layers, each feature by itself.

As those of the first: small integers over powers of two, drawn by the raw bits of PCG64.
"""

from refsast.model import (
    GLIF,
    LIF,
    Adaptation,
    Algebraic,
    Alpha,
    Arctan,
    AvgPool2d,
    Conv2d,
    Flatten,
    LastPotential,
    LeakyReadout,
    Learned,
    LinearReadout,
    Logistic,
    MaxPool2d,
    MaxPotential,
    MeanSquaredRate,
    Network,
    Skip,
    SpikeRate,
    StepCrossEntropy,
    Subtract,
    Synapse,
)
from refsast.model.network import Neuron
from refsast.model.readout import Readout
from tools.golden.questions import Spec

A = Arctan(2.0)
PLAIN = LIF(0.75, 1.0, A)


def _one_layer(neuron: Neuron, readout: Readout = SpikeRate(4.0), n: int = 3, **more) -> Network:  # noqa: B008
    return Network((2, n), neuron, readout, **more)


def _images(*chains: object, side: tuple[int, int] = (4, 3), neuron: Neuron = PLAIN) -> Network:
    sizes = ((1, *side), *chains)
    return Network(sizes, neuron, SpikeRate(4.0))  # pyright: ignore[reportArgumentType]


CONV = Conv2d(2, (2, 3), stride=(2, 1), padding=(1, 1), dilation=(1, 1))
EVERYTHING = GLIF(
    Learned(0.5, per_neuron=True), (1.0, 0.75, 0.5, 1.25), Algebraic(2.0), Subtract(leaked=True),
    synapse=Synapse(0.5, 0.5), adaptation=Adaptation(0.5, 0.25), refractory=1,
    synapse_leak=Learned(0.5, True, sigmoid=True), learn_start=True,
)  # fmt: skip
HARD = GLIF(0.5, 0.5, A, Subtract(), adaptation=Adaptation(0.5, 0.25), refractory=1)
EXTENDED_SPECS = (
    Spec("convolution", _images(CONV, 3), 4, 2, 136),
    Spec("groups", _images(Conv2d(2, 2), Conv2d(4, 2, dilation=(2, 1), groups=2), 2), 4, 1, 133),
    Spec("mean-pool", _images((Conv2d(2, 2), AvgPool2d(2, 1, 1)), (AvgPool2d(2), 2)), 4, 1, 103),
    Spec("max-pool", _images((Conv2d(2, 2), MaxPool2d(2, 1)), (Flatten(), 3)), 4, 1, 104),
    Spec("skip", Network((3, 3, (3, Skip(1)), (Skip(0), 2)), PLAIN, SpikeRate(4.0)), 4, 2, 105),  # pyright: ignore[reportArgumentType]
    Spec("per-neuron", _one_layer(GLIF((0.75, 0.5, 0.25), (1.0, 0.5, 0.75), A)), 4, 2, 106),
    Spec("learned", _one_layer(GLIF(Learned(0.5, True), Learned(1.0), A)), 4, 2, 107),
    Spec(
        "learned-sigmoid",
        _one_layer(GLIF(Learned(0.5, True, sigmoid=True), 1.0, A, learn_start=True)),
        4, 2, 108,
    ),
    Spec(
        "synapse",
        _one_layer(
            GLIF(0.5, 1.0, A, Subtract(), synapse=Synapse(0.5), synapse_leak=Learned(0.5)),
            recurrent=True,
        ),
        8, 1, 138,
    ),
    Spec(
        "delayed-synapse",
        _one_layer(GLIF(0.5, 0.5, A, synapse=Synapse(0.75, 0.5, delayed=True))),
        4, 2, 110,
    ),
    Spec("alpha", _one_layer(GLIF(0.5, 1.0, A, synapse=Alpha(0.5, 0.25, 0.5))), 4, 2, 111),
    Spec("adaptation", _one_layer(GLIF(0.75, 0.5, A, adaptation=Adaptation(0.75, 0.5))), 8, 1, 112),
    Spec("refractory", _one_layer(GLIF(0.75, 0.5, Logistic(4.0), refractory=2)), 8, 1, 139),
    Spec("last-potential", _one_layer(PLAIN, LastPotential(2, 0.5)), 4, 2, 114),
    Spec("max-potential", _one_layer(PLAIN, MaxPotential(2, 0.75)), 4, 2, 115),
    Spec(
        "loss-of-steps", _one_layer(PLAIN, LeakyReadout(2, 0.5), loss=StepCrossEntropy()), 4, 2, 116
    ),
    Spec(
        "loss-of-rates",
        _one_layer(PLAIN, SpikeRate(4.0, 2), 4, loss=MeanSquaredRate(0.75, 0.25)),
        4, 2, 117,
    ),
    Spec(
        "all-at-once",
        Network(
            ((1, 4, 3), (Conv2d(1, 3, padding=1), AvgPool2d(2, 2)), (Skip(1), 4)),  # pyright: ignore[reportArgumentType]
            (GLIF(0.75, (1.0, 0.5), A), EVERYTHING),
            MaxPotential(2, 0.5),
            recurrent=True,
        ),
        4, 1, 145,
    ),
    Spec("hard", Network((2, 3, 2), (HARD, PLAIN), LinearReadout(2)), 8, 1, 133, hard=True, grid=2),
)  # fmt: skip
