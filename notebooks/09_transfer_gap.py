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
# # The transfer gap: where it comes from
#
# A network learns with smooth spikes and is deployed with hard ones, 0 or 1, and nothing else
# changed. What it loses in accuracy is the **transfer gap**. SAST was made to close it. Before we
# ask what closes a gap, let us ask what *makes* one.
#
# The obvious answer: the swap is a disturbance, deep in the network, and a disturbance costs
# accuracy. We will see that this explains little. The same swap costs much less where the reset
# keeps a ledger. It costs most of the accuracy where the readout listens to whispers. Both are
# choices that somebody made before the training began.
#
# Everything here is measured on small networks, three seeds, and synthetic recordings. The large
# experiment, with ten seeds and intervals, is in `docs/transfer_gap.md`.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import refsast as rs

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, VIOLET = [f"C{i}" for i in range(6)]

# %% [markdown]
# ## 1. One neuron, and a ledger
#
# No training yet. One neuron gets a constant current for 200 steps, and we count: how often does it
# fire per step? With hard spikes that is a rate of zeros and ones, with smooth spikes a mean of
# fractions. We draw both against the current, for the three resets. Where the two curves differ,
# the next layer gets another input after the swap.

# %%
current, steps = np.linspace(0.0, 1.4, 57), 200
resets = {"to zero": rs.ToZero(), "subtract": rs.Subtract(), "none": rs.NoReset()}


def single(reset, leak=0.9):
    """The trace of one neuron under each current, smooth and hard."""
    neuron = rs.LIF(leak, 1.0, rs.Arctan(2.0), reset)
    one = rs.Network((1, 1), neuron, rs.SpikeRate(1.0), bias=False)
    weight = (rs.Layer(np.ones((1, 1))),)
    x = np.tile(current[:, None], (steps, 1, 1))
    return rs.run(one, weight, x), rs.run(one, weight, x, spike=rs.heaviside)


traces = {name: single(reset) for name, reset in resets.items()}
rates = {name: [t.s[0][:, :, 0].mean(axis=0) for t in pair] for name, pair in traces.items()}
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.4), sharey=True)
for axis, (name, (smooth, hard)) in zip(axes, rates.items(), strict=True):
    axis.plot(current, smooth, color=BLUE, label="smooth spikes")
    axis.plot(current, hard, "--", color=RED, label="hard spikes")
    axis.fill_between(current, smooth, hard, color=YELLOW, alpha=0.3, linewidth=0)
    axis.set(xlabel="current (thresholds per step)", title=f"reset: {name}")
axes[0].set_ylabel("mean spike per step")
axes[2].legend()
plt.show()

# %% [markdown]
# In the middle the curves nearly agree but for weak currents, though every single spike was
# changed. On the left they do not: the hard neuron climbs a staircase of 1/4, 1/3, 1/2, 1, the
# smooth one a gentle slope.
#
# Why? With subtraction and without a leak, $u_t = u_{t-1} - \theta s_{t-1} + I_t$, so
#
# $$\theta \sum_{t<T} s_t = \sum_{t \le T} I_t - u_T .$$
#
# A spike takes away exactly $\theta$, and half a spike half of it. What came in has either been
# sent on or is still there. This is a *ledger*, and **it does not contain the spike function at
# all**: after the swap the number of spikes differs only by what is left in $u_T$, however long the
# run. The reset to zero keeps no ledger. It throws away what stands above the threshold, and a
# smooth spike of 0.3 throws away 30 % of the potential far below it.

# %%
apart = {name: np.abs(smooth - hard).max() for name, (smooth, hard) in rates.items()}
print({name: f"at most {value:.2f} per step" for name, value in apart.items()})
assert apart["subtract"] < 0.5 * apart["to zero"] < apart["none"]
missing = {}
for name, reset in resets.items():
    for trace in single(reset, leak=1.0):
        sent, left = trace.s[0][:-1].sum(axis=0)[:, 0], trace.u[0][-1, :, 0]
        missing.setdefault(name, []).append(np.abs(steps * current - sent - left).max())
assert max(missing["subtract"]) < 1e-9 < 20.0 < min(missing["to zero"])  # the ledger, and none

