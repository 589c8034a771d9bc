"""What an implementation answers to a case and to parts of it: all that a search for the cause has.

Rule 1: the search asks here, once; what was answered is handed on as `Observations`.
"""

from dataclasses import dataclass

from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.knobs.samples import Samples, take_samples
from refsast.crosscheck.implementation import Gradient


@dataclass(frozen=True)
class Observations:
    """All that a search for the cause needs to know of an implementation.

    Attributes
    ----------
    gradient : callable
        To ask more, where the small parts show nothing.
    whole : Examination
        Of the case.
    samples : Samples
        Of small parts of it.
    """

    gradient: Gradient
    whole: Examination
    samples: Samples


def observe(gradient: Gradient, whole: Examination) -> Observations:
    """Ask about small parts of a case that was asked; errors as `ask`."""
    return Observations(gradient, whole, take_samples(gradient, whole.case, whole.dtype))
