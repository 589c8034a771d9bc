"""What a run or a comparison leaves in its folder, and the page made from that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from refsast.codec import Json, read_json, write_json
from refsast.experiment import figures, html_document, report, tables
from refsast.experiment.compare import BASELINE, LONGER, is_sast
from refsast.experiment.diagnose import diagnose, explain
from refsast.experiment.differences import paired_differences
from refsast.experiment.headline import conclusion
from refsast.experiment.page_parts import POTENTIALS
from refsast.experiment.presets import Setting
from refsast.experiment.record import Data, Run, encode, run_record
from refsast.experiment.run_files import COMPARISON, RUN, SHARPNESS, SWEEP, WEIGHTS
from refsast.experiment.run_store import StoredRun, rank_run, read_weights
from refsast.experiment.sharpness import Point
from refsast.files import write_arrays, write_atomic
from refsast.model import Network, Params, flatten
from refsast.spikes import Spikes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.html"
DIAGNOSED = 1000  # held-out recordings: some seconds of work


def write_run(
    folder: Path,
    run: Run,
    setting: Setting,
    seed: int,
    data: str,
    x: ArrayLike | Spikes,
    facts: Mapping[str, Json] = MappingProxyType({}),
) -> None:
    """Write a run: record, to which `facts` are added, weights, pictures, page."""
    about = {"setting": encode(setting), "seed": seed, "recordings": data}
    record = {**about, **run_record(run), **facts}
    write_arrays(folder / WEIGHTS, {"w": flatten(run.params)})
    network = {"this run": (run.network, run.params)}
    _write_pictures(folder, figures.potential_histograms(network, x))
    write_json(folder / RUN, record)
    write_page(folder)


def write_comparison(
    folder: Path,
    stored: Sequence[StoredRun],
    data: str,
    measured: Data,
    *,
    held_out: str = "test recordings",
    facts: Mapping[str, Json] = MappingProxyType({}),
) -> None:
    """Write a comparison of the runs that a folder holds: record, table, pictures, page.

    `data` are the recordings in words, `measured` those held out, of which the potentials are drawn
    and the first `DIAGNOSED` diagnosed, `held_out` these in words; `facts` are added to the record.
    """
    for path in _find_pictures(folder, POTENTIALS):  # of weights that may no longer be kept
        path.unlink()
    networks = _read_networks(folder, stored)
    if networks:
        _write_pictures(folder, figures.potential_histograms(networks, measured[0]))
    some = measured[0][:, :DIAGNOSED], measured[1][:DIAGNOSED]
    explained = {name: list(explain(diagnose(*pair, *some))) for name, pair in networks.items()}
    verdict = conclusion([s.result for s in stored], held_out=held_out)
    runs = _comparison_record(stored, data)
    record = {"verdict": verdict, "explained": explained, **runs, **facts}
    write_json(folder / COMPARISON, record)
    write_page(folder)


def _read_networks(folder: Path, stored: Sequence[StoredRun]) -> dict[str, tuple[Network, Params]]:
    """The baseline and the first SAST arm, which no result has chosen, if weights were kept.

    Of each arm the seed with the highest hard accuracy: the one whose weights are kept by default.
    """
    whole = [s for s in stored if s.result.diverged is None]
    sast = next((s.result.arm for s in whole if is_sast(s.result)), None)
    networks = {}
    for arm in (BASELINE, sast):
        own = [s for s in whole if s.result.arm == arm]
        if own:
            best = max(own, key=lambda s: rank_run(s.result))
            params = read_weights(folder, best)
            if params is not None:
                name = f"{arm} (seed {best.result.seed}, its best)"
                networks[name] = best.result.run.network, params
    return networks


def write_sweep(
    folder: Path,
    stored: Sequence[StoredRun],
    data: str,
    facts: Mapping[str, Json] = MappingProxyType({}),
) -> None:
    """Write a sweep: its record, ``sweep.json``, with table, settings and runs; pictures, page."""
    write_json(folder / SWEEP, {**_comparison_record(stored, data), **facts})
    write_page(folder)


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


def _write_pictures(folder: Path, pictures: Mapping[str, Figure]) -> None:
    for name, figure in pictures.items():
        write_atomic(folder / name, html_document.encode_png(figure))


def _comparison_record(stored: Sequence[StoredRun], data: str) -> dict[str, Json]:
    """Table, settings and runs of a comparison or a sweep; diverged runs are listed apart."""
    results = [s.result for s in stored]
    settings = {s.result.arm: s.setting for s in stored}
    keys = ("arm", "seed", "retuned")
    left_out = {*keys, "kind", "setting", "recordings", "keep", "diverged"}
    runs = [
        {
            **{key: s.record[key] for key in keys},
            **{key: value for key, value in s.record.items() if key not in left_out},
        }
        for s in stored
        if s.result.diverged is None
    ]
    rivals = [r for r in results if r.arm != BASELINE]  # those that the table has p-values of
    return {
        **comparison_identity(settings, sorted({r.seed for r in results}), data),
        "headings": list(tables.HEADINGS),
        "table": [list(tables.row_cells(row)) for row in tables.comparison_rows(results)],
        "differences": [
            {"reference": d.reference, "arm": d.arm, "points": _number(d.mean.value)}
            | {"half_width": _number(d.mean.half_width), "p": _number(d.p), "holm": _number(d.holm)}
            for d in (paired_differences(rivals, LONGER) if LONGER in settings else ())
        ],
        "runs": runs,
        "diverged": [
            {"arm": r.arm, "seed": r.seed, "step": r.diverged}
            for r in results
            if r.diverged is not None
        ],
    }


def _number(value: float) -> float | None:
    """A number, or None where it is not known, which JSON has no number for."""
    return None if np.isnan(value) else value


def comparison_identity(
    settings: Mapping[str, Setting], seeds: Sequence[int], data: str
) -> dict[str, Json]:
    """What identifies a comparison or a sweep."""
    encoded = {arm: encode(setting) for arm, setting in settings.items()}
    return {"recordings": data, "seeds": list(seeds), "settings": encoded}


def write_page(folder: str | Path) -> Path:
    """Make ``report.html`` from what the folder of a run, a comparison or a sweep holds.

    Its pictures are drawn again and written, too; an older page is replaced. Returns the path of
    the page. Raises ValueError if the folder holds no such record, or a damaged one.
    """
    folder = Path(folder)
    path = next((folder / name for name in report.PAGES if (folder / name).exists()), None)
    if path is None:
        raise ValueError(f"folder must hold {', '.join(report.PAGES)}, got {folder}")
    page = report.PAGES[path.name]
    try:
        record = read_json(path)
        drawn = page.draw(record)
        for old in _find_pictures(folder, report.DRAWN):
            old.unlink()  # one of an earlier record would stand beside the new ones
        _write_pictures(folder, drawn)
        there = [*(folder / name for name in drawn), *_find_pictures(folder, POTENTIALS)]
        content = page.render(record, {file.name: file.read_bytes() for file in there})
    except (KeyError, TypeError, IndexError, AttributeError, StopIteration) as error:
        raise ValueError(f"record must be whole, got {path}: {error!r}") from error
    write_atomic(folder / PAGE, content.encode())
    return folder / PAGE


def _find_pictures(folder: Path, name: re.Pattern) -> list[Path]:
    """The files of a folder with names of this form."""
    return [path for path in folder.iterdir() if name.fullmatch(path.name)]
