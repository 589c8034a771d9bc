# ruff: noqa: E731, E741, B023
"""Faults that a programmer makes in PyTorch, planted in equations of our own.

Nothing here knows the knobs: a network is written as people write it, and each kind of fault is a
slip in it. ``python -m tests.crosscheck.torch_faults [N] [kind ...]`` prints, for N networks of
each kind, how many are detected, with a true cause, at the right place, and the seconds.

A kind changes a `Slip`: functions of one layer, of the readout, or of what is returned. Where an
implementation is truly wrong first is read off its own states and adjoints.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

import refsast as rs
from refsast.crosscheck.variants import solve

FAMILIES = {
    "Arctan": (lambda v, k: 0.5 + torch.atan(np.pi / 2 * k * v) / np.pi,
               lambda v, k: 0.5 * k / (1 + (np.pi / 2 * k * v) ** 2)),
    "Logistic": (lambda v, k: torch.sigmoid(k * v),
                 lambda v, k: k * torch.sigmoid(k * v) * torch.sigmoid(-k * v)),
    "FastSigmoid": (lambda v, k: 0.5 * (1 + k * v / (1 + (k * v).abs())),
                    lambda v, k: 0.5 * k / (1 + (k * v).abs()) ** 2),
    "Algebraic": (lambda v, k: 0.5 * (1 + k * v / torch.sqrt(1 + (k * v) ** 2)),
                  lambda v, k: 0.5 * k * (1 + (k * v) ** 2) ** -1.5),
}  # fmt: skip


class Fire(torch.autograd.Function):
    """A spike with any function in place of its derivative."""

    @staticmethod
    def forward(ctx, u, value, slope):
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None, None


class Bent(torch.autograd.Function):
    """The identity, with its gradient multiplied."""

    @staticmethod
    def forward(ctx, a, factor):
        ctx.factor = factor
        return a.clone()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None


@dataclass
class Slip:
    """What may be wrong; in every layer where `at` holds."""

    layers: frozenset = frozenset()
    numbers: dict = field(default_factory=dict)  # name -> function of the right number
    flags: set = field(default_factory=set)
    derivative: Callable | None = None  # (own, v, u, k, theta, history) -> slope
    logits: Callable | None = None
    loss: Callable | None = None
    finish: Callable | None = None  # (grads, params, layers, sizes)

    def number(self, name, layer, right):
        change = self.numbers.get(name)
        return change(right) if change is not None and layer in self.layers else right

    def has(self, name, layer):
        return name in self.flags and layer in self.layers


def reset_term(kind, leak, theta, u, s):
    if isinstance(kind, rs.ToZero):
        return leak * u * (1 - s)
    if isinstance(kind, rs.NoReset):
        return leak * u
    return leak * (u - theta * s) if kind.leaked else leak * u - theta * s


def exchange_value(a, value):
    """Another value of a tensor, the gradient passed straight through."""
    return a + (value - a).detach()


def feed_back(a, w, matrix):
    """``a W'``, whose gradient goes to `a` through another matrix."""
    return a.detach() @ w.T + (a - a.detach()) @ matrix.T


def own_slope_of(a):
    """Zero, with the gradient of a tensor."""
    return a - a.detach()


def own_slope(z, slope):
    """Zero, whose gradient in z is a given one."""
    return own_slope_of((slope.detach() * z).sum())


def unleaked_logits(ro, p, a):
    """The logits, with a gradient in W as if the readout did not leak."""
    if not isinstance(ro, rs.LeakyReadout):
        return usual_logits(ro, p, a)
    fixed = usual_logits(ro, {**p, "w": p["w"].detach()}, a)
    return fixed + own_slope_of(a.detach().mean(0) @ p["w"].T)


def other_way(value, other):
    """A value with the gradient of another one."""
    return other + (value - other).detach()


def random_like(w):
    """A matrix that has nothing to do with another one, of the same shape."""
    rng = np.random.default_rng(7)
    return torch.tensor(rng.standard_normal(tuple(w.shape)), dtype=w.dtype)


