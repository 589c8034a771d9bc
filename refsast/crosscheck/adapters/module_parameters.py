"""A layer's parameters, read as ours and tied back to the module's."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from refsast.arrays import Array
from refsast.crosscheck.adapters.module_connections import ReadConnection, copy_float64
from refsast.crosscheck.adapters.neuron_reading import NeuronReading
from refsast.crosscheck.adapters.ties import LayerTensors, SharedParameter, Tie
from refsast.model.params import Layer, layer_arrays


@dataclass(frozen=True, eq=False)
class ReadLayer:
    """One layer: what leads to it, and its neurons; a readout has none."""

    connection: ReadConnection
    name: str = ""
    neuron: NeuronReading | None = None
    feedback: nn.Linear | None = None  # the neurons' own layer for their spikes
    norm: nn.Module | None = None  # the normalisation after the weights


def read_params(layer: ReadLayer, bias: bool) -> Layer:
    """A layer's parameters as ours, float64."""
    read, neuron = layer.connection, layer.neuron
    numbers = {} if neuron is None else neuron.numbers
    learned = {k: each.initial for k, each in numbers.items() if each.parameter is not None}
    scale = _input_scale(layer, {k: torch.as_tensor(a) for k, a in learned.items()})
    factor = 1.0 if scale is None else scale.numpy()
    gamma = np.broadcast_to(factor * read.scale * read.gamma, (read.channels,))
    w = _column_per_channel(gamma, read.layer.weight) * copy_float64(read.layer.weight)
    b = factor * (read.gamma * _own_bias(read) + read.shift) + _feedback_bias(layer)
    v = None if layer.feedback is None else copy_float64(layer.feedback.weight)
    return Layer(w, b if bias else None, v, **learned)


def _own_bias(read: ReadConnection) -> Array:
    bias = read.layer.bias
    return np.zeros(read.channels) if bias is None else copy_float64(bias)


def _feedback_bias(layer: ReadLayer) -> Array | float:
    feedback = layer.feedback
    return 0.0 if feedback is None or feedback.bias is None else copy_float64(feedback.bias)


def _column_per_channel(numbers: Array, weight: Tensor) -> Array:
    """One number per channel, to multiply its weights with."""
    return numbers.reshape(-1, *(1,) * (weight.ndim - 1))


def tie_layer(i: int, layer: ReadLayer, bias: bool) -> Iterator[Tie]:
    """Yield how the module's parameters follow from ours."""
    read, neuron = layer.connection, layer.neuron
    yield Tie(_join(read.weights, "weight"), i, _tie_weight(layer))
    if bias:
        yield _tie_bias(i, layer)
    if layer.feedback is not None and neuron is not None:
        name = _join(layer.name, f"{neuron.recurrent}.weight")
        yield Tie(name, i, lambda ours: ours["v"])
    for part, number in ({} if neuron is None else neuron.numbers).items():
        if number.parameter is not None:
            name, make = _join(layer.name, number.parameter), number.make
            yield Tie(name, i, lambda ours, part=part, make=make: make(ours[part]))


def _tie_weight(layer: ReadLayer) -> Callable[[LayerTensors], Tensor]:
    """The weights, without what is folded into them, and what the neurons scale them with."""
    read = layer.connection
    factor = read.scale * _column_per_channel(read.gamma, read.layer.weight)
    same = bool((factor == 1.0).all())

    def make(ours: LayerTensors) -> Tensor:
        w, scale = ours["w"], _input_scale(layer, ours)
        if scale is not None:
            w = w / scale.reshape(-1, *(1,) * (w.ndim - 1))
        return w if same else w / torch.as_tensor(factor, dtype=w.dtype)

    return make


def _tie_bias(i: int, layer: ReadLayer) -> Tie:
    """The bias of the normalisation, if it has one, else that of the weights."""
    read = layer.connection
    norm: Any = layer.norm
    # ours = scale (gamma own + shift) + feedback, where the shift holds the normalisation's bias
    feedback, gamma, rest = np.asarray(_feedback_bias(layer)), read.gamma, read.shift
    beta = None if norm is None else norm.bias
    if beta is not None:
        gamma, rest = np.ones(()), read.gamma * _own_bias(read) + read.shift - copy_float64(beta)

    def make(ours: LayerTensors) -> Tensor:
        b, scale = ours["b"], _input_scale(layer, ours)
        if feedback.any():
            b = b - torch.as_tensor(feedback, dtype=b.dtype)
        if scale is not None:
            b = b / scale
        if rest.any():
            b = b - torch.as_tensor(rest, dtype=b.dtype)
        return b if (gamma == 1.0).all() else b / torch.as_tensor(gamma, dtype=b.dtype)

    return Tie(_join(read.weights if beta is None else read.norm, "bias"), i, make)


def _input_scale(layer: ReadLayer, ours: LayerTensors) -> Tensor | None:
    """What the neurons multiply their input with, if they learn it."""
    neuron = layer.neuron
    return None if neuron is None or neuron.input_scale is None else neuron.input_scale(ours)


def list_shared(i: int, layer: ReadLayer) -> Iterator[SharedParameter]:
    """Yield the parameters that are one of ours together with another."""
    read, neuron, feedback, norm = layer.connection, layer.neuron, layer.feedback, layer.norm
    if feedback is not None and feedback.bias is not None and neuron is not None:
        name = _join(layer.name, f"{neuron.recurrent}.bias")
        yield SharedParameter(name, i, lambda params, grads: _array(grads.b)[None])
    if not isinstance(norm, _BatchNorm):
        return
    if norm.bias is not None and read.layer.bias is not None:

        def own_bias(params: Layer, grads: Layer) -> Array:
            return (_read_scale(layer, params) * read.gamma * _array(grads.b))[None]

        yield SharedParameter(_join(read.weights, "bias"), i, own_bias)
    if norm.weight is not None:
        weight = copy_float64(norm.weight)
        # b = scale (gamma (own - mean) + beta), with gamma the weight over the deviation
        centred = (read.gamma * _own_bias(read) + read.shift - _norm_bias(norm)) / weight

        def factor(params: Layer, grads: Layer) -> Array:
            through_w = (grads.w * params.w).reshape(len(weight), -1).T / weight
            through_b = _read_scale(layer, params) * centred * _array(grads.b)
            return np.concatenate([through_w, through_b[None]])

        yield SharedParameter(_join(read.norm, "weight"), i, factor)


def _read_scale(layer: ReadLayer, params: Layer) -> Array | float:
    """What the neurons multiply their input with, of our parameters as arrays."""
    tensors = {name: torch.as_tensor(a) for name, a in layer_arrays(params).items()}
    scale = _input_scale(layer, tensors)
    return 1.0 if scale is None else scale.numpy()


def _norm_bias(norm: _BatchNorm) -> Array | float:
    return 0.0 if norm.bias is None else copy_float64(norm.bias)


def _array(array: Array | None) -> Array:
    assert array is not None  # there is a bias where there is a normalisation
    return array


def _join(owner: str | None, name: str) -> str:
    """The name of a parameter within the module; the module itself has no name."""
    return f"{owner}.{name}" if owner else name
