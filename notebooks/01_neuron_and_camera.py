# %% [markdown]
# # A leaky neuron, and a camera of events
#
# Two machines meet in this course. One is a *neuron* that collects current and, now and then, sends
# a spike. The other is an *event camera*, which sends no pictures: each pixel speaks only when its
# light changes. We build both from a few lines and put them together. At the end four neurons that
# nobody has trained tell which way a digit moves, and are almost never wrong.

# %%
import matplotlib.pyplot as plt
import numpy as np

import refsast as rs
from refsast.data import Camera, synthetic_events

plt.style.use("refsast.course")
BLUE, GREY, RED, YELLOW, GREEN, VIOLET = [f"C{i}" for i in range(6)]

# %% [markdown]
# ## 1. The leak: a memory with a half-life
#
# The neuron has one number, its *potential* $u$. Time goes in steps. At each step the potential
# keeps a share $\lambda$ of itself, by custom called the *leak* (1 is *no leak*), and adds the
# input current $I_t$:
#
# $$u_t = \lambda\, u_{t-1} + I_t, \qquad u_0 = 0.$$
#
# So an input of long ago counts less: after $k$ steps it counts $\lambda^k$. (Some libraries give a
# time constant $\tau$ in place of the leak. SpikingJelly adds $(I_t - u)/\tau$: that is $\lambda =
# 1 - 1/\tau$, with the *input* divided by $\tau$, too.) Here is the loop by hand, next to `rs.run`,
# which runs whole networks. Its arrays have the axes (time, batch, neuron), so we give each neuron
# a place in the batch.


# %%
def by_hand(current, leak):
    potentials = [0.0]
    for now in current:
        potentials.append(leak * potentials[-1] + now)
    return np.array(potentials[1:])


def play(neuron, current):
    """Potentials and spikes (time, n) of copies of one neuron, one column of current each."""
    network = rs.Network((1, 1), neuron, rs.SpikeRate(1.0), bias=False)
    trace = rs.run(network, (rs.Layer(np.ones((1, 1))),), np.asarray(current)[:, :, None])
    return trace.u[0][:, :, 0], trace.s[0][:, :, 0]


rng = np.random.default_rng(0)
noise = rng.random((50, 1))
silent = rs.LIF(leak=0.9, threshold=1.0, spike=rs.heaviside, reset=rs.NoReset())
assert np.allclose(play(silent, noise)[0][:, 0], by_hand(noise[:, 0], 0.9), rtol=1e-14)
jelly, tau = 0.0, 10.0
for now in noise[:, 0]:
    jelly = jelly + (now - jelly) / tau
assert np.isclose(jelly, by_hand(noise[:, 0] / tau, 1.0 - 1.0 / tau)[-1])

# %% [markdown]
# ## 2. Spike and reset: a smooth world becomes a staircase
#
# When the potential reaches the *threshold* $\theta$ the neuron sends a *spike*, $s_t = 1$, and is
# *reset*. In the paper's form, reset to zero, a neuron that has just fired forgets everything:
#
# $$u_t = \lambda\, u_{t-1}(1 - s_{t-1}) + I_t, \qquad s_t = H(u_t - \theta),$$
#
# where $H(v)$ is 1 for $v \ge 0$ and 0 below. How often does the neuron fire if the current is
# constant? We ask 1,201 copies at once, each with a current of its own. Next to the hard neuron we
# run **smooth** ones, in which a curve from 0 to 1 stands for the step $H$. Such neurons can be
# trained by gradients; the whole course is about the difference between the two.

# %%
currents = np.linspace(0.0, 1.2, 1201)
constant = np.tile(currents, (840, 1))
hard_rate = play(rs.LIF(0.9, 1.0, rs.heaviside), constant)[1].mean(axis=0)
smooth_rate = {
    b: play(rs.LIF(0.9, 1.0, rs.Arctan(b)), constant)[1].mean(axis=0) for b in (2.0, 8.0)
}

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
v = np.linspace(-1.5, 1.5, 401)
for axis, at, hard in ((axes[0], v, rs.heaviside(v)), (axes[1], currents, hard_rate)):
    axis.plot(at, hard, color=RED, label="hard")
