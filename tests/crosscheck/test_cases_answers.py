"""Answers as people give them: numbers beside the gradients, containers, states that are kept.

Each kind of public report is drawn ten times: in sizes, depth, biases, recurrence and dtype.
"""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params
from refsast.model.params import layer_arrays

VARIANTS = range(10)
RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True))


def draw_case(seed: int) -> tuple[rs.Case, type]:
    """A smooth network that fires, and the dtype that an implementation has."""
    rng = np.random.default_rng(seed)
    sizes = tuple(map(int, rng.integers(2, 7, rng.integers(2, 5))))
    neuron = rs.LIF(float(rng.uniform(0.5, 0.95)), 1.0, rs.Logistic(3.0), RESETS[seed % 3])
    bias, recurrent = bool(rng.integers(2)), bool(rng.integers(2))
    network = rs.Network(sizes, neuron, rs.SpikeRate(5.0), bias=bias, recurrent=recurrent)
    x = 1.5 * rng.standard_normal((int(rng.integers(3, 9)), int(rng.integers(2, 6)), sizes[0]))
    y = rng.integers(0, sizes[-1], x.shape[1])
    return rs.Case(network, rs.init(network, rng), x, y), (np.float64, np.float32)[seed % 2]


def report_on(arrange, seed: int, factor: float = 1.0) -> rs.Report:
    """The report on right gradients (times a factor), arranged in some way."""
    case, dtype = draw_case(seed)

    def gradient(params, x, y):
        cast = cast_params(params, dtype)
        loss, grads = rs.fast.loss_and_grad(case.network, cast, x.astype(dtype), y)
        layers = [
            {n: (factor * a).astype(dtype) for n, a in layer_arrays(g).items()} for g in grads
        ]
        return loss, arrange(layers, dtype)

    return rs.check(gradient, case)


def with_parameters(layers, dtype) -> dict:
    """As ``named_parameters`` gives them: weights, then a leak and a threshold, layer by layer."""
    found = {}
    for i, layer in enumerate(layers):
        found |= {f"fc{i}.{name}": a for name, a in layer.items()}
        found |= {f"lif{i}.beta": np.array(0.3, dtype), f"lif{i}.threshold": -0.2}
    return found


BESIDE = {
    "in the layer": (
        lambda layers, dtype: [{**g, "beta": dtype(0.1)} for g in layers],
        "grads[0].beta",
    ),
    "appended": (lambda layers, dtype: [*layers, {"w": dtype(0.1)}], "grads[{n}].w"),
    "appended, a number": (lambda layers, dtype: [*layers, np.array(0.1)], "grads[{n}]"),
    "by key": (
        lambda layers, dtype: {**dict(enumerate(layers)), "beta": dtype(0.1)},
        "beta",
    ),
    "named parameters": (with_parameters, "lif0.beta"),
    "listed parameters": (lambda g, dtype: list(with_parameters(g, dtype).values()), "grads[{k}]"),
    "a frozen one": (
        lambda layers, dtype: [*(a for g in layers for a in g.values()), None],
        "grads[{all}]",
    ),
    "in the layer's tuple": (
        lambda layers, dtype: [(*g.values(), dtype(0.1)) for g in layers],
        "grads[0][{k}]",
    ),
}


@pytest.mark.parametrize("seed", VARIANTS)
@pytest.mark.parametrize("name", BESIDE)
def test_a_number_beside_the_gradients_is_named_as_not_compared(name, seed):
    arrange, named = BESIDE[name]
    right = report_on(arrange, seed)
    shapes = right.case.network.shapes
    counts = {"n": len(shapes), "k": len(shapes[0]), "all": sum(map(len, shapes))}

    assert all(stage.agrees for stage in right.stages), right
    assert named.format(**counts) in right.not_compared, right.not_compared
    if seed < 2:  # it takes a search for the cause
        assert report_on(arrange, seed, factor=1.5).verdict == "DISAGREES"


BAD = {
    "layers, got .*: what no layer has goes into": lambda layers: [*layers, layers[0]],
    "must be an array, got None: nothing flows back": lambda layers: [
        None if i == 0 else a for i, a in enumerate(a for g in layers for a in g.values())
    ],
    "in this order, got": lambda layers: [a for g in layers for a in g.values()][:-1],
    r"must have shape \(": lambda layers: [{**layers[0], "w": layers[0]["w"][:1]}, *layers[1:]],
}  # fmt: skip


@pytest.mark.parametrize("seed", VARIANTS)
@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_arranged_is_refused_in_one_line(message, seed):
    with pytest.raises(ValueError, match=message) as error:
        report_on(lambda layers, dtype: BAD[message](layers), seed)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", VARIANTS)
def test_states_that_are_kept_from_call_to_call_are_named_and_no_gradient(seed):
    case, dtype = draw_case(seed)
    kept = [np.zeros(case.x.shape[2])]

    def gradient(params, x, y):
        """The first step hears what the last one of the call before left."""
        x = x.copy()
        x[0] += kept[0]
        kept[0] = 0.5 * x[-1].mean(axis=0)
        return rs.fast.loss_and_grad(case.network, cast_params(params, dtype), x.astype(dtype), y)

    report = rs.check(gradient, case)
    kept[0] = np.zeros(case.x.shape[2])
    verdict = rs.integrable(gradient, case, rng=np.random.default_rng(seed))

    assert report.verdict == "DISAGREES"
    assert not report.repeated
    assert "another answer: are states reset, gradients cleared" in str(report)
    assert report.cause is None
    assert verdict.kind.name == "UNREPEATABLE", verdict
