"""The blind comparison of docs/transfer_gap.md, stage by stage, as its protocol says.

    python -m tools.transfer_gap FOLDER --jobs 2 [--nmnist PATH]

Every finished run is one line of ``FOLDER/runs.jsonl``; started again, it goes on from there. The
stages: choose (validation), test, map, and real where recordings are given. The test recordings are
not read before every choice is made.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from refsast.arrays import Integers
from refsast.data import load_nmnist_spikes, split_dataset, synthetic_spikes
from refsast.experiment.calibrate import calibrate, calibrate_layers, scale_threshold
from refsast.experiment.compare import initialise
from refsast.experiment.evaluate import evaluate
from refsast.experiment.presets import PRESETS, Setting
from refsast.experiment.record import Data
from refsast.experiment.train import train
from refsast.spikes import Spikes, join_spikes
from tools.table import write_table

DATA_SEED, TRAIN, TEST = 2026, 4000, 2000
CHOICE_SEEDS, TEST_SEEDS = (0, 1), tuple(range(100, 110))
MAP_SEEDS, REAL_SEEDS = (200, 201, 202), tuple(range(100, 105))
SAST = PRESETS["paper"]
SHORT = replace(SAST, rho=0.0)  # half of SAST's gradients: the paper's comparison
PLAIN = replace(SHORT, epochs=2 * SAST.epochs)  # as many gradients as SAST
BASELINE, LONGER = "baseline, half the budget", "baseline"
FIXED = {
    BASELINE: SHORT,
    LONGER: PLAIN,
    **{f"SAST, rho {rho}": replace(SAST, rho=rho) for rho in (0.1, 0.3, 0.5)},
    "gain 10": replace(PLAIN, gain=10.0),
}
RANDOM = replace(SAST, ascent="random", epochs=PLAIN.epochs)  # one gradient per step
CANDIDATES: Mapping[str, Mapping[float, Setting]] = {
    "SAST": {rho: replace(SAST, rho=rho) for rho in (0.1, 0.3, 0.5)},
    "slope rising": {end: replace(PLAIN, slope_end=end) for end in (4.0, 8.0, 16.0)},
    "learning rate": {rate: replace(PLAIN, learning_rate=rate) for rate in (4e-3, 8e-3, 16e-3)},
    "weight decay": {decay: replace(PLAIN, weight_decay=decay) for decay in (0.01, 0.1, 1.0)},
    "random direction": {rho: replace(RANDOM, rho=rho) for rho in (0.3, 1.0, 3.0)},
    "ASAM": {rho: replace(SAST, ascent="adaptive", rho=rho) for rho in (0.5, 1.0, 2.0)},
    "one minibatch": {rho: replace(SAST, shared=True, rho=rho) for rho in (0.1, 0.3, 0.5)},
    "m-sharpness": {m: replace(SAST, ascent_batch=m) for m in (8, 16)},
}
MAP = {
    f"{gain}/{rho}": replace(SAST, gain=float(gain), rho=rho)
    for gain in (10, 30, 100, 150, 200)
    for rho in (0.0, 0.1, 0.2, 0.3, 0.5)
}


def main() -> int:
    """Run all stages."""
    parser = argparse.ArgumentParser(description="The blind comparison of docs/transfer_gap.md.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--nmnist", type=Path, help="folder with Train and Test")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    lines = args.folder / "runs.jsonl"

    choice = {
        f"{control} {value:g}": setting
        for control, settings in CANDIDATES.items()
        for value, setting in settings.items()
    }
    run_stage(lines, "choose", choice, CHOICE_SEEDS, lambda: split(synthetic(0)), args.jobs)
    chosen = {name: choose(lines, name) for name in CANDIDATES}
    print(json.dumps(chosen), flush=True)
    controls = {
        f"{name} {value:g}": CANDIDATES[name][value]
        for name, value in chosen.items()
        if name != "SAST"
    }
    arms = {**FIXED, **controls}
    run_stage(lines, "test", arms, TEST_SEEDS, lambda: (synthetic(0), synthetic(1)), args.jobs)
    if args.nmnist is not None:
        best = f"SAST, rho {chosen['SAST']:g}"
        real = {name: FIXED[name] for name in (BASELINE, LONGER, best, "gain 10")}
        run_stage(lines, "real", real, REAL_SEEDS, lambda: recordings(args.nmnist), args.jobs)
    run_stage(lines, "map", MAP, MAP_SEEDS, lambda: (synthetic(0), synthetic(1)), args.jobs)
    write_csv(lines, args.folder / "runs.csv")
    return 0


def run_stage(
    lines: Path,
    stage: str,
    arms: Mapping[str, Setting],
    seeds: tuple[int, ...],
    load: Callable[[], tuple[Data, Data]],
    jobs: int,
) -> None:
    """Train every arm with every seed, but for what is done; a line each."""
    done = {(line["arm"], line["seed"]) for line in read_lines(lines, stage)}
    left = [(arm, seed) for seed in seeds for arm in arms if (arm, seed) not in done]
    if not left:
        return
    data, held_out = load()
    run_all = Parallel(n_jobs=jobs, return_as="generator_unordered")
    results = run_all(
        delayed(run_one)(stage, arm, arms[arm], seed, data, held_out) for arm, seed in left
    )
    for result in tqdm(results, desc=stage, total=len(left)):
        with lines.open("a") as file:
            file.write(json.dumps(result) + "\n")


def run_one(
    stage: str, arm: str, setting: Setting, seed: int, data: Data, held_out: Data
) -> dict[str, object]:
    """One run: its scores after the last epoch, and with re-tuned thresholds for the main arms."""
    line: dict[str, object] = {"stage": stage, "arm": arm, "seed": seed}
    network, params, order = initialise(setting, np.shape(data[0])[2], seed)
    try:
        run = train(network, params, data, setting.config, rng=order)
    except ValueError as error:
        return {**line, "diverged": str(error)}
    line |= {"evaluations": run.curve[-1].evaluations}
    line |= asdict(evaluate(run.network, run.params, *held_out))
    if stage in ("test", "real") and arm.startswith(("baseline", "SAST")):
        for name, search in (("retuned", calibrate), ("retuned_layers", calibrate_layers)):
            factors = search(run.network, run.params, *data)
            network = scale_threshold(run.network, factors)
            line[name] = evaluate(network, run.params, *held_out).hard
            line[name + "_factors"] = factors
    return line


def choose(lines: Path, control: str) -> float:
    """The value of a control with the best mean hard accuracy on validation."""
    scores = {
        value: [
            line.get("hard", 0.0)
            for line in read_lines(lines, "choose")
            if line["arm"] == f"{control} {value:g}"
        ]
        for value in CANDIDATES[control]
    }
    return max(scores, key=lambda value: np.mean(scores[value]))


def read_lines(lines: Path, stage: str) -> Iterator[dict]:
    """The finished runs of a stage."""
    if lines.exists():
        every = map(json.loads, lines.read_text().splitlines())
        yield from (line for line in every if line["stage"] == stage)


@cache
def synthetic(part: int) -> tuple[Spikes, Integers]:
    """Training recordings (part 0) or test recordings (part 1), from streams of their own."""
    rng = np.random.default_rng(DATA_SEED).spawn(2)[part]
    return synthetic_spikes((TRAIN, TEST)[part], rng, steps=SAST.steps)


def split(data: Data) -> tuple[Data, Data]:
    """Three quarters to train, a quarter to validate."""
    return split_dataset(*data, fraction=0.75, rng=np.random.default_rng(DATA_SEED))


def recordings(root: Path) -> tuple[Data, Data]:
    """Synthetic and real recordings to train, real ones to test."""
    x, y = synthetic(0)
    more, labels = load_nmnist_spikes(root, "Train", steps=SAST.steps)
    train_data = join_spikes([x, more]), np.concatenate([y, labels])
    return train_data, load_nmnist_spikes(root, "Test", steps=SAST.steps)


def write_csv(lines: Path, path: Path) -> None:
    """All runs as one table."""
    rows = [
        line for stage in ("choose", "test", "real", "map") for line in read_lines(lines, stage)
    ]
    write_table(path, rows)


if __name__ == "__main__":
    raise SystemExit(main())
