"""A reverse-mode tape: run a NumPy program on nodes, then apply the pullbacks in reverse order.

Rule 1: a node is a value, the op that made it and that op's arguments. Nothing is ever changed.
Rule 2: NumPy's own functions accept nodes (by its dispatch protocols), so a program needs no
        rewriting, and neither do the pullbacks: traced backwards, they give gradients of gradients.
Rule 3: a node stands wherever an array may; in signatures both are called ``Array``.
Rule 4: the backward pass goes by the depth of a node and needs no recursion, so that an unroll may
        be as long as memory allows.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import ops
from refsast.autodiff.ops import Op, SliceCotangent, no_rounding


class Node(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on the tape, together with where it came from.

    Attributes
    ----------
    value : ndarray
        The numbers.
    op : Op or None
        What made it; None for an input.
    args : tuple of Node or ndarray
        What `op` was applied to.
    depth : int
        Longest path back to an input; a node is deeper than its arguments.
    """

    __slots__ = ("args", "depth", "op", "value")

    def __init__(
        self, value: Array, op: Op | None = None, args: tuple["Array | Node", ...] = ()
    ) -> None:
        self.value, self.op, self.args = value, op, args
        self.depth = 1 + max((a.depth for a in args if isinstance(a, Node)), default=-1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers."""
        return self.value.dtype

    @property
    def T(self) -> Array:
        """The axes in reversed order."""
        return _transpose(self)

    def __hash__(self) -> int:  # identity: the mixin's equality compares values
        return id(self)

    def __repr__(self) -> str:
        return f"Node({self.op.name if self.op else 'input'}, shape={self.shape})"

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: int) -> Array:
        if not isinstance(index, int | np.integer):
            raise TypeError(f"index of a traced array must be an integer, got {index!r}")
        return apply(ops.take(int(index)), self)

    def reshape(self, *shape: int) -> Array:
        """Return the same numbers in another shape."""
        return _reshape(self, shape)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
        """Return the sum over some axes, or over all."""
        return _sum(self, axis, keepdims)

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        if method != "__call__" or kwargs:
            how = f".{method}" if method != "__call__" else f" with {', '.join(kwargs)}"
            raise TypeError(f"the tape has no rule for np.{ufunc.__name__}{how}")
        if ufunc in ops.ZERO_GRADIENT:  # comparisons: a constant for the tape
            return ufunc(*map(primal, args))
        if ufunc is np.power and not isinstance(args[1], Node):
            return apply(ops.power(args[1]), args[0])
        if ufunc not in ops.UFUNCS:
            what = " with an exponent on the tape" if ufunc is np.power else ""
            raise TypeError(f"the tape has no rule for np.{ufunc.__name__}{what}")
        return apply(ops.UFUNCS[ufunc], *args)

    def __array_function__(self, func, types, args, kwargs):
        if func not in FUNCTIONS:
            raise TypeError(f"the tape has no rule for np.{func.__name__}")
        return FUNCTIONS[func](*args, **kwargs)


def leaf(value: Array) -> Array:
    """Return an input of the tape, to differentiate with respect to."""
    return Node(value)  # pyright: ignore[reportReturnType]  (Rule 3)


def primal(x: "Array | Node") -> Array:
    """Return the numbers of a node; an array is its own value."""
    return x.value if isinstance(x, Node) else x


def apply(op: Op, *args: "Array | Node") -> Array:
    """Run `op`, on the tape if one of `args` is."""
    value = op.value(*map(primal, args))
    if not any(isinstance(a, Node) for a in args):
        return value
    return Node(value, op, args)  # pyright: ignore[reportReturnType]  (Rule 3)


def stop_gradient(x: "Array | Node") -> Array:
    """Return the numbers of `x` as a constant, for gradients of every order."""
    return primal(x)


def straight_through(
    hard: Callable[[Array], Array], derivative: Callable[[Array], Array]
) -> Callable[[Array], Array]:
    """Return a function with the values of `hard` and, on the tape, another's derivative.

    No function has both, so what the backward pass then returns is the gradient of nothing.
    """

    def step(x: Array) -> Array:
        value = hard(primal(x))  # it jumps: a run with rounding errors keeps it, see `replay`
        op = Op(
            "straight-through", lambda _: value, (lambda g, y, x: g * derivative(x),), no_rounding
        )
        return apply(op, x)

    return step


def _axes(x: "Array | Node", axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    """`axis` as NumPy means it, spelled out."""
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    return tuple(int(i) % x.ndim for i in axes)


def _reshape(x: "Array | Node", shape: int | Sequence[int]) -> Array:
    whole = np.empty(x.shape, bool).reshape(shape).shape  # resolves a length of -1
    return apply(ops.reshape(whole), x)


def _sum(
    x: "Array | Node", axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Array:
    return apply(ops.reduce_sum(_axes(x, axis), keepdims), x)


def _mean(
    x: "Array | Node", axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Array:
    return _sum(x, axis, keepdims) / float(np.prod([x.shape[i] for i in _axes(x, axis)]))


def _transpose(x: "Array | Node", axes: tuple[int, ...] | None = None) -> Array:
    return apply(ops.transpose(axes or tuple(reversed(range(x.ndim)))), x)


def _take(x: "Array | Node", index: Integers, axis: int) -> Array:
    """``numpy.take`` along the last axis of a matrix, the one case that the table has."""
    if axis != -1 or x.ndim != 2:
        raise TypeError(f"a traced array must be a matrix, taken along its last axis, got {axis}")
    return apply(ops.gather(np.asarray(index), x.shape[1]), x)


FUNCTIONS: dict[Callable[..., object], Callable[..., object]] = {
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.sum: _sum,
    np.mean: _mean,
    np.reshape: _reshape,
    np.transpose: _transpose,
    np.take: _take,
    np.stack: lambda xs: apply(ops.stack(len(xs)), *xs),
    np.where: lambda condition, a, b: apply(ops.where(primal(condition)), a, b),
    np.clip: lambda x, low, high: np.minimum(np.maximum(x, low), high),
}


def backward(
    output: object, inputs: Sequence[Array], g: Array, *, traced: bool = False
) -> tuple[Array, ...]:
    """Return the cotangents of `inputs`, given the cotangent `g` of `output`; zero where unused.

    With `traced` the pass is itself recorded, so that its results can be differentiated again.
    """
    read = (lambda a: a) if traced else primal
    # The parts of each node's cotangent. A node comes after all that use it, so they are complete.
    parts: dict[int, list[Array | SliceCotangent]] = {id(output): [g]}
    wanted = {id(x): np.zeros(x.shape) for x in inputs}
    for node in _toposort(output, inputs):
        cotangent = _accumulate(parts.pop(id(node)), node.shape)
        if id(node) in wanted:
            wanted[id(node)] = cotangent
        if node.op is None:
            continue
        operands = tuple(map(read, node.args))
        for pullback, arg in zip(node.op.pullbacks, node.args, strict=True):
            if isinstance(arg, Node):
                part = pullback(cotangent, read(node), *operands)
                parts.setdefault(id(arg), []).append(part)
    return tuple(wanted[id(x)] for x in inputs)


def _toposort(output: object, inputs: Iterable[Array]) -> list[Node]:
    """Return the nodes on paths from `inputs` to `output`, the deepest first."""
    seen: dict[int, Node] = {}
    stack: list[object] = [output]
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and id(node) not in seen:
            seen[id(node)] = node
            stack.extend(node.args)
    # Of these only what depends on an input: a node whose argument does, from the inputs up.
    useful = {id(x) for x in inputs}
    ascending = sorted(seen.values(), key=lambda node: node.depth)
    for node in ascending:
        if any(id(a) in useful for a in node.args):
            useful.add(id(node))
    return [node for node in reversed(ascending) if id(node) in useful]


def _accumulate(parts: list[Array | SliceCotangent], shape: tuple[int, ...]) -> Array:
    """Sum the parts of a cotangent; slices become one stack, so T of them cost T, not T squared."""
    whole = [p for p in parts if not isinstance(p, SliceCotangent)]
    slices: dict[int, Array] = {}
    for p in parts:
        if isinstance(p, SliceCotangent):
            slices[p.index] = slices[p.index] + p.g if p.index in slices else p.g
    if slices:
        rows = [slices.get(i, np.zeros(shape[1:])) for i in range(shape[0])]
        whole.append(apply(ops.stack(len(rows)), *rows))
    result = whole[0]
    for p in whole[1:]:
        result = result + p
    return result
