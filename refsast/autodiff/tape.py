"""A reverse-mode tape: run a NumPy program on nodes, then apply the pullbacks in reverse order.

Rule 1: a node is a value, the op that made it and that op's arguments. Nothing is ever changed.
Rule 2: NumPy's own functions accept nodes (by its dispatch protocols), so a program needs no
        rewriting, and neither do the pullbacks: traced backwards, they give gradients of gradients.
Rule 3: a node stands wherever an array may; in signatures both are called ``Array``.
Rule 4: the backward pass goes by the depth of a node and needs no recursion, so that an unroll may
        be as long as memory allows.
"""

from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from operator import is_not

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import moves, ops
from refsast.autodiff.functions import COMPOSITES, CONSTANTS, PRIMITIVES, multiply_vectors
from refsast.autodiff.moves import Index
from refsast.autodiff.ops import Op, SliceCotangent, no_rounding

PAGE = "docs/program.md lists what it has"
NO_WRITING = (
    "make a new one, by x = x + y, by np.where(mask, new, old), or by np.stack and np.concatenate "
    "of a list; autodiff.stop_gradient gives its numbers as a constant"
)
NO_NUMBER = (
    "choose by np.where(condition, a, b); autodiff.stop_gradient gives its numbers as a constant"
)
NO_CAST = "leave astype out; a comparison times 1.0 is an array of numbers"


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
        self.depth = 1 + max([a.depth for a in args if isinstance(a, Node)], default=-1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.value.size

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers."""
        return self.value.dtype

    @property
    def T(self) -> Array:
        """The axes in reversed order."""
        return np.transpose(self)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def __hash__(self) -> int:  # identity: the mixin's equality compares values
        return id(self)

    def __repr__(self) -> str:
        return f"Node({self.op.name if self.op else 'input'}, shape={self.shape})"

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"a traced array has no {name} ({PAGE})")

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Index) -> Array:
        return apply(moves.take(index), self)

    def __setitem__(self, index: object, value: object) -> None:
        raise TypeError(f"a traced array cannot be written into: {NO_WRITING}")

    def __array__(self, *args: object, **kwargs: object) -> Array:
        raise TypeError(f"a traced array cannot become one of numbers: {NO_WRITING}")

    def __float__(self) -> float:
        raise TypeError(f"a traced array cannot become a number: {NO_NUMBER}")

    __int__ = __bool__ = __float__

    def reshape(self, *shape: int) -> Array:
        """Return the same numbers in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def transpose(self, *axes: int) -> Array:
        """Return the axes in another order."""
        return np.transpose(self, axes or None)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def astype(self, dtype: object, **kwargs: object) -> Array:
        """Refuse: the tape has one type."""
        raise TypeError(f"a traced array has one type of numbers: {NO_CAST}")

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        if method != "__call__" or kwargs:
            if any(given is self for given in kwargs.get("out", ())):
                raise TypeError(f"a traced array cannot be changed in place: {NO_WRITING}")
            how = f".{method}" if method != "__call__" else f" with {', '.join(kwargs)}"
            raise TypeError(f"the tape has no rule for np.{ufunc.__name__}{how} ({PAGE})")
        if ufunc in ops.ZERO_GRADIENT:  # comparisons: a constant for the tape
            return ufunc(*map(_real, args))
        if ufunc is np.power and np.ndim(args[1]) == 0 and not isinstance(args[1], Node):
            return apply(ops.power(args[1]), args[0])
        if ufunc is np.matmul and 1 in map(np.ndim, args):
            return multiply_vectors(*args)
        if ufunc not in ops.UFUNCS:
            raise TypeError(f"the tape has no rule for np.{ufunc.__name__} ({PAGE})")
        return apply(ops.UFUNCS[ufunc], *args)

    def __array_function__(self, func, types, args, kwargs):
        if func in CONSTANTS:
            return func(*map(_real, args), **kwargs)
        rule = PRIMITIVES.get(func) or COMPOSITES.get(func)
        name = f"{func.__module__}.{func.__name__}".replace("numpy", "np")
        if rule is None:
            raise TypeError(f"the tape has no rule for {name} ({PAGE})")
        try:
            if func not in PRIMITIVES:
                return rule(*args, **kwargs)
            op, operands = PRIMITIVES[func](*args, **kwargs)
        except TypeError:
            _require_options(rule, name, args, kwargs)
            raise
        return apply(op, *operands)


def _require_options(rule: Callable[..., object], name: str, args: tuple, kwargs: dict) -> None:
    """Raise where a rule does not know an argument."""
    try:
        signature(rule).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"the tape has {name} with fewer options: {error} ({PAGE})") from None