# %% [markdown]
# ## 2. The dose: how steep is the readout?
#
# Now we train. Digits in front of an event camera, pooled to 17 x 17 pixels and five steps; two
# hidden layers of 32 neurons, reset to zero. The logit of a class is a *gain* times the mean spike
# of its output neuron. We vary the gain and nothing else.
#
# Why the gain? It says how much of a spike is enough. At a gain of 10 a lead of two logits needs a
# neuron that fires in one step of five. At a gain of 100 the same lead is two hundredths of a
# spike: a smooth neuron sends as much while it stays far below the threshold. A whisper.

# %%
events, digits = rs.synthetic_digits(900, np.random.default_rng(0), steps=5)
pixels = events.reshape(5, 900, 2, 17, 2, 17, 2).max(axis=(4, 6)).reshape(5, 900, -1)
pixels = pixels.astype(np.float32)
train, held_out = (pixels[:, :500], digits[:500]), (pixels[:, 500:], digits[500:])
base = replace(
    rs.PRESETS["paper"], hidden=(32, 32), batch=16, epochs=16, learning_rate=3e-3, rho=0.0
)
SEEDS = range(3)


def trained(**changes):
    """Networks and parameters of three seeds, trained in the base setting but for the changes."""
    setting, runs = replace(base, **changes), []
    for seed in SEEDS:
        start, order = np.random.default_rng(seed).spawn(2)
        network = setting.network(pixels.shape[2])
        params = setting.start(network, start)
        run = rs.train(network, params, train, setting.config, rng=order)
        runs.append((run.network, run.params))
    return runs


def scored(runs):
    return [rs.evaluate(*run, *held_out) for run in runs]


def table(scores, name):
    """One measure, in per cent, by setting and seed."""
    return 100.0 * np.array([[getattr(s, name) for s in each] for each in scores.values()])


gains = (10.0, 30.0, 100.0, 300.0)
by_gain = {gain: trained(gain=gain) for gain in gains}
scores = {gain: scored(runs) for gain, runs in by_gain.items()}
found = {gain: [rs.diagnose(*run, *held_out) for run in runs] for gain, runs in by_gain.items()}
below = np.array([[100.0 * d.layers[-1].below for d in each] for each in found.values()])

# %%
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.4))
lines = {
    "smooth spikes": (0, table(scores, "smooth"), BLUE, "-"),
    "hard spikes": (0, table(scores, "hard"), RED, "--"),
    "smooth spikes from below threshold": (1, below, BLUE, "-"),
    "recordings tied, or silent": (1, table(scores, "tied"), YELLOW, "--"),
    "recordings silent": (1, table(scores, "silent"), GREY, ":"),
}
for name, (place, values, colour, style) in lines.items():
    axes[place].semilogx(gains, values, "o", color=colour, markersize=3, alpha=0.6)
    axes[place].semilogx(gains, values.mean(axis=1), style, color=colour, label=name)
for axis, ylabel in zip(axes, ("accuracy, held-out (%)", "share (%)"), strict=True):
    axis.set(xlabel="gain of the readout", ylabel=ylabel, ylim=(0, 102))
    axis.set(xticks=gains, xticklabels=[f"{gain:g}" for gain in gains])
    axis.minorticks_off()
axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
axes[1].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))
plt.show()

# %% [markdown]
# Dots are seeds. On the left: one number of the readout takes the gap from four points to more than
# sixty, while the *smooth* accuracy stays where it is. Who watches only the training sees nothing.
#
# On the right is why. Blue: the share of the output layer's smooth spikes that are sent from below
# the threshold. At a gain of 100 it is nearly all of them. Hard spikes delete these, and what
# remains is little. At a gain of 30 the output is not yet silent, but in a third of the recordings
# two or more classes have the *same* count. Five steps give a count of 0 to 5, and the finer
# differences were whispers. At a gain of 300 it is silence: no output neuron fires.

# %%
gap, hard = table(scores, "gap").mean(axis=1), table(scores, "hard")
tied, silent = table(scores, "tied"), table(scores, "silent")
print({gain: f"{value:.1f} points" for gain, value in zip(gains, gap, strict=True)})
assert np.all(np.diff(gap) > 5.0)
assert gap[0] < 10.0 < 50.0 < gap[-1]
assert np.ptp(table(scores, "smooth").mean(axis=1)) < 5.0
assert np.all(np.diff(below.mean(axis=1)) > 0.0)
assert below[2].min() > 95.0
assert silent[1].max() < 2.0 < 25.0 < tied[1].min()
assert silent[3].min() > 70.0

