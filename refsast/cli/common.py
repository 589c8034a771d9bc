"""What several commands share: the parser, settings from flags, recordings from a folder."""

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from refsast.cli.argument_types import (
    cap,
    count,
    file_path,
    layers,
    natural,
    positive,
    reset,
    switch,
)
from refsast.cli.datasets import (
    DATASETS,
    Dataset,
    Labelled,
    choose_dataset,
    join,
    load_real,
    make_synthetic,
)
from refsast.experiment.presets import PRESETS, Setting
from refsast.experiment.record import Data
from refsast.experiment.setting_parts import Hidden
from refsast.model.reset import RESETS, Reset

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


# How a field of a setting is read from the command line, and what stands for it there, by its type.
TYPES: dict[object, tuple[Callable[[str], object], str]] = {
    str: (str, "NAME"),
    int: (positive, "N"),
    float: (float, "X"),
    bool: (switch, "yes|no"),
    float | None: (cap, "X|none"),
    int | None: (count, "N|none"),
    tuple[Hidden, ...]: (layers, "N,N"),
    Reset: (reset, "|".join(RESETS)),
}
SETTING_FIELDS = {f.name: TYPES[f.type] for f in fields(Setting) if f.name != "source"}


def _field_descriptions() -> dict[str, str]:
    """What the docstring of `Setting` says of each field; empty where Python strips docstrings."""
    entry = r"^ {4}(\w.*) : .*\n((?: {8}.*\n)+)"
    entries = re.findall(entry, Setting.__doc__ or "", flags=re.M)
    return {names: " ".join(text.split()).replace("`", "") for names, text in entries}


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--preset`` and one flag per field of a setting."""
    group = parser.add_argument_group("setting", "A preset, of which any number can be replaced.")
    group.add_argument(
        "--preset", default="deep", help=f"one of {', '.join(PRESETS)} (default: deep)"
    )
    descriptions = _field_descriptions()
    for name, (parse, metavar) in SETTING_FIELDS.items():
        flag = f"--{name.replace('_', '-')}"
        group.add_argument(flag, type=parse, metavar=metavar, help=descriptions.get(name))


def read_setting(args: argparse.Namespace) -> Setting:
    """Return the preset with the given flags in place of its numbers."""
    if args.preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {args.preset!r}")
    values = {"classes": choose_dataset(args).classes}
    values |= {name: value for name in SETTING_FIELDS if (value := getattr(args, name)) is not None}
    return replace(PRESETS[args.preset], **values)


def add_out_flag(group: argparse._ActionsContainer, out: str) -> None:
    """Add ``--out``, which has a default."""
    group.add_argument(
        "--out", type=file_path, default=Path(out), metavar="FOLDER", help=f"default: {out}"
    )


def add_run_flags(parser: argparse.ArgumentParser, out: str) -> None:
    """Add the flags of a command that trains many times."""
    group = parser.add_argument_group("runs", "How often, how many at a time, and where it goes.")
    add_out_flag(group, out)
    for flag, parse, default, text in (
        ("--seeds", positive, 3, "how many seeds"),
        ("--first-seed", natural, 0, "the first seed"),
        ("--jobs", positive, 2, "runs at a time (default: 2)"),
    ):
        group.add_argument(flag, type=parse, default=default, metavar="N", help=text)
    text = "run on the Dask cluster with this scheduler, such as tcp://host:8786, not on --jobs"
    group.add_argument("--scheduler", metavar="ADDRESS", help=text)


def read_seeds(args: argparse.Namespace) -> range:
    """Return the seeds that the flags ask for."""
    return range(args.first_seed, args.first_seed + args.seeds)


def add_recording_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which recordings to use."""
    group = parser.add_argument_group(
        "recordings",
        "Synthetic digits or gestures, made on the spot; or N-MNIST recordings from a folder or "
        "its zips, or DVS128 Gesture from its archive.",
    )
    group.add_argument(
        "--dataset",
        choices=DATASETS,
        help="what is seen (default: gesture with --gesture, else digits)",
    )
    for flag, parse, metavar, text in (
        ("--nmnist", Path, "PATH", "folder with Train and Test (folders or zips)"),
        ("--gesture", Path, "PATH", "DvsGesture.tar.gz, or its folder"),
        ("--train", positive, "N", "synthetic training recordings (default: 700)"),
        ("--test", positive, "N", "synthetic test recordings (default: 200)"),
        ("--per-class", positive, "N", "at most the first N training recordings of each class"),
        (
            "--validation",
            float,
            "SHARE",
            "measure on this share of the training recordings (of gestures, of the people in them) "
            "instead of the test recordings",
        ),
        ("--cache", Path, "FOLDER", "keep binned recordings here, and map them"),
    ):
        group.add_argument(flag, type=parse, metavar=metavar, help=text)
    group.add_argument(
        "--add-synthetic",
        type=positive,
        metavar="N",
        help="with --nmnist or --gesture: train on N synthetic recordings beside the real ones",
    )
    group.add_argument(
        "--synthetic-train",
        action="store_true",
        help="with --nmnist or --gesture: train on synthetic recordings, measure on the real test "
        "recordings",
    )
    group.add_argument(
        "--data-seed",
        type=natural,
        default=0,
        metavar="N",
        help="seed of the synthetic recordings and of the validation split (default: 0)",
    )


