"""What may come back from an implementation, and what is refused, in one line."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params
from refsast.crosscheck.variants import solve
from refsast.model.params import map_params
from tests.crosscheck.planted_faults import KINDS, black_box, draw_case, draw_faulty_case


@pytest.fixture(scope="module")
def case() -> rs.Case:
    return draw_case(np.random.default_rng(1))


class Array:
    """What another library's array is: it turns into NumPy's when asked."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


class Tensor:
    """What must be detached first, and then speaks DLPack only."""

    def __init__(self, array, attached=True):
        self.array, self.attached = array, attached

    def detach(self):
        return Tensor(self.array, attached=False)

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("can't convert")

    def __dlpack__(self, **kwargs):
        assert not self.attached
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("kind", [Array, Tensor])
def test_arrays_of_other_libraries_are_read(case, kind):
    def foreign(p, x, y):
        answer = solve(replace(case, params=p, x=x, y=y))
        layers = [
            {k: kind(np.ascontiguousarray(a)) for k, a in vars(layer).items() if a is not None}
            for layer in answer.grads
        ]
        return kind(np.array(answer.loss)), layers

    assert rs.check(foreign, case).agrees


def unit_grads(case: rs.Case) -> rs.Params:
    return map_params(np.ones_like, case.params)


BAD = {
    "must return (loss, grads) or an Answer, got float": lambda case: 1.0,
    "loss must be finite, got nan": lambda case: (np.nan, unit_grads(case)),
    "loss must have shape (), got (2,)": lambda case: (np.ones(2), unit_grads(case)),
    "grads must be a sequence of layers, got dict": lambda case: (1.0, {}),
    "grads must have": lambda case: (1.0, unit_grads(case)[:-1]),
    "grads[0] must be a Layer or a mapping": lambda case: (1.0, [3] * len(case.params)),
    "grads[0] must have ['": lambda case: (1.0, [{"weight": 1}] * len(case.params)),
    "grads[0].w must have shape": lambda case: (
        1.0,
        [{k: np.ones(3) for k, a in vars(p).items() if a is not None} for p in case.params],
    ),
    "grads[0].w must hold real numbers, got dtype complex128": lambda case: (
        1.0,
        cast_params(unit_grads(case), complex),
    ),
    "grads[0].w must be finite, got inf": lambda case: (
        1.0,
        map_params(lambda a: a + np.inf, unit_grads(case)),
    ),
    "grads[0].w must turn into an array of numbers, got": lambda case: (
        1.0,
        map_params(lambda a: [[1], [1, 2]], unit_grads(case)),
    ),
    "u must have": lambda case: rs.Answer(1.0, unit_grads(case), u=()),
    "s[0] must have shape": lambda case: rs.Answer(
        1.0, unit_grads(case), s=(np.ones(2),) * len(case.network.neurons)
    ),
    "x must have shape": lambda case: rs.Answer(1.0, unit_grads(case), x=np.ones(2)),
    "gradient must answer 'case', got ZeroDivisionError": lambda case: 1 / 0,
}


@pytest.mark.parametrize("message", BAD)
def test_bad_answers_are_refused_in_one_line(case, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011  (compared below, as plain text)
        rs.check(lambda p, x, y: BAD[message](case), case)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_state_that_nobody_reset_is_told_from_what_pytorch_says_of_it(case):
    torch = pytest.importorskip("torch")
    state = []

    def keeps(params, x, y):
        w = torch.tensor(params[0].w, requires_grad=True)
        state.append((w * w).sum() + (state[-1] if state else 0.0))
        state[-1].backward()
        return solve(replace(case, params=params, x=x, y=y))

    with pytest.raises(ValueError, match="still in the graph of the last call: are states reset"):
        rs.check(keeps, case)


def test_other_arguments_are_refused(case):
    with pytest.raises(ValueError, match="gradient must be callable, got int"):
        rs.check(3, case)
    with pytest.raises(ValueError, match="case must be a Case, got int"):
        rs.check(solve, 3)
    with pytest.raises(ValueError, match="params and x must be real"):
        replace(case, x=case.x + 0j)
    with pytest.raises(ValueError, match="synapse must be a Synapse or None, got 1"):
        replace(case, synapse=1)


def test_half_precision_tells_too_little(case):
    def half(p, x, y):
        answer = solve(replace(case, params=p, x=x, y=y))
        return answer.loss, cast_params(answer.grads, np.float16)

    with pytest.raises(ValueError, match="must be float32 or float64, got float16"):
        rs.check(half, case)


def test_an_implementation_that_quits_has_not_answered(case):
    with pytest.raises(ValueError, match="got SystemExit: 0"):
        rs.check(lambda p, x, y: sys.exit(0), case)


def test_one_that_cannot_be_asked_about_fewer_steps_is_explained_all_the_same():
    kind = KINDS["reset detached"]
    case = draw_faulty_case(np.random.default_rng(8), kind)
    whole = black_box(case, kind)

    def require_all_steps(p, x, y):
        if x.shape != case.x.shape:
            raise IndexError("a fixed number of steps")
        return whole(p, x, y)

    report = rs.check(rs.Implementation(require_all_steps), case)
    assert report.cause.name == "reset detached"
    assert report.first.what == "adjoint"


def test_a_gradient_of_zeros_and_biases_of_zeros_are_named(case):
    def zeros(p, x, y):
        answer = solve(replace(case, params=p, x=x, y=y))
        return answer.loss, map_params(np.zeros_like, answer.grads)

    assert rs.check(zeros, case).cause.name == "gradient zero"
    assert rs.integrable(rs.Implementation(zeros), case, rng=np.random.default_rng(0)).factor == 0.0