# %% [markdown]
# ## 3. Which layer? A question with three answers
#
# We saw the output layer only. `rs.diagnose` swaps the layers one by one and `rs.explain` puts what
# it counted into words. We ask about the first seed at a gain of 100.

# %%
diagnosis = found[100.0][0]
print(*rs.explain(diagnosis), sep="\n")

# %% [markdown]
# "No single cause is clear". Why does it not simply name the worst layer? Let us draw the cost of
# each layer in the three ways in which one may ask for it: its swap *alone*, all others smooth; *in
# order*, after that of the layers before it; and *last*, after that of all others.

# %%
ways = {"alone": "only", "in order, from the input on": "first", "last": "last"}
costs = {
    way: np.array([100.0 * getattr(layer, name).cost for layer in diagnosis.layers])
    for way, name in ways.items()
}
errors = {
    way: [200.0 * getattr(layer, name).error for layer in diagnosis.layers]
    for way, name in ways.items()
}
figure, axis = plt.subplots(figsize=(7.6, 3.8))
for i, (way, colour) in enumerate(zip(ways, (RED, BLUE, GREEN), strict=True)):
    place = np.arange(3) + 0.26 * (i - 1)
    axis.bar(place, costs[way], 0.24, color=colour, label=way)
    axis.errorbar(place, costs[way], errors[way], fmt="none", color="black", linewidth=1)
axis.axhline(0.0, color="black", linewidth=0.8)
axis.set(xticks=range(3), xticklabels=("layer 1", "layer 2", "layer 3 (output)"))
axis.set(ylabel="cost of the swap (points)")
axis.legend(loc="upper left")
plt.show()

# %% [markdown]
# (Bars are two standard errors, over recordings.) Look at layer 2. Swapped alone it costs nearly as
# much as everything together. Swapped last it costs nothing, perhaps less. Both are true: with the
# other layers hard, nothing is left that its smooth spikes could save. So there is no such thing as
# "the part of layer 2". Only the costs in order add up to the gap, and another order gives other
# parts. A tool that names a culprit here would invent it.

# %%
whole = 100.0 * diagnosis.gap
print({way: f"sum {cost.sum():.1f} of {whole:.1f} points" for way, cost in costs.items()})
assert np.isclose(costs["in order, from the input on"].sum(), whole)
assert costs["alone"].sum() > 1.5 * whole
assert costs["alone"][1] > 0.6 * whole
assert costs["last"][1] < 0.2 * whole
assert "no single cause is clear" in " ".join(rs.explain(diagnosis))

# %% [markdown]
# ## 4. Depth and reset
#
# Back to the ledger of section 1. There we saw single neurons. If it matters in a network, then a
# network that subtracts should hardly have a gap, and it should not grow with depth: each layer
# passes on nearly what it passed on before the swap. We train with a gain of 10, with two and with
# four hidden layers.

# %%
grid = {
    (depth, name): trained(gain=10.0, hidden=(32,) * depth, reset=resets[name])
    for depth in (2, 4)
    for name in ("to zero", "subtract")
    if (depth, name) != (2, "to zero")
}
grid[2, "to zero"] = by_gain[10.0]
grid_scores = {key: scored(runs) for key, runs in grid.items()}

figure, axis = plt.subplots(figsize=(7, 3.6))
for i, (name, colour) in enumerate((("to zero", RED), ("subtract", BLUE))):
    gaps = table({d: grid_scores[d, name] for d in (2, 4)}, "gap")
    place = np.arange(2) + 0.34 * (i - 0.5)
    axis.bar(place, gaps.mean(axis=1), 0.3, color=colour, label=f"reset: {name}", alpha=0.75)
    axis.plot(place[:, None] + np.array([-0.08, 0.0, 0.08]), gaps, "o", color="black", markersize=4)
axis.axhline(0.0, color="black", linewidth=0.8)
axis.set(xticks=range(2), xticklabels=("two hidden layers", "four hidden layers"))
axis.set(ylabel="transfer gap (points)")
axis.legend(loc="upper left")
plt.show()

