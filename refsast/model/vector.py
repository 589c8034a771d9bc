"""A network's parameters: drawn, as one flat vector, and kept in range."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, as_array
from refsast.model.glif import GLIF, constants
from refsast.model.network import Network, Neuron, learned_numbers
from refsast.model.params import WEIGHTS, Layer, Params, flatten
from refsast.model.synapse import Synapse
from refsast.model.validation import validate_real_params

LOWEST_THRESHOLD = 1e-3  # potential; training keeps learned thresholds from going below


def init(network: Network, rng: np.random.Generator | int) -> Params:
    """Draw parameters uniformly from ``+-1/sqrt(n_in)``, layer by layer.

    Parameters
    ----------
    network : Network
        What to draw for.
    rng : numpy.random.Generator or int
        Source of randomness, which is advanced; or the seed of one.

    Returns
    -------
    tuple of Layer
        float64. Recurrent weights are drawn from ``+-1/sqrt(n_out)``, their own fan-in; what
        neurons learn begins where `Learned` says.

    Raises
    ------
    ValueError
        If `rng` is neither a Generator nor an integer that is not negative.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> [layer.w.shape for layer in params], params[0].w.dtype.name
    ([(3, 2)], 'float64')
    """
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        rng = np.random.default_rng(int(rng))
    if not isinstance(rng, np.random.Generator):
        raise ValueError(f"rng must be a numpy Generator or a seed, got {rng!r}")

    def draw(i: int, part: str, shapes: dict[str, tuple[int, ...]]) -> Array:
        if part not in WEIGHTS:
            return learned_numbers(network.neurons[i])[part].initial(network.sizes[i + 1])
        # A bias has that of its weights; every pixel of a window counts.
        fan_in = math.prod(shapes["v" if part == "v" else "w"][1:])
        return rng.uniform(-1.0, 1.0, shapes[part]) / np.sqrt(fan_in)

    return tuple(
        Layer(**{part: draw(i, part, shapes) for part in shapes})
        for i, shapes in enumerate(network.shapes)
    )


def unflatten(network: Network, w: ArrayLike) -> Params:
    """Return the parameters that `flatten` turned into `w`, as views of it.

    Parameters
    ----------
    network : Network
        Gives the shapes.
    w : (p,) array
        The flat vector.

    Returns
    -------
    tuple of Layer
        Views of `w`, of its dtype.

    Raises
    ------
    ValueError
        If `w` does not have shape (p,), or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> again = rs.unflatten(network, rs.flatten(params))
    >>> bool(np.array_equal(again[0].w, params[0].w))
    True
    """
    return split_vector(network, as_array(w, "w", (network.n_params,)))


def split_vector(network: Network, w: Array) -> Params:
    """`unflatten` without the checks."""
    layers, start = [], 0
    for shapes in network.shapes:
        arrays = {}
        for part, shape in shapes.items():
            stop = start + math.prod(shape)
            arrays[part] = w[start:stop].reshape(shape)
            start = stop
        layers.append(Layer(**arrays))
    return tuple(layers)


def keep_in_range(network: Network, w: ArrayLike) -> Array:
    """Return the flat parameters with what neurons learn clipped to its range.

    Training does so after every step, and with every ascent point of SAM.

    Parameters
    ----------
    network : Network
        Says what is learned.
    w : (p,) array
        Its parameters, flattened. Not modified.

    Returns
    -------
    (p,) array
        Leaks that are learned as they are in [0, 1], thresholds at 0.001 or more, all else as it
        was. Where nothing is learned, the very array that came in.

    Raises
    ------
    ValueError
        If `w` does not have shape (p,), or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> neuron = rs.GLIF(rs.Learned(0.9), 1.0, rs.Arctan(2.0))
    >>> network = rs.Network((1, 1), neuron, rs.SpikeRate(5.0))
    >>> rs.keep_in_range(network, np.array([3.0, 3.0, 1.2]))  # weight, bias, leak
    array([3., 3., 1.])
    """
    return clip_vector(network, as_array(w, "w", (network.n_params,)))


def clip_vector(network: Network, w: Array) -> Array:
    """`keep_in_range` without the check."""
    if not any(map(learned_numbers, network.neurons)):
        return w
    return flatten(clip_params(network, split_vector(network, w)))


def clip_params(network: Network, params: Params) -> Params:
    """Return the parameters with what neurons learn clipped to its range, without a check."""

    def clip(i: int, layer: Layer) -> Layer:
        learned = learned_numbers(network.neurons[i]) if i < network.depth else {}
        clipped = {}
        for name, value in learned.items():
            if name != "start" and not value.sigmoid:
                lowest, highest = (LOWEST_THRESHOLD, None) if name == "threshold" else (0.0, 1.0)
                clipped[name] = np.asarray(np.clip(getattr(layer, name), lowest, highest))
        return replace(layer, **clipped) if clipped else layer

    return tuple(clip(i, layer) for i, layer in enumerate(params))


def freeze_neurons(network: Network, params: Params) -> tuple[Network, Params]:
    """Return a network whose neurons have what they have learned as fixed numbers.

    It runs as before, and its other parameters are those that it had.

    Parameters
    ----------
    network : Network
        With `Learned` in its neurons.
    params : tuple of Layer
        Its parameters.

    Returns
    -------
    network, params : Network, tuple of Layer
        Without them.

    Raises
    ------
    ValueError
        If a start was learned that is not zero, or a leak of the synapse for each neuron: those
        have no fixed counterpart.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.GLIF(rs.Learned(0.9), 1.0, rs.Arctan(2.0))
    >>> network = rs.Network((2, 3), neuron, rs.SpikeRate(5.0))
    >>> fixed, params = rs.freeze_neurons(network, rs.init(network, 0))
    >>> fixed.neurons[0].leak, fixed.shapes
    (0.9, ({'w': (3, 2), 'b': (3,)},))
    """
    params = validate_real_params(network, params)
    neurons = tuple(map(_fix_neuron, network.neurons, params))
    return replace(network, neuron=neurons), tuple(Layer(p.w, p.b, p.v) for p in params)


def _fix_neuron(neuron: Neuron, layer: Layer) -> Neuron:
    """A neuron with what its layer has learned."""
    if not isinstance(neuron, GLIF) or not neuron.learned:
        return neuron
    if (start := layer.start) is not None and start.any():
        raise ValueError(f"start must be zero to be fixed, got {start[start != 0.0][0]}")
    numbers = {}
    for name, value in constants(neuron, layer).items():
        fixed = np.asarray(value, np.float64)
        numbers[name] = float(fixed) if fixed.ndim == 0 else tuple(fixed.tolist())
    synapse, leak = neuron.synapse, numbers.pop("synapse_leak", None)
    if isinstance(leak, tuple):
        raise ValueError(f"synapse_leak must be one number to be fixed, got {len(leak)}")
    if isinstance(synapse, Synapse):
        synapse = replace(synapse, leak=leak)
    return replace(neuron, **numbers, synapse=synapse, synapse_leak=None, learn_start=False)
