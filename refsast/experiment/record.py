"""What is known of a run: its configuration, its state, its outcome and its identity."""

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from importlib.metadata import version
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast import __version__, codec, model
from refsast.arrays import (
    Array,
    Integers,
    is_positive_int,
    require_fraction,
    require_nonnegative,
    require_positive,
)
from refsast.codec import Json
from refsast.data import digest
from refsast.experiment.evaluate import Scores
from refsast.files import arrays_digest
from refsast.model import Network, Params, flatten
from refsast.model.network import replace_spikes
from refsast.model.spike import Spike
from refsast.model.surrogate import Surrogate
from refsast.optim.descent import Descent
from refsast.optim.descent import State as Moments
from refsast.optim.sam import Ascent, steepest_ascent
from refsast.spikes import Spikes

PERMUTATION, REPLACEMENT = "permutation", "with replacement"  # how minibatches are drawn
Data: TypeAlias = tuple[NDArray[np.generic] | Spikes, Integers]
MODEL_RECORDS: codec.RecordTypes = {
    name: getattr(model, name) for name in model.__all__ if is_dataclass(getattr(model, name))
}


@dataclass(frozen=True)
class Config:
    """How to train.

    Attributes
    ----------
    epochs : int
        Passes over the training recordings. Positive.
    batch : int
        Recordings per minibatch. Positive; a last, smaller one is used as well.
    rho : float
        Radius of SAM, in units of the parameters. Zero is plain descent.
    warmup : float
        Share of the training, in [0, 1], over which the radius rises linearly from zero to `rho`;
        zero for none.
    descent : Descent
        The method, such as `descent.adam`.
    schedule : callable
        From the share of training done to a factor on the learning rate.
    shared : bool
        Whether both passes of SAM see the same minibatch instead of two independent ones.
    ascent : callable
        Where SAM takes its gradient: `sam.steepest_ascent`, or another of `refsast.optim.sam`.
    ascent_batch : int or None
        Recordings per ascent. The minibatch is cut into pieces of this size, each with an ascent of
        its own, and their gradients are averaged (m-sharpness); None for one ascent.
    slope_end : float or None
        Slope of every smooth spike at the end of the training, to which it moves in a line from the
        network's own; None to keep it.
    sampling : str
        How minibatches are drawn: by ``permutation`` of the recordings in every epoch, or ``with
        replacement``, each recording of each minibatch independently of all others.

    Examples
    --------
    >>> import refsast as rs
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.9, weight_decay=0.0)
    >>> rs.Config(10, 32, 0.3, 0.5, method, rs.descent.cosine).rho
    0.3
    """

    epochs: int
    batch: int
    rho: float
    warmup: float
    descent: Descent
    schedule: Callable[[float], float]
    shared: bool = False
    ascent: Ascent = steepest_ascent
    ascent_batch: int | None = None
    slope_end: float | None = None
    sampling: str = PERMUTATION

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "ascent_batch"):
            value = getattr(self, name)
            if not (is_positive_int(value) or (value is None and name == "ascent_batch")):
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        if self.slope_end is not None:
            require_positive(self.slope_end, "slope_end")
        require_nonnegative(self.rho, "rho")
        if not isinstance(self.shared, bool):
            raise ValueError(f"shared must be True or False, got {self.shared!r}")
        require_fraction(self.warmup, "warmup")
        if self.sampling not in (PERMUTATION, REPLACEMENT):
            raise ValueError(
                f"sampling must be {PERMUTATION!r} or {REPLACEMENT!r}, got {self.sampling!r}"
            )

    def radius(self, share: float) -> float:
        """Return SAM's radius when this share of the training is done."""
        return self.rho if share >= self.warmup else self.rho * share / self.warmup

    def network(self, start: Network, share: float) -> Network:
        """Return the network in use when this share of the training is done.

        Raises ValueError if `slope_end` is given and a spike of the network is not of this package.
        """
        end = self.slope_end
        if end is None:
            return start

        def steepen(spike: Spike) -> Spike:
            if not isinstance(spike, Surrogate):
                raise ValueError(f"slope_end must come with spikes of this package, got {spike!r}")
            return replace(spike, slope=(1.0 - share) * spike.slope + share * end)

        return replace_spikes(start, steepen)


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run.

    Attributes
    ----------
    epoch : int
        Its number, from 1.
    loss : float
        Mean over its minibatches of the loss before the step, in nats; for SAM with an independent
        second minibatch that is the loss on the minibatch of the ascent; for an ascent that asks
        for no gradient it is the loss at the ascent point.
    evaluations : int
        Gradients of a minibatch taken so far.
    scores : Scores or None
        On the held-out recordings, where there are some.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> config = rs.Config(2, 1, 0.0, 0.0, method, rs.descent.constant)
    >>> run = rs.train(network, params, (x, y), config, rng=np.random.default_rng(0))
    >>> last = run.curve[-1]
    >>> last.epoch, last.scores is None
    (2, True)
    """

    epoch: int
    loss: float
    evaluations: int
    scores: Scores | None


@dataclass(frozen=True, eq=False)
class TrainState:
    """All that the rest of a run depends on, after some number of epochs.

    Attributes
    ----------
    epoch, evaluations : int
        Epochs done, and gradients of a minibatch taken.
    w : (p,) array
        The parameters.
    moments : tuple of array
        The state of the descent method.
    curve : tuple of Epoch
        The epochs so far.
    """

    epoch: int
    evaluations: int
    w: Array
    moments: Moments
    curve: tuple[Epoch, ...]


@dataclass(frozen=True, eq=False)
class Run:
    """What came of a training.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters after the last epoch.
    config : Config
        How it was trained.
    seeds : tuple of int
        From which the order of the recordings followed: descent, ascent.
    curve : tuple of Epoch
        One per epoch.
    mark : dict
        What identifies the run; see `fingerprint`.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> config = rs.Config(2, 1, 0.0, 0.0, method, rs.descent.constant)
    >>> run = rs.train(network, params, (x, y), config, rng=np.random.default_rng(0))
    >>> run.params[0].w.shape, run.curve[-1].evaluations
    ((3, 2), 2)
    """

    network: Network
    params: Params
    config: Config
    seeds: tuple[int, ...]
    curve: tuple[Epoch, ...]
    mark: Mapping[str, Json]


def fingerprint(
    network: Network,
    w: Array,
    config: Config,
    seeds: tuple[int, ...],
    data: Data,
    held_out: Data | None,
    gradient: Callable[..., object],
) -> Mapping[str, Json]:
    """Return what identifies a run: two runs with equal fingerprints end at the same bits."""
    return {
        # Another version may compute other bits from the same numbers.
        "refsast": __version__,
        "gradient": qualified_name(gradient),
        "network": encode(network),
        "start": hashlib.sha256(w.tobytes()).hexdigest(),
        "dtype": str(w.dtype),
        "config": describe_config(config),
        "seeds": list(seeds),
        "data": digest(*data),
        "held_out": None if held_out is None else digest(*held_out),
    }


def describe_config(config: Config) -> Mapping[str, Json]:
    """Return a configuration as JSON."""
    return {
        "epochs": int(config.epochs),
        "batch": int(config.batch),
        "rho": float(config.rho),
        "warmup": float(config.warmup),
        "descent": config.descent.description,
        "schedule": qualified_name(config.schedule),
        "shared": config.shared,
        # Only where they are used: so records stay equal to those written before they existed.
        **({} if config.ascent is steepest_ascent else {"ascent": qualified_name(config.ascent)}),
        **({} if config.ascent_batch is None else {"ascent_batch": int(config.ascent_batch)}),
        **({} if config.slope_end is None else {"slope_end": float(config.slope_end)}),
        **({} if config.sampling == PERMUTATION else {"sampling": config.sampling}),
    }


def run_record(run: Run) -> Mapping[str, Json]:
    """Return the record of a run as JSON: settings, versions, hashes, curve, gradients spent."""
    return {
        **run.mark,
        "network": encode(run.network),  # as it was at the end
        "evaluations": run.curve[-1].evaluations,
        "weights": arrays_digest({"w": flatten(run.params)}),
        "curve": [asdict(epoch) for epoch in run.curve],
        "versions": {
            "python": platform.python_version(),
            "refsast": __version__,
            "numpy": np.__version__,
            "scipy": version("scipy"),
        },
    }


def encode(spec: object) -> Json:
    """Return a specification of the model as JSON, from which `decode` makes it again.

    A spike of the user's own becomes its name, from which it cannot be made again.
    """
    return codec.encode(spec, qualified_name)


def decode(spec: Json) -> object:
    """Return what `encode` wrote down; ValueError if that is not made of the model's records."""
    return codec.decode(spec, MODEL_RECORDS, "specification must be made of the model's records")


def qualified_name(function: object) -> str:
    """Return the full name of a function, or of the type of what is called like one."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{getattr(named, '__qualname__', '')}"


def has_anonymous_function(mark: Json) -> bool:
    """Whether a fingerprint holds a function, such as a lambda, that its name does not identify."""
    return "<locals>" in json.dumps(mark) or "<lambda>" in json.dumps(mark)


def diff_keys(ours: Mapping[str, Json], theirs: Mapping[str, Json]) -> list[str]:
    """Return in which parts two fingerprints differ."""
    keys = sorted(set(ours) | set(theirs))
    return [k for k in keys if json.dumps(ours.get(k)) != json.dumps(theirs.get(k))]
