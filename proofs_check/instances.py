"""What claims are about: networks with inputs, pairs of states, moves.

A quantifier of a claim is a field of its instance: a Lipschitz claim is about a pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers, as_array
from refsast.model.params import layer_arrays
from refsast.model.validation import validate_labels, validate_params, validate_run


@dataclass(frozen=True, eq=False)
class Driven:
    """A network, its parameters and a labelled batch.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels.
    """

    network: rs.Network
    params: rs.Params
    x: Array
    y: Integers


class HasNetwork(Protocol):
    """Whatever is about a network."""

    @property
    def network(self) -> rs.Network: ...  # noqa: D102


class HasLabelledBatch(HasNetwork, Protocol):
    """Whatever a loss can be taken of: it has the fields of `Driven`."""

    @property
    def params(self) -> rs.Params: ...  # noqa: D102
    @property
    def x(self) -> Array: ...  # noqa: D102
    @property
    def y(self) -> Integers: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Started:
    """One layer, its input, and two states to start it from.

    Attributes
    ----------
    neuron : LIF
        The neuron.
    layer : Layer
        Its parameters.
    x : (time, batch, n_in) array
        Input.
    start, other : (batch, n) array
        Potentials before the first step; the spikes are those that belong to them.
    """

    neuron: rs.LIF
    layer: rs.Layer
    x: Array
    start: Array
    other: Array


@dataclass(frozen=True, eq=False)
class Pair:
    """A network and two inputs.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x, other : (time, batch, n_0) array
        The inputs.
    """

    network: rs.Network
    params: rs.Params
    x: Array
    other: Array


@dataclass(frozen=True, eq=False)
class Moved:
    """A network on a batch, and parameters to move to.

    Attributes
    ----------
    network : Network
        The network.
    params, moved : tuple of Layer
        The two points.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels.
    caps : tuple of (float, float)
        What the norms of W and V of each layer (the readout's last, if it has any) are said not to
        exceed at either point.
    """

    network: rs.Network
    params: rs.Params
    moved: rs.Params
    x: Array
    y: Integers
    caps: tuple[tuple[float, float], ...]


def validate_instance(instance: object) -> None:
    """Check the shapes and numbers of an instance that came through a door.

    Raises
    ------
    ValueError
        If a network, its parameters, inputs and labels do not fit one another.
    """
    if isinstance(instance, Started):
        n, n_in = instance.layer.w.shape
        bias, recurrent = instance.layer.b is not None, instance.layer.v is not None
        readout = rs.SpikeRate(1.0)
        network = rs.Network((n_in, n), instance.neuron, readout, bias=bias, recurrent=recurrent)
        _, x = validate_run(network, (instance.layer,), instance.x)
        for name in ("start", "other"):
            as_array(getattr(instance, name), name, (x.shape[1], n))
        return
    has = vars(instance)
    if not {"network", "params", "x"} <= set(has):  # an objective: its own doors check it
        return
    network, params = has["network"], has["params"]
    _, x = validate_run(network, params, has["x"])
    as_array(has.get("other", x), "other", x.shape)
    validate_params(network, has.get("moved", params), "moved")
    validate_labels(has.get("y", np.zeros(x.shape[1], int)), x.shape[1], network.classes)


def norm_caps(x: Driven | Moved, moved: rs.Params, wide: float) -> tuple[tuple[float, float], ...]:
    """Return `wide` times the larger of the norms of W and V at two points, layer by layer."""
    silent = (rs.Layer(np.ones((1, 1))),) if x.network.readout.n_out is None else ()
    return tuple(
        (
            wide * max(float(np.linalg.norm(p.w, 2)) for p in pair),
            wide * max(0.0 if p.v is None else float(np.linalg.norm(p.v, 2)) for p in pair),
        )
        for pair in zip(x.params + silent, moved + silent, strict=True)
    )


def parameter_blocks(params: rs.Params) -> tuple[Array, ...]:
    """Return the arrays of some parameters, in the order of the flat vector."""
    return tuple(array for layer in params for array in layer_arrays(layer).values())


def params_from_blocks(like: rs.Params, arrays: Sequence[Array]) -> rs.Params:
    """Return parameters made of `arrays`, in the order of `parameter_blocks`."""
    rest = iter(arrays)
    return tuple(rs.Layer(**{name: next(rest) for name in layer_arrays(layer)}) for layer in like)


def move_params(params: rs.Params, direction: Sequence[Array], size: float) -> rs.Params:
    """Return the parameters moved by `size` along a direction that is given in blocks."""
    return params_from_blocks(
        params, [a + size * d for a, d in zip(parameter_blocks(params), direction, strict=True)]
    )


def attach_reset(network: rs.Network) -> rs.Network:
    """Return the network whose gradient goes through the reset, too."""
    neurons = tuple(replace(n, detach_reset=False) for n in network.neurons)
    return replace(network, neuron=neurons)
