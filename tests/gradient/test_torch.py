"""Both gradients against PyTorch's, on a network written there from the equations alone.

Time is the outermost loop, all layers advance within a step, and nothing of `refsast` runs:
records are only read.
"""

import math

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.testing import (
    TOLERANCE,
    Problem,
    error_ratio,
    min_examples,
    params_error_ratio,
    problems,
)
from tests.gradient.error_bounds import straight_through_bounds

torch = pytest.importorskip("torch")
torch.set_num_threads(1)


def sigma(spike, v):
    """Return the smooth spike; where two forms are equal, the one whose derivative is stable."""
    k, away = spike.slope, torch.where(v < 0.0, -v, v)  # abs has slope 0 at a tie
    if isinstance(spike, rs.Arctan):
        return 0.5 + torch.atan(math.pi / 2.0 * k * v) / math.pi
    if isinstance(spike, rs.Logistic):
        small = torch.exp(-k * away)
        return torch.where(v < 0.0, small, torch.ones_like(v)) / (1.0 + small)
    if isinstance(spike, rs.Algebraic):
        root = torch.sqrt(1.0 + (k * v) ** 2)
        tail = 0.5 / (root * (root + k * away))
        return torch.where(v < 0.0, tail, 1.0 - tail)
    if isinstance(spike, rs.FastSigmoid):
        tail = 0.5 / (1.0 + k * away)
        return torch.where(v < 0.0, tail, 1.0 - tail)
    tail = 0.5 * torch.clamp(1.0 - k * away, min=0.0) ** 2
    return torch.where(v < 0.0, tail, 1.0 - tail)


class Hard(torch.autograd.Function):
    """Heaviside forward, the derivative of the smooth spike backward."""

    @staticmethod
    def forward(ctx, v, spike):
        ctx.spike = spike
        ctx.save_for_backward(v)
        return (v >= 0.0).to(v.dtype)

    @staticmethod
    def backward(ctx, g):
        (v,) = ctx.saved_tensors
        with torch.enable_grad():
            v = v.detach().requires_grad_()
            slope = torch.autograd.grad(sigma(ctx.spike, v).sum(), v)[0]
        return g * slope, None


def apply_reset(neuron, u, s):
    """Return what the reset leaves of a potential."""
    s = s.detach() if neuron.detach_reset else s
    if isinstance(neuron.reset, rs.ToZero):
        return neuron.leak * u * (1.0 - s)
    if isinstance(neuron.reset, rs.NoReset):
        return neuron.leak * u
    if neuron.reset.leaked:
        return neuron.leak * (u - neuron.threshold * s)
    return neuron.leak * u - neuron.threshold * s


def loss(case: Problem, layers, x, fire):
    """Return the mean cross entropy, all layers advancing within each step."""
    network, readout = case.network, case.network.readout
    batch = x.shape[1]
    u = [torch.zeros(batch, n, dtype=x.dtype) for n in network.sizes[1:]]
    s = [torch.zeros_like(each) for each in u]
    rates = torch.zeros_like(s[-1])
    v = mean = torch.zeros(batch, network.classes, dtype=x.dtype)
    for x_t in x:
        a = x_t
        for i, neuron in enumerate(network.neurons):
            layer = layers[i]
            u[i] = apply_reset(neuron, u[i], s[i]) + torch.einsum("ij,bj->bi", layer["w"], a)
            if "v" in layer:
                u[i] = u[i] + torch.einsum("ij,bj->bi", layer["v"], s[i])
            if "b" in layer:
                u[i] = u[i] + layer["b"]
            s[i] = a = fire(neuron.spike, u[i] - neuron.threshold)
        rates = rates + a / len(x)
        if isinstance(readout, rs.LeakyReadout):
            v = readout.leak * v + a @ layers[-1]["w"].T + layers[-1].get("b", 0.0)
            mean = mean + v / len(x)
    if isinstance(readout, rs.SpikeRate):
        mean = readout.gain * rates
    elif isinstance(readout, rs.LinearReadout):
        mean = rates @ layers[-1]["w"].T + layers[-1].get("b", 0.0)
    return torch.nn.functional.cross_entropy(mean, torch.tensor(case.y))


def leaf_grad(leaf):
    """Return what autograd left there; nothing is left where there is no way to the loss."""
    return np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()


def torch_gradients(case: Problem, fire=sigma):
    """Return loss, gradients of parameters and gradient of the input, by PyTorch's autograd."""
    layers = [
        {k: torch.tensor(a, requires_grad=True) for k, a in vars(layer).items() if a is not None}
        for layer in case.params
    ]
    x = torch.tensor(case.x, requires_grad=True)
    value = loss(case, layers, x, fire)
    value.backward()
    grads = tuple(rs.Layer(**{k: leaf_grad(a) for k, a in layer.items()}) for layer in layers)
    return value.item(), grads, x.grad.numpy()


@given(problems())
@min_examples(500)
def test_both_gradients_are_those_of_autograd(case):
    value, grads, in_x = torch_gradients(case)
    bounds, x_bounds = rs.rounding(*case)

    for gradient in (rs.fast, rs.reference):
        loss, got = gradient.loss_and_grad(*case)
        assert abs(loss - value) <= TOLERANCE * (1.0 + abs(value))
        assert params_error_ratio(got, grads, bounds) <= TOLERANCE
        assert error_ratio(gradient.input_grad(*case), in_x, x_bounds) <= TOLERANCE


@given(problems())
@min_examples(300)
def test_the_straight_through_estimate_is_that_of_a_custom_function(case):
    value, grads, _ = torch_gradients(case, fire=lambda spike, v: Hard.apply(v, spike))
    loss, got = rs.straight_through(*case)

    assert abs(loss - value) <= TOLERANCE * (1.0 + abs(value))
    assert params_error_ratio(got, grads, straight_through_bounds(case)) <= TOLERANCE
