"""Values of few knobs from many numbers: plain values tried whole, others by Gauss-Newton.

Rule 1: all candidates are run side by side; a candidate is a list of groups of knobs, each with one
        value.
Rule 2: a step never leaves the range of a knob.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.diagnose.knobs.dials import Key, Setting
from refsast.crosscheck.diagnose.knobs.inventory import STARTS, Knob

# From settings to residuals (K, N), each in units of what is allowed.
Residuals = Callable[[Sequence[Setting]], Array]
ITERATIONS = 9
EARLY = 4  # iterations after which only candidates go on whose misfit is still halved
RATIOS = (0.5, 2.0, 0.9, 1.1)  # likely multiples of numbers that differ from layer to layer


@dataclass(frozen=True)
class Group:
    """Knobs of one name that are turned together, in one layer or in several.

    Attributes
    ----------
    knobs : tuple of Knob
        At least one.
    relative : bool
        Whether their common value is a multiple of what is right for each.
    """

    knobs: tuple[Knob, ...]
    relative: bool = False

    @property
    def name(self) -> str:
        """The name that they share."""
        return self.knobs[0].name

    @property
    def smooth(self) -> bool:
        """Whether it may take any value in its range."""
        return self.knobs[0].smooth

    @property
    def right(self) -> float:
        """Its value where nothing is wrong."""
        return 1.0 if self.relative else self.knobs[0].right

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of its values."""
        return (1e-3, 1e3) if self.relative else (self.knobs[0].low, self.knobs[0].high)

    @property
    def starts(self) -> tuple[float, ...]:
        """Where a search for its value may begin, far and near."""
        return STARTS if self.relative else self.knobs[0].starts

    @property
    def keys(self) -> tuple[Key, ...]:
        """What they are in a setting."""
        return tuple(knob.key for knob in self.knobs)

    def turn(self, value: float) -> dict[Key, float]:
        """Return the setting with all of them at one value."""
        return {k.key: value * k.right if self.relative else value for k in self.knobs}

    def read(self, setting: Setting) -> float:
        """Return their value in a setting."""
        first = self.knobs[0]
        return setting[first.key] / first.right if self.relative else setting[first.key]

    def tries(self) -> list[dict[Key, float]]:
        """Return the settings that are likely: each knob at the same place in its own list."""
        if self.relative:
            return [self.turn(value) for value in RATIOS]
        columns = [(value,) * len(self.knobs) for value in self.knobs[0].tries]
        if len({len(knob.tries) for knob in self.knobs}) == 1:
            columns = zip(*(knob.tries for knob in self.knobs), strict=True)
        right = tuple(knob.right for knob in self.knobs)
        wrong = [column for column in dict.fromkeys(columns) if column != right]
        return [dict(zip(self.keys, column, strict=True)) for column in wrong]


def group_layers(knobs: Sequence[Knob], spiking: int) -> list[Group]:
    """Return every knob alone, and those of one name in all spiking layers, in all layers."""
    names: dict[str, list[Knob]] = {}
    for knob in knobs:
        names.setdefault(knob.name, []).append(knob)
    together = []
    for found in names.values():
        inside = tuple(knob for knob in found if knob.layer < spiking)
        together += [Group(part) for part in {inside, tuple(found)} if len(part) > 1]
        if len({knob.right for knob in inside}) > 1 and found[0].smooth and all(
            knob.right for knob in inside
        ):  # fmt: skip
            together.append(Group(inside, relative=True))
    return [*together, *(Group((knob,)) for knob in knobs)]


def misfits(residuals: Array) -> Array:
    """Return the largest residual of each candidate; one that is no number is infinitely wrong."""
    with np.errstate(all="ignore"):
        worst = abs(residuals).max(axis=1, initial=0.0)
    return np.where(np.isfinite(worst), worst, np.inf)


