"""The page of a run and the page of a comparison, from their records alone."""

from collections.abc import Mapping

from refsast.codec import Json
from refsast.experiment import html_document
from refsast.experiment.run_files import COMPARISON, RUN


def _settings_table(setting: Mapping[str, Json]) -> str:
    """A setting as a table of two columns."""
    shown = {k: v for k, v in setting.items() if k not in ("is", "source")}
    return html_document.table(
        ("setting", "value"), [(k, _format_value(v)) for k, v in shown.items()]
    )


def _format_value(value: Json) -> str:
    """A field of a setting as a person writes it."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{k}={v}" for k, v in value.items() if k != "is")
        return f"{value['is']}({inside})"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _percent(scores: Mapping, name: str) -> float:
    """An accuracy in per cent, if it is one."""
    if not 0.0 <= scores[name] <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {scores[name]}")
    return 100.0 * scores[name]


def _run_page(record: Mapping, pictures: list[str]) -> str:
    last = record["curve"][-1]
    rho = record["config"]["rho"]
    lead = f"After {last['epoch']} epochs; no accuracy was measured."
    if last["scores"] is not None:
        smooth, hard = (_percent(last["scores"], name) for name in ("smooth", "hard"))
        lead = (
            f"After {last['epoch']} epochs: {smooth:.1f} % with smooth spikes, {hard:.1f} % with "
            f"hard spikes, a transfer gap of {smooth - hard:.1f} points."
        )
    facts = [
        ("recordings", record["recordings"]),
        ("seed", str(record["seed"])),
        ("gradients of a minibatch", str(record["evaluations"])),
        ("SHA-256 of the training data", record["data"]),
        ("versions", ", ".join(f"{k} {v}" for k, v in record["versions"].items())),
    ]
    title = f"SAST, rho {rho:g}" if rho > 0.0 else "Baseline (rho 0)"
    sections = [
        ("Curves", pictures),
        (
            "Setting",
            [
                html_document.paragraph(record["setting"]["source"]),
                _settings_table(record["setting"]),
            ],
        ),
        ("Record", [html_document.table(("what", "value"), facts)]),
    ]
    return html_document.render_page(title, lead, sections)


RUN_HEADINGS = ("arm", "seed", "smooth %", "hard %", "gap", "hard %, thresholds re-tuned")


def _run_row(run: Mapping) -> tuple[str, ...]:
    """One run of a comparison as text, under `RUN_HEADINGS`."""
    scores = run["curve"][-1]["scores"]
    smooth, hard = (_percent(scores, name) for name in ("smooth", "hard"))
    retuned = _percent(run, "retuned")
    figures = (smooth, hard, smooth - hard, retuned)
    return run["arm"], str(run["seed"]), *(f"{value:.1f}" for value in figures)


def _comparison_page(record: Mapping, pictures: list[str]) -> str:
    first = next(iter(record["settings"].values()))
    note = (
        "Mean over the seeds; from three seeds on with its 95 % interval (Student's t). "
        "Differences are paired: the same seed means the same initial parameters and the same "
        "order of the recordings. SAST takes two gradients per step; the baseline with twice the "
        "epochs spends as many. Thresholds re-tuned: a control, in which all thresholds of the "
        "hard network are multiplied by the factor that is best on the training recordings."
    )
    runs = [_run_row(run) for run in record["runs"]]
    sections = [
        (
            "Table",
            [
                html_document.table(record["headings"], record["table"]),
                html_document.paragraph(note),
            ],
        ),
        ("Figures", pictures),
        ("Every run", [html_document.table(RUN_HEADINGS, runs)]),
        (
            "Setting of the baseline",
            [html_document.paragraph(first["source"]), _settings_table(first)],
        ),
        ("Recordings", [html_document.paragraph(record["recordings"])]),
    ]
    return html_document.render_page("Baseline against SAST", record["verdict"], sections)


PAGES = {RUN: _run_page, COMPARISON: _comparison_page}
