# %% [markdown]
# # Backpropagation through time, by hand
#
# The gradient of a spiking network fits on one page: `refsast/gradient/bptt.py`. We begin with two
# neurons and two steps, where every number can be followed with a pencil, then let arrays do it,
# and then read the page line by line.
#
# Why by hand, when a tape does it (notebook 02)? Because only by hand do you see *where* a gradient
# goes: through the leak, through the reset, through other neurons. In a wrong gradient, one of
# these routes is often missing. And one sees what no tape shows: with steep spikes the gradient
# **vanishes and explodes at the same time**.

# %%
import inspect
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import refsast as rs

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, VIOLET = [f"C{i}" for i in range(6)]

# %% [markdown]
# ## 1. Two neurons, two steps: forwards
#
# One input $a_t$ drives two neurons, which also hear each other's spikes of the step before
# (weights $V$, a *recurrent* layer). The *readout* counts how often they fire, times a gain; the
# loss is the cross entropy of that, with the label 0. With leak $\lambda$, threshold $\theta$ and
# the smooth spike $\sigma$:
#
# $$u_t = \lambda u_{t-1}(1 - s_{t-1}) + W a_t + V s_{t-1} + b, \qquad s_t = \sigma(u_t - \theta),
# \qquad z = \tfrac{\text{gain}}{2} (s_1 + s_2).$$

# %%
leak, threshold, gain, label = 0.9, 1.0, 4.0, 0
spike = rs.Arctan(2.0)
w, v = np.array([[0.9], [0.4]]), np.array([[0.0, -0.6], [0.8, 0.0]])
b, a = np.array([0.1, 0.2]), np.array([[1.0], [0.5]])  # a: (time, inputs)

u1 = w @ a[0] + b
s1 = spike(u1 - threshold)
u2 = leak * u1 * (1.0 - s1) + w @ a[1] + v @ s1 + b
s2 = spike(u2 - threshold)
z = gain / 2 * (s1 + s2)
p = np.exp(z) / np.exp(z).sum()
loss = -np.log(p[label])
print(f"u1 = {u1.round(3)}, s1 = {s1.round(3)}\nu2 = {u2.round(3)}, s2 = {s2.round(3)}")
print(f"p = {p.round(3)}, loss = {loss:.3f} nats")

# %% [markdown]
# ## 2. Two neurons, two steps: backwards
#
# Backwards we ask of each quantity: how much does the loss change when it does? We begin at the
# end. The logits: $\partial L/\partial z = p - \text{one-hot}$. Each spike receives $\text{gain}/2$
# of that from the readout; call it $g_t$. Now the potentials, which we call $\delta_t = \partial L
# / \partial u_t$.
#
# **Step 2** is the last, only the readout listens to $s_2$: $\delta_2 = \sigma'(u_2 - \theta) g_2$.
#
# **Step 1** has more listeners. Look at the four places where $u_1$ or $s_1$ stands in the formulas
# of section 1; each is a *route*:
#
# - the readout: $s_1$ is counted, which gives $g_1$;
# - other neurons: $V s_1$ goes into $u_2$, which gives $V^\top \delta_2$;
# - the reset: $s_1$ decides how much of $u_1$ is kept, which gives $-\lambda u_1 \delta_2$;
# - the leak: $u_1$ itself is carried over, which gives $\lambda (1 - s_1)\, \delta_2$.
#
# The first three reach $u_1$ through the spike, so they are multiplied by $\sigma'(u_1 - \theta)$.

# %%
g = gain / 2 * (p - np.eye(2)[label])
delta2 = spike.derivative(u2 - threshold) * g
slope1 = spike.derivative(u1 - threshold)
routes = {
    "readout": slope1 * g,
    "other neurons": slope1 * (v.T @ delta2),
    "reset": slope1 * (-leak * u1 * delta2),
    "leak": leak * (1.0 - s1) * delta2,
}
delta1 = sum(routes.values())

figure, axis = plt.subplots(figsize=(7.5, 3.2))
colours, place = dict(zip(routes, (GREY, VIOLET, RED, BLUE), strict=True)), np.array([0.0, 1.3])
for i, (name, parts) in enumerate(routes.items()):
    axis.bar(place + 0.2 * i - 0.3, parts, 0.18, color=colours[name], label=name)
