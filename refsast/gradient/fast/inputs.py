"""The input, dense or sparse, and its products with weights: the only large products there are.

Rule 1: dense inputs are one matrix product over all steps and recordings, in BLAS, which uses the
        cores by itself.
Rule 2: sparse inputs are scipy's products, which release the interpreter: the neurons are split
        over threads, so nothing is added twice and the bits do not depend on who is first.
Rule 3: each kind orders its rows as it likes; arguments and results are (time, batch, n).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, all_finite
from refsast.cores import one_blas_thread, share_over_threads, thread_count
from refsast.spikes import Spikes

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MIN_ONES_FOR_THREADS = 20_000  # ones; below, a second thread costs more than it saves
CONVERSION_SIZE = 1 << 22  # numbers that are converted from another dtype at a time
# Cost model, measured on two cores (AVX2) in single precision, in units of one sparse multiply.
# DENSE_COST: a dense multiply, making the array from spikes included. REORDER_COST: transposing one
# weight, and its gradient back.
DENSE_COST, REORDER_COST = 0.25, 12.0
PIECE_SIZE = 1 << 22  # multiplications that are worth a thread
WIDE = (64, 512, 2048)  # rows, inner length and columns of a product that fills OpenBLAS's buffer


@dataclass(frozen=True, eq=False)
class DenseInputs:
    """Inputs as an array.

    Attributes
    ----------
    x : (time, batch, n_in) array
        Contiguous; of another dtype than the computation's only where it is large.
    dtype : dtype
        Of the computation.
    """

    x: NDArray[np.generic]
    dtype: np.dtype
    matmul = staticmethod(np.matmul)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows (steps times recordings) and inputs."""
        time, batch, n_in = self.x.shape
        return time * batch, n_in

    def multiply(self, w: Array) -> Array:
        """Return ``W x_t`` for all steps, shape (time, batch, n)."""
        out = np.empty((*self.x.shape[:2], len(w)), self.dtype)
        for steps in self._pieces():
            np.matmul(self._convert(steps), w.T, out=flatten_steps(out[steps]))
        return out

    def weight_grad(self, delta: Array, out: Array | None = None) -> Array:
        """Return ``sum_t delta_t x_t'``, shape (n, n_in); in `out`, if it is given."""
        first, *others = self._pieces()
        total = np.matmul(flatten_steps(delta[first]).T, self._convert(first), out=out)
        for steps in others:
            total += flatten_steps(delta[steps]).T @ self._convert(steps)
        return total

    def _pieces(self) -> list[slice]:
        """Steps to convert at a time, to save memory; all of them, if none need be converted."""
        time, batch, n_in = self.x.shape
        step = time if self.x.dtype == self.dtype else max(1, CONVERSION_SIZE // (batch * n_in))
        return [slice(t, t + step) for t in range(0, time, step)]

    def _convert(self, steps: slice) -> Array:
        """Some steps as a matrix, in the dtype of the computation."""
        return flatten_steps(self.x[steps].astype(self.dtype, copy=False))

    def square_sums(self) -> Array:
        """Return the sum of squares of each input, shape (time, batch)."""
        rows = self.input_rows()
        return np.einsum("ri,ri->r", rows, rows).reshape(self.x.shape[:2])

    def input_rows(self) -> Array:
        """Return the inputs as a matrix, its rows in this kind's own order."""
        return self._convert(slice(None))

    def signal_rows(self, signal: Array) -> Array:
        """Return a signal (time, batch, n) as a matrix whose rows are in the same order."""
        return flatten_steps(signal)

    def multiply_weight_grad(self, other: "Inputs", delta: Array) -> Array:
        """Return ``multiply(other.weight_grad(delta))`` by the inner products of the inputs."""
        rows = self.input_rows()
        gram = rows @ (rows if other is self else other.input_rows()).T
        return (gram @ other.signal_rows(delta)).reshape(*self.x.shape[:2], -1)


def matmul_shared(a: Array, b: Array) -> Array:
    """Return ``a @ b``, its rows shared over threads of ours, in which BLAS has no others.

    After a product on several threads those of OpenBLAS spin for up to a tenth of a second, and
    take the cores from ours meanwhile. The shapes alone say where rows are cut, and so what the
    bits are.
    """
    (m, k), n = a.shape, b.shape[1]
    pieces = min(m, max(1, round(m * k * n / PIECE_SIZE)))
    out = np.empty((m, n), np.result_type(a, b))

    def multiply(part: slice) -> None:
        for i in range(part.start, part.stop):
            rows = slice(m * i // pieces, m * (i + 1) // pieces)
            np.matmul(a[rows], b, out=out[rows])

    touch_blas_buffers(out.dtype)
    with one_blas_thread():
        share_over_threads(multiply, pieces, min_part=1)
    return out


@dataclass(frozen=True, eq=False)
class SparseInputs:
    """Inputs as the indices of their ones; rows go recording after recording.

    Attributes
    ----------
    spikes : Spikes
        The inputs.
    rows : (batch * time, n_in) csr_array
        The same for scipy.
    """

    spikes: Spikes
    rows: "csr_array"
    matmul = staticmethod(matmul_shared)

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Rows (steps times recordings) and inputs."""
        time, batch, n_in = self.spikes.shape
        return time * batch, n_in

    def multiply(self, w: Array) -> Array:
        """Return ``W x_t`` for all steps, shape (time, batch, n)."""
        out = np.empty((*self.spikes.shape[:2], len(w)), w.dtype)

        def fill(part: slice) -> None:
            columns = np.ascontiguousarray(w[part].T)
            # A dense product multiplies such weights by zeros, too, and gives NaN; so does this.
            finite = all_finite(columns)
            out[:, :, part] = self._steps(self.rows @ columns) if finite else np.nan

        self._fill_parts(fill, len(w))
        return out

    def weight_grad(self, delta: Array, out: Array | None = None) -> Array:
        """Return ``sum_t delta_t x_t'``, shape (n, n_in); in `out`, if it is given."""
        columns, n = self.rows.T, delta.shape[2]
        total = np.empty((n, self.spikes.cells), delta.dtype) if out is None else out

        def fill(part: slice) -> None:
            total[part] = (columns @ self.signal_rows(delta[:, :, part])).T

        self._fill_parts(fill, n)
        return total

    def square_sums(self) -> Array:
        """Return the sum of squares of each input, shape (time, batch)."""
        steps, batch, _ = self.spikes.shape
        ones = np.diff(self.spikes.starts).astype(self.rows.dtype)
        return ones.reshape(batch, steps).T

    def input_rows(self) -> Array:
        """Return the inputs as a matrix, its rows in this kind's own order."""
        return self.signal_rows(
            self.spikes.dense(self.rows.dtype).astype(self.rows.dtype, copy=False)
        )

    def signal_rows(self, signal: Array) -> Array:
        """Return a signal (time, batch, n) as a matrix whose rows are in the same order."""
        return flatten_steps(np.ascontiguousarray(signal.swapaxes(0, 1)))

    def multiply_weight_grad(self, other: "Inputs", delta: Array) -> Array:
        """Return ``multiply(other.weight_grad(delta))`` by the inner products of the inputs."""
        gram = self.rows @ np.ascontiguousarray(other.input_rows().T)
        return self._steps(matmul_shared(gram, other.signal_rows(delta)))

    def _steps(self, rows: Array) -> Array:
        """A view (time, batch, n) of rows that go recording after recording."""
        steps, batch, _ = self.spikes.shape
        return rows.reshape(batch, steps, -1).swapaxes(0, 1)

    def _fill_parts(self, fill: Callable[[slice], None], n: int) -> None:
        """Call ``fill`` for all n neurons, in as many parts as there are threads to use."""
        few = len(self.spikes.index) <= MIN_ONES_FOR_THREADS
        share_over_threads(fill, n, min_part=n if few else 1)


Inputs: TypeAlias = DenseInputs | SparseInputs
MatMul: TypeAlias = Callable[[Array, Array], Array]


def break_even_density(rows: int) -> float:
    """Return the share of ones at which sparse and dense products take equally long.

    `rows` is steps times recordings. Negative where the dense product is always faster.
    """
    return DENSE_COST - REORDER_COST / rows


def make_inputs(x: NDArray[np.generic] | Spikes, dtype: np.dtype, dense_above: float) -> Inputs:
    """Return inputs ready for products in `dtype`; spikes denser than `dense_above` as an array."""
    if not isinstance(x, Spikes):
        small = x.dtype.kind == "f" or x.size <= CONVERSION_SIZE
        with np.errstate(over="ignore"):  # too large becomes infinite, which is noticed later
            return DenseInputs(np.ascontiguousarray(x, dtype if small else None), dtype)
    if x.density > dense_above:
        return DenseInputs(x.dense(dtype), dtype)
    from scipy.sparse import csr_array  # here, since it takes longer to import than all else

    ones = np.ones(len(x.index), dtype)
    kind = np.int32 if len(x.index) < 1 << 31 else np.int64
    index, starts = x.index.astype(kind), x.starts.astype(kind)
    return SparseInputs(x, csr_array((ones, index, starts), shape=(len(starts) - 1, x.cells)))


def matmul_over_time(a: Array, w: Array, matmul: MatMul) -> Array:
    """Return ``a_t w`` for all steps in one product, shape (time, batch, n)."""
    return matmul(flatten_steps(a), w).reshape(*a.shape[:2], -1)


def flatten_steps(signal: Array) -> Array:
    """Return time and batch as one axis."""
    return signal.reshape(-1, signal.shape[-1])


@cache
def touch_blas_buffers(dtype: np.dtype) -> None:
    """Take one wide product on each thread, so that small ones are fast.

    Until then OpenBLAS 0.3.31 (Zen) took 2 to 3 times as long for small products; presumably its
    kernels prefetch parts of its buffers, one for each thread, that no product has written to.
    """
    a, b = np.ones(WIDE[:2], dtype), np.ones(WIDE[1:], dtype)
    with one_blas_thread():
        share_over_threads(lambda _: np.matmul(a, b), thread_count(), min_part=1)
