"""Settings of whole experiments, each with its source, and what follows from one.

A `Setting` is flat: every field is one number or one record, so that a sweep can vary any of them
by name and a record can hold them all.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import as_number, is_count
from refsast.data.archive import CLASSES
from refsast.experiment.record import Config
from refsast.model import LIF, Arctan, Network, Params, SpikeRate, ToZero, flatten, init, unflatten
from refsast.model.reset import Reset
from refsast.optim.descent import adam, constant, cosine

SCHEDULES = {"constant": constant, "cosine": cosine}


@dataclass(frozen=True)
class Setting:
    """Everything that fixes an experiment, but for the data and the seed.

    Attributes
    ----------
    source : str
        Where the numbers come from.
    hidden : tuple of int
        Widths of the hidden layers. The last spiking layer has one neuron per class.
    steps : int
        Time steps per recording.
    slope : float
        Of the arctangent spike, per unit of potential.
    leak : float
        Fraction of the potential kept per step, in [0, 1].
    threshold : float
        Potential at which a neuron fires.
    reset : ToZero, Subtract or NoReset
        What a spike does to the potential.
    gain : float
        Logit of a neuron that fires at every step.
    scale : float
        Factor on the initial weights, which are drawn from ``+-scale/sqrt(n_in)``.
    learning_rate : float
        Of Adam (beta1 0.9, beta2 0.999, epsilon 1e-8, no decay).
    schedule : str
        Of the learning rate: a name in `SCHEDULES`.
    batch, epochs : int
        Recordings per minibatch, passes over the recordings.
    rho : float
        Radius of SAM, in units of the parameters. Zero is the baseline.
    warmup : float
        Share of the training over which the radius rises from zero; zero for none.
    shared : bool
        Whether both passes of SAM see the same minibatch.
    """

    source: str
    hidden: tuple[int, ...]
    steps: int
    slope: float
    leak: float
    threshold: float
    reset: Reset
    gain: float
    scale: float
    learning_rate: float
    schedule: str
    batch: int
    epochs: int
    rho: float
    warmup: float = 0.0
    shared: bool = False

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {list(SCHEDULES)}, got {self.schedule!r}")
        if not is_count(self.steps):
            raise ValueError(f"steps must be a positive integer, got {self.steps!r}")
        for name in ("slope", "leak", "threshold", "gain", "scale", "learning_rate", "rho"):
            largest = float(np.finfo(np.float32).max)
            if largest < abs(as_number(getattr(self, name), name)) < np.inf:
                raise ValueError(f"{name} must fit in float32, got {getattr(self, name)}")
        if not 0.0 < self.scale < np.inf:
            raise ValueError(f"scale must be positive and finite, got {self.scale}")
        _ = self.network(1), self.config  # refuse what makes neither

    def network(self, n_in: int) -> Network:
        """Return the network for recordings of `n_in` channels and ten classes."""
        neuron = LIF(self.leak, self.threshold, Arctan(self.slope), self.reset)
        return Network((n_in, *self.hidden, CLASSES), neuron, SpikeRate(self.gain))

    def start(self, network: Network, rng: np.random.Generator) -> Params:
        """Return initial parameters, in float32."""
        w = self.scale * flatten(init(network, rng))
        return unflatten(network, w.astype(np.float32))

    @property
    def config(self) -> Config:
        """How to train."""
        method = adam(
            learning_rate=self.learning_rate,
            beta1=0.9,
            beta2=0.999,
            epsilon=1e-8,
            weight_decay=0.0,
        )
        schedule = SCHEDULES[self.schedule]
        return Config(self.epochs, self.batch, self.rho, self.warmup, method, schedule, self.shared)


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

PRESETS = {
    "deep": DEEP,
    "shallow": replace(
        DEEP,
        source="as deep, with one hidden layer: there is hardly a gap to close",
        hidden=(128,),
    ),
    "quick": replace(
        DEEP,
        source="small enough for a test of the machinery; its accuracies mean nothing",
        hidden=(32,),
        steps=5,
        epochs=3,
        rho=0.05,
        warmup=0.0,
    ),
}
