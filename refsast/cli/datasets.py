"""The data sets of the command line: each has real recordings, by a flag, and synthetic ones."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from refsast.arrays import Integers
from refsast.cli.progress import progress_bar
from refsast.data import (
    GESTURES,
    load_nmnist_spikes,
    split_dataset,
    split_people,
    synthetic_gesture_spikes,
    synthetic_spikes,
)
from refsast.data.archive import CLASSES, SPLITS
from refsast.data.gesture_windows import load_windows
from refsast.experiment.record import Data
from refsast.spikes import Spikes, join_spikes

PARALLEL_MINIMUM = 2000  # synthetic recordings, from which on more processes are worth their start


@dataclass(frozen=True, eq=False)
class Labelled:
    """Recordings, their labels, of whom each is, and what they are in words."""

    x: Spikes
    y: Integers
    people: Integers
    words: str

    @property
    def data(self) -> Data:
        """The recordings and their labels."""
        return self.x, self.y


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that a command can be asked for.

    Attributes
    ----------
    flag : str
        The flag that says where its real recordings are.
    classes : int
        How many it has.
    real, synthetic : str
        What its recordings are called.
    load : callable
        ``load(path, split, steps=, per_class=, cache=, progress=) -> x, y, people``.
    make : callable
        ``make(n, rng, steps=, cache=, jobs=, progress=) -> x, y``.
    round : int
        How many synthetic recordings in a row are of one person.
    split : callable
        ``split(x, y, people, fraction=, rng=)``: both parts, each `x` and `y`.
    """

    flag: str
    classes: int
    real: str
    synthetic: str
    load: Callable[..., tuple[Spikes, Integers, Integers]]
    make: Callable[..., tuple[Spikes, Integers]]
    round: int
    split: Callable[..., tuple[Data, Data]]


def _load_digits(*args: object, **options: object) -> tuple[Spikes, Integers, Integers]:
    """N-MNIST, of which nobody says whose digits they are."""
    x, y = load_nmnist_spikes(*args, **options)  # pyright: ignore[reportArgumentType]
    return x, y, np.arange(len(y))


DATASETS = {
    "digits": Dataset(
        flag="nmnist",
        classes=CLASSES,
        real="N-MNIST recordings",
        synthetic="synthetic recordings",
        load=_load_digits,
        make=synthetic_spikes,
        round=1,
        split=lambda x, y, people, **options: split_dataset(x, y, **options),
    ),
    "gesture": Dataset(
        flag="gesture",
        classes=len(GESTURES),
        real="windows of DVS128 Gesture",
        synthetic="synthetic gestures",
        load=load_windows,
        make=synthetic_gesture_spikes,
        round=len(GESTURES),
        split=split_people,
    ),
}


def choose_dataset(args: argparse.Namespace) -> Dataset:
    """Return the data set that the flags ask for; ValueError if they name recordings of another."""
    name = args.dataset or ("digits" if args.gesture is None else "gesture")
    for other, dataset in DATASETS.items():
        if other != name and getattr(args, dataset.flag) is not None:
            raise ValueError(f"--{dataset.flag} must come with --dataset {other}, got {name}")
    return DATASETS[name]


def recording_stream(data_seed: int, part: int) -> np.random.Generator:
    """What synthetic recordings are drawn from: training (part 0) and test (part 1) apart."""
    return np.random.default_rng(data_seed).spawn(2)[part]


def make_synthetic(
    dataset: Dataset, args: argparse.Namespace, part: int, steps: int, count: int | None = None
) -> Labelled:
    """Synthetic recordings, training (part 0) and test (part 1) from separate streams."""
    n = count or (args.train or 700, args.test or 200)[part]
    rng = recording_stream(args.data_seed, part)
    progress = partial(progress_bar, desc=dataset.synthetic, unit=" recordings", leave=False)
    jobs = None if n >= PARALLEL_MINIMUM else 1
    x, y = dataset.make(n, rng, steps=steps, cache=args.cache, jobs=jobs, progress=progress)
    words = f"{n} {dataset.synthetic} (seed {args.data_seed})"
    return Labelled(x, y, np.arange(n) // dataset.round, words)


def load_real(dataset: Dataset, args: argparse.Namespace, part: int, steps: int) -> Labelled:
    """Real recordings, training (part 0) or test (part 1)."""
    split = SPLITS[part]
    x, y, people = dataset.load(
        getattr(args, dataset.flag),
        split,
        steps=steps,
        per_class=(args.per_class, None)[part],
        cache=args.cache,
        progress=partial(progress_bar, desc=f"reading {split}", unit=" files", leave=False),
    )
    return Labelled(x, y, people, f"{y.size} {dataset.real}")


def join(first: Labelled, second: Labelled) -> Labelled:
    """Both, one after the other, of different people."""
    people = np.concatenate([first.people, second.people + first.people.max() + 1])
    x, y = join_spikes([first.x, second.x]), np.concatenate([first.y, second.y])
    return Labelled(x, y, people, f"{first.words} and {second.words}")
