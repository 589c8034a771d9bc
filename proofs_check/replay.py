"""Instances as JSON files, so that what was found can be looked at and checked again.

Numbers are written so that reading them gives the same bits.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from refsast.files import write_whole

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"
Kinds: TypeAlias = Mapping[str, Callable[..., object]]


def encode(thing: object) -> Json:
    """Return a record of records, tuples, arrays and numbers as JSON.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    if isinstance(thing, np.ndarray):
        return {"array": thing.tolist(), "dtype": thing.dtype.str}
    if isinstance(thing, np.generic):
        return thing.item()
    if isinstance(thing, tuple):
        return [encode(item) for item in thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        named = {field.name: encode(getattr(thing, field.name)) for field in fields(thing)}
        return {"is": type(thing).__name__, **named}
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    raise ValueError(f"instance must hold records, arrays and numbers, got {thing!r}")


def decode(code: Json, kinds: Kinds) -> object:
    """Return what `encode` wrote down.

    Parameters
    ----------
    code : JSON
        What was written.
    kinds : mapping
        The records that may occur, by name.

    Raises
    ------
    ValueError
        If it is not of that form.
    """
    if isinstance(code, list):
        return tuple(decode(item, kinds) for item in code)
    if not isinstance(code, Mapping):
        return code
    try:
        if "array" in code:
            return np.array(code["array"], dtype=np.dtype(str(code["dtype"])))
        kind = kinds[str(code["is"])]
        return kind(**{k: decode(v, kinds) for k, v in code.items() if k != "is"})
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"instance must be one that was saved, got {error}") from error


def save(path: Path, label: str, instance: object, **more: Json) -> None:
    """Write an instance of a claim to a file, whole or not at all."""
    content = {"claim": label, **more, "instance": encode(instance)}
    write_whole(path, json.dumps(content, indent=1).encode())


def load(path: Path, kinds: Kinds) -> tuple[str, object]:
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
    return str(label), decode(code, kinds)
