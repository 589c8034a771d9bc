"""What rounding does to each number of an answer to any network: the tape run again with errors."""

from collections.abc import Callable

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.replay import replay
from refsast.autodiff.tape import backward
from refsast.crosscheck.case import Case
from refsast.crosscheck.general.plan import right_plan, run_plan
from refsast.gradient.rounding import ErrorBounds
from refsast.model.params import param_arrays, replace_arrays

# Few repeats leave some errors small by chance: each is drawn towards what is usual in its array,
# relative to the numbers, as if that were so many more repeats.
PRIOR_REPEATS = 4.0


def trace_case(case: Case) -> list[Array]:
    """Return loss, potentials, spikes, adjoints, gradients and input gradient, on the tape."""
    run = run_plan(case, right_plan(case))
    potentials = [u for layer in run.us for u in layer]
    wanted = [*param_arrays(run.params), run.x, *potentials]
    found = backward(run.loss, wanted, np.ones(()), traced=True)
    n, rest = len(param_arrays(run.params)), iter(found[len(wanted) - len(potentials) :])
    adjoints = [np.stack([next(rest) for _ in layer]) for layer in run.us]
    states = [np.stack(layer) for side in (run.us, run.ss) for layer in side]
    return [run.loss, *states, *adjoints, *found[: n + 1]]


def draw_errors(case: Case) -> Callable[[float, int], ErrorBounds]:
    """Return ``(unit, repeats) -> errors``: by how much errors of `unit` move each number."""
    nodes = trace_case(case)

    def draw(unit: float, repeats: int) -> ErrorBounds:
        rng = np.random.default_rng(0)
        with np.errstate(all="ignore"):
            runs = replay(nodes, unit=unit, repeats=repeats, rng=rng)
        sizes = [
            _usual_size(each, np.asarray(getattr(n, "value", n)))
            for each, n in zip(runs, nodes, strict=True)
        ]
        depth = case.network.depth
        loss, u, s, adjoints, rest = (
            sizes[0], sizes[1 : depth + 1], sizes[depth + 1 : 2 * depth + 1],
            sizes[2 * depth + 1 : 3 * depth + 1], sizes[3 * depth + 1 :],
        )  # fmt: skip
        grads = replace_arrays(case.params, rest[:-1])
        return ErrorBounds(float(loss), tuple(u), tuple(s), tuple(adjoints), grads, rest[-1])

    return draw


def _usual_size(runs: Array, clean: Array) -> Array:
    """The root mean square of the errors of each entry, no less than is usual in its array."""
    errors = runs - clean
    peak = abs(errors).max(axis=0)
    scale = np.where((peak > 0.0) & np.isfinite(peak), peak, 1.0)  # whose squares cannot underflow
    square = np.square(errors / scale).sum(axis=0)
    size = abs(clean)
    relative = np.divide(peak, size, out=np.zeros(peak.shape), where=size > 0.0)
    usual = np.median(relative[relative > 0.0]) if (relative > 0.0).any() else 0.0
    repeats = len(runs)
    drawn = scale * np.sqrt(square / (repeats + PRIOR_REPEATS))
    return np.hypot(drawn, np.sqrt(PRIOR_REPEATS / (repeats + PRIOR_REPEATS)) * usual * size)
