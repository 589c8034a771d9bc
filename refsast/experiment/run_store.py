"""Each finished run of a comparison or a sweep in a file of its own, ``runs/NAME.json``.

Rule 1: a run is written when it is done, whole or not at all; its weights, where they are kept, are
        written before it, so that no record is there without them.
Rule 2: a file is believed if its digest fits and it is of this version; else it is refused, and
        neither read nor replaced.
Rule 3: what is asked for and what is there agree in recordings and, arm by arm, in the setting.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from refsast import __version__, codec
from refsast.codec import Json, read_json, write_json
from refsast.experiment.checkpoint import decode_epoch
from refsast.experiment.compare import Result
from refsast.experiment.presets import Setting
from refsast.experiment.record import MODEL_RECORDS, Run, decode, encode, run_record
from refsast.experiment.run_files import RUNS, read_flat
from refsast.files import arrays_digest, write_arrays
from refsast.model import Network, Params, unflatten
from refsast.model.params import layer_arrays

KEEP = ("best", "all", "none")  # whose weights are kept: of each arm the best seed's, or ...
MARK = ("refsast", "gradient", "network", "start", "dtype", "config", "seeds", "data", "held_out")


@dataclass(frozen=True)
class Identity:
    """What the runs of one folder have in common.

    Attributes
    ----------
    kind : str
        Of what the runs are part: compare or sweep.
    recordings : str
        What the recordings are, in words.
    settings : dict of Setting
        The arms that are asked for, by name.
    digests : dict of (str, str)
        The digests of the recordings to train and held out, by the number of time steps.
    """

    kind: str
    recordings: str
    settings: Mapping[str, Setting]
    digests: Mapping[int, tuple[str, str]]


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run as it was read back.

    Attributes
    ----------
    result : Result
        Its outcome, without parameters: see `read_weights`.
    setting : Setting
        Its arm's.
    record : dict
        All that is in its file.
    """

    result: Result
    setting: Setting
    record: Mapping


def store_run(
    folder: Path, identity: Identity, before: Sequence[StoredRun], result: Result, keep: str
) -> StoredRun:
    """Write a run that is done, and return it as it would be read back.

    Its weights are written where `keep` is ``all``, or ``best`` and none of the runs `before` it is
    a better one of its arm; those of a run that it surpasses are removed, unless they were to be
    kept with all. Raises ValueError if that is impossible, such as on a full disk.
    """
    path = run_path(folder, result.arm, result.seed)
    setting = identity.settings[result.arm]
    data, held_out = identity.digests[setting.steps]
    whole = result.diverged is None
    own = [s for s in before if s.result.arm == result.arm]
    best = all(rank_run(result) > rank_run(s.result) for s in own)
    record = {
        "kind": identity.kind,
        "arm": result.arm,
        "seed": result.seed,
        "setting": encode_setting(setting),
        "recordings": identity.recordings,
        "keep": keep,
        "retuned": result.retuned if whole else None,
        "diverged": result.diverged,
        **(run_record(result.run) if whole else {"refsast": __version__}),
        "data": data,
        "held_out": held_out,
    }
    if whole and (keep == "all" or (keep == "best" and best)):
        write_arrays(path.with_suffix(".npz"), _name_arrays(result))
    write_json(path, {**record, "digest": _digest(record)})
    stored = decode_run(record)
    drop_old_weights(folder, [*own, stored])
    return stored


def encode_setting(setting: Setting) -> Mapping[str, Json]:
    """Return a setting as JSON, field by field."""
    return {"is": "Setting", **{f.name: encode(getattr(setting, f.name)) for f in fields(setting)}}


def drop_old_weights(folder: Path, stored: Sequence[StoredRun]) -> None:
    """Remove the weights of runs that were kept as the best of their arm and no longer are."""
    for s in stored:
        rivals = [r.result for r in stored if r.result.arm == s.result.arm]
        if s.record["keep"] == "best" and s.result is not max(rivals, key=rank_run):
            weights_path(folder, s.result).unlink(missing_ok=True)


def rank_run(result: Result) -> tuple[float, int]:
    """Return what orders the runs of an arm: hard accuracy, and of equal ones the first seed."""
    return (result.measure("hard") if result.diverged is None else -1.0), -result.seed


def run_path(folder: Path, arm: str, seed: int) -> Path:
    """Return the file of a run: a name that a person knows, and one that is no other arm's."""
    words = re.sub(r"[^a-z0-9.]+", "-", arm.lower()).strip("-.")[:60]
    mark = hashlib.sha256(arm.encode()).hexdigest()[:6]
    return folder / RUNS / f"{words}-{mark}-seed{seed}.json"


