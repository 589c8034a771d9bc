# %% [markdown]
# # Check your own library
#
# You have written a spiking network, or you use a library that somebody has written. It trains.
# Is its gradient right? A wrong one seldom announces itself: most wrong gradients still lead
# downhill.
#
# In this notebook we write a small library in NumPy, with one mistake, and let refsast find it.
# Then comes the more important half. We let the *checker* be wrong: we show a question to which the
# wrong gradient is the right answer, and see whether the checker says so. A tool that says "agrees"
# must also say what it could not have seen.

# %%
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

import refsast as rs

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, VIOLET = [f"C{i}" for i in range(6)]

# %% [markdown]
# ## 1. A library of forty lines
#
# Layers of leaky neurons, reset to zero, $u_t = \lambda u_{t-1} (1 - s_{t-1}) + W a_t + b$. Logits
# are a gain times the mean spike. Forwards is simple. Backwards, `carried` holds what a potential
# and a spike do to the *next* potential: $\partial u_{t+1}/\partial u_t = \lambda (1 - s_t)$, and
# for the spike our author has written a zero. "The reset is not differentiable anyway."


# %%
def forward(network, params, x):
    """Input, potentials and spikes of each layer, all (time, batch, n)."""
    layers = []
    for neuron, layer in zip(network.neurons, params, strict=True):
        u, s = np.zeros((2, x.shape[1], len(layer.w)))
        us, ss = [], []
        for current in x @ layer.w.T + layer.b:
            u = neuron.leak * u * (1.0 - s) + current
            s = neuron.spike(u - neuron.threshold)
            us, ss = [*us, u], [*ss, s]
        layers.append((x, np.array(us), np.array(ss)))
        x = layers[-1][2]
    return layers


def wrong(neuron, u, s):
    """What u and s do to the next potential."""
    return neuron.leak * (1.0 - s), 0.0 * s


def backward(neuron, u, s, in_s, carried):
    """The adjoint dL/du of one layer, from dL/ds through all that is above it."""
    adjoint, later = np.zeros_like(u), np.zeros_like(u[0])
    for t in reversed(range(len(u))):
        by_u, by_s = carried(neuron, u[t], s[t])
        slope = neuron.spike.derivative(u[t] - neuron.threshold)
        later = adjoint[t] = slope * (in_s[t] + by_s * later) + by_u * later
    return adjoint


def gradient(network, carried, params, x, y):
    """The mean cross entropy, and its gradient as this library has it."""
    layers, gain = forward(network, params, x), network.readout.gain
    z = gain * layers[-1][2].mean(axis=0)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    in_s = gain / len(x) * (p - np.eye(network.classes)[y]) / len(y)
    in_s, grads = np.broadcast_to(in_s, layers[-1][2].shape), []
    for neuron, layer, (a, u, s) in list(zip(network.neurons, params, layers, strict=True))[::-1]:
        adjoint = backward(neuron, u, s, in_s, carried)
        grads.insert(0, rs.Layer(np.einsum("tbn,tbm->nm", adjoint, a), adjoint.sum(axis=(0, 1))))
        in_s = adjoint @ layer.w
    return -np.log(p[np.arange(len(y)), y]).mean(), tuple(grads)


# %% [markdown]
# Does it train? A small task: which of the first three of six inputs fired most often? We take
# plain steps of bounded length with this gradient and, for comparison, with the exact one.

