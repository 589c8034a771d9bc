"""What trained networks keep on the way to a chip, and in bad weather: a line per run.

``python -m tools.deployment_seeds OUT.csv FOLDER ... --nmnist FOLDER``: accuracy in per cent with
smooth and hard spikes; with thresholds re-tuned by one factor on the training recordings; in
integers of 8 and 4 bits, with leaks k/2^8 and with leaks that are shifts; the means over all
corruptions of `refsast.data.severities`, over each kind and each severity (of real digits, or of
the first synthetic gestures);
thousands of synaptic operations per recording; shares whose class no rounding of the weights
changes. A folder is a run's, or that of a comparison with
all weights kept. `tools.seed_means` makes means over the seeds of it.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

import refsast as rs
from refsast import deploy
from refsast.cli.common import add_recording_flags, load_recordings
from refsast.cli.datasets import recording_stream
from refsast.cli.trained import Trained, read_trained
from refsast.data import (
    CORRUPTIONS,
    DURATION,
    GESTURE_DURATION,
    POOLED,
    SEVERITIES,
    Events,
    Sensor,
    bin_spikes,
    corrupt_recordings,
    pool,
    read_recordings,
    synthetic_gesture_recordings,
)
from refsast.data.synthetic_gestures import PIXELS
from refsast.deploy.survey import survey
from refsast.experiment.calibrate import calibrate, scale_threshold
from refsast.experiment.evaluate import evaluate
from refsast.experiment.record import Data
from tools.table import write_as_measured

FORMATS = {
    "8 bits": deploy.Formats(deploy.WeightFormat(8)),
    "4 bits": deploy.Formats(deploy.WeightFormat(4)),
    "8 bits, leak a shift": deploy.Formats(
        deploy.WeightFormat(8), leaks=deploy.LeakFormat(8, "shift")
    ),
}


CORRUPTED_GESTURES = 220  # of twenty people


def find_runs(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each run."""
    for folder in folders:
        kept = sorted((folder / "runs").glob("*.npz"))
        yield from ((path.stem, path) for path in kept)
        if not kept:
            yield folder.name.removesuffix(".npz"), folder


def corrupt_digits(folder: Path, steps: int) -> Iterator[rs.Spikes]:
    """Yield the test recordings, binned, of all kinds and severities."""
    events = list(read_recordings(folder, "Test"))
    for bad in _corrupt_all(events, Sensor()):
        yield bin_spikes(bad, steps=steps, duration=DURATION)


def corrupt_gestures(data_seed: int, steps: int) -> Iterator[rs.Spikes]:
    """Yield the first synthetic test recordings, pooled and binned, of all kinds and severities."""
    rng = recording_stream(data_seed, 1)
    events, _ = synthetic_gesture_recordings(CORRUPTED_GESTURES, rng)
    size = (PIXELS, PIXELS)
    for bad in _corrupt_all(events, Sensor(size, GESTURE_DURATION)):
        small = [pool(each, PIXELS // POOLED, size=size) for each in bad]
        yield bin_spikes(small, steps=steps, duration=GESTURE_DURATION, size=(POOLED, POOLED))


def _corrupt_all(events: Sequence[Events], sensor: Sensor) -> Iterator[list[Events]]:
    for kind in tqdm(CORRUPTIONS, desc="corruptions"):
        for severity in range(1, SEVERITIES + 1):
            yield list(corrupt_recordings(events, kind, severity, seed=0, sensor=sensor))


def measure(
    name: str, trained: Trained, data: Data, held_out: Data, bad: list[rs.Spikes]
) -> dict[str, object]:
    """Return the line of one run."""
    network, params = trained.network, trained.params
    real = evaluate(network, params, *held_out)
    tuned = scale_threshold(network, calibrate(network, params, *data))
    made = [deploy.to_integers(network, params, formats) for formats in FORMATS.values()]
    found = survey(made, params, *held_out)
    weather = [evaluate(network, params, x, held_out[1][: x.shape[1]]) for x in bad]
    line: dict[str, object] = {"run": name, "smooth": _percent(real.smooth)}
    line |= {"hard": _percent(real.hard), "gap": _percent(real.smooth - real.hard)}
    line["re-tuned"] = _percent(evaluate(tuned, params, *held_out).hard)
    line |= {k: _percent(d.accuracy) for k, d in zip(FORMATS, found.deployed, strict=True)}
    line |= {
        f"{k}, certified": _percent(each.certified)
        for k, each in zip(FORMATS, found.deployed, strict=True)
    }
    if weather:
        line["corrupted, smooth"] = _percent(np.mean([each.smooth for each in weather]))
        hard = np.reshape([each.hard for each in weather], (len(CORRUPTIONS), SEVERITIES))
        line["corrupted, hard"] = _percent(hard.mean())
        line |= {f"hard, {k}": _percent(h) for k, h in zip(CORRUPTIONS, hard.mean(1), strict=True)}
        line |= {f"hard, severity {k + 1}": _percent(h) for k, h in enumerate(hard.mean(0))}
    line["synaptic operations, hard"] = round(found.synaptic / 1e3, 1)
    line["8 bits, synaptic operations"] = round(found.deployed[0].synaptic / 1e3, 1)
    return line


def _percent(share: float | np.floating) -> float:
    return round(100.0 * float(share), 2)


def main() -> None:
    """Measure run by run, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    add_recording_flags(parser)
    args = parser.parse_args()
    runs = list(find_runs(args.runs))
    steps = read_trained(runs[0][1]).steps
    recordings = load_recordings(args, steps)
    bad: list[rs.Spikes] = []
    if args.dataset == "gesture" and args.gesture is None:
        bad = list(corrupt_gestures(args.data_seed, steps))
    elif args.nmnist is not None:
        bad = list(corrupt_digits(args.nmnist, steps))
    rows = (
        measure(name, read_trained(path), recordings.train, recordings.held_out, bad)
        for name, path in runs
    )
    write_as_measured(args.out, rows)


if __name__ == "__main__":
    main()
