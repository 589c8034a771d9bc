"""The tape: gradients of every order, long programs, and programs that bend its rules."""

import warnings

import numpy as np
import pytest

import refsast as rs
from refsast.autodiff import hvp, jvp, stop_gradient, straight_through, value_and_grad, vjp
from refsast.autodiff.functions import COMPOSITES, CONSTANTS, PRIMITIVES
from refsast.autodiff.numeric import central_difference, complex_step_gradient
from refsast.autodiff.tape import Node, backward, leaf

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


Y = np.random.default_rng(2).uniform(0.5, 1.5, (2, 3))
# Of every function that the tape has, a program in which its options are used.
EXAMPLES = {
    np.broadcast_to: lambda x: np.broadcast_to(x[:1], (4, 3, 2)) ** 2,
    np.concatenate: lambda x: np.concatenate([x, x * x], axis=-1) @ np.concatenate([Y.T, Y.T])[:4],
    np.cumsum: lambda x: np.cumsum(x, axis=0) * np.cumsum(x * x).reshape(3, 2) + x.cumsum(axis=1),
    np.einsum: lambda x: np.einsum("ij,jk", x, Y) + np.einsum("ab, cb -> ac", x, x),
    np.max: lambda x: x * np.max(x, axis=1, keepdims=True) + x.max() + np.max(x, axis=(-1, 0)),
    np.pad: lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=0.3) ** 2,
    np.reshape: lambda x: np.reshape(x, (-1, 3)) * Y,
    np.stack: lambda x: np.stack([x, x * x], axis=1) * Y[:, :2] + np.stack((x[0], Y[0, :2]))[1],
    np.sum: lambda x: np.sum(x * x, axis=-1) * x.sum(axis=(0, 1)) + np.sum(x, 1, keepdims=True),
    np.take: lambda x: np.take(x, [2, 0, 2], axis=0) ** 2 + np.take(x, [-1, 5]) + x.take([1]),
    np.transpose: lambda x: np.transpose(x, (-1, 0)) * Y + x.transpose() + x.transpose(1, 0),
    np.where: lambda x: np.where(x > 0.0, x * x, 0.5) + np.where(Y.T > 1.0, 0.0, x),
    np.clip: lambda x: np.clip(x, -0.4, None) * np.clip(x, a_min=None, a_max=0.6) + x.clip(-1, 1),
    np.copy: lambda x: np.copy(x) * x.copy(),
    np.diff: lambda x: np.diff(x * x, axis=0) + np.diff(x, n=2, axis=0),
    np.dot: lambda x: (
        np.dot(x, Y) @ np.dot(x, Y[:, 0]) + np.dot(x[:, 0], x[:, 1]) + x.dot(2.0)[:, 0]
    ),
    np.expand_dims: lambda x: np.expand_dims(x, (0, -1)) * np.expand_dims(x, 2)[None],
    np.flip: lambda x: np.flip(x) * x + np.flip(x * x, axis=0),
    np.full_like: lambda x: np.full_like(x, x[0, 0] ** 2) + x,
    np.hstack: lambda x: np.hstack([x, x * x]) + np.hstack([x[0], x[1]]) ** 2,
    np.linalg.norm: lambda x: np.linalg.norm(x, axis=1, keepdims=True) * x + np.linalg.norm(x),
    np.mean: lambda x: np.mean(x, axis=0, keepdims=True) * x + x.mean() ** 2,
    np.min: lambda x: np.min(x, axis=0) * x + x.min(),
    np.moveaxis: lambda x: (
        np.moveaxis(x * Y[:, :, None], (0, 1), (2, 0)) ** 2 + np.moveaxis(x, 0, 1)[:, :1]
    ),
    np.outer: lambda x: np.outer(x, x[0]) ** 2,
    np.ravel: lambda x: np.ravel(x) ** 2 + x.ravel(),
    np.real: lambda x: np.real(x) * x if x.dtype == float else x * x,
    np.repeat: lambda x: (
        np.repeat(x, 2, axis=1) ** 2 + np.repeat(x, [1, 0, 3, 0, 0, 0]) + x.repeat(2, 1)
    ),
    np.roll: lambda x: np.roll(x, 1, axis=0) * x + np.roll(x, -2),
    np.split: lambda x: np.split(x, 3)[1] * np.split(x, [1], axis=1)[0],
    np.squeeze: lambda x: np.squeeze(x[:1]) * np.squeeze(x[:, :1], axis=1)[0] + x[:1].squeeze(),
    np.std: lambda x: np.std(x, axis=0) * x + np.std(x, ddof=1),
    np.swapaxes: lambda x: np.swapaxes(x, 0, -1) * Y + x.swapaxes(0, 1),
    np.take_along_axis: lambda x: np.take_along_axis(x * x, np.argsort(Y.T, axis=0), axis=0) * x,
    np.tensordot: lambda x: np.tensordot(x, Y, axes=1) ** 2 + np.tensordot(x, x, ([0, 1], [0, 1])),
    np.tril: lambda x: np.tril(x * x) * np.tril(x, k=-1),
    np.triu: lambda x: np.triu(x * x, k=-1) + np.triu(x),
    np.var: lambda x: np.var(x, axis=1, keepdims=True) * x + x.var(ddof=1),
    np.vstack: lambda x: np.vstack([x[0], x]) ** 2,
}


