# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

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
import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

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
        grads.insert(0, {"w": np.einsum("tbn,tbm->nm", adjoint, a), "b": adjoint.sum(axis=(0, 1))})
        in_s = adjoint @ layer.w
    return -np.log(p[np.arange(len(y)), y]).mean(), grads


# %% [markdown]
# Does it train? A small task: which of the first three of six inputs fired most often? We take
# plain steps of bounded length with this gradient and, for comparison, with the exact one.

# %%
rng = np.random.default_rng(0)
network = rs.Network((6, 8, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(8.0))
w = 2.0 * rs.flatten(rs.init(network, rng))
task = (rng.random((12, 60, 6)) < 0.4).astype(float)
most = task[:, :, :3].sum(axis=0).argmax(axis=1)


def mine(params, x, y):
    return gradient(network, wrong, params, x, y)


def exact(params, x, y):
    return rs.bptt.loss_and_grad(network, params, x, y)


def flat(grads):
    """Gradients as one vector, whichever way they come."""
    layers = [g if isinstance(g, dict) else {"w": g.w, "b": g.b} for g in grads]
    return rs.flatten(tuple(rs.Layer(g["w"], g["b"]) for g in layers))


def descend(box, w, steps=200):
    losses = []
    for _ in range(steps):
        loss, grads = box(rs.unflatten(network, w), task, most)
        g = flat(grads)
        losses, w = [*losses, loss], w - 0.05 * g / (1.0 + np.linalg.norm(g))
    return losses


curves = {"this library": descend(mine, w), "exact": descend(exact, w)}

# %%
figure, axis = plt.subplots(figsize=(6.6, 3.4))
for (name, losses), colour, style in zip(curves.items(), (RED, BLUE), ("-", "--"), strict=True):
    axis.plot(losses, style, color=colour, label=name)
axis.set(xlabel="step", ylabel="loss (nats)", ylim=(0.0, None))
axis.legend()
plt.show()

# %% [markdown]
# It trains. In this run it even ends *below* the exact gradient, and the two first gradients point
# in nearly the same direction. Nobody will file a bug. (That it ends lower proves nothing about
# other runs; it proves that a falling loss is no evidence of a right gradient.)

# %%
first = [flat(box(rs.unflatten(network, w), task, most)[1]) for box in (mine, exact)]
cosine = first[0] @ first[1] / np.linalg.norm(first[0]) / np.linalg.norm(first[1])
print(f"cosine of the two gradients {cosine:.4f}")
assert cosine > 0.95
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
# - **DISAGREES**: some number is further from the right one than rounding can explain, twice. The
#   tolerance is computed for every entry of this very case; there is no 1e-5 that somebody chose.
# - *loss agrees, gradients WRONG*: so the forward pass is right. Not one figure of the loss
#   differs.
# - *first wrong*: going backwards, from the last step. The last adjoint is still right, since
#   nothing follows it. (Layers, steps and recordings count from 1, array indices from 0.)
# - *cause*: the reference with one thing changed gives **every** number of ours, to rounding. It is
#   named only then; where several changes give the same numbers, all are named.
# - *resolution*, *compared*, *power*: what this could have seen. We come back to them.
#
# The cause is a whole network, so it has adjoints that we never returned. We draw how far they are
# off, in units of the tolerance, step by step.

# %%
adjoints = next(stage for stage in report.simulated if stage.name == "adjoints")
figure, axis = plt.subplots(figsize=(6.6, 3.4))
for i, ((_, errors), colour) in enumerate(zip(adjoints.errors, (BLUE, YELLOW), strict=True)):
    worst = errors.max(axis=(1, 2))
    axis.semilogy(np.arange(1, 13), worst, "o-", color=colour, label=f"layer {i + 1}")
axis.axhline(1.0, color="black", linewidth=0.8, label="tolerance: above, it is wrong")
axis.set(xlabel="step", ylabel="largest error of an adjoint / tolerance")
axis.legend(loc="center left")
plt.show()

# %% [markdown]
# In the last step both layers are right, to a small part of the tolerance; one step before they are
# wrong by some fourteen powers of ten. There is no grey zone between "rounding" and "wrong" here:
# that is what float64 and a computed tolerance buy.

# %%
last = [errors[-1].max() for _, errors in adjoints.errors]
earlier = [errors[:-1].max(axis=(1, 2)).min() for _, errors in adjoints.errors]
assert max(last) < 1.0 < 1e8 < min(earlier)
assert report.verdict == "DISAGREES"
assert report.cause.name == "reset detached"
assert [stage.agrees for stage in report.stages] == [True, False]

# %% [markdown]
# ## 3. Six mistakes
#
# Is "reset detached" the one thing that it knows? We mend the library, and make five other
# mistakes in the same two numbers.


# %%
def right(neuron, u, s):
    return neuron.leak * (1.0 - s), -neuron.leak * u


def box_of(carried, network=network):
    return lambda params, x, y: gradient(network, carried, params, x, y)


faults = {
    "right": right,
    "wrong": wrong,
    "sign": lambda neuron, u, s: (neuron.leak * (1.0 - s), neuron.leak * u),
    "no leak": lambda neuron, u, s: (neuron.leak * (1.0 - s), -u),
    "no factor": lambda neuron, u, s: (neuron.leak + 0.0 * s, -neuron.leak * u),
    "nothing": lambda neuron, u, s: (0.0 * s, 0.0 * s),
    "swapped": lambda neuron, u, s: (-neuron.leak * u, neuron.leak * (1.0 - s)),
}
reports = {name: rs.check(box_of(fault), case) for name, fault in faults.items()}
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
# Left: the cosine, by which gradients are often compared. For the forgotten leak it is
# 0.9999: the plot shows no difference to the right one. Right: the error in units of what rounding
# may do. Here one bar stands to the left of the line, and six stand far to the right.
#
# Five causes are named as we planted them. For `swapped` it says that *no known cause fits*. That
# is an answer, too: it would have been easy to print the nearest cause, and it would be false.

# %%
assert reports["right"].agrees
assert [name for name, each in reports.items() if each.agrees] == ["right"]
assert ours["no leak"].cosine > 0.999
assert min(stage.error for name, stage in ours.items() if name != "right") > 1e8
assert "1/leak" in str(reports["no leak"].cause)
assert "no known cause" in str(reports["swapped"].cause)
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
# the neurons fire. We ask with one to twelve steps, and then harder.

# %%
lengths = np.arange(1, 13)
asked = [rs.check(mine, replace(case, x=case.x[:n])) for n in lengths]
worst = [each.stages[1].error for each in asked]
unseen = [len(each.power.unseen) for each in asked]
harder = rs.check(mine, rs.harder(short))

figure, (top, bottom) = plt.subplots(2, 1, figsize=(6.6, 4.6), sharex=True)
colours = [BLUE if each.agrees else RED for each in asked]
top.scatter(lengths, worst, color=colours, zorder=3)
top.axhline(1.0, color="black", linewidth=0.8, label="below: agrees")
top.set(yscale="log", ylabel="error / tolerance")
top.legend(loc="center right")
bottom.bar(lengths, unseen, color=GREY)
bottom.set(
    xlabel="steps of the question", ylabel="planted faults\nthat would not show", ylim=(0, 6)
)
plt.show()

# %% [markdown]
# Two steps are enough here: none of the six faults would stay hidden. With one step the verdict is
# worth little, and the report says so before anybody is hurt.

# %%
print(f"harder: {harder.verdict}, {len(harder.case.x)} steps; {harder.power}")
assert asked[0].agrees
assert "reset detached in layer 1" in asked[0].power.unseen
assert len(asked[0].power.unseen) == 4
assert not any(each.agrees for each in asked[1:])
assert harder.verdict == "DISAGREES"
assert harder.power.unseen == ()

# %% [markdown]
# There is a third verdict. Take hard spikes forwards (`hard=True`, as most libraries have it), and
# weights so small that no neuron fires. Then nearly any library gives the same numbers. The verdict
# is *undecided*, with the reason and a way out; `report.agrees` is False.

# %%
quiet = rs.Case(network, rs.unflatten(network, 0.05 * w), case.x, case.y, hard=True, name="quiet")


def usual(params, x, y):
    return rs.straight_through(network, params, x, y)


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


def subtracting(params, x, y):
    return rs.bptt.loss_and_grad(other, params, x, y)


boxes = {"wrong": mine, "right": box_of(right), "another neuron": subtracting}
pairs = {
    name: (rs.check(box, case), rs.integrable(box, case, rng=np.random.default_rng(0)))
    for name, box in boxes.items()
}
for name, (checked, verdict) in pairs.items():
    print(f"{name:15s}check: {checked.verdict:10s} integrable: {verdict.kind.value}")
print("\nanother neuron:", pairs["another neuron"][0].cause)

# %% [markdown]
# The library with another neuron passes, and yet `rs.check` disagrees, from the *loss* on. Both
# verdicts are right: it is the gradient of its loss, and its loss is not that of the case. So the
# two questions are different ones: "is it a gradient?" and "is it a gradient of *this*?"

# %%
kinds = {name: (checked.agrees, v.kind.name) for name, (checked, v) in pairs.items()}
assert kinds["wrong"] == (False, "NONE")
assert kinds["right"] == (True, "GRADIENT")
assert kinds["another neuron"] == (False, "GRADIENT")
assert not pairs["another neuron"][0].stages[0].agrees  # the loss
assert "subtraction" in str(pairs["another neuron"][0].cause)

# %% [markdown]
# ## 6. The whole suite, from a cell
#
# One case is one case. The conformance suite draws many networks, coarse and stretched,
# and shrinks a failure to the smallest network that still shows it. It wants a module with a
# *factory*, which gets a case and returns a gradient, and **refuses what it does not have**. What
# it does not refuse it claims to have.

# %%
FACTORY = """
def factory(case):
    network = case.network
    if network.recurrent or case.synapse or case.hard or not network.bias:
        raise rs.Unsupported("smooth, feed-forward, with biases")
    if not isinstance(network.readout, rs.SpikeRate):
        raise rs.Unsupported("spike rates")
    if any(n.reset != rs.ToZero() or n.detach_reset for n in network.neurons):
        raise rs.Unsupported("reset to zero")
    return lambda params, x, y: gradient(network, CARRIED, params, x, y)
"""


def suite(carried, *options):
    """Run the suite on this notebook's functions and return its report."""
    parts = [inspect.getsource(each) for each in (forward, carried, backward, gradient)]
    imports = "import numpy as np\nimport refsast as rs\n"
    lines = [imports, *parts, f"CARRIED = {carried.__name__}", FACTORY]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    settings = {"IMPL": "mine:factory", "EXAMPLES": "10", "REPORT": "report.json"}
    env = os.environ | {f"REFSAST_{name}": value for name, value in settings.items()}
    with TemporaryDirectory() as folder:
        Path(folder, "mine.py").write_text("\n".join(lines))
        run += ["--pyargs", "refsast.crosscheck.conformance"]
        subprocess.run(run, cwd=folder, env=env, capture_output=True, check=False)
        return json.loads(Path(folder, "report.json").read_text())


passed, failed = suite(right), suite(wrong, "-m", "one_step or gradient")
for name, found in (("right", passed), ("wrong", failed)):
    for level, facts in found["levels"].items():
        if facts["tried"]:
            print(f"{name}  {level:10s}{facts['passed']} passed, {facts['failed']} failed")

# %%
smallest = failed["levels"]["gradient"]["first_failure"]
print(smallest["case"], smallest["cause"], sep="\n\ncause: ")
assert sum(level["failed"] for level in passed["levels"].values()) == 0
assert passed["levels"]["gradient"]["tried"] >= 10
assert failed["levels"]["one_step"]["failed"] == 0  # one step shows nothing, again
assert failed["levels"]["gradient"]["failed"] >= 1

# %% [markdown]
# The suite finds the smallest network that shows the mistake: one input, two neurons, two steps,
# with weights that one can calculate by hand, as Python text to paste. And the level of one step
# passes for the wrong library, as in section 4: it cannot show there.
#
# What does a green suite say? That nobody found a counterexample among what was drawn. The report
# names what was never drawn, and what the suite cannot ask.

# %%
print("never drawn:", ", ".join(passed["never_drawn"]["refused by the factory"]))
print("never asked:", passed["never_asked"])
assert passed["kinds"]["smooth"]["offered"] < passed["kinds"]["smooth"]["of"]
assert "recurrent yes" in passed["never_drawn"]["refused by the factory"]

# %% [markdown]
# ## 7. A released library
#
# Adapters read a module of snnTorch, SpikingJelly, Norse, Sinabs, PyTorch or JAX into a case and
# wrap it as a function. This cell is text, since the course needs no framework; with
# `pip install ".[peers]"` it runs after the cells above:
#
# ```python
# try:
#     from refsast.crosscheck.adapters import snntorch as library
# except ImportError:
#     print("snnTorch is not installed")
# else:
#     net = Net()  # yours: Linear(6, 8), snn.Leaky(beta=0.9), Linear(8, 3), snn.Leaky(beta=0.9)
#     theirs = library.case_of(net, case.x, case.y, gain=8.0)
#     print(rs.check(library.wrap(net, theirs), rs.harder(theirs)))
# ```
#
# (`docs/crosscheck.md` has the whole module.) snnTorch's verdict is the one that we know: *reset
# detached*. It does so always, and on purpose. Its gradient is not that of the network; it is what
# its authors want, and it trains. `docs/peers.md` has a table of six libraries in 33 modes, made by
# one command. Whoever wants to know about everything *else* asks with
# `case_of(..., detach_reset=True)`.

# %% [markdown]
# ## What we now know
#
# A wrong gradient can train as well as the right one, at a cosine of 0.99 or 0.9999. `rs.check`
# tells them apart, names the mistake where one change gives every number, and says so where none
# does. "Agrees" speaks of what was returned, on this case, and *power* says which faults would have
# been missed: with one time step, most. `rs.integrable` needs no reference and answers another
# question. A suite draws many cases, and is silent about what was refused or cannot be asked.
#
# The code: `refsast/crosscheck/check.py`, `refsast/crosscheck/power.py`,
# `refsast/crosscheck/diagnose/` (causes and places), `refsast/crosscheck/conformance/`. Pages:
# `docs/crosscheck.md`, `docs/conformance.md`. Next: `15_refute_a_theorem`.

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


def steeper(params, x, y):
    return rs.bptt.loss_and_grad(steep, params, x, y)


found = rs.check(steeper, case)
print(found.first, found.cause, sep="\n")
assert not found.stages[0].agrees
assert "state of layer 1, step 1" in str(found.first)
assert "slope 3 in place of 2 in layer 1" in str(found.cause)
assert rs.integrable(steeper, case, rng=np.random.default_rng(0)).kind.name == "GRADIENT"

# %% [markdown]
# ### Exercise 2
#
# Many libraries keep the states of a layer from call to call, unless they are reset. Write a box
# whose first potential is what the last call left, and see what both tests say.


# %% tags=["solution"]
# Neither speaks of gradients: the same question got two answers, and then nothing else means much.
kept = [0.0]


def forgetful(params, x, y):
    loss, grads = exact(params, x + kept[0], y)
    kept[0] += 0.1  # as a state would, it changes what comes next
    return loss, grads


found = rs.check(forgetful, case)
assert not found.repeated
assert found.verdict == "DISAGREES"
verdict = rs.integrable(forgetful, case, rng=np.random.default_rng(0))
assert verdict.kind.name == "UNREPEATABLE"

# %% [markdown]
# ### Exercise 3
#
# How small an error shows? Multiply the right gradient by $1 + \epsilon$, in float64 and rounded to
# float32, and find from which $\epsilon$ on the check disagrees. Compare with `report.resolution`.


# %% tags=["solution"]
def nearly(epsilon, dtype):
    def box(params, x, y):
        loss, grads = exact(params, x, y)
        return loss, [
            {n: ((1.0 + epsilon) * getattr(g, n)).astype(dtype) for n in "wb"} for g in grads
        ]

    return box


for dtype in (np.float64, np.float32):
    sizes = 10.0 ** np.arange(-16, -2)
    seen = [rs.check(nearly(size, dtype), case).verdict == "DISAGREES" for size in sizes]
    smallest_seen, (_, share) = (
        sizes[np.argmax(seen)],
        rs.check(nearly(0.0, dtype), case).resolution,
    )
    print(f"{dtype.__name__}: {smallest_seen:.0e} is seen, resolution {share:.0e}")
    assert rs.check(nearly(0.0, dtype), case).agrees
    assert 0.01 * share < smallest_seen < 10.0 * share