def refine(
    run: Residuals,
    bases: Sequence[Setting],
    groups: Sequence[tuple[Group, ...]],
    starts: Array,
    iterations: int = ITERATIONS,
) -> tuple[Array, Array]:
    """Return values (N, m) of the groups of each candidate, and their misfits, by Gauss-Newton.

    Parameters
    ----------
    run : callable
        Residuals of settings.
    bases : sequence of settings
        What else is turned in each of the N candidates.
    groups : sequence of tuples of Group
        m groups of each candidate.
    starts : (N, m) array
        Where to begin.
    iterations : int
        How many steps at most.
    """
    values, best = starts.copy(), starts.copy()
    low, high = (np.array([[g.bounds[i] for g in each] for each in groups]) for i in (0, 1))
    lowest = np.full(len(values), np.inf)
    size = np.maximum(abs(values), 0.1)
    alive = np.arange(len(values))
    for k in range(iterations):
        if not len(alive):
            break
        with np.errstate(all="ignore"):
            r, jacobian = _linearise(run, bases, groups, values, size, alive)
        worst = misfits(r)
        better, halved = worst < lowest[alive], worst < 0.5 * lowest[alive]
        lowest[alive[better]] = worst[better]
        best[alive[better]] = values[alive[better]]
        with np.errstate(all="ignore"):
            step = _solve(r, jacobian)
        bound = np.maximum(2.0 * abs(values[alive]), 1.0)
        step = np.clip(np.nan_to_num(step), -bound, bound)
        moved = np.clip(values[alive] + step, low[alive], high[alive])
        still = (worst > 0.05) & (abs(moved - values[alive]).max(axis=1) > 0.0)
        still &= halved | (k < EARLY)
        values[alive] = moved
        alive = alive[still & np.isfinite(worst)]
    return best, lowest


def _linearise(
    run: Residuals, bases: Sequence[Setting], groups: Sequence[tuple[Group, ...]],
    values: Array, size: Array, alive: Integers,
) -> tuple[Array, Array]:  # fmt: skip
    """Residuals (N, R) and their derivatives (N, R, m) by central differences."""
    m = values.shape[1]
    h = 1e-5 * size
    settings = []
    for k in alive:
        for j in range(-1, 2 * m):
            at = values[k].copy()
            if j >= 0:
                at[j // 2] += h[k, j // 2] * (1.0 if j % 2 == 0 else -1.0)
            settings.append(apply_values(bases[k], groups[k], at))
    r = run(settings).reshape(len(alive), 2 * m + 1, -1)
    slopes = [(r[:, 1 + 2 * j] - r[:, 2 + 2 * j]) / (2.0 * h[alive, j, None]) for j in range(m)]
    return r[:, 0], np.stack(slopes, axis=2)


def apply_values(base: Setting, groups: Sequence[Group], values: Sequence[float] | Array) -> dict:
    """Return a setting with groups turned to values."""
    found = dict(base)
    for group, value in zip(groups, values, strict=True):
        found.update(group.turn(float(value)))
    return found


def _solve(r: Array, jacobian: Array) -> Array:
    """Least squares steps (N, m)."""
    peak = 1e100  # so that squares stay finite
    r, jacobian = (np.clip(np.nan_to_num(a), -peak, peak) for a in (r, jacobian))
    scale = np.sqrt((jacobian**2).sum(axis=1)) + 1e-300
    unit = jacobian / scale[:, None]
    gram = np.swapaxes(unit, 1, 2) @ unit + 1e-14 * np.eye(unit.shape[2])
    right = (np.swapaxes(unit, 1, 2) @ r[..., None])[..., 0]
    try:
        return -np.linalg.solve(gram, right[..., None])[..., 0] / scale
    except np.linalg.LinAlgError:
        return np.zeros(scale.shape)


def round_value(value: float) -> float:
    """The value of three digits next to one, if it is that but for rounding."""
    near = float(f"{value:.3g}")
    return near if abs(value - near) <= 1e-5 * abs(near) else value
