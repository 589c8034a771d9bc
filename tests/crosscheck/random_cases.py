"""Drawn cases for other libraries: generic numbers, no potential near its threshold by chance."""

import numpy as np

import refsast as rs
from refsast.crosscheck.case import Case

FAMILIES = (rs.Arctan, rs.Logistic, rs.FastSigmoid, rs.PiecewiseQuadratic, rs.Algebraic)


def draw_case(
    seed: int,
    *,
    spike=None,
    reset=None,
    leak: float | None = None,
    detach: bool = False,
    hard: bool = False,
    synapse=None,
    recurrent: bool = False,
    sizes: tuple[int, ...] = (4, 6, 5, 3),
    steps: int = 8,
    drive: float = 2.0,
) -> Case:
    """A case of two to three layers in which neurons fire; what is None is drawn."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    steepest = 1.0 if family is rs.PiecewiseQuadratic else 4.0  # else it is mostly flat
    neuron = rs.LIF(
        float(rng.uniform(0.3, 0.95)) if leak is None else leak,
        float(rng.uniform(0.5, 1.5)),
        family(float(rng.uniform(0.25, 1.0)) * steepest) if spike is None else spike,
        rs.ToZero() if reset is None else reset,
        detach,
    )
    readout = (rs.SpikeRate(3.0), rs.LinearReadout(3), rs.LeakyReadout(3, 0.7))[seed % 3]
    network = rs.Network(sizes, neuron, readout, bias=seed % 4 > 0, recurrent=recurrent)
    params = rs.unflatten(network, drive * rs.flatten(rs.init(network, rng)))
    x = (rng.random((steps, 4, sizes[0])) < 0.5).astype(float)
    y = rng.integers(0, network.classes, 4)
    return Case(network, params, x, y, synapse, hard)
