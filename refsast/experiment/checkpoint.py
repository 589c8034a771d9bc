"""The state of a run on disk: written whole or not at all, read back to the same bits."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from refsast.experiment.evaluate import Scores
from refsast.experiment.record import Epoch, Json, State, differs


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file so that a reader, or a kill, meets the old content or the new, never less.

    Raises
    ------
    ValueError
        If the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise ValueError(f"{path} must be writable, got {error.strerror}") from error


def save(path: str | Path, mark: Mapping[str, Json], state: State) -> None:
    """Write the state of the run that `mark` identifies.

    Raises
    ------
    ValueError
        If the folder cannot be written to.
    """
    arrays = {"w": state.w} | {f"moment{i}": m for i, m in enumerate(state.moments)}
    story = {
        "mark": mark,
        "epoch": state.epoch,
        "evaluations": state.evaluations,
        "curve": [asdict(epoch) for epoch in state.curve],
        "sum": _sum(arrays),
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, story=np.array(json.dumps(story)), **arrays)
    write_whole(path, buffer.getvalue())


def restore(path: str | Path, mark: Mapping[str, Json], start: State) -> State:
    """Return the state in the file, or `start` where there is no file.

    Parameters
    ----------
    path : path
        The checkpoint.
    mark : dict
        Identifies the run that wants to go on.
    start : State
        The state before the first epoch.

    Returns
    -------
    State
        The run's own, to the bit.

    Raises
    ------
    ValueError
        If the file is damaged, or belongs to another run; the message says in what they differ.
    """
    path = Path(path)
    if not path.exists():
        return start
    story, arrays = _read(path)
    if apart := differs(mark, story["mark"]):
        raise ValueError(
            f"checkpoint must be of this run, got {path} with other {', '.join(apart)}"
        )
    moments = tuple(arrays[f"moment{i}"] for i in range(len(start.moments)))
    curve = tuple(_epoch(line) for line in story["curve"])
    return State(story["epoch"], story["evaluations"], arrays["w"], moments, curve)


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The story and the arrays of a file that is whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        story = json.loads(str(arrays.pop("story")))
        whole = story["sum"] == _sum(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"checkpoint must be an undamaged file, got {path}: {error}") from error
    if not whole:
        raise ValueError(f"checkpoint must be an undamaged file, got {path}: checksum differs")
    return story, arrays


def _sum(arrays: dict[str, np.ndarray]) -> str:
    """The SHA-256 of all arrays, with their names, types and shapes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape} ".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _epoch(line: dict) -> Epoch:
    """One line of a curve, from JSON."""
    scores = None if line["scores"] is None else Scores(**line["scores"])
    return Epoch(line["epoch"], line["loss"], line["evaluations"], scores)
