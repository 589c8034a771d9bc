"""The record of a network, and its parameters: initialise, unflatten."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, as_array, is_positive_int
from refsast.model.lif import LIF
from refsast.model.params import Layer, Params
from refsast.model.readout import Readout
from refsast.model.spike import Spike


@dataclass(frozen=True)
class Network:
    """What fixes a network, apart from its parameters.

    Attributes
    ----------
    sizes : tuple of int
        ``(n_0, n_1, ..., n_L)``: n_0 inputs, then L >= 1 spiking layers.
    neuron : LIF or tuple of LIF
        One for all layers, or one per spiking layer.
    readout : SpikeRate, LinearReadout or LeakyReadout
        How the spikes of the last layer become logits.
    bias : bool
        Whether layers (the readout among them) have biases.
    recurrent : bool
        Whether every spiking layer feeds its spikes back to itself.

    References
    ----------
    DESIGN 3.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> [layer.w.shape for layer in params]
    [(3, 2)]
    """

    sizes: tuple[int, ...]
    neuron: LIF | tuple[LIF, ...]
    readout: Readout
    bias: bool = True
    recurrent: bool = False

    def __post_init__(self) -> None:
        sizes = self.sizes
        if (
            not isinstance(sizes, Sequence)
            or len(sizes) < 2
            or not all(map(is_positive_int, sizes))
        ):
            raise ValueError(f"sizes must be two or more positive integers, got {sizes!r}")
        object.__setattr__(self, "sizes", tuple(sizes))  # a list would make the record mutable
        if not isinstance(self.neuron, LIF | tuple):
            raise ValueError(f"neuron must be a LIF or a tuple of them, got {self.neuron!r}")
        if not all(isinstance(neuron, LIF) for neuron in self.neurons):
            raise ValueError(f"neuron must be a LIF or a tuple of them, got {self.neuron!r}")
        if len(self.neurons) != len(sizes) - 1:
            wanted = f"one per spiking layer, {len(sizes) - 1}"
            raise ValueError(f"neuron must be {wanted}, got {len(self.neurons)}")
        if not isinstance(self.readout, Readout):
            names = "SpikeRate, LinearReadout or LeakyReadout"
            raise ValueError(f"readout must be {names}, got {self.readout!r}")

    @property
    def neurons(self) -> tuple[LIF, ...]:
        """One neuron per spiking layer."""
        if isinstance(self.neuron, LIF):
            return (self.neuron,) * (len(self.sizes) - 1)
        return self.neuron

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.sizes[-1] if self.readout.n_out is None else self.readout.n_out

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], ...]:
        """Shapes of the parameters, one ``{"w": ..., "b": ..., "v": ...}`` per layer."""
        spiking = list(zip(self.sizes[1:], self.sizes[:-1], strict=True))
        plain = [] if self.readout.n_out is None else [(self.classes, self.sizes[-1])]
        # The readout comes last and is never recurrent.
        return tuple(
            {"w": (n_out, n_in)}
            | ({"b": (n_out,)} if self.bias else {})
            | ({"v": (n_out, n_out)} if self.recurrent and i < len(spiking) else {})
            for i, (n_out, n_in) in enumerate(spiking + plain)
        )

    @property
    def n_params(self) -> int:
        """Number of parameters, p."""
        return sum(int(np.prod(shape)) for layer in self.shapes for shape in layer.values())


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
        float64. Recurrent weights are drawn from ``+-1/sqrt(n_out)``, their own fan-in.

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

    def draw(part: str, shapes: dict[str, tuple[int, ...]]) -> Array:
        fan_in = shapes["v" if part == "v" else "w"][1]  # a bias has that of its weights
        return rng.uniform(-1.0, 1.0, shapes[part]) / np.sqrt(fan_in)

    return tuple(
        Layer(**{part: draw(part, shapes) for part in shapes}) for shapes in network.shapes
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
            stop = start + int(np.prod(shape))
            arrays[part] = w[start:stop].reshape(shape)
            start = stop
        layers.append(Layer(**arrays))
    return tuple(layers)


def replace_spikes(network: Network, change: Callable[[Spike], Spike]) -> Network:
    """Return the network with ``change(spike)`` in place of every neuron's spike."""
    swapped = tuple(replace(neuron, spike=change(neuron.spike)) for neuron in network.neurons)
    return replace(network, neuron=swapped)
