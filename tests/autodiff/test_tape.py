"""The tape: gradients of every order, long programs, and programs that bend its rules."""

import warnings

import numpy as np
import pytest

import refsast as rs
from refsast.autodiff import hvp, jvp, stop_gradient, straight_through, value_and_grad, vjp
from refsast.autodiff.numeric import central_difference, complex_step_gradient
from refsast.autodiff.tape import backward, leaf

X = np.array([0.3, -1.2, 2.0])


def grad(f):
    """Return the gradient of a program, itself a program: nodes in, nodes out."""
    return lambda x: backward(f(x), (x,), np.ones(()), traced=True)[0]


def test_gradients_of_gradients_of_gradients():
    def value(x):
        return np.sum(np.sin(x) * x)

    third = grad(lambda x: np.sum(grad(lambda x: np.sum(grad(value)(x)))(x)))

    assert grad(value)(leaf(X)).value == pytest.approx(np.sin(X) + X * np.cos(X), rel=1e-14)
    assert third(leaf(X)).value == pytest.approx(-3.0 * np.sin(X) - X * np.cos(X), rel=1e-13)


def test_the_hessian_of_a_known_function():
    a = np.array([[2.0, 1.0], [1.0, 5.0]])
    w, v = np.array([[1.0], [2.0]]), np.array([[3.0], [-1.0]])

    (product,) = hvp(lambda w: 0.5 * np.sum(w * (a @ w)), (w,), (v,))

    assert product == pytest.approx(a @ v)


@pytest.mark.slow
def test_a_chain_of_twenty_thousand_operations():
    def chain(x):
        for _ in range(10_000):
            x = 0.999 * x + 0.001
        return np.sum(x)

    _, (slope,) = value_and_grad(chain, X)

    assert slope == pytest.approx(np.full(3, 0.999**10_000), rel=1e-10)


@pytest.mark.slow
def test_an_unroll_of_five_thousand_steps():
    network = rs.Network(
        (2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0), recurrent=True
    )
    rng = np.random.default_rng(0)
    params, x = rs.init(network, rng), rng.random((5000, 1, 2))

    by_tape = rs.reference.loss_and_grad(network, params, x, [0])[1]
    by_hand = rs.fast.loss_and_grad(network, params, x, [0])[1]

    assert rs.flatten(by_tape) == pytest.approx(rs.flatten(by_hand), rel=1e-9)
    assert abs(rs.flatten(by_tape)).min() > 0.0


def test_a_node_used_many_times_collects_every_part():
    _, (slope,) = value_and_grad(lambda x: np.sum(x * x * x + x / x - x), X)

    assert slope == pytest.approx(3.0 * X**2 - 1.0, rel=1e-14)


def test_the_same_input_twice_is_two_inputs():
    _, grads = value_and_grad(lambda a, b: np.sum(a * a * b), X, X)

    assert np.array(grads) == pytest.approx(np.array([2.0 * X * X, X * X]))


def test_an_input_that_is_the_output():
    value, (slope,) = value_and_grad(lambda x: x, np.array(3.0))

    assert (value, slope) == (3.0, 1.0)


def test_an_input_on_the_way_of_another_is_an_input_and_a_way():
    x = leaf(X)
    y = x * x

    dx, dy = backward(np.sum(y * y), (x, y), np.ones(()))

    assert dy == pytest.approx(2.0 * X**2)
    assert dx == pytest.approx(4.0 * X**3)


def test_what_does_not_depend_on_an_input_has_no_gradient_in_it():
    value, (da, db) = value_and_grad(lambda a, b: np.sum(b), X, X)
    constant, (dc,) = value_and_grad(lambda x: np.float64(7.0), X)

    assert value == X.sum()
    assert da.tolist() == [0.0] * 3
    assert db.tolist() == [1.0] * 3
    assert (constant, dc.tolist()) == (7.0, [0.0] * 3)
    assert hvp(lambda x: np.float64(7.0), (X,), (X,))[0].tolist() == [0.0] * 3
    assert hvp(lambda x: np.sum(x), (X,), (X,))[0].tolist() == [0.0] * 3  # a linear function
    assert jvp(lambda x: np.ones(2), (X,), (X,)).tolist() == [0.0, 0.0]
    assert vjp(lambda x: np.ones(2), (X,), np.ones(2))[0].tolist() == [0.0] * 3


def test_slices_and_iteration_and_negative_indices():
    x = np.arange(6.0).reshape(3, 2)

    def program(x):
        return np.sum(x[0] * x[-1]) + sum(np.sum(row * row) for row in x) + np.sum(x[0])

    numeric = complex_step_gradient(program, x)

    assert value_and_grad(program, x)[1][0] == pytest.approx(numeric, rel=1e-14)


def test_stop_gradient_makes_a_constant_of_every_order():
    def program(x):
        return np.sum(stop_gradient(x) * x * x)

    assert value_and_grad(program, X)[1][0] == pytest.approx(2.0 * X * X)
    assert hvp(program, (X,), (X,))[0] == pytest.approx(2.0 * X * X)
    assert stop_gradient(X) is X