# %%
rng = np.random.default_rng(0)
network = rs.Network((6, 8, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(8.0))
w = 2.0 * rs.flatten(rs.init(network, rng))
task = (rng.random((12, 60, 6)) < 0.4).astype(float)
most = task[:, :, :3].sum(axis=0).argmax(axis=1)


mine = partial(gradient, network, wrong)  # a function of (params, x, y), as is the exact one
exact = partial(rs.bptt.loss_and_grad, network)


def descend(box, w, steps=200):
    losses = []
    for _ in range(steps):
        loss, grads = box(rs.unflatten(network, w), task, most)
        g = rs.flatten(grads)
        losses, w = [*losses, loss], w - 0.05 * g / (1.0 + np.linalg.norm(g))
    return losses


curves = {"this library": descend(mine, w), "exact": descend(exact, w)}
figure, axis = plt.subplots(figsize=(6.6, 3.4))
for (name, losses), colour, style in zip(curves.items(), (RED, BLUE), ("-", "--"), strict=True):
    axis.plot(losses, style, color=colour, label=name)
axis.set(xlabel="step", ylabel="loss (nats)", ylim=(0.0, None))
axis.legend()
plt.show()

# %% [markdown]
# It trains. In this run it even ends *below* the exact gradient. Nobody will file a bug. (That it
# ends lower proves nothing about other runs; it proves that a falling loss is no evidence of a
# right gradient.)

# %%
assert curves["this library"][-1] < 0.5 * curves["this library"][0]
assert curves["this library"][-1] < curves["exact"][-1]

# %% [markdown]
# ## 2. Ask
#
# A `rs.Case` is a question: a network, its parameters, a batch with labels. `rs.check` hands it to
# any function of NumPy arrays and to the reference, and compares the answers.

# %%
case = rs.Case(network, rs.unflatten(network, w), task[:, :5], most[:5], name="forty lines")
report = rs.check(mine, case)
print(report)

# %% [markdown]
# Line by line:
#
# - **DISAGREES**: some number is further from the right one than rounding can explain. How far that
#   is was found for every entry, by runs with random roundings; nobody chose a 1e-5.
# - *loss agrees, gradients WRONG*: so the forward pass is right. *Tolerance* is what rounding may
#   do, *ratio* the length of yours over the right one.
# - *first wrong*: going backwards, from the last step. The last adjoint is still right, since
#   nothing follows it. *By its cause*: adjoints were not returned, so the place is computed from
#   the cause. (Layers, steps and recordings count from 1, array indices from 0.)
# - *cause*: the reference with one thing changed gives **every** number of ours, to rounding. It is
#   named only then; where several changes give the same numbers, all are named.
# - *resolution*, *compared*, *power*: what this could have seen. We come back to them.

# %%
adjoints = next(stage for stage in report.simulated if stage.name == "adjoints")  # of the cause
last = [errors[-1].max() for _, errors in adjoints.errors]
earlier = [errors[:-1].max(axis=(1, 2)).min() for _, errors in adjoints.errors]
assert max(last) < 1.0 < 1e8 < min(earlier)
assert report.cause.name == "reset detached"
assert [stage.agrees for stage in report.stages] == [True, False]

# %% [markdown]
# ## 3. Six mistakes
#
# Is "reset detached" the one thing that it knows? We mend the library, and make five other
# mistakes in the same two numbers.


# %%
faults = {
    "right": lambda neuron, u, s: (neuron.leak * (1.0 - s), -neuron.leak * u),
    "wrong": wrong,
    "sign": lambda neuron, u, s: (neuron.leak * (1.0 - s), neuron.leak * u),
    "no leak": lambda neuron, u, s: (neuron.leak * (1.0 - s), -u),
    "no factor": lambda neuron, u, s: (neuron.leak + 0.0 * s, -neuron.leak * u),
    "nothing": lambda neuron, u, s: (0.0 * s, 0.0 * s),
    "swapped": lambda neuron, u, s: (-neuron.leak * u, neuron.leak * (1.0 - s)),
}
reports = {n: rs.check(partial(gradient, network, fault), case) for n, fault in faults.items()}
for name, each in reports.items():
    print(f"{name:10s}{each.verdict:10s} {each.cause or ''}")

# %%
ours = {name: each.stages[1] for name, each in reports.items()}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True)
colours = [BLUE if reports[name].agrees else RED for name in ours]
axes[0].barh(list(ours), [stage.cosine for stage in ours.values()], color=colours)
axes[0].set(xlabel="cosine to the right gradient")
axes[1].barh(list(ours), [stage.error for stage in ours.values()], color=colours, left=1e-3)
axes[1].axvline(1.0, color="black", linewidth=0.8)
axes[1].set(xscale="log", xlabel="largest error / tolerance", xlim=(1e-3, None))
axes[0].invert_yaxis()
plt.show()

# %% [markdown]
# Left: the cosine, by which gradients are often compared. For the forgotten leak it is 0.9999: the
# plot shows no difference to the right one. Right: the error in units of what rounding may do. One
# bar stands to the left of the line, and six stand far to the right. There is no grey zone between
# "rounding" and "wrong": that is what float64 and a computed tolerance buy.
#
# Five causes are named as we planted them. For `swapped` it says that *no known cause fits*. That
# is an answer, too: it would have been easy to print the nearest cause, and it would be false.

# %%
assert [name for name, each in reports.items() if each.agrees] == ["right"]
assert ours["no leak"].cosine > 0.999 > ours["wrong"].cosine > 0.99
assert min(stage.error for name, stage in ours.items() if name != "right") > 1e8
assert "1/leak" in str(reports["no leak"].cause)
assert ["no known" in str(each.cause) for each in reports.values()] == [False] * 6 + [True]

# %% [markdown]
# ## 4. Where the wrong gradient agrees
#
# Now we try to get an "agrees" for the wrong library. It is not hard: we ask a question of a single
# time step. There is no next potential, so `carried` is never used.

