"""What a run or a comparison leaves in its folder, and the page made from that."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from refsast.codec import Json, read_json, write_json
from refsast.experiment import figures, html_document, report, tables
from refsast.experiment.compare import BASELINE, Result
from refsast.experiment.presets import Setting
from refsast.experiment.record import Run, diff_keys, encode, run_record
from refsast.experiment.run_files import CHECKPOINT, COMPARISON, RUN, SHARPNESS, SWEEP, WEIGHTS
from refsast.experiment.sharpness import Point
from refsast.files import write_arrays, write_atomic
from refsast.model import flatten
from refsast.spikes import Spikes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"
CAPTIONS = {
    "curves.png": "Smooth spikes solid, hard spikes dashed: the area between is the transfer gap.",
    "gap_by_rho.png": "Transfer gap and accuracy against SAM's radius: mean, from three seeds on "
    "with its 95 % interval.",
    "membrane.png": "Distance of the potentials from threshold: what lies near zero is what the "
    "swap to hard spikes moves.",
}


def write_run(
    folder: Path, run: Run, setting: Setting, seed: int, data: str, x: ArrayLike | Spikes
) -> None:
    """Write a run: record, weights, pictures, page."""
    record = {"setting": encode(setting), "seed": seed, "recordings": data, **run_record(run)}
    write_arrays(folder / WEIGHTS, {"w": flatten(run.params)})
    pictures = {
        "curves.png": figures.run_curves(run.curve),
        "membrane.png": figures.potential_histograms({"this run": (run.network, run.params)}, x),
    }
    _write_pictures(folder, pictures)
    write_json(folder / RUN, record)
    write_page(folder)


def write_comparison(
    folder: Path,
    results: Sequence[Result],
    settings: Mapping[str, Setting],
    data: str,
    x: ArrayLike | Spikes,
) -> None:
    """Write a comparison: record, table, pictures, page."""
    table = tables.comparison_rows(results)
    # The baseline's potentials are drawn beside those of the best SAST arm, first seed.
    best = max((row for row in table if row.against_baseline), key=lambda row: row.hard.value)
    first = {r.arm: (r.run.network, r.run.params) for r in reversed(results)}
    pictures = {
        "curves.png": figures.comparison_curves(results),
        "gap_by_rho.png": figures.gap_by_rho(results),
        "membrane.png": figures.potential_histograms(
            {arm: first[arm] for arm in (BASELINE, best.arm)}, x
        ),
    }
    _write_pictures(folder, pictures)
    record = {"verdict": tables.conclusion(table), **_comparison_record(results, settings, data)}
    write_json(folder / COMPARISON, record)
    write_page(folder)


def write_sweep(
    folder: Path, results: Sequence[Result], settings: Mapping[str, Setting], data: str
) -> None:
    """Write the record of a sweep, ``sweep.json``: its table, settings and runs."""
    write_json(folder / SWEEP, _comparison_record(results, settings, data))


def write_sharpness(
    folder: Path,
    runs: Mapping[str, Run],
    points: Mapping[str, Sequence[Point]],
    asked: Mapping[str, Json],
) -> None:
    """Write what was measured along some trainings: record, picture."""
    measured = {
        arm: [{**asdict(point), "curvature": point.remainder.curvature} for point in trajectory]
        for arm, trajectory in points.items()
    }
    done = {arm: run_record(run) for arm, run in runs.items()}
    _write_pictures(folder, {"sharpness.png": figures.sharpness_curves(points)})
    write_json(folder / SHARPNESS, {**asked, "points": measured, "runs": done})


def _write_pictures(folder: Path, pictures: Mapping[str, "Figure"]) -> None:
    for name, figure in pictures.items():
        write_atomic(folder / name, html_document.encode_png(figure))


def _comparison_record(
    results: Sequence[Result], settings: Mapping[str, Setting], data: str
) -> dict[str, Json]:
    """Table, settings and runs of a comparison or a sweep."""
    return {
        **comparison_identity(settings, sorted({r.seed for r in results}), data),
        "headings": list(tables.HEADINGS),
        "table": [list(tables.row_cells(row)) for row in tables.comparison_rows(results)],
        "runs": [
            {"arm": r.arm, "seed": r.seed, "retuned": r.retuned, **run_record(r.run)}
            for r in results
        ],
    }


def reserve(folder: Path, kind: str, asked: Mapping[str, Json]) -> None:
    """Make a folder for a record of this kind, or say what in it must not be lost.

    `asked` identifies the result: a record of the same kind must agree in all of it, and one of
    another kind must not be there. Raises ValueError else, or if the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"out must be a folder to write in, got {folder}") from error
    for other in {RUN, COMPARISON, SWEEP, SHARPNESS} - {kind}:
        if (folder / other).exists():
            raise ValueError(f"out must hold no other result, got {folder / other}")
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


def comparison_identity(
    settings: Mapping[str, Setting], seeds: Sequence[int], data: str
) -> dict[str, Json]:
    """What identifies a comparison or a sweep."""
    encoded = {arm: encode(setting) for arm, setting in settings.items()}
    return {"recordings": data, "seeds": list(seeds), "settings": encoded}


def _fill_defaults(record: Mapping) -> dict[str, Json]:
    """A record whose settings have the fields, too, that were added after it was written."""
    settings = record.get("settings")
    if not isinstance(settings, Mapping):
        return dict(record)
    usual = {f.name: encode(f.default) for f in fields(Setting) if f.default is not MISSING}
    complete = {
        arm: {**s, **{k: v for k, v in usual.items() if k not in s}} for arm, s in settings.items()
    }
    return {**record, "settings": complete}


def write_page(folder: str | Path) -> Path:
    """Make ``report.html`` from what the folder of a run or a comparison holds; return its path.

    An older page is replaced. Raises ValueError if the folder holds neither, or a damaged record.
    """
    folder = Path(folder)
    path = next((folder / name for name in report.PAGES if (folder / name).exists()), None)
    if path is None:
        raise ValueError(f"folder must hold {RUN} or {COMPARISON}, got {folder}")
    try:
        content = report.PAGES[path.name](read_json(path), _embed_pictures(folder))
    except (KeyError, TypeError, IndexError, AttributeError, StopIteration) as error:
        raise ValueError(f"record must be whole, got {path}: {error!r}") from error
    write_atomic(folder / PAGE, content.encode())
    return folder / PAGE


def _embed_pictures(folder: Path) -> list[str]:
    """The pictures of a folder that have a caption, embedded."""
    found = [(folder / name, caption) for name, caption in CAPTIONS.items()]
    return [html_document.picture(path.read_bytes(), text) for path, text in found if path.exists()]