def test_straight_through_has_one_value_and_another_slope():
    step = straight_through(lambda x: (x >= 0.0) * 1.0, lambda x: np.exp(-x * x))

    value, (slope,) = value_and_grad(lambda x: np.sum(2.0 * step(x)), X)

    assert value == 4.0
    assert slope == pytest.approx(2.0 * np.exp(-X * X))
    assert step(X).tolist() == [1.0, 0.0, 1.0]
    again = hvp(lambda x: np.sum(step(x)), (X,), (np.ones(3),))[0]
    assert again == pytest.approx(-2.0 * X * np.exp(-X * X))


PROGRAMS = {
    "mean": lambda x: np.mean(x * x, axis=0)[1] + np.mean(x),
    "mean keepdims": lambda x: np.sum(x * np.mean(x * x, axis=-1, keepdims=True)),
    "sum over two axes": lambda x: np.sum(np.sum(x * x, axis=(0, 1)) ** 2),
    "methods": lambda x: (x.reshape(2, 3).sum(axis=1, keepdims=True) * x.T.sum()).sum() + len(x),
    "reshape -1": lambda x: np.sum(np.reshape(x, (-1,)) ** 3) + np.sum(x.reshape(-1, 6) ** 2),
    "transpose": lambda x: np.sum((np.transpose(x, (1, 0)) @ x) ** 2),
    "transpose all": lambda x: np.sum((np.transpose(x) @ x) * 2.0),
    "clip": lambda x: np.sum(np.clip(x, -0.5, 0.8) * x),
    "where": lambda x: np.sum(np.where(x > 0.1, x * x, -x)),
    "stack": lambda x: np.sum(np.stack([x[0], np.ones(2), x[1] * x[0]]) ** 2),
    "constants on either side": lambda x: np.sum(2.0 / (3.0 + x) - (1.0 - x) * 4.0 + 2.0**2),
    "powers": lambda x: np.sum((x * x + 1.0) ** -1.5) + np.sum(x**2),
    "minimum": lambda x: np.sum(np.minimum(x, 0.2) * np.maximum(0.1, x)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_in_numpys_words(name):
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 2))
    direction = np.random.default_rng(1).normal(size=(3, 2))
    program = PROGRAMS[name]

    value, (slope,) = value_and_grad(program, x)
    (product,) = hvp(program, (x,), (direction,))
    again, _ = central_difference(
        lambda x: value_and_grad(program, x)[1][0], x, direction, step=1e-3
    )

    assert value == program(x)
    assert slope == pytest.approx(complex_step_gradient(program, x), rel=1e-12, abs=1e-14)
    assert product == pytest.approx(again, rel=1e-6, abs=1e-8)


def test_the_slope_of_a_magnitude_is_zero_at_zero():
    _, (slope,) = value_and_grad(lambda x: np.sum(np.abs(x)), np.array([-2.0, 0.0, 3.0]))

    assert slope.tolist() == [-1.0, 0.0, 1.0]


UNSUPPORTED = {
    "a ufunc": lambda x: np.arcsinh(x),
    "a function": lambda x: np.linalg.norm(x),
    "a reduction": lambda x: np.add.reduce(x),
    "an output": lambda x: np.add(x, x, out=np.zeros(3)),
    "a slice": lambda x: x[0:2],
    "an array of indices": lambda x: x[np.array([0, 1])],
    "an exponent on the tape": lambda x: 2.0**x,
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_the_tape_cannot_do_is_refused(name):
    with pytest.raises(TypeError):
        UNSUPPORTED[name](leaf(X))


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (lambda x: np.hypot(x, 1.0), "np.hypot"),
        (lambda x: np.cumsum(x), "np.cumsum"),
        (lambda x: np.add.reduce(x), "np.add.reduce"),
        (lambda x: np.exp(x, out=np.zeros(3)), "np.exp with out"),
        (lambda x: 2.0**x, "np.power with an exponent on the tape"),
    ],
)
def test_what_has_no_rule_is_named(program, says):
    with pytest.raises(TypeError, match=f"^the tape has no rule for {says}$"):
        program(leaf(X))


def test_comparisons_are_arrays_and_not_nodes():
    x = leaf(X)

    for flat in (x > 0.0, x >= 0.0, x < 0.0, x <= 0.0, x == 0.0, x != 0.0, np.sign(x)):
        assert isinstance(flat, np.ndarray)


def test_a_node_describes_itself():
    x = leaf(X)

    assert repr(x) == "Node(input, shape=(3,))"
    assert repr(x * x) == "Node(multiply, shape=(3,))"
    assert (x.ndim, x.dtype, len(x), len({x, x})) == (1, np.float64, 3, 1)


def test_nothing_is_written_into_an_argument():
    x = X.copy()
    x.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        value_and_grad(lambda x: np.sum(x[0] * x[1] + x[0] + x[0]), x)

    assert (x == X).all()
