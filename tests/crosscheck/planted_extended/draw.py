"""Drawn networks with what a fault needs, small, in which neurons fire."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

import refsast as rs

SPIKES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid)
RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True))
DRIVE = 3.0  # of the weights at the start of a training: neurons fire
MOST_INPUTS = 40  # of a recurrent layer


def draw_case(rng: np.random.Generator, needs: Mapping) -> rs.Case:
    """Draw a case with `needs`; it may refuse with ValueError, where sizes do not fit.

    `needs`: "parts" of connections, options of the "neuron", "readout", "loss", "hard",
    "recurrent"; what is not there is drawn.
    """
    parts = needs.get("parts", ())
    sizes = draw_sizes(rng, tuple(parts))
    shell = rs.Network(sizes, rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.MeanPotential(1.0))
    with_needs = rng.integers(shell.depth) if rng.integers(2) else None
    neurons = tuple(
        draw_neuron(rng, n, needs.get("neuron", {}) if with_needs in (None, i) else {})
        for i, n in enumerate(shell.sizes[1:])
    )
    few = max(shell.sizes[1:]) <= MOST_INPUTS
    recurrent = few and needs.get("recurrent", bool(rng.integers(2)))
    readout, loss = draw_readout(rng, shell.sizes[-1], needs)
    network = rs.Network(
        sizes, neurons, readout, bias=bool(rng.integers(4)) or "bias" in parts,
        recurrent=recurrent, loss=loss,
    )  # fmt: skip
    params = tuple(
        replace(
            layer,
            w=DRIVE * layer.w,
            b=None if layer.b is None else rng.normal(0.0, 0.3, layer.b.shape),
            start=None if layer.start is None else rng.uniform(0.1, 0.5, layer.start.shape),
        )
        for layer in rs.init(network, rng)
    )
    steps, batch = int(rng.integers(3, 6)), int(rng.integers(2, 4))
    x = rng.random((steps, batch, network.sizes[0]))
    y = rng.integers(0, network.classes, batch)
    return rs.Case(network, params, x, y, hard=needs.get("hard", rng.integers(5) == 0))


def draw_sizes(rng: np.random.Generator, parts: tuple[str, ...]) -> tuple:
    """Draw the sizes of a network: of images where a part asks for it, else of either."""
    image = [part for part in parts if part not in ("skip", "bias")]
    if image or (not parts and rng.integers(2)):
        return _draw_images(rng, parts)
    n = [int(k) for k in rng.integers(3, 6, 4)]
    if "skip" in parts or rng.integers(4) == 0:
        hidden = (n[0], n[1], (n[1], rs.Skip(1))) if rng.integers(2) else (n[0], (n[0], rs.Skip(0)))
        return (*hidden, 6)
    return (*n[: int(rng.integers(1, 3))], 6)


def _draw_images(rng: np.random.Generator, parts: tuple[str, ...]) -> tuple:
    """An image, one or two layers of convolutions, pools around, a dense layer."""
    channels, side = int(rng.integers(1, 3)), int(rng.integers(4, 6))
    sizes: list = [(channels, side, side + int(rng.integers(2)))]
    for i in range(1 + int(rng.integers(4) == 0)):
        groups = channels if rng.integers(3) == 0 or "grouped" in parts else 1
        out = channels if "square" in parts and i else groups * int(rng.integers(1, 3))
        out = max(2, out) if groups == 1 else out
        dilation = 2 if "dilated" in parts or rng.integers(6) == 0 else 1
        conv = rs.Conv2d(
            out, int(rng.integers(2, 4)), int(rng.integers(1, 3)), int(rng.integers(0, 2)),
            dilation, groups,
        )  # fmt: skip
        sizes.append((*_draw_pool(rng, parts), conv) if i or rng.integers(3) == 0 else conv)
        channels = out
    return (*sizes, (*_draw_pool(rng, parts), 6))


def _draw_pool(rng: np.random.Generator, parts: tuple[str, ...]) -> tuple:
    """A pool or none; of the kind that is asked for."""
    kinds = [k for k in ("mean", "max") if k in parts] or ["none", "mean", "max"]
    kind = kinds[rng.integers(len(kinds))]
    if kind == "none":
        return ()
    pool = rs.AvgPool2d if kind == "mean" else rs.MaxPool2d
    return (pool(2, int(rng.integers(1, 3)), int(rng.integers(0, 2))),)


def draw_neuron(rng: np.random.Generator, n: int, needs: Mapping) -> rs.GLIF:
    """Draw a neuron of a layer of `n`, with what is needed and some things more."""
    more = needs | {}
    leak, threshold = float(rng.uniform(0.6, 0.95)), float(rng.uniform(0.6, 1.2))
    options = {
        "leak": _draw_number(rng, leak, n, sigmoid=True),
        "threshold": _draw_number(rng, threshold, n),
        "spike": SPIKES[rng.integers(len(SPIKES))](float(rng.choice([2.0, 3.0, 4.0]))),
        "reset": RESETS[rng.integers(len(RESETS))],
        "detach_reset": bool(rng.integers(8) == 0),
        "synapse": _draw_synapse(rng) if rng.integers(4) == 0 else None,
        "adaptation": rs.Adaptation(0.9, float(rng.uniform(0.2, 0.6)))
        if rng.integers(5) == 0
        else None,
        "refractory": int(rng.integers(1, 3)) if rng.integers(6) == 0 else 0,
        "learn_start": bool(rng.integers(6) == 0),
    } | {name: value(rng, n) if callable(value) and name not in ("spike", "reset") else value
         for name, value in more.items()}  # fmt: skip
    if isinstance(options["synapse"], rs.Synapse) and rng.integers(2):
        options.setdefault("synapse_leak", rs.Learned(0.7))
    if not isinstance(options["synapse"], rs.Synapse):
        options["synapse_leak"] = None
    return rs.GLIF(**options)


def _draw_synapse(rng: np.random.Generator) -> rs.Synapse | rs.Alpha:
    delayed = bool(rng.integers(3) == 0)
    if rng.integers(2):
        return rs.Synapse(float(rng.uniform(0.4, 0.8)), 1.0, delayed)
    return rs.Alpha(float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.3, 0.6)), 1.0, delayed)


def _draw_number(rng: np.random.Generator, value: float, n: int, *, sigmoid: bool = False):
    """A number, one per neuron, or learned."""
    kind = rng.integers(4)
    if kind == 0:
        return tuple(float(a) for a in rng.uniform(0.6, 0.95, n))
    if kind == 1:
        return rs.Learned(value, bool(rng.integers(2)), sigmoid and bool(rng.integers(2)))
    return value


READOUTS = {
    "rate": lambda n: rs.SpikeRate(5.0),
    "population": lambda n: rs.SpikeRate(5.0, population=2),
    "potential": lambda n: rs.MeanPotential(2.0),
    "linear": lambda n: rs.LinearReadout(3),
    "leaky": lambda n: rs.LeakyReadout(3, 0.8),
    "last": lambda n: rs.LastPotential(3, 0.9),
    "max": lambda n: rs.MaxPotential(3, 0.9),
}
LOSSES = {"entropy": rs.CrossEntropy, "steps": rs.StepCrossEntropy}
USUAL = ("rate", "population", "linear", "leaky", "max", "last")


def draw_readout(rng: np.random.Generator, n: int, needs: Mapping):
    """Draw a readout and a loss that it allows."""
    names = needs.get("readout", USUAL)
    name = str(rng.choice(names))
    losses = ["entropy"]
    losses += ["steps"] if name not in ("last", "max") else []
    losses += ["squares"] if name in ("rate", "population") else []
    allowed = [each for each in losses if each in needs.get("loss", losses)]
    loss = str(rng.choice(allowed))
    record = rs.MeanSquaredRate(0.8, 0.1) if loss == "squares" else LOSSES[loss]()
    return READOUTS[name](n), record
