"""A small network that every part of a gradient passes through."""

import numpy as np
import pytest

import refsast as rs
from refsast.testing import Problem, make_read_only


@pytest.fixture
def tiny():
    """A recurrent network of two layers with generic numbers and the neuron that is asked for."""

    def make(reset=None, spike=None, detach_reset=False, time=6, seed=0) -> Problem:
        spike, reset = spike or rs.Arctan(2.0), reset or rs.ToZero()
        neuron = rs.LIF(0.8, 1.0, spike, reset, detach_reset)
        network = rs.Network((3, 4, 3), neuron, rs.LinearReadout(3), recurrent=True)
        rng = np.random.default_rng(seed)
        x = (rng.random((time, 2, 3)) < 0.5).astype(float)
        params = rs.unflatten(network, rng.uniform(-1.0, 1.0, network.n_params))
        return make_read_only(Problem(network, params, x, np.array([0, 2])))

    return make
