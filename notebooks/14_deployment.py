# %% [markdown]
# # Deployment: bits, fixed point, operations, bad weather
#
# A chip has no real numbers. It has weights of eight bits or four, potentials that are integers and
# saturate, a leak that is a product and a shift. It is paid by the operation, and its camera gets
# dirty.
#
# In this notebook we take two trained networks there: a weight of four bits, then all of it in
# integers, and how far that can be from real numbers. Then a question that accuracy cannot answer:
# could *another* rounding of the same weights have changed the class? We prove that for some
# recordings none can, and for others we build the one that does. At the end we count what a run
# costs, and let it rain.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import refsast as rs
from refsast import data

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, VIOLET = [f"C{i}" for i in range(6)]

# %% [markdown]
# ## 1. A weight of four bits
#
# With $b$ bits, one of them the sign, a weight is $q \cdot \mathrm{scale}$, $|q| \le 2^{b-1} - 1$,
# and a neuron's largest weight gets the largest integer. So *one* weight sets the scale for all. At
# four bits there are fifteen values.

# %%
w = np.random.default_rng(0).standard_normal((1, 400)) * 0.3
lone = np.hstack([w, [[3.0]]])  # one weight that is ten times as large as the others


def four_bits(rows):
    return rs.deploy.round_weights((rs.Layer(rows),), rs.deploy.WeightFormat(4))[0].w


figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
for axis, rows, title in zip(axes, (w, lone), ("as drawn", "with one large weight"), strict=True):
    axis.plot(np.sort(rows[0]), color=GREY, label="real")
    axis.plot(np.sort(four_bits(rows)[0]), color=BLUE, label="4 bits")
    axis.set(title=title, xlabel="weights, sorted", ylim=(-1.1, 1.1))
axes[0].set_ylabel("weight")
axes[0].legend()
plt.show()
values = [len(np.unique(four_bits(rows)[0, :400])) for rows in (w, lone)]
silent = (four_bits(lone)[0, :400] == 0.0).mean()
print(f"values in use: {values}; with the large one {silent:.0%} of the others are zero")
assert values[0] > 10
assert silent > 0.4

# %% [markdown]
# One weight has taken the range, and half of the others are gone. With a scale per neuron, as here
# (`per="channel"`), the damage stays in that neuron. Two bits, three values, break most networks.
#
# ## 2. Two networks
#
# Both read synthetic digits and differ in one number: the readout multiplies spike rates by 150 or
# by 10. A large gain leaves a large transfer gap (notebook 09), which SAST closes, given more
# recordings than we have time for here.

# %%
steps = 5
x, y = rs.synthetic_spikes(800, np.random.default_rng(0), steps=steps)
events, y_test = data.synthetic_recordings(120, np.random.default_rng(1))
x_test = rs.bin_spikes(events, steps=steps, duration=data.DURATION)
neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
adam = rs.descent.adam(learning_rate=2e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0)


def train(gain):
    network = rs.Network((2312, 32, 32, 10), neuron, rs.SpikeRate(gain))
    steady = rs.descent.constant
    config = rs.Config(epochs=10, batch=32, rho=0.0, warmup=0.0, descent=adam, schedule=steady)
    run = rs.train(network, rs.init(network, 0), (x, y), config, rng=np.random.default_rng(2))
    return network, run.params


trained = {"gain 150": train(150.0), "gain 10": train(10.0)}
for name, pair in trained.items():
    scores = rs.evaluate(*pair, x_test, y_test)
    print(f"{name:8} smooth {scores.smooth:.2f}, hard {scores.hard:.2f}")
network, params = trained["gain 10"]  # the one that we look at more closely

