"""Results of runs that nobody trained, with the accuracies that a test wants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import refsast as rs
from refsast.experiment.compare import BASELINE, LONGER, Result
from refsast.experiment.presets import PRESETS

RADII = {"SAST, rho 0.1": 0.1, "SAST, rho 0.2": 0.2}


def result(arm: str, seed: int, hard: float | None, smooth: float = 0.9) -> Result:
    """One run; without an accuracy, one that diverged at step 7."""
    setting = replace(PRESETS["quick"], rho=RADII.get(arm, 0.0))
    scores = rs.Scores(0.5, smooth, hard or 0.0)
    curve = () if hard is None else (rs.Epoch(1, 0.5, 40, scores),)
    run = rs.Run(setting.network(12), (), setting.config, (), curve, {})
    return Result(arm, seed, run, 0.8, 7 if hard is None else None)


def results(hard: Mapping[str, Sequence[float | None]]) -> tuple[Result, ...]:
    """Several arms, each with its hard accuracies seed by seed."""
    seeds = range(max(map(len, hard.values())))
    return tuple(result(arm, seed, hard[arm][seed]) for seed in seeds for arm in hard)


THREE_ARMS = {
    BASELINE: (0.60, 0.64, 0.62),
    LONGER: (0.70, 0.71, 0.75),
    "SAST, rho 0.1": (0.90, 0.95, 0.93),
}
