# %% [markdown]
# # Surrogates: exact, biased, and a test that tells which
#
# Everybody who trains spiking networks uses a *surrogate*: some smooth curve in place of the step.
# But there are several ways to use one, and they do not compute the same thing. One of them gives
# the gradient of a loss. Others give vectors that look like gradients, train networks, and are the
# gradient of **nothing**: no function, however strange, has them as its slope.
#
# Can one tell from outside, given only the answers? Yes. This notebook builds the test, and shows
# you a staircase that leads down all the way round, back to where it began.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import refsast as rs

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, VIOLET = [f"C{i}" for i in range(6)]

# %% [markdown]
# ## 1. Three candidates
#
# - **exact**: smooth spikes forwards, their derivative backwards. This is SAST's choice.
# - **straight-through**: hard spikes forwards, the derivative of the smooth ones backwards. This is
#   the usual way in libraries, which call it the *surrogate gradient*, or estimate.
# - **detached**: smooth both ways, but the backward pass pretends that the reset does not depend on
#   the spike (the missing red route of notebook 03).
#
# For all three, a *field* is a function from the weights to a loss and a vector.

# %%
rng = np.random.default_rng(0)
neuron = rs.LIF(0.9, 1.0, rs.Arctan(4.0))
network = rs.Network((6, 8, 3), neuron, rs.SpikeRate(8.0))
w = 2.0 * rs.flatten(rs.init(network, rng))
x, y = (rng.random((12, 10, 6)) < 0.4).astype(float), rng.integers(3, size=10)
COLOURS = {"exact": BLUE, "straight-through": RED, "detached": YELLOW}


def answer(name, network, params, x, y):
    if name == "straight-through":
        return rs.straight_through(network, params, x, y)
    if name == "detached":
        network = replace(network, neuron=replace(network.neuron, detach_reset=True))
    return rs.fast.loss_and_grad(network, params, x, y)


def field(name, w):
    loss, grads = answer(name, network, rs.unflatten(network, w), x, y)
    return float(loss), rs.flatten(grads)


def cosine(p, q):
    return p @ q / np.linalg.norm(p) / np.linalg.norm(q)


vectors = {name: field(name, w)[1] for name in COLOURS}
for name, vector in vectors.items():
    loss, to_exact = field(name, w)[0], cosine(vector, vectors["exact"])
    print(f"{name:17s}loss {loss:.3f}, norm {np.linalg.norm(vector):5.2f}, cosine {to_exact:.3f}")
assert min(cosine(vector, vectors["exact"]) for vector in vectors.values()) > 0.97

# %% [markdown]
# All cosines are above 0.97. By them, as gradients are often compared, all is well.
#
# ## 2. First question: is it the gradient of its own loss?
#
# A gradient $g$ predicts: along a direction $d$ the loss changes by $h \langle g, d \rangle$ for
# small $h$. What the prediction leaves over, $R(h) = |f(w + h d) - f(w) - h \langle g, d \rangle|$,
# must shrink with $h^2$. If it shrinks only with $h$, then $g$ has a wrong component along $d$. We
# fit the power of $h$.

# %%
d = rng.normal(size=w.size)
d /= np.linalg.norm(d)
h = np.logspace(-5, -3.5, 4)
orders = {}
for name, vector in vectors.items():
    changes = np.array([field(name, w + e * d)[0] for e in h]) - field(name, w)[0]
    rest = np.abs(changes - h * (vector @ d))
    orders[name] = np.polyfit(np.log(h), np.log(rest), 1)[0]
print({name: f"power {order:.2f}" for name, order in orders.items()})
assert abs(orders["exact"] - 2.0) < 0.05
assert abs(orders["detached"] - 1.0) < 0.05
assert abs(orders["straight-through"] - 1.0) < 0.05