# %% [markdown]
# ## 3. All of it in integers
#
# `rs.deploy.to_integers` rounds weights, thresholds, biases and leaks. A potential is in sixteenths
# of a weight step (Q20.4 here, 20 bits before the point and 4 after: it saturates at $2^{20}$
# steps, out of reach); the leak 0.9 becomes $115/2^7$, a product and a shift. A chip repeats
# `rs.deploy.run` bit by bit.
#
# These integers stand for a network in real numbers, with exactly these weights. Between the two
# there is only the rounding of the leak, half a unit a step. So as long as all spikes agree, a
# potential of step $t$ is off by at most $\tfrac12 (1 + \lambda + \dots + \lambda^{t-2})$ units.

# %%
roomy = rs.deploy.PotentialFormat(20, 4)
made = rs.deploy.to_integers(network, params, rs.deploy.Formats(potentials=roomy))
twin, twin_params = rs.deploy.dequantise(made, "last place")
ours, theirs = rs.deploy.run(made, x_test), rs.run(twin, twin_params, x_test, rs.heaviside)
agree = np.logical_and.accumulate(ours.s[0] == theirs.s[0], axis=0)
off = np.where(agree, np.abs(ours.u[0] - theirs.u[0]), 0.0).max(axis=(1, 2))
bound = rs.deploy.rounding_bound(made.layers[0].leak, steps)
figure, axis = plt.subplots(figsize=(6.6, 3.2))
axis.plot(range(1, steps + 1), bound, "o--", color=GREY, label="bound")
axis.plot(range(1, steps + 1), off, "s-", color=BLUE, label="largest difference")
axis.set(xlabel="step", ylabel="units of the last place", xticks=range(1, steps + 1))
axis.legend()
plt.show()
found = rs.deploy.compare_runs(made, x_test)
print(f"spikes that differ, by layer: {found.differing}; same class: {found.same_class:.3f}")
assert off[0] == 0.0
assert np.all(off <= bound + 1e-9)
assert off[-1] > 0.8 * bound[-1]

# %% [markdown]
# The first step has nothing to leak, so it is exact. The bound is nearly reached, and few spikes
# differ, if any: the integers are faithful to *their* real network. Whether that one is faithful to
# the network that was trained is a question of the weights.
#
# ## 4. How many bits?

# %%
widths = (8, 6, 4, 3, 2)
formats = {b: rs.deploy.Formats(rs.deploy.WeightFormat(b)) for b in widths}
surveys = {
    name: rs.deploy.survey(
        [rs.deploy.to_integers(*pair, formats[b]) for b in widths], pair[1], x_test, y_test
    )
    for name, pair in trained.items()
}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True)
for axis, (name, found) in zip(axes, surveys.items(), strict=True):
    axis.axhline(found.smooth, color=GREY, linestyle=":", label="real, smooth")
    axis.axhline(found.hard, color=RED, linestyle="--", label="real, hard")
    read = [each.accuracy for each in found.deployed]
    axis.plot(widths, read, "o-", color=BLUE, label="integers")
    axis.set(title=name, xlabel="bits of a weight", xticks=widths, ylim=(0.0, 1.0))
axes[0].set_ylabel("accuracy")
axes[1].legend()
plt.show()
for name, found in surveys.items():
    print(f"{name:5}", {each.bits: round(each.accuracy, 2) for each in found.deployed})
large, small = surveys.values()
assert large.smooth - large.hard > 0.2 > 0.1 > small.smooth - small.hard
for found in surveys.values():
    assert max(abs(each.accuracy - found.hard) for each in found.deployed[:2]) < 0.1
    assert found.deployed[-1].accuracy < found.hard - 0.1

# %% [markdown]
# Look where the loss is: with the large gain from smooth to hard spikes; from there to six bits,
# nothing worth speaking of. The swap costs accuracy, the integers do not, down to two bits, which
# are too few for either.
#
# ## 5. Could another rounding have changed the class?
#
# Rounded to the nearest, eight bits give the class of the real network on nearly every recording.
# But that is *one* rounding. Each weight has two neighbours on its grid, and stochastic or learned
# rounding take others. With 75,000 weights there are $2^{75000}$ networks, and we would like to
# know whether *all* of them keep a class. Sampling is hopeless.
#
# Intervals are not. All of them lie between the network with every weight rounded down and the one
# with every weight rounded up. Step by step: a potential on one side of the threshold has a certain
# spike; across it, the spike is unknown, and what the reset leaves is either of two things.

