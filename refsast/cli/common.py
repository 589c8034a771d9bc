"""What several commands share: settings from flags, recordings from a folder, progress."""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from tqdm import tqdm

from refsast.data import load_nmnist_spikes, split_dataset, synthetic_spikes
from refsast.data.archive import SPLITS
from refsast.experiment.presets import PRESETS, SCHEDULES, Setting
from refsast.experiment.record import Data
from refsast.model import NoReset, Subtract, ToZero
from refsast.model.reset import Reset

PARALLEL_MINIMUM = 2000  # synthetic recordings, from which on more processes are worth their start
MAX_COUNT = 10**7  # of any count on the command line: what is larger is a slip
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

RESETS: dict[str, Reset] = {
    "zero": ToZero(),
    "subtract": Subtract(),
    "subtract-leaked": Subtract(leaked=True),
    "none": NoReset(),
}

# Calls for tqdm that is silent where standard error is not a terminal.
progress_bar = partial(tqdm, disable=None, dynamic_ncols=True)


def positive(text: str) -> int:
    """Parse a positive integer."""
    if not text.isdecimal() or not 0 < int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be an integer of 1 to {MAX_COUNT}, got {text}")
    return int(text)


def natural(text: str) -> int:
    """Parse an integer that is not negative."""
    if not text.isdecimal() or int(text) > MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be an integer of 0 to {MAX_COUNT}, got {text}")
    return int(text)


def widths(text: str) -> tuple[int, ...]:
    """Parse widths such as ``128,128``."""
    return tuple(positive(part) for part in text.split(","))


def numbers(text: str) -> tuple[float, ...]:
    """Parse numbers such as ``0.1,0.3``."""
    return tuple(float(part) for part in text.split(","))


def switch(text: str) -> bool:
    """Parse yes or no."""
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"must be yes or no, got {text}")
    return text == "yes"


def named(table: dict[str, Reset]) -> Callable[[str], Reset]:
    """Parse a name in `table`."""

    def parse(text: str) -> Reset:
        if text not in table:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(table)}, got {text}")
        return table[text]

    return parse


def cap(text: str) -> float | None:
    """Parse a number, or none."""
    return None if text == "none" else float(text)


@dataclass(frozen=True)
class Field:
    """A field of a setting on the command line: how it is read, and what it means."""

    parse: Callable[[str], object]
    help: str


FIELDS = {
    "hidden": Field(widths, "widths of the hidden layers, such as 128,128"),
    "steps": Field(positive, "time steps per recording (a recording lasts 300 ms)"),
    "slope": Field(float, "slope of the arctangent spike, per unit of potential"),
    "leak": Field(float, "fraction of the potential kept per step, 0 to 1"),
    "threshold": Field(float, "potential at which a neuron fires, in units of potential"),
    "reset": Field(named(RESETS), f"what a spike does to the potential: {', '.join(RESETS)}"),
    "gain": Field(float, "logit of an output neuron that fires at every step"),
    "scale": Field(float, "initial weights are drawn from +-scale/sqrt(inputs)"),
    "learning_rate": Field(float, "learning rate of Adam, in units of the parameters per step"),
    "schedule": Field(str, f"of the learning rate: {', '.join(SCHEDULES)}"),
    "batch": Field(positive, "recordings per minibatch"),
    "epochs": Field(positive, "passes over the training recordings"),
    "rho": Field(float, "radius of SAM, in units of the parameters; 0 is the baseline"),
    "warmup": Field(float, "share of the training over which rho rises from 0, 0 to 1"),
    "shared": Field(switch, "yes: both passes of SAM see the same minibatch; no: independent ones"),
    "recurrent": Field(switch, "yes: every layer feeds its spikes back to itself"),
    "cap_w": Field(cap, "largest spectral norm of a layer's feed-forward weights; none: no cap"),
    "cap_v": Field(cap, "largest spectral norm of a layer's recurrent weights; none: no cap"),
}


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--preset`` and one flag per field of a setting."""
    group = parser.add_argument_group("setting", "A preset, of which any number can be replaced.")
    group.add_argument(
        "--preset", default="deep", help=f"one of {', '.join(PRESETS)} (default: deep)"
    )
    for name, field in FIELDS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=field.parse, help=field.help)


def read_setting(args: argparse.Namespace) -> Setting:
    """Return the preset with the given flags in place of its numbers."""
    if args.preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {args.preset}")
    given = {name: getattr(args, name) for name in FIELDS if getattr(args, name) is not None}
    return replace(PRESETS[args.preset], **given)


def add_run_flags(parser: argparse.ArgumentParser, out: str) -> None:
    """Add the flags of a command that trains many times."""
    group = parser.add_argument_group("runs", "How often, how many at a time, and where it goes.")
    group.add_argument(
        "--out", type=Path, default=Path(out), metavar="FOLDER", help=f"default: {out}"
    )
    group.add_argument("--seeds", type=positive, default=3, metavar="N", help="how many seeds")
    group.add_argument("--first-seed", type=natural, default=0, metavar="N", help="the first seed")
    group.add_argument(
        "--jobs", type=positive, default=2, metavar="N", help="runs at a time (default: 2)"
    )


def read_seeds(args: argparse.Namespace) -> range:
    """Return the seeds that the flags ask for."""
    return range(args.first_seed, args.first_seed + args.seeds)


def add_recording_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say which recordings to use."""
    group = parser.add_argument_group(
        "recordings",
        "Synthetic digits, made on the spot, or N-MNIST recordings from a folder or its zips.",
    )
    group.add_argument(
        "--nmnist", type=Path, metavar="PATH", help="folder with Train and Test (folders or zips)"
    )
    group.add_argument(
        "--train",
        type=positive,
        metavar="N",
        help="synthetic training recordings (default: 700)",
    )
    group.add_argument(
        "--test",
        type=positive,
        metavar="N",
        help="synthetic test recordings (default: 200)",
    )
    group.add_argument(
        "--synthetic-train",
        action="store_true",
        help="with --nmnist: train on synthetic recordings, measure on the real test recordings",
    )
    group.add_argument(
        "--per-class",
        type=positive,
        metavar="N",
        help="at most the first N training recordings of each class",
    )
    group.add_argument(
        "--data-seed",
        type=natural,
        default=0,
        metavar="N",
        help="seed of the synthetic recordings and of the validation split (default: 0)",
    )
    group.add_argument(
        "--validation",
        type=float,
        metavar="SHARE",
        help="measure on this share of the training recordings instead of the test recordings",
    )
    group.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="keep binned recordings here, and map them"
    )


