"""A network in integers, and what it stands for in real numbers."""

from dataclasses import dataclass, field, replace

import numpy as np

from refsast.arrays import Array
from refsast.deploy.formats import Ints, Leak, LeakFormat, PotentialFormat, WeightFormat
from refsast.model import GLIF, Layer, Network, Params
from refsast.model.params import cast_float64, map_params
from refsast.model.reset import Reset


@dataclass(frozen=True)
class Formats:
    """How each kind of number is stored.

    Attributes
    ----------
    weights : WeightFormat
        Of every layer, the readout among them.
    potentials : PotentialFormat
        Of every spiking layer; its fraction bits hold for the readout, too.
    leaks : LeakFormat
        Of every spiking layer.

    Examples
    --------
    >>> import refsast as rs
    >>> rs.deploy.Formats(rs.deploy.WeightFormat(4)).potentials.width
    18
    """

    weights: WeightFormat = field(default_factory=WeightFormat)
    potentials: PotentialFormat = field(default_factory=PotentialFormat)
    leaks: LeakFormat = field(default_factory=LeakFormat)

    def __post_init__(self) -> None:
        kinds = {"weights": WeightFormat, "potentials": PotentialFormat, "leaks": LeakFormat}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name} must be a {kind.__name__}, got {getattr(self, name)!r}")


USUAL = Formats()


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A spiking layer in integers; all potentials count units of the last place.

    Attributes
    ----------
    w : (n, n_in) array of int64, or (channels, ...)
        Input weights, or a kernel, in weight steps.
    b : (n,) or (channels,) array of int64
        Biases, on the grid of the sums that they are added to: that of the potentials, but for
        windows that are summed after them; zeros where there are none.
    v : (n, n) array of int64, or None
        Recurrent weights, in weight steps.
    threshold : (n,) array of int64
        On the grid of the potentials; positive.
    unit : (n,) array
        One unit of the last place of each neuron's potential, in units of the real network.
    leak : Leak
        What is kept per step.
    reset : ToZero, Subtract or NoReset
        What a spike does.
    places : (int, int)
        Of all windows that are summed, in place of their mean, before the weights and after.
    """

    w: Ints
    b: Ints
    v: Ints | None
    threshold: Ints
    unit: Array
    leak: Leak
    reset: Reset
    places: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class IntegerReadout:
    """An affine readout in integers: ``T`` times the logits, in units of `unit`.

    Attributes
    ----------
    w : (classes, n) array of int64
        Weights, in weight steps, which are ``2^fraction_bits`` units.
    b : (classes,) array of int64
        Biases, in units; zeros where there are none.
    unit : float
        Of the real network's logits.
    """

    w: Ints
    b: Ints
    unit: float


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """A network in integers.

    Attributes
    ----------
    network : Network
        What it was made of; its spikes are not used.
    formats : Formats
        How numbers are stored.
    layers : tuple of IntegerLayer
        The spiking layers.
    readout : IntegerReadout or None
        None where the readout counts spikes.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> int(abs(made.layers[0].w).max()), made.layers[0].leak
    (127, Leak(factor=115, shift=7, offset=64))
    """

    network: Network
    formats: Formats
    layers: tuple[IntegerLayer, ...]
    readout: IntegerReadout | None


def dequantise(made: IntegerNetwork, units: str = "real") -> tuple[Network, Params]:
    """Return the network in real numbers that an integer network stands for, with its parameters.

    Its weights, biases, thresholds and leaks are those of the integers; what it lacks is the
    rounding of the potentials after every leak, and their limited range.

    Parameters
    ----------
    made : IntegerNetwork
        The integers.
    units : "real" or "last place"
        Of the potentials: those of the network it was made of; or units of the last place, in which
        all numbers but leaks are integers, and a hard run is exact while they stay below 2^53.

    Returns
    -------
    network, params : Network, tuple of Layer
        In double precision; its neurons are `GLIF`, since each may have its own threshold.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> _, near = rs.deploy.dequantise(rs.deploy.to_integers(network, params))
    >>> bool(abs(near[0].w - params[0].w).max() <= abs(params[0].w).max() / 127 / 2)
    True
    """
    if units not in ("real", "last place"):
        raise ValueError(f"units must be 'real' or 'last place', got {units!r}")
    part = 2**made.formats.potentials.fraction_bits
    neurons, params = [], []
    for neuron, layer in zip(made.network.neurons, made.layers, strict=True):
        unit = layer.unit if units == "real" else np.ones_like(layer.unit)
        threshold = tuple((layer.threshold * unit).tolist())
        neurons.append(GLIF(layer.leak.value, threshold, neuron.spike, layer.reset))
        before, after = layer.places
        sums = after * unit[:: len(unit) // len(layer.w)]  # of each channel, before later windows
        step = (part * before * sums).reshape(-1, *[1] * (layer.w.ndim - 1))
        b = (layer.b * sums).astype(np.float64) if made.network.bias else None
        params.append(Layer(layer.w * step, b, None if layer.v is None else layer.v * step))
    if made.readout is not None:
        out, unit = made.readout, made.readout.unit
        b = np.asarray(out.b * unit, np.float64) if made.network.bias else None
        params.append(Layer(out.w * part * unit, b))
    return replace(made.network, neuron=tuple(neurons)), tuple(params)


def require_formats(formats: object) -> None:
    """Raise ValueError unless `formats` says how numbers are stored."""
    if not isinstance(formats, Formats):
        raise ValueError(f"formats must be Formats, got {type(formats).__name__}")


def require_dense(made: IntegerNetwork, user: str) -> None:
    """Raise ValueError unless all layers are dense; `user` is what needs that."""
    if made.network.connections is not None:
        got = made.network.connections
        raise ValueError(f"network must have dense layers for {user}, got {got}")


def with_weights(made: IntegerNetwork, params: Params) -> Params:
    """Return parameters in double precision with the weights of an integer network."""
    _, real = dequantise(made)
    own = map_params(cast_float64, params)
    return tuple(replace(a, w=b.w, v=b.v) for a, b in zip(own, real, strict=True))