# %%
neuron_w, theta, leak = np.array([0.62, 0.25, -0.4]), 1.0, 0.9
inputs = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 0], [1, 0, 0], [1, 1, 1]])


def potentials(step):
    """Ends of the potential, for all weights within one step of the grid around the real ones."""
    low = high = 0.0
    ends = []
    for a in inputs:
        centre, radius = a @ np.floor(neuron_w / step) * step, a.sum() * step
        kept = [leak * u for u in (low, high) if u < theta]
        kept += [0.0] if high >= theta else []
        kept += [leak * theta] if low < theta <= high else []
        low, high = min(kept) + centre, max(kept) + centre + radius
        ends.append((low, high))
    return np.array(ends)


figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2), sharey=True)
unknown = {}
for axis, step in zip(axes, (0.01, 0.1), strict=True):
    low, high = potentials(step).T
    unknown[step] = int(np.sum((low < theta) & (high >= theta)))
    axis.fill_between(range(1, 7), low, high, color=BLUE, alpha=0.3, linewidth=0)
    axis.plot(range(1, 7), np.array([low, high]).T, color=BLUE)
    axis.axhline(theta, color=RED, linestyle="--")
    axis.set(title=f"weight step {step}: {unknown[step]} unknown", xlabel="time step")
axes[0].set_ylabel("potential")
plt.show()
assert unknown[0.01] == 0 < unknown[0.1]
for seed in range(200):  # whatever rounds, the run stays inside
    coin = np.random.default_rng(seed).random(3) < 0.5
    weight, u, inside = (np.floor(neuron_w / 0.1) + coin) * 0.1, 0.0, []
    for a, (low, high) in zip(inputs, potentials(0.1), strict=True):
        u = leak * u * (u < theta) + a @ weight
        inside.append(low - 1e-12 <= u <= high + 1e-12)
    assert all(inside)

# %% [markdown]
# `rs.deploy.certify_rounding` does this for whole networks, in integers, so that nothing is rounded
# in the proof itself. It is sharper than our dozen lines: it keeps what a neuron can do by the step
# of its *last spike*, so a spike that may come a step later is counted exactly once.
#
# The adversary goes the other way. For one recording it takes the upper neighbour of every weight
# that raises the loss if it grows, by the straight-through gradient of notebook 04, and the lower
# neighbour of the others. That is one of the $2^{75000}$ networks, chosen to hurt.


# %%
def rounded(pair, formats, way):
    weights = replace(formats.weights, rounding=way)
    return rs.deploy.to_integers(*pair, replace(formats, weights=weights))


def withstands(pair, formats, proof, i):
    """Whether recording i keeps its class in the network that is rounded against it."""
    low, high = (rounded(pair, formats, way) for way in ("down", "up"))
    one, cls = x_test[:, i : i + 1], proof.classes[i : i + 1]
    _, grads = rs.fast.straight_through(*pair, one, cls)
    layers = tuple(
        replace(a, w=np.where(g.w > 0.0, b.w, a.w))
        for a, b, g in zip(low.layers, high.layers, grads, strict=True)
    )
    return rs.deploy.run(replace(low, layers=layers), one).logits.argmax() == cls[0]


wide, asked, proofs, stands = (12, 10, 9, 8, 7, 6), range(30), {}, {}
wider = [rs.deploy.Formats(rs.deploy.WeightFormat(bits), roomy) for bits in wide]
for name, pair in trained.items():
    proofs[name] = [rs.deploy.certify_rounding(*pair, x_test, form) for form in wider]
    both = list(zip(wider, proofs[name], strict=True))
    stands[name] = np.array([[withstands(pair, *each, i) for i in asked] for each in both])

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True)
for axis, name in zip(axes, trained, strict=True):
    share = [proof.certified.mean() for proof in proofs[name]]
    axis.plot(wide, stands[name].mean(axis=1), "v:", color=RED, label="withstand the adversary")
    axis.plot(wide, share, "^-", color=BLUE, label="certified")
    axis.set(title=name, xlabel="bits of a weight", xticks=wide, ylim=(0.0, 1.02))
    print(f"{name:5} certified", dict(zip(wide, np.round(share, 2).tolist(), strict=True)))