axis.plot(place + 0.5, delta1, "k_", markersize=18, label="their sum")
axis.axhline(0.0, color="black", linewidth=0.8)
axis.set(xticks=place + 0.1, xticklabels=("neuron 1", "neuron 2"), xlim=(-0.5, 2.0))
axis.set_ylabel("share of dL/du at step 1\n(nats per threshold)")
axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()

# %% [markdown]
# Red and blue pull in opposite directions, for both neurons: a higher potential leaves more for the
# next step (leak), but also makes more of a spike, which resets more of it (reset). Neuron 1 sits
# exactly at threshold, where $\sigma'$ is largest, and there the reset wins. In neuron 2, below
# threshold, the leak wins. So a library without the red bar ("detached reset"; section 5 has the
# reason) gets the wrong *sign* for what neuron 1 sends back to itself; its whole $\partial
# L/\partial u_1$ becomes $-0.88$ in place of $-0.08$.
#
# The parameters are now easy: each stands in both steps, next to a known factor.

# %%
through_time = routes["reset"] + routes["leak"]
assert np.all(routes["reset"] * routes["leak"] < 0.0)
assert through_time[0] * routes["leak"][0] < 0.0 < through_time[1] * routes["leak"][1]
assert np.allclose([delta1[0] - routes["reset"][0], delta1[0]], [-0.88, -0.08], atol=0.005)

dw = np.outer(delta1, a[0]) + np.outer(delta2, a[1])
dv = np.outer(delta2, s1)
db = delta1 + delta2

neuron = rs.LIF(leak, threshold, spike, rs.ToZero())
network = rs.Network((1, 2), neuron, rs.SpikeRate(gain), recurrent=True)
params = (rs.Layer(w, b, v),)
found, (page_grad,) = rs.bptt.loss_and_grad(network, params, a[:, None, :], [label])
assert np.isclose(found, loss, rtol=1e-14)
for ours, theirs in ((dw, page_grad.w), (dv, page_grad.v), (db, page_grad.b)):
    assert np.allclose(ours, theirs, rtol=1e-13, atol=0.0)

# %% [markdown]
# ## 3. Any number of neurons, steps and recordings
#
# Nothing new happens in a long run: each step has the routes of step 1, with $\delta_{t+1}$ in
# place of $\delta_2$. With $r(u, s)$ for what a reset leaves,
#
# $$\delta_t = \sigma'(u_t - \theta)\Big(g_t + V^\top \delta_{t+1} + \frac{\partial r}{\partial s}
# \delta_{t+1}\Big) + \frac{\partial r}{\partial u}\, \delta_{t+1}.$$
#
# The batch is one more axis: a row per recording, so $V^\top\delta$ becomes `delta @ v`.


# %%
def layer_deltas(neuron, layer, u, s, g):
    """dL/du (time, batch, n), given what the spikes receive from above."""
    delta, later = np.empty_like(u), np.zeros_like(u[0])
    for t in reversed(range(len(u))):
        slope = neuron.spike.derivative(u[t] - neuron.threshold)
        from_spike = g[t] - neuron.leak * u[t] * later
        if layer.v is not None:
            from_spike = from_spike + later @ layer.v
        later = delta[t] = slope * from_spike + neuron.leak * (1.0 - s[t]) * later
    return delta


def parameter_grads(delta, a, s, layer):
    w, b = np.einsum("tbi,tbj->ij", delta, a), delta.sum(axis=(0, 1))
    v = None if layer.v is None else np.einsum("tbi,tbj->ij", delta[1:], s[:-1])
    return rs.Layer(w, b, v)


# %% [markdown]
# Layers are one more loop. The current of layer 2 is $W^{(2)} s^{(1)}_t$, so what the spikes of
# layer 1 receive from above is $g_t = W^{(2)\top} \delta^{(2)}_t$: one matrix product for all
# steps, and the same function again.


