# %% [markdown]
# # Automatic differentiation from scratch
#
# A gradient of a program is itself a program, and a machine can find it. That machine, a *tape*, is
# smaller than most people think. We build one in four steps, each because the step before breaks on
# something that we need, and at the end it is, up to names, the one in `refsast/autodiff`. (PyTorch
# has one, too: `grad_fn` is our node, `create_graph=True` our step 4, `detach()` our exercise 3.)
#
# Why build it? Because later notebooks claim things like "this vector is the gradient, to the last
# digit". So you should know every line of it, and how one checks it **without** trusting it.

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import SymLogNorm

import refsast as rs

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, VIOLET = [f"C{i}" for i in range(6)]

# %% [markdown]
# ## Step 1. Numbers that remember where they came from
#
# Every program with numbers is a chain of small operations, and for each of them we know the
# derivative. So let a number remember its arguments, each with the *local derivative*: how much
# this number changes when that argument does. Python's operators can do that as they compute.


# %%
class Number:
    def __init__(self, value, args=(), local=()):
        self.value, self.args, self.local = value, args, local
        self.depth = 1 + max((a.depth for a in args), default=-1)

    def __add__(self, other):
        return Number(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Number(self.value * other.value, (self, other), (other.value, self.value))


def sin(x):
    return Number(np.sin(x.value), (x,), (np.cos(x.value),))


x, y = Number(2.0), Number(3.0)
product, wave = x * y, sin(x)
z = product + wave

# %% [markdown]
# The chain rule: the derivative of $z$ with respect to $x$ is the sum over all *paths* from $z$
# back to $x$, and a path contributes the product of the local derivatives on its way. As a program
# this is one line of recursion. We count the visits, for a reason that will come soon.

# %%
visits = 0


def derivative(node, wanted):
    global visits
    visits += 1
    if node is wanted:
        return 1.0
    pairs = zip(node.args, node.local, strict=True)
    return sum(slope * derivative(a, wanted) for a, slope in pairs)


for name, node in {"x": x, "y": y, "x y": product, "sin x": wave, "z": z}.items():
    print(f"{name:6s}= {node.value:.3f}, slope of z {derivative(z, node):.3f}")
two_paths = 3.0 * 1.0 + np.cos(2.0) * 1.0
assert (derivative(z, x), derivative(z, y)) == (two_paths, 2.0)

# %% [markdown]
# ## Step 2. Each node once
#
# Now let the program be a chain: double the number, $n$ times. The derivative is $2^n$. But the
# recursion walks every path, and there are $2^n$ of *those*, too. A spiking neuron is no better:
# from one potential to the next there are two paths, directly and through spike and reset, so a run
# of 100 steps has more than $2^{99}$.
#
# The way out is the one idea of reverse mode. Collect at each node what all its users say about it,
# **before** passing anything on (`backward` in step 3 does it). This works if a node comes after
# everything that uses it: so go by *depth*, the deepest first. Then each node is visited once.


# %%
def deepest_first(output):
    seen, stack = {}, [output]
    while stack:
        node = stack.pop()
        if hasattr(node, "depth") and id(node) not in seen:
            seen[id(node)] = node
            stack += node.args
    return sorted(seen.values(), key=lambda node: -node.depth)


for n in range(1, 15):
    x = end = Number(1.0)
    for _ in range(n):
        end = end + end
    visits = 0
    assert derivative(end, x) == 2.0**n
    assert (visits, len(deepest_first(end))) == (2 ** (n + 1) - 1, n + 1)
print(f"a chain of {n} operations: {visits} visits path by path, {n + 1} nodes")

# %% [markdown]
# ## How to check it without trusting it
#
# A tape can be wrong in one rule and right in all others. Differences, $(f(w + h) - f(w - h)) /
# 2h$, share nothing with it, but are poor: a large $h$ leaves an error of the curve, a small one
# subtracts nearly equal numbers and loses digits. Better, step in an *imaginary* direction:
#
# $$f(w + i h) = f(w) + i h f'(w) - \tfrac12 h^2 f''(w) - \dots \quad\Rightarrow\quad
# f'(w) = \frac{\operatorname{Im} f(w + i h)}{h} + O(h^2).$$
#
# Nothing is subtracted, so $h$ may be $10^{-40}$, and its square is nothing at all. The program
# must run on complex numbers, as NumPy does, and be analytic: no kinks (exercise 2), no hard
# spikes. Ours is a smooth neuron over 20 steps; $f$ counts its spikes as a function of a weight.


# %%
def spike(v, slope=4.0):
    return 0.5 + np.arctan(0.5 * np.pi * slope * v) / np.pi


def spikes_of(w):
    u, s, count = 0.0, 0.0, 0.0
    for current in 0.3 + 0.2 * np.sin(np.arange(20.0)):
        u = 0.9 * (u * (1.0 - s)) + w * current
        s = spike(u - 1.0)
        count = count + s
    return count


def complex_step(f, w, direction=1.0, h=1e-40):
    return np.imag(f(w + 1j * h * direction)) / h


w, h = 1.3, np.logspace(-18, -1, 69)
exact = complex_step(spikes_of, w)
difference = (spikes_of(w + h) - spikes_of(w - h)) / (2.0 * h)  # for all h at once
found = {"difference": difference, "complex step": complex_step(spikes_of, w, h=h)}
error = {name: np.abs(values / exact - 1.0) for name, values in found.items()}

figure, axis = plt.subplots(figsize=(7, 3.6))
for (name, values), colour, width in zip(error.items(), (RED, BLUE), (2.0, 5.0), strict=True):
    axis.loglog(h, np.maximum(values, 1e-17), color=colour, lw=width, zorder=6 - width, label=name)
axis.set(xlabel="step h (units of the weight)", ylabel="relative error of the derivative")
axis.legend()
plt.show()

# %% [markdown]
# Differences make a V: the right arm, which both have, is the error of the curve, the left one is
# lost digits. At their best they have about eleven. The complex step has fifteen or sixteen, for
# every small $h$, and there is nothing to tune. So from here on it judges. It cannot replace the
# tape: it takes a run for each weight, and the tape one sweep for all.

# %%
assert 1e-13 < error["difference"].min() < 1e-9
assert error["complex step"][h < 1e-9].max() < 1e-14
assert error["difference"][0] > 0.1  # all digits lost

# %% [markdown]
# ## Step 3. Arrays, and NumPy that does not notice
#
# A layer with a thousand weights must not become a thousand numbers. So a node now holds an array.
# Its local derivative would be a huge matrix. We need only its product with what arrives from
# above. A function that computes it is a **pullback**: given the *cotangent* $g$ of the result $y$
# (how the loss changes with each entry of $y$), it returns that of an argument. The whole table:

# %%
PULLBACKS = {
    np.add: (lambda g, y, a, b: g, lambda g, y, a, b: g),
    np.subtract: (lambda g, y, a, b: g, lambda g, y, a, b: -g),
    np.multiply: (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    np.divide: (lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y) / b),
    np.matmul: (lambda g, y, a, b: g @ b.T, lambda g, y, a, b: a.T @ g),
    np.negative: (lambda g, y, x: -g,),
    np.exp: (lambda g, y, x: g * y,),
    np.log: (lambda g, y, x: g / x,),
    np.arctan: (lambda g, y, x: g / (1.0 + x * x),),
}

# %% [markdown]
# Where NumPy meets an object of another kind, it calls that object's `__array_ufunc__` in place of
# `np.exp` and its like, its `__array_function__` in place of `np.sum` and its like. So the program
# needs no rewriting: `spike` above, unchanged, will run on nodes.


# %%
class Node(np.lib.mixins.NDArrayOperatorsMixin):
    def __init__(self, value, pullbacks=(), args=()):
        self.value, self.pullbacks, self.args = value, pullbacks, args
        self.shape, self.ndim = np.shape(value), np.ndim(value)
        self.depth = 1 + max((a.depth for a in args if isinstance(a, Node)), default=-1)

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return apply(ufunc, PULLBACKS[ufunc], *args)

    def __array_function__(self, function, types, args, kwargs):
        return FUNCTIONS[function](*args, **kwargs)

    T = property(lambda x: apply(np.transpose, (lambda g, y, x: g.T,), x))


def primal(x):
    return x.value if isinstance(x, Node) else x


def apply(function, pullbacks, *args):
    return Node(function(*map(primal, args)), pullbacks, args)


def reshape(x, shape):
    return apply(lambda x: np.reshape(x, shape), (lambda g, y, x: np.reshape(g, np.shape(x)),), x)


def add_up(x, axis=None, keepdims=False):
    axes = tuple(np.atleast_1d(range(x.ndim) if axis is None else axis) % x.ndim)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    spread = lambda g, y, x: np.reshape(g, kept) * np.ones(np.shape(x))  # noqa: E731
    return apply(lambda x: np.sum(x, axis=axes, keepdims=keepdims), (spread,), x)


FUNCTIONS = {np.sum: add_up, np.reshape: reshape}
FUNCTIONS |= {np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim}

# %% [markdown]
# One trap is left. A bias of shape $(n,)$ is added to a whole batch, $(\text{batch}, n)$: NumPy
# *broadcasts* it, that is, uses each entry many times. It receives as many cotangents, and they add
# up: `unbroadcast` sums them.


# %%
def unbroadcast(g, like):
    extra, shape = np.ndim(g) - np.ndim(like), np.shape(like)
    ones = [i + extra for i, n in enumerate(shape) if n == 1 != np.shape(g)[i + extra]]
    axes = (*range(extra), *ones)
    return np.reshape(np.sum(g, axis=axes), shape) if axes else g


def backward(output, inputs, read=primal):
    total = {id(output): np.ones(output.shape)}
    for node in deepest_first(output):
        g, operands = total[id(node)], [read(a) for a in node.args]
        for pullback, argument in zip(node.pullbacks, node.args, strict=True):
            if isinstance(argument, Node):
                part = unbroadcast(pullback(g, read(node), *operands), argument)
                total[id(argument)] = total.get(id(argument), 0.0) + part
    return [total[id(x)] for x in inputs]


# %% [markdown]
# (`read` is for step 4.) Now the test: a spiking layer in plain NumPy and the cross entropy of its
# spike counts. The same text runs on arrays, on complex arrays and on nodes.

# %%
rng = np.random.default_rng(0)
x, labels = (rng.random((12, 6, 8)) < 0.4).astype(float), rng.integers(3, size=6)
w, b = rng.normal(size=(3, 8)), 0.2 * rng.normal(size=3)
hot, gain = np.eye(3)[labels], 5.0


def cross_entropy(logits):
    return np.sum(np.log(np.sum(np.exp(logits), axis=1)) - np.sum(logits * hot, axis=1)) / len(hot)


def loss(w, b, seen_by_reset=lambda s: s):  # the last argument is for exercise 3
    u, s, count = 0.0, 0.0, 0.0
    for current in [now @ w.T + b for now in x]:
        u = 0.9 * (u * (1.0 - seen_by_reset(s))) + current
        s = spike(u - 1.0)
        count = count + s
    return cross_entropy(gain * count / len(x))


def grad(f, *arrays):
    nodes = [Node(array) for array in arrays]
    return backward(f(*nodes), nodes)


ours, units = grad(loss, w, b), np.eye(w.size).reshape(-1, *w.shape)
judged = [complex_step(lambda w: loss(w, b), w, unit) for unit in units]
print(f"largest difference to the complex step: {np.abs(ours[0].ravel() - judged).max():.1e}")
assert np.allclose(ours[0].ravel(), judged, rtol=1e-12, atol=0.0)
judged_b = [complex_step(lambda b: loss(w, b), b, unit) for unit in np.eye(3)]
assert np.allclose(ours[1], judged_b, rtol=1e-12, atol=0.0)

network = rs.Network((8, 3), rs.LIF(0.9, 1.0, rs.Arctan(4.0)), rs.SpikeRate(gain))
theirs = rs.reference.loss_and_grad(network, (rs.Layer(w, b),), x, labels)[1]
assert np.allclose(ours[0], theirs[0].w, rtol=1e-12)
assert np.allclose(ours[1], theirs[0].b, rtol=1e-12)

# %% [markdown]
# Every entry agrees with the complex step, and with the tape of refsast on its own code.
#
# ## Step 4. The gradient of the gradient, without new code
#
# Look again at the table. The pullbacks are written in NumPy, and so is `backward`. So **they can
# be taped, too**: hand them nodes in place of arrays (`read` must then leave nodes as they are),
# and the gradient comes back as a node that remembers where it came from. Differentiate $\langle
# \nabla f, d \rangle$ and you have $H d$, the Hessian times a vector, without the Hessian.
# Notebooks 05 (SAM) and 11 (sharpness) stand on this.
#
# What does it cost? A gradient visits each node once and keeps all values until then, so time and
# memory grow with the number of steps. (`rs.fast` can keep some states only and run the steps
# between again, `checkpoint=`: at a thousand steps 84 MB in place of 601.) A product $H d$ has
# about three times the nodes (counted below), so it costs about three gradients. The whole Hessian
# needs one product per weight: the figure shows the 24 of our small layer.


# %%
def hvp(f, at, direction):
    node = Node(at)
    (slope,) = backward(f(node), [node], read=lambda a: a)
    return backward(np.sum(slope * direction), [node])[0]


hessian = np.array([hvp(lambda w: loss(w, b), w, unit).ravel() for unit in units])
figure, axis = plt.subplots(figsize=(4.6, 3.6))
image = axis.imshow(hessian, cmap="RdBu_r", norm=SymLogNorm(1e-3, vmin=-3.0, vmax=3.0))
figure.colorbar(image, label="second derivative of the loss (nats)")  # small ones can be seen, too
axis.set(xlabel="weight", ylabel="weight")
axis.grid(visible=False)
plt.show()

# %% [markdown]
# It is symmetric, as second derivatives are; nothing in the code says so. It has both signs: this
# loss is not convex. Its blocks are the three neurons. It agrees with `rs.reference.hvp`.

# %%
slopes = [complex_step(lambda w: grad(loss, w, b)[0], w, unit).ravel() for unit in units]
assert np.abs(hessian - hessian.T).max() < 1e-13
assert np.allclose(hessian, slopes, rtol=1e-9, atol=1e-13)
blocks = np.abs(hessian).reshape(3, 8, 3, 8).max(axis=(1, 3))  # the largest entry of each block
assert blocks[~np.eye(3, dtype=bool)].max() < 0.25 * np.diag(blocks).max()
assert np.linalg.eigvalsh(hessian).min() < 0.0 < np.linalg.eigvalsh(hessian).max()

layer, along = rs.Layer(w, b), rs.Layer(units[0], np.zeros(3))
(column,) = rs.reference.hvp(network, (layer,), x, labels, (along,))
assert np.allclose(column.w.ravel(), hessian[0], rtol=1e-9, atol=1e-13)

tape = loss(node := Node(w), b)
(slope,) = backward(tape, [node], read=lambda a: a)
counts = [len(deepest_first(each)) for each in (tape, np.sum(slope * units[0]))]
print(f"nodes on the tape: {counts[0]} for a gradient, {counts[1]} for a Hessian product")
assert 2 * counts[0] < counts[1] < 4 * counts[0]

# %% [markdown]
# ## What we now know
#
# A tape is nodes, a table of pullbacks, and a sweep that goes deepest first, which makes it fast.
# Pullbacks in NumPy can be taped themselves, so second derivatives need no new code. The complex
# step knows nothing of all this and agrees in every entry to twelve digits or more: that is
# evidence, where agreement of two tapes is not.
#
# Now read the real one: `refsast/autodiff/ops.py` is the table, `refsast/autodiff/tape.py` holds
# the node and the sweep (`read` is its `traced`), `refsast/autodiff/derivatives.py` adds
# `value_and_grad` and `hvp`, and `refsast/autodiff/numeric.py` is the judge. Next:
# `03_backpropagation_through_time` does by hand what the tape does by itself.

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1
# Teach the tape `np.tanh` and `np.sqrt`, and have both rules judged by the complex step.

# %% tags=["solution"]
PULLBACKS[np.tanh] = (lambda g, y, x: g * (1.0 - y * y),)
PULLBACKS[np.sqrt] = (lambda g, y, x: g / (2.0 * y),)
at = rng.random(5) + 0.5
for f in (np.tanh, np.sqrt):
    each = np.array([complex_step(lambda a, f=f: np.sum(f(a)), at, d) for d in np.eye(5)])
    assert np.allclose(grad(lambda a, f=f: np.sum(f(a)), at)[0], each, rtol=1e-14)

# %% [markdown]
# ### Exercise 2
# The judge has a blind spot. What does the complex step say of `np.abs` at $-2$, and why? Write an
# absolute value that it judges rightly.


# %% tags=["solution"]
def magnitude(a):
    return np.where(np.real(a) < 0.0, -a, a)  # analytic on either side of zero


assert complex_step(np.abs, -2.0) == 0.0  # of a complex number, abs is the modulus: not analytic
assert complex_step(magnitude, -2.0) == -1.0

# %% [markdown]
# ### Exercise 3
# Libraries offer a `detach`: a value that the tape takes for a constant. Which function of ours is
# that? Detach the spike in the reset of `loss`, and let the complex step judge the result. Is it
# still the gradient of the loss?

# %% tags=["solution"]
(other,) = grad(lambda w: loss(w, b, primal), w)  # primal(x) is detach(x)
assert loss(w, b, primal) == loss(w, b)  # the same loss
print(f"detached: off by {np.abs(other.ravel() - judged).max() / np.abs(judged).max():.0%}")
assert np.abs(other.ravel() - judged).max() > 0.01 * np.abs(judged).max()  # not its gradient
