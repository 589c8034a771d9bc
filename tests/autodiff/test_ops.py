"""Every operation of the table against numerical derivatives: a new one cannot escape them."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from refsast.autodiff import hvp, jvp, moves, ops, value_and_grad, vjp
from refsast.autodiff.numeric import adjoint_gap, complex_step
from refsast.autodiff.tape import apply
from refsast.testing import min_examples, seeds

ROUNDING = 1e-14  # of a sum of at most 64 terms, each rounded a few times
BINARY = [op for op in ops.UFUNCS.values() if len(op.pullbacks) == 2 and op.value is not np.matmul]
UNARY = [op for op in ops.UFUNCS.values() if len(op.pullbacks) == 1]
POSITIVE = {np.log, np.log1p, np.log2, np.log10, np.sqrt, np.power}
by_name = {"ids": lambda op: op.name}


def generic(seed, shape, positive=False):
    """Return numbers away from zero, of either sign unless `positive`."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 2.0, shape)
    return x if positive else x * rng.choice([-1.0, 1.0], shape)


def gap(op, args, seed):
    """Return the adjoint gap at generic tangents and cotangents."""
    y = op.value(*args)
    tangents = tuple(generic(seed + k, a.shape) for k, a in enumerate(args, start=1))
    return adjoint_gap(op, args, tangents, generic(seed, y.shape))


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
    shapes = enumerate(drawn.input_shapes)
    args = tuple(generic(seed + k, shape, op.value in POSITIVE) for k, shape in shapes)

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


def draw_axes(draw, shape):
    return draw(st.sets(st.sampled_from(range(len(shape)))).map(lambda s: tuple(sorted(s))))


def draw_power(draw, shape, seed):
    exponent = draw(st.sampled_from([-2, -1.5, -1, 0, 0.5, 1, 2, 3]))
    return ops.power(exponent), (generic(seed, shape, positive=True),)


def draw_sum(draw, shape, seed):
    op = ops.reduce_sum(draw_axes(draw, shape), draw(st.booleans()))
    return op, (generic(seed, shape),)


def draw_max(draw, shape, seed):
    axes = draw_axes(draw, shape) or (0,)
    return ops.reduce_max(axes, draw(st.booleans())), (generic(seed, shape),)


def draw_cumsum(draw, shape, seed):
    return ops.cumsum(draw(st.sampled_from(range(len(shape))))), (generic(seed, shape),)


def draw_einsum(draw, shape, seed):
    n, m, k = (draw(st.integers(1, 3)) for _ in range(3))
    sizes = dict(zip("abc", (n, m, k), strict=True))
    formula = draw(st.sampled_from(["ab,bc->ac", "ab,b->", "abc->b", "a,ab,abc->cb", "ab->ba"]))
    args = (
        generic(seed + i, tuple(sizes[c] for c in letters))
        for i, letters in enumerate(formula.partition("->")[0].split(","))
    )
    return ops.einsum(formula), tuple(args)


def draw_reshape(draw, shape, seed):
    n = int(np.prod(shape))
    to = draw(st.sampled_from([(n,), (1, n), shape[::-1]]))
    return moves.reshape(to), (generic(seed, shape),)


def draw_transpose(draw, shape, seed):
    axes = tuple(draw(st.permutations(range(len(shape)))))
    return moves.transpose(axes), (generic(seed, shape),)


def draw_where(draw, shape, seed):
    drawn = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=2, max_side=3))
    c, a, b = (generic(seed + k, s) for k, s in enumerate(drawn.input_shapes))
    return moves.where(c > 0.0), (a, b)


def draw_stack(draw, shape, seed):
    count, axis = draw(st.integers(1, 4)), draw(st.integers(0, len(shape)))
    return moves.stack(count, axis), tuple(generic(seed + k, shape) for k in range(count))


def draw_concatenate(draw, shape, seed):
    axis = draw(st.sampled_from(range(len(shape))))
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in lengths]
    args = tuple(generic(seed + k, each) for k, each in enumerate(shapes))
    return moves.concatenate(lengths, axis), args


def draw_pad(draw, shape, seed):
    widths = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in shape]
    return moves.pad(widths, 0.5), (generic(seed, shape),)