# %% [markdown]
# Only the exact one passes. But perhaps the others are gradients of *another* loss, a sensible one
# that nobody has written down? Then they would still lead downhill somewhere, to a minimum, and all
# theory would hold for that loss. It is a fair question, and this test cannot answer it.
#
# ## 3. Second question: is it the gradient of anything?
#
# Think of a mountain and a path on it that ends where it began. Up and down must cancel: you return
# at the height at which you left. In formulas, for a gradient of whatever function,
#
# $$\oint \langle g(w), dw \rangle = 0 \quad \text{on every closed path.}$$
#
# So walk in a circle and add up what the field claims. No loss is needed, only the vectors. We do
# it on twelve small circles around $w$, each in a random plane. (For a smooth field on a circle, a
# plain sum over equal angles is exact to rounding after a few dozen points.) We divide by the sum
# of magnitudes, so that 1 would mean "all one way".

# %%
angles = np.linspace(0.0, 2.0 * np.pi, 120, endpoint=False)
around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
tangents = np.stack([-np.sin(angles), np.cos(angles)], axis=1)


def climb(name, plane, radius):
    """The slope that the field claims along a circle, at each angle."""
    claims = np.array([field(name, w + radius * place @ plane)[1] for place in around])
    return np.sum(claims @ plane.T * tangents, axis=1)


planes = [np.linalg.qr(rng.normal(size=(w.size, 2)))[0].T for _ in range(12)]
walks = {name: [climb(name, plane, 0.1) for plane in planes] for name in COLOURS}
work = {n: np.array([abs(c.sum()) / np.abs(c).sum() for c in walks[n]]) for n in COLOURS}

figure, axis = plt.subplots(figsize=(7, 3.6))
for name, values in work.items():
    axis.semilogy(np.arange(1, 13), np.maximum(values, 1e-18), "o", color=COLOURS[name], label=name)
axis.set(xlabel="circle", ylabel="net climb / sum of magnitudes", ylim=(1e-18, 10))
axis.legend(loc="center right")
plt.show()

# %% [markdown]
# The exact field's largest net climb is $3 \cdot 10^{-15}$, the smallest of the others $2 \cdot
# 10^{-3}$: nearly twelve orders at the least. The exact field returns to its height, to rounding.
# The other two come back higher or lower than they left: **they are gradients of nothing**. There
# is no loss that they descend. Their cosine of 0.98 did not show it. (Straight-through jumps where
# a spike flips, and its sum is rough there. Exercise 2 asks between two jumps: the same answer.)

# %%
print({name: f"{values.min():.0e} to {values.max():.0e}" for name, values in work.items()})
assert work["exact"].max() < 1e-13
assert work["detached"].min() > 1e-3
assert work["straight-through"].min() > 5e-3

# %% [markdown]
# ## 4. A staircase that leads down for ever
#
# How bad can it be? A circle on which the field says "downhill" at **every** point would be the
# endless staircase that Penrose and Escher drew. Let us look for one. On a small circle the field
# is nearly linear, so its matrix of derivatives $J$ decides: a symmetric part, as of a mountain,
# and an antisymmetric part that turns. We take the eight directions in which it turns most, at a
# right angle to the vector at $w$ itself, draw planes among them, and keep the one in which turning
# beats all else.

# %%
nudges = 1e-4 * np.eye(w.size)
J = np.array([field("detached", w + e)[1] - field("detached", w - e)[1] for e in nudges]).T / 2e-4
along = vectors["detached"] / np.linalg.norm(vectors["detached"])
off = np.eye(w.size) - np.outer(along, along)  # takes away what lies along the vector at w
turns = np.linalg.svd(off @ (J - J.T) @ off)[0][:, :8]


def turning(plane):
    """Rotation of the field in a plane, divided by the anisotropy of its symmetric part."""
    (a, b), (c, d) = plane @ J @ plane.T
    return abs(b - c) / np.hypot(a - d, b + c)


radius = 0.01
drawn = [np.linalg.qr(turns @ rng.normal(size=(8, 2)))[0].T for _ in range(6000)]
candidates = [plane[::way] for plane in sorted(drawn, key=turning)[-10:] for way in (1, -1)]
plane = min(candidates, key=lambda plane: climb("detached", plane, radius).max())
slopes = {name: climb(name, plane, radius) for name in ("exact", "detached")}

