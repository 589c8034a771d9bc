"""An answer to a program beside the right one, array by array."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.compare import (
    MORE_DEVIATIONS,
    MORE_REPEATS,
    NEAR,
    Stage,
    compare_arrays,
)
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.program.answer import Reading, ask
from refsast.crosscheck.program.record import Program, cast_program
from refsast.crosscheck.program.solution import Trace, measure_errors, run_on_tape
from refsast.crosscheck.tolerance import (
    DOUBT,
    FACTOR,
    MAX_FENCE,
    MAX_SHARE,
    VAST,
    cut_to_norm,
    norm,
)
from refsast.gradient.noise import REPEATS


@dataclass(frozen=True, eq=False)
class Comparison:
    """An answer to a program beside the right one.

    Attributes
    ----------
    program : Program
        The question, as seen in `dtype`.
    dtype : numpy.dtype
        What the answer was computed in.
    trace : Trace
        The program on the tape.
    got : Reading
        The answer.
    tolerance : dict of str to array
        How far each number may be from the right one.
    stages : tuple of Stage
        One per array.
    """

    program: Program
    dtype: np.dtype
    trace: Trace
    got: Reading
    tolerance: dict[str, Array]
    stages: tuple[Stage, ...]

    @property
    def wrong(self) -> tuple[Stage, ...]:
        """The arrays that disagree, the worst first."""
        return tuple(
            sorted((s for s in self.stages if not s.agrees), key=lambda s: s.error, reverse=True)
        )


def compare_program(gradient: Gradient, program: Program) -> Comparison:
    """Ask an implementation about a program, and put its answer beside the right one."""
    trace = run_on_tape(program)
    got = ask(gradient, program, trace.numbers)
    seen = cast_program(program, got.dtype)
    if got.dtype != np.float64:
        trace = run_on_tape(seen)
    want = {name: trace.numbers[name] for name in got.numbers}
    for repeats, factor in ((REPEATS, 1.0), (MORE_REPEATS, MORE_DEVIATIONS)):
        errors = measure_errors(trace, got.dtype, repeats=repeats, factor=factor)
        near = {name: _sharpen(errors[name], a, got.dtype) for name, a in want.items()}
        stages = compare_named(got.numbers, want, near)
        error = max(stage.error for stage in stages)
        if error <= 1.0:
            return Comparison(seen, got.dtype, trace, got, near, stages)
        if not error <= NEAR:
            break
    limits = _loosen(errors, want)
    stages = compare_named(got.numbers, want, limits)
    return Comparison(seen, got.dtype, trace, got, limits, _forgive_loss(stages, seen))


def compare_named(
    got: Mapping[str, Array], want: Mapping[str, Array], tolerance: Mapping[str, Array]
) -> tuple[Stage, ...]:
    """Compare arrays by name, each a stage of its own."""
    return tuple(
        compare_arrays(name, {name: got[name]}, {name: want[name]}, {name: tolerance[name]})
        for name in got
        if got[name].size
    )


def _forgive_loss(stages: tuple[Stage, ...], program: Program) -> tuple[Stage, ...]:
    """The stages, with a loss that was rounded to single precision, and is right to that."""
    entry = stages[0].worst
    roundings = 1.0 + np.sqrt(np.prod(program.x.shape[:2]))
    near = FACTOR * roundings * 0.5 * float(np.finfo(np.float32).eps) * abs(entry.want)
    with np.errstate(over="ignore"):
        single = float(np.float32(entry.got)) == entry.got
    if stages[0].agrees or not single or abs(entry.got - entry.want) > near:
        return stages
    numbers = ({"loss": np.asarray(each)} for each in (entry.got, entry.want, near))
    loss = compare_arrays("loss", *numbers)
    return (replace(loss, note="the loss has single precision only"), *stages[1:])


def _sharpen(near: Array, want: Array, dtype: np.dtype) -> Array:
    """The tolerance of an array that agrees, cut where it is too large to tell (`tolerance`)."""
    share, size = float(np.sqrt(np.finfo(dtype).eps)), norm(want)
    if dtype == np.float64 or norm(near) <= MAX_SHARE * size or share * size < 1e-300:
        return near
    return cut_to_norm(near, share * size)


def _loosen(errors: Mapping[str, Array], want: Mapping[str, Array]) -> dict[str, Array]:
    """The tolerance beyond which an array is wrong: wider where rounding moves some of them far."""
    vague = {name: 0.0 < MAX_SHARE * norm(a) < norm(errors[name]) for name, a in want.items()}
    if not any(vague.values()):
        return {name: errors[name] for name in want}
    found = {}
    for name, a in want.items():
        wide = DOUBT * errors[name]
        far = vague[name] and norm(wide) > MAX_FENCE * norm(a)
        found[name] = np.full(a.shape, VAST) if far else wide
    return found