for (b, rate), colour in zip(smooth_rate.items(), (GREY, BLUE), strict=True):
    axes[0].plot(v, rs.Arctan(b)(v), color=colour, label=f"smooth, slope {b:g}")
    axes[1].plot(currents, rate, color=colour)
axes[0].set(xlabel="potential - threshold (thresholds)", ylabel="spike s")
axes[1].set(xlabel="constant current (thresholds per step)", ylabel="spikes per step")
axes[0].legend()
plt.show()

# %% [markdown]
# On the left, the spike as a function of the distance from threshold. On the right, what comes of
# it. The current grows smoothly, but the hard neuron answers with a **staircase**: it fires every
# step, every second step, every third, and nothing in between. Below $I = (1-\lambda)\theta = 0.1$
# it is silent for ever: the leak loses as much as comes in. The smooth neurons have neither steps
# nor silence. And even the steeper one is, in the middle of a stair, far from the hard rate.
#
# A stair is flat, so a small change of a weight changes *nothing*; then a stair ends, and the same
# small change changes a lot. That is why a network of hard spikes has no useful gradient.

# %%
stairs = np.unique(hard_rate[currents > 0.2])
assert np.all(hard_rate[currents < 0.1 - 1e-9] == 0.0)
assert np.all(hard_rate[currents > 0.1 + 1e-9] > 0.0)
assert np.allclose(stairs, 1.0 / np.arange(len(stairs), 0, -1))  # 1/k, and nothing between
assert smooth_rate[8.0][currents < 0.1].min() > 0.0
assert len(np.unique(smooth_rate[8.0])) == len(currents)

# %% [markdown]
# ## 3. What a reset throws away
#
# Reset to zero is not the only reset. *Subtract* takes away one threshold per spike and leaves the
# rest: $r = \lambda u - \theta s$. Does it matter? Take a neuron without leak ($\lambda = 1$) and a
# wavy current. An ideal counter sends a spike for each threshold of current that has come in.

# %%
wave = 0.4 * (1.0 + np.sin(np.arange(120) / 8.0))[:, None]
received = wave.cumsum()
counted = {
    name: play(rs.LIF(1.0, 1.0, rs.heaviside, reset), wave)[1].cumsum()
    for name, reset in {"reset to zero": rs.ToZero(), "subtract": rs.Subtract()}.items()
}

figure, axis = plt.subplots(figsize=(7.5, 3.6))
axis.plot(received, color="black", linewidth=1, label="current received / threshold")
for (name, count), colour in zip(counted.items(), (RED, GREEN), strict=True):
    axis.plot(count, drawstyle="steps-post", color=colour, label=f"spikes sent, {name}")
axis.set(xlabel="time step", ylabel="running total")
axis.legend()
plt.show()

# %% [markdown]
# With reset by subtraction the count is never more than one spike behind what was received: what is
# left over stays in the potential and is counted later. (A step has one spike at most, so the
# current must bring no more than one threshold per step; what is beyond piles up.) With reset to
# zero each spike throws away its surplus, here a quarter of the input. Neither is wrong: to zero is
# what the paper, SpikingJelly and Norse take unless told otherwise, snnTorch and Sinabs subtract,
# and subtraction survives the swap to hard spikes better (notebook 09 measures it). But another
# reset is another network, so `rs.LIF` takes it as an argument.

# %%
behind = {name: received - count for name, count in counted.items()}
lost = behind["reset to zero"][-1] / received[-1]
print(f"reset to zero lost {100 * lost:.0f} % of the input")
print(f"reset by subtraction was at most {behind['subtract'].max():.3f} spikes behind")
assert -1e-12 <= behind["subtract"].min() <= behind["subtract"].max() < 1.0
assert lost > 0.2
assert play(rs.LIF(1.0, 1.0, rs.heaviside, rs.Subtract()), np.full((40, 1), 1.5))[1].sum() == 40.0

# %% [markdown]
# ## 4. An event camera's pixel is such a neuron
#
# A pixel of an event camera remembers the logarithm of the light at its last event. When the
# logarithm has *risen* by a fixed amount, it sends an ON event; when it has *fallen* by as much, an
# OFF event; then it remembers the new value. This bit, brighter or darker, is the *polarity*. Why
# the logarithm? Because then only ratios of light count: in the shade, where all light is halved,
# the events are the same.


