"""What claims are about: networks with inputs, pairs of states, pairs of parameters.

A quantifier of a claim is a field of its instance: a Lipschitz claim is about a pair.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers, as_array
from refsast.model.network import require_plain
from refsast.model.params import param_arrays, replace_arrays
from refsast.model.validation import validate_labels, validate_params, validate_run


class HasNetwork(Protocol):
    """Whatever is about a network."""

    @property
    def network(self) -> rs.Network: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """A network, its parameters and a labelled batch.

    Attributes
    ----------
    network, params : Network, tuple of Layer
        The network and its parameters.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels.
    """

    network: rs.Network
    params: rs.Params
    x: Array
    y: Integers


@dataclass(frozen=True, eq=False)
class TwoStartStates:
    """One layer, its input, and two states to start it from.

    Attributes
    ----------
    neuron, layer : LIF, Layer
        The neuron and its parameters.
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
class TwoInputs:
    """A network and two inputs, `x` and `other`, each (time, batch, n_0)."""

    network: rs.Network
    params: rs.Params
    x: Array
    other: Array


@dataclass(frozen=True, eq=False)
class TwoParameterPoints:
    """A labelled batch, other parameters, and caps on the norms at both points.

    Attributes
    ----------
    network, params, x, y : Network, tuple of Layer, array, array
        As in `LabelledBatch`.
    moved : tuple of Layer
        The second point.
    caps : tuple of (float, float)
        Per layer, the readout's last if it has any weights: claimed upper bounds of the norms of
        W and V at either point.
    """

    network: rs.Network
    params: rs.Params
    moved: rs.Params
    x: Array
    y: Integers
    caps: tuple[tuple[float, float], ...]


# Whatever a loss can be taken of.
AnyBatch: TypeAlias = LabelledBatch | TwoParameterPoints


def validate_instance(instance: object) -> None:
    """Check the shapes and numbers of an instance that comes from a file.

    Raises
    ------
    ValueError
        If a network, its parameters, inputs and labels do not fit one another.
    """
    if isinstance(instance, TwoStartStates):
        n, n_in = instance.layer.w.shape
        bias, recurrent = instance.layer.b is not None, instance.layer.v is not None
        readout = rs.SpikeRate(1.0)
        network = rs.Network((n_in, n), instance.neuron, readout, bias=bias, recurrent=recurrent)
        _, x = validate_run(network, (instance.layer,), instance.x)
        for name in ("start", "other"):
            as_array(getattr(instance, name), name, (x.shape[1], n))
        return
    has = vars(instance)
    if not {"network", "params", "x"} <= set(has):  # an objective, which validates itself
        return
    network, params = has["network"], has["params"]
    require_plain(network, "a claim")
    _, x = validate_run(network, params, has["x"])
    as_array(has.get("other", x), "other", x.shape)
    validate_params(network, has.get("moved", params), "moved")
    validate_labels(has.get("y", np.zeros(x.shape[1], int)), x.shape[1], network.classes)


def move_point(
    x: LabelledBatch, direction: Sequence[Array], size: float, cap_factor: float = 1.0 + 1e-12
) -> TwoParameterPoints:
    """Return the batch with a second point, `size` along a direction that is given in blocks.

    The caps are `cap_factor` times the larger norm of the two points.
    """
    blocks = zip(param_arrays(x.params), direction, strict=True)
    moved = replace_arrays(x.params, [a + size * d for a, d in blocks])
    caps = norm_caps(x.network, x.params, moved, cap_factor)
    return TwoParameterPoints(x.network, x.params, moved, x.x, x.y, caps)


def norm_caps(
    network: rs.Network, params: rs.Params, moved: rs.Params, factor: float = 1.0 + 1e-12
) -> tuple[tuple[float, float], ...]:
    """Return `factor` times the larger of the norms of W and V at two points, layer by layer."""
    # A readout without weights has the norm 1, so that every layer has a pair of caps.
    silent = (rs.Layer(np.ones((1, 1))),) if network.readout.n_out is None else ()
    return tuple(
        (
            factor * max(float(np.linalg.norm(p.w, 2)) for p in pair),
            factor * max(0.0 if p.v is None else float(np.linalg.norm(p.v, 2)) for p in pair),
        )
        for pair in zip(params + silent, moved + silent, strict=True)
    )


def attach_reset(network: rs.Network) -> rs.Network:
    """Return the network whose gradient goes through the reset, too: the exact gradient."""
    neurons = tuple(replace(n, detach_reset=False) for n in network.neurons)
    return replace(network, neuron=neurons)
