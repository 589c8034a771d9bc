"""What a record says of the command that made it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from refsast.cli.datasets import DATASETS
from refsast.codec import Json

# The flags of `add_recording_flags`, by the names of their values.
RECORDING_FLAGS = (
    *("dataset", "nmnist", "gesture", "train", "test", "per_class"),
    *("synthetic_train", "add_synthetic", "data_seed", "validation", "cache"),
)


def command_facts(args: argparse.Namespace) -> dict[str, Json]:
    """Return command, date and the flags of the recordings, as a record keeps them."""
    flags = {name: _to_json(value) for name in RECORDING_FLAGS if (value := getattr(args, name))}
    return {"command": list(args.argv), "date": date.today().isoformat(), "flags": flags}


def _to_json(value: Json | Path) -> Json:
    """The value of a flag; a path from the root on, since the record may be read elsewhere."""
    return str(value.absolute()) if isinstance(value, Path) else value


def read_flags(record: Mapping[str, Json]) -> dict[str, object]:
    """Return the flags of the recordings that a record keeps; empty where it keeps none.

    Raises ValueError if they are not such flags.
    """
    flags = record.get("flags", {})
    if not isinstance(flags, Mapping) or set(flags) - set(RECORDING_FLAGS):
        raise ValueError(f"record must hold the flags of its recordings, got {flags}")
    paths = ("cache", *(dataset.flag for dataset in DATASETS.values()))
    return {name: Path(str(v)) if name in paths else v for name, v in flags.items()}
