"""Monte Carlo arithmetic on the tape: what rounding does to each number of a traced computation.

Rule 1: the computation is run again, several times, with a random error added to the result of each
        operation, as large as `Op.roundings` says that it makes; how far the repeats are from the
        run itself is how far right implementations, in their own order, are from it.
Rule 2: an error is the sum of two: one drawn anew in every entry, and one that depends on the
        number alone, since equal numbers are rounded equally: at all steps of a state that rests,
        in all recordings that are alike.
Rule 3: a constant that single precision cannot hold is rounded, once for the whole run.
Rule 4: decisions (comparisons, hard spikes) stay those of the run.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.tape import Node

TABLE = 2**16  # errors of numbers, by their leading digits
DIGITS = 36  # bits of a number that do not count when two are compared: about five digits do
MIX = np.uint64(0x9E3779B97F4A7C15)  # spreads neighbours over the table
STRIDE = 7919  # from one repeat's place in the table to that of the next


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
    """Where random errors of one size come from."""

    unit: float
    repeats: int
    rng: np.random.Generator
    table: Array

    def draw(self, value: Array, salt: str) -> Array:
        """Errors of one rounding for the entries of `value`, (repeats, *shape)."""
        anew = self.rng.standard_normal((self.repeats, *value.shape))
        bits = np.ravel(value).astype(np.float64).view(np.uint64) >> np.uint64(DIGITS)
        place = ((bits * MIX + np.uint64(crc32(salt.encode()))) >> np.uint64(40)).astype(np.int64)
        places = (place + STRIDE * np.arange(self.repeats)[:, None]) % TABLE
        return anew + self.table[places].reshape(anew.shape)


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
    errors = _Errors(unit, repeats, rng, rng.standard_normal(TABLE))
    nodes = _ascend(outputs)
    uses = Counter(id(arg) for node in nodes for arg in node.args)
    uses.update(id(output) for output in outputs)
    found: dict[int, _Repeats] = {}
    constants: dict[object, _Repeats] = {}
    for node in nodes:
        args = [found.get(id(a)) or _draw_constant(a, constants, errors) for a in node.args]
        found[id(node)] = _run_again(node, args, errors)
        for arg in node.args:  # what nobody needs any more would fill the memory
            uses[id(arg)] -= 1
            if not uses[id(arg)]:
                found.pop(id(arg), None)
    whole = (found[id(o)].array if isinstance(o, Node) else np.asarray(o)[None] for o in outputs)
    return tuple(np.broadcast_to(each, (repeats, *each.shape[1:])) for each in whole)


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


def _run_again(node: Node, args: list[_Repeats], errors: _Errors) -> _Repeats:
    """The node in all repeats, from its arguments in all repeats."""
    if node.op is None:
        return _Repeats(node.value[None])
    value = _evaluate(node, args)
    clean = [a.value if isinstance(a, Node) else a for a in node.args]
    sizes = node.op.roundings(node.value, *clean)
    if np.any(sizes):
        value = value + errors.unit * sizes * errors.draw(node.value, node.op.name)
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
