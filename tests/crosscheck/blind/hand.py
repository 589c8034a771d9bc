"""A spiking network in NumPy, forward and backward written by hand, for faults to be planted in.

It shares no code with refsast. Steps count from 1: index 0 of `u` and `s` is the state before the
first step, and `delta[time + 1]` is zero. A fault overrides one of the small methods.
"""

import numpy as np


class Hand:
    """One network; a call returns loss and gradients, and leaves all numbers behind."""

    def __init__(self, network, dtype):
        neurons = network.neurons
        self.network, self.dtype = network, dtype
        self.depth = len(neurons)
        self.leak = [n.leak for n in neurons]
        self.theta = [n.threshold for n in neurons]
        self.k = [n.spike.slope for n in neurons]
        self.family = [type(n.spike).__name__ for n in neurons]
        self.reset = [read_reset(n.reset) for n in neurons]
        self.readout = type(network.readout).__name__
        self.gain = getattr(network.readout, "gain", 1.0)
        self.kappa = getattr(network.readout, "leak", 0.0)
        self.pick = sum(network.sizes) % self.depth  # where a fault is in one layer

    def __call__(self, params, x, y):
        self.solve(params, x, y)
        return self.value, self.grads

    def solve(self, params, x, y):
        self.layers = [
            {k: a.astype(self.dtype) for k, a in vars(layer).items() if a is not None}
            for layer in params
        ]
        self.x, self.y = x.astype(self.dtype), y
        self.question()
        self.time, self.batch = self.x.shape[:2]
        self.forward()
        self.value, self.dlogits = self.loss(self.logits)
        self.backward()
        self.finish()

    def question(self):
        """What is done to input, labels and weights before anything else."""

    def forward(self):
        self.a, self.u, self.s = [pad(self.x)], [], []
        for i in range(self.depth):
            self.run_layer(i)
            self.a.append(self.passed(i))
        self.logits = self.read(self.s[-1])

    def run_layer(self, i):
        shape = (self.time + 1, self.batch, len(self.layers[i]["w"]))
        u, s = np.zeros(shape, self.dtype), np.zeros(shape, self.dtype)
        self.u.append(u)
        self.s.append(s)
        u[0] = self.layers[i].get("start", 0.0)
        for t in range(1, self.time + 1):
            u[t] = self.carried(i, t) + self.current(i, t)
            s[t] = sigma(self.family[i], self.k[i], u[t] - self.theta[i])

    def passed(self, i):
        return self.s[i]

    def current(self, i, t):
        layer = self.layers[i]
        found = self.a[i][t] @ layer["w"].T + layer.get("b", 0.0)
        if "v" in layer:
            found = found + self.s[i][t - 1] @ layer["v"].T
        return found.astype(self.dtype)

    def carried(self, i, t):
        u, s, leak, theta = self.u[i][t - 1], self.s[i][t - 1], self.leak[i], self.theta[i]
        rules = {
            "zero": lambda: leak * u * (1 - s),
            "subtract": lambda: leak * u - theta * s,
            "leaked": lambda: leak * (u - theta * s),
            "none": lambda: leak * u,
        }
        return rules[self.reset[i]]()

    def alpha(self):
        """How much the spikes of each step count, shape (time,)."""
        steps = np.arange(1, self.time + 1)
        if self.readout == "LeakyReadout":
            kept = np.array([np.sum(self.kappa ** np.arange(self.time - t + 1)) for t in steps])
            return kept / self.time
        return np.full(self.time, self.gain / self.time)

    def pooled(self, s):
        return np.einsum("t,tbn->bn", self.alpha(), s[1:]).astype(self.dtype)

    def read(self, s):
        if self.readout == "SpikeRate":
            return self.pooled(s)
        layer = self.layers[-1]
        return self.pooled(s) @ layer["w"].T + layer.get("b", 0.0) * np.sum(self.alpha())

    def loss(self, z):
        p = softmax(z)
        rows = np.arange(len(self.y))
        shifted = z - z.max(axis=1, keepdims=True)
        value = np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, self.y])
        g = p.copy()
        g[rows, self.y] -= 1
        return float(value), (g / len(self.y)).astype(self.dtype)

    def backward(self):
        self.delta = [None] * self.depth
        self.grads = [{} for _ in self.layers]
        self.down = self.read_back()
        for i in reversed(range(self.depth)):
            self.delta[i] = self.adjoints(i, self.down)
            self.grads[i] = self.sums(i, self.delta[i])
            self.down = self.below(i, self.delta[i])

    def read_back(self):
        g = self.dlogits
        if self.readout != "SpikeRate":
            self.grads[-1] = self.readout_sums(g)
            g = g @ self.layers[-1]["w"]
        return pad(self.back_alpha()[:, None, None] * g).astype(self.dtype)

    def back_alpha(self):
        return self.alpha()

    def readout_sums(self, g):
        grads = {"w": g.T @ self.pooled(self.s[-1])}
        if "b" in self.layers[-1]:
            grads["b"] = g.sum(axis=0) * np.sum(self.alpha())
        return {k: a.astype(self.dtype) for k, a in grads.items()}

    def adjoints(self, i, down):
        """dL/du of every step, from what the layer above (or the readout) says of the spikes."""
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1]
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            delta[t] = g * self.slope(i, t) + later * self.reset_u(i, t)
        return delta

    def slope(self, i, t):
        return dsigma(self.family[i], self.k[i], self.u[i][t] - self.theta[i])

    def reset_u(self, i, t):
        """dr/du."""
        return self.leak[i] * (1 - self.s[i][t]) if self.reset[i] == "zero" else self.leak[i]

    def reset_s(self, i, t):
        """dr/ds."""
        leak, theta = self.leak[i], self.theta[i]
        found = {"zero": -leak * self.u[i][t], "subtract": -theta, "leaked": -leak * theta}
        return found.get(self.reset[i], 0.0)

    def feedback(self, i, later):
        return later @ self.layers[i]["v"] if "v" in self.layers[i] else 0.0

    def sums(self, i, delta):
        d = delta[1 : self.time + 1]
        grads = {"w": np.einsum("tbo,tbi->oi", d, self.a[i][1:])}
        if "b" in self.layers[i]:
            grads["b"] = d.sum(axis=(0, 1))
        if "v" in self.layers[i]:
            grads["v"] = np.einsum("tbo,tbi->oi", d, self.s[i][:-1])
        if "start" in self.layers[i]:
            grads["start"] = self.leak[i] * d[0].sum(axis=0)
        return {k: a.astype(self.dtype) for k, a in grads.items()}

    def below(self, i, delta):
        """What the spikes of the layer below receive, index 0 unused."""
        return delta[: self.time + 1] @ self.layers[i]["w"]

    def finish(self):
        """What is done to finished gradients."""


