"""The same network in PyTorch, for faults of the forward pass that autograd then follows.

It shares no code with refsast. `u` and `s` hold the state before the first step, then every step.
"""

import math

import numpy as np
import torch

from tests.crosscheck.blind.hand import read_reset


class Auto:
    """One network; a call returns loss and gradients, and leaves all numbers behind."""

    def __init__(self, network, dtype):
        neurons = network.neurons
        self.network, self.dtype = (
            network,
            {"float32": torch.float32}.get(np.dtype(dtype).name, torch.float64),
        )
        self.depth = len(neurons)
        self.leak = [n.leak for n in neurons]
        self.theta = [n.threshold for n in neurons]
        self.k = [n.spike.slope for n in neurons]
        self.family = [type(n.spike).__name__ for n in neurons]
        self.reset = [read_reset(n.reset) for n in neurons]
        self.readout = type(network.readout).__name__
        self.gain = getattr(network.readout, "gain", 1.0)
        self.kappa = getattr(network.readout, "leak", 0.0)
        self.pick = sum(network.sizes) % self.depth
        self.setup()

    def setup(self):
        """What is wrong with the numbers."""

    def __call__(self, params, x, y):
        self.solve(params, x, y)
        return self.value, self.grads

    def solve(self, params, x, y):
        self.given = [
            {
                k: torch.tensor(a, dtype=self.dtype, requires_grad=True)
                for k, a in vars(layer).items()
                if a is not None
            }
            for layer in params
        ]
        self.layers = [dict(layer) for layer in self.given]
        self.x = torch.tensor(np.array(x), dtype=self.dtype)
        self.y = torch.tensor(np.array(y))
        self.question()
        self.time, self.batch = self.x.shape[:2]
        self.a, self.u, self.s = [list(self.x)], [], []
        for i in range(self.depth):
            self.run_layer(i)
            self.a.append(self.passed(i))
        self.logits = self.read(self.s[-1][1:])
        loss = self.loss(self.logits)
        self.value = float(loss.detach())
        self.backward(loss)

    def backward(self, loss):
        states = [u for us in self.u for u in us[1:]]
        arrays = [a for layer in self.given for a in layer.values()] + states
        asked = [a for a in arrays if a.requires_grad]
        answers = iter(torch.autograd.grad(loss, asked, allow_unused=True))
        found = [next(answers) if a.requires_grad else None for a in arrays]
        rest = iter(
            torch.zeros_like(a) if g is None else g for a, g in zip(arrays, found, strict=True)
        )
        self.grads = [{k: next(rest).numpy() for k in layer} for layer in self.given]
        self.delta = [torch.stack([next(rest) for _ in us[1:]]) for us in self.u]

    def question(self):
        """What is done to input, labels and weights before anything else."""

    def run_layer(self, i):
        n = len(self.layers[i]["w"])
        u = torch.zeros((self.batch, n), dtype=self.dtype)
        s = torch.zeros_like(u)
        if "start" in self.layers[i]:
            u = u + self.start(i)
        self.u.append([u])
        self.s.append([s])
        for t in range(1, self.time + 1):
            self.u[i].append(self.integrate(i, t))
            self.s[i].append(self.fire(i, t))

    def start(self, i):
        return self.layers[i]["start"]

    def integrate(self, i, t):
        return self.carried(i, t) + self.current(i, t)

    def fire(self, i, t):
        return sigma(self.family[i], self.k[i], self.u[i][t] - self.theta[i])

    def passed(self, i):
        return self.s[i][1:]

    def current(self, i, t):
        layer = self.layers[i]
        found = self.a[i][t - 1] @ layer["w"].T + self.bias(i, t)
        return found + self.fed_back(i, t) @ layer["v"].T if "v" in layer else found

    def bias(self, i, t):
        return self.layers[i].get("b", 0.0)

    def fed_back(self, i, t):
        return self.s[i][t - 1]

    def carried(self, i, t):
        return self.rule(i, self.u[i][t - 1], self.s[i][t - 1])

    def rule(self, i, u, s):
        leak, theta = self.leak[i], self.theta[i]
        if self.reset[i] == "zero":
            return leak * u * (1 - s)
        drop = {"subtract": theta, "leaked": leak * theta, "none": 0.0}[self.reset[i]]
        return leak * u - drop * s

    def read(self, s):
        """The logits of the spikes of all steps, a list."""
        if self.readout == "SpikeRate":
            return self.gain * torch.stack(s).mean(dim=0)
        layer = self.layers[-1]
        if self.readout == "LinearReadout":
            return torch.stack(s).mean(dim=0) @ layer["w"].T + layer.get("b", 0.0)
        return self.pool_potentials(self.output_potentials(s))

    def output_potentials(self, s):
        layer, v, potentials = self.layers[-1], 0.0, []
        for each in s:
            v = self.kappa * v + each @ layer["w"].T + layer.get("b", 0.0)
            potentials.append(v)
        return torch.stack(potentials)

    def pool_potentials(self, v):
        return v.mean(dim=0)

    def loss(self, z):
        return torch.nn.functional.cross_entropy(z, self.y)


def sigma(family, k, v):
    """The smooth spike, of DESIGN 4, its small values without cancellation."""
    z = k * v
    m = z.abs()
    if family == "Arctan":
        return 0.5 + torch.arctan(0.5 * math.pi * z) / math.pi
    if family == "PiecewiseQuadratic":
        c = z.clamp(-1, 1)
        return 0.5 + c - 0.5 * c * c.abs()
    if family == "Logistic":
        return torch.sigmoid(z)
    if family == "Algebraic":
        r = torch.sqrt(1 + z * z)
        tail = 0.5 / (r * (r + m))
    else:
        tail = 0.5 / (1 + m)
    return torch.where(z < 0, tail, 1 - tail)
