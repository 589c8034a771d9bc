"""Another matrix in place of W on the way back: fitted to the gradients of the layer below.

Rule 1: these are linear in the matrix, so that it follows by least squares; it has to be determined
        by more numbers than it has, and to explain the rest.
Rule 2: where neurons do not hear each other, each has an own column, and is fitted alone.
"""

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import Setting, stack_settings
from refsast.crosscheck.diagnose.knobs.levels import LevelView, error_limits
from refsast.crosscheck.diagnose.knobs.samples import answer_arrays

MOST_ROWS, MOST_ENTRIES = 32, 160  # of a matrix that is fitted: by columns, or whole
SPARE = 2  # so many numbers more than entries
SINGLE = 3  # times as many numbers as entries where they are of single precision
LEAST = 0.05  # relative: another matrix of single precision differs by as much
NEAR = 1e-6  # relative: an entry that is off by less is right


def fit_feedback(view: LevelView, level: int) -> list[dict]:
    """Return the view's setting with the matrix that explains a level's gradients, if any."""
    case = view.samples.parts[-1].case
    if level + 1 >= len(case.params):
        return []
    right = case.params[level + 1].w
    rows = len(right)
    recurrent = case.params[level].v is not None
    if rows > MOST_ROWS or (recurrent and right.size > MOST_ENTRIES):
        return []
    # The response to each row of ones, or to each entry: to no matrix at all there is none.
    basis = [np.zeros(right.shape) for _ in range(right.size if recurrent else rows)]
    for k, matrix in enumerate(basis):
        matrix[np.unravel_index(k, right.shape) if recurrent else k] = 1.0
    turned = [{**view.setting, **_entries(matrix, level + 1)} for matrix in (0.0 * right, *basis)]
    times = 1 if view.samples.dtype == np.float64 else SINGLE
    got, found = _answers(view, level), _answers(view, level, turned)
    if recurrent:
        fitted = _solve(found[1:] - found[0], got - found[0], times)
        matrix = None if fitted is None else fitted.reshape(right.shape)
    else:
        matrix = _solve_columns(found, got, right, times)
    if matrix is None:
        return []
    if view.samples.dtype != np.float64 and _relative_gap(matrix, right) < LEAST:
        return []  # what is left of another number makes up for little
    off = abs(matrix - right) > NEAR * abs(right).max()
    return [{**view.setting, **_entries(matrix, level + 1, off)}] if off.any() else []


def _relative_gap(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300))


def _entries(matrix: Array, layer: int, which: Array | None = None) -> Setting:
    """The setting in which a gradient goes through (these entries of) a matrix."""
    at = np.ndindex(matrix.shape) if which is None else map(tuple, np.argwhere(which))
    return {(f"backward weight {i} {j}", layer): float(matrix[i, j]) for i, j in at}


def _answers(view: LevelView, level: int, settings: list | None = None) -> Array:
    """Gradients of all samples over what is allowed: (n, numbers), or (K, n, numbers)."""
    parts = []
    dials = None if settings is None else stack_settings(settings)
    for i, sample in enumerate(view.samples.all):
        given = answer_arrays(sample, level)
        arrays = given if dials is None else view.predict(i, level, dials).arrays
        for part in given:
            array = np.asarray(arrays[part]) / error_limits(view.samples, sample, level, part)
            kept = array.shape[:1] if dials is None else array.shape[:2]
            parts.append(array.reshape(*kept, -1))
    return np.concatenate(parts, axis=-1)


def _solve(responses: Array, want: Array, times: int) -> Array | None:
    """The combination of responses (K, ...) that is wanted; None where it is not determined."""
    a, b = responses.reshape(len(responses), -1).T, want.ravel()
    if len(b) < times * a.shape[1] + SPARE or not np.isfinite(a).all():
        return None
    fitted, _, rank, _ = np.linalg.lstsq(a, b, rcond=1e-9)
    return np.asarray(fitted, dtype=np.float64) if rank == a.shape[1] else None


def _solve_columns(found: Array, got: Array, right: Array, times: int) -> Array | None:
    """The column of each neuron; the right one of a neuron through which nothing flows."""
    matrix = right.copy()
    for j in range(right.shape[1]):
        responses, want = found[1:, j] - found[0, j], got[j] - found[0, j]
        if responses.any() or want.any():
            column = _solve(responses, want, times)
            if column is None:
                return None
            matrix[:, j] = column
    return matrix
