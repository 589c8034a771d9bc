"""``python -m refsast data``: make synthetic recordings; bin or describe recordings."""

import argparse
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from refsast.cli.argument_types import file_path, natural, positive
from refsast.cli.common import Commands
from refsast.cli.progress import progress_bar
from refsast.data import (
    DURATION,
    STEPS,
    Events,
    load_nmnist_spikes,
    read_events,
    synthetic_spikes,
    write_synthetic,
)
from refsast.data.archive import SPLITS
from refsast.data.describe import Description, Spread, describe, read_recordings
from refsast.experiment.figures import recordings_figure
from refsast.experiment.html_document import encode_png
from refsast.files import write_atomic
from refsast.spikes import Spikes

Part = tuple[str, int, np.random.Generator]


def add(commands: Commands) -> None:
    """Add the three commands."""
    parser = commands.add_parser(
        "data",
        help="make synthetic recordings, bin recordings, describe recordings",
        description="Recordings of event cameras, 40 bits per event, as N-MNIST has them.",
    )
    inner = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    make = inner.add_parser("make", help="write synthetic digits, laid out like N-MNIST")
    make.add_argument("folder", type=file_path, help="where Train and Test go; not there yet")
    make.add_argument("--train", type=natural, default=700, help="training recordings")
    make.add_argument("--test", type=natural, default=200, help="test recordings")
    make.add_argument("--seed", type=natural, default=0, help="of everything that is drawn")
    make.add_argument(
        "--spikes",
        type=positive,
        nargs="?",
        const=STEPS,
        metavar="STEPS",
        help="write no events, but one file per part, binned to so many steps of 300 ms together "
        f"({STEPS}), which synthetic_spikes(..., cache=FOLDER) maps",
    )
    make.add_argument("--jobs", type=positive, help="processes for --spikes (default: all cores)")
    make.set_defaults(run=run_make)
    cache = inner.add_parser("cache", help="bin recordings into one file that is mapped, not read")
    _add_split(cache, "with Train and Test, or their zips", "time steps (default: 20)")
    cache.add_argument(
        "--out", type=file_path, required=True, metavar="CACHE", help="folder of the file"
    )
    cache.add_argument("--per-class", type=positive, help="of each digit (default: all)")
    cache.add_argument("--jobs", type=positive, help="threads (default: all cores)")
    cache.set_defaults(run=run_cache)
    show = inner.add_parser("describe", help="print the figures of recordings, draw a picture")
    _add_split(
        show, "with Train and Test, their zips, or .bin files", "time steps, for the density"
    )
    show.add_argument("--size", type=positive, default=34, help="width and height, in pixels")
    show.add_argument("--picture", type=file_path, metavar="PNG", help="draw the recordings here")
    show.set_defaults(run=run_describe)


def _add_split(parser: argparse.ArgumentParser, folder: str, steps: str) -> None:
    """Add the flags that name recordings and how they are binned."""
    parser.add_argument("folder", type=file_path, help=folder)
    parser.add_argument(
        "--split", default="Train", choices=SPLITS, help="which part (default: Train)"
    )
    parser.add_argument("--steps", type=positive, default=STEPS, help=steps)
    parser.add_argument("--duration", type=positive, default=DURATION, help="of all steps, in us")


def run_make(args: argparse.Namespace) -> int:
    """Make the recordings, as files of events or of spikes."""
    if not args.train and not args.test:
        raise ValueError("train and test must not both be 0, got nothing to make")
    if args.jobs is not None and args.spikes is None:
        raise ValueError(f"--jobs must come with --spikes, got {args.jobs} alone")
    streams = np.random.default_rng(args.seed).spawn(2)
    parts = zip(SPLITS, (args.train, args.test), streams, strict=True)
    make = _make_files if args.spikes is None else _make_spikes
    make(args, [part for part in parts if part[1]])
    return 0


