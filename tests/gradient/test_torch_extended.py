"""Gradients of extended networks against PyTorch's, of `torch_extended`."""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.model.objective import objective
from refsast.testing import TOLERANCE, extended_problems, min_examples
from tests.gradient.extended import gap, gradient_scales, input_scale, loss_gap, params_gap, tape

torch = pytest.importorskip("torch")
from tests.gradient.test_torch import Hard  # noqa: E402  (which needs torch)
from tests.gradient.torch_extended import torch_gradients  # noqa: E402

torch.set_num_threads(1)


@given(extended_problems())
@min_examples(30)
def test_the_gradient_is_that_of_autograd(case):
    value, grads, in_x = torch_gradients(case)
    loss, got = tape(case)

    assert loss_gap(loss, value) <= TOLERANCE
    assert params_gap(got, grads, gradient_scales(case)) <= TOLERANCE
    assert gap(rs.reference.input_grad(*case), in_x, input_scale(case)) <= TOLERANCE


@given(extended_problems())
@min_examples(30)
def test_the_straight_through_estimate_is_that_of_a_custom_function(case):
    value, grads, _ = torch_gradients(case, fire=lambda spike, v: Hard.apply(v, spike))
    loss, got = rs.reference.straight_through(*case)

    assert loss_gap(loss, value) <= TOLERANCE
    scales = gradient_scales(case, straight_through=True)
    assert params_gap(got, grads, scales) <= TOLERANCE


def test_losses_are_to_those_of_snntorch_as_they_say():
    """Sums and means over time, and over a population, are what implementations differ in."""
    losses = pytest.importorskip("snntorch.functional")
    rng = np.random.default_rng(0)
    spikes = (rng.random((10, 3, 6)) < 0.4).astype(float)
    s, six, three = torch.tensor(spikes), np.array([0, 4, 5]), np.array([2, 0, 1])

    def ours(loss, y, population=1):
        readout = rs.SpikeRate(1.0, population)
        network = rs.Network((1, 6), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), readout, loss=loss)
        return objective(network, (), spikes, y)

    wanted = rs.MeanSquaredRate(0.8, 0.2)
    several = losses.mse_count_loss(0.8, 0.2, population_code=True, num_classes=3)
    for got, want in (
        (ours(rs.StepCrossEntropy(), six), losses.ce_rate_loss()(s, torch.tensor(six))),
        (10 * ours(wanted, six), losses.mse_count_loss(0.8, 0.2)(s, torch.tensor(six))),
        (10 * 2**2 * ours(wanted, three, 2), several(s, torch.tensor(three))),
    ):
        assert got == pytest.approx(float(want), rel=1e-6)  # there in single precision