# %%
def pixel(light, threshold):
    """Events of one pixel at each time: +1 for ON, -1 for OFF, 0 for none."""
    memory, events = np.log(light[0]), []
    for value in np.log(light):
        events.append(np.trunc((value - memory) / threshold))
        memory += threshold * events[-1]
    return np.array(events)


step = Camera().threshold  # of the median pixel of our simulated camera
seconds = np.linspace(0.0, 1.0, 500)
light = np.exp(1.5 * np.sin(7.0 * seconds) + 0.4 * np.sin(31.0 * seconds))
events = pixel(light, step)
seen = np.log(light[0]) + step * events.cumsum()

figure, axis = plt.subplots(figsize=(8, 3.4))
axis.plot(seconds, np.log(light), color="black", linewidth=1, label="log light")
axis.plot(seconds, seen, color=BLUE, drawstyle="steps-post", label="told by the events alone")
axis.set(xlabel="time (s)", ylabel="log light")
axis.legend()
plt.show()

# %% [markdown]
# From a few events the light can be read back to within one threshold, although the pixel never
# sent a value. This is the picture of section 3 again, and not by accident. While the light rises,
# an ON pixel **is** a neuron: without leak, reset by subtraction, and fed with the *changes* of log
# light. OFF events are a second neuron, fed with the opposite sign.

# %%
print(f"{len(seconds)} values became {(events > 0).sum()} ON and {(events < 0).sum()} OFF events")
assert np.abs(seen - np.log(light)).max() < step
assert np.count_nonzero(events) < 0.15 * len(seconds)
assert np.array_equal(pixel(0.5 * light, step), events)  # half the light, the same events

rising = light[: light[:110].argmax() + 1]
spikes = play(rs.LIF(1.0, step, rs.heaviside, rs.Subtract()), np.diff(np.log(rising))[:, None])[1]
assert spikes.sum() >= 5.0
assert np.array_equal(spikes[:, 0], pixel(rising, step)[1:])

# %% [markdown]
# ## 5. A recording
#
# N-MNIST was made by showing handwritten digits to such a camera. The digits stood still; the
# camera made three small, quick movements, as an eye does (*saccades*), because a still picture
# sends nothing. `synthetic_events` draws a digit and simulates the camera, tuned to a dozen numbers
# of 700 real recordings; a network that has seen nothing else reads four of five real ones
# (`docs/data.md`). What comes out is `rs.Events`: four arrays of one length, with time in
# microseconds, column, row and polarity. That is all that an event camera sends.

# %%
three = synthetic_events(3, np.random.default_rng(0))
print(f"{type(three).__name__}: {len(three)} events in {three.t[-1] / 1000:.0f} ms")
saccades = {"down": (0, 105_000), "right and up": (105_000, 205_000), "left": (205_000, 300_000)}
on = three.p == 1
inside = {name: (a <= three.t) & (three.t < b) for name, (a, b) in saccades.items()}

figure = plt.figure(figsize=(10, 5.6))
top, *below = figure.subplot_mosaic("AAA;BCD", height_ratios=(1, 1.5)).values()
edges = np.arange(0, 310, 5)
for which, colour, name in ((on, YELLOW, "ON"), (~on, VIOLET, "OFF")):
    top.hist(three.t[which] / 1000, edges, histtype="step", color=colour, label=name)
top.set(xlabel="time (ms)", ylabel="events in 5 ms")
top.legend()
for axis, (name, which) in zip(below, inside.items(), strict=True):
    for polarity, colour in ((on, YELLOW), (~on, VIOLET)):
        here = which & polarity & (three.t % 100_000 > 45_000) & (three.t % 100_000 < 60_000)
        axis.plot(three.x[here], three.y[here], ".", color=colour, markersize=3)
    axis.set(title=f"the digit moves {name}", xlabel="column (pixels)", xlim=(0, 34), ylim=(34, 0))
    axis.set(aspect="equal")
below[0].set_ylabel("row (pixels)")
plt.show()

# %% [markdown]
# Events come in three bursts, one for each movement; between them the camera is nearly blind. What
# we see in the lower row, 15 ms in the middle of each movement, are *edges*. The ink is darker than
# the paper, so in the direction of the movement ink arrives (OFF) and on the other side it leaves
# (ON). Follow the violet dots: below the yellow ones, then above and to the right, then to the
# left.


