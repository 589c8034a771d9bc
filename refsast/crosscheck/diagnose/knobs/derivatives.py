"""What stands for the spike's derivative: its factor, its slope, where it is taken, its shape."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.dials import Dials, mix, shift_steps
from refsast.crosscheck.diagnose.knobs.forward import (
    FIRES_BEFORE,
    FIRES_LAST,
    LayerRun,
    firing_threshold,
    other_spikes,
    slope_of,
)
from refsast.crosscheck.diagnose.knobs.layer_numbers import (
    hold_bias,
)
from refsast.crosscheck.diagnose.knobs.precision import half, round_bits
from refsast.model.lif import LIF
from refsast.model.spike import first_derivative

# What the spike's derivative is multiplied by, of a neuron and its potential minus the threshold.
PRODUCTS: Mapping[str, Callable[[LIF, Array], Array]] = {
    "derivative times the spike": lambda neuron, v: neuron.spike(v),
    "derivative times one minus the spike": lambda neuron, v: 1.0 - neuron.spike(v),
    "derivative times the potential": lambda neuron, v: v + neuron.threshold,
    "derivative times the distance": lambda neuron, v: abs(v),
    "derivative zero at potentials below rest": lambda neuron, v: np.where(
        v + neuron.threshold > 0.0, 1.0, 0.0
    ),
    "derivative zero at potentials above rest": lambda neuron, v: np.where(
        v + neuron.threshold < 0.0, 1.0, 0.0
    ),
    "derivative halved below threshold": lambda neuron, v: np.where(v < 0.0, 0.5, 1.0),
    "derivative halved above threshold": lambda neuron, v: np.where(v < 0.0, 1.0, 0.5),
}


BATCH_MEAN = "derivative averaged over recordings"
# Derivatives of fewer digits: they alone, or the distance that they are taken at, too.
SLOPE_ROUNDINGS: Mapping[str, tuple[bool, Callable[[Array], Array]]] = {
    f"derivative {what} {name}": (too, change)
    for name, change in (
        ("half precision (float16)", half),
        ("bfloat16", lambda a: round_bits(a, 8)),
    )
    for what, too in (("in", False), ("and its argument in", True))
}


def derivative(
    case: Case, index: int, dials: Dials, run: LayerRun, ramps: Sequence[Array | float] = (1.0, 1.0)
) -> Array:
    """Return what stands for the spike's derivative, of the shape of the potentials.

    `ramps` are what the slope and the threshold are multiplied by at each step.
    """
    neuron = case.network.neurons[index]
    steeper, higher = ramps
    behind = dials.read("threshold backward", index, firing_threshold(case, index, dials)) * higher
    steep = read_steepness(case, index, dials) * steeper
    run = run if run.raised is None else replace(run, u=run.u - run.raised)
    sigma = first_derivative(neuron.spike)
    behind = behind - hold_bias(case.params[index], index, dials)
    v = run.u - behind

    def at(v: Array) -> Array:
        return steep * sigma(steep * v)

    right = at(v)
    for name, spike in other_spikes(neuron):
        if dials.turns(name, index):
            share = dials.read(name, index, 0.0)
            right = right + share * (first_derivative(spike)(v) - sigma(v))
    found = right
    for name, other in derivative_places(run, behind).items():
        if dials.turns(name, index):
            found = found + dials.read(name, index, 0.0) * (at(other()) - right)
    found = exchange_shape(case, index, dials, v, right, found)
    for name, (too, change) in SLOPE_ROUNDINGS.items():
        if dials.turns(name, index):
            other = change(at(change(v)) if too else right)
            found = found + dials.read(name, index, 0.0) * (other - right)
    own = found
    found = mix(dials, index, own, {BATCH_MEAN: lambda: own.mean(axis=2, keepdims=True)})
    found = dials.read("derivative factor", index, 1.0) * limit_derivative(index, dials, v, found)
    return found if run.left is None else run.left * found


def read_steepness(case: Case, index: int, dials: Dials) -> Array | float:
    """Return the slope of a layer's derivative over that of its spike."""
    k = slope_of(case.network.neurons[index])
    steep = dials.read("slope", index, k)
    return dials.read("slope backward", index, steep) / k


def exchange_shape(
    case: Case, index: int, dials: Dials, v: Array, right: Array, found: Array
) -> Array:
    """Return another function of `v` where that is turned, else what was `found`."""
    neuron = case.network.neurons[index]
    for name, spike in other_spikes(neuron):
        if dials.turns(f"derivative of {name}", index):
            share = dials.read(f"derivative of {name}", index, 0.0)
            found = found + share * (first_derivative(spike)(v) - right)
    k = slope_of(neuron)
    wide = dials.read("derivative width", index, k) / k
    for name, shape in SHAPES.items():
        if dials.turns(f"derivative {name}", index):
            share, other = dials.read(f"derivative {name}", index, 0.0), shape(neuron, wide * v)
            # A function that is tiny is to keep its digits.
            mixed = found + share * (other - right)
            found = np.where(share == 1.0, other + (found - right), mixed)
    for name, factor in PRODUCTS.items():
        if dials.turns(name, index):
            share = dials.read(name, index, 0.0)
            found = found + share * (factor(neuron, v) - 1.0) * right
    return found


def limit_derivative(index: int, dials: Dials, v: Array, found: Array) -> Array:
    """Return a derivative cut off outside a window, on one side, from above or from below."""
    if dials.turns("window", index):
        found = np.where(abs(v) <= dials.read("window", index, np.inf), found, 0.0)
    for name, side in (("derivative zero above threshold", 1.0),
                       ("derivative zero below threshold", -1.0)):  # fmt: skip
        if dials.turns(name, index):
            found = found * (1.0 - dials.read(name, index, 0.0) * (side * v > 0.0))
    if dials.turns("derivative cap", index):
        found = np.minimum(found, dials.read("derivative cap", index, np.inf))
    if dials.turns("derivative floor", index):
        found = np.maximum(found, dials.read("derivative floor", index, -np.inf))
    return found + dials.read("derivative plus", index, 0.0)


def derivative_places(run: LayerRun, theta: Array | float) -> dict[str, Callable[[], Array]]:
    """Where a derivative may be taken by mistake: functions, because few are asked for."""
    return {
        "derivative at u": lambda: run.u,
        "derivative of the step before": lambda: shift_steps(run.u, 1) - theta,
        "derivative of the step after": lambda: np.concatenate([run.u[1:], run.u[-1:]]) - theta,
        "derivative after the reset to zero": lambda: run.u * (1.0 - run.s) - theta,
        "derivative after the subtraction": lambda: run.u - theta * run.s - theta,
        "derivative below the threshold": lambda: -run.u - theta,
        "derivative of the drive": lambda: run.drive - theta,
        "derivative before the input": lambda: run.u - run.drive - theta,
        FIRES_BEFORE: lambda: run.u - run.drive - theta,
        FIRES_LAST: lambda: run.before - theta,
        "derivative at the spike": lambda: run.s - theta,
        "derivative at the spike itself": lambda: run.s,
        "derivative of the last step": lambda: np.broadcast_to(run.u[-1:], run.u.shape) - theta,
        "derivative of the first step": lambda: np.broadcast_to(run.u[:1], run.u.shape) - theta,
        "derivative of the first recording": lambda: (
            np.broadcast_to(run.u[:, :, :1], run.u.shape) - theta
        ),
        "derivative at the mean over recordings": lambda: (
            np.broadcast_to(run.u.mean(axis=2, keepdims=True), run.u.shape) - theta
        ),
        "derivative over the threshold": lambda: (run.u - theta) / theta,
    }
