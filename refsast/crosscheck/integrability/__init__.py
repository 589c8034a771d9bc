"""Is a black box a gradient at all? Judged by what it says alone, with no reference.

``judgement`` decides, on a ``field`` that was sampled, and says it in a ``verdict``.
"""

from refsast.crosscheck.integrability.criteria import integrable
from refsast.crosscheck.integrability.verdict import Verdict, VerdictKind

__all__ = ["Verdict", "VerdictKind", "integrable"]
