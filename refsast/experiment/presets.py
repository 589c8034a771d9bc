"""Settings of whole experiments, each with its source, and what follows from one.

A `Setting` is flat: every field is one number or one record, so that a sweep can vary any of them
by name and a record can hold them all.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array, is_positive_int, require_nonnegative, require_number
from refsast.data.archive import CLASSES
from refsast.experiment.record import Config
from refsast.model import (
    LIF,
    Arctan,
    Network,
    Params,
    SpikeRate,
    ToZero,
    flatten,
    init,
    project,
    unflatten,
)
from refsast.model.reset import Reset
from refsast.optim import sam
from refsast.optim.descent import Descent, adam, constant, cosine, late_linear, projected

ASCENTS = {
    "steepest": sam.steepest_ascent,
    "adaptive": sam.adaptive_ascent,
    "random": sam.random_ascent,
}
SCHEDULES = {"constant": constant, "cosine": cosine, "late-linear": late_linear}


@dataclass(frozen=True)
class Setting:
    """Everything that fixes an experiment, but for the data and the seed.

    Attributes
    ----------
    source : str
        Where the numbers come from.
    hidden : tuple of int
        Widths of the hidden layers; a spiking layer with one neuron per class follows.
    steps : int
        Time steps per recording, which lasts 300 ms.
    slope : float
        Slope of the arctangent spike, per unit of potential.
    leak : float
        Fraction of the potential kept per step, in [0, 1].
    threshold : float
        Potential at which a neuron fires, in units of the potential.
    reset : ToZero, Subtract or NoReset
        What a spike does to the potential.
    gain : float
        Logit of an output neuron that fires at every step.
    scale : float
        Initial weights are drawn from ``+-scale/sqrt(inputs)``.
    learning_rate : float
        Learning rate of Adam (beta1 0.9, beta2 0.999, epsilon 1e-8), in units of the parameters per
        step.
    schedule : str
        Schedule of the learning rate: constant, cosine, or late-linear (constant for three
        quarters of the training, then in a line to a tenth).
    batch : int
        Recordings per minibatch.
    epochs : int
        Passes over the training recordings.
    rho : float
        Radius of SAM, in units of the parameters; 0 is the baseline.
    warmup : float
        Share of the training over which the radius rises from 0, in [0, 1].
    shared : bool
        Whether both passes of SAM see the same minibatch, instead of independent ones.
    ascent : str
        Where SAM takes its gradient: steepest (SAM), adaptive (ASAM, whose radius has no unit), or
        random, a control that spends one gradient per step.
    ascent_batch : int or None
        Recordings per ascent (m-sharpness): each piece of a minibatch has its own; None for one.
    slope_end : float or None
        Slope of the spike at the end of the training, to which it moves in a line; None to keep it.
    weight_decay : float
        Decoupled weight decay (AdamW): per step, this times the learning rate of every parameter is
        taken off.
    recurrent : bool
        Whether every layer feeds its spikes back to itself.
    cap_w : float or None
        Largest spectral norm of a layer's feed-forward weights, kept by a projection after every
        step; None for no cap.
    cap_v : float or None
        Largest spectral norm of a layer's recurrent weights, likewise.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import refsast as rs
    >>> sharp = replace(rs.PRESETS["quick"], rho=0.3)
    >>> sharp.rho, sharp.hidden
    (0.3, (32,))
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
    ascent: str = "steepest"
    ascent_batch: int | None = None
    slope_end: float | None = None
    weight_decay: float = 0.0
    recurrent: bool = False
    cap_w: float | None = None
    cap_v: float | None = None

    def __post_init__(self) -> None:
        for name, known in (("schedule", SCHEDULES), ("ascent", ASCENTS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {list(known)}, got {getattr(self, name)!r}"
                )
        if not is_positive_int(self.steps):
            raise ValueError(f"steps must be a positive integer, got {self.steps!r}")
        for name in ("slope", "leak", "threshold", "gain", "scale", "learning_rate", "rho"):
            largest = float(np.finfo(np.float32).max)
            if largest < abs(require_number(getattr(self, name), name)) < np.inf:
                raise ValueError(f"{name} must fit in float32, got {getattr(self, name)}")
        if not 0.0 < self.scale < np.inf:
            raise ValueError(f"scale must be positive and finite, got {self.scale}")
        if not isinstance(self.recurrent, bool):
            raise ValueError(f"recurrent must be True or False, got {self.recurrent!r}")
        for name in ("cap_w", "cap_v"):
            cap = getattr(self, name)
            if cap is not None:
                require_nonnegative(cap, name)
        if self.cap_v is not None and not self.recurrent:
            raise ValueError(f"cap_v must come with recurrent, got {self.cap_v} without")
        _ = self.network(1), self.config  # refuse what makes neither

    def network(self, n_in: int) -> Network:
        """Return the network for recordings of `n_in` channels and ten classes."""
        neuron = LIF(self.leak, self.threshold, Arctan(self.slope), self.reset)
        sizes = (n_in, *self.hidden, CLASSES)
        return Network(sizes, neuron, SpikeRate(self.gain), recurrent=self.recurrent)

    def start(self, network: Network, rng: np.random.Generator) -> Params:
        """Return initial parameters, in float32, within the caps."""
        w = self.scale * flatten(init(network, rng))
        return self._project(network, unflatten(network, w.astype(np.float32)))

    def _project(self, network: Network, params: Params) -> Params:
        """The nearest parameters within the caps."""
        return project(network, params, w=self.cap_w, v=self.cap_v)

    def _add_caps(self, method: Descent) -> Descent:
        """The method, followed by the projection if there is a cap."""
        caps = {"|W|_2": self.cap_w, "|V|_2": self.cap_v}
        says = ", ".join(f"{norm} <= {float(cap)}" for norm, cap in caps.items() if cap is not None)
        return projected(method, self._project_flat, says=says) if says else method

    def _project_flat(self, w: Array) -> Array:
        """The same for flat parameters, whose number tells how many inputs there are."""
        n_in = 1 + (w.size - self.network(1).n_params) // self.network(1).sizes[1]
        network = self.network(n_in)
        return flatten(self._project(network, unflatten(network, w)))

    @property
    def config(self) -> Config:
        """How to train."""
        method = adam(
            learning_rate=self.learning_rate,
            beta1=0.9,
            beta2=0.999,
            epsilon=1e-8,
            weight_decay=self.weight_decay,
        )
        return Config(
            self.epochs,
            self.batch,
            self.rho,
            self.warmup,
            self._add_caps(method),
            SCHEDULES[self.schedule],
            self.shared,
            ASCENTS[self.ascent],
            self.ascent_batch,
            self.slope_end,
        )


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

PRESETS = {
    "paper": PAPER,
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