def own_sums(p, has, t, steps, batch):
    """W and b of a step, detached where the sum of their gradients leaves its terms out."""
    w, b = p["w"], p.get("b")
    if (has("last step counted") and t < steps - 1) or (has("first step counted") and t):
        w, b = w.detach(), None if b is None else b.detach()
    if has("first recording's bias") and b is not None:
        b = torch.stack([b, *[b.detach()] * (batch - 1)])
    if has("absolute weights"):
        w = exchange_value(w, w.abs())
    if has("weights on a grid"):
        w = exchange_value(w, torch.round(16 * w) / 16)
    return w, b


RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())


def run(case: rs.Case, slip: Slip, params, x, y, dtype):
    """Loss, gradients, potentials and adjoints of a network with a slip."""
    net = case.network
    ps = [{n: torch.tensor(getattr(l, n), dtype=dtype, requires_grad=True)
           for n in ("w", "b", "v") if getattr(l, n) is not None} for l in params]  # fmt: skip
    a = torch.tensor(x, dtype=dtype)
    a.requires_grad_()
    below, steps, potentials, spikes = a, len(x), [], []
    for i, (neuron, p) in enumerate(zip(net.neurons, ps, strict=False)):
        leak, theta = slip.number("leak", i, neuron.leak), slip.number("theta", i, neuron.threshold)
        drop = slip.number("drop", i, theta)
        k, has = slip.number("slope", i, neuron.spike.slope), lambda f, i=i: slip.has(f, i)
        value, own = FAMILIES[type(neuron.spike).__name__]
        if has("other family"):
            value, own = FAMILIES["Logistic" if value is not FAMILIES["Logistic"][0] else "Arctan"]
        syn = case.synapse or rs.Synapse(0.0, 1.0)
        alpha, scale = slip.number("alpha", i, syn.leak), slip.number("scale", i, syn.scale)
        kind = neuron.reset
        if has("other reset"):
            kind = RESETS[(RESETS.index(kind) + 1) % 3] if kind != RESETS[3] else RESETS[0]
        w = p["w"]
        lower, below = below, a
        if has("residual") and i and a.shape == lower.shape:
            a = below = a + lower
        if has("inputs as traces"):
            trace = [a[0]]
            for now in a[1:]:
                trace.append(leak * trace[-1] + now)
        if has("late input"):
            a = torch.cat([0 * a[:1], a[:-1]])
        if has("late input 2"):
            a = torch.cat([0 * a[:2], a[:-2]]) if steps > 2 else 0 * a
        if has("reversed input") and i == 0:
            a = a.flip(0)
        if has("cut below"):
            a = a.detach()
        if has("layer path"):
            a = Bent.apply(a, 0.5)
        u = s = soft = cur = before = torch.zeros(a.shape[1], w.shape[0], dtype=dtype)
        us, out = [], []
        for t in range(steps):
            w, bias = own_sums(p, has, t, steps, a.shape[1])
            weights = w.T if has("transposed") and w.shape[0] == w.shape[1] else w
            inp = a[t] @ weights.T
            if has("random feedback") and i:
                inp = feed_back(a[t], w, random_like(w))
            beside = 0  # what reaches the spike of this step alone
            if has("local sums"):
                inp, own_part = a[t] @ w.T.detach(), a[t].detach() @ w.T
                beside = own_part - own_part.detach()
            if has("local path below") and i:
                part = a[t] @ w.T.detach()
                inp, beside = a[t].detach() @ w.T, part - part.detach()
            if has("inputs as traces"):
                part = trace[t].detach() @ w.T
                inp = a[t] @ w.T.detach() + part - part.detach()
            past = p["b"] if has("bias past the synapse") and "b" in p else 0
            if "b" in p and not has("no bias") and not has("bias past the synapse"):
                inp = inp + slip.number("bias", i, 1.0) * (
                    p["b"].detach() if has("bias cut") else bias
                )
            if "v" in p and not has("no recurrence"):
                heard = before if has("late recurrence") else s
                heard = u if has("potentials fed back") else heard
                heard = heard.detach() if has("recurrence cut") else heard
                heard = Bent.apply(heard, 0.5) if has("recurrence half") else heard
                mat = p["v"].T if has("V transposed") else p["v"]
                mat = mat - torch.diag(torch.diag(mat)) if has("V no diagonal") else mat
                mat = torch.diag(torch.diag(mat)) if has("V diagonal") else mat
                fed = heard @ mat.T
                if has("V of potentials"):
                    part = u.detach() @ mat.T
                    fed = heard @ mat.T.detach() + part - part.detach()
                if has("local recurrence"):
                    part = heard @ mat.T.detach()
                    fed, beside = heard.detach() @ mat.T, beside + part - part.detach()
                inp = inp + fed
            cur = alpha * (cur.detach() if has("synapse cut") else cur) + inp
            drive = scale * (inp if has("synapse ignored") else cur)
            drive = drive + past
            if has("constant"):
                drive = drive + 0.25
            up, sr = u, (before if has("late reset") else s)
            if has("reset cut"):
                sr = sr.detach()
            if has("reset sign"):
                sr = Bent.apply(sr, -1.0)
            if has("reset double"):
                sr = Bent.apply(sr, 2.0)
            if has("state cut"):
                up, sr = up.detach(), sr.detach()
            if has("potential cut"):
                up = up.detach()
            if has("leak half back"):
                up = Bent.apply(up, 0.5)
            if (has("blocks 3") and t and t % 3 == 0) or (has("cut once") and t == 3):
                up, sr = up.detach(), sr.detach()
            if has("hard reset attached"):
                sr = exchange_value(sr, (sr >= 0.5).to(dtype))
            if has("soft reset of hard spikes"):
                sr = soft
            if has("reset squared"):
                u = leak * up * (1 - sr) ** 2 + drive
            elif has("reset path of the step after") and isinstance(kind, rs.ToZero):
                kept = leak * up * (1 - sr.detach()) + drive
                u = kept - leak * kept.detach() * (sr - sr.detach())
            elif has("wipes input"):
                u = (leak * up + drive) * (1 - sr)
            else:
                u = reset_term(kind, leak, drop, up, sr) + drive
            if has("clamped"):
                u = u.clamp(min=-0.5 * theta)
            u = u * 1.0
            u.retain_grad()
            v = u - theta
            smooth = value(v, k)
            other = has("other hardness") or has("soft reset of hard spikes")
            fired = (v >= 0).to(dtype) if case.hard != other else smooth
            slope = own(v, k).detach()
            if slip.derivative is not None and i in slip.layers:
                slope = slip.derivative(lambda z: own(z, k), v.detach(), u.detach(), k, theta,
                                        us[-1].detach() if us else 0 * u.detach(), s.detach()).detach()  # fmt: skip
            before, s = s, Fire.apply(u + beside, fired.detach(), slope)
            soft = Fire.apply(u, smooth.detach(), slope)
            us.append(u)
            out.append(s)
        potentials.append(us)
        a = torch.stack(us if has("potentials passed on") and i + 1 < len(net.neurons) else out)
        spikes.append(torch.stack(out).detach().numpy())
    loss = read_out(case, slip, ps, a, y, dtype)
    loss.backward()
    grads = [
        {
            n: (torch.zeros_like(q) if q.grad is None else q.grad).numpy().astype(float)
            for n, q in p.items()
        }
        for p in ps
    ]
    if slip.finish is not None:
        grads = slip.finish(grads, params, slip.layers, (steps, len(y), net.classes))
    adjoints = [
        np.array([(torch.zeros_like(u) if u.grad is None else u.grad).numpy() for u in us])
        for us in potentials
    ]
    states = [np.array([u.detach().numpy() for u in us]) for us in potentials]
    as_type = np.float32 if dtype == torch.float32 else np.float64
    grads = [{n: g.astype(as_type) for n, g in layer.items()} for layer in grads]
    return float(loss.detach()), grads, states, spikes, adjoints


