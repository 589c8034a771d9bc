"""The pages of runs, comparisons and sweeps say what their records hold, and no more."""

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from refsast.experiment import html_document, page_figures
from refsast.experiment.explanation import explain_comparison
from refsast.experiment.outcome import mean_difference, mean_of_arm, read_outcomes
from refsast.experiment.output_dir import write_page
from refsast.experiment.presets import PRESETS
from refsast.experiment.sweep_page import draw_sweep, find_fields
from tests.experiment.small_records import QUICK, comparison, diverge, sweep

SAVED = json.loads(Path(__file__).with_name("run_0_2_0.json").read_text(encoding="utf-8"))
BASE, LONG, SAST = "baseline", "baseline, twice the epochs", "SAST, rho 0.3"
CLEAR = {BASE: [0.4, 0.42, 0.44], LONG: [0.5, 0.52, 0.54], SAST: [0.8, 0.82, 0.84]}
UNCLEAR = {BASE: [0.4, 0.8, 0.6], LONG: [0.5, 0.52, 0.54], SAST: [0.7, 0.5, 0.66]}


def explain(record):
    return " ".join(explain_comparison(record, read_outcomes(record)))


def page_text(folder, name, record):
    """The words of the page that is made of a record."""
    (folder / name).write_text(json.dumps(record))
    html = write_page(folder).read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    return unescape(re.sub(r"<[^>]*>", " ", body)).replace("\N{NO-BREAK SPACE}", " ")


def test_the_sentences_have_the_figures_of_the_record():
    said = explain(comparison(CLEAR))

    assert "The baseline's gap is 48.0 ± 5.0 points, that of SAST (rho 0.3) 8.0 ± 5.0" in said
    assert "40.0 ± 0.0 points less (paired by seed)" in said
    assert "It then reads 52.0 ± 5.0 % with hard spikes, a gap of 38.0 ± 5.0 points" in said
    assert "SAST (rho 0.3) is 30.0 ± 0.0 points higher" in said
    assert "The baseline then reads 62.5 ± 0.0 % with hard spikes" in said
    assert "SAST (rho 0.3), not re-tuned, is 19.5 ± 5.0 points higher" in said
    assert "includes zero" not in said


def test_where_an_interval_includes_zero_nothing_is_concluded():
    said = explain(comparison(UNCLEAR))

    assert said.count("these seeds do not tell the two apart") == 3
    assert "no gap is shown that could be closed" in explain(comparison({**CLEAR, BASE: [0.9] * 3}))


def test_two_seeds_get_no_interval_and_a_sentence_about_it():
    said = explain(comparison({arm: hard[:2] for arm, hard in CLEAR.items()}))

    assert "Only two seeds were run" in said
    assert "±" not in said


def test_of_several_radii_none_is_picked_out():
    said = explain(comparison({**CLEAR, "SAST, rho 0.1": [0.6, 0.62, 0.64]}))

    assert "the 2 SAST arms go from 8.0 to 28.0" in said
    assert "None of these arms is picked out" in said
    assert "higher" not in said


def test_arms_that_have_hardly_learned_are_named():
    record = comparison(CLEAR)
    for run in record["runs"]:
        if run["arm"] == BASE:
            run["curve"][-1]["scores"]["smooth"] = 0.15

    assert "by the interval: baseline. What has hardly learned" in explain(record)
    assert "hardly learned" not in explain(comparison(CLEAR))
    for run, smooth in zip(record["runs"], (0.1, 0.3, 0.5), strict=False):
        run["curve"][-1]["scores"]["smooth"] = smooth  # a mean of 30 %, plus or minus 50
    assert "by the interval: baseline. What has hardly learned" in explain(record)


def test_unequal_budgets_are_not_called_equal():
    record = comparison(CLEAR)
    assert "as many gradients as SAST (12)" in explain(record)
    for run in record["runs"]:
        run["evaluations"] = {BASE: 6, LONG: 12, SAST: 24}[run["arm"]]

    assert "took 12 gradients, SAST 24" in explain(record)
    assert "as many" not in explain(record)


def test_silent_recordings_are_spoken_of_where_they_were_counted():
    assert "no output neuron fires" not in explain(comparison(CLEAR))

    said = explain(comparison(CLEAR, silent=0.31))
    assert "no output neuron fires with hard spikes: baseline 31.0 ± 0.0 %" in said
    assert "counts 1/k, the hard accuracy is: baseline 50.0 ± 0.0 %" in said


