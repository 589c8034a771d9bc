"""Instances as JSON files, so that what was found can be looked at and checked again.

Numbers are written so that reading them gives the same bits.
"""

import json
from math import isfinite
from pathlib import Path

from refsast import codec
from refsast.codec import Json, RecordTypes, encode, write_json

# Names that files written before the records were renamed have for them.
OLD_NAMES = {
    "Driven": "LabelledBatch",
    "Started": "TwoStartStates",
    "Pair": "TwoInputs",
    "Moved": "TwoParameterPoints",
    "Conditioned": "ConditionedRecording",
    "Finite": "FiniteSum",
    "Step": "SastStep",
    "Path": "SastPath",
    "Runs": "SastRuns",
}


def finite_or_none(number: float) -> float | None:
    """Return a number as JSON has it; None for NaN and infinities."""
    return number if isfinite(number) else None


def decode(code: Json, record_types: RecordTypes) -> object:
    """Return what `encode` wrote down, now or under the records' old names."""
    old = {old: record_types[new] for old, new in OLD_NAMES.items() if new in record_types}
    return codec.decode(code, {**old, **record_types}, "instance must be one that was saved")


def save_instance(path: Path, label: str, instance: object, **more: Json) -> None:
    """Write an instance of a claim to a file, whole or not at all."""
    write_json(path, {"claim": label, **more, "instance": encode(instance)})


def load_instance(path: Path, record_types: RecordTypes) -> tuple[str, object]:
    """Return the label of a claim and the instance from a file.

    Raises
    ------
    ValueError
        If the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        label, code = content["claim"], content["instance"]
    except (OSError, ValueError, RecursionError, TypeError, KeyError) as error:
        raise ValueError(f"replay must be a saved instance, got {path}: {error!r}") from error
    return str(label), decode(code, record_types)
