"""Right implementations of every kind, against the tolerance that they are given.

``python -m tests.crosscheck.right_implementations [N] [SEED] [steep] [small]`` draws N networks,
answers each by an implementation of its own, in float64 or float32, whose sums are taken in some
order and whose formulas are written in some way, and prints how many are called wrong or undecided,
and the quantiles of error over tolerance. The error is that to the same run in extended precision,
so that the reference's own rounding does not count. With ``steep``, slopes and weights are drawn so
large that many a network is chaotic; with ``small``, networks are ten times smaller.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tqdm import trange

import refsast as rs
from refsast.arrays import Array
from refsast.crosscheck.case import Answer, cast_params
from refsast.crosscheck.compare import cast_case
from refsast.crosscheck.tolerance import MAX_SHARE, STAGES, stage_arrays
from refsast.crosscheck.unclear import examine_clear, unclear_recordings
from refsast.model.params import Params

Product = Callable[[Array, Array], Array]


def multiply_one_by_one(left: Array, right: Array) -> Array:
    """``left @ right``, term after term."""
    total = np.zeros((len(left), right.shape[1]), left.dtype)
    for k in range(right.shape[0]):
        total = total + left[:, k, None] * right[None, k]
    return total


def multiply_in_blocks(left: Array, right: Array) -> Array:
    """``left @ right``, eight terms at a time, from the last."""
    total = np.zeros((len(left), right.shape[1]), left.dtype)
    for k in reversed(range(0, right.shape[0], 8)):
        total = total + left[:, k : k + 8] @ right[k : k + 8]
    return total


def multiply_sorted(left: Array, right: Array) -> Array:
    """``left @ right``, the largest rows of the right side first."""
    order = np.argsort(-abs(right).sum(axis=1).astype(float), kind="stable")
    return multiply_one_by_one(left[:, order], right[order])


PRODUCTS: dict[str, Product] = {
    "library": lambda left, right: left @ right,
    "reversed": lambda left, right: left[:, ::-1] @ right[::-1],
    "einsum": lambda left, right: np.einsum("ik,kj->ij", left, right),
    "one by one": multiply_one_by_one,
    "in blocks": multiply_in_blocks,
    "sorted": multiply_sorted,
}


@dataclass(frozen=True)
class Style:
    """How an implementation is written."""

    dtype: type
    product: Product
    steps_first: bool  # whether weight gradients are summed step by step
    spread: bool  # whether brackets are multiplied out
    coarse: bool  # whether a logistic spike's derivative is k s (1 - s)


def draw_style(rng: np.random.Generator) -> Style:
    """Any style."""
    product = PRODUCTS[str(rng.choice(list(PRODUCTS)))]
    dtype = (np.float64, np.float32)[int(rng.integers(2))]
    return Style(dtype, product, *(bool(rng.integers(2)) for _ in range(3)))


def solve_in_style(case: rs.Case, style: Style) -> Answer:
    """An implementation by hand; every number is of the style's dtype."""
    d = style.dtype
    params, x = cast_params(case.params, d), case.x.astype(d)
    network, runs, a = case.network, [], x
    for neuron, layer in zip(network.neurons, params, strict=False):
        runs.append(_forward(neuron, layer, a, case, style))
        a = runs[-1][1]
    alpha = np.array(
        [network.readout.time_weights(len(x)).astype(d)[t] for t in range(len(x))], dtype=d
    )
    pooled = np.zeros(a.shape[1:], d)
    for t in range(len(x)):
        pooled = pooled + alpha[t] * a[t]
    readout = params[-1] if network.readout.n_out is not None else None
    z = pooled if readout is None else style.product(pooled, readout.w.T)
    if readout is not None and readout.b is not None:
        z = z + readout.b * alpha.sum(dtype=d)
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    p = e / e.sum(axis=1, keepdims=True)
    hot = np.eye(network.classes, dtype=d)[case.y]
    loss = (np.log(e.sum(axis=1)) - (z * hot).sum(axis=1)).mean()
    g, grads = (p - hot) / d(len(case.y)), []
    if readout is not None:
        b = None if readout.b is None else g.sum(axis=0) * alpha.sum(dtype=d)
        grads.append(rs.Layer(style.product(g.T, pooled), b))
        g = style.product(g, readout.w)
    g = alpha[:, None, None] * g
    us, ss, adjoints = [], [], []
    for i in reversed(range(len(runs))):
        a = x if i == 0 else runs[i - 1][1]
        layer_grads, delta, g = _backward(
            network.neurons[i], params[i], a, *runs[i], g, case, style
        )
        grads.insert(0, layer_grads)
        adjoints.insert(0, delta)
    us, ss = zip(*runs, strict=True)
    return Answer(loss, tuple(grads), tuple(us), tuple(ss), tuple(adjoints), g)


def _constants(neuron: rs.LIF, case: rs.Case, d: type) -> tuple[Array, ...]:
    keep, scale = (0.0, 1.0) if case.synapse is None else (case.synapse.leak, case.synapse.scale)
    return tuple(d(value) for value in (neuron.leak, neuron.threshold, keep, scale))


