"""``python -m refsast corrupt``: what a trained network reads of corrupted recordings."""

import argparse
from pathlib import Path

import numpy as np

from refsast import __version__
from refsast.arrays import Integers
from refsast.cli.argument_types import file_path, natural, positive
from refsast.cli.common import Commands
from refsast.cli.datasets import recording_stream
from refsast.cli.progress import progress_bar
from refsast.cli.trained import Trained, add_trained_argument, choose_folder, read_trained
from refsast.data import CORRUPTIONS, SIZE, Events, read_recordings, synthetic_recordings
from refsast.data.archive import SPLITS, open_archive
from refsast.experiment.weather.measure import Robustness, measure_robustness
from refsast.experiment.weather.page import PAGE, RECORD, format_robustness, write_robustness
from refsast.files import require_writable

INPUTS = 2 * SIZE[0] * SIZE[1]


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "corrupt",
        help="say what a trained network reads of corrupted recordings",
        description="Run a trained network on recordings with events lost, added or late, dead and "
        "hot pixels, flipped polarity and so on, in five severities, and write what it still "
        f"reads: {RECORD}, figures and a page, {PAGE}.",
    )
    add_trained_argument(parser)
    parser.add_argument(
        "--against",
        type=file_path,
        metavar="FOLDER",
        help="another run, such as the baseline, to whose errors these are related",
    )
    parser.add_argument(
        "--kinds",
        metavar="NAME,NAME",
        help=f"which (default: all): {', '.join(CORRUPTIONS)}",
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="default: 0")
    group = parser.add_argument_group(
        "recordings", "Synthetic digits, made on the spot, or N-MNIST's test recordings."
    )
    group.add_argument("--nmnist", type=Path, metavar="PATH", help="folder with Test, or Test.zip")
    group.add_argument(
        "--test", type=positive, metavar="N", help="synthetic test recordings (default: 200)"
    )
    group.add_argument(
        "--data-seed",
        type=natural,
        default=0,
        metavar="N",
        help="seed of the synthetic recordings, as for train (default: 0)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, corrupt, run, write, and print."""
    out = args.out or choose_folder(args.trained)
    require_writable(out / PAGE)
    kinds = tuple(CORRUPTIONS) if args.kinds is None else tuple(args.kinds.split(","))
    unknown = [kind for kind in kinds if kind not in CORRUPTIONS]
    if unknown:
        raise ValueError(f"--kinds must be of {', '.join(CORRUPTIONS)}, got {', '.join(unknown)}")
    if args.nmnist is not None and args.test is not None:
        raise ValueError(f"--test must be given without --nmnist, got {args.test}")
    paths = [args.trained] + ([] if args.against is None else [args.against])
    networks = [read_trained(path) for path in paths]
    for path, trained in zip(paths, networks, strict=True):
        if trained.network.sizes[0] != INPUTS:
            got = f"{trained.network.sizes[0]} in {path}"
            raise ValueError(f"network must have N-MNIST's {INPUTS} inputs, got {got}")
    events, y, description = _load(args)
    found, *others = [_measure(trained, events, y, kinds, args.seed) for trained in networks]
    other = others[0] if others else None
    facts = {
        "recordings": description,
        "seed of the corruptions": args.seed,
        "network": str(args.trained),
        "other run": None if args.against is None else str(args.against),
        "run by": f"refsast {__version__}",
    }
    page = write_robustness(out, found, other, events[0], facts, args.seed)
    print(f"{description}\n\n{format_robustness(found, other)}\n\npage: {page}")
    return 0


def _measure(
    trained: Trained, events: list[Events], y: Integers, kinds: tuple[str, ...], seed: int
) -> Robustness:
    with progress_bar(desc="corruptions", total=len(kinds), unit=" kinds") as bar:
        return measure_robustness(
            trained.network, trained.params, events, y,
            steps=trained.steps, seed=seed, kinds=kinds, watch=bar.update,
        )  # fmt: skip


def _load(args: argparse.Namespace) -> tuple[list[Events], Integers, str]:
    """The test recordings as events, their labels, and what they are."""
    if args.nmnist is None:
        n = args.test or 200
        events, y = synthetic_recordings(n, recording_stream(args.data_seed, 1))
        return events, y, f"{n} synthetic recordings (seed {args.data_seed})"
    with open_archive(args.nmnist, SPLITS[1]) as archive:
        y = np.array([recording.digit for recording in archive.recordings], np.int64)
    events = list(read_recordings(args.nmnist, SPLITS[1]))
    return events, y, f"{len(y)} N-MNIST recordings"