# %%
def backpropagate(network, params, x, y, deltas=layer_deltas):
    trace = rs.run(network, params, x)
    p = np.exp(trace.logits - trace.logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dz = (p - np.eye(p.shape[1])[y]) / len(y)
    g, grads = np.tile(network.readout.gain / len(x) * dz, (len(x), 1, 1)), []
    for i in reversed(range(len(params))):
        below = trace.s[i - 1] if i else x
        delta = deltas(network.neurons[i], params[i], trace.u[i], trace.s[i], g)
        grads.insert(0, parameter_grads(delta, below, trace.s[i], params[i]))
        g = delta @ params[i].w
    return rs.flatten(tuple(grads)), g


rng = np.random.default_rng(0)
deep = rs.Network((10, 16, 12, 4), neuron, rs.SpikeRate(8.0), recurrent=True)
theta = rs.init(deep, rng)
x, y = (rng.random((30, 8, 10)) < 0.4).astype(float), rng.integers(4, size=8)
ours, rest = backpropagate(deep, theta, x, y)

# %% [markdown]
# Who says that it is right? Three judges that know nothing of our loop: the page itself, the tape
# of notebook 02, and the complex step. An error in a tiny entry would not show in a cosine: so we
# look at each entry's relative difference.

# %%
page_grad = rs.flatten(rs.bptt.loss_and_grad(deep, theta, x, y)[1])
tape_grad = rs.flatten(rs.reference.loss_and_grad(deep, theta, x, y)[1])
flat, chosen = rs.flatten(theta), np.arange(0, ours.size, 3)


def complex_step(i, h=1e-40):
    step = flat + 1j * h * (np.arange(flat.size) == i)
    return np.imag(rs.reference.loss(deep, rs.unflatten(deep, step), x, y)) / h


stepped = np.array([complex_step(i) for i in chosen])
others = {"the page": page_grad[chosen], "the tape": tape_grad[chosen], "complex step": stepped}
apart = {name: np.abs(ours[chosen] / other - 1.0) for name, other in others.items()}
size = np.abs(ours[chosen])
figure, axis = plt.subplots(figsize=(7.5, 3.4))
for (name, difference), colour, mark in zip(apart.items(), (BLUE, RED, GREEN), ".x+", strict=True):
    axis.loglog(size, np.maximum(difference, 1e-17), mark, color=colour, markersize=4, label=name)
axis.set(xlabel="size of the entry (nats per unit of weight)", ylabel="relative difference")
axis.legend(loc="upper right")
plt.show()

# %% [markdown]
# The entries span several orders of magnitude, and all agree to twelve digits or more, small ones
# (on the left) a little less well: they are what is left of large terms that cancel. Points at
# $10^{-17}$ are exact zeros, the same number bit by bit: so are all of our loop and the page.

# %%
print({name: f"{difference.max():.0e}" for name, difference in apart.items()})
assert all(difference.max() < 1e-12 for difference in apart.values())
assert np.median(apart["the page"]) == 0.0
assert all(np.median(difference) < 1e-15 for difference in apart.values())
assert size.max() > 1e4 * size.min()

# %% [markdown]
# ## 4. The page, line by line
#
# Now read the real thing. The cells below print `rs.bptt.loss_and_grad` in pieces, from the source
# that runs. First the run, the loss with $\partial L/\partial z$, and the weights $\alpha_t$ with
# which the readout counts step $t$ (ours was gain/steps).

# %%
page = inspect.getsource(rs.bptt.loss_and_grad)
page = page[page.rindex('"""') + 4 :].rstrip().splitlines()
seen = []


def up_to(text):
    stop = next(i for i, line in enumerate(page) if text in line) + 1
    piece = page[len(seen) : stop]
    seen.extend(piece)
    return "\n".join(line[4:] for line in piece)


print(up_to("time_weights"))

# %% [markdown]
# If the readout has weights of its own, it is a layer without spikes: its gradient, and the route
# through it. Then $g_t = \alpha_t\, \partial L/\partial z$ for all steps.

# %%
print(up_to('g = np.einsum("t,bi->tbi"'))

# %% [markdown]
# The layers, from the last to the first; `a` is what the layer gets, `later` is $\delta_{t+1}$.
# Then the four routes. `partials` returns $\partial r/\partial u$ and $\partial r/\partial s$ of
# whatever reset the neuron has; `detach_reset` leaves out the red bar of section 2.

# %%
print(up_to("later = delta[t] ="))

# %% [markdown]
# The sums for the parameters, and the route down to the next layer.

# %%
print(up_to("return loss"), f"{len(page)} lines", sep="\n\n")
assert seen == page  # nothing was left out

# %% [markdown]
# ## 5. Vanishing and exploding at the same time
#
# How far back does a gradient reach? Without recurrent weights the way from $u_t$ to $u_{t+1}$ is
# one number, the sum of the blue and the red route:
#
# $$J_t = \frac{\partial u_{t+1}}{\partial u_t}
# = \lambda\,\big(1 - s_t - u_t\,\sigma'(u_t - \theta)\big),$$
#
# and over $k$ steps a product of $k$ of them. Where they are below one, early steps have no say;
# where above, they drown the rest. We send a random current through 500 neurons and follow it back.

# %%
currents = 0.6 * rng.random((60, 500))


def reach(slope, reset=neuron.reset):
    """Products of J from step 60 back to 59, 58, ..., one column per neuron."""
    u, s, factors, spike = 0.0, 0.0, [], rs.Arctan(slope)
    for current in currents:
        u = reset(leak, threshold, u, s) + current
        s = spike(u - threshold)
        dr_du, dr_ds = reset.partials(leak, threshold, u, s)
        factors.append(dr_du + dr_ds * spike.derivative(u - threshold))
    return np.cumprod(factors[-2::-1], axis=0)  # the last potential passes nothing on


back = np.arange(1, 60)
products = {slope: np.abs(reach(slope)) for slope in (2.0, 16.0)}
typical = {slope: np.median(values, axis=1) for slope, values in products.items()}
energy = {slope: np.sqrt(np.mean(values**2, axis=1)) for slope, values in products.items()}
figure, axis = plt.subplots(figsize=(7.5, 3.8))
for slope, colour in ((2.0, BLUE), (16.0, RED)):
    for values, style, name in ((typical, "-", "median neuron"), (energy, "--", "rms")):
        axis.semilogy(back, values[slope], style, color=colour, label=f"slope {slope:g}: {name}")
axis.axhline(1.0, color="black", linewidth=0.8)
axis.set(xlabel="steps back in time", ylabel="size of $du_{60}/du_{60-k}$", ylim=(1e-16, 1e4))
axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# With slope 2 both blue lines fall: the gradient vanishes. With slope 16 something odd happens. The
# median neuron (solid red) loses its gradient, too, but more slowly. But the root mean square
# (rms), of which the norm of a gradient is made, does not fall at all: it stays far above one. Most
# neurons pass on nothing, and a few, those that sat at threshold where $\sigma'$ is large, pass on
# a multiple. A gradient through steep spikes is mostly that of a handful of neurons, with reset by
# subtraction as well.
#
# This is why some libraries detach the reset on purpose: without the red route $J_t = \lambda (1 -
# s_t)$ is never above $\lambda$, so nothing can explode. But what is left is no gradient any more
# (notebook 04). A soft spike is the other way out: the presets of refsast have slope 2 (or less,
# for theorem 5), as SpikingJelly's `ATan()` has. Its price: it is farther from the hard spike
# (notebook 01), and learns only short delays. The readout counts every step, so each gets a $g_t$
# of its own, but next to nothing from twenty steps later; recurrent weights carry more (notebook
# 06, section 5).

# %%
print({s: f"20 steps back: median {typical[s][19]:.0e}, rms {energy[s][19]:.0e}" for s in typical})
assert energy[2.0][19] < 1e-6 < typical[16.0][19] < 0.1 < 1.0 < energy[16.0][19]
few = np.sort(products[16.0][19] ** 2)[::-1].cumsum()
assert few[4] > 0.9 * few[-1]  # five of 500 neurons hold nine tenths of it
subtract = np.abs(reach(16.0, rs.Subtract()))[19]
assert np.median(subtract) < 0.1 < 1.0 < np.sqrt(np.mean(subtract**2))

u, nudge = 0.0, 1e-40j * (np.arange(60) == 39)  # the complex step judges the products
for current, h in zip(currents, nudge, strict=True):
    u = leak * u * (1.0 - rs.Arctan(16.0)(u - threshold)) + current + h
assert np.allclose(np.abs(u.imag / 1e-40), products[16.0][19], rtol=1e-6)

assert max(preset.slope for preset in rs.PRESETS.values()) == 2.0

# %% [markdown]
# ## What we now know
#
# Backpropagation through time is four routes per step, summed from the last step to the first.
# Reset and leak pull in opposite directions, so leaving one out is no small thing. Steep spikes let
# the gradient of most neurons vanish and that of a few explode.
#
# In the code: `refsast/gradient/bptt.py` is the page, `refsast/model/reset.py` has the `partials`,
# `refsast/gradient/fast/` does the same with speed, `refsast/gradient/reference.py` by the tape.
# Next: `04_surrogates` asks what the vectors are that other rules compute.

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1
# Back to two neurons. Let the reset be by subtraction, $r = \lambda u - \theta s$. Which of the
# four routes change, and to what? Compute $\partial L/\partial b$ by hand and compare with
# `rs.bptt`.

# %% tags=["solution"]
u2 = leak * u1 - threshold * s1 + w @ a[1] + v @ s1 + b
s2 = spike(u2 - threshold)
z = gain / 2 * (s1 + s2)
g = gain / 2 * (np.exp(z) / np.exp(z).sum() - np.eye(2)[label])
delta2 = spike.derivative(u2 - threshold) * g
delta1 = slope1 * (g + v.T @ delta2 - threshold * delta2) + leak * delta2  # reset and leak
other = replace(network, neuron=replace(neuron, reset=rs.Subtract()))
(grad,) = rs.bptt.loss_and_grad(other, params, a[:, None, :], [label])[1]
assert np.allclose(delta1 + delta2, grad.b, rtol=1e-13)

# %% [markdown]
# ### Exercise 2
# The gradient with respect to the *input* says which events mattered. What is in `g` after the loop
# of `backpropagate`? (It is returned, too.) Compare with `rs.reference.input_grad`.

# %% tags=["solution"]
# Each turn of the loop leaves in g what the layer's input receives; below layer 1 that is x.
assert np.allclose(rest, rs.reference.input_grad(deep, theta, x, y), rtol=1e-9, atol=1e-15)

# %% [markdown]
# ### Exercise 3
# Storing all steps costs memory, so libraries offer *truncated* backpropagation: let no gradient
# pass from one block of $k$ steps to the next (`detach()` every $k$ steps). Write it, with `deltas`
# of `backpropagate`, and compute its cosine to the gradient for our deep network, for slopes 2 and
# 32. What does a single cut in the middle do?


# %% tags=["solution"]
# With soft spikes little would have come through anyway. With steep ones a single cut changes the
# direction a great deal: the few neurons that hold the gradient hold it across the cut.
def truncated(k):
    def deltas(neuron, layer, *signals):
        blocks = [[part[i : i + k] for part in signals] for i in range(0, len(signals[0]), k)]
        return np.concatenate([layer_deltas(neuron, layer, *block) for block in blocks])

    return deltas


for slope in (2.0, 32.0):
    steeper = replace(deep, neuron=replace(neuron, spike=rs.Arctan(slope)))
    lengths = (1, 15, len(x))
    *cuts, whole = (backpropagate(steeper, theta, x, y, truncated(k))[0] for k in lengths)
    cosines = [c @ whole / np.linalg.norm(c) / np.linalg.norm(whole) for c in cuts]
    print(f"slope {slope:g}: cut at every step {cosines[0]:.2f}, once {cosines[1]:.2f}")
    assert (cosines[0] > 0.75) == (cosines[1] > 0.9) == (slope == 2.0)
assert cosines[1] < cosines[0]  # at slope 32 one cut is even worse than a cut at every step
assert np.allclose(whole, backpropagate(steeper, theta, x, y)[0], rtol=1e-12)  # one block: no cut