# %% [markdown]
# Bars are means, dots seeds. With the reset to zero depth makes the gap larger. With subtraction it
# is smaller, and nothing was paid for it: the hard accuracy is *higher*, at either depth. How much
# smaller, three seeds do not say: on another processor, whose sums round otherwise, the last bar
# was 4.9 points and not 1.0. The swap is the same, the training is the same, the depth is the same.
# One line of the neuron model differs. And inside, as the ledger has it: with subtraction the mean
# spike of a hidden layer changes less in the swap. That fits the explanation; it does not prove
# that there is no other.

# %%
mean = {
    key: {name: 100.0 * np.mean([getattr(s, name) for s in each]) for name in ("gap", "hard")}
    for key, each in grid_scores.items()
}
for (depth, name), values in sorted(mean.items()):
    print(f"{depth} layers, {name:9s}gap {values['gap']:5.1f}, hard {values['hard']:.1f} %")
change = {}
for name in ("to zero", "subtract"):
    hidden = [layer for run in grid[4, name] for layer in rs.diagnose(*run, *held_out).layers[:-1]]
    change[name] = np.mean([1.0 - layer.rate_hard / layer.rate_smooth for layer in hidden])
print({name: f"{100 * part:.0f} % fewer hidden spikes, hard" for name, part in change.items()})
assert 0.0 < change["subtract"] < 0.6 * change["to zero"]
assert mean[4, "to zero"]["gap"] > 1.5 * mean[2, "to zero"]["gap"]
assert all(mean[d, "subtract"]["gap"] < 0.75 * mean[d, "to zero"]["gap"] for d in (2, 4))
assert mean[4, "subtract"]["hard"] > mean[4, "to zero"]["hard"] + 3.0
assert mean[2, "subtract"]["hard"] > mean[2, "to zero"]["hard"]

# %% [markdown]
# ## 5. What SAST does, and when
#
# Now the cure, on the network with a gain of 30. SAST takes the gradient at the ascent point, at
# distance $\rho = 0.2$, which costs two gradients per step; the baseline gets twice the epochs, so
# that both spend as many. We spend five times as many gradients as before, with a constant learning
# rate and two seeds, and look at the held-out recordings after every epoch.

# %%
long = {"gain": 30.0, "schedule": "constant"}
plans = {
    "baseline": replace(base, epochs=80, **long),
    "SAST": replace(base, epochs=40, rho=0.2, warmup=0.3, **long),
}


def watched(setting, seed):
    start, order = np.random.default_rng(seed).spawn(2)
    network = setting.network(pixels.shape[2])
    params = setting.start(network, start)
    return rs.train(network, params, train, setting.config, rng=order, held_out=held_out)


arms = {arm: [watched(plan, seed) for seed in range(2)] for arm, plan in plans.items()}
curves = {
    (arm, name): 100.0 * np.array([[getattr(e.scores, name) for e in run.curve] for run in runs])
    for arm, runs in arms.items()
    for name in ("smooth", "hard")
}

# %%
figure, axis = plt.subplots(figsize=(8, 4))
for (arm, name), values in curves.items():
    budget = [epoch.evaluations for epoch in arms[arm][0].curve]
    colour, style = GREEN if arm == "SAST" else GREY, "-" if name == "smooth" else "--"
    axis.plot(budget, values.T, style, color=colour, alpha=0.25, linewidth=0.8)
    window = len(budget) // 8
    mean_curve = np.convolve(values.mean(axis=0), np.ones(window) / window, "valid")
    axis.plot(budget[window - 1 :], mean_curve, style, color=colour, label=f"{arm}, {name} spikes")
axis.set(xlabel="gradients of a minibatch", ylabel="accuracy, held-out (%)", ylim=(40, 90))
axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()

# %% [markdown]
# Thin lines are seeds, thick ones running means. Look at the dashed ones. SAST is far *behind* in
# the first third of the training, catches up late, and ends a little ahead: one or two points, of
# two seeds. Had we stopped at 600 gradients, we would have reported that SAST makes the gap worse.
# (A radius of 0.3 with a gain of 100 and the 16 epochs of section 2 does so: exercise 2.) In the
# overture, with four hidden layers, and in `docs/transfer_gap.md`, with 128 neurons and 4,000
# recordings, it closes nearly all of the gap. So SAST is not a switch: it needs its radius, and
# time.
#
# One thing that it does can be seen inside. `near_smooth` is the share of potentials within a tenth
# of the threshold from it, where the swap decides by a hair. In the second layer SAST halves it.

