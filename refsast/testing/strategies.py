"""What the property tests draw, II: spikes, neurons, networks, and problems to solve with them."""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import refsast as rs
from refsast.arrays import Array, Integers
from refsast.model import reset
from refsast.model.spike import Spike
from refsast.testing.numbers import arrays, fractions, seeds
from refsast.testing.problem import Problem, make_read_only

Families: TypeAlias = tuple[Callable[[float], Spike], ...]
SURROGATES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid, rs.PiecewiseQuadratic)
ANALYTIC = (rs.Arctan, rs.Logistic, rs.Algebraic)
WIDTHS = st.sampled_from((3, 2, 4, 1))  # one class alone has loss 0: seldom
TIMES = st.sampled_from((3, 5, 8, 2, 7, 4, 6, 1))
RESETS = tuple(reset.RESETS.values())


def surrogates(families: Families = SURROGATES, steepest: float = 8.0) -> st.SearchStrategy[Spike]:
    """Return smooth spikes of several families.

    Parameters
    ----------
    families : tuple of callable
        Each makes a spike of a slope.
    steepest : float
        Largest slope.

    Returns
    -------
    SearchStrategy
        Of spikes.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import surrogates
    >>> find(surrogates(), lambda spike: spike.slope == 2.0).slope
    2.0
    """
    slopes = fractions(0.25, steepest, 0.5, 1.0, 2.0, 4.0)
    return st.builds(lambda family, slope: family(slope), st.sampled_from(families), slopes)


@cache  # a strategy is validated when it is first drawn from
def neurons(
    *, families: Families = SURROGATES, detach: bool | None = None
) -> st.SearchStrategy[rs.LIF]:
    """Return neurons of every kind.

    Parameters
    ----------
    families : tuple of callable
        Of their spikes.
    detach : bool, optional
        Whether resets are detached; None for either.

    Returns
    -------
    SearchStrategy
        Of `LIF`.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import neurons
    >>> find(neurons(detach=False), lambda neuron: neuron.leak == 0.5).detach_reset
    False
    """
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
    """Return the three readouts.

    Returns
    -------
    SearchStrategy
        Of `SpikeRate`, `LinearReadout` and `LeakyReadout`.

    Examples
    --------
    >>> import refsast as rs
    >>> from hypothesis import find
    >>> from refsast.testing import readouts
    >>> find(readouts(), lambda readout: isinstance(readout, rs.LeakyReadout)).n_out > 0
    True
    """
    return st.one_of(
        st.builds(rs.SpikeRate, fractions(0.5, 8.0, 1.0)),
        st.builds(rs.LinearReadout, WIDTHS),
        st.builds(rs.LeakyReadout, WIDTHS, fractions(0.0, 1.0, 0.0, 0.5, 1.0)),
    )


@st.composite
def networks(
    draw: st.DrawFn, *, families: Families = SURROGATES, detach: bool | None = None
) -> rs.Network:
    """Draw networks of one to three layers of one to four neurons, of every variant.

    Parameters
    ----------
    families, detach
        As for `neurons`.

    Returns
    -------
    SearchStrategy
        Of `Network`.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import networks
    >>> len(find(networks(), lambda network: network.recurrent).neurons) >= 1
    True
    """
    sizes = draw(st.lists(WIDTHS, min_size=2, max_size=4))
    neuron = neurons(families=families, detach=detach)
    shared = draw(st.booleans())
    each = draw(neuron) if shared else tuple(draw(neuron) for _ in sizes[1:])
    bias, recurrent = draw(st.booleans()), draw(st.booleans())
    return rs.Network(tuple(sizes), each, draw(readouts()), bias=bias, recurrent=recurrent)


def parameters(network: rs.Network) -> st.SearchStrategy[rs.Params]:
    """Return parameters of a network: zeros, quarters or generic numbers.

    Parameters
    ----------
    network : Network
        Whose.

    Returns
    -------
    SearchStrategy
        Of tuples of `Layer`.

    Examples
    --------
    >>> import refsast as rs
    >>> from hypothesis import find
    >>> from refsast.testing import parameters
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> find(parameters(network), lambda params: params[0].w.any())[0].w.shape
    (3, 2)
    """
    return arrays(network.n_params).map(lambda w: rs.unflatten(network, w))


@st.composite
def inputs(draw: st.DrawFn, n_in: int, time: int | None = None) -> Array:
    """Draw inputs: spikes, real numbers, quarters or silence.

    Parameters
    ----------
    n_in : int
        Inputs per step.
    time : int, optional
        Steps; None for 1 to 8.

    Returns
    -------
    SearchStrategy
        Of (time, batch, n_in) arrays.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import inputs
    >>> find(inputs(3, time=2), lambda x: not x.any()).shape[::2]
    (2, 3)
    """
    shape = (time or draw(TIMES), draw(WIDTHS), n_in)
    kind = draw(st.sampled_from(["spikes", "real", "exact", "silence"]))
    if kind == "silence":
        return np.zeros(shape)
    if kind == "exact":
        return draw(arrays(shape))
    rng = np.random.default_rng(draw(seeds()))
    return (rng.random(shape) < 0.5).astype(float) if kind == "spikes" else rng.normal(size=shape)


def labels(batch: int, classes: int) -> st.SearchStrategy[Integers]:
    """Return labels of a batch.

    Parameters
    ----------
    batch, classes : int
        How many recordings and classes.

    Returns
    -------
    SearchStrategy
        Of (batch,) arrays of integers.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import labels
    >>> find(labels(2, 3), lambda y: y.sum() == 4)
    array([2, 2])
    """
    return hnp.arrays(np.int64, batch, elements=st.integers(0, classes - 1))


@st.composite
def problems(
    draw: st.DrawFn, *, families: Families = SURROGATES, detach: bool | None = None
) -> Problem:
    """Draw whole problems, their arrays read-only: who writes into an argument is found out.

    Parameters
    ----------
    families, detach
        As for `neurons`.

    Returns
    -------
    SearchStrategy
        Of `Problem`.

    Examples
    --------
    >>> from hypothesis import find
    >>> from refsast.testing import problems
    >>> problem = find(problems(), lambda p: len(p.params) == 2)
    >>> problem.x.flags.writeable
    False
    """
    return draw(network_problems(draw(networks(families=families, detach=detach))))


@st.composite
def network_problems(draw: st.DrawFn, network: rs.Network) -> Problem:
    """Draw problems of one network: parameters, inputs and labels."""
    x = draw(inputs(network.sizes[0]))
    y = draw(labels(x.shape[1], network.classes))
    return make_read_only(Problem(network, draw(parameters(network)), x, y))
