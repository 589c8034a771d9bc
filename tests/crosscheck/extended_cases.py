"""Drawn cases of networks beyond dense LIF layers, in which neurons fire; and faults of them."""

from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.crosscheck.case import Answer, Case, cast_params
from refsast.crosscheck.diagnose.faults.connection import connection_faults
from refsast.crosscheck.diagnose.faults.fault import Fault
from refsast.crosscheck.diagnose.faults.loss import loss_faults
from refsast.crosscheck.diagnose.faults.neuron import neuron_faults
from refsast.crosscheck.diagnose.faults.setting import Planted, solve_setting

SPIKES = (rs.Arctan(2.0), rs.Logistic(4.0), rs.Algebraic(2.0), rs.FastSigmoid(2.0))
DRIVE = 3.0  # of the weights at the start of a training: neurons fire
RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True))


def faults() -> dict[str, Fault]:
    """Return the whole table of faults by name."""
    return {f.name: f for f in (*neuron_faults(), *connection_faults(), *loss_faults())}


def draw_neuron(rng: np.random.Generator, kind: str) -> rs.GLIF:
    """Draw a neuron with one thing more than `rs.LIF` has."""
    leak, threshold = float(rng.uniform(0.6, 0.95)), float(rng.uniform(0.6, 1.2))
    more = {
        "plain": {},
        "learned": {"leak": rs.Learned(leak), "threshold": rs.Learned(threshold, per_neuron=True)},
        "sigmoid": {"leak": rs.Learned(leak, sigmoid=True), "learn_start": True},
        "synapse": {"synapse": rs.Synapse(0.7), "synapse_leak": rs.Learned(0.7)},
        "delayed": {"synapse": rs.Synapse(0.6, delayed=True)},
        "alpha": {"synapse": rs.Alpha(0.8, 0.6)},
        "adaptation": {"adaptation": rs.Adaptation(0.9, 0.4)},
        "refractory": {"refractory": 1},
    }[kind]
    numbers = {"leak": leak, "threshold": threshold} | more
    spike, reset = SPIKES[rng.integers(len(SPIKES))], RESETS[rng.integers(len(RESETS))]
    return rs.GLIF(spike=spike, reset=reset, **numbers)


NEURONS = (
    "plain", "learned", "sigmoid", "synapse", "delayed", "alpha", "adaptation", "refractory",
)  # fmt: skip
IMAGES = ((1, 8, 8), rs.Conv2d(2, 3, padding=1), (rs.MaxPool2d(2), rs.Conv2d(3, 2)),
          (rs.AvgPool2d(2, 1), 4))  # fmt: skip
CONNECTIONS = {
    "dense": (7, 9, 6),
    "image": IMAGES,
    "skip": (5, 8, (8, rs.Skip(1)), 6),
}
# Asked for by name, never drawn.
NAMED = {
    "grouped": ((4, 5, 5), rs.Conv2d(4, 2, dilation=2, groups=2),
                (rs.AvgPool2d(2, 1), rs.Conv2d(4, 2)), 4),
}  # fmt: skip
READOUTS = (
    (rs.SpikeRate(5.0), rs.CrossEntropy()),
    (rs.SpikeRate(5.0, population=2), rs.CrossEntropy()),
    (rs.SpikeRate(5.0), rs.StepCrossEntropy()),
    (rs.SpikeRate(5.0), rs.MeanSquaredRate(0.8, 0.1)),
    (rs.LeakyReadout(3, 0.8), rs.StepCrossEntropy()),
    (rs.MaxPotential(3, 0.9), rs.CrossEntropy()),
    (rs.LastPotential(3, 0.9), rs.CrossEntropy()),
)


def draw_extended(
    seed: int,
    *,
    neuron: str | None = None,
    connections: str | None = None,
    readout: int | None = None,
    hard: bool = False,
    recurrent: bool | None = None,
) -> Case:
    """Draw a case; what is None is drawn, too."""
    rng = np.random.default_rng(seed)
    neuron = neuron or NEURONS[rng.integers(len(NEURONS))]
    connections = connections or list(CONNECTIONS)[rng.integers(len(CONNECTIONS))]
    last, loss = READOUTS[rng.integers(len(READOUTS)) if readout is None else readout]
    recurrent = bool(rng.integers(2)) if recurrent is None else recurrent
    network = rs.Network(
        (CONNECTIONS | NAMED)[connections],
        draw_neuron(rng, neuron),
        last,
        recurrent=recurrent,
        loss=loss,
    )
    params = tuple(
        replace(layer, w=DRIVE * layer.w, start=_draw_start(layer, rng))
        for layer in rs.init(network, rng)
    )
    steps, batch = int(rng.integers(5, 8)), int(rng.integers(2, 4))
    x = rng.random((steps, batch, network.sizes[0]))
    return Case(network, params, x, rng.integers(0, network.classes, batch), hard=hard)


def _draw_start(layer: rs.Layer, rng: np.random.Generator):
    """Potentials at the start, of a layer that learns them."""
    return None if layer.start is None else rng.uniform(0.1, 0.5, layer.start.shape)


def plant(case: Case, name: str, layer: int = 0, value: float | None = None) -> tuple[Planted, ...]:
    """Return a fault of the table in a layer, with its first number."""
    fault = faults()[name]
    value = fault.values(case, layer)[0] if value is None else value
    return (Planted(fault, (layer,), (value,)),)


def fast(case, dtype=np.float64):
    """Return the hand-derived gradient as an implementation."""
    solve = rs.fast.straight_through if case.hard else rs.fast.loss_and_grad
    return lambda params, x, y: solve(case.network, cast_params(params, dtype), x.astype(dtype), y)


def implement(case: Case, setting: tuple[Planted, ...], *, states: bool = False):
    """Return an implementation with the faults of a setting."""

    def gradient(params, x, y):
        asked = Case(case.network, params, x, y, hard=case.hard)
        answer = solve_setting(asked, setting)
        assert answer is not None
        if states:
            return Answer(answer.loss, answer.grads, answer.u, answer.s, answer.adjoints, answer.x)
        return answer.loss, answer.grads

    return gradient


def shows(case: Case, setting: tuple[Planted, ...]) -> bool:
    """Whether a fault changes anything in this case."""
    wrong, right = (solve_setting(case, each) for each in (setting, ()))
    if wrong is None or right is None:
        return False
    near = 1e-6 * abs(rs.flatten(right.grads)).max()
    moved = abs(rs.flatten(wrong.grads) - rs.flatten(right.grads)).max() > near
    return bool(moved or abs(wrong.loss - right.loss) > 1e-6)
