"""From the maps of a NIR graph to connections and weights.

Nothing here imports NIR: nodes are known by the names of their types, as in its files.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, as_array
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.adapters.nir_chain import metadata, read_array, read_map
from refsast.crosscheck.foreign_arrays import convert_array
from refsast.model.connections import AvgPool2d, Conv2d, Dense, Flatten
from refsast.model.connections.chain import size
from refsast.model.connections.windows import Pair, Shape
from refsast.model.params import Layer

Map: TypeAlias = Dense | Conv2d | AvgPool2d | Flatten
WEIGHT_NODES, OTHER_MAPS = ("Affine", "Linear", "Conv2d"), ("AvgPool2d", "SumPool2d", "Flatten")


@dataclass
class OpenChain:
    """The maps that have been read since the last neurons.

    Attributes
    ----------
    shape : tuple of int
        Of what comes out of them.
    parts : list of Dense, Conv2d, AvgPool2d and Flatten
        They themselves.
    layer : Layer or None
        Weights and bias of the one that has weights.
    factor : float
        What the weights are to be multiplied by.
    """

    shape: Shape
    parts: list[Map] = field(default_factory=list)
    layer: Layer | None = None
    factor: float = 1.0

    def accepts(self, kind: str) -> bool:
        """Whether a node of this kind may come next: one map with weights per layer."""
        return kind in OTHER_MAPS or (kind in WEIGHT_NODES and self.layer is None)

    def read(self, name: str, node: object) -> None:
        """Add a map."""
        part = READERS[type(node).__name__](self, name, node)
        if part is None:
            return
        try:
            self.shape = part.output_shape(self.shape)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        self.parts.append(part)

    def close(self) -> Layer:
        """Return the weights and bias."""
        assert self.layer is not None
        w = self.layer.w if self.factor == 1.0 else self.layer.w * self.factor
        return Layer(w, self.layer.b)


def _read_dense(chain: OpenChain, name: str, node: object) -> Dense:
    chain.layer = read_map(name, node, size(chain.shape))
    return Dense(len(chain.layer.w))


def _read_flatten(chain: OpenChain, name: str, node: object) -> Flatten | None:
    ends = [int(convert_array(getattr(node, end), end)) for end in ("start_dim", "end_dim")]
    if ends[0] != 0 or ends[1] not in (-1, len(chain.shape) - 1):
        raise NoExactConversion(
            f"{name} must flatten all axes, from 0 to -1, got {ends[0]} to {ends[1]}; lost: the "
            "axes that stay; NIR counts none for the batch"
        )
    return None if metadata(node).get("implied", False) else Flatten()


def _read_pool(chain: OpenChain, name: str, node: object) -> AvgPool2d:
    sides = [_pair(f"{name}.{k}", node, k) for k in ("kernel_size", "stride", "padding")]
    if type(node).__name__ == "SumPool2d":  # the mean times the places of a window
        places = float(math.prod(sides[0]))
        chain.factor *= places
        if chain.layer is not None and chain.layer.b is not None:  # the bias is summed, too
            chain.layer = Layer(chain.layer.w, chain.layer.b * places)
    return AvgPool2d(*sides)


def _read_conv(chain: OpenChain, name: str, node: object) -> Conv2d:
    w = read_array(f"{name}.weight", node, ("out", "in", "height", "width"))
    stride, dilation = (_pair(f"{name}.{k}", node, k) for k in ("stride", "dilation"))
    kernel = w.shape[2], w.shape[3]
    padding = _padding(name, node, kernel, stride, dilation)
    groups = _read_count(f"{name}.groups", getattr(node, "groups", 1))
    ours = int(metadata(node).get("groups", 1))  # pyright: ignore[reportArgumentType]
    if groups == 1 and ours > 1 and (packed := _pack_groups(w, ours)) is not None:
        w, groups = packed, ours
    part = Conv2d(len(w), kernel, stride, padding, dilation, groups)
    part.output_shape(chain.shape)  # it must be an image
    as_array(w, f"{name}.weight", part.weight_shape(chain.shape))
    b = read_array(f"{name}.bias", node, (len(w),))
    said = metadata(node).get("bias", True)
    chain.layer = Layer(w, b if said or b.any() else None)
    return part


def _pack_groups(w: Array, groups: int) -> Array | None:
    """The weights within groups, of a matrix that is zero across them; None if it is not."""
    out, channels, *_ = w.shape
    if out % groups or channels % groups:
        return None
    blocks = w.reshape(groups, out // groups, groups, channels // groups, *w.shape[2:])
    each = np.arange(groups)
    across = blocks.copy()
    across[each, :, each] = 0.0
    if across.any():  # another program has written weights there
        return None
    return blocks[each, :, each].reshape(out, channels // groups, *w.shape[2:])


def _padding(name: str, node: object, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """Zeros at each side; in words, "valid" or "same", they follow from the kernel."""
    value = getattr(node, "padding", 0)
    word = value.decode() if isinstance(value, bytes) else value
    if not isinstance(word, str):
        return _pair(f"{name}.padding", node, "padding")
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if word == "valid":
        return 0, 0
    if word != "same" or stride != (1, 1) or any(span % 2 for span in spans):
        raise NoExactConversion(
            f"{name}.padding must be alike at both sides, got {word!r} with kernel {kernel}, "
            f"stride {stride}; lost: the side with one zero more; write it as two numbers"
        )
    return spans[0] // 2, spans[1] // 2


def _pair(name: str, node: object, attribute: str) -> Pair:
    """Two integers, or one for both sides."""
    numbers = convert_array(getattr(node, attribute), name).ravel()
    if numbers.size not in (1, 2):
        raise ValueError(f"{name} must be one or two integers, got {numbers.tolist()}")
    pair = [_read_count(name, number) for number in numbers]
    return pair[0], pair[-1]


def _read_count(name: str, number: object) -> int:
    value = float(number)  # pyright: ignore[reportArgumentType]
    if value != int(value):
        raise ValueError(f"{name} must be an integer, got {value}")
    return int(value)


READERS: dict[str, Callable[[OpenChain, str, object], Map | None]] = {
    "Affine": _read_dense,
    "Linear": _read_dense,
    "Conv2d": _read_conv,
    "AvgPool2d": _read_pool,
    "SumPool2d": _read_pool,
    "Flatten": _read_flatten,
}