@dataclass(frozen=True, eq=False)
class Recordings:
    """Training and held-out recordings, and what they are."""

    train: Data
    held_out: Data
    description: str


def load_recordings(args: argparse.Namespace, steps: int) -> Recordings:
    """Load or make the recordings that the flags ask for."""
    dataset = choose_dataset(args)
    _refuse_idle_flags(dataset, args)
    train = _load_train(dataset, args, steps)
    if args.validation is None:
        test = _load_test(dataset, args, steps)
        words = f"{train.words} to train, {test.words} to test"
        return Recordings(train.data, test.data, words)
    kept, held_out = _split(dataset, train, args)
    counts = f"{kept[1].size} to train, {held_out[1].size} to validate, no test recordings"
    return Recordings(kept, held_out, f"{train.words} split: {counts}")


def _load_train(dataset: Dataset, args: argparse.Namespace, steps: int) -> Labelled:
    """The training recordings, real ones first."""
    if getattr(args, dataset.flag) is None or args.synthetic_train:
        return make_synthetic(dataset, args, 0, steps)
    real = load_real(dataset, args, 0, steps)
    if args.add_synthetic is None:
        return real
    return join(real, make_synthetic(dataset, args, 0, steps, args.add_synthetic))


def _split(dataset: Dataset, train: Labelled, args: argparse.Namespace) -> tuple[Data, Data]:
    """The training recordings without those to validate on, and these."""
    share = args.validation
    if not 0.0 < share < 1.0:
        raise ValueError(f"--validation must lie in (0, 1), got {share}")
    rng = np.random.default_rng(args.data_seed)
    wanted = f"--validation must leave recordings of every class in both parts, got {share}"
    try:
        parts = dataset.split(train.x, train.y, train.people, fraction=1.0 - share, rng=rng)
    except ValueError as error:
        raise ValueError(f"{wanted} of {train.y.size}") from error
    if len({np.unique(y).tobytes() for _, y in (train.data, *parts)}) > 1:
        raise ValueError(f"{wanted} of {train.y.size}")
    return parts


def load_held_out(args: argparse.Namespace, steps: int) -> tuple[Data, str]:
    """Load or make only what `load_recordings` holds out, and say what it is."""
    if args.validation is not None:  # a part of the training recordings
        recordings = load_recordings(args, steps)
        return recordings.held_out, recordings.description
    dataset = choose_dataset(args)
    _refuse_idle_flags(dataset, args)
    test = _load_test(dataset, args, steps)
    return test.data, test.words


def _load_test(dataset: Dataset, args: argparse.Namespace, steps: int) -> Labelled:
    """The test recordings."""
    synthetic = getattr(args, dataset.flag) is None
    return (make_synthetic if synthetic else load_real)(dataset, args, 1, steps)


def _refuse_idle_flags(dataset: Dataset, args: argparse.Namespace) -> None:
    """Say so where a flag would do nothing."""
    synthetic = getattr(args, dataset.flag) is None
    idle = ("per_class", "synthetic_train", "add_synthetic")
    if not synthetic:
        idle = ("test",) if args.synthetic_train else ("train", "test")
    for name in idle:
        if getattr(args, name):
            when, got = ("with", "alone") if synthetic else ("without", "too")
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{flag} must come {when} --{dataset.flag}, got it {got}")
    if args.add_synthetic and args.synthetic_train:
        raise ValueError("--add-synthetic must come without --synthetic-train, got both")
