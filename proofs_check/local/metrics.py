"""How long a covector is, from derivatives in the currents and from what moves the currents.

A direction d moves the current of neuron j at step k by ``d_j . a_k`` (parameters) or by
``(W^1 d_k)_j`` (inputs). So a covector with derivatives z, (time, n), has the squared norm

    sum_j z_j' A A' z_j         A (time, features): what the weights of each neuron multiply
    sum_k z_k' W^1 W^1' z_k     inputs that cost no more than the first layer has neurons

Proof. Different neurons j (steps k) use different entries of d, so their squared norms add up, and
``|sum_k z_k a_k|^2 = z' A A' z``. Where z is known up to a radius and a up to a spread, the
triangle inequality adds ``|sum_k r_k abs(a_k)|``-like terms: of the radii with the magnitudes of
the Gram matrix, of the magnitudes with the Gram matrix of the spread.

Rounding. All entries of a Gram matrix are at most the root of the product of those on its diagonal,
so z' F z and F are off by at most `share` of ``(sum_i abs(z_i) sqrt(F_ii))^2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from proofs_check.certified.balls import (
    TINY,
    Ball,
    frobenius_bound,
    raise_radius,
    share,
    top_eigenvalue_bound,
)
from proofs_check.certified.intervals import ignore_overflow
from refsast.arrays import Array

POWER_STEPS = 20  # of the iteration that finds a good positive vector


class CovectorRows(Protocol):
    """Covectors, one per row: derivatives by block, and what each may be away from them."""

    @property
    def blocks(self) -> tuple[Ball, ...]: ...  # noqa: D102

    @property
    def loose(self) -> Array: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Metric:
    """A Gram matrix on one axis of a block of derivatives.

    Attributes
    ----------
    features : (size, features) array
        What directions are multiplied with, at the centre.
    form : (size, size) array
        Its Gram matrix, as computed.
    spread : (size, size) array
        Gram matrix of how far what it is made of may be away, entry by entry.
    axis : int
        Of a block (rows, time, n): 1 or 2.
    terms : int
        How many products each entry sums.
    width : int
        n of the blocks.
    """

    features: Array
    form: Array
    spread: Array
    axis: int
    terms: int
    width: int

    def pairs(self, z: Array, form: Array) -> Array:
        """Return ``z_r' F z_s`` for all pairs of rows of ``z``."""
        return _flat(self.lower_index(z, form)) @ _flat(z).T

    def lower_index(self, z: Array, form: Array) -> Array:
        """Return ``F z`` along the axis."""
        return z @ form if self.axis == 2 else np.matmul(form, z)

    def weigh(self, z: Array) -> Array:
        """Return ``sum_i abs(z_i) sqrt(F_ii)`` along the axis, (rows, the other axis)."""
        roots = np.sqrt(np.diag(self.form))
        return np.abs(z) @ roots if self.axis == 2 else np.einsum("rkj,k->rj", np.abs(z), roots)


def gram_metric(centre: Array, spread: Array, axis: int, width: int) -> Metric:
    """Return the metric of rows of features that are known up to a spread, entry by entry."""
    return Metric(centre, centre @ centre.T, spread @ spread.T, axis, centre.shape[1], width)


@ignore_overflow
def row_norms(rows: CovectorRows, metrics: Sequence[Metric]) -> Array:
    """Return upper bounds of the norms of covectors, one per row."""
    squares = np.zeros(len(rows.loose))
    for block, metric in zip(rows.blocks, metrics, strict=True):
        terms = metric.terms + block.centre[0].size + len(metric.form)
        size = np.abs(block.centre) + block.radius
        kinds = (
            (block.centre, metric.form),
            (block.radius, abs(metric.form)),
            (size, metric.spread),
        )
        norm = np.zeros(len(rows.loose))
        for z, form in kinds:
            square = np.sum(z * metric.lower_index(z, form), axis=(1, 2))
            square = square + share(terms) * np.sum(np.square(metric.weigh(z)), axis=1)
            square = square + share(terms) * np.abs(square)
            norm = norm + np.sqrt(np.maximum(square, 0.0))
        squares = squares + np.square(norm)
    return raise_radius(np.sqrt(squares) + rows.loose, 0.0, 16)


@ignore_overflow
def frame_norm(rows: CovectorRows, metrics: Sequence[Metric]) -> float:
    """Return an upper bound of the spectral norm of the matrix whose rows the covectors are."""
    centre, radius, spread = gram_parts(rows, metrics)
    parts = (top_eigenvalue_bound(centre), perron_bound(radius), perron_bound(spread))
    norm = float(np.sum(np.sqrt(parts))) + frobenius_bound(rows.loose)
    return norm * (1.0 + share(16)) + TINY


@ignore_overflow
def gram_parts(rows: CovectorRows, metrics: Sequence[Metric]) -> tuple[Ball, Array, Array]:
    """Return the Gram matrix of the centres, and bounds of those of radii and of spreads."""
    n = len(rows.loose)
    centre, error, radius, spread = (np.zeros((n, n)) for _ in range(4))
    for block, metric in zip(rows.blocks, metrics, strict=True):
        part = share(metric.terms + block.centre[0].size + len(metric.form))
        size = np.abs(block.centre) + block.radius
        heavy = metric.weigh(block.centre)
        centre = centre + metric.pairs(block.centre, metric.form)
        error = error + part * (heavy @ heavy.T)
        radius = radius + (1.0 + part) * metric.pairs(block.radius, np.abs(metric.form))
        radius = radius + part * (metric.weigh(block.radius) @ metric.weigh(block.radius).T)
        spread = spread + (1.0 + part) * metric.pairs(size, metric.spread)
    error = raise_radius(error, np.abs(centre), len(metrics) + 2)
    return Ball(centre, error), raise_radius(radius, 0.0, 8), raise_radius(spread, 0.0, 8)


@ignore_overflow
def perron_bound(form: Array) -> float:
    """Return an upper bound of the largest eigenvalue of a symmetric matrix of magnitudes.

    For every positive vector v it is at most ``max_i (F v)_i / v_i`` (Collatz and Wielandt).
    """
    if not np.isfinite(form).all():
        return np.inf
    v = np.ones(len(form))
    for _ in range(POWER_STEPS):
        v = form @ v + TINY
        v = v / v.max() + 1e-8
    return float(np.max((form @ v + TINY) / v)) * (1.0 + share(len(form)))


def _flat(z: Array) -> Array:
    return z.reshape(len(z), -1)