# %%
short = replace(case, x=case.x[:1], name="one step")
print(rs.check(mine, short))

# %% [markdown]
# **The wrong library agrees.** Nor is that a fault of the check: to this question its answer is
# right, to the last digit. But read the last line. refsast planted six faults into the right
# computation of this very case, and four of them *would NOT show*, a detached reset among them. An
# "agrees" is worth what stands in that line.
#
# `rs.harder` makes a better question of a weak one: the same network, more steps, weights by which
# the neurons fire. We ask with one to four steps, and then harder.

# %%
asked = [rs.check(mine, replace(case, x=case.x[:n])) for n in range(1, 5)]
print("planted faults that would not show, by steps:", [len(each.power.unseen) for each in asked])
harder = rs.check(mine, rs.harder(short))
print(f"harder: {harder.verdict}, {len(harder.case.x)} steps; {harder.power}")
assert asked[0].agrees
assert "reset detached in layer 1" in asked[0].power.unseen
assert len(asked[0].power.unseen) == 4
assert not any(each.agrees for each in asked[1:])
assert harder.verdict == "DISAGREES"
assert harder.power.unseen == ()

# %% [markdown]
# Two steps are enough here: none of the six faults would stay hidden. With one step the verdict is
# worth little, and the report says so before anybody is hurt.
#
# There is a third verdict. Take hard spikes forwards (`hard=True`, as most libraries have it), and
# weights so small that no neuron fires. Then no reset ever acts forwards, so a wrong one would not
# show there (the power line plants backward faults only). The verdict is *undecided*, with the
# reason and a way out; `report.agrees` is False.

# %%
quiet = rs.Case(network, rs.unflatten(network, 0.05 * w), case.x, case.y, hard=True, name="quiet")
usual = partial(rs.straight_through, network)
undecided, decided = rs.check(usual, quiet), rs.check(usual, rs.harder(quiet))
print(undecided, decided.verdict, sep="\n\nharder: ")
assert undecided.verdict == "undecided"
assert not undecided.agrees
assert "no neuron fires" in undecided.undecided[0]
assert decided.agrees

# %% [markdown]
# ## 5. Without a reference
#
# The reference has a fault of its own: it knows *our* equations. What if your neuron is another
# one? `rs.integrable` needs no reference. It calls your function at some fifty points, and asks:
# do these vectors belong to *any* landscape, and is it that of your loss? (Notebook 04 builds this
# test.) We take three libraries: the wrong one, the right one, and one that is **right about
# another neuron**, which resets by subtraction.

# %%
other = replace(network, neuron=replace(network.neuron, reset=rs.Subtract()))
boxes = {"wrong": mine, "right": partial(gradient, network, faults["right"])}
boxes["another neuron"] = partial(rs.bptt.loss_and_grad, other)
kinds = {}
for name, box in boxes.items():
    checked, verdict = rs.check(box, case), rs.integrable(box, case, rng=np.random.default_rng(0))
    print(f"{name:15s}check: {checked.verdict:10s} integrable: {verdict.kind.value}")
    kinds[name] = checked.agrees, verdict.kind.name
print("\nanother neuron:", checked.cause)

# %% [markdown]
# The library with another neuron passes, and yet `rs.check` disagrees, from the *loss* on. Both
# verdicts are right: it is the gradient of its loss, and its loss is not that of the case. So the
# two questions are different ones: "is it a gradient?" and "is it a gradient of *this*?"
#
# (The cause names the other reset: *unleaked subtraction* leaves $\lambda u - \theta s$, which is
# `rs.Subtract()`. *Leaked subtraction* leaves $\lambda (u - \theta s)$, `rs.Subtract(leaked=True)`:
# the soft reset of SpikingJelly, `v_reset=None`.)

# %%
assert kinds["wrong"] == (False, "NONE")
assert kinds["right"] == (True, "GRADIENT")
assert kinds["another neuron"] == (False, "GRADIENT")
assert not checked.stages[0].agrees  # the loss
assert "unleaked subtraction" in str(checked.cause)
left = [rs.Subtract(leaked=leaked)(0.9, 1.0, 2.0, 1.0) for leaked in (False, True)]  # theta 1, u 2
assert np.allclose(left, [0.9 * 2.0 - 1.0, 0.9 * (2.0 - 1.0)])

