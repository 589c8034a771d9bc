# %% [markdown]
# # Lipschitz and smoothness: theorems that are true and useless
#
# How much can the answer of a network change if its input changes a little? How curved can its loss
# be? If we had two numbers, $\mathrm{Lip}$ and $L$, that hold *everywhere*, we could promise
# robustness against noise, choose a step size that never fails, and say how much of a SAM step
# first-order theory misses. Theorems 2 and 3 of `docs/theory.md` give such numbers, with every
# constant.
#
# In this notebook we put each bound beside what we can measure. The theorems hold, without one
# exception. And for a network of more than two layers they are too large by many powers of ten. We
# will find out where these powers of ten are lost, which is more instructive than the bounds. Then
# we look at what one can do instead.

# %%
import matplotlib.pyplot as plt
import numpy as np

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims import lipschitz, smoothness
from proofs_check.instances import LabelledBatch, TwoInputs
from refsast.autodiff import jvp, vjp

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, _ = plt.rcParams["axes.prop_cycle"].by_key()["color"]

# %% [markdown]
# ## 1. How far can the input move the answer?
#
# **Theorem 2.** Hypothesis: each spike is one of the five smooth ones (`rs.Arctan`, `rs.Logistic`,
# `rs.Algebraic`, `rs.FastSigmoid`, `rs.PiecewiseQuadratic`). For any two inputs $|z(x) - z(x')|_2
# \le \mathrm{Lip}\, |x - x'|$ with
#
# $$\mathrm{Lip} = |W_o|_2\, |\alpha|_2 \prod_{l=1}^{N} D_1\, |W^l|_2\, c_T(\kappa_e^l),
# \qquad c_T(k) = 1 + k + \dots + k^{T-1}.$$
#
# $z$ are the logits. Each of the $N$ layers has three factors: $|W^l|_2$, the most that its weights
# can stretch a signal (their largest singular value); $D_1 = \sup|\sigma'|$, the most that its
# spikes can; and $c_T(\kappa_e)$, how long the layer remembers (notebook 06). The rest belongs to
# the readout: $W_o$ are its weights, $\alpha$ its weights over time. The proof multiplies over the
# layers. With hard spikes $D_1$ is infinite: none of it holds.
#
# We take a network of three layers and 10 steps, and recordings of 8 channels. Lip bounds *all*
# pairs of inputs. To come close to it from below we look for the worst pair near one recording, in
# two ways. The first is to try many random directions. The second is calculus: the logits change
# most along the first singular vector of the Jacobian $J = \partial z / \partial x$. With three
# logits, $J$ has three rows, and `vjp` of `refsast.autodiff`, which gives $v^\top J$ without $J$,
# gives a row each. (The few lines of `answer` write the network once more, for one recording; the
# assertion says that it is the same.)

# %%
rng = np.random.default_rng(0)
x, y = (rng.random((10, 16, 8)) < 0.4).astype(float), rng.integers(3, size=16)
spike = rs.Arctan(2.0)


def deep(layers):
    sizes = (8, *[16] * (layers - 1), 3)
    network = rs.Network(sizes, rs.LIF(0.9, 1.0, spike), rs.SpikeRate(gain=10.0))
    return network, rs.unflatten(network, 2.0 * rs.flatten(rs.init(network, 0)))


def spikes(layer, a):
    u, s, out = np.zeros(len(layer.b)), np.zeros(len(layer.b)), []
    for current in a @ layer.w.T + layer.b:
        u = 0.9 * u * (1.0 - s) + current
        s = spike(u - 1.0)
        out.append(s)
    return np.stack(out)


def answer(params, a):
    for layer in params:
        a = spikes(layer, a)
    return 10.0 * np.sum(a, axis=0) / len(x)


def jacobian(params, a):
    rows = [vjp(lambda b: answer(params, b), (a,), row)[0].ravel() for row in np.eye(3)]
    return np.stack(rows)