def read_out(case, slip, ps, a, y, dtype):
    """The loss of the last spikes."""
    ro, _steps, target = case.network.readout, len(a), torch.tensor(y)
    z = slip.logits(case, ps[-1], a) if slip.logits is not None else usual_logits(ro, ps[-1], a)
    if slip.loss is not None:
        return slip.loss(z, target, a, ps)
    return torch.nn.functional.cross_entropy(z, target)


def usual_logits(ro, p, a, gain=None, leak=None, cut=False, record=None):
    if isinstance(ro, rs.SpikeRate):
        return (gain or ro.gain) * a.mean(0)
    leak = (ro.leak if isinstance(ro, rs.LeakyReadout) else 0.0) if leak is None else leak
    v, all_v = 0.0, []
    for s in a:
        if cut and len(all_v):
            v = v.detach()
        v = leak * v + s @ p["w"].T + p.get("b", 0)
        all_v.append(v)
    return torch.stack(all_v).mean(0) if record is None else record(all_v)


def each_layer(change):
    """A change of a layer's returned gradients."""

    def finish(grads, params, layers, sizes):
        return [change(g, p, sizes) if i in layers else g
                for i, (g, p) in enumerate(zip(grads, params, strict=False))]  # fmt: skip

    return finish


def everywhere(change):
    """A change of all returned gradients."""

    def finish(grads, params, layers, sizes):
        return [
            {n: change(a, getattr(p, n), sizes) for n, a in g.items()}
            for g, p in zip(grads, params, strict=False)
        ]

    return finish


