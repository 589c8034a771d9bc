"""An implementation asked in the dtypes that it claims to have."""

from dataclasses import replace

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case, Factory, cast_params, read_answer
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.factory import build
from refsast.crosscheck.implementation import Implementation
from refsast.model.params import Params

Batch = tuple[Array, Integers]


def build_for(factory: Factory, example: Example) -> Implementation:
    """Return a fresh implementation, handed arrays of the example's dtype; errors as `build`."""
    implementation = build(factory, example.case)
    return cast_implementation(implementation, example.case, example.dtype)


def cast_implementation(implementation: Implementation, case: Case, dtype: str) -> Implementation:
    """Return an implementation that is handed arrays of a dtype, and must answer in no less.

    With no dtype it is returned as it is.
    """
    if not dtype:
        return implementation
    gradient, sam = implementation.gradient, implementation.sam

    def ask_gradient(params: Params, x: Array, y: Integers) -> object:
        reply = gradient(cast_params(params, dtype), x.astype(dtype), y)
        _require_precision(read_answer(reply, replace(case, x=x, y=y))[1], dtype)
        return reply

    def ask_sam(params: Params, first: Batch, second: Batch, rho: float) -> object:
        assert sam is not None
        batches = ((x.astype(dtype), y) for x, y in (first, second))
        grads = sam(cast_params(params, dtype), *batches, rho)
        _require_precision(read_answer((0.0, grads), case)[1], dtype)
        return grads

    return replace(implementation, gradient=ask_gradient, sam=None if sam is None else ask_sam)


def _require_precision(found: np.dtype, dtype: str) -> None:
    if found.itemsize < np.dtype(dtype).itemsize:
        raise ValueError(f"an answer to {dtype} must have that precision, got {found}")
