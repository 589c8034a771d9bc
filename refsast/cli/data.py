"""``python -m refsast data``: make synthetic recordings, describe a folder of recordings."""

import argparse
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from refsast.cli.common import Commands, bar, natural, positive
from refsast.data import Events, read_events, write_synthetic
from refsast.data.archive import SPLITS
from refsast.data.describe import Description, Spread, describe, read_all
from refsast.experiment.figures import recordings_figure
from refsast.experiment.page import png
from refsast.files import write_whole


def add(commands: Commands) -> None:
    """Add the two commands."""
    parser = commands.add_parser(
        "data",
        help="make synthetic recordings, describe recordings",
        description="Recordings of event cameras, 40 bits per event, as N-MNIST has them.",
    )
    inner = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    make = inner.add_parser("make", help="write synthetic digits, laid out like N-MNIST")
    make.add_argument("folder", type=Path, help="where Train and Test go; not there yet")
    make.add_argument("--train", type=natural, default=700, help="training recordings")
    make.add_argument("--test", type=natural, default=200, help="test recordings")
    make.add_argument("--seed", type=natural, default=0, help="of everything that is drawn")
    make.set_defaults(run=run_make)
    show = inner.add_parser("describe", help="print the figures of recordings, draw a picture")
    show.add_argument("folder", type=Path, help="with Train and Test, their zips, or .bin files")
    show.add_argument(
        "--split", default="Train", choices=SPLITS, help="which part (default: Train)"
    )
    show.add_argument("--size", type=positive, default=34, help="width and height, in pixels")
    show.add_argument("--steps", type=positive, default=20, help="time steps, for the density")
    show.add_argument("--duration", type=positive, default=300_000, help="of all steps, in us")
    show.add_argument("--picture", type=Path, metavar="PNG", help="draw the recordings here")
    show.set_defaults(run=run_describe)


def run_make(args: argparse.Namespace) -> int:
    """Write the recordings."""
    if not args.train and not args.test:
        raise ValueError("train and test must not both be 0, got nothing to make")
    for split in SPLITS:
        if (args.folder / split).exists():
            raise ValueError(f"folder must not hold {split} yet, got {args.folder}")
    streams = np.random.default_rng(args.seed).spawn(2)
    for split, n, rng in zip(SPLITS, (args.train, args.test), streams, strict=True):
        if n:
            write_synthetic(args.folder, split, n, rng, progress=partial(bar, desc=split))
            print(f"{n} recordings in {args.folder / split}")
    return 0


def run_describe(args: argparse.Namespace) -> int:
    """Print the figures, and draw."""
    size = (args.size, args.size)
    recordings = list(bar(_recordings(args.folder, args.split, size), desc="reading", leave=False))
    figures = describe(recordings, steps=args.steps, duration=args.duration, size=size)
    print(_table(figures, args.steps))
    if args.picture is not None:
        write_whole(args.picture, png(recordings_figure(figures, recordings[:10], size)))
        print(f"picture: {args.picture}")
    return 0


def _recordings(folder: Path, split: str, size: tuple[int, int]) -> Iterable[Events]:
    """The recordings of a split, or of a plain folder of files."""
    plain = sorted(folder.glob("*.bin")) if folder.is_dir() else []
    if plain:
        return (read_events(path, size=size) for path in plain)
    return read_all(folder, split)


def _table(d: Description, steps: int) -> str:
    """The figures as lines of text."""
    lines = {
        "recordings": f"{d.recordings}",
        "events per recording": _spread(d.events, "{:,.0f}"),
        "share of ON events": _spread(d.on_share, "{:.3f}"),
        "last event (ms)": _spread(d.last, "{:,.0f}", 1e-3),
        "active pixels": _spread(d.active, "{:,.0f}"),
        f"cells set at {steps} steps": _spread(d.density, "{:.4f}"),
        "events after the last step": f"{d.dropped:,}",
        "columns, rows with 98 %": "{}..{}, {}..{}".format(*d.extent),
    }
    head = "".ljust(28) + "least .. 5 % .. median .. 95 % .. most"
    return "\n".join([head, *(f"{name.ljust(28)}{value}" for name, value in lines.items())])


def _spread(s: Spread, form: str, unit: float = 1.0) -> str:
    """The five points of a distribution."""
    return " .. ".join(form.format(unit * v) for v in (s.least, s.low, s.median, s.high, s.most))