network, params = deep(3)
one = x[:, 0]
bound = float(lipschitz.lipschitz_constant(network, params, len(x)))
assert np.allclose(answer(params, one), rs.run(network, params, x[:, :1]).logits[0])
worst = np.linalg.svd(jacobian(params, one), full_matrices=False)[2][0].reshape(one.shape)
directions = [*rng.standard_normal((500, *one.shape)), worst]
moves = [1e-3 * d / np.linalg.norm(d) for d in directions]
quotients = [np.linalg.norm(answer(params, one + m) - answer(params, one)) / 1e-3 for m in moves]

# %%
figure, axis = plt.subplots(figsize=(8, 3.6))
axis.hist(quotients[:-1], np.logspace(-2, 0.5, 60), color=GREY, label="500 random directions")
axis.axvline(quotients[-1], color=BLUE, label=f"worst direction: {quotients[-1]:.2f}")
axis.axvline(bound, color=RED, linestyle="--", label=f"bound of theorem 2: {bound:.0f}")
axis.set(xscale="log", xlabel="change of the logits per change of the input", ylabel="directions")
axis.legend(loc="upper center")
plt.show()

# %% [markdown]
# The logarithmic axis is needed. No random direction comes near the worst one: of 80 dimensions (10
# steps times 8 channels) the logits see three. Whoever tests robustness with random noise sees a
# fraction of it. And the bound is seven thousand times larger than the worst direction at this
# recording.

# %%
pair = TwoInputs(network, params, one[:, None], (one + moves[-1])[:, None])
verdict = check_claim(lipschitz.INPUT_PAIRS, pair)
print(f"bound / worst direction: {bound / quotients[-1]:.0f}")
assert verdict.applies
assert not verdict.refuted
assert quotients[-1] > 2.0 * max(quotients[:-1])
assert 5e3 < bound / quotients[-1] < 1e4
assert np.isclose(quotients[-1], np.linalg.norm(jacobian(params, one), 2), rtol=0.02)

# %% [markdown]
# ## 2. Deeper
#
# Now we build networks of one to seven layers, all in the same way, and compare the bound with the
# largest singular value of $J$ over the first six recordings.

# %%
depths = np.arange(1, 8)
networks = {int(depth): deep(depth) for depth in depths}
bounds = np.array([float(lipschitz.lipschitz_constant(*networks[d], len(x))) for d in networks])
local = [[np.linalg.norm(jacobian(p, x[:, i]), 2) for i in range(6)] for _, p in networks.values()]
largest = np.max(local, axis=1)
per_layer = (bounds[-1] / bounds[0]) ** (1.0 / 6.0)

# %%
figure, axis = plt.subplots(figsize=(7, 4))
axis.semilogy(depths, bounds, "s--", color=RED, label="Lip, bound of theorem 2")
axis.semilogy(depths, largest, "o-", color=BLUE, label="largest |J| of six recordings")
axis.set(xlabel="spiking layers", ylabel="logits per unit of input")
axis.legend()
plt.show()

# %% [markdown]
# They go in **opposite directions**. Each layer makes the bound larger by a factor of more than
# ten, and the network itself *less* sensitive. At seven layers they are nine powers of ten apart.
# The logits lie between 0 and 10, so a bound of $10^8$ is not a weak statement, it is no statement.
# We call such a bound *vacuous*.
#
# To be fair: Lip must hold for *all* inputs, and six recordings are not all. The true constant lies
# somewhere between the two lines, and nobody knows where. Exercise 2 searches for more sensitive
# inputs; it finds a factor below two, and not of thousands. Nor does training help: a network of
# five layers, trained on real recordings, used $3 \cdot 10^{-9}$ of its bound (`docs/theorems.md`).
# (That $|J|$ *falls* with depth is a matter of our initial weights.)