# %% [markdown]
# ## 6. Your network, and many cases
#
# Adapters read a module of SpikingJelly, snnTorch, Norse, Sinabs, PyTorch or JAX into a case and
# wrap it as a function. With `pip install ".[peers]"` (the course itself needs no framework):
#
# ```python
# from refsast.crosscheck.adapters import spikingjelly as library  # or snntorch, norse, ...
#
# case = rs.harder(library.case_of(net, x, y, gain=10.0))  # x: (time, batch, inputs), y: labels
# print(rs.check(library.wrap(net, case), case))  # logits: 10 times the mean spike
# ```
#
# Convolutions are read, too, and BatchNorm in evaluation. What cannot be read, such as BatchNorm or
# Dropout in training, is refused by name, with a way out; another loss is compared if you name it.
# `docs/guides/check_spikingjelly.md` and its neighbours do it step by step, a detached reset, a
# forgotten `reset_net` and your own training step included. snnTorch's verdict is the one that we
# know: *reset detached*. It does so always, and on purpose: it is what its authors want, and it
# trains. Whoever wants to know about everything *else* asks with `case_of(..., detach_reset=True)`.
# `docs/peers.md` has a table of six libraries in 33 modes.
#
# A network of 2312-256-10 neurons, 20 steps and 32 recordings is checked in a second or two if its
# gradient is right, and in some ten seconds if a cause must be looked for. In float32 it is
# decided, too: there an error of $3 \cdot 10^{-5}$ of an array shows.
#
# One case is one case. `REFSAST_IMPL=package:factory pytest --pyargs
# refsast.crosscheck.conformance` draws many networks and shrinks a failure to the smallest one that
# still shows it. A green suite says that nobody found a counterexample among what was drawn; its
# report names what was never drawn and what it cannot ask (`docs/conformance.md`).

# %% [markdown]
# ## What we now know
#
# A wrong gradient can train as well as the right one, at a cosine of 0.99 or 0.9999. `rs.check`
# tells them apart, names the mistake where one change gives every number, and says so where none
# does. "Agrees" speaks of what was returned, on this case, and *power* says which faults would have
# been missed: with one time step, most. `rs.integrable` needs no reference and answers another
# question.
#
# The code: `refsast/crosscheck/check.py`, `refsast/crosscheck/power.py`,
# `refsast/crosscheck/diagnose/` (causes and places), `refsast/crosscheck/conformance/`. Pages:
# `docs/crosscheck.md`, `docs/conformance.md`. Next: `14_deployment`.

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1
#
# A mistake in the forward pass: let the first layer have slope 3 where the case says 2, forwards
# and backwards. Which lines of the report change? Guess what `rs.integrable` says.

# %% tags=["solution"]
# The loss is wrong, too, and the first wrong place is a state, not an adjoint. It is a gradient.
steep = replace(network, neuron=(rs.LIF(0.9, 1.0, rs.Arctan(3.0)), network.neuron))
steeper = partial(rs.bptt.loss_and_grad, steep)
found = rs.check(steeper, case)
print(found.first, found.cause, sep="\n")
assert not found.stages[0].agrees
assert "state of layer 1, step 1" in str(found.first)
assert "slope 3 in place of 2 in layer 1" in str(found.cause)
assert rs.integrable(steeper, case, rng=np.random.default_rng(0)).kind.name == "GRADIENT"

# %% [markdown]
# ### Exercise 2
#
# Many libraries keep the states of a layer from call to call, unless they are reset. Imitate this:
# write a box whose input grows a little with each call, and see what both tests say.


# %% tags=["solution"]
# Neither speaks of gradients: the same question got two answers, and then nothing else means much.
kept = [0.0]


def remembers(params, x, y):
    loss, grads = exact(params, x + kept[0], y)
    kept[0] += 0.1  # as a state would, it changes what comes next
    return loss, grads


found = rs.check(remembers, case)
assert not found.repeated
assert found.verdict == "DISAGREES"
verdict = rs.integrable(remembers, case, rng=np.random.default_rng(0))
assert verdict.kind.name == "UNREPEATABLE"

# %% [markdown]
# ### Exercise 3
#
# How small an error shows? Multiply the right gradient by $1 + \epsilon$, in float64 and rounded to
# float32, and find from which $\epsilon$ on the check disagrees. Compare with `report.resolution`.


# %% tags=["solution"]
def nearly(size, dtype):
    def box(params, x, y):
        loss, grads = exact(params, x, y)
        w = (1.0 + size) * rs.flatten(grads)
        return loss, rs.unflatten(network, w.astype(dtype))

    return box


sizes = 10.0 ** np.arange(-16, -2)
for dtype in (np.float64, np.float32):
    seen = [rs.check(nearly(size, dtype), case).verdict == "DISAGREES" for size in sizes]
    smallest, report = sizes[np.argmax(seen)], rs.check(nearly(0.0, dtype), case)
    print(f"{dtype.__name__}: {smallest:.0e} is seen, resolution {report.resolution[1]:.0e}")
    assert report.agrees
    assert 0.01 * report.resolution[1] < smallest < 10.0 * report.resolution[1]