def _forward(
    neuron: rs.LIF, layer: rs.Layer, a: Array, case: rs.Case, style: Style
) -> tuple[Array, Array]:
    d = style.dtype
    leak, theta, keep, scale = _constants(neuron, case, d)
    one = d(1)
    i = u = s = np.zeros((a.shape[1], len(layer.w)), d)
    us, ss = [], []
    for step in a:
        current = style.product(step, layer.w.T)
        current = current if layer.b is None else current + layer.b
        if layer.v is not None:
            current = current + style.product(s, layer.v.T)
        now = keep * i + current
        drive = scale * (i if case.synapse is not None and case.synapse.delayed else now)
        if isinstance(neuron.reset, rs.ToZero):
            kept = leak * u - leak * u * s if style.spread else leak * u * (one - s)
        elif isinstance(neuron.reset, rs.Subtract) and neuron.reset.leaked:
            kept = leak * u - leak * theta * s if style.spread else leak * (u - theta * s)
        else:
            kept = leak * u - (theta * s if isinstance(neuron.reset, rs.Subtract) else d(0))
        u, i = kept + drive, now
        s = rs.heaviside(u - theta).astype(d) if case.hard else _fire(neuron.spike, u - theta)
        us.append(u)
        ss.append(s)
    return np.stack(us), np.stack(ss)


def _fire(spike: rs.Arctan, v: Array) -> Array:
    """The spike, in the type of its argument."""
    return np.asarray(spike(v)).astype(v.dtype)


def _slope(spike: rs.Arctan, v: Array, style: Style) -> Array:
    if style.coarse and isinstance(spike, rs.Logistic):
        s = _fire(spike, v)
        return style.dtype(spike.slope) * s * (style.dtype(1) - s)
    return np.asarray(spike.derivative(v)).astype(v.dtype)


def _backward(
    neuron: rs.LIF,
    layer: rs.Layer,
    a: Array,
    u: Array,
    s: Array,
    g: Array,
    case: rs.Case,
    style: Style,
) -> tuple[rs.Layer, Array, Array]:
    d = style.dtype
    leak, theta, keep, scale = _constants(neuron, case, d)
    one, later, i_later = d(1), np.zeros_like(u[0]), np.zeros_like(u[0])
    delta, current = np.empty_like(u), np.empty_like(u)
    for t in reversed(range(len(u))):
        slope = _slope(neuron.spike, u[t] - theta, style)
        r_u, r_s = leak, d(0)
        if isinstance(neuron.reset, rs.ToZero):
            r_u, r_s = leak * (one - s[t]), -leak * u[t]
        elif isinstance(neuron.reset, rs.Subtract):
            r_s = -(leak * theta) if neuron.reset.leaked else -theta
        r_s = d(0) if neuron.detach_reset else r_s
        h = g[t] if layer.v is None else g[t] + style.product(i_later, layer.v)
        if style.spread:
            delta[t] = slope * h + (slope * r_s + r_u) * later
        else:
            delta[t] = slope * (h + r_s * later) + r_u * later
        driven = later if case.synapse is not None and case.synapse.delayed else delta[t]
        later, i_later = delta[t], keep * i_later + scale * driven
        current[t] = i_later
    b = None
    if layer.b is not None:
        b = style.product(np.ones((1, current[..., 0].size), d), _flat(current))[0]
    v = None if layer.v is None else _outer(current[1:], s[:-1], style)
    below = style.product(_flat(current), layer.w).reshape(*a.shape)
    return rs.Layer(_outer(current, a, style), b, v), delta, below


def _flat(a: Array) -> Array:
    return a.reshape(-1, a.shape[-1])


def _outer(left: Array, right: Array, style: Style) -> Array:
    """Sum over steps and recordings of ``left right'``."""
    if not style.steps_first:
        return style.product(_flat(left).T.copy(), _flat(right))
    total = np.zeros((left.shape[-1], right.shape[-1]), left.dtype)
    for one, other in zip(left, right, strict=True):
        total = total + style.product(one.T.copy(), other)
    return total


SURROGATES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid, rs.PiecewiseQuadratic)
RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())