# %%
print(
    f"bound: times {per_layer:.1f} per layer, at seven layers {bounds[-1] / largest[-1]:.0e} of |J|"
)
assert per_layer > 10.0
assert np.all(np.diff(bounds) > 0.0)
assert largest[-1] < 0.3 * largest[0]
assert bounds[-1] / largest[-1] > 1e8
assert np.all(largest <= bounds)

# %% [markdown]
# ## 3. Where nine powers of ten are lost
#
# Two things are lost in the proof. First, each layer's factor is a worst case: all neurons exactly
# at threshold, at every step. We can replace it by what that layer really does *here*: the norm of
# its own Jacobian, from its input to its spikes. Second, the factors are multiplied, as if the
# direction that one layer stretches most were just the one that the next layer stretches most. We
# can see that, too: the norm of the product of the Jacobians is $|J|$ itself.
#
# For its norm a Jacobian need not be written down. *Power iteration* multiplies a vector by $J$
# (`jvp` gives $J v$), then by $J^\top$ (`vjp`), makes it short again, and repeats: the vector turns
# to the first singular vector.


# %%
def norm_of_jacobian(f, a, iterations=15):
    v = np.random.default_rng(0).standard_normal(a.shape)
    for _ in range(iterations):
        (v,) = vjp(f, (a,), jvp(f, (a,), (v / np.linalg.norm(v),)))
    return np.sqrt(np.linalg.norm(v))


params, a, here = networks[7][1], one, []
for layer in params:
    here.append(norm_of_jacobian(lambda b, layer=layer: spikes(layer, b), a))
    a = spikes(layer, a)
factors = np.array([float(g) for g in lipschitz.layer_gains(*networks[7], len(x))])
whole = np.array(local)[:, 0]
readout = 10.0 / np.sqrt(10.0)  # gain times the norm of ten weights of 1/10
chain = {
    "worst case of each layer, multiplied (theorem 2)": readout * np.cumprod(factors),
    "each layer as it is here, multiplied": readout * np.cumprod(here),
    "all layers together, as they are here": whole,
}

# %%
figure, axis = plt.subplots(figsize=(8.6, 4.2))
looks = ({"color": RED, "ls": "--"}, {"color": YELLOW}, {"color": BLUE})
for (name, values), look in zip(chain.items(), looks, strict=True):
    axis.semilogy(depths, values, marker="o", label=name, **look)
axis.set(xlabel="layers", ylabel="logits per unit of input", ylim=(1e-2, 1e10))
axis.legend()
plt.show()

# %% [markdown]
# (The upper two lines follow the layers of the deepest network, the lowest is of each network by
# itself; at seven layers all three are of the same.) Most is lost to the worst case: six powers of
# ten, from red to yellow, about a factor of seven per layer. Few neurons are at threshold at any
# time, and the memory $c_T(0.9) = 6.5$ is that of a neuron that never fires. The other three powers
# of ten, from yellow to blue, are the price of multiplying: the layers' worst directions do not fit
# together.
#
# So no better constant will rescue this proof: even with the exact norm of each layer at hand, the
# *product* is wrong by a factor of a thousand. Bounds that follow each neuron through the layers do
# better: for the swap of spikes notebook 12 certifies three layers from slope 2 on.

# %%
worst_case = np.prod(factors) / np.prod(here)
multiplying = readout * np.prod(here) / whole[-1]
print(f"lost to the worst case: {worst_case:.0e}, to multiplying: {multiplying:.0e}")
assert 1e5 < worst_case < 1e7
assert 1e2 < multiplying < 1e4
assert np.isclose(worst_case * multiplying, bounds[-1] / whole[-1], rtol=1e-6)
assert all(h <= f for h, f in zip(here, factors, strict=True))

# %% [markdown]
# ## 4. Smoothness, and a step that changes nothing
#
# **Theorem 3b.** Hypothesis: each spike is one of the five smooth ones. No eigenvalue of the
# Hessian of the loss exceeds $L_s$ in magnitude, a constant that is made, like Lip, of products
# over the layers; here they enter squared. The curvature is measured by
# `rs.sharpness.top_eigenvalues`, which takes exact Hessian-vector products and iterates, as we did
# above.

