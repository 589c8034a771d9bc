"""Gradients of extended networks against PyTorch's, written there from the equations alone.

As in `test_torch`: time is the outermost loop, all layers advance within a step, and nothing of
`refsast` runs; convolutions and pools are PyTorch's own.
"""

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.model.objective import objective
from refsast.testing import TOLERANCE, Problem, extended_problems, min_examples
from tests.gradient.extended import gap, gradient_scales, input_scale, loss_gap, params_gap, tape

torch = pytest.importorskip("torch")
from tests.gradient.test_torch import Hard, leaf_grad, sigma  # noqa: E402  (which needs torch)

functional = torch.nn.functional
torch.set_num_threads(1)
pytestmark = pytest.mark.slow


def number(value, parameter):
    """Return leak or threshold: given, for all or for each, or learned."""
    if isinstance(value, rs.Learned):
        return torch.sigmoid(parameter) if value.sigmoid else parameter
    return torch.tensor(value, dtype=torch.float64)


def connect(chain, layer, images):
    """Return the currents of a layer, from the images or rows of all layers below."""
    a = images[-1]
    for part in chain:
        if isinstance(part, rs.Conv2d):
            sides = part.stride, part.padding, part.dilation, part.groups
            a = functional.conv2d(a, layer["w"], layer.get("b"), *sides)
        elif isinstance(part, rs.Dense):
            a = functional.linear(a.flatten(1), layer["w"], layer.get("b"))
        elif isinstance(part, rs.AvgPool2d):
            a = functional.avg_pool2d(a, part.kernel, part.stride, part.padding)
        elif isinstance(part, rs.MaxPool2d):
            a = functional.max_pool2d(a, part.kernel, part.stride, part.padding)
        elif isinstance(part, rs.Flatten):
            a = a.flatten(1)
        else:
            a = a + images[part.layer]
    return a


class Layer:
    """One layer of neurons and all that it keeps from step to step."""

    def __init__(self, neuron, parameters, fire):
        self.neuron, self.parameters, self.fire = neuron, parameters, fire
        self.u, self.s, self.i, self.h, self.a = None, 0.0, 0.0, 0.0, 0.0
        self.past = []
        part = parameters.get
        self.leak = number(neuron.leak, part("leak"))
        self.threshold = number(neuron.threshold, part("threshold"))

    def filter(self, current):
        """Return what the synapse makes of a current."""
        synapse = getattr(self.neuron, "synapse", None)
        if synapse is None:
            return current
        before = self.i
        if isinstance(synapse, rs.Alpha):
            self.h = synapse.rise * self.h + current
            self.i = synapse.decay * self.i + self.h
            return synapse.scale * (before if synapse.delayed else self.i)
        learned = self.neuron.synapse_leak
        leak = synapse.leak
        if learned is not None:
            leak = number(learned, self.parameters["synapse_leak"])
        self.i = leak * self.i + current
        return synapse.scale * (before if synapse.delayed else self.i)

    def reset(self):
        """Return what is left of the potential."""
        s = self.s.detach() if self.neuron.detach_reset else self.s
        kind = self.neuron.reset
        if isinstance(kind, rs.ToZero):
            return self.leak * self.u * (1.0 - s)
        if isinstance(kind, rs.NoReset):
            return self.leak * self.u
        if kind.leaked:
            return self.leak * (self.u - self.threshold * s)
        return self.leak * self.u - self.threshold * s

    def step(self, current):
        """Advance by a step; return the spikes, (batch, n)."""
        if self.u is None:
            self.s = torch.zeros_like(current)
            self.u = self.s + self.parameters.get("start", 0.0)
        if "v" in self.parameters:
            current = current + self.s @ self.parameters["v"].T
        self.u = self.reset() + self.filter(current)
        threshold, adaptation = self.threshold, getattr(self.neuron, "adaptation", None)
        if adaptation is not None:
            self.a = adaptation.leak * self.a + self.s
            threshold = threshold + adaptation.strength * self.a
        s = self.fire(self.neuron.spike, self.u - threshold)
        refractory = getattr(self.neuron, "refractory", 0)
        for earlier in self.past:
            s = s * (1.0 - earlier)
        self.past = [s, *self.past][:refractory]
        self.s = s
        return s


def loss_of(case: Problem, layers, x, fire):
    """Return the loss of a network of any kind."""
    network, readout = case.network, case.network.readout
    chains = network.connections or tuple((rs.Dense(n),) for n in network.sizes[1:])
    running = [Layer(n, p, fire) for n, p in zip(network.neurons, layers, strict=False)]
    steps, v = [], 0.0  # what the readout says at each step
    for x_t in x:
        images = [x_t.reshape(-1, *(network.image or (network.sizes[0],)))]
        for chain, layer, state in zip(chains, layers, running, strict=False):
            current = connect(chain, layer, images)
            images.append(state.step(current.flatten(1)).reshape(current.shape))
        last = images[-1].flatten(1)
        if isinstance(readout, rs.MeanPotential):
            steps.append(running[-1].u)
            continue
        if isinstance(readout, rs.SpikeRate):
            k = readout.population
            classes = [last[:, i : i + k].mean(dim=1) for i in range(0, last.shape[1], k)]
            steps.append(torch.stack(classes, dim=1))
            continue
        out = functional.linear(last, layers[-1]["w"], layers[-1].get("b"))
        v = out if isinstance(readout, rs.LinearReadout) else readout.leak * v + out
        steps.append(v)
    return score(network, steps, torch.tensor(case.y))


def score(network, steps, y):
    """Return the loss of what the readout says at each step."""
    readout, gain = network.readout, getattr(network.readout, "gain", 1.0)
    if isinstance(network.loss, rs.StepCrossEntropy):
        return sum(functional.cross_entropy(gain * z, y) for z in steps) / len(steps)
    if isinstance(readout, rs.LastPotential):
        z = steps[-1]
    elif isinstance(readout, rs.MaxPotential):
        z = steps[0]
        for later in steps[1:]:
            z = torch.where(later > z, later, z)  # the first of equal ones
    else:
        z = sum(steps) / len(steps)
    if isinstance(network.loss, rs.MeanSquaredRate):
        wanted = torch.full_like(z, network.loss.wrong)
        wanted[torch.arange(len(y)), y] = network.loss.right
        return functional.mse_loss(z, wanted)
    return functional.cross_entropy(gain * z, y)


def torch_gradients(case: Problem, fire=sigma):
    """Return loss, gradients of parameters and gradient of the input, by PyTorch's autograd."""
    layers = [
        {k: torch.tensor(a, requires_grad=True) for k, a in vars(layer).items() if a is not None}
        for layer in case.params
    ]
    x = torch.tensor(case.x, requires_grad=True)
    value = loss_of(case, layers, x, fire)
    if value.requires_grad:  # else nothing that fires depends on anything: all gradients are zero
        value.backward()
    grads = tuple(rs.Layer(**{k: leaf_grad(a) for k, a in layer.items()}) for layer in layers)
    return value.item(), grads, leaf_grad(x)


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
