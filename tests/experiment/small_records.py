"""Records of comparisons and sweeps with chosen figures, so that a page is known beforehand."""

from collections.abc import Mapping
from dataclasses import replace

from refsast.experiment.compare import comparison_arms
from refsast.experiment.presets import PRESETS
from refsast.experiment.record import encode
from refsast.experiment.tables import HEADINGS

QUICK = PRESETS["quick"]
RECORDINGS = "60 synthetic recordings (seed 0) to train, 40 synthetic recordings (seed 0) to test"
VERSIONS = {"python": "3.11.7", "refsast": "0.2.0", "numpy": "2.4.6", "scipy": "1.17.1"}


def scores(smooth: float, hard: float, **more: float) -> dict:
    return {"loss": 0.5, "smooth": smooth, "hard": hard, **more}


def make_run(arm: str, seed: int, last: dict, rho: float = 0.0, evaluations: int = 12) -> dict:
    first = {"epoch": 1, "loss": 2.3, "evaluations": 2, "scores": {**last, "smooth": 0.1}}
    return {
        "arm": arm,
        "seed": seed,
        "retuned": 0.625,
        "data": "d" * 64,
        "held_out": "e" * 64,
        "config": {"rho": rho},
        "evaluations": evaluations,
        "curve": [first, {"epoch": 2, "loss": 0.6, "evaluations": 4, "scores": last}],
        "versions": VERSIONS,
    }


def comparison(
    hard: Mapping[str, list[float]], *, silent: float | None = None, setting=QUICK, **more
) -> dict:
    """A comparison in which smooth accuracy is 0.9 and hard accuracy as given, seed by seed."""
    rhos = [float(arm.removeprefix("SAST, rho ")) for arm in hard if arm.startswith("SAST")]
    settings = {a: s for a, s in comparison_arms(setting, rhos).items() if a in hard}
    extra = {} if silent is None else {"silent": silent, "hard_shared": 0.5, "tied": silent}
    runs = [
        make_run(arm, seed, scores(0.9, value, **extra), settings[arm].rho)
        for arm, values in hard.items()
        for seed, value in enumerate(values)
    ]
    cells = ["3", "12", "90.0 ± 0.0", "63.3 ± 9.0 at chance", "26.7 ± 9.0", "62.5 ± 0.0"]
    rest = ["+23.3 ± 9.0", "-21.7 ± 7.2", "< 0.001", "1 of 3, diverged at step 17"]
    return {
        "verdict": "SAST, rho 0.3: transfer gap 20.3 points, 22.3 ± 8.0 % more than nothing.",
        "recordings": RECORDINGS,
        "seeds": list(range(len(next(iter(hard.values()))))),
        "settings": {arm: encode(s) for arm, s in settings.items()},
        "headings": list(HEADINGS),
        "table": [[arm, *cells, *rest] for arm in hard],
        "runs": runs,
        **more,
    }


def sweep(values: Mapping[str, list], *, seeds: int = 3) -> dict:
    """A sweep over one, two or more fields; no two means of hard accuracy are equal."""
    arms = {"": QUICK}
    for field, choices in values.items():
        arms = {
            f"{name}, {field} {value}".removeprefix(", "): replace(setting, **{field: value})
            for name, setting in arms.items()
            for value in choices
        }
    runs = [
        make_run(arm, seed, scores(0.9, 0.2 + 0.5 * i / len(arms), silent=0.25))
        for i, arm in enumerate(arms)
        for seed in range(seeds)
    ]
    return {
        "recordings": RECORDINGS,
        "seeds": list(range(seeds)),
        "settings": {arm: encode(setting) for arm, setting in arms.items()},
        "headings": list(HEADINGS),
        "table": [[arm, str(seeds), *[""] * (len(HEADINGS) - 2)] for arm in arms],
        "runs": runs,
    }


def diverge(record: dict, arm: str, seed: int, step: int) -> dict:
    """The same record with a run that diverged."""
    runs = [r for r in record["runs"] if (r["arm"], r["seed"]) != (arm, seed)]
    assert len(runs) == len(record["runs"]) - 1
    lost = [*record.get("diverged", ()), {"arm": arm, "seed": seed, "step": step}]
    return {**record, "runs": runs, "diverged": lost}
