"""Gradients in the containers and dtypes that people have: read, or refused in one clear line."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params
from refsast.crosscheck.variants import solve
from refsast.model.params import map_params


class Foreign:
    """Another library's array: it has a shape, and turns into NumPy's when asked."""

    def __init__(self, array):
        self.array = array

    @property
    def shape(self):
        return self.array.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


class Short:
    """A tensor of few bits, which NumPy has no dtype for."""

    shape = (4, 3)

    def __init__(self, dtype):
        self.dtype = dtype

    def __array__(self, dtype=None, copy=None):
        raise TypeError("unsupported ScalarType")


def draw(steps: int = 4, **options) -> rs.Case:
    rng = np.random.default_rng(2)
    network = rs.Network((3, 4, 2), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(3.0), **options)
    return rs.Case(network, rs.init(network, rng), rng.standard_normal((steps, 2, 3)), [0, 1])


def report_on(case: rs.Case, arrange) -> rs.Report:
    """The report on the right gradients, arranged in another way."""

    def gradient(p, x, y):
        answer = solve(replace(case, params=p, x=x, y=y))
        return answer.loss, arrange(answer.grads)

    return rs.check(gradient, case)


def parts(layer: rs.Layer) -> list:
    return [a for a in (layer.w, layer.b, layer.v) if a is not None]


CONTAINERS = {
    "tuples": lambda grads: tuple(tuple(parts(layer)) for layer in grads),
    "lists": lambda grads: [parts(layer) for layer in grads],
    "one after the other": lambda grads: [a for layer in grads for a in parts(layer)],
    "by name": lambda grads: {
        f"p{i}.{j}": a for i, layer in enumerate(grads) for j, a in enumerate(parts(layer))
    },
    "layers by name": lambda grads: {f"fc{i}": layer for i, layer in enumerate(grads)},
    "tuples by name": lambda grads: {f"fc{i}": tuple(parts(g)) for i, g in enumerate(grads)},
    "foreign arrays": lambda grads: [Foreign(a) for layer in grads for a in parts(layer)],
}


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", CONTAINERS)
def test_gradients_in_other_containers_are_read(name, bias, recurrent):
    case = draw(bias=bias, recurrent=recurrent)
    wrong = report_on(case, lambda grads: CONTAINERS[name](map_params(lambda a: 1.1 * a, grads)))

    assert all(stage.agrees for stage in report_on(case, CONTAINERS[name]).stages)
    assert [stage.name for stage in wrong.stages if not stage.agrees] == ["parameter gradients"]


REFUSED = {
    "grads[0].w must be an array, got None: nothing flows back to it": lambda g: [
        {"w": None, "b": g[0].b},
        g[1],
    ],
    "grads[1].b must be an array, got None: nothing flows": lambda g: [g[0], rs.Layer(g[1].w)],
    "grads[0] must be a Layer or a mapping, got None: nothing": lambda g: [None, None],
    "grads[0].w must be an array, got None": lambda g: [{"w": np.array(None), "b": g[0].b}, g[1]],
    "grads[1].w must be float32 or float64, got bfloat16": lambda g: [
        g[0],
        {"w": Short("torch.bfloat16"), "b": g[1].b},
    ],
    "grads[1].w must be float32 or float64, got float8_e5m2": lambda g: [
        g[0],
        {"w": Short("float8_e5m2"), "b": g[1].b},
    ],
    "grads[0].w must be float32 or float64, got float16": lambda g: cast_params(g, np.float16),
    "grads[1] must have w, b, got 3 parts": lambda g: [g[0], (g[1].w, g[1].b, g[1].b)],
    "grads must have grads[0].w, grads[0].b, grads[1].w, grads[1].b in this order, got 3": (
        lambda g: [g[0].w, g[0].b, g[1].w]
    ),
    "grads[0].w must have shape (4, 3), got (3, 4)": lambda g: [
        {"w": g[0].w.T, "b": g[0].b},
        g[1],
    ],
}


@pytest.mark.parametrize("message", REFUSED)
def test_gradients_that_tell_too_little_are_refused_in_one_clear_line(message):
    with pytest.raises(ValueError) as error:  # noqa: PT011  (compared below, as plain text)
        report_on(draw(), REFUSED[message])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_none_is_right_where_there_is_no_step_before():
    def drop(grads):
        return [rs.Layer(layer.w, layer.b) for layer in grads]

    report = report_on(draw(1, recurrent=True), drop)

    assert all(stage.agrees for stage in report.stages)
    with pytest.raises(ValueError, match=r"grads\[0\]\.v must be an array, got None"):
        report_on(draw(2, recurrent=True), drop)