# %%
early, late = {}, {}
for key, values in curves.items():
    eighths = values.reshape(2, 8, -1).mean(axis=2)
    early[key], late[key] = eighths[:, 1].mean(), eighths[:, -1].mean()
lead = [part["SAST", "hard"] - part["baseline", "hard"] for part in (early, late)]
print(f"SAST's hard accuracy less the baseline's: early {lead[0]:+.1f}, late {lead[1]:+.1f} points")
ends = {arm: [(run.network, run.params) for run in runs] for arm, runs in arms.items()}
near = {
    arm: np.array([rs.diagnose(*end, *held_out).layers[1].near_smooth for end in each])
    for arm, each in ends.items()
}
print({arm: f"{100 * share.mean():.1f} % near threshold" for arm, share in near.items()})
assert lead[0] < -5.0
assert lead[1] > lead[0] + 6.0
assert near["SAST"].max() < 0.6 * near["baseline"].min()
assert np.isclose(*(runs[0].curve[-1].evaluations for runs in arms.values()), rtol=0.01)

# %% [markdown]
# ## 6. The sceptic's controls
#
# A method that takes twice the work must be compared with what takes none. If whispers are the
# trouble, one might simply listen more closely: multiply all thresholds of the hard network by one
# number, after the training. We choose it on the training recordings, never on the held-out ones.
# And the two causes of sections 2 and 4 can be taken away at the start.

# %%


def scaled(network, factors):
    """The network with its thresholds multiplied, layer by layer."""
    pairs = zip(network.neurons, factors, strict=True)
    return replace(network, neuron=tuple(replace(n, threshold=f * n.threshold) for n, f in pairs))


def hard_accuracy(network, params, x, y):
    answers = rs.run(network, params, x, spike=rs.heaviside).logits.argmax(axis=1)
    return 100.0 * (answers == y).mean()


FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)


def retuned(network, params):
    """With one factor, the best on the training recordings; of equally good ones the largest."""
    tried = [scaled(network, [factor] * 3) for factor in FACTORS]
    return max(tried, key=lambda each: hard_accuracy(each, params, *train)), params


candidates = {
    "baseline": ends["baseline"],
    "SAST": ends["SAST"],
    "baseline, re-tuned": [retuned(*end) for end in ends["baseline"]],
    "SAST, re-tuned": [retuned(*end) for end in ends["SAST"]],
    "gain 10": by_gain[10.0][:2],
    "gain 10, subtract": grid[2, "subtract"][:2],
}
hard_of = {
    name: np.array([hard_accuracy(*end, *held_out) for end in each])
    for name, each in candidates.items()
}

# %%
figure, axis = plt.subplots(figsize=(7.6, 3.6))
colours = (GREY, GREEN, GREY, GREEN, BLUE, BLUE)
for row, (values, colour) in enumerate(zip(hard_of.values(), colours, strict=True)):
    axis.barh(row, values.mean(), 0.6, color=colour, alpha=0.75)
    axis.plot(values, [row - 0.1, row + 0.1], "o", color="black", markersize=4)
axis.set(yticks=range(6), yticklabels=hard_of, xlabel="hard accuracy, held-out (%)")
axis.set(xlim=(70, 84))
axis.invert_yaxis()
plt.show()

# %% [markdown]
# (The axis begins at 70 %.) Re-tuned thresholds change little: a point or two for SAST (less where
# sums round otherwise), next to nothing for the baseline. Why? The factor is chosen on the training
# recordings, and of *those* the hard baseline reads more than 98 % already. There is no gap where
# the network has learned by heart! All that we called the gap here is on recordings that it has not
# seen. So this control has little to choose by, and one should not lean on it.
#
# In front, if narrowly before the re-tuned SAST, is the network that never had the trouble: a
# modest gain and a reset that keeps its ledger, trained with *a fifth* of the gradients.
# Differences of a point between two seeds mean nothing here, but this bar is several points above
# the first. In the blind comparison of `docs/transfer_gap.md` the modest gain is ahead of SAST,
# too, and re-tuned thresholds are behind.

