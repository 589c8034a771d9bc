"""What the property tests draw: numbers, neurons, networks, parameters, inputs and labels.

Rule 1: a drawn array is exact (all zeros, or quarters, so that potentials meet the threshold
        exactly and spikes tie) or generic (from a drawn seed), never one kind only.
Rule 2: no drawn number is subnormal or so small that a complex step of 1e-40 would underflow.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import refsast as rs
from proofs_check.attack import HypothesisSource
from proofs_check.draws import Source
from refsast.arrays import Array, Integers
from refsast.model import reset
from refsast.model.params import map_params, param_arrays

SURROGATES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid, rs.PiecewiseQuadratic)
ANALYTIC = (rs.Arctan, rs.Logistic, rs.Algebraic)
WIDTHS = st.sampled_from((3, 2, 4, 1))  # one class alone has loss 0: seldom
TIMES = st.sampled_from((3, 5, 8, 2, 7, 4, 6, 1))
RESETS = tuple(reset.RESETS.values())


@dataclass(frozen=True, eq=False)
class Case:
    """A network, its parameters and a labelled batch: all that a gradient is a function of."""

    network: rs.Network
    params: rs.Params
    x: Array
    y: Integers

    def __iter__(self):
        """So that ``f(*case)`` calls any gradient."""
        return iter((self.network, self.params, self.x, self.y))


def min_examples(examples: int) -> settings:
    """Return `examples` per test, or what the profile asks for where that is not the default."""
    chosen = settings.default.max_examples
    return settings(max_examples=examples if chosen == 100 else chosen)


def seeds() -> st.SearchStrategy[int]:
    """Seeds of generators of generic numbers."""
    return st.integers(0, 2**32 - 1)


def fractions(low: float, high: float, *exact: float) -> st.SearchStrategy[float]:
    """Numbers in [low, high]: the `exact` ones, or any that is not smaller than a thousandth."""
    return st.sampled_from(exact) | st.floats(max(low, 1e-3), high)


def numbers(limit: float) -> st.SearchStrategy[float]:
    """Numbers in [-limit, limit], zero among them."""
    return st.floats(-limit, limit).map(lambda x: x if abs(x) > 1e-100 else 0.0)


def magnitudes(lowest: float = -300.0, highest: float = 300.0) -> st.SearchStrategy[float]:
    """Positive numbers, their decimal exponents evenly drawn."""
    return st.floats(lowest, highest).map(lambda exponent: 10.0**exponent)


def doubles() -> st.SearchStrategy[float]:
    """Doubles of either sign from 1e-300 to 1e300, and the plainest of them."""
    plain = st.sampled_from([0.0, -0.0, 1.0, -1.0, 3.0, 0.1, 1e-300, 1e300, -1e300, 5e-324])
    signed = st.tuples(st.sampled_from([-1.0, 1.0]), magnitudes() | magnitudes(-1.0, 1.0))
    return plain | signed.map(np.prod).map(float) | st.floats(-4.0, 4.0)


def spans() -> st.SearchStrategy[list[float]]:
    """Ends of intervals of any width, none among them."""
    return st.tuples(doubles(), doubles()).map(sorted) | doubles().map(lambda x: [x, x])


def arrays(
    shape: int | tuple[int, ...], low: float = -2.0, high: float = 2.0
) -> st.SearchStrategy[Array]:
    """Arrays of one shape: zeros, quarters or generic numbers in [low, high]."""
    quarters = st.integers(int(np.ceil(4 * low)), int(np.floor(4 * high)))

    def generic(seed: int) -> Array:
        return np.random.default_rng(seed).uniform(low, high, shape)

    exact = hnp.arrays(np.int64, shape, elements=quarters).map(lambda k: 0.25 * k)
    return seeds().map(generic) | exact


def directions(shape: int | tuple[int, ...]) -> st.SearchStrategy[Array]:
    """Generic arrays of one shape, standard normal."""
    return seeds().map(lambda seed: np.random.default_rng(seed).standard_normal(shape))


def surrogates(
    families: tuple[type, ...] = SURROGATES, steepest: float = 8.0
) -> st.SearchStrategy[rs.Arctan]:
    """Every family of smooth spikes."""
    slopes = fractions(0.25, steepest, 0.5, 1.0, 2.0, 4.0)
    return st.builds(lambda family, slope: family(slope), st.sampled_from(families), slopes)


@cache  # a strategy is validated when it is first drawn from
def neurons(
    *, families: tuple[type, ...] = SURROGATES, detach: bool | None = None
) -> st.SearchStrategy[rs.LIF]:
    """Neurons of every kind; `detach` as wanted, or either."""
    return st.builds(
        rs.LIF,
        fractions(0.0, 1.0, 0.0, 0.5, 1.0),
        fractions(0.1, 2.0, 0.5, 1.0),
        surrogates(families),
        st.sampled_from(RESETS),
        st.booleans() if detach is None else st.just(detach),
    )


@cache
def readouts() -> st.SearchStrategy[rs.SpikeRate | rs.LinearReadout | rs.LeakyReadout]:
    """The three readouts."""
    return st.one_of(
        st.builds(rs.SpikeRate, fractions(0.5, 8.0, 1.0)),
        st.builds(rs.LinearReadout, WIDTHS),
        st.builds(rs.LeakyReadout, WIDTHS, fractions(0.0, 1.0, 0.0, 0.5, 1.0)),
    )


@st.composite
def networks(
    draw: st.DrawFn, *, families: tuple[type, ...] = SURROGATES, detach: bool | None = None
) -> rs.Network:
    """Networks of one to three layers of one to four neurons, of every variant."""
    sizes = draw(st.lists(WIDTHS, min_size=2, max_size=4))
    neuron = neurons(families=families, detach=detach)
    shared = draw(st.booleans())
    each = draw(neuron) if shared else tuple(draw(neuron) for _ in sizes[1:])
    bias, recurrent = draw(st.booleans()), draw(st.booleans())
    return rs.Network(tuple(sizes), each, draw(readouts()), bias=bias, recurrent=recurrent)


def parameters(network: rs.Network) -> st.SearchStrategy[rs.Params]:
    """Parameters of a network: zeros, quarters or generic numbers."""
    return arrays(network.n_params).map(lambda w: rs.unflatten(network, w))


@st.composite
def inputs(draw: st.DrawFn, n_in: int, time: int | None = None) -> Array:
    """Inputs (time, batch, n_in): spikes, real numbers or silence."""
    shape = (time or draw(TIMES), draw(WIDTHS), n_in)
    kind = draw(st.sampled_from(["spikes", "real", "exact", "silence"]))
    if kind == "silence":
        return np.zeros(shape)
    if kind == "exact":
        return draw(arrays(shape))
    rng = np.random.default_rng(draw(seeds()))
    return (rng.random(shape) < 0.5).astype(float) if kind == "spikes" else rng.normal(size=shape)


def labels(batch: int, classes: int) -> st.SearchStrategy[Integers]:
    """Labels of a batch."""
    return hnp.arrays(np.int64, batch, elements=st.integers(0, classes - 1))


@st.composite
def cases(
    draw: st.DrawFn, *, families: tuple[type, ...] = SURROGATES, detach: bool | None = None
) -> Case:
    """Whole cases, their arrays read-only: who writes into an argument is found out."""
    network = draw(networks(families=families, detach=detach))
    x = draw(inputs(network.sizes[0]))
    y = draw(labels(x.shape[1], network.classes))
    return make_read_only(Case(network, draw(parameters(network)), x, y))


def make_read_only(case: Case) -> Case:
    """Make all arrays of a case read-only."""
    for array in (case.x, case.y, *param_arrays(case.params)):
        array.flags.writeable = False
    return case


def to_float32(case: Case) -> Case:
    """Return the case in float32."""
    params = map_params(lambda a: a.astype(np.float32), case.params)
    return replace(case, params=params, x=case.x.astype(np.float32))


def to_float64(case: Case) -> Case:
    """Return the case in float64, without changing a number."""
    params = map_params(lambda a: a.astype(np.float64), case.params)
    return replace(case, params=params, x=case.x.astype(np.float64))


@st.composite
def instances(draw: st.DrawFn, make: Callable[[Source], object]) -> object:
    """What a claim is about, its choices left to Hypothesis."""
    return make(HypothesisSource(draw))
