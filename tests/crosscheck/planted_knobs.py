"""Knobs beside what is planted independently of them: the same numbers."""

from collections.abc import Callable

import numpy as np
import pytest

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from tests.crosscheck.blind.networks import draw_case

BESIDE = {("leak", 0): 0.3}  # so that arrays are of several settings


def assert_same_numbers(kind: type, setting: Callable[[Case], dict], needs: str, many: int) -> None:
    """Assert that a setting has loss and gradients of what is planted, on drawn networks."""
    for seed in range(many):
        case, _ = draw_case(seed, needs)
        loss, grads = kind(case.network, np.dtype(np.float64))(case.params, case.x, case.y)

        answer = solve_settings(case, [{}, setting(case), BESIDE])[1]

        assert answer.loss == pytest.approx(loss, rel=1e-10)
        for layer, wanted in zip(answer.grads, grads, strict=True):
            for name, array in wanted.items():
                want = np.asarray(array)
                gap = abs(getattr(layer, name) - want).max()
                assert gap <= 1e-8 * max(abs(want).max(), 1e-3), name
