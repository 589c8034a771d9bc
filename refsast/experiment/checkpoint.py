"""The state of a run on disk: written whole or not at all, read back to the same bits."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from refsast.codec import Json
from refsast.experiment.evaluate import Scores
from refsast.experiment.record import Epoch, TrainState, diff_keys
from refsast.files import read_arrays, write_arrays


def save(path: str | Path, mark: Mapping[str, Json], state: TrainState) -> None:
    """Write the state of the run that `mark` identifies; ValueError if that is impossible."""
    story = {
        "mark": mark,
        "epoch": state.epoch,
        "evaluations": state.evaluations,
        "curve": [asdict(epoch) for epoch in state.curve],
    }
    moments = {f"moment{i}": m for i, m in enumerate(state.moments)}
    write_arrays(path, {"w": state.w, "story": np.array(json.dumps(story)), **moments})


def restore(path: str | Path, mark: Mapping[str, Json], start: TrainState) -> TrainState:
    """Return the state in the file, to the bit, or `start` where there is no file.

    Raises ValueError if the file is damaged, or belongs to another run than `mark` says; the
    message names what they differ in.
    """
    path = Path(path)
    if not path.exists():
        return start
    arrays = read_arrays(path)
    if "story" not in arrays:
        raise ValueError(f"checkpoint must hold the state of a run, got {path} without one")
    try:
        story = json.loads(str(arrays["story"]))
        if apart := diff_keys(mark, story["mark"]):
            others = ", ".join(apart)
            raise ValueError(f"checkpoint must be of this run, got {path} with other {others}")
        moments = tuple(arrays[f"moment{i}"] for i in range(len(start.moments)))
        curve = tuple(decode_epoch(line) for line in story["curve"])
        state = TrainState(story["epoch"], story["evaluations"], arrays["w"], moments, curve)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"checkpoint must be whole, got {path}: {error!r}") from error
    # Every part was there; they may still be of different epochs or of another network.
    if not (state.epoch == len(curve) > 0 and state.w.shape == start.w.shape):
        raise ValueError(f"checkpoint must be whole, got {path}: epoch {state.epoch}")
    return state


def decode_epoch(line: dict) -> Epoch:
    """Return one line of a curve from JSON."""
    scores = None if line["scores"] is None else Scores(**line["scores"])
    return Epoch(line["epoch"], line["loss"], line["evaluations"], scores)