def clip_norm(limit):
    def finish(grads, params, layers, sizes):
        norm = np.sqrt(sum((a**2).sum() for g in grads for a in g.values()))
        return [{n: a * min(1.0, limit / norm) for n, a in g.items()} for g in grads]

    return finish


def gauss(v, mean, deviation):
    """The density of a normal distribution."""
    z = (v - mean) / deviation
    return torch.exp(-0.5 * z * z) / (deviation * np.sqrt(2 * np.pi))


ce = torch.nn.functional.cross_entropy
N, F = (
    (lambda **kw: lambda layers: Slip(layers, numbers=kw)),
    (lambda *fs: lambda layers: Slip(layers, flags=set(fs))),
)
D = lambda f: lambda layers: Slip(layers, derivative=f)
Z = lambda f: lambda layers: Slip(layers, logits=f)
LOSS = lambda f: lambda layers: Slip(layers, loss=f)
G = lambda f: lambda layers: Slip(layers, finish=f)

KINDS = {
    "leak 0.77": N(leak=lambda r: 0.77), "leak 1": N(leak=lambda r: 1.0), "1 - leak": N(leak=lambda r: 1 - r),
    "theta 0.6": N(theta=lambda r: 0.6), "slope 3.3": N(slope=lambda r: 3.3), "slope half": N(slope=lambda r: r / 2),
    "subtracts 1": N(drop=lambda r: 1.3 * r), "scale 1 - 0.9": N(scale=lambda r: 0.1), "scale times 64": N(scale=lambda r: 8 * r),
    "bias half": N(bias=lambda r: 0.5), "alpha 0.3": N(alpha=lambda r: 0.3),
    **{f: F(f) for f in ("other family", "other reset", "late input", "late input 2", "reversed input", "cut below",
       "layer path", "transposed", "no bias", "bias cut", "no recurrence", "late recurrence", "recurrence cut",
       "recurrence half", "V transposed", "V no diagonal", "synapse cut", "synapse ignored", "constant", "late reset",
       "reset cut", "reset sign", "reset double", "state cut", "potential cut", "leak half back", "blocks 3", "wipes input",
       "other hardness",
       "last step counted", "first step counted", "first recording's bias", "absolute weights", "weights on a grid", "residual",
       "random feedback", "potentials fed back", "hard reset attached", "soft reset of hard spikes", "reset squared",
       "reset path of the step after", "local sums", "local path below", "local recurrence", "inputs as traces",
       "bias past the synapse", "V diagonal", "V of potentials", "cut once", "clamped", "potentials passed on")},
    "softmax over recordings": LOSS(lambda z, y, a, ps: -torch.log_softmax(z, 0)[torch.arange(len(y)), y].mean()),
    "by frequency": LOSS(lambda z, y, a, ps: (ce(z, y, reduction="none") / (y[:, None] == y).sum(1)).sum() / (1 / (y[:, None] == y).sum(1)).sum()),
    "labels of all": LOSS(lambda z, y, a, ps: ce(z, y).detach() + own_slope(z, torch.softmax(z, 1) - torch.isin(torch.arange(z.shape[1]), y).to(z.dtype)) / len(y)),
    "readout forward in time": Z(lambda c, p, a: other_way(usual_logits(c.network.readout, p, a), usual_logits(c.network.readout, p, a.flip(0)))),
    "readout unleaked": Z(lambda c, p, a: unleaked_logits(c.network.readout, p, a)),
    "Adam": G(everywhere(lambda a, p, n: a / (abs(a) + 1e-8))),
    "W and V exchanged": G(each_layer(lambda g, p, n: {**g, "w": g["v"], "v": g["w"]} if "v" in g and g["v"].shape == g["w"].shape else g)),
    "times s": D(lambda own, v, u, k, th, p, s: own(v) * torch.sigmoid(k * v)), "dead below rest": D(lambda own, v, u, k, th, p, s: own(v) * (u > 0)),
    "times u": D(lambda own, v, u, k, th, p, s: own(v) * u), "above alone": D(lambda own, v, u, k, th, p, s: (v > 0).to(v.dtype)),
    "side lobes": D(lambda own, v, u, k, th, p, s: 1.15 * gauss(v, 0.0, 0.5) - 0.15 * (gauss(v, 0.5, 3.0) + gauss(v, -0.5, 3.0))),
    "readout bias once": Z(lambda c, p, a: usual_logits(c.network.readout, {"w": p["w"]}, a) + p.get("b", 0)),
    "class 0 left out": LOSS(lambda z, y, a, ps: (ce(z, y, reduction="none") * (y != 0)).sum() / max(1, int((y != 0).sum()))),
    "focal": LOSS(lambda z, y, a, ps: ((1 - torch.exp(-ce(z, y, reduction="none"))) ** 2 * ce(z, y, reduction="none")).mean()),
    "signs of W": G(lambda grads, params, layers, sizes: [{n: a if n == "b" else a + 0.01 * np.sign(getattr(p, n)) for n, a in g.items()} for g, p in zip(grads, params, strict=False)]),
    "centred": G(lambda grads, params, layers, sizes: [{n: a if n == "b" else a - a.mean(1, keepdims=True) for n, a in g.items()} for g, p in zip(grads, params, strict=False)]),
    "at u": D(lambda own, v, u, k, th, p, s: own(u)), "of step before": D(lambda own, v, u, k, th, p, s: own(p - th)),
    "after reset": D(lambda own, v, u, k, th, p, s: own(u * (1 - (v >= 0).to(u.dtype)) - th)),
    "times k": D(lambda own, v, u, k, th, p, s: k * own(v)), "half": D(lambda own, v, u, k, th, p, s: 0.5 * own(v)),
    "times 0.371": D(lambda own, v, u, k, th, p, s: 0.371 * own(v)),
    "rectangle": D(lambda own, v, u, k, th, p, s: (v.abs() < 0.5).to(v.dtype)),
    "window 0.5": D(lambda own, v, u, k, th, p, s: own(v) * (v.abs() <= 0.5)),
    "window 0.83": D(lambda own, v, u, k, th, p, s: own(v) * (v.abs() <= 0.83)),
    "cap 0.3": D(lambda own, v, u, k, th, p, s: own(v).clamp(max=0.3)), "cap 0.177": D(lambda own, v, u, k, th, p, s: own(v).clamp(max=0.177)),
    "triangle": D(lambda own, v, u, k, th, p, s: (1 - v.abs()).clamp(min=0)),
    "gauss 0.5": D(lambda own, v, u, k, th, p, s: torch.exp(-v**2 / (2 * 0.25)) / (0.5 * np.sqrt(2 * np.pi))),
    "backward slope 5": D(lambda own, v, u, k, th, p, s: own(v * 5 / k) * 5 / k), "ones": D(lambda own, v, u, k, th, p, s: 0 * v + 1),
    "gain 7": Z(lambda c, p, a: usual_logits(c.network.readout, p, a, gain=7.0) if c.network.readout.n_out is None else 0.7 * usual_logits(c.network.readout, p, a)),
    "readout leak 0.6": Z(lambda c, p, a: usual_logits(c.network.readout, p, a, leak=0.6)),
    "readout cut": Z(lambda c, p, a: usual_logits(c.network.readout, p, a, cut=True)),
    "last potential": Z(lambda c, p, a: usual_logits(c.network.readout, p, a, record=lambda v: v[-1]) if c.network.readout.n_out else c.network.readout.gain * a[-1]),
    "summed potential": Z(lambda c, p, a: usual_logits(c.network.readout, p, a) * len(a)),
    "max potential": Z(lambda c, p, a: usual_logits(c.network.readout, p, a, record=lambda v: torch.stack(v).max(0)[0]) if c.network.readout.n_out else c.network.readout.gain * a.max(0)[0]),
    "without first": Z(lambda c, p, a: usual_logits(c.network.readout, p, torch.cat([0 * a[:1], a[1:]]))),
    "readout late": Z(lambda c, p, a: usual_logits(c.network.readout, p, torch.cat([0 * a[:1], a[:-1]]))),
    "sum over batch": LOSS(lambda z, y, a, ps: ce(z, y, reduction="sum")), "smoothing 0.1": LOSS(lambda z, y, a, ps: ce(z, y, label_smoothing=0.1)),
    "temperature 2": LOSS(lambda z, y, a, ps: ce(z / 2, y)), "log2": LOSS(lambda z, y, a, ps: ce(z, y) / np.log(2)),
    "softmax twice": LOSS(lambda z, y, a, ps: ce(torch.softmax(z, 1), y)), "MSE": LOSS(lambda z, y, a, ps: ((z - torch.nn.functional.one_hot(y, z.shape[1])) ** 2).mean()),
    "labels shifted": LOSS(lambda z, y, a, ps: ce(z, (y + 1) % z.shape[1])), "L2 in the loss": LOSS(lambda z, y, a, ps: ce(z, y) + 0.005 * sum((q**2).sum() for p in ps for q in p.values())),
    "spike penalty": LOSS(lambda z, y, a, ps: ce(z, y) + 0.01 * a.mean()),
    "over T": G(everywhere(lambda a, p, n: a / n[0])), "times batch": G(everywhere(lambda a, p, n: a * n[1])),
    "twice": G(everywhere(lambda a, p, n: 2 * a)), "negative": G(everywhere(lambda a, p, n: -a)), "decay": G(everywhere(lambda a, p, n: a + 0.01 * p)),
    "clip norm 0.05": G(clip_norm(0.05)), "clip value": G(everywhere(lambda a, p, n: np.clip(a, -0.02, 0.02))),
    "array norm": G(everywhere(lambda a, p, n: a / max(np.linalg.norm(a), 1e-30))), "sign": G(everywhere(lambda a, p, n: np.sign(a))),
    "layer twice": G(each_layer(lambda g, p, n: {m: 2 * a for m, a in g.items()})), "layer zero": G(each_layer(lambda g, p, n: {m: 0 * a for m, a in g.items()})),
    "layer over T": G(each_layer(lambda g, p, n: {m: a / n[0] for m, a in g.items()})),
    "W transposed back": G(each_layer(lambda g, p, n: {m: a.T.copy() if m == "w" and a.shape[0] == a.shape[1] else a for m, a in g.items()})),
    "rolled": G(each_layer(lambda g, p, n: {m: np.roll(a, 1, 0) for m, a in g.items()})),
    "W twice": G(each_layer(lambda g, p, n: {m: 2 * a if m == "w" else a for m, a in g.items()})),
    "b zero": G(each_layer(lambda g, p, n: {m: 0 * a if m == "b" else a for m, a in g.items()})),
    "row zero": G(each_layer(lambda g, p, n: {m: a * (np.arange(len(a)) != 1).reshape(-1, 1) if m == "w" else a for m, a in g.items()})),
    "entry": G(each_layer(lambda g, p, n: {m: a * (1 + 0.5 * (np.arange(a.size) == 1).reshape(a.shape)) if m == "w" else a for m, a in g.items()})),
}  # fmt: skip