axes[0].set_ylabel("share of recordings")
axes[0].legend(loc="upper left")
plt.show()
for name, found in proofs.items():
    assert not np.any(np.array([proof.certified[:30] for proof in found]) & ~stands[name])
    assert found[0].certified.mean() > 0.7
    assert found[-1].certified.mean() < 0.2

# %% [markdown]
# Nothing that is certified falls to the adversary (red: the first 30 recordings, blue: all 120);
# between the two lines nobody knows. And note the difference to section 4. At six bits accuracy is
# whole, and yet hardly any class is safe from *every* rounding: rounding to the nearest does no
# harm because its errors are as good as random, not because they are small. Who lets an optimiser
# choose the rounding should know that.
#
# ## 6. What it costs
#
# A chip that is driven by events adds a weight for each spike that arrives, one **synaptic
# operation**. A dense product multiplies every input at every step.

# %%
trace = rs.deploy.run(made, x_test)
costs = rs.deploy.count_operations(made.layers, x_test, trace)
dense, synaptic = (
    np.array([getattr(c, kind).mean() for c in costs]) for kind in ("dense", "synaptic")
)
figure, axis = plt.subplots(figsize=(6.6, 3.2))
places = np.arange(len(costs))
axis.bar(places - 0.2, dense, 0.4, color=GREY, label="dense multiplications")
axis.bar(places + 0.2, synaptic, 0.4, color=BLUE, label="synaptic operations")
axis.set(yscale="log", xticks=places, xticklabels=[f"layer {i + 1}" for i in places])
axis.set_ylabel("per recording")
axis.legend()
plt.show()
share = synaptic.sum() / dense.sum()
print(f"{share:.1%} of the dense products; layer 1 has {synaptic[0] / synaptic.sum():.0%} of them")
assert share < 0.2
assert synaptic[0] > 0.8 * synaptic.sum()

# %% [markdown]
# Almost all is in the first layer, where the camera's events arrive. Fewer hidden spikes would save
# next to nothing here, fewer events much. (Energy is this times constants of a chip.)
#
# ## 7. Bad weather
#
# The camera loses events, sits a little to the left, or has pixels that never stop. Does a network
# in four bits stand that as well as the real one?

# %%
kinds, severities = ("lost", "hot pixels", "shifted"), range(6)
four = rs.deploy.to_integers(network, params, formats[4])


def read(kind, severity):
    """Accuracies of the real network with hard spikes and of four bits, in such weather."""
    bad = data.corrupt_recordings(events, kind, severity, seed=0)
    binned = rs.bin_spikes(bad, steps=steps, duration=data.DURATION)
    real = rs.run(network, params, binned, rs.heaviside).logits
    return [(z.argmax(axis=1) == y_test).mean() for z in (real, rs.deploy.run(four, binned).logits)]


weather = {kind: np.array([read(kind, severity) for severity in severities]) for kind in kinds}
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), sharey=True)
for axis, (kind, accuracy) in zip(axes, weather.items(), strict=True):
    axis.plot(severities, accuracy[:, 0], "--", color=RED, label="real, hard")
    axis.plot(severities, accuracy[:, 1], "o-", color=BLUE, label="4 bits")
    axis.set(title=kind, xlabel="severity", ylim=(0.0, 1.0))
