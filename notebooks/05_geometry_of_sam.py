# %% [markdown]
# # The geometry of SAM
#
# Sharpness-aware minimisation (SAM) does one thing before each descent step: it walks a distance
# $\rho$ *uphill*, and takes the gradient there. Why should anybody walk uphill to get down?
#
# The usual answer is: to find flat minima. We look at what the algorithm really does, in two
# dimensions, where every step can be drawn. It walks along a valley to its flattest place, as
# promised. But there are starting points from which it never reaches a minimum, and it leaves out a
# term of the gradient that is, on a spiking network and at $\rho = 0.2$, larger than what it keeps.

# %%
import matplotlib.pyplot as plt
import numpy as np

import refsast as rs
from proofs_check.descent.objectives import Risk

plt.style.use("refsast.course")
BLUE, GREY, RED, _, GREEN, _ = plt.rcParams["axes.prop_cycle"].by_key()["color"]

# %% [markdown]
# ## 1. The smallest network that has sharp and flat minima
#
# Two weights, $a$ and $b$, one after the other: the input 1 becomes $a$, and $a$ becomes $ab$. The
# output should be 1, so the loss is
#
# $$f(a, b) = \tfrac12 (ab - 1)^2 .$$
#
# Every point of the curve $ab = 1$ is a perfect solution. But they are not equally *sharp*. On that
# curve the Hessian is $(b, a)^\top (b, a)$, with eigenvalues $0$ along the curve and $a^2 + b^2$
# across it: 2 at $(1, 1)$ and 9.1 at $(3, \tfrac13)$. The loss is the same everywhere on the curve
# and the curvature is not: just what we need to see whether a method cares for flatness.
#
# For `rs.sam` an objective is a function from $w$ to the pair $(f, \nabla f)$. We let plain descent
# ($\rho = 0$) and SAM start from the same point.


# %%
def product_loss(w):
    a, b = w
    return 0.5 * (a * b - 1.0) ** 2, (a * b - 1.0) * np.array([b, a])


def walk(start, rho, steps=3000, eta=0.02):
    path = [np.array(start, float)]
    for _ in range(steps):
        path.append(path[-1] - eta * rs.sam.gradient(product_loss, path[-1], rho=rho))
    return np.array(path)


paths = {rho: walk((3.0, 0.05), rho) for rho in (0.0, 0.05, 0.1, 0.2)}
sharpness = {rho: np.square(path).sum(axis=1) for rho, path in paths.items()}

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2))
side, high = np.linspace(0.3, 3.3, 200), np.linspace(-0.1, 1.6, 200)
heights = 0.5 * (np.outer(high, side) - 1.0) ** 2
left.contour(side, high, heights, (0.001, 0.01, 0.05, 0.2, 0.5, 1, 2), colors=GREY, linewidths=0.7)
left.plot(side, 1.0 / side, color="black", linewidth=0.8, label="minima: ab = 1")
for (rho, path), colour in zip(reversed(paths.items()), (RED, BLUE, GREEN, GREY), strict=True):
    left.plot(*path.T, color=colour, linewidth=1.2, label=f"ρ = {rho}")
    left.plot(*path[-1], "o", color=colour, markersize=8, zorder=3)
    clock = rho**2 * np.arange(3001)
    right.plot(clock, sharpness[rho], color=colour, linewidth=6 - 22 * rho, zorder=2 + rho)
left.set(xlabel="weight a", ylabel="weight b", ylim=(-0.1, 1.6), title="3000 steps from (3, 0.05)")
right.set(xlabel="steps times ρ²", ylabel="sharpness a² + b²", xlim=(-1.0, 40.0))
left.legend()
plt.show()

# %% [markdown]
# Plain descent goes straight down and stops at the first minimum that it meets: its sharpness stays
# at 9.2. SAM arrives at the valley floor, too. Then, where there is nothing left to gain, it goes
# on walking *along* the floor, towards $(1, 1)$, the flattest of all minima. So it is the walk on
# the floor that makes the difference, and not the way down.
#
# The larger $\rho$, the faster. On the right the sharpness is drawn against *steps times* $\rho^2$,
# and the three curves lie on one another: with twice the radius the valley's flat place is reached
# in a quarter of the steps. The reason: with the curvature $h = a^2 + b^2$ across the valley, the
# loss at distance $\rho$ from the floor is $\tfrac12 \rho^2 h$, and that is what SAM walks down. So
# $\rho$ must not be too small; section 3 shows why not too large. Which $\rho$, then? It has the
# unit of the weights, and no formula gives it: one tries a few (0.1, 0.3, 0.5) on held-out
# recordings.