# %%
places = (three.x, three.y)  # mean OFF less mean ON event: columns to the right, rows down
found = {
    name: np.array([place[which & ~on].mean() - place[which & on].mean() for place in places])
    for name, which in inside.items()
}
print({name: value.round(1).tolist() for name, value in found.items()})
assert found["down"][1] > 1.0
assert found["right and up"][0] > 1.0 > -1.0 > found["right and up"][1]
assert found["left"][0] < -1.0

# %% [markdown]
# ## 6. Binning: what a step is
#
# A network runs in steps, so times must become steps. *Binning* into $K$ steps over a duration $D$
# puts an event at time $t$ into step $\lfloor t K / D \rfloor$. A cell of the result (one step, one
# polarity, one pixel) is 1 if it holds at least one event, and else 0. So two things are lost: when
# in the step an event came, and how many there were. How much does that cost? It depends on $K$.

# %%
duration = 300_000
binned = rs.bin_events(three, steps=20, duration=duration)
i = 1000  # one event by hand: step, then polarity, row and column in one number
assert binned[three.t[i] * 20 // duration, (three.p[i] * 34 + three.y[i]) * 34 + three.x[i]] == 1

candidates = (1, 2, 5, 10, 20, 50, 100, 200, 300)
ones = [rs.bin_events(three, steps=k, duration=duration) for k in candidates]
kept = np.array([cells.sum() for cells in ones]) / (three.t < duration).sum()
filled = np.array([cells.mean() for cells in ones])

figure, axis = plt.subplots(figsize=(6.5, 3.2))
axis.semilogx(candidates, 100 * kept, "o-", color=BLUE, label="events told apart")
axis.semilogx(candidates, 100 * filled, "s-", color=RED, label="cells that hold a 1")
axis.set(xlabel="number of steps", ylabel="share (%)", ylim=(0, 104))
axis.legend(loc="center right")
plt.show()

# %% [markdown]
# With one step only a fifth of the events are told apart, and the movement is gone. With 300 steps
# nearly all are, but of 150 cells 149 are zero, and the network takes 300 steps of work. Twenty
# steps of 15 ms is the default here, and often more than is needed: notebook 10 takes five, and
# reads nine of ten digits with smooth spikes.
#
# Remember that **the leak belongs to the step**. A leak of 0.9 in steps of 15 ms means that the
# memory falls to $1/e$ in $-15/\ln 0.9 = 142$ ms. With steps of 3 ms, the same neuron has the fifth
# root of that leak.

# %%
assert np.all(np.diff(kept) > 0.0)
assert np.all(np.diff(filled) < 0.0)
assert kept[0] < 0.25 < 0.95 < kept[-1]
assert filled[-1] < 1 / 140

# %% [markdown]
# ## 7. The two machines meet
#
# `rs.synthetic_digits` makes many recordings at once, binned: an array (steps, recordings, 2312),
# where $2312 = 2 \cdot 34 \cdot 34$, OFF pixels first. A network layer is a matrix of weights $W$,
# and the current of its neurons is $I_t = W a_t$, with $a_t$ the cells of step $t$. Section 5 says
# how to read a movement: compare where OFF is with where ON is. That is linear, so it can be
# written into weights. For "right", an OFF event counts by its column, measured from the middle,
# and an ON event by minus its column. "Left" is the opposite, and "down" and "up" do it with rows.
# Four neurons, no training, a hundred recordings.

# %%
x, y = rs.synthetic_digits(100, np.random.default_rng(1), steps=20)
column, row = np.tile(np.arange(34) - 16.5, 34), np.repeat(np.arange(34) - 16.5, 34)
right, down = np.concatenate([column, -column]), np.concatenate([row, -row])
weights = np.stack([right, -right, down, -down]) / 200.0
network = rs.Network((2312, 4), rs.LIF(0.7, 1.0, rs.heaviside), rs.SpikeRate(1.0), bias=False)
trace = rs.run(network, (rs.Layer(weights),), x.astype(float))

figure, (upper, lower) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, height_ratios=(1, 1))
ms, names = 15.0 * (np.arange(20) + 0.5), {"right": BLUE, "left": RED, "down": GREEN, "up": VIOLET}
for i, (name, colour) in enumerate(names.items()):
    upper.plot(ms, trace.u[0][:, 3, i], color=colour, label=name)
    lower.plot(ms, trace.s[0][:, :, i].mean(axis=1), "o-", color=colour, markersize=3)