grid = np.linspace(-1.5 * radius, 1.5 * radius, 13)
figure, axes = plt.subplots(1, 3, figsize=(12, 4), width_ratios=(1, 1, 1.2))
for axis, name in zip(axes, slopes, strict=False):
    arrows = np.array([[-plane @ field(name, w + [a, b] @ plane)[1] for a in grid] for b in grid])
    axis.quiver(grid, grid, *np.moveaxis(arrows, 2, 0), color=COLOURS[name])
    axis.plot(*(radius * np.vstack([around, around[:1]])).T, color="black", linewidth=1)
    axis.set(title=f"{name}: 'downhill'", xlabel="first direction", aspect="equal")
    axis.set(xticks=(-0.01, 0.0, 0.01), yticks=(-0.01, 0.0, 0.01))
    axis.grid(visible=False)
    heights = radius * np.cumsum(slopes[name]) * (angles[1] - angles[0])
    axes[2].plot(np.degrees(angles), 1e3 * heights, color=COLOURS[name], label=name)
axes[0].set_ylabel("second direction (units of the weights)")
axes[2].axhline(0.0, color="black", linewidth=0.8)
axes[2].set(xlabel="angle on the circle (degrees)", ylabel="claimed height (1e-3 nats)")
axes[2].set(xticks=(0, 90, 180, 270, 360))
axes[2].legend()
plt.show()

# %% [markdown]
# The arrows show "downhill" as each field claims it, in the plane; both have the same network, the
# same weights and the same loss. On the left, arrows of a real landscape. In the middle they turn:
# walk along the circle and it is downhill at every single step, until you stand where you began. On
# the right, the claimed height along the walk: the exact field returns to zero, the detached one
# falls all the way. A method that followed this field with small steps in this plane would walk in
# circles and report progress.

# %%
lowest, highest = slopes["detached"].min(), slopes["detached"].max()
print(f"detached: the slope on the circle lies between {lowest:.3f} and {highest:.3f}")
assert slopes["detached"].max() < 0.0  # downhill everywhere
assert slopes["exact"].min() < 0.0 < slopes["exact"].max()
assert abs(slopes["exact"].sum()) < 1e-9 * np.abs(slopes["exact"]).sum()

# %% [markdown]
# ## 5. The test as a tool
#
# `rs.integrable` asks both questions of any black box, with an estimate of what rounding could have
# done, and answers in words. It needs no reference. We hand it six boxes: our three; twice the
# gradient; the gradient with a weight decay that the loss does not have; and the gradient of a
# smooth spike whose *derivative* was taken from another slope, a popular "trick". (A network of
# PyTorch, SpikingJelly or snnTorch becomes a box by `library.wrap(net, case)`: notebook 13. Build
# it with smooth spikes, in SpikingJelly `ATan(spiking=False)`.)


# %%
class Mixed(rs.Arctan):
    def derivative(self, v):
        return rs.Arctan(2.0).derivative(v)


mixed = replace(network, neuron=replace(neuron, spike=Mixed(4.0)))


def changed(change):
    def box(params, x, y):
        loss, grads = rs.fast.loss_and_grad(network, params, x, y)
        return loss, rs.unflatten(network, change(rs.flatten(grads), rs.flatten(params)))

    return box


boxes = {name: lambda p, x, y, name=name: answer(name, network, p, x, y) for name in COLOURS}
boxes["doubled"] = changed(lambda g, w: 2.0 * g)
boxes["with weight decay"] = changed(lambda g, w: g + 0.1 * w)
boxes |= {"another slope backwards": lambda p, x, y: rs.bptt.loss_and_grad(mixed, p, x, y)}
case = rs.Case(network, rs.unflatten(network, w), x, y)
verdicts = {n: rs.integrable(b, case, rng=np.random.default_rng(0)) for n, b in boxes.items()}
for name, verdict in verdicts.items():
    print(f"{name:24s}{verdict.kind.value}.{verdict.note}")
kinds = {name: verdict.kind.name for name, verdict in verdicts.items()}
assert kinds.pop("exact") == "GRADIENT"
assert kinds.pop("doubled") == kinds.pop("with weight decay") == "OTHER"
assert list(kinds.values()) == ["NONE"] * 3
assert np.isclose(verdicts["doubled"].factor, 2.0, rtol=1e-6)