def draw(rng, hard=None):
    """A network of any kind."""
    depth = int(rng.integers(1, 5))
    sizes = tuple(int(n) for n in rng.integers(3, 9, depth + 1))
    if rng.random() < 0.4:
        sizes = (*sizes[:-1], sizes[-2])
    names = list(FAMILIES)
    neurons = []
    for _ in range(depth):
        spike = getattr(rs, names[rng.integers(4)])(float(np.round(rng.uniform(1, 5), 2)))
        neurons.append(
            rs.LIF(
                float(np.round(rng.uniform(0.4, 0.97), 3)),
                float(np.round(rng.uniform(0.6, 1.5), 2)),
                spike,
                RESETS[rng.integers(4)],
            )
        )
    if rng.random() < 0.6:
        neurons = neurons[:1] * depth
    readout = (rs.SpikeRate(5.0), rs.LinearReadout(3), rs.LeakyReadout(4, 0.8))[rng.integers(3)]
    network = rs.Network(
        sizes, tuple(neurons), readout, bias=bool(rng.integers(4)), recurrent=rng.random() < 0.35
    )
    steps, batch = int(rng.integers(4, 31)), int(rng.integers(2, 8))
    w = rng.standard_normal(network.n_params) * 1.2 / np.sqrt(np.mean(sizes)) * 2
    x = rng.standard_normal((steps, batch, sizes[0])) + 0.3
    synapse = (
        rs.Synapse(
            float(np.round(rng.uniform(0.2, 0.8), 2)), float(np.round(rng.uniform(0.3, 1.5), 2))
        )
        if rng.random() < 0.25
        else None
    )
    hard = rng.random() < 0.2 if hard is None else hard
    return rs.Case(
        network,
        rs.unflatten(network, w),
        x,
        rng.integers(0, network.classes, batch),
        synapse,
        hard=bool(hard),
    )