# %%
proved, found = [], []
for depth in depths[:6]:
    network, params = networks[int(depth)]
    proved.append(float(smoothness.HESSIAN_EIGENVALUE.bound(LabelledBatch(network, params, x, y))))
    top = rs.sharpness.top_eigenvalues(
        network, params, x, y, k=1, rng=rng, by_magnitude=True, tolerance=0.05
    )
    found.append(abs(float(top.values[0])))

# %%
figure, axis = plt.subplots(figsize=(7, 4))
axis.semilogy(depths[:6], proved, "s--", color=RED, label="L_s, bound of theorem 3b")
axis.semilogy(depths[:6], found, "o-", color=BLUE, label="top eigenvalue of the Hessian")
axis.set(xlabel="spiking layers", ylabel="curvature (nats per squared unit of weight)")
axis.legend()
plt.show()

# %% [markdown]
# Fourteen powers of ten at six layers. What would it mean to take it seriously? Theory says: with a
# step size $\eta \le 1/L$ descent never goes uphill. Let us take one step with $\eta = 1/L_s$, and
# one with $\eta = 1/\lambda$, the *measured* curvature.

# %%
w = rs.flatten(params)
loss, grads = rs.fast.loss_and_grad(network, params, x, y)
by_theorem = w - rs.flatten(grads) / proved[-1]
by_measurement = w - rs.flatten(grads) / found[-1]
after = rs.fast.loss_and_grad(network, rs.unflatten(network, by_measurement), x, y)[0]
same = np.mean(by_theorem == w)
print(f"bound / measured curvature {proved[-1] / found[-1]:.0e}")
print(f"step by theorem: {100 * same:.1f} % of the weights keep all their bits")
print(f"step by measurement: loss {loss:.3f} -> {after:.3f}")
assert 0.8 < same < 1.0
assert after < loss - 0.01
assert 1e13 < proved[-1] / found[-1] < 1e15
assert np.all(np.array(found) < proved)

# %% [markdown]
# The step that the theorem permits is so short that nine of ten weights are, after it, the same
# double as before. The step by measurement descends.
#
# But keep apart what is proved and what is measured. $\lambda$ is the curvature *at this point*. A
# step of finite length leaves the point, and the curvature there may be larger. $1/\lambda$ is a
# good rule, no guarantee.
#
# ## 5. Are the theorems badly made?
#
# No. A bound is *attained* if some network reaches it. The search in `proofs_check` looks for such
# networks, and finds them for both theorems (`docs/theorems.md`, best ratio 0.99 and more). Here is
# one, by hand: one layer, one step, one neuron exactly at threshold. Then there is no product over
# layers, nothing is remembered, and $\sigma' = D_1$ is the largest.

# %%
tiny = rs.Network((1, 1), rs.LIF(0.9, 1.0, spike), rs.LinearReadout(2))
weights = (rs.Layer(np.ones((1, 1)), np.zeros(1)), rs.Layer(np.array([[1.0], [-1.0]]), np.zeros(2)))
near = TwoInputs(tiny, weights, np.ones((1, 1, 1)), np.ones((1, 1, 1)) + 1e-4)
share = {"one neuron, one step": check_claim(lipschitz.INPUT_PAIRS, near).ratio}
share |= {f"layers: {d}": t / b for d, t, b in zip(depths, largest, bounds, strict=True)}

# %%
figure, axis = plt.subplots(figsize=(8, 3.4))
axis.plot(list(share.values()), list(share), "o-", color=BLUE)
axis.set(xscale="log", xlabel="share of the bound that is used (1: attained)")
axis.invert_yaxis()
plt.show()