def test_every_function_of_the_tape_has_an_example():
    assert set(EXAMPLES) == {*PRIMITIVES, *COMPOSITES}


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda function: function.__name__)
def test_a_function_is_what_numpy_has_and_has_its_derivative(function):
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 2))
    weights = np.random.default_rng(1).normal(size=100)

    def program(x):
        y = EXAMPLES[function](x)
        return np.sum(np.reshape(y, -1) * weights[: np.size(y)])

    value, (slope,) = value_and_grad(program, x)

    assert EXAMPLES[function](leaf(x)).value == pytest.approx(EXAMPLES[function](x), rel=1e-14)
    assert value == pytest.approx(program(x), rel=1e-13)
    numeric = complex_step_gradient(lambda x: program(leaf(x)).value, x)
    assert slope == pytest.approx(numeric, rel=1e-12, abs=1e-14)
    assert slope.flags.writeable
    (product,) = hvp(program, (x,), (weights[:6].reshape(3, 2),))
    again, _ = central_difference(
        lambda x: value_and_grad(program, x)[1][0], x, weights[:6].reshape(3, 2), step=1e-3
    )
    assert product == pytest.approx(again, rel=1e-6, abs=1e-7)


def test_vectors_are_multiplied_as_numpy_does():
    a, v = np.random.default_rng(0).normal(size=(3, 3)), X

    for f in (lambda a, v: v @ a, lambda a, v: a @ v, lambda a, v: v @ v, lambda a, v: (v @ a) @ v):
        both = value_and_grad(lambda a, v, f=f: np.sum(f(a, v) * X), a, v)[1]
        for i, got in enumerate(both):
            want = complex_step_gradient(
                lambda z, i=i, f=f: np.sum((f(z, v) if i == 0 else f(a, z)) * X), (a, v)[i]
            )
            assert got == pytest.approx(want, rel=1e-12, abs=1e-14)
        assert f(leaf(a), v).shape == f(a, v).shape


def test_what_is_constant_is_evaluated():
    x = leaf(np.array([[0.5, -1.0], [2.0, 0.0]]))

    for f in CONSTANTS:
        args = (x, x) if f in (np.array_equal, np.allclose, np.isclose) else (x,)
        got, want = f(*args), f(*(a.value for a in args))
        assert np.array_equal(got, want)
        assert not isinstance(got, Node)
    assert x.argmax() == 2
    assert x.any()
    assert not x.all()


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


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (lambda x: np.arcsin(x), "has no rule for np.arcsin"),
        (lambda x: np.linalg.det(x), "has no rule for np.linalg.det"),
        (lambda x: np.prod(x), "has no rule for np.prod"),
        (lambda x: np.add.reduce(x), "has no rule for np.add.reduce"),
        (lambda x: np.exp(x, out=np.zeros(3)), "has no rule for np.exp with out"),
        (lambda x: np.sum(x, where=x > 0.0), "has np.sum with fewer options: .*'where'"),
        (lambda x: np.linalg.norm(x, ord=1), "has np.linalg.norm with fewer options: .*'ord'"),
        (lambda x: np.pad(x, 1, mode="edge"), "has np.pad with one constant only, got .*'edge'"),
        (lambda x: np.einsum("ii->i", x), "has np.einsum without .*'ii->i'"),
        (lambda x: np.einsum("...i->...", x), "has np.einsum without .*"),
    ],
)
def test_what_has_no_rule_is_named_with_the_page(program, says):
    with pytest.raises(TypeError, match=f"^the tape {says}") as caught:
        program(leaf(X))

    assert "program.md" in str(caught.value) or "got" in str(caught.value)
    assert "\n" not in str(caught.value)


def write(x):
    x[0] = 1.0


def write_into_numbers(x):
    np.zeros((3, 3))[0] = x


def add_in_place(x):
    x += 1.0


def loop(x):
    while x[0]:
        pass


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (write, "a traced array cannot be written into: make a new one, by .*np.stack"),
        (write_into_numbers, "a traced array cannot become one of numbers: make a new one"),
        (lambda x: np.array([x, x]), "a traced array cannot become one of numbers: .*np.stack"),
        (add_in_place, "a traced array cannot be changed in place: .*x = x [+] y"),
        (lambda x: float(x[0]), "a traced array cannot become a number: .*stop_gradient"),
        (loop, "a traced array cannot become a number: choose by np.where"),
        (lambda x: x.astype(np.float32), "a traced array has one type of numbers: leave astype"),
    ],
)
def test_what_would_leave_the_tape_is_refused_with_the_way_out(program, says):
    with pytest.raises(TypeError, match=f"^{says}"):
        program(leaf(X))


def test_a_method_that_it_does_not_have_is_named_with_the_page():
    with pytest.raises(AttributeError, match=r"^a traced array has no tolist \(.*program.md"):
        leaf(X).tolist()


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
