"""Instances as JSON files, so that what was found can be looked at and checked again.

Numbers are written so that reading them gives the same bits.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import TypeAlias

import numpy as np

from refsast.experiment.output_dir import write_json

DTYPES = (np.dtype(np.float64), np.dtype(np.int64))
Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"
RecordTypes: TypeAlias = Mapping[str, Callable[..., object]]
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


def encode(thing: object) -> Json:
    """Return a record of records, tuples, arrays and numbers as JSON.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    if isinstance(thing, np.ndarray) and thing.dtype in DTYPES:
        return {"array": _json_numbers(thing.tolist()), "dtype": thing.dtype.str}
    if isinstance(thing, np.generic):
        return encode(thing.item())
    if isinstance(thing, float) and not isfinite(thing):
        return {"float": repr(thing)}
    if isinstance(thing, tuple):
        return [encode(item) for item in thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        named = {field.name: encode(getattr(thing, field.name)) for field in fields(thing)}
        return {"is": type(thing).__name__, **named}
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    raise ValueError(f"instance must hold records, arrays and numbers, got {thing!r}")


def _json_numbers(numbers: list | float) -> list | float | str:
    """Nested lists of numbers; NaN and infinities, which JSON does not have, as words."""
    if isinstance(numbers, list):
        return [_json_numbers(number) for number in numbers]
    return numbers if isfinite(numbers) else repr(numbers)


def finite_or_none(number: float) -> float | None:
    """Return a number as JSON has it; None for NaN and infinities."""
    return number if isfinite(number) else None


def decode(code: Json, record_types: RecordTypes) -> object:
    """Return what `encode` wrote down, made of the records given by name.

    Raises
    ------
    ValueError
        If it is not of that form.
    """
    if isinstance(code, list):
        return tuple(decode(item, record_types) for item in code)
    if not isinstance(code, Mapping):
        return code
    try:
        if "float" in code:
            return float(str(code["float"]))
        if "array" in code:
            return _decode_array(code["array"], str(code["dtype"]))
        name = str(code["is"])
        values = {k: decode(v, record_types) for k, v in code.items() if k != "is"}
        return record_types[OLD_NAMES.get(name, name)](**values)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"instance must be one that was saved, got {error}") from error


def _decode_array(numbers: object, dtype: str) -> np.ndarray:
    """An array of one of the dtypes that instances are made of."""
    if dtype not in [allowed.str for allowed in DTYPES]:
        raise ValueError(f"dtype must be one of {[d.str for d in DTYPES]}, got {dtype!r}")
    return np.array(numbers, dtype=dtype)


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
