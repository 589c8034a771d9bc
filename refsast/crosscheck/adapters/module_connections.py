"""What joins two layers of a module, as connections of a network, and where its weights are.

Rule 1: what differs from a connection of ours by a factor, as a sum of windows from their mean, or
        by a factor and a shift per channel, as normalisation with running statistics, is folded
        into the weights: same currents, other numbers.
Rule 2: what cannot be folded is refused by name.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from refsast.arrays import Array
from refsast.crosscheck.adapters.module_trace import Call
from refsast.crosscheck.adapters.module_wiring import SkipStep, Step
from refsast.crosscheck.adapters.neuron_reading import PROGRAM
from refsast.model.connections import AvgPool2d, Conv2d, Dense, MaxPool2d, Skip
from refsast.model.connections.chain import Connection


@dataclass(frozen=True, eq=False)
class ReadConnection:
    """What leads to a layer.

    Attributes
    ----------
    chain : tuple of Connection
        For `Network`.
    weights : str
        The name of the part with weights and, as a rule, bias.
    layer : Module
        That part.
    norm : str or None
        The name of the normalisation after it.
    gamma, shift : (channels,) array
        What it does to a current: multiply by `gamma`, then add `shift`, without its own bias.
    scale : float
        What the currents are multiplied with besides, before the bias.
    image : tuple of int or None
        The shape of what comes in, where a convolution or pooling says so.
    """

    chain: tuple[Connection, ...]
    weights: str
    layer: nn.Linear | nn.Conv2d
    norm: str | None
    gamma: Array
    shift: Array
    scale: float
    image: tuple[int, ...] | None

    @property
    def channels(self) -> int:
        """How many biases it has."""
        return self.layer.weight.shape[0]


def read_connection(steps: Sequence[Step], wanted_by: str) -> ReadConnection:
    """Return what the maps on the way to a layer are; `wanted_by` is the layer's name.

    Raises ValueError where one is none of ours.
    """
    weighted = [
        s for s in steps if isinstance(s, Call) and isinstance(s.part, nn.Linear | nn.Conv2d)
    ]
    if len(weighted) != 1:
        got = ", ".join(call.name for call in weighted) or "none"
        way_out = "multiply linear layers in a row" if weighted else PROGRAM
        raise ValueError(
            f"module must have one Linear or Conv2d before each layer of neurons, got {got} before "
            f"{wanted_by}: {way_out}"
        )
    layer: Any = weighted[0].part
    n = layer.weight.shape[0]
    read = ReadConnection((), weighted[0].name, layer, None, np.ones(n), np.zeros(n), 1.0, None)
    for step in steps:
        read = _add_step(read, step)
    return read


def _add_step(read: ReadConnection, step: Step) -> ReadConnection:
    """The connection with one more map."""
    if isinstance(step, SkipStep):
        return _add_part(read, Skip(step.layer))
    image = read.image or _find_image(step, read)
    read = replace(read, image=image)
    if isinstance(step.part, _BatchNorm):
        return _fold_norm(read, step)
    if isinstance(step.part, nn.Linear):
        return _add_part(read, Dense(step.part.out_features))
    if isinstance(step.part, nn.Conv2d):
        return _add_part(read, _read_conv(step))
    pool, scale = _read_pool(step)
    if scale != 1.0 and any(isinstance(part, Dense | Conv2d) for part in read.chain):
        raise ValueError(
            f"sums of windows must stand before the weights, got {step.name}: {PROGRAM}"
        )
    return replace(_add_part(read, pool), scale=read.scale * scale)


def _add_part(read: ReadConnection, part: Connection) -> ReadConnection:
    return replace(read, chain=(*read.chain, part))


def _find_image(step: Call, read: ReadConnection) -> tuple[int, ...] | None:
    """The shape of what comes into a chain, if its first map says so."""
    first = not any(not isinstance(part, Skip) for part in read.chain)
    needs_image = not isinstance(step.part, nn.Linear | _BatchNorm)
    return tuple(step.inputs[0].shape[-3:]) if first and needs_image else None


def _read_conv(step: Call) -> Conv2d:
    conv: Any = step.part
    padding: Any = conv.padding
    if conv.padding_mode != "zeros":
        raise ValueError(
            f"{step.name} must be padded with zeros, got {conv.padding_mode!r}: {PROGRAM}"
        )
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)]
        if padding == "same" and any(r % 2 for r in reach):
            raise ValueError(
                f"{step.name} must be padded alike on both sides, got 'same' with an even kernel: "
                f"{PROGRAM}"
            )
        padding = tuple(r // 2 if padding == "same" else 0 for r in reach)
    return Conv2d(
        conv.out_channels, conv.kernel_size, conv.stride, padding, conv.dilation, conv.groups
    )


POOL_DEFAULTS = {
    "stride": None,
    "padding": 0,
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
    "dilation": 1,
    "return_indices": False,
}
# The arguments of PyTorch's functions, in their order.
POOL_ARGUMENTS = {
    "avg_pool2d": "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "max_pool2d": "kernel_size stride padding dilation ceil_mode return_indices",
    "adaptive_avg_pool2d": "output_size",
    "lp_pool2d": "norm_type kernel_size stride ceil_mode",
}


def _read_pool(step: Call) -> tuple[AvgPool2d | MaxPool2d, float]:
    """Pooling as ours, and what it is to be multiplied with."""
    kind, settings = _pool_settings(step)
    image = step.inputs[0].shape[-2:]
    if kind == "adaptive_avg_pool2d":
        return _read_adaptive(step.name, settings["output_size"], image), 1.0
    settings = {**POOL_DEFAULTS, **{k: v for k, v in settings.items() if v is not None}}
    odd = [
        f"{key}={settings[key]}"
        for key in ("ceil_mode", "count_include_pad", "divisor_override", "dilation")
        if settings[key] not in (POOL_DEFAULTS[key], (1, 1), [1, 1])
        and not _ends_evenly(key, settings, image)
    ]
    if odd:
        raise ValueError(
            f"{step.name} must have the usual options, got {', '.join(odd)}: {PROGRAM}"
        )
    sides = settings["kernel_size"], settings["stride"] or None, settings["padding"]
    if kind == "max_pool2d":
        return MaxPool2d(*sides), 1.0
    if kind == "avg_pool2d":
        return AvgPool2d(*sides), 1.0
    if settings["norm_type"] != 1:
        wanted = "sum (norm_type 1, of what is not negative)"
        raise ValueError(f"{step.name} must {wanted}, got {settings['norm_type']}: {PROGRAM}")
    pool = AvgPool2d(settings["kernel_size"], settings["stride"] or None)
    return pool, float(np.prod(pool.kernel))


def _ends_evenly(key: str, settings: dict, image: Sequence[int]) -> bool:
    """Whether an option changes nothing: windows that fill the image, no padding."""
    if key == "count_include_pad":
        return settings["padding"] in (0, (0, 0), [0, 0])
    if key != "ceil_mode":
        return False
    kernel = AvgPool2d(settings["kernel_size"], settings["stride"] or None, settings["padding"])
    sides = zip(image, kernel.kernel, kernel.stride, kernel.padding, strict=True)  # pyright: ignore
    return all((n + 2 * p - k) % s == 0 for n, k, s, p in sides)


def _pool_settings(step: Call) -> tuple[str, dict]:
    """Which function pools, and its arguments by name."""
    if step.part is None:
        names = POOL_ARGUMENTS[step.name].split()
        return step.name, {**dict(zip(names, step.args[1:], strict=False)), **step.options}
    kinds = {
        nn.AvgPool2d: "avg_pool2d",
        nn.MaxPool2d: "max_pool2d",
        nn.AdaptiveAvgPool2d: "adaptive_avg_pool2d",
        nn.LPPool2d: "lp_pool2d",
    }
    kind = next(name for cls, name in kinds.items() if isinstance(step.part, cls))
    names = POOL_ARGUMENTS[kind].split()
    return kind, {name: getattr(step.part, name) for name in names if hasattr(step.part, name)}


def _read_adaptive(name: str, size: Any, image: Sequence[int]) -> AvgPool2d:
    """The windows of an adaptive pooling, where all are alike."""
    sizes = [n if s is None else s for n, s in zip(image, _pair(size), strict=True)]
    if any(n % s for n, s in zip(image, sizes, strict=True)):
        got = f"{tuple(sizes)} of {tuple(image)}"
        raise ValueError(f"{name} must divide the image into equal windows, got {got}: {PROGRAM}")
    return AvgPool2d(tuple(n // s for n, s in zip(image, sizes, strict=True)))  # pyright: ignore


def _pair(value: Any) -> tuple:
    return tuple(value) if isinstance(value, Sequence) else (value, value)


def _fold_norm(read: ReadConnection, step: Call) -> ReadConnection:
    """The connection with a normalisation by running statistics behind its weights."""
    norm: Any = step.part
    if type(norm).__name__ not in ("BatchNorm1d", "BatchNorm2d"):
        raise ValueError(
            f"{step.name} must be BatchNorm1d or 2d, got {type(norm).__name__}: {PROGRAM}"
        )
    if not read.chain or not isinstance(read.chain[-1], Dense | Conv2d) or read.norm:
        raise ValueError(
            f"{step.name} must follow the weights that it is folded into, got another place: "
            f"{PROGRAM}"
        )
    deviation = np.sqrt(copy_float64(norm.running_var) + norm.eps)
    gamma = (1.0 if norm.weight is None else copy_float64(norm.weight)) / deviation
    if (gamma == 0.0).any():
        raise ValueError(
            f"{step.name}.weight must not be zero, got a channel that it silences: {PROGRAM}"
        )
    beta = 0.0 if norm.bias is None else copy_float64(norm.bias)
    shift = beta - copy_float64(norm.running_mean) * gamma
    return replace(read, norm=step.name, gamma=gamma, shift=np.asarray(shift))


def copy_float64(tensor: Tensor) -> Array:
    """Return a tensor as a new array."""
    return tensor.detach().cpu().numpy().astype(np.float64)