def test_the_gain_is_spoken_of_in_the_setting_in_which_it_was_measured():
    paper = PRESETS["paper"]
    said = {
        gain: explain(comparison(CLEAR, setting=replace(paper, gain=gain))) for gain in (10, 150)
    }
    real = comparison(CLEAR, setting=paper, recordings="700 N-MNIST recordings")

    assert "gain is 150 here" in said[150]
    assert all(
        "gain is" not in text for text in (said[10], explain(real), explain(comparison(CLEAR)))
    )


def test_a_run_that_diverged_is_a_row_and_not_in_the_means(tmp_path):
    record = diverge(comparison(CLEAR), SAST, 1, 17)
    outcomes = read_outcomes(record)

    assert mean_of_arm(outcomes, SAST, "hard").value == pytest.approx(82.0)
    assert mean_difference(outcomes, SAST, BASE, "hard").value == pytest.approx(40.0)
    text = page_text(tmp_path, "compare.json", record)
    assert "diverged at step 17" in text
    assert "1 of 9 runs diverged" in text


def test_a_comparison_of_which_every_sast_run_diverged_has_a_page(tmp_path):
    record = comparison(CLEAR)
    for seed in range(3):
        record = diverge(record, SAST, seed, 3)

    assert "3 of 9 runs diverged" in page_text(tmp_path, "compare.json", record)


def test_what_a_record_lacks_is_said_to_be_not_recorded(tmp_path):
    text = page_text(tmp_path, "run.json", SAVED["run.json"])
    box = text[text.index("Reproduce") :]

    assert re.search(r"command\s+not recorded", box)
    assert re.search(r"date\s+not recorded", box)
    assert SAVED["run.json"]["data"] in box
    assert "numpy 2.4.6" in box


def test_the_box_has_command_and_date_where_they_are(tmp_path):
    command = ["compare", "--out", "runs/with space"]
    record = comparison(CLEAR, command=command, date="2026-01-02")
    box = page_text(tmp_path, "compare.json", record)

    assert "python -m refsast compare --out 'runs/with space'" in box
    assert "2026-01-02" in box
    assert "not recorded" not in box
    assert "d" * 64 in box


def test_pictures_of_an_earlier_record_do_not_stay(tmp_path):
    for name in ("curves_4.png", "gap_by_rho.png", "membrane.png", "map_of_mine.png"):
        (tmp_path / name).write_bytes(b"old")
    page_text(tmp_path, "compare.json", comparison(CLEAR))
    html = (tmp_path / "report.html").read_text()

    there = {path.name for path in tmp_path.glob("*.png")}
    assert there >= {"membrane.png", "map_of_mine.png", "curves_3.png"}  # not drawn from a record
    assert not there & {"curves_4.png", "gap_by_rho.png"}
    assert html.count("<img") == len(there) - 1
    assert "b2xk" in html  # "old", the potentials, in base 64


def test_a_sweep_names_its_fields_and_how_it_came_out(tmp_path):
    record = diverge(
        sweep({"gain": [10.0, 150.0], "rho": [0.0, 0.1, 0.3]}), "gain 10.0, rho 0.0", 0, 5
    )
    text = page_text(tmp_path, "sweep.json", record)

    assert "6 combinations of gain and rho, 3 seeds each: mean hard accuracy from 20.0 to" in text
    assert "diverged at step 5" in text
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [
        "map_gap.png",
        "map_hard.png",
        "map_silent.png",
    ]


def test_fields_that_vary_are_found_with_their_values_in_order():
    settings = sweep({"gain": [150.0, 10.0], "hidden": [(64, 64), (8,)]})["settings"]

    assert find_fields(settings) == {"hidden": ["64, 64", "8"], "gain": ["10", "150"]}


def test_the_map_has_each_mean_in_the_cell_of_its_values():
    record = sweep({"gain": [10.0, 150.0], "rho": [0.0, 0.1, 0.3]})
    (axis,) = draw_sweep(record)["map_hard.png"].axes
    cells = {(t.get_position()): t.get_text() for t in axis.texts}
    columns = [t.get_text() for t in axis.get_xticklabels()]
    rows = [t.get_text() for t in axis.get_yticklabels()]

    assert (rows, columns) == (["0", "0.1", "0.3"], ["10", "150"])  # the longer goes down
    for i, arm in enumerate(record["settings"]):
        gain, rho = re.fullmatch(r"gain ([\d.]+), rho ([\d.]+)", arm).groups()
        place = columns.index(f"{float(gain):g}"), rows.index(f"{float(rho):g}")
        assert cells[place] == f"{100 * (0.2 + 0.5 * i / 6):.1f}"


def test_a_cell_without_a_mean_says_so():
    means, lost = np.array([[np.nan, 20.0], [30.0, np.nan]]), np.array([[3, 1], [0, 0]])
    (axis,) = page_figures.heat_map(means, lost, ["a", "b"], ["c", "d"], ("x", "y")).axes

    assert [t.get_text() for t in axis.texts] == ["diverged", "20.0*", "30.0", "–"]


