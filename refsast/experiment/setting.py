"""The setting of a whole experiment, and what follows from one.

A `Setting` is flat: every field is one number or one record, so that a sweep can vary any of them
by name and a record can hold them all.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from refsast.arrays import Array, is_positive_int, require_nonnegative, require_number
from refsast.data.archive import CLASSES
from refsast.data.events import SIZE
from refsast.experiment.record import PERMUTATION, REPLACEMENT, Config
from refsast.experiment.setting_parts import (
    LEARNED,
    LOSSES,
    READOUTS,
    Hidden,
    build_neuron,
    build_sizes,
    has_windows,
)
from refsast.model import Layer, Network, Params, SpikeRate, flatten, init, project, unflatten
from refsast.model.network import require_plain
from refsast.model.params import WEIGHTS, layer_arrays
from refsast.model.reset import Reset
from refsast.optim import sam
from refsast.optim.descent import Descent, adam, constant, cosine, late_linear, projected, sgd

ASCENTS = {
    "steepest": sam.steepest_ascent,
    "adaptive": sam.adaptive_ascent,
    "random": sam.random_ascent,
}
SCHEDULES = {"constant": constant, "cosine": cosine, "late-linear": late_linear}
DESCENTS = ("adam", "sgd")
SAMPLINGS = {"permutation": PERMUTATION, "replacement": REPLACEMENT}
TABLES = {
    "schedule": SCHEDULES,
    "ascent": ASCENTS,
    "learn": LEARNED,
    "readout": READOUTS,
    "loss": LOSSES,
    "descent": DESCENTS,
    "sampling": SAMPLINGS,
}


@dataclass(frozen=True)
class Setting:
    """Everything that fixes an experiment, but for the data and the seed.

    Attributes
    ----------
    source : str
        Where the numbers come from.
    hidden : tuple of int, Conv2d, AvgPool2d and MaxPool2d
        Widths of the hidden layers, or convolutions and pools, such as 12c5-2a-32c5-2a (12 channels
        with a kernel of 5, means of 2 x 2; 2m: the largest); a pool belongs to the layer that
        follows. A spiking layer with one neuron per class comes last, where the readout is rate.
    steps : int
        Time steps per recording, which lasts 300 ms (a gesture 500 ms).
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
        step; or of plain descent, see `descent`.
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
    learn : str
        What each layer learns beside weights: nothing, leak, threshold, synapse-leak or
        leak-threshold, one number per layer, clipped to its range; leaks or thresholds, one per
        neuron; leak-sigmoid, by a sigmoid. It starts at the number given here.
    synapse : float or None
        Leak of an exponential synaptic current, in [0, 1]; None for none.
    adaptation : float or None
        By how much a spike raises the threshold (ALIF); None for not.
    adaptation_leak : float
        Fraction of that kept per step, in [0, 1].
    refractory : int or None
        Steps after a spike without another; None for none.
    readout : str
        What the logits are: rate (of one neuron per class, times the gain), linear (an affine map
        of the rates of the last hidden layer), or of an integrator without spikes mean-potential,
        last-potential or max-potential.
    readout_leak : float
        Fraction of an integrator's potential kept per step, in [0, 1].
    loss : str
        cross-entropy, step-cross-entropy (of every step, averaged), or squared-rate (1 for the
        label, 0 for others; with readout rate).
    descent : str
        Descent method: adam, or sgd, plain descent without momentum.
    sampling : str
        How minibatches are drawn: by permutation of the recordings in every epoch, or with
        replacement, each independently of all others (of these theorem 5 speaks).
    classes : int
        Classes of the recordings: 10 of digits, 11 of gestures.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import refsast as rs
    >>> sharp = replace(rs.PRESETS["quick"], rho=0.3)
    >>> sharp.rho, sharp.hidden
    (0.3, (32,))
    """

    source: str
    hidden: tuple[Hidden, ...]
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
    learn: str = "nothing"
    synapse: float | None = None
    adaptation: float | None = None
    adaptation_leak: float = 0.9
    refractory: int | None = None
    readout: str = "rate"
    readout_leak: float = 0.9
    loss: str = "cross-entropy"
    descent: str = "adam"
    sampling: str = "permutation"
    classes: int = CLASSES

    def __post_init__(self) -> None:
        for name, known in TABLES.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {list(known)}, got {getattr(self, name)!r}"
                )
        if not is_positive_int(self.steps):
            raise ValueError(f"steps must be a positive integer, got {self.steps!r}")
        if not (is_positive_int(self.classes) and self.classes > 1):
            raise ValueError(f"classes must be an integer above 1, got {self.classes!r}")
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
        network, _ = self.network(self.least_inputs), self.config  # refuse what makes neither
        if self.cap_w is not None or self.cap_v is not None:
            require_plain(network, "cap_w and cap_v")

    @property
    def least_inputs(self) -> int:
        """The fewest channels that recordings may have: one, or those of a camera's image."""
        return 2 * prod(SIZE) if has_windows(self.hidden) else 1

    def network(self, n_in: int) -> Network:
        """Return the network for recordings of `n_in` channels.

        With convolutions or pools they are images of two polarities, as high as they are wide.
        """
        rate = self.readout == "rate"
        readout = (
            SpikeRate(self.gain)
            if rate
            else READOUTS[self.readout](self.classes, self.readout_leak)
        )
        return Network(
            build_sizes(n_in, self.hidden, self.classes if rate else None),  # pyright: ignore[reportArgumentType]
            build_neuron(self),
            readout,
            recurrent=self.recurrent,
            loss=LOSSES[self.loss],
        )

    def start(self, network: Network, rng: np.random.Generator) -> Params:
        """Return initial parameters, in float32, within the caps."""

        def scale(layer: Layer) -> Layer:
            """Scale weights and biases, not what neurons learn."""
            arrays = layer_arrays(layer)
            return replace(layer, **{k: self.scale * arrays[k] for k in WEIGHTS if k in arrays})

        w = flatten(tuple(map(scale, init(network, rng)))).astype(np.float32)
        return self._project(network, unflatten(network, w))

    def _project(self, network: Network, params: Params) -> Params:
        """The nearest parameters within the caps."""
        if self.cap_w is None and self.cap_v is None:
            return params
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
        rates = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        if self.descent == "sgd":
            method = sgd(**rates, momentum=0.0)
        else:
            method = adam(**rates, beta1=0.9, beta2=0.999, epsilon=1e-8)
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
            SAMPLINGS[self.sampling],
        )