def draw_broadcast(draw, shape, seed):
    to = (*draw(st.sampled_from([(), (2,)])), *(3 if n == 1 else n for n in shape))
    return moves.broadcast(to), (generic(seed, shape),)


def draw_gather(draw, shape, seed):
    n = draw(st.integers(1, 4))
    index = draw(hnp.arrays(np.int64, hnp.array_shapes(max_dims=2), elements=st.integers(0, n - 1)))
    return moves.gather(index, n), (generic(seed, (2, n)),)


def draw_scatter(draw, shape, seed):
    index = draw(hnp.basic_indices(shape, min_dims=1) | hnp.integer_array_indices(shape))
    indices = [index, index] if draw(st.booleans()) else [index]
    args = (generic(seed + k, np.zeros(shape)[i].shape) for k, i in enumerate(indices))
    return moves.scatter(indices, shape), tuple(args)


FAMILIES = {
    name.removeprefix("draw_"): function
    for name, function in dict(globals()).items()
    if name.startswith("draw_") and name != "draw_axes"
}


@st.composite
def family_members(draw):
    """An operation of every family, with arguments it fits."""
    shape, seed = draw(shapes), draw(seeds())
    return FAMILIES[draw(st.sampled_from(sorted(FAMILIES)))](draw, shape, seed)


def test_no_family_escapes():
    made = {
        name.removeprefix("reduce_")
        for module in (ops, moves)
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and function.__annotations__.get("return") is ops.Op
    }

    assert made - {"take"} == set(FAMILIES)  # its pullback gives a slice: tested on the tape


@given(family_members(), seeds())
@min_examples(400)
def test_so_are_the_families(member, seed):
    op, args = member

    assert gap(op, args, seed) <= ROUNDING
    y = op.value(*args)
    assert [p(np.ones(y.shape), y, *args).shape for p in op.pullbacks] == [a.shape for a in args]


@st.composite
def indices(draw):
    """A shape, and any index of NumPy's for it."""
    shape = draw(hnp.array_shapes(max_dims=3, max_side=4))
    basic = hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    masks = hnp.arrays(bool, shape)
    return shape, draw(basic | hnp.integer_array_indices(shape) | masks)


@given(indices(), seeds())
@min_examples(200)
def test_so_is_taking_entries_by_any_index(drawn, seed):
    shape, index = drawn
    x = generic(seed, shape)
    g = generic(seed + 1, x[index].shape)

    (cotangent,) = vjp(lambda x: x[index] * 1.0, (x,), g)
    (twice,) = vjp(lambda x: np.sum(x[index] * g) * x, (x,), x)

    want = np.zeros(shape)
    np.add.at(want, index, g)
    assert cotangent == pytest.approx(want, rel=1e-14)
    assert twice == pytest.approx(want * np.sum(x * x) + np.sum(x[index] * g) * x, rel=1e-12)


@pytest.mark.parametrize("op", UNARY, **by_name)
@given(seeds())
@min_examples(30)
def test_a_pullback_of_one_argument_can_be_differentiated_again(op, seed):
    x, v = generic(seed, (3,), op.value in POSITIVE), generic(seed + 1, (3,))

    def slope(x):
        return op.pullbacks[0](np.ones(3), op.value(x), x) if op.name != "absolute" else 0.0 * x

    (second,) = hvp(lambda x: np.sum(apply(op, x)), (x,), (v,))

    assert second == pytest.approx(complex_step(slope, x, v), rel=1e-13, abs=1e-300)


@pytest.mark.parametrize("op", [*BINARY, ops.UFUNCS[np.matmul]], **by_name)
@given(seeds())
@min_examples(30)
def test_so_can_those_of_two(op, seed):
    """The Hessian of <g, op(a, b)> along v, against the complex step of the pulled-back g."""
    a, b, u, v = (generic(seed + k, (3, 3), op.value in POSITIVE) for k in range(4))
    g = generic(seed + 4, (3, 3))

    def grads(joined):
        pair = joined[:3], joined[3:]
        return np.concatenate([p(g, op.value(*pair), *pair) for p in op.pullbacks])

    products = hvp(lambda a, b: np.sum(g * apply(op, a, b)), (a, b), (u, v))
    want = complex_step(grads, np.concatenate([a, b]), np.concatenate([u, v]))

    assert np.concatenate(products) == pytest.approx(want, rel=1e-12, abs=1e-13)


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