def pad(a):
    """Steps from 1 on: a row of zeros in front."""
    return np.concatenate([np.zeros_like(a[:1]), a])


def read_reset(reset):
    if type(reset).__name__ == "Subtract":
        return "leaked" if reset.leaked else "subtract"
    return {"ToZero": "zero", "NoReset": "none"}[type(reset).__name__]


def softmax(z, axis=1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigma(family, k, v):
    """The smooth spike, of DESIGN 4, its small values without cancellation."""
    z = k * v
    m = np.abs(z)
    if family == "Arctan":
        return 0.5 + np.arctan(0.5 * np.pi * z) / np.pi
    if family == "PiecewiseQuadratic":
        c = np.clip(z, -1, 1)
        return 0.5 + c - 0.5 * c * np.abs(c)
    if family == "Logistic":
        tail = np.exp(-m) / (1 + np.exp(-m))
    elif family == "Algebraic":
        r = np.sqrt(1 + z * z)
        tail = 0.5 / (r * (r + m))
    else:
        tail = 0.5 / (1 + m)
    return np.where(z < 0, tail, 1 - tail)


def dsigma(family, k, v):
    """Its derivative."""
    z = k * v
    m = np.abs(z)
    if family == "Arctan":
        return 0.5 * k / (1 + (0.5 * np.pi * z) ** 2)
    if family == "PiecewiseQuadratic":
        return k * np.maximum(0, 1 - m)
    if family == "Logistic":
        return k * np.exp(-m) / (1 + np.exp(-m)) ** 2
    if family == "Algebraic":
        return 0.5 * k / (1 + z * z) ** 1.5
    return 0.5 * k / (1 + m) ** 2