upper.axhline(1.0, color="black", linewidth=0.8)
upper.set(ylabel="potential (thresholds)", title="one recording: a three")
lower.set(xlabel="time (ms)", ylabel="share that fires", title="all 100 recordings")
upper.legend(ncols=4, fontsize=8, loc="lower right")
plt.show()

# %% [markdown]
# First "down" fires, then "right" and, in the middle of it, "up", then "left": the three saccades,
# whatever the digit. Let the two neurons of a pair compete, by their number of spikes within a
# movement: the correct one wins nearly always.

# %%
burst = {name: slice(a // 15_000, b // 15_000) for name, (a, b) in saccades.items()}
fired = {name: trace.s[0][part].sum(axis=0) for name, part in burst.items()}
wins = [
    fired["down"][:, 2] > fired["down"][:, 3],
    fired["right and up"][:, 0] > fired["right and up"][:, 1],
    fired["right and up"][:, 3] > fired["right and up"][:, 2],
    fired["left"][:, 1] > fired["left"][:, 0],
]
print(f"right decisions: {np.sum(wins)} of {np.size(wins)}")
assert np.mean(wins) > 0.98

# %% [markdown]
# ## What we now know
#
# A leaky neuron is a memory with a half-life, a threshold and a reset, and its answer to a smooth
# input is a staircase. A pixel of an event camera is itself such a neuron, fed with changes of log
# light, and sends time, place and polarity. Binning turns events into steps, and the leak belongs
# to the length of the step. Weights chosen by hand already compute something useful; to find better
# ones we need gradients, which hard spikes do not have.
#
# In the code: `refsast/model/lif.py` and `refsast/model/reset.py` (the neuron),
# `refsast/model/unroll.py` (the run), `refsast/data/events.py`, `refsast/data/camera.py` and
# `refsast/data/binning.py`. Next: `02_autodiff`, where we build the machine that finds gradients.

# %% [markdown]
# ## Exercises

# %% [markdown]
# ### Exercise 1
# After how many steps has a neuron without reset lost half of a pulse, if its leak is 0.9? Compute
# it, and check it with `play`. Then cut each step into five: with which leak is it the same neuron?

# %% tags=["solution"]
pulse = np.eye(100, 1)
potential = play(silent, pulse)[0]
half = int(np.ceil(np.log(0.5) / np.log(0.9)))  # 6.6 steps, so after 7
assert potential[half - 1] > 0.5 > potential[half]
fine = play(rs.LIF(0.9**0.2, 1.0, rs.heaviside, rs.NoReset()), pulse)[0]
assert np.allclose(fine[::5], potential[:20])

# %% [markdown]
# ### Exercise 2
# Derive the staircase. With a constant current $I$, the potential $k$ steps after a reset is
# $I\,(1-\lambda^k)/(1-\lambda)$. Predict the rate of the hard neuron of section 2 for all currents
# above 0.2, and compare it with what we measured.

# %% tags=["solution"]
k = np.arange(1, 60)
high = (currents > 0.2) & (currents != 1.0)  # exactly at threshold, rounding decides
reached = currents[high, None] * (1.0 - 0.9**k) / (1.0 - 0.9) >= 1.0
predicted, measured = 1.0 / k[reached.argmax(axis=1)], hard_rate[high]
assert np.abs(840 * (predicted - measured)).max() < 1.0  # up to the spike that the end cuts off

# %% [markdown]
# ### Exercise 3
# After the third saccade the camera is nearly back where it began. So, by section 4, the light of
# each pixel is nearly what it was, and its ON and OFF events must nearly cancel, although in the
# middle of the recording they do not. Check it: sum the signed events of each pixel up to a time,
# and compare the sum of their magnitudes with the number of events.


# %% tags=["solution"]
def uncancelled(until):
    early = three.t < until
    total = np.zeros((34, 34))
    np.add.at(total, (three.y[early], three.x[early]), 2.0 * three.p[early] - 1.0)
    return np.abs(total).sum() / early.sum()


print({f"{ms} ms": f"{uncancelled(1000 * ms):.2f}" for ms in (60, 100, 200, 310)})
assert uncancelled(310_000) < 0.12 < 0.35 < uncancelled(100_000)
