"""What settings of the knobs of one level predict for its gradients, beside what was answered."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import Dials, Setting, stack_settings
from refsast.crosscheck.diagnose.knobs.finish import BENDS, bend_size
from refsast.crosscheck.diagnose.knobs.fit import round_value
from refsast.crosscheck.diagnose.knobs.losses import turns_form
from refsast.crosscheck.diagnose.knobs.program import (
    Carry,
    Level,
    Run,
    layer_level,
    logit_slopes,
    readout_level,
    run_forward,
    solve_levels,
)
from refsast.crosscheck.diagnose.knobs.questions import ask_otherwise, question_of
from refsast.crosscheck.diagnose.knobs.readout import read_spikes
from refsast.crosscheck.diagnose.knobs.samples import (
    Sample,
    Samples,
    answer_arrays,
    loss_errors,
    relative_limit,
)
from refsast.model.params import ARRAY_NAMES

MAX_WINDOWS = 200
ENTRIES = 96  # of an array, at most so many are compared in a search; the whole case comes last


@dataclass(frozen=True, eq=False)
class LevelView:
    """The forward runs of one setting, and the levels of its way back as far as they were asked."""

    samples: Samples
    setting: dict
    cases: tuple[Case, ...]
    runs: tuple[Run, ...]
    cache: dict = field(default_factory=dict)

    def above(self, sample: int, level: int) -> Carry:
        """What the level is computed from, if the setting holds above it."""
        key = (sample, level)
        if key not in self.cache:
            case, run = self.cases[sample], self.runs[sample]
            dials = stack_settings([self.setting])
            whole = len(case.network.neurons)
            if level == whole or level == whole - 1:
                self.cache[key] = logit_slopes(case, dials, run)
            else:
                carry = self.above(sample, level + 1)
                self.cache[key] = layer_level(case, level + 1, dials, run, carry).carry
        return self.cache[key]

    def predict(self, sample: int, level: int, dials: Dials) -> Level:
        """The level in each of several settings, which differ from this one at this level only."""
        case, run = self.cases[sample], self.runs[sample]
        whole = len(case.network.neurons)
        if level >= whole - 1 and turns_form(dials, whole):
            run = replace(run, readout=read_spikes(case, dials, run.readout.heard, case.y))
        if level == whole:
            return readout_level(case, dials, run, logit_slopes(case, dials, run))
        if level == whole - 1:
            return layer_level(case, level, dials, run, logit_slopes(case, dials, run))
        return layer_level(case, level, dials, run, self.above(sample, level))

    def residuals(self, level: int, settings: Sequence[Setting]) -> Array:
        """Errors (K, N) of a level's gradients, in units of what is allowed."""
        return self.some_residuals(range(len(self.samples.all)), level, settings)

    def some_residuals(
        self,
        which: Sequence[int],
        level: int,
        settings: Sequence[Setting],
        parts: Collection[str] = ARRAY_NAMES,
    ) -> Array:
        """Errors of a level's gradients in some samples, of all arrays or of some."""
        rows, dials = [], stack_settings(settings)
        for i in which:
            sample = self.samples.all[i]
            found = self.predict(i, level, dials).arrays
            for part, got in answer_arrays(sample, level).items():
                if part in parts:
                    allowed = error_limits(self.samples, sample, level, part)
                    rows.append(_compare(found[part], got, allowed))
        return np.concatenate(
            [np.broadcast_to(row, (len(settings), row.shape[1])) for row in rows], axis=1
        )

    def cells(self, level: int, setting: Setting) -> list[dict]:
        """Settings in which one entry, row or column of one array explains what is left."""
        found: list[dict] = []
        last = len(self.samples.all) - 1
        rights = self.predict(last, level, stack_settings([setting])).arrays
        for part, got in answer_arrays(self.samples.parts[-1], level).items():
            right = rights[part][0]
            limit = error_limits(self.samples, self.samples.parts[-1], level, part)
            found += _cell_settings(part, level, got, right, limit)
        return found + self._bends(level) + self.windows(level)

    def _bends(self, level: int) -> list[dict]:
        """Settings in which each array of the level is clipped, or brought to one norm."""
        arrays = [a for s in self.samples.all for a in answer_arrays(s, level).values()]
        limits = {name: max(bend_size(name, a) for a in arrays) for name in BENDS}
        return [{(name, level): round_value(v)} for name, v in limits.items() if v > 0.0]

    def windows(self, level: int) -> list[dict]:
        """Return settings with the derivative cut outside a window: one between any two |v|."""
        case = self.samples.parts[-1].case
        if level >= len(case.network.neurons):
            return []
        theta = case.network.neurons[level].threshold
        v = np.unique(abs(self.runs[-1].layers[level].u - theta).ravel())
        edges = v[:: max(1, len(v) // MAX_WINDOWS)]
        found = [find_roundest(low, high) for low, high in pairwise(edges)]
        return [{("window", level): width} for width in (theta, *found)]


def find_roundest(low: float, high: float) -> float:
    """Return the number of fewest digits between two."""
    middle = 0.5 * (low + high)
    for digits in range(1, 17):
        near = float(f"{middle:.{digits}g}")
        if low <= near <= high:
            return near
    return middle


def _cell_settings(part: str, level: int, got: Array, right: Array, limit: Array) -> list[dict]:
    wrong = abs(got - right) > limit
    if not wrong.any() or wrong.all():
        return []
    with np.errstate(all="ignore"):
        ratio = got[wrong] / right[wrong]
    if not np.isfinite(ratio).all() or np.ptp(ratio) > 1e-6 * abs(ratio).max(initial=1e-300):
        return []
    factor = float(np.median(ratio))
    found = [dict.fromkeys(names, factor) for names in _cell_names(part, wrong)]
    return [{(name, level): v for name, v in cells.items()} for cells in found]


def _cell_names(part: str, wrong: NDArray[np.bool_]) -> list[list[str]]:
    """What may be multiplied where some entries are wrong: a row, a column, few entries."""
    found = []
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    if wrong.ndim == 1:
        return [[f"{part} entry {i}" for i in rows]] if len(rows) <= 3 else []
    columns = np.flatnonzero(wrong.any(axis=0))
    if len(rows) == 1:
        found.append([f"{part} row {rows[0]}"])
    if len(columns) == 1:
        found.append([f"{part} column {columns[0]}"])
    if wrong.sum() <= 2:
        found.append([f"{part} entry {i} {j}" for i, j in np.argwhere(wrong)])
    return found


def _compare(found: Array, got: Array, allowed: Array) -> Array:
    """Rows of errors; of a large array at entries spread over it, and over its norm."""
    flat = (found - got).reshape(len(found), -1) / allowed.ravel()
    if flat.shape[1] <= ENTRIES:
        return flat
    at = np.unique(np.linspace(0, flat.shape[1] - 1, ENTRIES).astype(int))
    return flat[:, at]


def error_limits(samples: Samples, sample: Sample, level: int, part: str) -> Array:
    """Return how far each entry of an answered gradient may be from a candidate's."""
    arrays = answer_arrays(sample, level)
    limit = relative_limit(samples.dtype)
    array = arrays[part]
    whole = np.sqrt(sum(float((a**2).sum()) for a in arrays.values()))
    own = float(np.linalg.norm(array)) / np.sqrt(max(array.size, 1))
    tiny = float(np.finfo(samples.dtype).tiny)
    return limit * (own + 1e-3 * whole) + limit * 0.1 * abs(array) + 1e6 * tiny


def joint_errors(samples: Samples, which: Sequence[int], settings: Sequence[Setting]) -> Array:
    """Return errors (K, N) of losses and of all gradients of some parts."""
    dials = stack_settings(settings)
    rows = [loss_errors(samples, dials, which=which)]
    for k in which:
        sample = samples.parts[k]
        _, levels = solve_levels(sample.case, dials)
        for level, found in enumerate(levels[: len(sample.case.params)]):
            for part, got in answer_arrays(sample, level).items():
                allowed = error_limits(samples, sample, level, part)
                rows.append(_compare(found.arrays[part], got, allowed))
    return np.concatenate(
        [np.broadcast_to(row, (len(settings), row.shape[1])) for row in rows], axis=1
    )


def view_levels(samples: Samples, setting: dict) -> LevelView:
    """Return the view of a setting."""
    dials = stack_settings([setting])
    question = question_of(setting)
    cases = tuple(ask_otherwise(sample.case, question) for sample in samples.all)
    return LevelView(samples, setting, cases, tuple(run_forward(case, dials) for case in cases))
