"""Somebody's answers to a golden set, compared entry by entry.

The tolerance of an entry is a bound, not an estimate: the error analysis that was carried through
the computation of the set, in units of one rounding of the dtype that the answers have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.compare import Stage, compare_arrays
from refsast.crosscheck.golden.reader import (
    YARDSTICK,
    Golden,
    array_shapes,
    read_golden,
    require_array,
)
from refsast.crosscheck.tolerance import MAX_SHARE, absolute_tolerance
from refsast.files import read_npz

# How many roundings one operation of another implementation may be off: exp, arctan and their like
# are not rounded correctly by every library.
ROUNDINGS_PER_OPERATION = 4.0


@dataclass(frozen=True, eq=False)
class CaseComparison:
    """Somebody's answers to one case.

    Attributes
    ----------
    name : str
        Of the case.
    arrays : tuple of Stage
        One per array that was given, by its name: agrees or not, worst entry, angle, norm ratio.
    missing : tuple of str
        What was not given.
    """

    name: str
    arrays: tuple[Stage, ...]
    missing: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether all that was given agrees."""
        return all(array.agrees for array in self.arrays)

    @property
    def vague(self) -> tuple[str, ...]:
        """Arrays of which rounding may explain more than a share of `MAX_SHARE`."""
        return tuple(stage.name for stage in self.arrays if stage.resolution[1] > MAX_SHARE)

    def __str__(self) -> str:
        if not self.arrays:
            return f"{self.name}: no answer"
        missing = f"; {len(self.missing)} not given" if self.missing else ""
        wrong = [array for array in self.arrays if not array.agrees]
        largest = max(array.error for array in self.arrays)
        if not wrong:
            count = f"{len(self.arrays)} arrays agree"
            vague = f"; undecided: {', '.join(self.vague)}, take float64" if self.vague else ""
            return f"{self.name}: {count}, at most {largest:.2g} of the tolerance{missing}{vague}"
        lines = [f"{self.name}: {len(wrong)} of {len(self.arrays)} arrays disagree{missing}"]
        for stage in wrong:
            far = f"{stage.error:.3g} times the tolerance"
            shape = f"cosine {stage.cosine:.6g}, ratio {stage.ratio:.6g}"
            lines.append(f"  {stage.worst}: {far}; {shape}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Somebody's answers to a golden set.

    Attributes
    ----------
    cases : tuple of CaseComparison
        One per case of the set.
    """

    cases: tuple[CaseComparison, ...]

    @property
    def verdict(self) -> str:
        """Whether it "agrees", "DISAGREES", or is "undecided": rounding may explain too much."""
        if not self.agrees:
            return "DISAGREES"
        return "undecided" if any(case.vague for case in self.cases) else "agrees"

    @property
    def agrees(self) -> bool:
        """Whether nothing that was given disagrees; a case without an answer is left out."""
        return all(case.agrees for case in self.cases)

    def __str__(self) -> str:
        answered = [case for case in self.cases if case.arrays]
        right = sum(case.agrees for case in answered)
        head = f"{self.verdict}: {right} of {len(answered)} cases answered are right"
        return "\n".join([f"{head}, {len(self.cases)} asked", *map(str, self.cases)])


def compare(golden: str | Path, answers: str | Path) -> Comparison:
    """Compare somebody's answers with a golden set.

    Parameters
    ----------
    golden : path
        The folder of the set.
    answers : path
        A folder with one ``NAME.npz`` per case answered. Each holds any of the case's answers, by
        their names, at least ``loss`` or gradients, in any floating dtype. The tolerance of all is
        that of the least precise; a loss does not count there, being a Python float as a rule.

    Returns
    -------
    Comparison
        Array by array; no absolute floor but that of the dtype.

    Raises
    ------
    ValueError
        If either folder is not readable; if there are answers to no case, or to one that was not
        asked; if an array has a name, a shape or numbers that it cannot have.
    """
    asked = {case.name: case for case in read_golden(golden)}
    folder = Path(answers)
    files = {path.stem: path for path in sorted(folder.glob("*.npz"))}
    if not files or not set(files) <= set(asked):
        got = ", ".join(sorted(set(files) - set(asked))) or "none"
        raise ValueError(
            f"{folder} must hold NAME.npz with NAME among {', '.join(asked)}, got {got}"
        )
    return Comparison(
        tuple(
            compare_case(case, read_answers(files[name], case) if name in files else {})
            for name, case in asked.items()
        )
    )


def read_answers(path: Path, golden: Golden) -> dict[str, Array]:
    """Return the answers in a file, checked; arrays copied from the question are ignored."""
    case, arrays = golden.question.case, read_npz(path)
    shapes = array_shapes(case.network, len(case.x), len(case.y))
    names = list(shapes)
    question = {YARDSTICK, *names[: names.index("loss")]}
    shapes = {name: shapes[name] for name in golden.answers}
    given = [name for name in arrays if name not in question]
    found = {name: require_array(arrays, name, shapes, path) for name in given}
    if not any(name == "loss" or name.startswith("grads.") for name in found):
        raise ValueError(f"{path} must hold loss or grads, got {', '.join(found) or 'nothing'}")
    return found


def compare_case(golden: Golden, given: Mapping[str, Array]) -> CaseComparison:
    """Compare some of the answers to one case, of their shapes, with the right ones."""
    # A loss alone may be a double beside single-precision arrays: it counts if nothing else does.
    dtypes = [a.dtype for name, a in given.items() if a.dtype.kind == "f" and name != "loss"]
    dtypes += [a.dtype for a in given.values() if a.dtype.kind == "f"] if not dtypes else []
    dtype = max(dtypes, key=lambda d: np.finfo(d).eps, default=np.dtype(np.float64))
    stages = tuple(
        compare_array(name, given[name], golden.answers[name], golden.error_bounds[name], dtype)
        for name in golden.answers
        if name in given
    )
    return CaseComparison(golden.name, stages, tuple(k for k in golden.answers if k not in given))


def compare_array(name: str, got: Array, want: Array, bound: Array, dtype: np.dtype) -> Stage:
    """Compare one array, computed in `dtype`, with the right one and its error bound."""
    dtype = dtype if dtype.itemsize < 8 else np.dtype(np.float64)
    tolerance = absolute_tolerance(bound, dtype, ROUNDINGS_PER_OPERATION)
    got, want = got.astype(np.float64), np.asarray(want)
    return compare_arrays(name, {name: got}, {name: want}, {name: tolerance})
