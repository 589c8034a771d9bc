"""What `compare` and `sweep` share: each run is kept when it is done, and is not repeated."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from refsast.cli.common import SETTING_FIELDS, Recordings, load_recordings, read_seeds
from refsast.cli.progress import watch_runs
from refsast.data import digest
from refsast.experiment.compare import train_pairs
from refsast.experiment.presets import Setting
from refsast.experiment.reservation import require_table_runs, reserve
from refsast.experiment.run_files import RUNS
from refsast.experiment.run_store import (
    KEEP,
    Identity,
    StoredRun,
    drop_old_weights,
    read_stored_runs,
    require_same,
    store_run,
)
from refsast.files import remove_leftovers


def add_keep_flag(parser: argparse.ArgumentParser) -> None:
    """Add ``--keep``."""
    parser.add_argument(
        "--keep",
        choices=KEEP,
        default="best",
        help="whose weights stay in FOLDER/runs: of each arm the seed with the highest hard "
        "accuracy (default), of all runs, of none",
    )


def parse_field(text: str) -> tuple[str, str]:
    """Return name and value of ``name=value``, the name of a field of a setting; or ValueError."""
    name, _, value = text.partition("=")
    name = name.replace("-", "_")
    if name not in SETTING_FIELDS or not value:
        raise ValueError(f"must be NAME=VALUE, NAME of {', '.join(SETTING_FIELDS)}, got {text}")
    return name, value


def load_parts(args: argparse.Namespace, settings: Mapping[str, Setting]) -> dict[int, Recordings]:
    """Return the recordings, once for every number of time steps among the settings."""
    wanted = sorted({setting.steps for setting in settings.values()})
    return {steps: load_recordings(args, steps) for steps in wanted}


def describe_held_out(args: argparse.Namespace) -> str:
    """Return what accuracies are measured on, in words."""
    return "test recordings" if args.validation is None else "validation recordings"


def complete_runs(
    args: argparse.Namespace,
    kind: str,
    settings: Mapping[str, Setting],
    parts: Mapping[int, Recordings],
) -> tuple[StoredRun, ...]:
    """Train what is not in the folder yet, and return all of its runs, seed after seed.

    `kind` is the file of the table. Arms that are asked for come first, in their order. To be
    called while the folder is locked. Raises ValueError if it holds anything else.
    """
    pairs = [(arm, seed) for seed in read_seeds(args) for arm in settings]
    digests = {steps: (digest(*r.train), digest(*r.held_out)) for steps, r in parts.items()}
    words = next(iter(parts.values())).description
    identity = Identity(kind.removesuffix(".json"), words, settings, digests)
    stored = _read_folder(args, kind, identity, pairs)
    here = {(s.result.arm, s.result.seed) for s in stored}
    missing = [pair for pair in pairs if pair not in here]
    found = len(pairs) - len(missing)
    if found:
        print(f"{found} of {len(pairs)} runs were there already", file=sys.stderr)
    for steps, recordings in parts.items():
        now = [pair for pair in missing if settings[pair[0]].steps == steps]
        train, held_out = recordings.train, recordings.held_out
        results = train_pairs(
            settings, train, held_out, now, jobs=args.jobs, scheduler=args.scheduler
        )
        for result in watch_runs(results, len(pairs), before=found):
            stored.append(store_run(args.out, identity, stored, result, args.keep))
        found += len(now)
    order = list(dict.fromkeys([*settings, *sorted(s.result.arm for s in stored)]))
    return tuple(sorted(stored, key=lambda s: (s.result.seed, order.index(s.result.arm))))


def _read_folder(
    args: argparse.Namespace, kind: str, identity: Identity, pairs: Sequence[tuple[str, int]]
) -> list[StoredRun]:
    """The runs that are there, if all that is there may stay beside what is asked for."""
    reserve(args.out, kind, {})
    stored = read_stored_runs(args.out)
    require_same(args.out, identity, stored)
    require_table_runs(args.out / kind, identity, stored, pairs)
    remove_leftovers(args.out / RUNS)
    drop_old_weights(args.out, stored)
    return list(stored)