# %% [markdown]
# The doubled one and the one with weight decay are gradients, only of another loss ($2f$, and $f +
# 0.05\,|w|^2$): harmless, if you know. The other three are gradients of nothing.
#
# What can `rs.integrable` miss? It walks along a few random circles about these weights, so an
# error that none of them meets stays unseen. And a consistent mistake is none for it: a network
# with a wrong leak, and the right gradient of *that* network's loss, passes. For this there is
# `rs.check`, which has a reference, and names the cause (notebook 13).
#
# ## 6. How far off? It depends on the slope
#
# So far the biased vectors pointed nearly where the gradient points. That was the gentle slope. Now
# we draw forty networks, batches and labels for each of six slopes, and look at the cosines.

# %%
slopes_drawn = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def drawn_cosines(slope):
    other = replace(network, neuron=replace(neuron, spike=rs.Arctan(slope)))
    params = rs.unflatten(other, 2.0 * rs.flatten(rs.init(other, rng)))
    batch = (rng.random((12, 10, 6)) < 0.4).astype(float), rng.integers(3, size=10)
    exact, *rest = (rs.flatten(answer(name, other, params, *batch)[1]) for name in COLOURS)
    return [cosine(vector, exact) for vector in rest]


cosines = np.array([[drawn_cosines(slope) for _ in range(40)] for slope in slopes_drawn])
figure, axis = plt.subplots(figsize=(7, 3.8))
for i, name in enumerate(("straight-through", "detached")):
    low, middle, high = np.percentile(cosines[:, :, i], (5, 50, 95), axis=1)
    axis.semilogx(slopes_drawn, middle, "o-", color=COLOURS[name], label=f"{name}: median")
    axis.fill_between(slopes_drawn, low, high, color=COLOURS[name], alpha=0.2, linewidth=0)
axis.axhline(0.0, color="black", linewidth=0.8)
axis.set(xlabel="slope of the surrogate (per threshold)", ylabel="cosine to the exact gradient")
axis.set_xticks(slopes_drawn, [f"{slope:g}" for slope in slopes_drawn])
axis.set_ylim(-1.0, 1.05)
axis.legend(loc="lower left")
plt.show()

# %% [markdown]
# (Bands hold nine tenths of the draws.) Up to slope 4 the medians stay above 0.9. Some
# straight-through vectors stray even there: with gentle spikes the smooth network is far from the
# hard one through which they were computed. From slope 8 on, more than one network in ten has a
# straight-through vector that points **against** the exact gradient: a step that one calls down,
# the other calls up. Which of them is wrong? The exact one is right about the smooth loss. About
# the hard loss neither is: its gradient is zero. So "biased" speaks of the smooth loss only.

# %%
share = (cosines < 0.0).mean(axis=1)
print({slope: f"{100 * part[0]:.0f} %" for slope, part in zip(slopes_drawn, share, strict=True)})
assert np.median(cosines[:3], axis=1).min() > 0.9
assert share[:3].max() < 0.1
assert share[3:, 0].min() > 0.1
assert cosines[-1, :, 0].min() < -0.5

# %% [markdown]
# ## 7. Biased is not useless
#
# It would be easy to stop here. But these vectors do train networks. We give the same small task to
# all three, with plain steps of bounded length and eight seeds, and look at the loss of the hard
# network, the one that would be deployed.

# %%
taught = (rng.random((12, 60, 6)) < 0.4).astype(float)
answers = taught[:, :, :3].sum(axis=0).argmax(axis=1)  # which of three inputs fired most


def train(name, seed, steps=150):
    w = 2.0 * rs.flatten(rs.init(network, seed))
    for _ in range(steps):
        g = rs.flatten(answer(name, network, rs.unflatten(network, w), taught, answers)[1])
        w = w - 0.05 * g / (1.0 + np.linalg.norm(g))
    return float(rs.straight_through(network, rs.unflatten(network, w), taught, answers)[0])


