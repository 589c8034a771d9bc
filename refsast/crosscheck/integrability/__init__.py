"""Is a black box a gradient at all? A test of its answers alone, with no reference.

``criteria`` measures a sampled ``field`` and decides; the result is a ``verdict``.
"""

from refsast.crosscheck.integrability.criteria import integrable
from refsast.crosscheck.integrability.verdict import Verdict, VerdictKind

__all__ = ["Verdict", "VerdictKind", "integrable"]
