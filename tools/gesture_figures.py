"""The figures of synthetic gestures beside those of ten real ones, for docs/data.md.

    python -m tools.gesture_figures SAMPLE [--people N] [--run FOLDER ...] [--picture FILE]

SAMPLE holds ``recording-1.bin`` to ``recording-10.bin``: 40-bit events of the DVS128, class by
class. A simulated sensor has a quarter of its pixels, so events are compared with those of every
second row and column. With ``--run``, what networks that were trained on synthetic ones alone read
of the ten; nothing is chosen by that. The picture is of synthetic ones, a column per gesture.
"""

import argparse
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import refsast as rs
from refsast.cli.trained import Trained, read_trained
from refsast.data import DVS128, GESTURE_DURATION, GESTURES, POOLED, Events, pool
from refsast.data.events import cut_window
from refsast.data.person import draw_person
from refsast.data.synthetic_gestures import PIXELS, synthetic_gesture
from refsast.experiment.html_document import encode_png
from refsast.files import write_atomic

STEPS, PARTS = 10, 3
COLOURS = np.array([(247, 247, 247), (33, 102, 172), (178, 24, 43), (54, 18, 84)], np.uint8)
WINDOWS = 2  # of each recording, of 1.45 s
NAMES = (
    "events per second, thousands",
    "share of ON events",
    "mean of x",
    "mean of y",
    "standard deviation of x",
    "standard deviation of y",
    "cells set, 10 steps",
)


def main() -> None:
    """Print a line per gesture and figure, then what networks read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sample", type=Path)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--run", type=Path, nargs="*", default=[])
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    if args.picture:
        write_atomic(args.picture, encode_png(_draw_gestures(), dpi=80))
    paths = [args.sample / f"recording-{k}.bin" for k in range(1, 11)]
    whole = [rs.read_events(path, size=DVS128) for path in paths]
    real = [[_window(events, k) for events in whole] for k in range(WINDOWS)]
    if args.people:
        _print_figures(real, args.people)
    for folder in args.run:
        for k, windows in enumerate(real):
            _print_answers(f"{folder}, window {k + 1}", read_trained(folder), windows)


def _draw_gestures() -> Figure:
    """One person's gestures, a column each, in successive parts: ON red, OFF blue, both dark."""
    rng = np.random.default_rng(0)
    person = draw_person(rng)
    figure, axes = plt.subplots(PARTS, len(GESTURES), figsize=(10.0, 3.2), layout="constrained")
    for name, column, child in zip(GESTURES, axes.T, rng.spawn(len(GESTURES)), strict=True):
        events = synthetic_gesture(name, child, person=person)
        x = rs.bin_events(events, steps=PARTS, duration=GESTURE_DURATION, size=(PIXELS, PIXELS))
        for ax, (off, on) in zip(column, x.reshape(PARTS, 2, PIXELS, PIXELS), strict=True):
            ax.imshow(COLOURS[off.astype(int) + 2 * on.astype(int)], interpolation="none")
            ax.set(xticks=[], yticks=[])
        column[0].set_title("\n".join(textwrap.wrap(name, 12)), fontsize=8)
    return figure


def _print_figures(real: list[list[Events]], people: int) -> None:
    """The table: each real recording beside the median and 90 % of the synthetic ones."""
    made: dict[str, list[tuple[float, ...]]] = {name: [] for name in GESTURES}
    for rng in np.random.default_rng(12345).spawn(people):
        person = draw_person(rng)
        for name, child in zip(GESTURES, rng.spawn(len(GESTURES)), strict=True):
            made[name].append(_figures(synthetic_gesture(name, child, person=person), PIXELS))
    rows = [[_figures(windows[k], DVS128[0]) for windows in real] for k in range(10)]
    synthetic = [row for name in GESTURES[:10] for row in made[name]]
    _print_table("all but the eleventh", [row for each in rows for row in each], synthetic)
    for name, each in zip(GESTURES, rows, strict=False):
        _print_table(name, each, made[name])


def _print_table(title: str, real: list, made: list) -> None:
    print(f"\n{title}")
    ours = np.percentile(np.array(made), (5, 50, 95), axis=0).T
    theirs = np.percentile(np.array(real), (0, 50, 100), axis=0).T
    for name, (low, middle, high), (least, median, most) in zip(NAMES, ours, theirs, strict=True):
        real_words = f"{median:.4g} ({least:.4g}, {most:.4g})"
        print(f"| {name} | {real_words} | {middle:.4g} ({low:.4g}, {high:.4g}) |")


def _window(events: Events, k: int) -> Events:
    """Window k of a recording."""
    return cut_window(events, k * GESTURE_DURATION, (k + 1) * GESTURE_DURATION)


def _figures(events: Events, side: int) -> tuple[float, ...]:
    """The figures of one recording; lengths in pixels of the DVS128."""
    stride, scale = side // PIXELS, DVS128[0] / side
    kept = (events.x % stride == 0) & (events.y % stride == 0)
    small = pool(events, side // POOLED, size=(side, side))
    binned = rs.bin_events(small, steps=STEPS, duration=GESTURE_DURATION, size=(POOLED, POOLED))
    x, y = scale * events.x, scale * events.y
    rate = 1e3 * kept.sum() / GESTURE_DURATION
    return rate, events.p.mean(), x.mean(), y.mean(), x.std(), y.std(), binned.mean()


def _print_answers(name: str, run: Trained, real: list[Events]) -> None:
    """How many of the ten a run's network reads, and what it takes each for."""
    small = [pool(events, DVS128[0] // POOLED) for events in real]
    size = (POOLED, POOLED)
    x = rs.bin_spikes(small, steps=run.steps, duration=GESTURE_DURATION, size=size).dense()
    for kind, spike in (("smooth", None), ("hard", rs.heaviside)):
        found = rs.run(run.network, run.params, x.astype(np.float64), spike=spike)
        answers = found.logits.argmax(1)
        right = int((answers == np.arange(10)).sum())
        print(f"{name}: {kind} spikes read {right} of 10: {(answers + 1).tolist()}")


if __name__ == "__main__":
    main()
