"""A wrong SAM gradient is reported as one: its entry, its size, its cause."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.arrays import Array
from refsast.crosscheck.conformance.failure import explain_failure
from refsast.crosscheck.conformance.levels import TESTS
from refsast.crosscheck.conformance.sam_causes import fit_number, format_number
from refsast.crosscheck.conformance.sam_check import exchange_batches, sam_differs
from refsast.crosscheck.conformance.sam_report import SamReport, explain_sam
from refsast.crosscheck.conformance.search import Tally
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.variants import solve
from refsast.model.params import flatten
from tests.crosscheck.implementations import make_sam_factory

pytestmark = pytest.mark.slow

SEEDS = range(2)


def draw_example(seed: int, *, readout: int | None = None) -> Example:
    """Two layers, four steps, three recordings, another minibatch of as many, and a radius."""
    rng = np.random.default_rng(seed)
    spike = (rs.Arctan(2.0), rs.FastSigmoid(3.0))[seed % 2]
    reset = (rs.ToZero(), rs.Subtract())[seed // 2 % 2]
    kind = seed % 3 if readout is None else readout
    last = (rs.SpikeRate(4.0), rs.LinearReadout(3), rs.LeakyReadout(3, 0.7))[kind]
    neuron = rs.LIF(0.8, 0.9, spike, reset)
    network = rs.Network((3, 4, 3), neuron, last, recurrent=seed % 2 == 1)
    params = rs.unflatten(network, 1.5 * rng.standard_normal(network.n_params))
    x = rng.standard_normal((2, 4, 3, 3))
    y = rng.integers(0, network.classes, (2, 3))
    case = rs.Case(network, params, x[0], y[0], name="drawn")
    return Example(case, x[1], y[1], float(rng.uniform(0.2, 0.8)))


def unit(g: Array) -> Array:
    return g / np.linalg.norm(g)


def kept_arrays(case: rs.Case, g: Array, names: str, layers: slice = slice(None)) -> Array:
    """A gradient, zero but in the arrays of these names in these layers."""
    params = list(rs.unflatten(case.network, g))
    chosen = set(range(len(params))[layers])
    return flatten(
        tuple(
            rs.Layer(
                **{
                    n: a if n in names and i in chosen else 0.0 * a
                    for n in "wbv"
                    if (a := getattr(layer, n)) is not None
                }
            )
            for i, layer in enumerate(params)
        )
    )


def each(case: rs.Case, g: Array) -> Array:
    """Each array over its own norm."""
    return flatten(
        tuple(
            rs.Layer(**{n: unit(a) for n in "wbv" if (a := getattr(layer, n)) is not None})
            for layer in rs.unflatten(case.network, g)
        )
    )


def step(direction: Callable[[rs.Case, Array, Array], Array]) -> Callable:
    """A right second pass after a wrong ascent."""
    return lambda case, w, a, b, rho: b(w + rho * direction(case, w, a(w)))


def raised(w: Array, a: Callable, b: Callable, rho: float) -> Array:
    return b(w + rho * unit(a(w)))


PLANTED = {
    "the norm is taken of each array": step(lambda c, w, g: each(c, g)),
    "only weights are moved by the ascent step, and enter": step(
        lambda c, w, g: unit(kept_arrays(c, g, "wv"))
    ),
    "only weights are moved by the ascent step; biases enter": step(
        lambda c, w, g: kept_arrays(c, unit(g), "wv")
    ),
    "the norm is that of the weights' gradients only": step(
        lambda c, w, g: g / np.linalg.norm(kept_arrays(c, g, "w"))
    ),
    "the norm is that of the last layer's gradient": step(
        lambda c, w, g: g / np.linalg.norm(kept_arrays(c, g, "wbv", slice(-1, None)))
    ),
    "only the last layer is moved": step(
        lambda c, w, g: unit(kept_arrays(c, g, "wbv", slice(-1, None)))
    ),
    "not divided by the norm": step(lambda c, w, g: g),
    "the norm is squared": step(lambda c, w, g: g / (g @ g)),
    "sum of absolute values": step(lambda c, w, g: g / abs(g).sum()),
    "largest absolute value": step(lambda c, w, g: g / abs(g).max()),
    "root of the mean square": step(lambda c, w, g: g / np.sqrt(np.mean(g**2))),
    "signs, divided by the root": step(lambda c, w, g: np.sign(g) / np.sqrt(g.size)),
    "adaptive, as ASAM's": step(lambda c, w, g: w**2 * g / np.linalg.norm(w * g)),
    "goes downhill": step(lambda c, w, g: -unit(g)),
    "2 times the length rho": step(lambda c, w, g: 2.0 * unit(g)),
    "0.7 times the length rho": step(lambda c, w, g: 0.7 * unit(g)),
    "0.01 times the parameters is added to the first gradient": step(
        lambda c, w, g: unit(g + 0.01 * w)
    ),
    "0.001 times the parameters is added to it": (
        lambda c, w, a, b, rho: raised(w, a, b, rho) + 1e-3 * w
    ),
    "the two gradients are added": lambda c, w, a, b, rho: a(w) + raised(w, a, b, rho),
    "the mean of the two": lambda c, w, a, b, rho: (a(w) + raised(w, a, b, rho)) / 2,
    "mixed, by 0.3 and 0.7": lambda c, w, a, b, rho: 0.3 * a(w) + 0.7 * raised(w, a, b, rho),
    "3 times the SAM gradient": lambda c, w, a, b, rho: 3.0 * raised(w, a, b, rho),
    "the first minibatch serves both": lambda c, w, a, b, rho: raised(w, a, a, rho),
    "the second minibatch serves both": lambda c, w, a, b, rho: raised(w, b, b, rho),
    "the minibatches are exchanged": lambda c, w, a, b, rho: raised(w, b, a, rho),
    "the plain gradient of the first": lambda c, w, a, b, rho: a(w),
    "no ascent step": lambda c, w, a, b, rho: b(w),
    "1e-06 is added to the norm": step(lambda c, w, g: g / (np.linalg.norm(g) + 1e-6)),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cause", PLANTED)
def test_a_known_way_of_getting_it_wrong_is_named_with_its_entry(cause, seed):
    example, factory = draw_example(seed), make_sam_factory(PLANTED[cause])

    report = explain_sam(factory, example, example)

    assert isinstance(report, SamReport)
    assert cause in (report.cause or "")
    text = str(report)
    assert "drawn: DISAGREES (float64)" in text
    assert f"SAM gradient         WRONG    {report.stage.worst.name}" in text
    assert "apart, tolerance" in text
    assert not text.splitlines()[0].endswith("agrees")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_no_known_way_explains_is_not_explained(seed):
    noise = np.random.default_rng(seed).standard_normal(100)
    factory = make_sam_factory(
        lambda c, w, a, b, rho: raised(w, a, b, rho) * (1.0 + 0.1 * noise[: len(w)])
    )

    report = explain_sam(factory, draw_example(seed), draw_example(seed))

    assert isinstance(report, SamReport)
    assert report.cause is None
    assert "no known way of taking the two passes fits" in str(report)
    assert "WRONG    grads[" in str(report)


def stateful(readout: bool) -> Callable[[rs.Case], rs.Implementation]:
    """SAM whose second pass starts from the states of the first, by one run over both, by hand.

    The first minibatch's steps come before the second's; their weights are those of before the
    ascent, and nothing flows back into them.
    """

    def factory(case: rs.Case) -> rs.Implementation:
        network, neuron = case.network, case.network.neuron

        def gradient(params: rs.Params, x: Array, y: Array) -> tuple[float, rs.Params]:
            answer = solve(replace(case, params=params, x=x, y=y))
            return answer.loss, answer.grads

        def sam(params: rs.Params, first: tuple, second: tuple, rho: float) -> rs.Params:
            w, g = flatten(params), flatten(gradient(params, *first)[1])
            there = rs.unflatten(network, w + rho * unit(g))
            begin = rs.run(network, params, first[0])
            return finite_difference(
                lambda p: continued_loss(network, neuron, p, second, begin, params, readout), there
            )

        return rs.Implementation(gradient, sam)

    return factory


def continued_loss(network, neuron, params, batch, begin, old, readout) -> complex:
    """The loss of a run from given states, written anew, for the complex step."""
    x, y = batch
    a = x
    for layer, u, s in zip(params, begin.u, begin.s, strict=False):
        u, s, out = u[-1], s[-1], []
        for now in a:
            drive = now @ layer.w.T + layer.b + (0.0 if layer.v is None else s @ layer.v.T)
            u = neuron.reset(neuron.leak, neuron.threshold, u, s) + drive
            s = neuron.spike(u - neuron.threshold)
            out.append(s)
        a = np.stack(out)
    if isinstance(network.readout, rs.LeakyReadout):
        last, v, kept = params[-1], 0.0, []
        if readout:
            for s in begin.s[-1]:
                v = network.readout.leak * v + s @ old[-1].w.T + old[-1].b
        for s in a:
            v = network.readout.leak * v + s @ last.w.T + last.b
            kept.append(v)
        z = np.mean(kept, axis=0)
    elif isinstance(network.readout, rs.LinearReadout):
        z = a.mean(axis=0) @ params[-1].w.T + params[-1].b
    else:
        z = network.readout.gain * a.mean(axis=0)
    z = z - z.real.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y])


def finite_difference(loss: Callable, params: rs.Params) -> rs.Params:
    """The gradient of a loss by the complex step."""
    network_params, w = params, flatten(params)
    grad = np.empty(len(w))
    for i in range(len(w)):
        moved = w.astype(complex)
        moved[i] += 1e-30j
        grad[i] = loss(_shaped(network_params, moved)).imag / 1e-30
    return _shaped(network_params, grad)


def _shaped(like: rs.Params, w: Array) -> rs.Params:
    """A flat vector as parameters of the same shapes."""
    start, layers = 0, []
    for layer in like:
        arrays = {}
        for name in "wbv":
            if (a := getattr(layer, name)) is not None:
                arrays[name] = w[start : start + a.size].reshape(a.shape)
                start += a.size
        layers.append(rs.Layer(**arrays))
    return tuple(layers)


@pytest.mark.parametrize("seed", [0, 2, 4, 6])  # smooth everywhere: the arctan
def test_states_kept_between_the_passes_are_named(seed):
    for readout in (False, True):
        example = draw_example(seed)
        report = explain_sam(stateful(readout), example, example)

        assert isinstance(report, SamReport)
        assert "states are not reset between the two passes" in (report.cause or "")
        leaky = isinstance(example.case.network.readout, rs.LeakyReadout)
        assert ("the readout's, too" in report.cause) is (readout and leaky)


def momentum(share: float, *, add: bool = False) -> Callable[[rs.Case], rs.Implementation]:
    """An ascent by a running sum of first gradients, or gradients that are never cleared."""

    def factory(case: rs.Case) -> rs.Implementation:
        right = make_sam_factory(lambda c, w, a, b, rho: raised(w, a, b, rho))(case)
        kept: list[Array] = []

        def sam(params: rs.Params, first: tuple, second: tuple, rho: float) -> rs.Params:
            w = flatten(params)

            def grad(w: Array, batch: tuple) -> Array:
                return flatten(right.gradient(rs.unflatten(case.network, w), *batch)[1])

            g = grad(w, first) + (share * kept[0] if kept and not add else 0.0)
            found = grad(w + rho * unit(g), second) + (kept[0] if kept and add else 0.0)
            kept[:] = [found if add else g]
            return rs.unflatten(case.network, found)

        return rs.Implementation(right.gradient, sam)

    return factory


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("factory", "cause"),
    [
        (momentum(0.9), "the ascent has momentum: 0.9 times"),
        (momentum(0.5), "the ascent has momentum: 0.5 times"),
        (momentum(0.0, add=True), "the gradient of the call before is not cleared"),
    ],
)
def test_what_is_kept_from_call_to_call_is_named(factory, cause, seed):
    example = draw_example(seed)

    assert sam_differs(factory(example.case), example)
    report = explain_sam(factory, example, example)

    assert isinstance(report, SamReport)
    assert cause in (report.cause or "")


def test_a_right_sam_keeps_nothing_and_is_right_both_ways():
    right = make_sam_factory(lambda c, w, a, b, rho: raised(w, a, b, rho))
    for seed in range(6):
        example = draw_example(seed)

        assert not sam_differs(right(example.case), example)
        assert not sam_differs(right(example.case), exchange_batches(example))


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_the_report_of_a_failed_sam_test_never_reads_agrees(seed):
    example = draw_example(seed)
    test = next(t for t in TESTS if str(t) == "sam[gradient]")
    for passes in list(PLANTED.values())[seed::7]:
        failure = explain_failure(make_sam_factory(passes), test, example, Tally())

        assert "drawn: DISAGREES" in str(failure)
        assert "drawn: agrees" not in str(failure)


def test_a_number_is_fitted_and_written_plainly():
    got = np.array([0.9, 0.81, 0.729])

    assert fit_number(lambda k: np.array([k, k**2, k**3]), got, (0.1, 2.0)) == pytest.approx(
        0.9, rel=1e-12
    )
    assert [format_number(v) for v in (2.0 + 1e-12, 1.0 / 3.0)] == ["2", "0.333333"]
