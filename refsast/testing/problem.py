"""A network with all that its gradient is a function of."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers
from refsast.model.params import map_params, param_arrays


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, its parameters and a labelled batch: all that a gradient is a function of.

    Attributes
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array
        Inputs.
    y : (batch,) array of int
        Labels.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast.testing import Problem
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> problem = Problem(network, rs.init(network, 0), np.ones((4, 1, 2)), np.array([2]))
    >>> float(rs.reference.loss(*problem)) > 0
    True
    """

    network: rs.Network
    params: rs.Params
    x: Array
    y: Integers

    def __iter__(self) -> Iterator[Any]:
        """So that ``f(*problem)`` calls any gradient."""
        return iter((self.network, self.params, self.x, self.y))


def make_read_only(problem: Problem) -> Problem:
    """Make all arrays of a problem read-only, and return it.

    Parameters
    ----------
    problem : Problem
        Any problem.

    Returns
    -------
    Problem
        The same numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast.testing import Problem, make_read_only
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> problem = Problem(network, rs.init(network, 0), np.ones((4, 1, 2)), np.array([2]))
    >>> make_read_only(problem).x.flags.writeable
    False
    """
    for array in (problem.x, problem.y, *param_arrays(problem.params)):
        array.flags.writeable = False
    return problem


def to_float32(problem: Problem) -> Problem:
    """Return the problem in float32.

    Parameters
    ----------
    problem : Problem
        Any problem.

    Returns
    -------
    Problem
        Its numbers, rounded.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast.testing import Problem, to_float32
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> problem = Problem(network, rs.init(network, 0), np.ones((4, 1, 2)), np.array([2]))
    >>> to_float32(problem).x.dtype.name
    'float32'
    """
    narrow: Any = np.float32  # arrays are typed as float64 throughout
    params = map_params(lambda a: a.astype(narrow), problem.params)
    return replace(problem, params=params, x=problem.x.astype(narrow))


def to_float64(problem: Problem) -> Problem:
    """Return the problem in float64, without changing a number.

    Parameters
    ----------
    problem : Problem
        Any problem.

    Returns
    -------
    Problem
        The same numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast.testing import Problem, to_float32, to_float64
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> problem = Problem(network, rs.init(network, 0), np.ones((4, 1, 2)), np.array([2]))
    >>> to_float64(to_float32(problem)).x.dtype.name
    'float64'
    """
    params = map_params(lambda a: a.astype(np.float64), problem.params)
    return replace(problem, params=params, x=problem.x.astype(np.float64))
