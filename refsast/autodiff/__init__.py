"""Derivatives of array programs: a tape, a table of operations, and numerical derivatives.

A program is anything written with NumPy's operators and functions. It runs on arrays as it stands
and on nodes of the tape unchanged. `numeric` imports neither tape nor table, so that it can check
them.
"""

from refsast.autodiff.derivatives import hvp, jvp, value_and_grad, vjp
from refsast.autodiff.tape import stop_gradient, straight_through

__all__ = ["hvp", "jvp", "stop_gradient", "straight_through", "value_and_grad", "vjp"]
