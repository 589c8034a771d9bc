"""Every operation of the table against numerical derivatives: a new one cannot escape them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsast.autodiff import hvp, jvp, ops, value_and_grad, vjp
from refsast.autodiff.numeric import adjoint_gap, complex_step
from refsast.autodiff.tape import apply
from refsast.testing import min_examples, seeds

ROUNDING = 1e-14  # of a sum of at most 64 terms, each rounded a few times
BINARY = [op for op in ops.UFUNCS.values() if len(op.pullbacks) == 2 and op.value is not np.matmul]
UNARY = [op for op in ops.UFUNCS.values() if len(op.pullbacks) == 1]
POSITIVE = {np.log, np.log1p, np.sqrt}
by_name = {"ids": lambda op: op.name}


def generic(seed, shape, positive=False):
    """Return numbers away from zero, of either sign unless `positive`."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 2.0, shape)
    return x if positive else x * rng.choice([-1.0, 1.0], shape)


def gap(op, args, seed):
    """Return the adjoint gap at generic tangents and cotangents."""
    y = op.value(*args)
    shown = replace(op, value=analytic.get(op.value, op.value))
    tangents = tuple(generic(seed + k, a.shape) for k, a in enumerate(args, start=1))
    return adjoint_gap(shown, args, tangents, generic(seed, y.shape))


analytic = {np.absolute: lambda x: np.where(x < 0.0, -x, x)}  # numpy.abs takes the modulus
shapes = hnp.array_shapes(max_dims=3, max_side=4)
pairs = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=4)


def test_the_table_is_what_these_tests_go_through():
    assert len(UNARY) + len(BINARY) + 1 == len(ops.UFUNCS) == len(ops.RULES)


@pytest.mark.parametrize("op", UNARY, **by_name)
@given(shapes, seeds())
@min_examples(60)
def test_a_rule_of_one_argument_is_the_transpose_of_its_derivative(op, shape, seed):
    x = generic(seed, shape, op.value in POSITIVE)

    assert gap(op, (x,), seed) <= ROUNDING
    assert op.pullbacks[0](np.ones(shape), op.value(x), x).shape == shape


@pytest.mark.parametrize("op", BINARY, **by_name)
@given(pairs, seeds())
@min_examples(100)
def test_a_rule_of_two_arguments_is_so_whatever_is_broadcast(op, drawn, seed):
    args = tuple(generic(seed + k, shape) for k, shape in enumerate(drawn.input_shapes))

    assert gap(op, args, seed) <= ROUNDING
    g, y = np.ones(drawn.result_shape), op.value(*args)
    assert [p(g, y, *args).shape for p in op.pullbacks] == [a.shape for a in args]


@given(st.tuples(*[st.integers(1, 4)] * 3), seeds())
@min_examples(60)
def test_so_is_the_matrix_product(sizes, seed):
    n, m, k = sizes

    args = generic(seed, (n, m)), generic(seed + 9, (m, k))

    assert gap(ops.UFUNCS[np.matmul], args, seed) <= ROUNDING


@pytest.mark.parametrize("op", [ops.UFUNCS[np.maximum], ops.UFUNCS[np.minimum]], **by_name)
def test_at_a_tie_the_first_argument_takes_all(op):
    one = np.ones(1)

    assert [p(one, one, one, one).item() for p in op.pullbacks] == [1.0, 0.0]


@st.composite
def family_members(draw):
    """An operation of every family, with arguments it fits."""
    shape, seed = draw(shapes), draw(seeds())
    axes = tuple(range(len(shape)))
    x = generic(seed, shape)
    kind = draw(st.sampled_from(["power", "sum", "reshape", "transpose", "where", "stack"]))
    if kind == "power":
        exponent = draw(st.sampled_from([-2, -1.5, -1, 0.5, 1, 2, 3]))
        return ops.power(exponent), (abs(x),)
    if kind == "sum":
        some = draw(st.sets(st.sampled_from(axes)).map(lambda s: tuple(sorted(s))))
        return ops.reduce_sum(some, draw(st.booleans())), (x,)
    if kind == "reshape":
        return ops.reshape(draw(st.sampled_from([(x.size,), (1, x.size), shape[::-1]]))), (x,)
    if kind == "transpose":
        return ops.transpose(tuple(draw(st.permutations(axes)))), (x,)
    if kind == "where":
        drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=2, max_side=3))
        c, a, b = (generic(seed + k, s) for k, s in enumerate(drawn.input_shapes))
        return ops.where(c > 0.0), (a, b)
    count = draw(st.integers(1, 4))
    return ops.stack(count), tuple(generic(seed + k, shape) for k in range(count))