# %%
print({rho: f"ends with sharpness {value[-1]:.2f}" for rho, value in sharpness.items()})
assert np.allclose([sharpness[0.0][-1], sharpness[0.2][-1]], [9.2, 2.0], atol=0.05)
assert all(product_loss(path[-1])[0] < 1e-3 for path in paths.values())
common = np.linspace(0.5, 7.5, 50)
curves = [np.interp(common, r**2 * np.arange(3001), sharpness[r]) for r in (0.05, 0.1, 0.2)]
assert np.abs(np.divide(curves, curves[-1]) - 1.0).max() < 0.02

# %% [markdown]
# ## 2. The ascent step, and how good it is
#
# What SAM would like to minimise is the highest loss within a distance $\rho$, $\max_{|e| \le \rho}
# f(w + e)$. It replaces $f$ by its first-order model $f(w) + \langle \nabla f(w), e\rangle$, whose
# maximum is known in closed form, at the *ascent point* $\tilde w$:
#
# $$e(w) = \rho\, \frac{\nabla f(w)}{|\nabla f(w)|}, \qquad \tilde w = w + e(w).$$
#
# How much is lost by that? Theorem 4b of `docs/theory.md` answers. Hypothesis: $\nabla f$ is
# $L$-Lipschitz on the ball of radius $\rho$ about $w$. Then $0 \le \max_{|e| \le \rho} f(w + e) -
# f(\tilde w) \le L\rho^2$.
#
# In two dimensions we can find the maximum by looking at the whole circle. We measure the shortfall
# $\max f - f(\tilde w)$ at two points: one on a slope, one exactly at a minimum, where the gradient
# is zero. There no direction is steepest, and SAM, by definition, does not move at all.

# %%
turns = np.linspace(-np.pi, np.pi, 40_001)
circle = np.stack([np.cos(turns), np.sin(turns)])


def shortfall(w, rho):
    around = product_loss(w[:, None] + rho * circle)[0]
    return around.max() - product_loss(rs.sam.ascent_point(w, product_loss(w)[1], rho=rho))[0]


radii = np.logspace(-2.5, 0, 11)
places = {"on a slope, (1.6, 0.9)": (1.6, 0.9), "at a minimum, (2, 0.5)": (2.0, 0.5)}
losses = {name: [shortfall(np.array(w), rho) for rho in radii] for name, w in places.items()}
orders = [np.polyfit(np.log(radii[:5]), np.log(lost[:5]), 1)[0] for lost in losses.values()]

# %%
figure, axis = plt.subplots(figsize=(6.4, 4.2))
for (name, lost), order, colour in zip(losses.items(), orders, (BLUE, RED), strict=True):
    axis.loglog(radii, lost, "o-", color=colour, label=f"{name}: order {order:.2f}")
axis.set(xlabel="radius ρ", ylabel="shortfall max f − f(ascent point)")
axis.legend()
plt.show()

# %% [markdown]
# The theorem says $\rho^2$, and at the minimum it is just that: there the theorem cannot be
# improved. On the slope the shortfall is of order $\rho^3$, better than promised. (The true maximum
# is turned from the steepest direction by an angle of order $\rho$, so the two points are $d \sim
# \rho^2$ apart. At its maximum the loss is flat along the circle, with a curvature $\sim 1/\rho$.
# So it differs by $d^2/\rho \sim \rho^3$.) A bound must hold for the worst point, and says little
# of all others.

# %%
assert np.allclose(orders, (3.0, 2.0), atol=0.1)

# %% [markdown]
# ## 3. Where SAM stops
#
# Plain descent stops where the gradient is zero; SAM where the gradient *at the ascent point* is.
# Is that always a good place? Our loss has one critical point that is no minimum: the saddle at the
# origin, with loss $\tfrac12$. Plain descent runs away from it from almost everywhere. We start SAM
# from a grid of points about the origin and note where it ends.


# %%
def walk_all(starts, rho, steps=2000, eta=0.05):
    for _ in range(steps):  # the columns are points; the step is that of rs.sam.gradient
        grads = product_loss(starts)[1]
        raised = starts + rho * grads / np.linalg.norm(grads, axis=0)
        starts = starts - eta * product_loss(raised)[1]
    return starts


