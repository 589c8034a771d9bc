"""Covectors on the directions of a ball, enclosed: one per neuron of a layer.

Each row is ``sum_{k, j} Z_{k, j} (the motion of the current of neuron j at step k)``, and at most
`loose` away from it, in norm. `metrics` says how long such a row is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from proofs_check.certified.balls import Ball, exact_ball, matmul, raise_radius
from proofs_check.certified.intervals import ignore_overflow
from refsast.arrays import Array


@dataclass(frozen=True, eq=False)
class Rows:
    """Covectors, one per neuron.

    Attributes
    ----------
    blocks : tuple of Ball of (n, time, n_m) arrays
        Derivatives in the currents of each layer m whose currents the directions move.
    loose : (n,) array
        Norm of what each row may be away from them.
    """

    blocks: tuple[Ball, ...]
    loose: Array

    @ignore_overflow
    def __add__(self, other: "Rows") -> "Rows":
        """The sum; the shorter list of blocks is continued with zeros."""
        longer, shorter = sorted((self.blocks, other.blocks), key=len, reverse=True)
        both = tuple(a + b for a, b in zip(longer, shorter, strict=False))
        return Rows(both + longer[len(both) :], raise_radius(self.loose + other.loose, 0.0, 1))

    @ignore_overflow
    def scale(self, factor: Ball) -> "Rows":
        """Return the rows, each times a number that is known up to a radius, (n,)."""
        each = factor[:, None, None]
        loose = raise_radius(self.loose * abs(factor), 0.0, 2)
        return Rows(tuple(block * each for block in self.blocks), loose)

    @ignore_overflow
    def mix(self, w: Array) -> "Rows":
        """Return sums of the rows, weighted by an exact matrix (n_out, n)."""
        mixed = (matmul(w, _reshape(b, (len(b.centre), -1))) for b in self.blocks)
        shapes = [(len(w), *b.centre.shape[1:]) for b in self.blocks]
        loose = raise_radius(np.abs(w) @ self.loose, 0.0, w.shape[1])
        return Rows(tuple(_reshape(b, s) for b, s in zip(mixed, shapes, strict=True)), loose)

    @ignore_overflow
    def loosen(self, more: float) -> "Rows":
        """Return the rows with a larger distance allowed."""
        return Rows(self.blocks, raise_radius(self.loose + more, 0.0, 1))


def unit_rows(n: int, steps: int, t: int, blocks: Sequence[int]) -> Rows:
    """Return derivatives of the currents of step `t` in themselves.

    The last of the `blocks`, which are given by their widths, is that of these currents.
    """
    arrays = [np.zeros((n, steps, width)) for width in blocks]
    arrays[-1][np.arange(n), t, np.arange(n)] = 1.0
    return Rows(tuple(map(exact_ball, arrays)), np.zeros(n))


def no_rows(n: int) -> Rows:
    """Return rows that are zero."""
    return Rows((), np.zeros(n))


def total_rows(rows: Iterable[Rows]) -> Rows:
    """Return the sum of one or more."""
    first, *others = rows
    for other in others:
        first = first + other
    return first


def stack_rows(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts, which have the same blocks, one below the other."""
    blocks = zip(*(part.blocks for part in parts), strict=True)
    joined = tuple(
        Ball(np.concatenate([b.centre for b in each]), np.concatenate([b.radius for b in each]))
        for each in blocks
    )
    return Rows(joined, np.concatenate([part.loose for part in parts]))


def _reshape(x: Ball, shape: tuple[int, ...]) -> Ball:
    return Ball(x.centre.reshape(shape), x.radius.reshape(shape))
