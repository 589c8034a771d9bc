"""Hypothesis strategies for recordings."""

import numpy as np
from hypothesis import strategies as st

from refsast.data.events import make_events


@st.composite
def recordings(draw, size=(34, 34), last=2**23 - 1, most=16):
    """Events on a sensor of that size, in time order; often few, sometimes simultaneous."""
    n = draw(st.integers(0, most))

    def column(high):
        return np.array(draw(st.lists(st.integers(0, high), min_size=n, max_size=n)), np.int64)

    t = np.sort(column(last))
    return make_events(t, column(size[1] - 1), column(size[0] - 1), column(1))


def files(most=40):
    """Bytes of whole events: of the format's length, but otherwise anything."""
    return st.integers(0, most).flatmap(lambda n: st.binary(min_size=5 * n, max_size=5 * n))


# One marker or one event: (marker?, time within 2**13 us, x, y, polarity).
tokens = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(0, 2**13 - 1),
        st.integers(0, 33),
        st.integers(0, 33),
        st.integers(0, 1),
    ),
    max_size=30,
)