def _method(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of NumPy's as a method."""
    return lambda self, *args, **kwargs: function(self, *args, **kwargs)


# The methods of arrays that are functions of NumPy's by the same name.
METHODS = (
    *(np.sum, np.mean, np.max, np.min, np.var, np.std, np.cumsum, np.clip, np.ravel, np.squeeze),
    *(np.swapaxes, np.dot, np.copy, np.repeat, np.take, np.argmax, np.argmin, np.any, np.all),
)
for each in METHODS:
    setattr(Node, each.__name__, _method(each))


def leaf(value: Array) -> Array:
    """Return an input of the tape, to differentiate with respect to."""
    return Node(value)  # pyright: ignore[reportReturnType]  (Rule 3)


def primal(x: "Array | Node") -> Array:
    """Return the numbers of a node; an array is its own value."""
    return x.value if isinstance(x, Node) else x


def _real(x: "Array | Node") -> Array:
    """The numbers of a node that decisions are made by: of the complex step, their real parts."""
    value = primal(x)
    return value.real if isinstance(x, Node) and value.dtype.kind == "c" else value


def apply(op: Op, *args: "Array | Node") -> Array:
    """Run `op`, on the tape if one of `args` is."""
    operands = [primal(a) for a in args]
    value = op.value(*operands)
    traced = any(map(is_not, args, operands))
    return Node(value, op, args) if traced else value  # pyright: ignore[reportReturnType]  (Rule 3)


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
        value, *operands = [read(a) for a in (node, *node.args)]
        for pullback, arg in zip(node.op.pullbacks, node.args, strict=True):
            if isinstance(arg, Node):
                parts.setdefault(id(arg), []).append(pullback(cotangent, value, *operands))
    return tuple(map(_own, (wanted[id(x)] for x in inputs)))


def _own(g: Array) -> Array:
    """An array that its owner may write into: one that was repeated by broadcasting is a view."""
    return g.copy() if isinstance(g, np.ndarray) and not g.flags.writeable else g


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
        if not useful.isdisjoint(map(id, node.args)):
            useful.add(id(node))
    return [node for node in reversed(ascending) if id(node) in useful]


def _join_slices(parts: list[SliceCotangent], shape: tuple[int, ...]) -> Array:
    """Put slices where they were taken from; of single steps a stack, each summed by itself."""
    if not all(isinstance(p.index, int) for p in parts):
        return apply(moves.scatter([p.index for p in parts], shape), *(p.g for p in parts))
    rows: dict[int, Array] = {}
    for p in parts:
        i = p.index % shape[0]
        rows[i] = rows[i] + p.g if i in rows else p.g
    return np.stack([rows.get(i, np.zeros(shape[1:])) for i in range(shape[0])])


def _accumulate(parts: list[Array | SliceCotangent], shape: tuple[int, ...]) -> Array:
    """Sum the parts of a cotangent; slices all at once, so that T of them cost T, not T squared."""
    whole = [p for p in parts if not isinstance(p, SliceCotangent)]
    some = [p for p in parts if isinstance(p, SliceCotangent)]
    if some:
        whole.append(_join_slices(some, shape))
    result = whole[0]
    for p in whole[1:]:
        result = result + p
    return result