def draw_network(rng: np.random.Generator, *, most: float = 3e4, steep: bool = False) -> rs.Case:
    """A network that fires: any reset, readout, surrogate, recurrence, synapse; up to 200 steps."""
    depth, steps, batch = (
        int(rng.integers(1, 7)),
        int(rng.integers(1, 201)),
        int(rng.integers(1, 9)),
    )
    wide = max(2.0, min(128.0, most / (depth * steps)))
    sizes = tuple(int(n) for n in np.exp(rng.uniform(0.7, np.log(wide), depth + 1)))
    classes = int(rng.integers(2, 11))
    readouts = (rs.SpikeRate(float(rng.uniform(1, 20))), rs.LinearReadout(classes),
                rs.LeakyReadout(classes, float(rng.uniform(0, 1))))  # fmt: skip
    readout = readouts[int(rng.integers(3))]
    largest = 1.2 if steep else 0.7
    neurons = tuple(
        rs.LIF(
            float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.3, 1.5)),
            SURROGATES[int(rng.integers(5))](float(10.0 ** rng.uniform(-0.3, largest))),
            RESETS[int(rng.integers(4))], bool(rng.integers(4) == 0),
        )
        for _ in range(depth)
    )  # fmt: skip
    network = rs.Network(
        sizes, neurons, readout, bias=bool(rng.integers(2)), recurrent=bool(rng.integers(2))
    )
    scale = float(rng.uniform(0.5, 3.0 if steep else 1.5))
    params = tuple(
        rs.Layer(*(None if a is None else scale * a for a in (each.w, each.b, each.v)))
        for each in rs.init(network, rng)
    )
    shape = (steps, batch, sizes[0])
    x = rng.standard_normal(shape) if rng.integers(2) else 1.0 * (rng.random(shape) < 0.3)
    synapse = rs.Synapse(float(rng.uniform(0, 0.9)), 0.5, bool(rng.integers(2)))
    return rs.Case(
        network, params, x, rng.integers(network.classes, size=batch),
        synapse if rng.integers(4) == 0 else None, hard=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One right implementation, judged."""

    dtype: str
    error: float  # largest over tolerance, as `rs.check` has it
    unclear: bool  # whether that may be rounding's doing
    true_error: float  # the same, of the distance from extended precision
    share: float  # largest tolerance over array
    quantiles: Array  # of true error over tolerance, over all entries
    text: str

    @property
    def wrong(self) -> bool:
        """Whether it is called wrong."""
        return self.error > 1.0 and not self.unclear

    @property
    def vague(self) -> bool:
        """Whether the case is called undecided."""
        return not self.wrong and (self.unclear or self.share > MAX_SHARE)


def judge_one(rng: np.random.Generator, *, most: float = 3e4, steep: bool = False) -> Trial:
    """Draw a network and an implementation, and compare."""
    case, style = draw_network(rng, most=most, steep=steep), draw_style(rng)
    seen = cast_case(case, np.dtype(style.dtype))

    def answer(params: Params, x: Array, y: Array) -> Answer:
        return solve_in_style(replace(seen, params=params, x=x, y=y), style)

    exam, _ = examine_clear(answer, seen)
    unclear, got = bool(exam.wrong and unclear_recordings(exam)), exam.got
    exact = solve_in_style(exam.case, replace(style, dtype=np.longdouble, product=np.matmul))
    ratios = []
    for stage in STAGES:
        sides = [stage_arrays(each, stage) for each in (got, exact, exam.tolerance)]
        for name in sides[0]:
            gap = abs(np.asarray(sides[0][name], np.longdouble) - sides[1][name])
            with np.errstate(invalid="ignore"):
                ratio = np.asarray(gap / sides[2][name], float).ravel()
            ratios.append(ratio[~np.isnan(ratio)])  # NaN: an answer or its tolerance overflows
    every = np.concatenate(ratios)
    worst = max(exam.stages, key=lambda stage: stage.error)
    name = next(key for key, product in PRODUCTS.items() if product is style.product)
    text = f"{case.network} steps {len(case.x)} batch {len(case.y)} {name} {style} {worst.worst}"
    return Trial(
        np.dtype(style.dtype).name, worst.error, unclear, float(every.max()),
        max(stage.resolution[1] for stage in exam.stages),
        np.quantile(every, (0.5, 0.99, 0.9999)), text,
    )  # fmt: skip


def main(n: int, seed: int, *, steep: bool, most: float) -> None:
    """Count."""
    rng = np.random.default_rng(seed)
    trials = []
    for _ in trange(n, mininterval=20.0):
        trials.append(judge_one(rng, steep=steep, most=most))
        if trials[-1].wrong:
            print("FALSE ALARM", trials[-1], flush=True)
    for dtype, count in Counter(trial.dtype for trial in trials).items():
        own = [trial for trial in trials if trial.dtype == dtype]
        alarms = sum(trial.wrong for trial in own)
        vague = [trial for trial in own if trial.vague]
        largest = np.quantile([trial.true_error for trial in own], (0.5, 0.9, 0.99, 1.0))
        entries = np.median([trial.quantiles for trial in own], axis=0)
        shares = np.quantile([trial.share for trial in own], (0.5, 0.9, 0.98, 1.0))
        print(f"{dtype}: {count}, false alarms {alarms}, undecided {len(vague)}")
        print("  largest true error over tolerance, 50 90 99 100 %:", np.round(largest, 3))
        print("  of entries, 50 99 99.99 %, median over networks:", np.round(entries, 4))
        print("  tolerance as a share, 50 90 98 100 %:", [f"{share:.1e}" for share in shares])
        sharp = [trial.true_error for trial in own if not trial.vague]
        print("  largest error over tolerance where all is compared:", round(max(sharp), 3))


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 200,
        int(sys.argv[2]) if len(sys.argv) > 2 else 0,
        steep="steep" in sys.argv,
        most=3e3 if "small" in sys.argv else 3e4,
    )