# %%
print({name: f"{values.mean():.1f} %" for name, values in hard_of.items()})
spent = [16 * 32, arms["SAST"][0].curve[-1].evaluations]  # 32 minibatches of 16 in an epoch
assert spent[0] < 0.21 * spent[1]
best = hard_of["gain 10, subtract"]
assert all(best.mean() > hard_of[n].mean() for n in ("baseline, re-tuned", "SAST", "gain 10"))
assert best.min() > hard_of["baseline"].max() + 1.0
won = {arm: hard_of[f"{arm}, re-tuned"].mean() - hard_of[arm].mean() for arm in ends}
assert abs(won["baseline"]) < 2.0
assert abs(won["SAST"]) < 4.0
assert min(hard_accuracy(*end, *train) for end in ends["baseline"]) > 98.0

# %% [markdown]
# ## What we now know
#
# A gap comes from what only smooth spikes can say. A steep readout lets the smooth loss be content
# with fractions of spikes from below the threshold, and the swap deletes them: first ties, then
# silence. A reset to zero makes every layer's rate depend on the shape of the spike; subtraction
# keeps a ledger that does not. A layer's cost depends on the other layers, so often no single layer
# is to blame. SAST thins out the potentials near the threshold. Here that took its time and won a
# point or two; elsewhere it closes most of the gap. Where one may choose the gain and the reset,
# these do better, and for nothing. Look on held-out recordings: on those of the training there may
# be no gap at all.
#
# In the code: `refsast/model/reset.py`, `refsast/model/readout.py`,
# `refsast/experiment/diagnose/`, `refsast/experiment/calibrate.py` (the re-tuned thresholds, also
# one per layer). From the shell: `python -m refsast diagnose`. Next: `10_nmnist`, where one reads
# the same trouble off the mistakes of a network.

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1
#
# The ledger with a leak $\lambda$: show that under constant current, in the long run, $\theta$
# times the mean spike is $I - (1 - \lambda)\,\bar u$ with the mean potential $\bar u$. So how can
# the two curves of section 1 (middle) differ at all? Check it.

# %% tags=["solution"]
# Sum u_t = leak u_{t-1} - theta s_{t-1} + I over t and divide by the number of steps; what is left
# over is a potential or two, divided by 200. Only the mean potential can differ, times 1 - leak.
for trace in traces["subtract"]:
    u, s = trace.u[0][:, :, 0], trace.s[0][:, :, 0]
    ledger = current - 0.1 * u.mean(axis=0)
    assert np.abs(s.mean(axis=0) - ledger).max() < 3.0 * np.abs(u).max() / steps
smooth, hard = (trace.u[0][:, :, 0].mean(axis=0) for trace in traces["subtract"])
apart_u = np.abs(0.1 * (smooth - hard)).max()
print(f"mean spikes differ by at most {apart['subtract']:.3f}, from the potentials {apart_u:.3f}")
assert abs(apart["subtract"] - apart_u) < 0.02

# %% [markdown]
# ### Exercise 2
#
# "SAST makes the gap worse." Produce a result that says so, with a gain of 100, a radius of 0.3 and
# the 16 epochs of section 2. Then say what is wrong with it. One seed is enough.

# %% tags=["solution"]
# It is true of this radius and this length of training, and says nothing of others: see section 5.
SEEDS = range(1)
(early_sast,) = scored(trained(gain=100.0, rho=0.3, warmup=0.3))
print(f"gap {100 * early_sast.gap:.1f} points, silent {100 * early_sast.silent:.0f} %")
assert early_sast.gap > scores[100.0][0].gap + 0.1
assert early_sast.silent > scores[100.0][0].silent

# %% [markdown]
# ### Exercise 3
#
# A gap of 5 points: is it one? Ask `rs.explain` about the long baseline of section 5, on the first
# 20, 100 and all 400 held-out recordings. From when on is a gap called established, and by what?

# %% tags=["solution"]
# By an exact sign test on the recordings that change: six lost and none won would do, for instance.
for many in (20, 100, 400):
    part = rs.diagnose(*ends["baseline"][0], held_out[0][:, :many], held_out[1][:many])
    print(f"{many}: {part.swap.lost} lost, {part.swap.won} won, chance {part.swap.chance:.2g}")
    named = "no cause is named" in " ".join(rs.explain(part))
    assert named == (not part.swap.is_established)
assert part.swap.is_established