def weights_path(folder: Path, result: Result) -> Path:
    """Return the file that a run's weights are in, if they were kept."""
    return run_path(folder, result.arm, result.seed).with_suffix(".npz")


def read_stored_runs(folder: Path) -> tuple[StoredRun, ...]:
    """Return all runs of a folder, by the names of their files.

    Raises ValueError if one is damaged or of another version.
    """
    return tuple(_read_run(folder, path) for path in sorted((folder / RUNS).glob("*.json")))


def _read_run(folder: Path, path: Path) -> StoredRun:
    record = read_json(path)
    if record.pop("digest", None) != _digest(record):
        raise ValueError(f"run must be whole, got {path}, whose content has another digest")
    if record.get("refsast") != __version__:
        other = f"of refsast {record.get('refsast')}"
        raise ValueError(f"run must be of refsast {__version__}, got {path} {other}")
    try:
        stored = decode_run(record)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"run must be whole, got {path}: {error}") from error
    if run_path(folder, stored.result.arm, stored.result.seed) != path:
        raise ValueError(f"run must be in a file of its name, got {path}")
    return stored


def decode_run(record: Mapping) -> StoredRun:
    """Return a run from its record; LookupError, TypeError or ValueError if it is not whole."""
    setting = codec.decode(
        record["setting"], {**MODEL_RECORDS, "Setting": Setting}, "setting must be whole"
    )
    if not isinstance(setting, Setting):
        raise TypeError(f"a setting that is a {type(setting).__name__}")
    if record["diverged"] is not None:
        run = Run(setting.network(setting.least_inputs), (), setting.config, (), (), {})
        result = Result(record["arm"], record["seed"], run, np.nan, record["diverged"])
        return StoredRun(result, setting, record)
    network = decode(record["network"])
    if not isinstance(network, Network):
        raise TypeError(f"a network that is a {type(network).__name__}")
    curve = tuple(decode_epoch(line) for line in record["curve"])
    mark = {key: record[key] for key in MARK}
    run = Run(network, (), setting.config, tuple(record["seeds"]), curve, mark)
    return StoredRun(Result(record["arm"], record["seed"], run, record["retuned"]), setting, record)


def read_weights(folder: Path, stored: StoredRun) -> Params | None:
    """Return the parameters of a stored run, or None where they were not kept.

    Raises ValueError if they are damaged or not those of the run.
    """
    path = weights_path(folder, stored.result)
    if not path.exists():
        return None
    network = stored.result.run.network
    w = read_flat(network, path)
    if arrays_digest({"w": w}) != stored.record["weights"]:
        raise ValueError(f"weights must be those of the run, got others in {path}")
    return unflatten(network, w)


def _name_arrays(result: Result) -> dict[str, np.ndarray]:
    """The weights, layer by layer, with what says whose they are."""
    arrays = {
        f"{name}{i}": values
        for i, layer in enumerate(result.run.params)
        for name, values in layer_arrays(layer).items()
    }
    return {**arrays, "arm": np.array(result.arm), "seed": np.array(result.seed)}


def _digest(record: Mapping[str, Json]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def require_same(folder: Path, identity: Identity, stored: Sequence[StoredRun]) -> None:
    """Raise ValueError where runs of a folder are not of what is asked for; say in what."""
    for s in stored:
        change = describe_change(identity, s)
        for part, same in (
            (f"kind ({s.record['kind']})", s.record["kind"] == identity.kind),
            ("recordings", _has_same_recordings(identity, s)),
            (f"{change} of the arm {s.result.arm}", not change),
        ):
            if not same:
                raise ValueError(f"out must hold no other result, got {folder} with other {part}")


def _has_same_recordings(identity: Identity, stored: StoredRun) -> bool:
    """Whether a run is of the recordings, as far as those of its number of steps are at hand."""
    record, ours = stored.record, identity.digests.get(stored.setting.steps)
    digests = record["data"], record["held_out"]
    return record["recordings"] == identity.recordings and ours in (None, digests)


def describe_change(identity: Identity, stored: StoredRun) -> str:
    """Return which fields of a run's setting, but its source, differ from those asked for."""
    ours = identity.settings.get(stored.result.arm)
    names = [f.name for f in fields(Setting) if f.name != "source"]
    if ours is None:
        return ""
    return ", ".join(n for n in names if getattr(ours, n) != getattr(stored.setting, n))
