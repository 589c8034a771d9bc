"""Networks drawn for the blind set, and what a kind of fault may need of them."""

from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.crosscheck.case import Case

SLOPES = {
    rs.Arctan: (1.0, 5.0),
    rs.Logistic: (2.0, 8.0),
    rs.Algebraic: (1.0, 4.0),
    rs.FastSigmoid: (1.0, 4.0),
    rs.PiecewiseQuadratic: (0.3, 1.0),
}
RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())
LONGEST = 6  # steps of networks with initial states, of which there are one or two layers
DEPTHS = (0.25, 0.25, 0.2, 0.12, 0.1, 0.08)


def draw_case(seed: int, needs: str = "") -> tuple[Case, np.dtype]:
    """Return a case of up to 100 steps and 6 layers, and the dtype that it is answered in.

    `needs` are words: "rest" (no initial states), "steps" (eight or more), "deep" (two layers or
    more), "reset", "to zero", "subtract", "recurrent", "bias", "start", "single" or "double"
    precision, "own" numbers for each layer, "parted" batch of 3, 5 or 7, "square" weights,
    "analog" input, and the readouts "rate", "affine" (linear or leaky), "leaky".
    """
    rng = np.random.default_rng(seed)
    words = set(needs.split())
    steps = int(np.exp(rng.uniform(np.log(8 if "steps" in words else 3), np.log(101))))
    depth = int(rng.choice(6, p=DEPTHS)) + 1
    depth = max(depth, 2) if words & {"deep", "own"} else depth
    widths = [int(n) for n in rng.integers(2, 9, depth + 1)]
    if "square" in words:
        widths[1:] = [widths[1]] * depth
        widths[0] = widths[1]
    batch = int(rng.choice((3, 5, 7)) if "parted" in words else rng.integers(2, 7))
    start = bool(rng.random() < 1 / 8) or "start" in words
    start = start and "rest" not in words
    if start:  # the search for causes is slow there
        steps, depth, widths = min(steps, LONGEST), min(depth, 2), widths[:3]
    neurons = _draw_neurons(rng, words, depth, start)
    gain, classes, kappa = (
        float(rng.uniform(1.0, 10.0)),
        int(rng.integers(2, 6)),
        rng.uniform(0.2, 0.95),
    )
    readouts = {
        "rate": rs.SpikeRate(gain),
        "linear": rs.LinearReadout(classes),
        "leaky": rs.LeakyReadout(classes, float(kappa)),
    }
    names = [n for n in readouts if n in words] or list(readouts)
    names = [n for n in names if n != "rate"] if "affine" in words else names
    readout = readouts[names[rng.integers(len(names))]]
    network = rs.Network(
        tuple(widths),
        neurons,
        readout,
        bias=bool(rng.random() < 0.75) or "bias" in words,
        recurrent=bool(rng.random() < 0.4) or "recurrent" in words,
    )
    params = _draw_params(rng, network)
    kind = "analog" if "analog" in words else rng.choice(("analog", "spikes", "counts"))
    x = _draw_input(rng, kind, (steps, batch, widths[0]))
    y = rng.integers(0, network.classes, batch)
    single = bool(rng.random() < 0.4)
    single = (single or "single" in words) and "double" not in words
    return Case(network, params, x, y), np.dtype(np.float32 if single else np.float64)


def _draw_neurons(rng, words, depth, start):
    """One neuron for all layers, or numbers of its own for each."""
    families = list(SLOPES)
    family = families[rng.integers(len(families))]
    choice = [0, 1, 2, 3]
    choice = [0, 1, 2] if "reset" in words else choice
    choice = [0] if "zero" in words else choice
    choice = [1, 2] if "subtract" in words else choice
    reset = RESETS[choice[rng.integers(len(choice))]]

    def draw():
        return rs.LIF(
            float(rng.uniform(0.3, 0.98)),
            float(rng.uniform(0.5, 1.5)),
            family(float(rng.uniform(*SLOPES[family]))),
            reset,
        )

    own = bool(rng.random() < 0.5) or "own" in words
    neurons = tuple(draw() for _ in range(depth)) if own else (draw(),) * depth
    if not start:
        return neurons
    return tuple(rs.GLIF(n.leak, n.threshold, n.spike, n.reset, learn_start=True) for n in neurons)


def _draw_params(rng, network):
    """Weights by which neurons fire now and then."""
    drive = float(rng.uniform(1.0, 2.5))
    layers = []
    for layer in rs.init(network, rng):
        b = None if layer.b is None else 0.3 * rng.standard_normal(layer.b.shape)
        v = None if layer.v is None else 0.5 * layer.v
        start = None if layer.start is None else 0.5 * rng.standard_normal(layer.start.shape)
        layers.append(replace(layer, w=drive * layer.w, b=b, v=v, start=start))
    return tuple(layers)


def _draw_input(rng, kind, shape):
    if kind == "analog":
        return rng.normal(0.5, 1.0, shape)
    if kind == "counts":
        return rng.poisson(0.7, shape).astype(float)
    return (rng.random(shape) < 0.4).astype(float)