def implementation(case, slip, dtype):
    def gradient(params, x, y):
        return run(case, slip, params, x, y, dtype)[:2]

    return gradient


def differ(a, b, tol):
    return bool(abs(a - b).max() > tol * max(abs(b).max(), 1e-300))


def truth(case, slip, dtype):
    """What is wrong first: kind, layer; by this program's own states and adjoints."""
    tol = 1e-9 if dtype == torch.float64 else 3e-4
    right = solve(case)
    loss, grads, us, ss, adjoints = run(case, slip, case.params, case.x, case.y, dtype)
    for t in range(len(case.x)):
        for i, u in enumerate(us):
            if differ(u[t], right.u[i][t], tol) or differ(ss[i][t], right.s[i][t], tol):
                return "state", i, t
    if abs(loss - right.loss) > tol * abs(right.loss):
        return "loss or readout", None, None
    whole = len(us)
    # Of the readout, which comes before all adjoints, where its own gradients show it.
    if slip.logits is not None and len(grads) > whole:
        steps, own = range(len(case.x)), right.grads[whole]
        shown = any(differ(a, getattr(own, n), tol) for n, a in grads[whole].items())
        if shown and any(differ(adjoints[-1][t], right.adjoints[-1][t], tol) for t in steps):
            return "loss or readout", None, None
    for t in reversed(range(len(case.x))):
        for i in reversed(range(len(us))):
            if differ(adjoints[i][t], right.adjoints[i][t], tol):
                return "adjoint", i, t
    layers = [
        i
        for i, g in enumerate(grads)
        if any(differ(a, getattr(right.grads[i], n), tol) for n, a in g.items())
    ]
    if not layers:
        return None
    return "gradient", max(layers), None