@pytest.mark.parametrize(
    ("fields", "drawn"),
    [
        ({"rho": [0.0, 0.1]}, {"accuracy_by_value", "gap_by_value", "silent_by_value"}),
        ({"rho": [0.0, 0.1], "gain": [1.0, 2.0], "leak": [0.5, 0.9]}, {"accuracy_by_arm"}),
        ({"rho": [0.1 * i for i in range(5)], "gain": [1.0, 2.0], "leak": [0.5, 0.9]}, set()),
        ({"rho": [0.1]}, {"accuracy_by_arm"}),
    ],
)
def test_what_is_drawn_depends_on_how_much_was_varied(fields, drawn):
    assert set(draw_sweep(sweep(fields))) == {f"{name}.png" for name in drawn}


def test_intervals_of_two_measures_do_not_cover_each_other():
    outcomes = read_outcomes(comparison(CLEAR))
    values = {arm: str(i) for i, arm in enumerate(CLEAR)}
    (lines,) = page_figures.value_lines(outcomes, values, ("smooth", "hard"), "rho", "").axes
    (dots,) = page_figures.arm_dots(outcomes, ("smooth", "hard"), "").axes

    smooth, hard = (bars.lines[0].get_xdata() for bars in lines.containers)
    assert np.all(np.abs(smooth - hard) > 0.05)
    heights = [bars.lines[0].get_ydata()[0] for bars in dots.containers]
    assert len(set(np.round(heights, 3))) == len(heights) == 6


def test_measures_differ_in_marker_and_line_not_in_colour_alone():
    for name in ("marker", "linestyle"):
        assert page_figures.LOOKS["smooth"][name] != page_figures.LOOKS["hard"][name]


def test_an_axis_that_does_not_begin_at_zero_says_so():
    assert page_figures.zoom([45.0, 93.0])[0] == 0.0
    low, high = page_figures.zoom([91.2, 98.0], 0.0, 100.0)
    assert 80.0 <= low < 91.2
    assert 98.0 < high <= 100.0
    assert "axis from 90" in page_figures.describe_axis("accuracy", low)
    assert page_figures.zoom([-3.0, 4.0])[0] < -3.0


def test_a_cell_may_lead_to_a_section_of_the_page():
    link = html_document.Link("claims/sam.py", "Proof: claims/sam.py")
    table = html_document.table(("claim", "proof"), [("4a", link)])
    page = html_document.render_page("t", "l", [("All", [table]), ("Proof: claims/sam.py", [])])

    assert '<a href="#proof-claims-sam-py">claims/sam.py</a>' in page
    assert '<h2 id="proof-claims-sam-py">Proof: claims/sam.py</h2>' in page


def test_a_number_with_an_exponent_is_not_broken_at_its_hyphen():
    assert html_document.paragraph("at most 1.5e-12 of it, see x2e-3") == (
        '<p>at most <span class="number">1.5e-12</span> of it, see x2e-3</p>'
    )


def test_cells_carry_their_heading_and_numbers_are_marked():
    html = html_document.table(
        ("arm", "hard %"), [("a & b", "63.3 ± 9.0"), ("c", "10.0 ± 2.0 at chance")]
    )
    assert "hard\N{NO-BREAK SPACE}%" in html
    html = html.replace("\N{NO-BREAK SPACE}", " ")

    assert '<td class="text" data-label="arm">a &amp; b</td>' in html
    assert '<th scope="col" class="text">arm</th><th scope="col">hard %</th>' in html
    assert '<td class="number" data-label="hard %">63.3 ± 9.0</td>' in html
    assert '<span><span class="number">10.0 ± 2.0</span> at chance</span></td>' in html
    with pytest.raises(ValueError, match="row must have a cell per heading"):
        html_document.table(("arm", "hard %"), [("a",)])


def test_an_accuracy_beyond_one_is_refused(tmp_path):
    record = comparison({**CLEAR, BASE: [1.2, 0.4, 0.4]})
    (tmp_path / "compare.json").write_text(json.dumps(record))

    with pytest.raises(ValueError, match=r"hard must lie in \[0, 1\], got 1.2"):
        write_page(tmp_path)


def test_the_settings_table_leaves_out_what_was_varied(tmp_path):
    text = page_text(tmp_path, "sweep.json", sweep({"gain": [10.0, 150.0]}))

    fixed = text[text.index("What was not varied") : text.index("Reproduce")]
    assert "leak" in fixed
    assert "gain" not in fixed.replace(QUICK.source, "")
