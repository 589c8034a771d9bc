"""Does rounding decide a comparison of a program: a hard spike, a maximum, a `numpy.where`?"""

from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.program.comparison import Comparison
from refsast.crosscheck.program.record import PARAMS
from refsast.crosscheck.program.solution import run_on_tape
from refsast.crosscheck.program.trees import map_leaves

DRAWS = 12  # of parameters and input that are a few roundings off
ROUNDINGS = 4.0
JUMP = 100.0  # tolerances: a smooth program moves by a few
ADVICE = (
    "rounding decides a comparison (a hard spike, a maximum, np.where): parameters that differ in "
    "their last digits give another answer; take other recordings, or float64"
)


def find_jump(found: Comparison) -> str:
    """Return why the right answer itself is not known, or nothing.

    The program is solved for parameters and inputs that are a few roundings off: where that moves
    some number by far more than errors of the arithmetic do, a decision changed.
    """
    program, want = found.program, found.trace.numbers
    size = ROUNDINGS * 0.5 * float(np.finfo(found.dtype).eps)
    rng = np.random.default_rng(0)

    def shake(name: str, array: Array) -> Array:
        return array * (1.0 + size * rng.standard_normal(array.shape))

    for _ in range(DRAWS):
        params = map_leaves(shake, program.params, PARAMS)
        x = shake("x", program.x) if program.x.dtype.kind == "f" else program.x
        moved = run_on_tape(replace(program, params=params, x=x)).numbers
        for name in found.got.numbers:
            if (abs(moved[name] - want[name]) > JUMP * found.tolerance[name]).any():
                return ADVICE
    return ""
