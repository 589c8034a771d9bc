"""Networks with a bit of everything: layers, chunks of time, losses and readouts together."""

import numpy as np
import pytest

import refsast as rs
from refsast.testing import TOLERANCE, Problem
from tests.gradient.extended import (
    complex_step_gap,
    fast_gap,
    generic_gaps,
    input_gap,
    sam_gap,
    single_gap,
    straight_through_gap,
)

LIF = rs.LIF(0.8, 1.0, rs.Arctan(2.0))
GLIF = rs.GLIF(rs.Learned(0.8), (1.0,) * 4, rs.Arctan(2.0), refractory=1, learn_start=True)
ONE = rs.GLIF(0.8, 1.0, rs.Arctan(2.0), synapse=rs.Synapse(0.5))
IMAGE = (2, 5, 4)
NETWORKS = {
    "convolutions": rs.Network(
        (IMAGE, rs.Conv2d(3, 3), (rs.AvgPool2d(2, 1), rs.Conv2d(2, 1)), (rs.Flatten(), 3)),
        (LIF, GLIF, LIF),
        rs.LinearReadout(3),
        recurrent=True,
    ),
    "residual": rs.Network(
        (IMAGE, rs.Conv2d(2, 3, padding=1), (rs.Conv2d(2, 3, padding=1), rs.Skip(1)), 3),
        (ONE, LIF, ONE),
        rs.SpikeRate(3.0),
        bias=False,
    ),
    "past a layer": rs.Network(
        (4, 4, 4, (rs.Skip(1), 4, rs.Skip(0))), (LIF, GLIF, ONE), rs.MaxPotential(3, 0.6)
    ),
    "largest": rs.Network(
        (IMAGE, (rs.MaxPool2d(2, 1), rs.Conv2d(2, (2, 1), 2)), (rs.MaxPool2d((1, 2)), 4)),
        (ONE, GLIF),
        rs.SpikeRate(3.0, 2),
        loss=rs.StepCrossEntropy(),
        recurrent=True,
    ),
    "nobody looks": rs.Network((4, 4, (rs.Dense(4),)), (GLIF, GLIF), rs.LastPotential(3, 0.5)),
    "potentials": rs.Network((5, 3, 2, 4), (LIF, ONE, GLIF), rs.MeanPotential(3.0), recurrent=True),
    "plain layers": rs.Network((4, 4, 4), (GLIF, LIF), rs.LeakyReadout(3, 0.5), recurrent=True),
}
names = pytest.mark.parametrize("name", NETWORKS)


def make(network: rs.Network, time: int = 5) -> Problem:
    """A generic problem of a network."""
    rng, w = np.random.default_rng(4), rs.flatten(rs.init(network, 0))
    params = rs.unflatten(network, w + rng.uniform(-0.15, 0.15, size=w.size))
    x = rng.normal(size=(time, 3, network.sizes[0]))
    return Problem(network, params, x, rng.integers(0, network.classes, 3))


@names
def test_the_tape_gives_the_gradient_of_the_loss(name):
    assert complex_step_gap(make(NETWORKS[name])) <= TOLERANCE


@names
def test_all_gradients_are_one(name):
    case = make(NETWORKS[name])

    assert max(generic_gaps(case).values()) <= TOLERANCE
    assert sam_gap(case) <= TOLERANCE
    assert single_gap(case, each_array=True) <= 1e-5


@names
@pytest.mark.parametrize("checkpoint", [1, 2, 4])
def test_chunks_of_time_give_the_gradient_of_the_whole(name, checkpoint):
    case = make(NETWORKS[name])

    assert fast_gap(case, checkpoint=checkpoint) <= TOLERANCE
    assert input_gap(case, checkpoint=checkpoint) <= TOLERANCE
    assert straight_through_gap(case, checkpoint=checkpoint) <= TOLERANCE


@names
def test_no_gradient_is_zero(name):
    """What does not reach the loss would be right in every comparison above."""
    for layer in rs.reference.loss_and_grad(*make(NETWORKS[name]))[1]:
        assert all(abs(a).max() > 1e-8 for a in vars(layer).values() if a is not None)