@dataclass(frozen=True, eq=False)
class Recordings:
    """Training and held-out recordings, and what they are."""

    train: Data
    held_out: Data
    says: str


def load_recordings(args: argparse.Namespace, steps: int) -> Recordings:
    """Load or make the recordings that the flags ask for."""
    made = args.nmnist is None
    _refuse_idle_flags(args, made)
    train, trained_on = (_synthetic if made or args.synthetic_train else _nmnist)(args, 0, steps)
    if args.validation is None:
        test, tested_on = (_synthetic if made else _nmnist)(args, 1, steps)
        return Recordings(train, test, f"{trained_on} to train, {tested_on} to test")
    if not 0.0 < args.validation < 1.0:
        raise ValueError(f"validation must lie in (0, 1), got {args.validation}")
    fraction = 1.0 - args.validation
    kept, held_out = split_dataset(
        *train, fraction=fraction, rng=np.random.default_rng(args.data_seed)
    )
    counts = f"{kept[1].size} to train, {held_out[1].size} to validate, no test recordings"
    return Recordings(kept, held_out, f"{trained_on} split: {counts}")


def _refuse_idle_flags(args: argparse.Namespace, made: bool) -> None:
    """Say so where a flag would do nothing."""
    real = ("per_class", "synthetic_train")
    synthetic = ("test",) if args.synthetic_train else ("train", "test")
    for name in real if made else synthetic:
        if getattr(args, name):
            flag, when = f"--{name.replace('_', '-')}", "with" if made else "without"
            raise ValueError(
                f"{flag} must come {when} --nmnist, got it {'alone' if made else 'too'}"
            )


def _synthetic(args: argparse.Namespace, part: int, steps: int) -> tuple[Data, str]:
    """Synthetic recordings, training (part 0) and test (part 1) from separate streams."""
    n = (args.train or 700, args.test or 200)[part]
    rng = np.random.default_rng(args.data_seed).spawn(2)[part]
    progress = partial(progress_bar, desc="synthetic digits", unit=" recordings", leave=False)
    jobs = None if n >= PARALLEL_MINIMUM else 1
    made = synthetic_spikes(n, rng, steps=steps, cache=args.cache, jobs=jobs, progress=progress)
    return made, f"{n} synthetic recordings (seed {args.data_seed})"


def _nmnist(args: argparse.Namespace, part: int, steps: int) -> tuple[Data, str]:
    """Real recordings, training (part 0) or test (part 1)."""
    progress = partial(
        progress_bar, desc=f"reading {SPLITS[part]}", unit=" recordings", leave=False
    )
    x, y = load_nmnist_spikes(
        args.nmnist,
        SPLITS[part],
        steps=steps,
        per_class=(args.per_class, None)[part],
        cache=args.cache,
        progress=progress,
    )
    return (x, y), f"{y.size} N-MNIST recordings"


def results_bar(results: Iterable, total: int) -> Iterable:
    """Wrap results as they come in."""
    return progress_bar(results, total=total, desc="runs", unit=" runs")