axes[0].set_ylabel("accuracy")
axes[0].legend()
plt.show()
apart = max(abs(accuracy[:, 0] - accuracy[:, 1]).max() for accuracy in weather.values())
print(
    f"real and 4 bits differ by at most {apart:.2f}; shifted by six pixels: "
    f"{weather['shifted'][-1, 0]:.2f}"
)
assert apart < 0.15
assert weather["shifted"][-1, 0] < 0.5 * weather["shifted"][0, 0]

# %% [markdown]
# Lost events and hot pixels do little, a shift does far more than the bits, and both suffer alike.
# A network that was never shown a shifted digit reads few, in whatever numbers.
#
# ## What we now know
#
# The swap to hard spikes costs accuracy, four bits hardly do, two bits do. That one rounding is
# harmless says nothing of the next; a proof for all of them needs more bits than accuracy does.
# SAST makes rounding safer, too: at a gain of 150 and 8 bits `docs/deployment.md` certifies 51 % of
# 200 real recordings after SAST and 10 % after plain training of twice the epochs (ten seeds).
#
# The code: `refsast/deploy/`, the proof at the top of `refsast/deploy/enclosure.py`; for a trained
# run `python -m refsast deploy`, which writes the integers, a C program and, if asked, a NIR graph
# (an exchange format). See `docs/deployment.md`, `docs/corruption.md`. Next: `15_refute_a_theorem`.
#
# ## Exercises

# %% [markdown]
# ### Exercise 1
#
# At four bits compare a scale per neuron with one per layer. Which rounds the weights of the first
# layer better? Where could it be the other way round?

# %% tags=["solution"]
# A neuron's own scale is never larger than the layer's, so its largest error is never larger.
# A single weight may by luck be nearer to a point of the coarser grid.
errors = {}
for per in ("channel", "tensor"):
    near = rs.deploy.round_weights(params, rs.deploy.WeightFormat(4, per))
    errors[per] = np.abs(near[0].w - params[0].w)
print({per: f"mean {e.mean():.4f}, largest {e.max():.4f}" for per, e in errors.items()})
assert errors["channel"].mean() < errors["tensor"].mean()
assert np.any(errors["channel"] > errors["tensor"])

# %% [markdown]
# ### Exercise 2
#
# Is the certificate of a width another one if weights are rounded stochastically, or down? Test it;
# then round stochastically twenty times at eight bits, and count changed classes among recordings
# that are certified and among those that are not.

# %% tags=["solution"]
# It is the same: it speaks of all roundings.
eight, proof = wider[wide.index(8)], proofs["gain 10"][wide.index(8)]
down = replace(eight, weights=replace(eight.weights, rounding="down"))
again = rs.deploy.certify_rounding(network, params, x_test, down)
assert np.array_equal(again.certified, proof.certified)
rng, changed = np.random.default_rng(4), np.zeros(len(y_test), int)
chance = replace(eight, weights=replace(eight.weights, rounding="stochastic"))
for _ in range(20):
    other = rs.deploy.to_integers(network, params, chance, rng)
    changed += rs.deploy.run(other, x_test).logits.argmax(axis=1) != proof.classes
sums = [changed[which].sum() for which in (proof.certified, ~proof.certified)]
print(f"changed classes: certified {sums[0]}, others {sums[1]}")
assert sums[0] == 0
assert sums[1] > 0

# %% [markdown]
# ### Exercise 3
#
# A leak as a shift alone, $u - (u \gg k)$, is $1 - 2^{-k}$. Which $k$ is nearest to 0.9, and what
# does it do to the classes?

# %% tags=["solution"]
# k = 3 gives 0.875; all powers of two are coarse near 0.9. Most classes stay.
leaks = rs.deploy.LeakFormat(8, "shift")
leak = leaks.nearest(0.9)
shifted = rs.deploy.to_integers(network, params, rs.deploy.Formats(potentials=roomy, leaks=leaks))
same = rs.deploy.run(shifted, x_test).logits.argmax(axis=1) == ours.logits.argmax(axis=1)
print(f"leak {leak.value}, same class {same.mean():.2f}")
assert leak.value == 0.875
assert 0.8 < same.mean() <= 1.0
