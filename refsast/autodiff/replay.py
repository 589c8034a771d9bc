"""Monte Carlo arithmetic on the tape: what rounding does to each number of a traced computation.

Rule 1: the computation is run again, several times, with a random error added to the result of each
        operation, as large as `Op.roundings` says that it makes; how far the repeats are from the
        run itself is how far right implementations, in their own order, are from it.
Rule 2: an error is the sum of two: one drawn anew in every entry, and one that depends on the
        number alone, since equal numbers are rounded equally: at all steps of a state that rests,
        in all recordings that are alike.
Rule 3: a constant that single precision cannot hold is rounded, once for the whole run.
Rule 4: decisions (comparisons, hard spikes) stay those of the run.
Rule 5: the derivative of a logistic function, written with ``1 + exp(-x)``, is allowed the error of
        ``s (1 - s)``, by which others compute it: one rounding of its largest value.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.tape import Node

TABLE_BITS = 14  # of the table of errors that belong to numbers
DIGITS = 36  # bits of a number that do not count when two are compared: about five digits do
MIX = np.uint64(0x9E3779B97F4A7C15)  # spreads neighbours over the table
SATURATED = 4.0  # deviations, so that the loss of a whole number is one of them
SPARE = 1000  # more random numbers than the largest array has entries
MAX_NUMBERS = (
    4_000_000  # of one array in all repeats; of a larger one they are made in several goes
)


@dataclass(frozen=True, eq=False)
class _Repeats:
    """A number of the run in all repeats: (repeats, *shape), or (1, *shape) where they agree."""

    array: Array

    def pad(self, ndim: int) -> Array:
        """The array with axes after the first, so that what follows it broadcasts."""
        shape = self.array.shape
        return self.array.reshape(shape[0], *[1] * (ndim + 1 - self.array.ndim), *shape[1:])


@dataclass(frozen=True, eq=False)
class _Errors:
    """Where random errors of one size come from: two tables, since many are asked for."""

    unit: float
    repeats: int
    rng: np.random.Generator
    row: np.ndarray  # cut anywhere for the errors of an array's entries
    table: np.ndarray  # (places, repeats): the errors of a number, which leads to its place
    common: np.ndarray  # (repeats,): of what goes wrong everywhere alike

    def draw(self, value: Array, salt: str) -> np.ndarray:
        """Errors of one rounding for the entries of `value`, (repeats, *shape)."""
        flat = np.ravel(value).astype(np.float64).view(np.uint64) >> np.uint64(DIGITS)
        place = (flat * MIX + np.uint64(crc32(salt.encode()))) >> np.uint64(64 - TABLE_BITS)
        alike = np.take(self.table, place.astype(np.intp), axis=0).T
        starts = self.rng.integers(len(self.row) - flat.size, size=self.repeats)
        anew = np.stack([self.row[start : start + flat.size] for start in starts])
        return (anew + alike).reshape(self.repeats, *value.shape)


def _make_errors(
    unit: float, repeats: int, rng: np.random.Generator, nodes: Sequence[Node]
) -> _Errors:
    """The tables, for arrays as large as the nodes have."""
    largest = max((node.value.size for node in nodes), default=0)
    row = rng.standard_normal(2 * largest + SPARE, dtype=np.float32)
    table = rng.standard_normal((2**TABLE_BITS, repeats), dtype=np.float32)
    common = rng.standard_normal(repeats, dtype=np.float32)
    return _Errors(unit, repeats, rng, row, table, common)


def replay(
    outputs: Sequence[Array], *, unit: float, repeats: int, rng: np.random.Generator
) -> tuple[Array, ...]:
    """Return what a traced computation gives when every operation makes random errors.

    Parameters
    ----------
    outputs : sequence of nodes
        Results of the computation: of a forward pass, and of a backward pass that was recorded
        (``backward(..., traced=True)``). What is no node gives itself.
    unit : float
        Size of one rounding, as a fraction: ``eps / 2``, or a multiple of it.
    repeats : int
        How often. Positive.
    rng : numpy.random.Generator
        Of the errors; advanced.

    Returns
    -------
    tuple of (repeats, *shape) array
        One per output. Inputs of the tape are exact.

    References
    ----------
    Parker, "Monte Carlo Arithmetic", UCLA CSD-970002 (1997).

    Examples
    --------
    >>> from refsast.autodiff.tape import leaf
    >>> x = leaf(np.array([3.0, 4.0]))
    >>> rng = np.random.default_rng(0)
    >>> (sums,) = replay([np.sum(x * x)], unit=1e-6, repeats=100, rng=rng)
    >>> sums.shape, bool(5e-6 < sums.std() < 1e-4)
    ((100,), True)
    """
    nodes = _ascend(outputs)
    largest = max((node.value.size for node in nodes), default=1)
    many = int(np.clip(MAX_NUMBERS // max(1, largest), 1, repeats))
    goes = [min(many, repeats - start) for start in range(0, repeats, many)]
    runs = [_replay_once(outputs, nodes, _make_errors(unit, n, rng, nodes)) for n in goes]
    return tuple(np.concatenate(each) for each in zip(*runs, strict=True))


def _replay_once(
    outputs: Sequence[Array], nodes: Sequence[Node], errors: _Errors
) -> tuple[Array, ...]:
    """The outputs in some repeats, (repeats, *shape)."""
    uses = Counter(id(arg) for node in nodes for arg in node.args)
    uses.update(id(output) for output in outputs)
    coarse = _find_logistic(nodes)
    found: dict[int, _Repeats] = {}
    constants: dict[object, _Repeats] = {}
    for node in nodes:
        args = [found.get(id(a)) or _draw_constant(a, constants, errors) for a in node.args]
        found[id(node)] = _run_again(node, args, errors, coarse)
        for arg in node.args:  # what nobody needs any more would fill the memory
            uses[id(arg)] -= 1
            if not uses[id(arg)]:
                found.pop(id(arg), None)
    whole = (found[id(o)].array if isinstance(o, Node) else np.asarray(o)[None] for o in outputs)
    return tuple(np.broadcast_to(each, (errors.repeats, *each.shape[1:])) for each in whole)


def _ascend(outputs: Sequence[object]) -> list[Node]:
    """All nodes that the outputs were made from, arguments first."""
    seen: dict[int, Node] = {}
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and id(node) not in seen:
            seen[id(node)] = node
            stack.extend(node.args)
    return sorted(seen.values(), key=lambda node: node.depth)


def _find_logistic(nodes: Sequence[Node]) -> set[int]:
    """Exponentials to which one is added."""
    return {
        id(arg)
        for node in nodes
        if node.op is not None
        and node.op.name == "add"
        and any(not isinstance(a, Node) and np.all(np.equal(a, 1.0)) for a in node.args)
        for arg in node.args
        if isinstance(arg, Node) and arg.op is not None and arg.op.name == "exp"
    }


def _run_again(node: Node, args: list[_Repeats], errors: _Errors, coarse: set[int]) -> _Repeats:
    """The node in all repeats, from its arguments in all repeats."""
    if node.op is None:
        return _Repeats(node.value[None])
    value = _evaluate(node, args)
    clean = [a.value if isinstance(a, Node) else a for a in node.args]
    sizes = node.op.roundings(node.value, *clean)
    if node.op.name == "multiply" and any(id(a) in coarse for a in node.args):
        g = abs(clean[1 if id(node.args[0]) in coarse else 0])
        # Of a saturated one all may be lost, and then at every step.
        lost = np.minimum(g, SATURATED * abs(node.value) / errors.unit)
        common = errors.common.reshape(-1, *[1] * node.ndim)
        value = value + (errors.unit * lost * np.sign(node.value)) * common
        sizes = sizes + lost
    if np.any(sizes):
        value = value + (errors.unit * sizes) * errors.draw(node.value, node.op.name)
    return _Repeats(value)


def _evaluate(node: Node, args: list[_Repeats]) -> Array:
    """The operation applied to each repeat of its arguments."""
    value = node.op.value if node.op else None
    if isinstance(value, np.ufunc) and (value.signature is None or node.ndim >= 2):
        return value(*(a.pad(node.ndim) for a in args))  # it broadcasts over the repeats
    assert node.op is not None
    repeats = max(len(a.array) for a in args)
    return np.stack([
        node.op.value(*(a.array[k % len(a.array)] for a in args)) for k in range(repeats)
    ])  # fmt: skip


def _draw_constant(constant: object, drawn: dict[object, _Repeats], errors: _Errors) -> _Repeats:
    """A constant in all repeats: the same error wherever it is used, none where it is exact."""
    value = np.asarray(constant)
    key = value.item() if value.ndim == 0 else (id(constant),)
    if key not in drawn:
        drawn[key] = _Repeats(_round_constant(value, errors))
    return drawn[key]


def _round_constant(value: Array, errors: _Errors) -> Array:
    """A constant with errors in what single precision cannot hold."""
    if value.dtype.kind != "f":
        return value[None]
    with np.errstate(over="ignore"):
        inexact = (value.astype(np.float32) != value) & np.isfinite(value)
    if not inexact.any():
        return value[None]
    return value + errors.unit * inexact * abs(value) * errors.draw(value, "constant")
