"""What only our own property tests draw: doubles, intervals, and what a claim is about."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from proofs_check.attack import HypothesisSource
from proofs_check.draws import Source
from refsast.testing import magnitudes


def doubles() -> st.SearchStrategy[float]:
    """Doubles of either sign from 1e-300 to 1e300, and the plainest of them."""
    plain = st.sampled_from([0.0, -0.0, 1.0, -1.0, 3.0, 0.1, 1e-300, 1e300, -1e300, 5e-324])
    signed = st.tuples(st.sampled_from([-1.0, 1.0]), magnitudes() | magnitudes(-1.0, 1.0))
    return plain | signed.map(np.prod).map(float) | st.floats(-4.0, 4.0)


def spans() -> st.SearchStrategy[list[float]]:
    """Ends of intervals of any width, none among them."""
    return st.tuples(doubles(), doubles()).map(sorted) | doubles().map(lambda x: [x, x])


@st.composite
def instances(draw: st.DrawFn, make: Callable[[Source], object]) -> object:
    """What a claim is about, its choices left to Hypothesis."""
    return make(HypothesisSource(draw))