@pytest.mark.slow
@given(family_members(), seeds())
@min_examples(400)
def test_so_are_the_families(member, seed):
    op, args = member

    assert gap(op, args, seed) <= ROUNDING
    y = op.value(*args)
    assert [p(np.ones(y.shape), y, *args).shape for p in op.pullbacks] == [a.shape for a in args]


@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.integers(-n, n - 1))), seeds())
@min_examples(60)
def test_so_is_taking_one_entry(drawn, seed):
    n, index = drawn
    x, g = generic(seed, (n, 2)), generic(seed + 1, (2,))

    (cotangent,) = vjp(lambda x: x[index], (x,), g)

    want = np.zeros((n, 2))
    want[index] = g
    assert (cotangent == want).all()


@pytest.mark.parametrize("op", UNARY, **by_name)
@given(seeds())
@min_examples(30)
def test_a_pullback_of_one_argument_can_be_differentiated_again(op, seed):
    x, v = generic(seed, (3,), op.value in POSITIVE), generic(seed + 1, (3,))
    value = analytic.get(op.value, op.value)

    def slope(x):
        return op.pullbacks[0](np.ones(3), value(x), x) if op.value is not np.absolute else 0.0 * x

    (second,) = hvp(lambda x: np.sum(apply(op, x)), (x,), (v,))

    assert second == pytest.approx(complex_step(slope, x, v), rel=1e-13, abs=1e-300)


@pytest.mark.parametrize("op", [*BINARY, ops.UFUNCS[np.matmul]], **by_name)
@given(seeds())
@min_examples(30)
def test_so_can_those_of_two(op, seed):
    """The Hessian of <g, op(a, b)> along v, against the complex step of the pulled-back g."""
    a, b, u, v = (generic(seed + k, (3, 3)) for k in range(4))
    g = generic(seed + 4, (3, 3))

    def grads(joined):
        pair = joined[:3], joined[3:]
        return np.concatenate([p(g, op.value(*pair), *pair) for p in op.pullbacks])

    products = hvp(lambda a, b: np.sum(g * apply(op, a, b)), (a, b), (u, v))
    want = complex_step(grads, np.concatenate([a, b]), np.concatenate([u, v]))

    assert np.concatenate(products) == pytest.approx(want, rel=1e-12, abs=1e-13)


@pytest.mark.slow
@given(family_members(), seeds())
@min_examples(200)
def test_so_can_those_of_the_families(member, seed):
    """Composed with a cube, against differences of the first gradient."""
    op, args = member
    vs = tuple(generic(seed + k, a.shape) for k, a in enumerate(args))

    def cube(*xs):
        return np.sum(apply(op, *xs) ** 3)

    def grads(h):
        moved = (a + h * v for a, v in zip(args, vs, strict=True))
        return np.concatenate([g.ravel() for g in value_and_grad(cube, *moved)[1]])

    difference = (grads(1e-5) - grads(-1e-5)) / 2e-5
    products = hvp(cube, args, vs)

    assert [p.shape for p in products] == [a.shape for a in args]
    joined = np.concatenate([p.ravel() for p in products])
    assert joined == pytest.approx(difference, rel=1e-5, abs=1e-5)


@given(family_members(), seeds())
@min_examples(100)
def test_forward_and_backward_agree(member, seed):
    op, args = member
    vs = tuple(generic(seed + k, a.shape) for k, a in enumerate(args))
    g = generic(seed, op.value(*args).shape)

    forward = g * jvp(lambda *xs: apply(op, *xs), args, vs)
    backward = [a * v for a, v in zip(vjp(lambda *xs: apply(op, *xs), args, g), vs, strict=True)]

    scale = abs(forward).sum() + sum(abs(b).sum() for b in backward)
    assert abs(forward.sum() - sum(b.sum() for b in backward)) <= ROUNDING * scale


@pytest.mark.parametrize("op", ops.UFUNCS.values(), **by_name)
def test_a_planted_error_is_caught(op):
    wrong = replace(op, pullbacks=tuple(
        lambda g, y, *args, p=p: (1.0 + 1e-9) * p(g, y, *args) for p in op.pullbacks
    ))  # fmt: skip
    args = tuple(generic(k, (2, 2), op.value in POSITIVE) for k in range(len(op.pullbacks)))

    assert gap(op, args, 0) <= ROUNDING < 1e-11 < gap(wrong, args, 0)