big, grid = 0.5, np.linspace(-1.0, 1.0, 40) + 0.001
starts = np.stack(np.meshgrid(grid, grid)).reshape(2, -1)
ends = {r: walk_all(starts, r) for r in (0.0, big)}
stuck = {r: np.linalg.norm(end, axis=0) < 0.1 for r, end in ends.items()}
assert np.allclose(walk_all(starts[:, :1], big, 9)[:, 0], walk(starts[:, 0], big, 9, 0.05)[-1])

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.6, 4.2), sharey=True)
for axis, (r, where) in zip(axes, stuck.items(), strict=True):
    for chosen, colour, name in ((where, RED, "at the saddle"), (~where, BLUE, "at a minimum")):
        axis.scatter(*starts[:, chosen], s=9, color=colour, label=f"ends {name}")
    axis.plot(*(big * circle), color="black", linewidth=0.9, label=f"{big} from the saddle")
    axis.set(xlabel="start: weight a", title=f"ρ = {r}", aspect="equal")
axes[0].set_ylabel("start: weight b")
axes[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
plt.show()

# %% [markdown]
# Here is the first surprise. With $\rho = 0.5$ there is a whole band of starts from which SAM walks
# *into* the saddle and stays there, with a loss of one half: nearly all of the disc of radius
# $\rho$, and more. The ascent step jumps over the saddle; from there, downhill means back to it.
#
# So "SAM finds flat minima" is not a theorem. It is a good description as long as $\rho$ is small
# beside the distance to other critical points. (Whether saddles catch trainings of real networks we
# do not know; notebook 11 looks at how flat these end, and that is not simple either.) In training
# $\rho$ rises slowly from zero (`warmup` in `rs.Config`), so that the first steps, far from any
# minimum, are those of plain descent.

# %%
inside = np.linalg.norm(starts, axis=0) < big
print(f"of {inside.size} starts end at the saddle, by rho: {stuck[0.0].sum()}, {stuck[big].sum()}")
assert not stuck[0.0].any()
assert stuck[big][inside].mean() > 0.95 > 0.6 > stuck[big].mean()
assert product_loss(ends[big][:, ~stuck[big]])[0].max() < 0.05  # all others do arrive

# %% [markdown]
# ## 4. The gradient of what?
#
# SAM's direction is $\nabla f(\tilde w)$. Is it the gradient of $F(w) = f(w + e(w))$, the loss at
# the ascent point? No: $e(w)$ moves with $w$, too. By the chain rule (theorem 4d; hypotheses: $f$
# twice differentiable, $\nabla f(w) \ne 0$)
#
# $$\nabla F(w) = \nabla f(\tilde w) + \frac{\rho}{|\nabla f(w)|}\, H(w)\, P\, \nabla f(\tilde w),$$
#
# where $H$ is the Hessian and $P$ takes away the part along $\nabla f(w)$. SAM drops the second
# term, since it needs the Hessian. `rs.sam.exact_gradient` keeps it. We ask differences of $F$
# which of the two is right. Then we ask for what every gradient has: its Jacobian is the Hessian of
# some function, and so it is symmetric.


# %%
def product_hvp(w, d):
    a, b = w
    return np.array([[b * b, 2.0 * a * b - 1.0], [2.0 * a * b - 1.0, a * a]]) @ d


def raised(w):
    return product_loss(rs.sam.ascent_point(w, product_loss(w)[1], rho=0.3))[0]


def differences(field, w):
    return np.array([(field(w + 1e-5 * e) - field(w - 1e-5 * e)) / 2e-5 for e in np.eye(2)])


fields = {
    "SAM": lambda w: rs.sam.gradient(product_loss, w, rho=0.3),
    "exact": lambda w: rs.sam.exact_gradient(product_loss, product_hvp, w, rho=0.3),
}
w = np.array([1.2, 0.5])
twist = {name: abs(np.subtract(*differences(f, w)[[0, 1], [1, 0]])) for name, f in fields.items()}
print({name: f"asymmetry of the Jacobian {value:.1e}" for name, value in twist.items()})
assert np.allclose(fields["exact"](w), differences(raised, w), rtol=1e-6)
gap = np.linalg.norm(fields["SAM"](w) - fields["exact"](w)) / np.linalg.norm(fields["exact"](w))
assert 0.01 < gap < 0.1
assert twist["exact"] < 1e-8 < 1e-2 < twist["SAM"]

# %% [markdown]
# So SAM's direction is the gradient of *no* function at all. Here the difference is small, a few
# per cent, and one is tempted to say that the Hessian term may be dropped because it is small. Let
# us look at a spiking network first: 8 inputs, 12 hidden neurons and 3 classes. `Risk` is its loss
# as a function of one flat vector, with the exact gradient (`rs.fast`) and exact products with the
# Hessian (`rs.reference.hvp`). We train it with plain descent, and at every hundredth step we
# measure both terms for two radii.

# %%
rng = np.random.default_rng(0)
network = rs.Network((8, 12, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(gain=10.0))
x, y = (rng.random((10, 64, 8)) < 0.4).astype(float), rng.integers(3, size=64)


def risk(rows):
    return Risk(network, x[:, rows], y[rows])


def terms(w, rho):
    kept = rs.sam.gradient(whole.value_and_grad, w, rho=rho)
    exact = rs.sam.exact_gradient(whole.value_and_grad, whole.hvp, w, rho=rho)
    return kept, exact - kept


whole = risk(slice(None))
weights = 2.0 * rs.flatten(rs.init(network, 0))
size = {0.05: [], 0.2: []}
for step in range(1001):
    if step % 100 == 0:
        for r, found in size.items():
            found.append(np.linalg.norm(terms(weights, r), axis=1))
    weights = weights - 0.05 * whole.value_and_grad(weights)[1]

# %%
figure, axis = plt.subplots(figsize=(7.2, 4.2))
for (r, found), colour in zip(size.items(), (BLUE, RED), strict=True):
    kept, dropped = np.array(found).T
    axis.semilogy(100 * np.arange(11), kept, "o-", color=colour, label=f"ρ = {r}: kept")
    axis.semilogy(100 * np.arange(11), dropped, "s:", color=colour, label=f"ρ = {r}: dropped")
axis.set(xlabel="descent step", ylabel="length of the term (nats per unit of weight)")
axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
plt.show()

# %% [markdown]
# Here is the second surprise. At the start, where the gradient is large, the dropped term is
# nothing. But it is divided by $|\nabla f(w)|$, which becomes small. With $\rho = 0.2$ it is soon
# several times **larger** than what SAM keeps; with $\rho = 0.05$ it stays smaller.
#
# The theorem bounds it by $(\rho L / |\nabla f(w)|)\,|P \nabla f(\tilde w)|$, if $\nabla f$ is
# $L$-Lipschitz on the ball. With the $L$ that can be *proved* for a spiking network (notebook 07)
# this is correct and useless, many powers of ten too large. So we measure. SAM works in practice;
# but not *because* it approximates the gradient of $F$ well. Why it works although it drops the
# larger part is an open question; nothing in this course answers it.

# %%
ratio = {r: np.array(found)[:, 1] / np.array(found)[:, 0] for r, found in size.items()}
print({r: f"dropped / kept: {q[0]:.4f} at first, up to {q.max():.2f}" for r, q in ratio.items()})
assert ratio[0.2][0] < 0.02 < 2.0 < np.median(ratio[0.2])
assert ratio[0.05].max() < 1.0

# %% [markdown]
# ## 5. Two minibatches
#
# In practice one has only the gradient of a minibatch. SAST takes the ascent direction on one, and
# the gradient of the step on a second, *independent* one. Why not the same for both? We take ascent
# directions from minibatches of 4 recordings, and measure how much the loss rises along them: on
# that very minibatch, on 4 other recordings, and on all.

# %%
draws, rises = np.random.default_rng(1), []
for _ in range(300):
    order = draws.permutation(64)
    near, far = risk(order[:4]), risk(order[4:8])
    point = rs.sam.ascent_point(weights, near.value_and_grad(weights)[1], rho=0.2)
    values = [[r.value_and_grad(w)[0] for w in (weights, point)] for r in (near, far, whole)]
    rises.append(np.diff(values).ravel())
on_own, on_other, on_all = np.array(rises).T

# %%
figure, axis = plt.subplots(figsize=(7.2, 4))
for values, colour, name in ((on_own, RED, "on its own"), (on_other, BLUE, "on another")):
    label = f"{name}: mean {values.mean():.2f}"
    axis.hist(values, np.linspace(-0.5, 2.0, 51), color=colour, alpha=0.55, label=label)
    axis.axvline(values.mean(), color=colour)
axis.axvline(on_all.mean(), color="black", label=f"on all 64: mean {on_all.mean():.2f}")
axis.set(xlabel="rise of a minibatch's loss in the ascent step (nats)", ylabel="minibatches")
axis.legend()
plt.show()

# %% [markdown]
# A minibatch finds the direction that hurts *itself*. The same step raises the loss of all
# recordings by much less, and an independent minibatch sees just that, on average. With one
# minibatch for both, the slope looks more than twice as steep as it is. Notebook 08 shows what this
# does to convergence: the step is *biased*, and a theorem fails. It trains all the same, as most
# SAM code does: in `docs/transfer_gap.md` its hard accuracy is a point lower.

# %%
assert on_own.mean() > 2.0 * on_all.mean()
assert abs(on_other.mean() - on_all.mean()) < 3.0 * on_other.std() / np.sqrt(300)
assert np.mean(on_own > on_other) > 0.8

# %% [markdown]
# ## What we now know
#
# SAM takes its gradient at the end of a step uphill, a first-order guess where the loss is highest.
# On a valley floor it walks towards flatter places, with a speed that grows as $\rho^2$. Its
# direction is not the gradient of any function: it drops a Hessian term which, on our spiking
# network and at $\rho = 0.2$, grows larger than what is kept. It does not always find a minimum: a
# saddle can catch it. And the second gradient should come from an independent minibatch.
#
# Why should flat in the *weights* help when the *spikes* become hard? No theorem says that it does.
# The hope: the swap shifts potentials somewhat, as a change of the weights would, and a flat loss
# minds neither. Notebooks 00 and 09 measure what comes of it, and what else would do as well.
#
# The code is `refsast/optim/sam.py`; theorem 4 in `docs/theory.md` has statements, hypotheses and
# proofs. Next: `06_stability`, on what happens inside the network.
#
# ## Exercises

# %% [markdown]
# ### Exercise 1
#
# On the diagonal $a = b = t$ with $0 < t < 1$ plain descent moves outwards. Find by calculation the
# $t$ at which SAM with radius $\rho$ stands still, and check it with `rs.sam.gradient`. What
# happens a little inside of it, and a little outside?

# %% tags=["solution"]
# The gradient at (t, t) points to the origin, so the ascent point is (t - rho/sqrt(2)) (1, 1): the
# saddle itself, where the gradient is zero, if t = rho/sqrt(2).
shifted = 0.5 / np.sqrt(2.0) + np.array([-0.05, 0.0, 0.05])
slopes = [rs.sam.gradient(product_loss, np.full(2, t), rho=0.5)[0] for t in shifted]
assert abs(slopes[1]) < 1e-15
assert slopes[0] > 0.0 > slopes[2]  # a step is minus this: inside to the saddle, outside away

# %% [markdown]
# ### Exercise 2
#
# In one dimension, $f(w) = \tfrac12 h w^2$, a SAM step is $w \leftarrow w - \eta h\,(w + \rho\,
# \mathrm{sign}\, w)$. In the end $w$ jumps between $A$ and $-A$. Calculate $A$, and check it with
# `rs.sam.gradient`.

# %% tags=["solution"]
# -A = A - eta h (A + rho) gives A = eta h rho / (2 - eta h): in proportion to rho.
h, eta, w = 3.0, 0.1, np.array([1.0])
for _ in range(200):
    w = w - eta * rs.sam.gradient(lambda v: (0.5 * h * v @ v, h * v), w, rho=0.2)
assert np.isclose(abs(w[0]), eta * h * 0.2 / (2.0 - eta * h), rtol=1e-9)

# %% [markdown]
# ### Exercise 3
#
# Is the exact gradient better? Descend with `rs.sam.exact_gradient` from $(3, 0.05)$ with $\rho =
# 0.2$, and compare where you are with SAM. Then explain why in this valley the dropped term does
# not matter.

# %% tags=["solution"]
# The dropped term is H P grad f(w + e). On the floor both gradients point across the valley, and P
# takes away just that direction: nothing is left.
point = np.array([3.0, 0.05])
for _ in range(1000):
    point = point - 0.02 * rs.sam.exact_gradient(product_loss, product_hvp, point, rho=0.2)
assert np.linalg.norm(point - paths[0.2][1000]) < 0.02 * np.linalg.norm(point)
