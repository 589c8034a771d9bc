"""Does another implementation agree? Whether, where and why its gradient is wrong.

Nothing here imports a framework: an implementer brings a callable, or files. `adapters` do, one
framework each, when they are asked for.
"""

from refsast.crosscheck.case import Answer, Case, Implementation, Unsupported
from refsast.crosscheck.check import Report, check
from refsast.crosscheck.integrability import Verdict, integrable

__all__ = [
    "Answer",
    "Case",
    "Implementation",
    "Report",
    "Unsupported",
    "Verdict",
    "check",
    "integrable",
]
