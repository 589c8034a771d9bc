"""Kinds of faults around the network and in its sums, each on several networks.

They are planted into the reference from outside: another question, another loss, other gradients.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.variants import reference_variant, solve
from refsast.model.glif import as_glif
from refsast.model.params import map_params
from tests.crosscheck.random_cases import draw_case

NETWORKS = 3
Planted = Callable[[rs.Case, object, np.ndarray, np.ndarray], tuple]


def right(case, params, x, y):
    answer = solve(replace(case, params=params, x=x, y=y))
    return answer.loss, answer.grads


def ask(change) -> Planted:
    """The right answer to another question."""
    return lambda case, params, x, y: right(case, *change(params, x, y))


def finish(change) -> Planted:
    """Right gradients that are changed before they are returned."""

    def planted(case, params, x, y):
        loss, grads = right(case, params, x, y)
        return loss, change(grads, params, x)

    return planted


def read(change) -> Planted:
    """Another way from spikes to the loss: ``change(variant, steps)`` gives read and loss."""

    def planted(case, params, x, y):
        case = replace(case, params=params, x=x, y=y)
        variant = reference_variant(case)
        answer = solve(case, replace(variant, **change(variant, len(x))))
        return answer.loss, answer.grads

    return planted


def report(change) -> Planted:
    """A wrong loss beside right gradients."""

    def planted(case, params, x, y):
        loss, grads = right(case, params, x, y)
        return change(loss, y), grads

    return planted


def quantise(a):
    step = abs(a).max() / 127.0
    return np.round(a / step) * step


def halve(a):
    return a.astype(np.float16).astype(float)


def split_batch(case, params, x, y):
    """Means over a first recording and over all others, averaged."""
    if len(y) < 2:
        return right(case, params, x, y)
    one, other = (right(case, params, x[:, at], y[at]) for at in (slice(0, 1), slice(1, None)))
    mean = 0.5 * (rs.flatten(one[1]) + rs.flatten(other[1]))
    return 0.5 * (one[0] + other[0]), rs.unflatten(case.network, mean)


def clip_arrays(grads, params, x):
    return map_params(lambda g: g * min(1.0, 0.01 / max(np.linalg.norm(g), 1e-300)), grads)


def drop_small(grads, params, x):
    whole = abs(rs.flatten(grads))
    return map_params(lambda g: g * (abs(g) >= np.quantile(whole, 0.7)), grads)


def average_biases(grads, params, x):
    return tuple(g if g.b is None else replace(g, b=g.b / x.shape[1]) for g in grads)


def divide_by_fan_in(grads, params, x):
    return tuple(
        replace(g, **{k: a / np.sqrt(g.w.shape[1]) for k, a in vars(g).items() if a is not None})
        for g in grads
    )


def loss_of_steps(variant, steps):
    def read(net, params, s):
        return np.stack([variant.read(net, params, np.stack([s[t]])) for t in range(steps)])

    def loss(zs, y):
        return sum(variant.loss(zs[t], y) for t in range(steps)) * (1.0 / steps)

    return {"read": read, "loss": loss}


def burn_in(variant, steps):
    first = min(2, steps - 1)
    return {
        "read": lambda net, params, s: variant.read(
            net, params, np.stack([s[t] for t in range(first, steps)])
        )
    }


def one_step_more(variant, steps):
    factor = steps / (steps + 1.0)
    return {"read": lambda net, params, s: factor * variant.read(net, params, s)}


KINDS: dict[str, tuple[Planted, str]] = {
    "first step repeated": (
        ask(lambda p, x, y: (p, np.repeat(x[:1], len(x), 0), y)), "first step repeated"),
    "batch first": (
        ask(lambda p, x, y: (
            p, x.reshape(x.shape[1], x.shape[0], -1).swapaxes(0, 1).copy(), y)), "axes exchanged"),
    "recordings reversed": (ask(lambda p, x, y: (p, x[:, ::-1].copy(), y)), "reversed order"),
    "first step left out": (
        ask(lambda p, x, y: (p, x[1:] if len(x) > 1 else x, y)), "first step left out"),
    "last recording left out": (
        ask(lambda p, x, y: (p, x[:, : max(1, len(y) - 1)], y[: max(1, len(y) - 1)])),
        "last recording left out"),
    "silent recording": (
        ask(lambda p, x, y: (p, np.concatenate([x, 0.0 * x[:, :1]], 1), np.append(y, 0))),
        "silent recording"),
    "weights of 8 bits": (
        ask(lambda p, x, y: (map_params(quantise, p), x, y)), "quantised to 8 bits"),
    "weights of float16": (ask(lambda p, x, y: (map_params(halve, p), x, y)), "half precision"),
    "microbatches": (split_batch, "microbatches"),
    "gradients of float16": (
        finish(lambda g, p, x: map_params(halve, g)), "gradients rounded to half"),
    "clipped arrays": (finish(clip_arrays), "each array clipped to the norm 0.01"),
    "smallest dropped": (finish(drop_small), "smallest entries dropped"),
    "biases averaged": (finish(average_biases), "biases divided by 4"),
    "fan-in": (finish(divide_by_fan_in), "square root of the number of inputs (fan-in)"),
    "reported sum": (report(lambda loss, y: loss * len(y)), "reported loss alone"),
    "reported digits": (report(lambda loss, y: round(loss, 3)), "rounded to 3 digits"),
    "loss at every step": (read(loss_of_steps), "loss of each step"),
    "burn-in": (read(burn_in), "all but the first 2 steps"),
    "mean over one more": (read(one_step_more), "plus one"),
}  # fmt: skip


def draw_cases(kind: str) -> list[rs.Case]:
    """Networks whose readout has no memory, and biases."""
    seeds = [s for s in range(60) if s % 3 < 2 and s % 4 > 0]
    start = sum(map(ord, kind)) % (len(seeds) - NETWORKS)
    return [draw_case(s, sizes=(4, 5, 3), steps=6) for s in seeds[start : start + NETWORKS]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_named(kind):
    planted, words = KINDS[kind]
    named = 0
    for case in draw_cases(kind):
        found = rs.check(lambda p, x, y, case=case: planted(case, p, x, y), case)
        assert found.verdict == "DISAGREES"
        assert found.cause is not None
        says = "; ".join((found.cause.says, *found.cause.others))
        assert not found.cause.exact or words in says, says
        named += found.cause.exact
    assert named >= NETWORKS - 1


def drop_odd(case, params, x, y):
    """An odd last recording is not in the sums of the spiking layers."""
    loss, grads = right(case, params, x, y)
    n, spiking = len(y) // 2 * 2, len(case.network.neurons)
    most = right(case, params, x[:, :n], y[:n])[1] if n else grads
    part = map_params(lambda a: a * (n / len(y)), most)
    return loss, (*part[:spiking], *grads[spiking:])


def reverse_layers(case, params, x, y):
    """The gradients of spiking layers as the way back makes them."""
    loss, grads = right(case, params, x, y)
    spiking = len(case.network.neurons)
    return loss, (*grads[:spiking][::-1], *grads[spiking:])


def clip_largest(case, params, x, y):
    """Each array clipped to a norm that only the largest one of the case exceeds."""
    arrays = [
        a for layer in right(case, case.params, case.x, case.y)[1] for a in (layer.w, layer.b)
    ]
    sizes = sorted(np.linalg.norm(a) for a in arrays if a is not None)
    limit = round(float(0.5 * (sizes[-1] + sizes[-2])), 3)
    loss, grads = right(case, params, x, y)
    return loss, map_params(lambda a: a * min(1.0, limit / max(np.linalg.norm(a), 1e-300)), grads)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 4])
def test_a_limit_that_few_arrays_exceed_is_named(seed):
    case = draw_case(seed, sizes=(4, 5, 3), steps=6)

    report = rs.check(lambda p, x, y: clip_largest(case, p, x, y), case)

    assert "clipped to the norm" in report.cause.says, report


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4, 5])
def test_another_question_is_named_where_the_loss_hardly_shows_it(seed):
    """A deep network in which little fires: of one recording, the loss is right to rounding."""
    case = draw_case(seed, sizes=(6, 5, 3, 3, 5, 3), steps=7, drive=0.3)
    case = replace(case, x=case.x[:, :3], y=case.y[:3])

    report = rs.check(lambda p, x, y: KINDS["batch first"][0](case, p, x, y), case)

    assert "axes exchanged" in report.cause.says, report


@pytest.mark.parametrize(
    ("planted", "sizes", "words"),
    [
        (drop_odd, (4, 5, 3), "full pairs of recordings alone"),
        (reverse_layers, (4, 4, 4, 4, 4), "gradients of layers 1 to 4 in reversed order"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_shows_on_some_sizes_alone_is_named(planted, sizes, words, seed):
    case = draw_case(seed, sizes=sizes, steps=6)
    case = replace(case, x=case.x[:, :3], y=case.y[:3])

    report = rs.check(lambda p, x, y: planted(case, p, x, y), case)

    assert report.verdict == "DISAGREES"
    assert words in report.cause.says, report
    assert report.first.what == "gradient"


def test_a_recording_that_is_not_summed_is_missing_in_initial_states_too():
    case = draw_case(1, sizes=(4, 3), steps=6)
    neuron = replace(as_glif(case.network.neurons[0]), learn_start=True)
    network = replace(case.network, neuron=(neuron,))
    params = (replace(case.params[0], start=np.array([0.3, -0.2, 0.6])), *case.params[1:])
    case = replace(case, network=network, params=params, x=case.x[:, :3], y=case.y[:3])

    def gradient(params, x, y):
        loss, grads = rs.reference.loss_and_grad(network, params, x, y)
        if len(y) % 2:
            last = rs.reference.loss_and_grad(network, params, x[:, -1:], y[-1:])[1]
            parts = rs.flatten(grads) - rs.flatten(last) / len(y)
            grads = (rs.unflatten(network, parts)[0], grads[1])
        return loss, grads

    report = rs.check(gradient, case)

    words = "full pairs of recordings alone counted in the sums of the gradient in the potentials"
    assert words in report.cause.says, report


@pytest.mark.slow
def test_a_readout_is_the_place_where_single_precision_hides_it_in_the_loss():
    """Hardly a spike: the loss moves by less than it is rounded by, gradients of weights do not."""
    neuron = rs.LIF(0.5, 1.0, rs.Logistic(50.0), rs.ToZero())
    network = rs.Network((3, 4, 3), neuron, rs.LinearReadout(3))
    rng = np.random.default_rng(0)
    params = rs.init(network, rng)
    case = rs.Case(network, params, rng.random((10, 3, 3)), np.array([0, 2, 1]))

    def gradient(params, x, y):
        loss, grads = read(burn_in)(case, params, x, y)
        return np.float32(loss), map_params(np.float32, grads)

    report = rs.check(gradient, case)

    assert report.stages[0].agrees
    assert "all but the first 2 steps" in report.cause.says
    assert report.first.what == "loss or readout"


@pytest.mark.slow
def test_a_cause_that_fits_one_case_only_is_not_named():
    """The factor is another one where the input is not that of the case."""
    case = draw_case(1, sizes=(4, 5, 3), steps=6)
    fooled = case.x.copy()

    def gradient(params, x, y):
        loss, grads = right(case, params, x, y)
        factor = 2.0 if np.array_equal(x[:, :1], fooled[: len(x), :1]) else 3.0
        return loss, map_params(lambda a: factor * a, grads)

    report = rs.check(gradient, case)
    assert report.verdict == "DISAGREES"
    assert report.cause is not None
    assert not report.cause.exact