# %% [markdown]
# So the constant of theorem 2 cannot be made smaller by any factor, in general. "Cannot be
# improved" and "says something about your network" are different things. A theorem for all networks
# must also cover the one neuron at threshold.

# %%
assert share["one neuron, one step"] > 0.999
assert share["layers: 7"] < 1e-8

# %% [markdown]
# ## What we now know
#
# Theorems 2 and 3 hold, they are attained, and on deep networks they are vacuous: a product over
# layers grows by more than ten per layer while the measured sensitivity falls. Two thirds of the
# lost powers of ten are worst cases, one third comes from multiplying at all. What works is *local*
# measurement: singular values of a Jacobian by `jvp` and `vjp`, eigenvalues of the Hessian by
# `rs.sharpness`. It is exact at a point and promises nothing elsewhere.
#
# The code: `proofs_check/claims/lipschitz.py`, `smoothness.py` and `refsast/experiment/sharpness/`.
# Next: `08_convergence`, which needs an $L$, and what it is worth.
#
# ## Exercises

# %% [markdown]
# ### Exercise 1
#
# Weights with small norms are often proposed as a remedy. Cap $|W|_2 \le 1$ in the network of seven
# layers with `rs.project`. How many powers of ten does the bound lose, and is it vacuous still?

# %% tags=["solution"]
# The bound falls by two powers of ten only, since D1 c_T = 6.5 per layer stays. And the network
# becomes deaf: its true sensitivity falls as well, so that the bound is hardly less vacuous.
network, params = networks[7]
capped = rs.project(network, params, w=1.0)
lower = float(lipschitz.lipschitz_constant(network, capped, len(x)))
now = np.linalg.norm(jacobian(capped, one), 2)
print(f"Lip {bounds[-1]:.1e} -> {lower:.1e}; |J| {whole[-1]:.1e} -> {now:.1e}")
assert 30.0 < bounds[-1] / lower < 300.0
assert lower / now > 1e6

# %% [markdown]
# ### Exercise 2
#
# The recordings are not the most sensitive inputs. Search for an input (any real numbers) with a
# larger $|J|$ for the network of three layers: move at random, keep what is better. How much do you
# gain, and what remains of the seven thousand?

# %% tags=["solution"]
network, params = networks[3]
moves, best, size = np.random.default_rng(3), one, 0.3
at_first = highest = np.linalg.norm(jacobian(params, one), 2)
for _ in range(150):
    tried = best + size * moves.standard_normal(one.shape) * (moves.random(one.shape) < 0.3)
    found_here = np.linalg.norm(jacobian(params, tried), 2)
    if found_here > highest:
        best, highest, size = tried, found_here, 1.3 * size
    else:
        size = max(0.97 * size, 0.02)
print(f"|J| from {at_first:.2f} to {highest:.2f}, bound / |J| still {bounds[2] / highest:.0f}")
assert 1.2 < highest / at_first < 2.0
assert bounds[2] / highest > 1e3

# %% [markdown]
# ### Exercise 3
#
# How local is local? For the network of three layers measure the top eigenvalue at $w$ and at SAM's
# ascent point with $\rho = 0.2$. Which of the two would you give to theorem 4a, which asks for an
# $L$ on the whole ball of radius $\rho$?

# %% tags=["solution"]
# Neither: the theorem needs a bound on the whole ball. The larger of the two is only a lower limit
# of any L that will do.
network, params = networks[3]
w, gradient = rs.flatten(params), rs.flatten(rs.fast.loss_and_grad(network, params, x, y)[1])
raised = rs.unflatten(network, rs.sam.ascent_point(w, gradient, rho=0.2))
curvature = [
    rs.sharpness.top_eigenvalues(network, p, x, y, k=1, rng=rng, tolerance=0.01).values[0]
    for p in (params, raised)
]
print(f"at w {curvature[0]:.1f}, at the ascent point {curvature[1]:.1f}")
assert abs(curvature[1] / curvature[0] - 1.0) > 0.1
