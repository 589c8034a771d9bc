"""Networks that no `Case` describes: a forward pass in NumPy's words, and what follows from it.

``record`` is the question, ``trees`` the containers of its arrays, ``solution`` the right answer
and how far rounding moves it, ``answer`` what an implementation said, ``report`` the comparison,
``shrink`` the smallest question that is still answered wrongly, ``verify`` numerical derivatives.
"""

from refsast.crosscheck.program.answer import Answer
from refsast.crosscheck.program.record import Program
from refsast.crosscheck.program.report import Report
from refsast.crosscheck.program.shrink import shrink
from refsast.crosscheck.program.solution import error_bounds, loss_and_grad
from refsast.crosscheck.program.verify import Verification, verify

__all__ = [
    "Answer",
    "Program",
    "Report",
    "Verification",
    "error_bounds",
    "loss_and_grad",
    "shrink",
    "verify",
]