def draw_fault(rng, kinds, dtype):
    """A network in which each of the kinds shows, with a slip of them all."""
    for _ in range(300):
        case = draw(rng, True if "other hardness" in kinds and rng.random() < 0.5 else None)
        depth = len(case.network.neurons)
        layers = (
            frozenset(range(depth + 1))
            if rng.random() < 0.5
            else frozenset({int(rng.integers(depth))})
        )
        slips = [KINDS[kind](layers) for kind in kinds]
        slip = Slip(layers)
        for other in slips:
            slip = Slip(layers, slip.numbers | other.numbers, slip.flags | other.flags,
                        *(getattr(other, n) or getattr(slip, n) for n in ("derivative", "logits", "loss", "finish")))  # fmt: skip
        try:
            answers = [
                run(case, s, case.params, case.x, case.y, torch.float64) for s in (Slip(), *slips)
            ]
        except (TypeError, ValueError, IndexError):
            continue
        flat = [
            np.concatenate([a.ravel() for g in answer[1] for a in g.values()]) for answer in answers
        ]
        gap = min(
            np.linalg.norm(flat[0] - f) / max(np.linalg.norm(flat[0]), 1e-300) for f in flat[1:]
        )
        if all(np.isfinite(f).all() for f in flat) and gap > 1e-3:
            return case, slip, layers
    return None


