"""Extended networks in PyTorch, written from the equations alone: nothing of `refsast` runs.

Time is the outermost loop, all layers advance within a step; convolutions and pools are PyTorch's
own. Each thing that a layer or a loss does is a method of its own, so that a test may have one of
them wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

import refsast as rs
from refsast.testing import Problem
from tests.gradient.test_torch import leaf_grad, sigma

functional = torch.nn.functional


class Layer:
    """One layer of neurons: connections, parameters, and what it keeps from step to step."""

    def __init__(self, neuron, chain, parameters, fire):
        self.neuron, self.chain, self.parameters, self.fire = neuron, chain, parameters, fire
        self.u, self.s, self.i, self.h, self.a = None, 0.0, 0.0, 0.0, 0.0
        self.past, self.us, self.ss = [], [], []
        self.leak, self.threshold = self.number("leak"), self.number("threshold")

    def number(self, name):
        """Return leak or threshold: given, for all or for each, or learned."""
        value, parameter = getattr(self.neuron, name), self.parameters.get(name)
        if isinstance(value, rs.Learned):
            return self.squash(parameter) if value.sigmoid else parameter
        return torch.tensor(value, dtype=self.parameters["w"].dtype)

    def squash(self, parameter):
        """Return a leak of its parameter."""
        return torch.sigmoid(parameter)

    def spread(self, name, number):
        """Return a number of the neurons as a step uses it."""
        return number

    def connect(self, images):
        """Return the currents of a layer, from the images or rows of all layers below."""
        a = images[-1]
        for part in self.chain:
            if isinstance(part, rs.Conv2d):
                a = self.convolve(part, a)
            elif isinstance(part, rs.Dense):
                a = self.multiply(a)
            elif isinstance(part, rs.AvgPool2d):
                a = self.average(part, a)
            elif isinstance(part, rs.MaxPool2d):
                a = self.maximum(part, a)
            elif isinstance(part, rs.Flatten):
                a = a.flatten(1)
            else:
                a = self.skip(a, images[part.layer])
        return a

    def convolve(self, part, a):
        """Return the convolution of images."""
        sides = part.stride, part.padding, part.dilation, part.groups
        return functional.conv2d(a, self.parameters["w"], self.parameters.get("b"), *sides)

    def multiply(self, a):
        """Return what a dense connection makes of images or rows."""
        return functional.linear(a.flatten(1), self.parameters["w"], self.parameters.get("b"))

    def average(self, part, a):
        """Return the means of windows."""
        return functional.avg_pool2d(a, part.kernel, part.stride, part.padding)

    def maximum(self, part, a):
        """Return the largest of windows."""
        return functional.max_pool2d(a, part.kernel, part.stride, part.padding)

    def skip(self, a, earlier):
        """Return a sum with what an earlier layer has emitted."""
        return a + earlier

    def feed_back(self, s):
        """Return the recurrent input of the layer's own spikes."""
        return s @ self.parameters["v"].T

    def filter(self, current):
        """Return what the synapse makes of a current."""
        synapse = getattr(self.neuron, "synapse", None)
        if synapse is None:
            return current
        return (self.rise_and_fall if isinstance(synapse, rs.Alpha) else self.decay)(current)

    def decay(self, current):
        """Return the exponential current."""
        synapse, before = self.neuron.synapse, self.i
        leak = synapse.leak
        if self.neuron.synapse_leak is not None:
            leak = self.spread("synapse_leak", self.number("synapse_leak"))
        self.i = leak * self.i + current
        return synapse.scale * (before if synapse.delayed else self.i)

    def rise_and_fall(self, current):
        """Return the current of second order."""
        synapse, before = self.neuron.synapse, self.i
        self.h = synapse.rise * self.h + current
        self.i = synapse.decay * self.i + self.h
        return synapse.scale * (before if synapse.delayed else self.i)

    def reset(self):
        """Return what is left of the potential."""
        s = self.s.detach() if self.neuron.detach_reset else self.s
        return self.reset_by(s, self.spread("leak", self.leak), self.reset_threshold())

    def reset_threshold(self):
        """Return what a reset subtracts."""
        return self.spread("threshold", self.threshold)

    def reset_by(self, s, leak, threshold):
        """Return what is left of the potential after spikes."""
        kind = self.neuron.reset
        if isinstance(kind, rs.ToZero):
            return leak * self.u * (1.0 - s)
        if isinstance(kind, rs.NoReset):
            return leak * self.u
        if kind.leaked:
            return leak * (self.u - threshold * s)
        return leak * self.u - threshold * s

    def adapt(self):
        """Return by how much the threshold is raised."""
        adaptation = getattr(self.neuron, "adaptation", None)
        if adaptation is None:
            return 0.0
        self.a = adaptation.leak * self.a + self.s
        return adaptation.strength * self.a

    def emit(self, raised):
        """Return the spikes of potentials, the threshold being raised."""
        threshold = self.spread("threshold", self.threshold)
        return self.refrain(self.fire(self.neuron.spike, self.u - (threshold + raised)))

    def refrain(self, s):
        """Return the spikes that the refractory time leaves."""
        for earlier in self.past:
            s = s * (1.0 - earlier)
        return s

    def start(self, like):
        """Set potential and spikes before the first step."""
        self.s = torch.zeros_like(like, requires_grad=True)
        self.u = self.s + self.parameters.get("start", 0.0)

    def step(self, current):
        """Advance by a step; return the spikes, (batch, n)."""
        if self.u is None:
            self.start(current)
        if "v" in self.parameters:
            current = current + self.feed_back(self.s)
        self.u = self.reset() + self.filter(current)
        s = self.emit(self.adapt())
        self.past = [s, *self.past][: getattr(self.neuron, "refractory", 0)]
        self.s = s
        self.us.append(self.u)
        self.ss.append(s)
        return s