def run_cache(args: argparse.Namespace) -> int:
    """Bin the recordings of a split into a file."""
    start = perf_counter()
    spikes, _ = load_nmnist_spikes(
        args.folder,
        args.split,
        steps=args.steps,
        duration=args.duration,
        per_class=args.per_class,
        cache=args.out,
        jobs=args.jobs,
        progress=partial(
            progress_bar, desc=f"binning {args.split}", unit=" recordings", leave=False
        ),
    )
    print(_describe_file(spikes, perf_counter() - start))
    return 0


def _make_files(args: argparse.Namespace, parts: list[Part]) -> None:
    """Write the recordings, laid out like N-MNIST."""
    for split in SPLITS:
        if (args.folder / split).exists():
            raise ValueError(f"folder must not hold {split} yet, got {args.folder}")
    for split, n, rng in parts:
        write_synthetic(args.folder, split, n, rng, progress=partial(progress_bar, desc=split))
        print(f"{n} recordings in {args.folder / split}")


def _make_spikes(args: argparse.Namespace, parts: list[Part]) -> None:
    """Write the recordings binned, a file for each part."""
    for split, n, rng in parts:
        start = perf_counter()
        spikes, _ = synthetic_spikes(
            n,
            rng,
            steps=args.spikes,
            cache=args.folder,
            jobs=args.jobs,
            progress=partial(progress_bar, desc=split, unit=" recordings", leave=False),
        )
        print(f"{split}: {_describe_file(spikes, perf_counter() - start)}")


def _describe_file(spikes: Spikes, seconds: float) -> str:
    """What is in the file, how large it is and how long it took."""
    n, path = spikes.shape[1], getattr(spikes.index, "filename", None)
    megabytes = 1e-6 * (spikes.index.nbytes + spikes.starts.nbytes)
    return (
        f"{n:,} recordings, {spikes.steps} steps, {100 * spikes.density:.1f} % ones, "
        f"{megabytes:,.1f} MB, {n / seconds:,.0f} recordings per second: {path}"
    )


def run_describe(args: argparse.Namespace) -> int:
    """Print the figures, and draw."""
    size = (args.size, args.size)
    recordings = list(
        progress_bar(_read_folder(args.folder, args.split, size), desc="reading", leave=False)
    )
    figures = describe(recordings, steps=args.steps, duration=args.duration, size=size)
    print(_format_description(figures, args.steps))
    if args.picture is not None:
        write_atomic(args.picture, encode_png(recordings_figure(figures, recordings[:10], size)))
        print(f"picture: {args.picture}")
    return 0


def _read_folder(folder: Path, split: str, size: tuple[int, int]) -> Iterable[Events]:
    """The recordings of a split, or of a plain folder of files."""
    plain = sorted(folder.glob("*.bin")) if folder.is_dir() else []
    if plain:
        return (read_events(path, size=size) for path in plain)
    return read_recordings(folder, split)


def _format_description(d: Description, steps: int) -> str:
    """The figures as lines of text."""
    lines = {
        "recordings": f"{d.recordings}",
        "events per recording": _format_spread(d.events, "{:,.0f}"),
        "share of ON events": _format_spread(d.on_share, "{:.3f}"),
        "last event (ms)": _format_spread(d.last, "{:,.0f}", 1e-3),
        "active pixels": _format_spread(d.active, "{:,.0f}"),
        f"cells set at {steps} steps": _format_spread(d.density, "{:.4f}"),
        "events after the last step": f"{d.dropped:,}",
        "columns, rows with 98 %": "{}..{}, {}..{}".format(*d.extent),
    }
    head = "".ljust(28) + "least .. 5 % .. median .. 95 % .. most"
    return "\n".join([head, *(f"{name.ljust(28)}{value}" for name, value in lines.items())])


def _format_spread(s: Spread, form: str, unit: float = 1.0) -> str:
    """The five points of a distribution."""
    return " .. ".join(form.format(unit * v) for v in (s.least, s.low, s.median, s.high, s.most))
