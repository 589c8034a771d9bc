"""Whether a folder may be written to: what another command left there must not be lost."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from refsast import __version__
from refsast.codec import Json, read_json
from refsast.experiment.presets import Setting
from refsast.experiment.record import diff_keys, encode
from refsast.experiment.run_files import CHECKPOINT, COMPARISON, RUN, RUNS, SHARPNESS, SWEEP
from refsast.experiment.run_store import Identity, StoredRun, encode_setting, run_path


def reserve(folder: Path, kind: str, asked: Mapping[str, Json]) -> None:
    """Say what must not be lost in a folder that is locked for a record of this kind.

    `asked` identifies the result: a record of the same kind must agree in all of it, and one of
    another kind must not be there. Raises ValueError else. Of the
    runs of a comparison or a sweep see `require_same` and `require_table_runs`.
    """
    for other in {RUN, COMPARISON, SWEEP, SHARPNESS} - {kind}:
        if (folder / other).exists():
            raise ValueError(f"out must hold no other result, got {folder / other}")
    if kind in (COMPARISON, SWEEP):
        return
    for other in (folder / RUNS).glob("*.json"):
        raise ValueError(f"out must hold no other result, got {other}")
    if kind == RUN:  # identified by its checkpoint, which `train` checks
        if (folder / RUN).exists() and not (folder / CHECKPOINT).exists():
            lone = folder / RUN
            raise ValueError(f"out must hold no other result, got {lone} without a checkpoint")
        return
    if (folder / kind).exists():
        before = _fill_defaults(read_json(folder / kind))
        if apart := diff_keys(asked, {key: before.get(key) for key in asked}):
            others = ", ".join(apart)
            raise ValueError(f"out must hold no other result, got {folder} with other {others}")


def require_table_runs(
    path: Path,
    identity: Identity,
    stored: Sequence[StoredRun],
    pairs: Collection[tuple[str, int]],
) -> None:
    """Raise ValueError where a table lists runs that would be lost when it is written again.

    Each must be among those `stored`, or among the `pairs` of arm and seed that are asked for, with
    the same setting, recordings and version.
    """
    if not path.exists():
        return
    before = _fill_defaults(read_json(path))
    here = {(s.result.arm, s.result.seed) for s in stored}
    try:
        for run in [*before["runs"], *before.get("diverged", ())]:
            pair = run["arm"], run["seed"]
            again = pair in pairs and _is_asked(before, run, identity)
            if pair not in here and not again:
                missing = run_path(path.parent, *pair)
                raise ValueError(f"out must hold no other result, got {path} without its {missing}")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"record must be whole, got {path}: {error!r}") from error


def _is_asked(table: Mapping, run: Mapping, identity: Identity) -> bool:
    """Whether a run that a table lists would be the same if it were trained again."""
    before = table["settings"][run["arm"]]
    now = encode_setting(identity.settings[run["arm"]])
    apart = set(diff_keys(before, now)) - {"source"}
    version = run.get("refsast", __version__)
    return not apart and version == __version__ and table["recordings"] == identity.recordings


def _fill_defaults(record: Mapping) -> Mapping:
    """A record whose settings have the fields, too, that were added after it was written."""
    settings = record.get("settings")
    if not isinstance(settings, Mapping):
        return dict(record)
    usual = {f.name: encode(f.default) for f in fields(Setting) if f.default is not MISSING}
    complete = {
        arm: {**s, **{k: v for k, v in usual.items() if k not in s}} for arm, s in settings.items()
    }
    return {**record, "settings": complete}
