"""Numerical derivatives, of functions whose derivatives are known; and that they know no tape."""

import ast
import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.autodiff import numeric, ops
from refsast.autodiff.numeric import (
    adjoint_gap,
    central_difference,
    complex_step,
    complex_step_gradient,
)
from refsast.testing import min_examples, numbers

KNOWN = {
    "exp": (np.exp, np.exp),
    "sin": (np.sin, np.cos),
    "cube": (lambda x: x**3, lambda x: 3.0 * x**2),
    "arctan": (np.arctan, lambda x: 1.0 / (1.0 + x * x)),
    "tanh": (np.tanh, lambda x: 1.0 / np.cosh(x) ** 2),
}
known = pytest.mark.parametrize("name", KNOWN)


@known
@given(numbers(3.0))
@min_examples(60)
def test_the_complex_step_is_exact(name, number):
    f, slope = KNOWN[name]
    x = np.array([number])

    assert complex_step(f, x, np.array([2.0])) == pytest.approx(2.0 * slope(x), rel=1e-14)


@known
@given(numbers(2.0), st.sampled_from([0.01, 0.1, 0.5]))
@min_examples(60)
def test_the_estimate_dominates_the_error_of_a_difference(name, number, step):
    f, slope = KNOWN[name]
    x = np.array([number])

    derivative, error = central_difference(f, x, np.ones(1), step=step)

    rounding = 1e-16 * (1.0 + abs(f(x))) * 2.0**10 / step
    assert abs(derivative - slope(x)) <= 10.0 * error + rounding
    assert (error < 1e-6).all()


def test_a_difference_along_a_direction_and_of_many_values():
    a = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    derivative, error = central_difference(lambda x: a @ x, np.ones(2), np.array([1.0, -1.0]))

    assert derivative == pytest.approx([-1.0, -1.0, -1.0], rel=1e-12)
    assert error.shape == (3,)


def test_a_gradient_of_any_shape():
    x = np.arange(1.0, 7.0).reshape(2, 3)

    slope = complex_step_gradient(lambda x: np.sum(x**3), x)

    assert slope.shape == x.shape
    assert slope == pytest.approx(3.0 * x**2, rel=1e-14)


@pytest.mark.parametrize(("step", "halvings"), [(0.0, 3), (-1.0, 3), (np.nan, 3), (0.1, 0)])
def test_a_difference_needs_a_step(step, halvings):
    with pytest.raises(ValueError, match=r"^step and halvings must be positive, got "):
        central_difference(np.exp, np.ones(1), np.ones(1), step=step, halvings=halvings)


def gap_of(value, *pullbacks):
    """Return the adjoint gap of a rule at one point."""
    x = v = g = np.array([0.5, -1.5])
    return adjoint_gap(ops.Op("rule", value, pullbacks), (x,), (v,), g)


def test_a_right_rule_has_no_gap_and_a_wrong_one_has():
    def right(g, y, x):
        return g * (1.0 - y * y)

    assert gap_of(np.tanh, right) <= 1e-15
    assert gap_of(np.tanh, lambda g, y, x: 2.0 * right(g, y, x)) == pytest.approx(1.0 / 3.0)
    assert gap_of(np.tanh, lambda g, y, x: -right(g, y, x)) == pytest.approx(1.0)
    assert 1e-11 < gap_of(np.tanh, lambda g, y, x: (1.0 + 1e-9) * right(g, y, x)) < 1e-8
    assert np.isnan(gap_of(np.tanh, lambda g, y, x: np.nan * g))
    assert gap_of(lambda x: 0.0 * x, lambda g, y, x: 0.0 * g) == 0.0


def test_the_judges_import_neither_the_tape_nor_its_operations():
    tree = ast.parse(inspect.getsource(numeric))
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {
        n.module if isinstance(n, ast.ImportFrom) else alias.name
        for n in nodes
        for alias in n.names
    }

    assert names == {"collections.abc", "typing", "numpy", "refsast.arrays"}
