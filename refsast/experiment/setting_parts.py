"""From the words and numbers of a `Setting` to the parts of its network."""

import re
from collections.abc import Mapping
from math import isqrt
from typing import TYPE_CHECKING, TypeAlias

from refsast.codec import encode
from refsast.model import (
    GLIF,
    LIF,
    Adaptation,
    Arctan,
    AvgPool2d,
    Conv2d,
    CrossEntropy,
    LastPotential,
    LeakyReadout,
    Learned,
    LinearReadout,
    MaxPool2d,
    MaxPotential,
    MeanSquaredRate,
    StepCrossEntropy,
    Synapse,
)

if TYPE_CHECKING:
    from refsast.experiment.setting import Setting

Hidden: TypeAlias = int | Conv2d | AvgPool2d | MaxPool2d
Pool: TypeAlias = AvgPool2d | MaxPool2d

# What is learned, and how, by its name in `GLIF`.
LEARNED: Mapping[str, Mapping[str, Mapping[str, bool]]] = {
    "nothing": {},
    "leak": {"leak": {}},
    "leaks": {"leak": {"per_neuron": True}},
    "leak-sigmoid": {"leak": {"sigmoid": True}},
    "threshold": {"threshold": {}},
    "thresholds": {"threshold": {"per_neuron": True}},
    "leak-threshold": {"leak": {}, "threshold": {}},
    "synapse-leak": {"synapse_leak": {}},
}
READOUTS = {
    "rate": None,  # of the last layer's spikes themselves
    "linear": lambda classes, leak: LinearReadout(classes),
    "mean-potential": LeakyReadout,
    "last-potential": LastPotential,
    "max-potential": MaxPotential,
}
LOSSES = {
    "cross-entropy": CrossEntropy(),
    "step-cross-entropy": StepCrossEntropy(),
    "squared-rate": MeanSquaredRate(),
}


def build_neuron(setting: "Setting") -> LIF | GLIF:
    """Return the neuron of all layers: `LIF` where that has all of it."""
    spike, learned = Arctan(setting.slope), LEARNED[setting.learn]
    plain = setting.synapse is None and setting.adaptation is None and setting.refractory is None
    if plain and not learned:
        return LIF(setting.leak, setting.threshold, spike, setting.reset)
    if "synapse_leak" in learned and setting.synapse is None:
        raise ValueError(f"learn must come with a synapse, got {setting.learn} without")
    start = {"leak": setting.leak, "threshold": setting.threshold, "synapse_leak": setting.synapse}
    numbers = {name: Learned(start[name], **how) for name, how in learned.items()}  # pyright: ignore[reportArgumentType]
    adaptation = setting.adaptation
    return GLIF(
        numbers.get("leak", setting.leak),
        numbers.get("threshold", setting.threshold),
        spike,
        setting.reset,
        synapse=None if setting.synapse is None else Synapse(setting.synapse),
        adaptation=None if adaptation is None else Adaptation(setting.adaptation_leak, adaptation),
        refractory=setting.refractory or 0,
        synapse_leak=numbers.get("synapse_leak"),
    )


def has_windows(hidden: tuple[Hidden, ...]) -> bool:
    """Whether there are convolutions or pools among the hidden layers."""
    return any(not isinstance(part, int) for part in hidden)


def describe_layer(record: Mapping[str, object]) -> str:
    """Return the record of a convolution or pool as the command line has it; "" of others."""
    kind, (kernel, _) = record["is"], record.get("kernel", (0, 0))  # pyright: ignore[reportGeneralTypeIssues]
    if kind == "Conv2d":
        (stride, _), (padding, _) = record["stride"], record["padding"]  # pyright: ignore[reportGeneralTypeIssues]
        text = f"{record['channels']}c{kernel}" + f"s{stride}" * (stride != 1)
        text += f"p{padding}" * (padding != 0)
    elif kind in ("AvgPool2d", "MaxPool2d"):
        text = f"{kernel}{'a' if kind == 'AvgPool2d' else 'm'}"
    else:
        return ""
    said = encode(parse_layer(text))
    return text if said == record else ""  # what this cannot say: sides that differ, groups


def parse_layer(text: str) -> Hidden:
    """Return ``128`` as a width, ``12c5`` as a convolution, ``2a`` and ``2m`` as pools.

    ``12c5s2p1`` has a stride of 2 and a padding of 1. Raises ValueError where it is none of them.
    """
    if found := re.fullmatch(r"(\d+)c(\d+)(?:s(\d+))?(?:p(\d+))?", text):
        channels, kernel, stride, padding = found.groups()
        return Conv2d(int(channels), int(kernel), int(stride or 1), int(padding or 0))
    if found := re.fullmatch(r"(\d+)([am])", text):
        return {"a": AvgPool2d, "m": MaxPool2d}[found[2]](int(found[1]))
    if not text.isdecimal():
        known = "128, 12c5 (s2p1 after it for stride and padding), 2a or 2m"
        raise ValueError(f"hidden must be made of layers such as {known}, got {text!r}")
    return int(text)


def build_sizes(n_in: int, hidden: tuple[Hidden, ...], last: int | None) -> tuple[object, ...]:
    """Return `sizes` of a network: pools join the layer after them; `last`, a last layer, if any.

    Raises ValueError where images are needed and `n_in` channels are none, or a pool is last.
    """
    layers = hidden if last is None else (*hidden, last)
    if not has_windows(layers):
        return (n_in, *layers)
    chains, pools = [], []
    for part in layers:
        pools.append(part)
        if not isinstance(part, Pool):
            chains.append(tuple(pools))
            pools = []
    if pools or not chains:
        raise ValueError(f"hidden must end in a layer with weights for this readout, got {pools}")
    side = isqrt(n_in // 2)
    if 2 * side * side != n_in:
        raise ValueError(
            f"hidden must be widths for recordings of {n_in} channels, got convolutions or pools"
        )
    return ((2, side, side), *chains)
