"""Settings of whole experiments, each with its source."""

from dataclasses import replace

from refsast.experiment.setting import Setting
from refsast.model import AvgPool2d, Conv2d, ToZero

__all__ = ["DEEP", "PAPER", "PRESETS", "Setting"]

DEEP = Setting(
    source="chosen on a validation split of real N-MNIST recordings, see docs/transfer_gap.md: "
    "four hidden layers, where the transfer gap is real",
    hidden=(128, 128, 128, 128),
    steps=10,
    slope=2.0,
    leak=0.9,
    threshold=1.0,
    reset=ToZero(),
    gain=10.0,
    scale=1.0,
    learning_rate=1e-3,
    schedule="constant",
    batch=32,
    epochs=80,
    rho=0.5,
    warmup=0.5,
)

PAPER = replace(
    DEEP,
    source="where the paper's picture appears: a readout so steep (gain 150) that the smooth loss "
    "is small while output neurons stay below threshold, see docs/transfer_gap.md",
    hidden=(128, 128),
    steps=5,
    gain=150.0,
    learning_rate=2e-3,
    schedule="late-linear",
    epochs=16,
    rho=0.3,
)

SHALLOW = replace(
    DEEP,
    source="as deep, with one hidden layer: there is hardly a gap to close",
    hidden=(128,),
)

PRESETS = {
    "paper": PAPER,
    "deep": DEEP,
    "shallow": SHALLOW,
    "quick": replace(
        DEEP,
        source="small enough for a test of the machinery; its accuracies mean nothing",
        hidden=(32,),
        steps=5,
        epochs=3,
        rho=0.05,
        warmup=0.0,
    ),
    "theorem-5": replace(
        DEEP,
        source="inside theorem 5 and its bounds no more than a thousand times what is measured: "
        "plain descent, minibatches drawn with replacement, one layer so flat that the learning "
        "rate is below 1/L; no more than half of the digits are recognised",
        hidden=(),
        steps=5,
        slope=0.1,
        leak=0.0,
        threshold=0.1,
        gain=50.0,
        learning_rate=4e-4,
        epochs=8,
        rho=1e-3,
        warmup=0.0,
        descent="sgd",
        sampling="replacement",
    ),
    "convolution": replace(
        DEEP,
        source="two convolutions and means, as in the tutorials of snnTorch and SLAYER; scale, "
        "rate and radius chosen on a validation split of 700 real recordings: with a scale of 2, "
        "spikes hardly reach the last layer",
        hidden=(Conv2d(12, 5), AvgPool2d(2), Conv2d(32, 5), AvgPool2d(2)),
        scale=3.0,
        learning_rate=2e-3,
        epochs=12,
        rho=0.1,
    ),
    "learned-leak": replace(
        SHALLOW, source="as shallow, with a leak that each layer learns", learn="leak-sigmoid"
    ),
    "synapse": replace(
        SHALLOW, source="as shallow, with an exponential synaptic current", synapse=0.8
    ),
    "alif": replace(
        SHALLOW, source="as shallow, with thresholds that rise with every spike", adaptation=0.3
    ),
    "max-potential": replace(
        SHALLOW,
        source="as shallow, read by the largest potential over time of an integrator, as in the "
        "spytorch tutorials",
        readout="max-potential",
    ),
}