before = np.median([train("exact", seed, steps=0) for seed in range(8)])
after = {name: np.median([train(name, seed) for seed in range(8)]) for name in COLOURS}
print(f"median loss before {before:.2f},", {n: f"after {loss:.2f}" for n, loss in after.items()})
assert max(after.values()) < 0.8 * before
assert max(after.values()) < 1.5 * min(after.values())

# %% [markdown]
# All three learn, and none is far ahead; nor at full size, where hard spikes forwards read as well
# as SAST (`docs/transfer_gap.md`). So what does exactness buy? Not a better loss here. It buys
# **knowledge**: a gradient of something has a loss that can be watched, stationary points that mean
# something, a Hessian that is symmetric. SAM asks for the gradient at another point and takes it
# for the slope of the same landscape; theorems about it (notebooks 05 to 08) speak of fields that
# are gradients. Of the other two they say nothing.
#
# ## What we now know
#
# A smooth spike in both passes gives the gradient of a loss. A smooth derivative behind a hard
# spike, a detached reset or a derivative from another curve give fields that are the gradient of
# nothing; a walk around a circle proves it, without any reference, where a cosine of 0.98 says that
# all is well. The error grows with the slope, until vectors point against each other. Biased
# vectors train networks all the same; what they lack is a loss. Which to use? For hard accuracy
# alone, straight-through, or smooth spikes with a modest gain; exact where you use SAM, a Hessian
# or a theorem.
#
# In the code: `refsast/model/surrogate.py` (the curves), `refsast/gradient/fast/loss.py`
# (`straight_through`), `refsast/crosscheck/integrability/` (the test),
# `refsast/crosscheck/diagnose/` (the causes). Next: `05_geometry_of_sam`.

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1
# For which networks is the detached vector exact after all? Find two kinds, and check them.

# %% tags=["solution"]
without = replace(network, neuron=replace(neuron, reset=rs.NoReset()))
for kind, batch in ((network, x[:1]), (without, x)):  # a single step; a neuron that is never reset
    pair = [
        answer(name, kind, rs.unflatten(kind, w), batch, y)[1] for name in ("exact", "detached")
    ]
    assert np.array_equal(*map(rs.flatten, pair))
assert not np.array_equal(vectors["exact"], vectors["detached"])

# %% [markdown]
# ### Exercise 2
# Second derivatives do not depend on the order. So for a gradient $\langle a, J b \rangle = \langle
# b, J a \rangle$ for all directions. Write this test for `field`, with differences for $J b$, and
# apply it to all three. Is it the arctangent's fault? Ask with `rs.Logistic(4.0)`, too.


# %% tags=["solution"]
def asymmetry(name, step=1e-5):
    a, b = rng.normal(size=(2, w.size))
    Ja, Jb = (
        (field(name, w + step * e)[1] - field(name, w - step * e)[1]) / (2.0 * step) for e in (a, b)
    )
    return abs(a @ Jb - b @ Ja) / (np.linalg.norm(a) * np.linalg.norm(Jb))


for spike in (rs.Logistic(4.0), rs.Arctan(4.0)):  # as bad: it is not the curve
    network = replace(network, neuron=replace(neuron, spike=spike))
    measured = {name: np.median([asymmetry(name) for _ in range(20)]) for name in COLOURS}
    print({name: f"{value:.0e}" for name, value in measured.items()})
    assert measured["exact"] < 1e-7 < 1e-3 < min(measured["straight-through"], measured["detached"])

# %% [markdown]
# ### Exercise 3
# A library clips the gradient: entries beyond $\pm c$ become $\pm c$. Is a clipped gradient the
# gradient of anything? And one clipped by its norm? Guess first, then ask `rs.integrable`.

# %% tags=["solution"]
# A clipped gradient is stretched differently along a line of equal loss: circles no longer close.
ways = {
    "entries": lambda g, w: np.clip(g, -0.5, 0.5),
    "norm": lambda g, w: g / max(1.0, np.linalg.norm(g)),
}
for way, clip in ways.items():
    verdict = rs.integrable(changed(clip), case, rng=np.random.default_rng(0))
    print(f"{way}: {verdict.kind.value}")
    assert verdict.kind.name == "NONE"
