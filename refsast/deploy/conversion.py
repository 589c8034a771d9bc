"""From real numbers to integers."""

from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.deploy.accumulators import ACCUMULATOR, require_accumulator
from refsast.deploy.connections import count_places, require_parts
from refsast.deploy.formats import Ints, WeightFormat
from refsast.deploy.network import (
    USUAL,
    Formats,
    IntegerLayer,
    IntegerNetwork,
    IntegerReadout,
    require_formats,
)
from refsast.model import LIF, Layer, LinearReadout, Network, Params, SpikeRate
from refsast.model.validation import validate_real_params


def to_integers(
    network: Network,
    params: Params,
    formats: Formats = USUAL,
    rng: np.random.Generator | None = None,
) -> IntegerNetwork:
    """Return a network in integers.

    A neuron's weights are multiples of one scale; its potential, bias and threshold are multiples
    of ``scale / 2^fraction_bits``, rounded to the nearest, ties to even.

    Parameters
    ----------
    network : Network
        Of `LIF` neurons, with `SpikeRate` or `LinearReadout`, and connections `Dense`, `Conv2d`,
        `AvgPool2d`, whose means become sums, and `Flatten`.
    params : tuple of Layer
        Its parameters.
    formats : Formats
        How numbers are stored: by default weights of 8 bits, potentials Q13.4, leaks k/2^8.
    rng : numpy.random.Generator, optional
        For stochastic rounding of weights.

    Returns
    -------
    IntegerNetwork
        What `run` runs.

    Raises
    ------
    ValueError
        If the network has other parts; if parameters are not real, or so small that the scale has
        fewer digits; if a threshold becomes zero on the grid of its potentials or does not fit into
        them; if a bias, or the sum of one step, can exceed 32 bits.

    References
    ----------
    arXiv:2604.09696, abstract: integer weights, fixed-point potentials, discrete leak factors.
    Jacob et al., arXiv:1712.05877, section 2, for scales and integer biases.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> rs.deploy.run(made, np.ones((4, 1, 2), int)).s[0].shape
    (4, 1, 3)
    """
    _require_known(network)
    params = validate_real_params(network, params)
    require_formats(formats)
    layers = tuple(
        _make_layer(network, i, layer, formats, rng)
        for i, (layer, _) in enumerate(zip(params, network.neurons, strict=False))
    )
    readout = None
    if isinstance(network.readout, LinearReadout):
        readout = _make_readout(params[-1], formats, rng)
    return IntegerNetwork(network, formats, layers, readout)


def round_weights(
    params: Params, weights: WeightFormat, rng: np.random.Generator | None = None
) -> Params:
    """Return parameters whose weights are those of a format, in real numbers; all else stays.

    Parameters
    ----------
    params : tuple of Layer
        Of any network; the scale of a neuron, or of a kernel's channel, is that of its input and
        recurrent weights together.
    weights : WeightFormat
        How they are stored.
    rng : numpy.random.Generator, optional
        For stochastic rounding.

    Returns
    -------
    tuple of Layer
        Weights as ``scale q``, in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> params = (rs.Layer(np.array([[0.9, 0.4], [-1.0, 0.0]])),)
    >>> rs.deploy.round_weights(params, rs.deploy.WeightFormat(2))[0].w
    array([[ 0.9,  0. ],
           [-1. ,  0. ]])
    """
    rounded = []
    for layer in params:
        rows = _weight_rows(layer)
        scales = weights.scales(rows)
        real = weights.quantise(rows, scales, rng) * scales[:, None]
        size = layer.w.reshape(len(rows), -1).shape[1]
        v = None if layer.v is None else real[:, size:]
        rounded.append(replace(layer, w=real[:, :size].reshape(layer.w.shape), v=v))
    return tuple(rounded)


def _weight_rows(layer: Layer) -> Array:
    """All weights that lead to each neuron, or channel, input weights first: (n, any)."""
    rows = layer.w.reshape(len(layer.w), -1)
    return (rows if layer.v is None else np.hstack([rows, layer.v])).astype(np.float64)


def _require_known(network: Network) -> None:
    """Raise unless a network has connections, neurons and a readout that integers have."""
    if not isinstance(network, Network):
        raise ValueError(f"network must be a Network, got {type(network).__name__}")
    require_parts(network)
    others = {type(neuron).__name__ for neuron in network.neurons if not isinstance(neuron, LIF)}
    if others:
        raise ValueError(f"network must have LIF neurons, got {', '.join(sorted(others))}")
    if not isinstance(network.readout, SpikeRate | LinearReadout):
        raise ValueError(f"readout must be SpikeRate or LinearReadout, got {network.readout}")


def _make_layer(
    network: Network, i: int, layer: Layer, formats: Formats, rng: np.random.Generator | None
) -> IntegerLayer:
    """A spiking layer in integers; `i` from 0, in errors from 1."""
    neuron, name = network.neurons[i], f"layer {i + 1}"
    rows = _weight_rows(layer)
    scales = formats.weights.scales(rows)
    codes = formats.weights.quantise(rows, scales, rng)
    size = rows.shape[1] if layer.v is None else layer.w.shape[1]
    before, after = places = count_places(network.chains[i])
    step = scales / (2**formats.potentials.fraction_bits * before)  # of a sum with weights and bias
    b = _on_grid(np.zeros(len(codes)) if layer.b is None else layer.b, step, f"bias of {name}")
    n = network.sizes[i + 1]
    unit = np.repeat(step / after, n // len(codes))  # of each neuron, channel by channel
    threshold = _on_grid(np.full(n, float(neuron.threshold)), unit, f"threshold of {name}", least=1)
    highest = formats.potentials.highest
    if threshold.max() > highest:
        wanted = f"fit into potentials, at most {highest} units of the last place"
        raise ValueError(f"threshold of {name} must {wanted}, got {threshold.max()}")
    made = IntegerLayer(
        codes[:, :size].reshape(layer.w.shape), b, None if layer.v is None else codes[:, size:],
        threshold, unit, formats.leaks.nearest(neuron.leak), neuron.reset, places,
    )  # fmt: skip
    require_accumulator(made, i + 1, 1, formats)
    return made


def _make_readout(
    layer: Layer, formats: Formats, rng: np.random.Generator | None
) -> IntegerReadout:
    """An affine readout in integers: one scale, since its sums are compared with each other."""
    rows = _weight_rows(layer)
    one = replace(formats.weights, per="tensor")
    scales = one.scales(rows)
    codes = one.quantise(rows, scales, rng)
    unit = scales / 2**formats.potentials.fraction_bits
    b = _on_grid(np.zeros(len(codes)) if layer.b is None else layer.b, unit, "bias of the readout")
    return IntegerReadout(codes, b, float(unit[0]))


def _on_grid(values: Array, unit: Array, name: str, least: int | None = None) -> Ints:
    """Values as multiples of a unit; raise where they need more than 32 bits, or are too small."""
    found = np.rint(values.astype(np.float64) / unit)
    if abs(found).max() > ACCUMULATOR:
        wanted = f"fit into 32 bits, {ACCUMULATOR} units of the last place"
        raise ValueError(f"{name} must {wanted}, got {abs(found).max():.0f}")
    if least is not None and found.min() < least:
        at = int(found.argmin())
        wanted = f"be at least one unit of the last place, {unit[at]:.3g}"
        raise ValueError(f"{name} must {wanted}, got {values[at]:.3g}")
    return found.astype(np.int64)
