"""Is a black box a gradient at all? Judged by what it says alone, with no reference.

``judgement`` decides, on a ``field`` that was sampled, and says it in a ``verdict``.
"""

from refsast.crosscheck.integrability.judgement import integrable
from refsast.crosscheck.integrability.verdict import Kind, Verdict

__all__ = ["Kind", "Verdict", "integrable"]
