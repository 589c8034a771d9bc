"""Records as JSON, in memory and in files: what is read has the bits of what was written."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from math import isfinite
from pathlib import Path
from typing import NoReturn, TypeAlias

import numpy as np

from refsast.files import write_atomic

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"
RecordTypes: TypeAlias = Mapping[str, Callable[..., object]]

DTYPES = {dtype.str: dtype for dtype in (np.dtype(np.float64), np.dtype(np.int64))}


def _refuse(thing: object) -> NoReturn:
    raise ValueError(f"instance must hold records, arrays and numbers, got {thing!r}")


def encode(thing: object, other: Callable[[object], Json] = _refuse) -> Json:
    """Return a record of records, tuples, arrays and numbers as JSON.

    A record becomes ``{"is": TYPE, FIELD: ...}``, an array ``{"array": ..., "dtype": ...}``, a
    tuple a list, and a float that JSON does not know ``{"float": "inf"}``. `other` encodes whatever
    else there is; without it, that raises ValueError. A field whose metadata say what held `before`
    it existed is left out where it holds that, so that older versions read the record, too.
    """
    if isinstance(thing, np.ndarray) and thing.dtype.str in DTYPES:
        return {"array": _encode_numbers(thing.tolist()), "dtype": thing.dtype.str}
    if isinstance(thing, np.generic):
        return encode(thing.item(), other)
    if isinstance(thing, float) and not isfinite(thing):
        return {"float": repr(thing)}
    if isinstance(thing, tuple):
        return [encode(item, other) for item in thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        named = {
            field.name: encode(getattr(thing, field.name), other)
            for field in fields(thing)
            if not _is_left_out(thing, field)
        }
        return {"is": type(thing).__name__, **named}
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    return other(thing)


def _is_left_out(record: object, field: Field) -> bool:
    """Whether a field has the value that all records had before the field existed."""
    return "before" in field.metadata and getattr(record, field.name) == field.metadata["before"]


def _encode_numbers(numbers: list | float) -> list | float | str:
    """Nested lists of numbers, those that JSON does not know as words."""
    if isinstance(numbers, list):
        return [_encode_numbers(number) for number in numbers]
    return numbers if isfinite(numbers) else repr(numbers)


def decode(code: Json, types: RecordTypes, wanted: str) -> object:
    """Return what `encode` wrote down, made of records of these types, by name.

    Raises ValueError, as "`wanted`, got ...", if the code is not of that form; what a record says
    of its own fields goes through as it is.
    """
    try:
        return _decode(code, types)
    except (LookupError, TypeError, OverflowError) as error:
        raise ValueError(f"{wanted}, got {error}") from error


def _decode(code: Json, types: RecordTypes) -> object:
    if isinstance(code, list):
        return tuple(_decode(item, types) for item in code)
    if not isinstance(code, Mapping):
        return code
    if "float" in code:
        return _decode_number(str(code["float"]))
    if "array" in code:
        return _decode_array(code["array"], str(code.get("dtype")))
    name = str(code.get("is"))
    if name not in types:
        raise LookupError(f"a record of type {name}")
    return types[name](**{k: _decode(v, types) for k, v in code.items() if k != "is"})


def _decode_number(text: str) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise LookupError(f"a number {text!r}")
    return float(text)


def _decode_array(numbers: object, dtype: str) -> np.ndarray:
    if dtype not in DTYPES:
        raise LookupError(f"an array of dtype {dtype}, none of {', '.join(DTYPES)}")
    try:
        return np.array(numbers, DTYPES[dtype])
    except ValueError as error:
        raise TypeError(f"an array of other things: {error}") from error


def read_json(path: Path) -> dict:
    """Return the JSON object in a file; ValueError if it is missing or holds anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"record must be a readable JSON file, got {path}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"record must be a JSON object, got {path}")
    return content


def write_json(path: Path, content: Json) -> None:
    """Write JSON that a person can read, whole or not at all."""
    write_atomic(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