def judge(case, slip, dtype):
    """Detected, cause (in words), place verdict, place."""
    started = time.process_time()
    report = rs.check(implementation(case, slip, dtype), case)
    took = time.process_time() - started
    found, place = truth(case, slip, dtype), report.first
    verdict = "unknown"
    if place is not None and place.what != "not known" and found is not None:
        right = (
            place.what == found[0]
            and (place.layer is None or place.layer == found[1])
            and (place.time is None or found[2] is None or place.time == found[2])
        )
        if found[0] == "gradient" and place.what == "gradient":
            right = place.layer is None or place.layer == found[1]
        verdict = "right" if right else "WRONG"
    return report, took, verdict, found


def main(n: int, kinds: list[str], dtype=torch.float64, verbose=True) -> None:
    """Print the table."""
    total = Counter()
    for kind in kinds:
        rng = np.random.default_rng(sum(map(ord, kind)))
        for _ in range(n):
            drawn = draw_fault(rng, kind.split(" + "), dtype)
            if drawn is None:
                continue
            case, slip, layers = drawn
            try:
                report, took, place, found = judge(case, slip, dtype)
            except ValueError as error:
                print(f"{kind:20} REFUSED {str(error)[:80]}")
                total["refused"] += 1
                continue
            known = report.cause is not None and report.cause.exact
            total["n"] += 1
            total["seconds"] += took
            total["detected"] += not report.agrees
            total["cause"] += known
            total["place " + place] += 1
            if verbose:
                where = (
                    "every"
                    if len(layers) > 1 or len(case.network.neurons) == 1
                    else sorted(layers)[0] + 1
                )
                says = (
                    (report.cause.says + ("".join(" |OR| " + o for o in report.cause.others)))
                    if report.cause
                    else "AGREES"
                )
                flag = " " if known else "?"
                print(
                    f"{flag}{kind:20} in {where!s:5} {took:5.2f}s {place:7} {'hard ' if case.hard else ''}{type(case.network.neurons[0].reset).__name__} {case.network.sizes} | {says[:230]} | {report.first if place != 'right' else ''} {found if place != 'right' else ''}",
                    flush=True,
                )
    print(dict(total))


if __name__ == "__main__":
    single = "float32" in sys.argv
    args = [a for a in sys.argv[1:] if a != "float32"]
    main(
        int(args[0]) if args else 2,
        args[1:] or list(KINDS),
        torch.float32 if single else torch.float64,
    )