class Objective:
    """The way from the last layer to the loss."""

    def __init__(self, network, parameters):
        self.network, self.parameters, self.v = network, parameters, 0.0

    def read(self, last, u):
        """Return what the readout says at a step, of spikes and potentials."""
        readout = self.network.readout
        if isinstance(readout, rs.MeanPotential):
            return u
        if isinstance(readout, rs.SpikeRate):
            return self.pool(last, readout.population)
        out = functional.linear(last, self.parameters["w"], self.parameters.get("b"))
        self.v = out if isinstance(readout, rs.LinearReadout) else readout.leak * self.v + out
        return self.v

    def pool(self, last, k):
        """Return the mean of each class's `k` neurons."""
        classes = [last[:, i : i + k].mean(dim=1) for i in range(0, last.shape[1], k)]
        return torch.stack(classes, dim=1)

    def score(self, steps, y):
        """Return the loss of what the readout says at each step."""
        gain = getattr(self.network.readout, "gain", 1.0)
        if isinstance(self.network.loss, rs.StepCrossEntropy):
            return sum(functional.cross_entropy(gain * z, y) for z in steps) / len(steps)
        z = self.summarise(steps)
        if isinstance(self.network.loss, rs.MeanSquaredRate):
            return functional.mse_loss(z, self.wanted(z, y))
        return functional.cross_entropy(gain * z, y)

    def summarise(self, steps):
        """Return one answer of those of all steps."""
        if isinstance(self.network.readout, rs.LastPotential):
            return steps[-1]
        if isinstance(self.network.readout, rs.MaxPotential):
            return self.largest(steps)
        return sum(steps) / len(steps)

    def largest(self, steps):
        """Return the largest over time, the first of equal ones."""
        z = steps[0]
        for later in steps[1:]:
            z = torch.where(later > z, later, z)
        return z

    def wanted(self, z, y):
        """Return the rates that a squared distance wants."""
        wanted = torch.full_like(z, self.network.loss.wrong)
        wanted[torch.arange(len(y)), y] = self.network.loss.right
        return wanted


@dataclass(frozen=True, eq=False)
class Run:
    """A run before any backward pass: the loss, and the layers with their states."""

    loss: torch.Tensor
    layers: Sequence[Layer]
    parameters: Sequence[dict]
    x: torch.Tensor


def run_network(
    case: Problem,
    fire: Callable = sigma,
    *,
    kinds: Sequence[type[Layer]] | None = None,
    objective: type[Objective] = Objective,
    dtype: torch.dtype = torch.float64,
) -> Run:
    """Run a network of any kind; `kinds` are the classes of its layers."""
    network = case.network
    parameters = [
        {
            k: torch.tensor(a, dtype=dtype, requires_grad=True)
            for k, a in vars(layer).items()
            if a is not None
        }
        for layer in case.params
    ]
    x = torch.tensor(case.x, dtype=dtype, requires_grad=True)
    chains = network.connections or tuple((rs.Dense(n),) for n in network.sizes[1:])
    kinds = kinds or [Layer] * network.depth
    found = zip(kinds, network.neurons, chains, parameters, strict=False)
    layers = [kind(neuron, chain, part, fire) for kind, neuron, chain, part in found]
    readout, steps = objective(network, parameters[-1]), []
    for x_t in x:
        images = [x_t.reshape(-1, *(network.image or (network.sizes[0],)))]
        for layer in layers:
            current = layer.connect(images)
            images.append(layer.step(current.flatten(1)).reshape(current.shape))
        steps.append(readout.read(images[-1].flatten(1), layers[-1].u))
    return Run(readout.score(steps, torch.tensor(case.y)), layers, parameters, x)


def differentiate(run: Run) -> tuple[rs.Params, object]:
    """Return the gradients of a run in parameters and input, by PyTorch's autograd."""
    if run.loss.requires_grad:  # else nothing that fires depends on anything: all zero
        run.loss.backward()
    grads = tuple(
        rs.Layer(**{k: leaf_grad(a) for k, a in layer.items()}) for layer in run.parameters
    )
    return grads, leaf_grad(run.x)


def torch_gradients(case: Problem, fire: Callable = sigma):
    """Return loss, gradients of parameters and gradient of the input, by PyTorch's autograd."""
    run = run_network(case, fire)
    grads, in_x = differentiate(run)
    return run.loss.item(), grads, in_x
