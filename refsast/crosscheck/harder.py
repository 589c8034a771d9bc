"""A better question: the same network with weights by which its neurons fire and gradients flow."""

from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, truncate_case
from refsast.crosscheck.compare import examine_answer, solve_case
from refsast.crosscheck.diagnose.faults.power import measure_power
from refsast.crosscheck.tolerance import is_vague
from refsast.crosscheck.unclear import run_potentials
from refsast.model.glif import as_glif, constants
from refsast.model.params import WEIGHTS, Layer, layer_arrays

BUSY = 0.8  # in the other fifth of all steps a neuron's potential is above its goal
GOALS = (1.1, 1.4, 0.9)  # in thresholds; what shows most is taken
ROUNDS = 8  # by then a reset's effect on the potential has settled
STEPS = 8  # fewer show too little of what a network remembers
MOST = 8.0  # the factor of one round


def harder(case: Case) -> Case:
    """Return a case of the same network that shows more, where one shows little.

    Each neuron's weights are scaled, and turned where its input is always negative, until it fires
    now and then; a case of fewer than eight steps repeats its input; of one that rounding moves too
    far to be compared in single precision, the first steps are taken.

    Parameters
    ----------
    case : Case
        The question, such as one of which `check` said "undecided". Not modified.

    Returns
    -------
    Case
        Of the same network, with other parameters and perhaps another number of steps. An input of
        zeros stays, so that only biases can make a neuron fire.

    Raises
    ------
    ValueError
        If `case` is none.

    Examples
    --------
    >>> import refsast as rs
    >>> spike = rs.PiecewiseQuadratic(5.0)  # with a derivative near the threshold only
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, spike), rs.SpikeRate(5.0), bias=False)
    >>> quiet = rs.Case(network, rs.init(network, 0), np.full((8, 2, 2), 0.01), [0, 2])
    >>> def solve(params, x, y):
    ...     return rs.fast.loss_and_grad(network, params, x, y)
    >>> rs.check(solve, quiet).verdict, rs.check(solve, rs.harder(quiet)).verdict
    ('undecided', 'agrees')
    """
    if not isinstance(case, Case):
        raise ValueError(f"case must be a Case, got {type(case).__name__}")
    if len(case.x) < STEPS:
        repeats = -(-STEPS // len(case.x))
        case = replace(case, x=np.tile(case.x, (repeats, 1, 1))[:STEPS])
    lengths = [len(case.x)]
    while lengths[-1] // 2 >= STEPS:
        lengths.append(lengths[-1] // 2)
    scaled = [_scale_layers(case, goal) for goal in GOALS]
    return max((truncate_case(each, n) for n in lengths for each in scaled), key=_rate_power)


def _rate_power(case: Case) -> tuple[bool, float, float]:
    """How much a case can show, also in single precision: planted faults first."""
    exam = examine_answer(solve_case(case), case, np.dtype(np.float32))
    power = measure_power(exam)
    return (
        not is_vague(exam.noise, exam.right),
        (power.planted - len(power.unseen)) / max(power.planted, 1),
        power.nonzero,
    )


def _scale_layers(case: Case, goal: float) -> Case:
    """The case with all neurons' potentials near a goal, in thresholds."""
    params = list(case.params)
    for layer in range(len(case.network.neurons)):
        for _ in range(ROUNDS):  # layers below are done, so that this one's input stays
            params[layer] = _scale_neurons(replace(case, params=tuple(params)), layer, goal)
    return replace(case, params=tuple(params))


def _scale_neurons(case: Case, layer: int, goal: float) -> Layer:
    """A layer's parameters, each neuron's scaled towards a potential that is often enough above."""
    own = case.params[layer]
    u = run_potentials(case, case.params, case.x)[layer]
    threshold = constants(as_glif(case.network.neurons[layer]), own)["threshold"]
    u = u / threshold  # in thresholds, of which each neuron may have its own
    u = u.reshape(*u.shape[:2], len(own.w), -1)  # a kernel's neurons are all of its places
    high, low = (np.quantile(u, q, axis=(0, 1, 3)) for q in (BUSY, 1.0 - BUSY))
    sign = np.where((high <= 0.0) & (-low > high), -1.0, 1.0)
    reach = np.where(sign < 0.0, -low, high)
    factor = sign * np.clip(
        np.divide(goal, reach, out=np.full(reach.shape, MOST), where=reach > 0.0),
        1.0 / MOST,
        MOST,
    )

    def scale(rows: Array) -> Array:
        by = np.repeat(factor, len(rows) // len(factor))
        return rows * by.reshape(-1, *[1] * (rows.ndim - 1))

    # Their rows are neurons, or kernels.
    weights = {name: a for name, a in layer_arrays(own).items() if name in WEIGHTS}
    return replace(own, **{name: scale(rows) for name, rows in weights.items()})
