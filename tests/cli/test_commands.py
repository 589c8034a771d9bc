"""The command line from outside: what it writes, what it says, and how it refuses."""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import build_parser, main
from refsast.data import digest, load_nmnist

QUICK = ["--preset", "quick", "--train", "40", "--test", "20", "--hidden", "8", "--epochs", "2"]


def refsast(*args: object, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "refsast", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--out", str(out), *QUICK]) == 0
    return out


def test_synthetic_recordings_are_added_to_those_of_a_folder(tmp_path):
    folder, both = tmp_path / "digits", ["--add-synthetic", "30", "--data-seed", "3"]
    assert main(["data", "make", str(folder), "--train", "20", "--test", "10"]) == 0
    args = ["train", "--out", str(tmp_path / "run"), "--nmnist", str(folder), *both]

    assert main([*args, "--preset", "quick", "--hidden", "4", "--epochs", "1"]) == 0

    record = json.loads((tmp_path / "run" / "run.json").read_text())
    x, y = load_nmnist(folder, "Train", steps=5)
    more, labels = rs.synthetic_digits(30, np.random.default_rng(3).spawn(2)[0], steps=5)
    joined = np.concatenate([x, more], axis=1), np.concatenate([y, labels])
    assert record["data"] == digest(rs.as_spikes(joined[0]), joined[1])
    test = load_nmnist(folder, "Test", steps=5)
    assert record["held_out"] == digest(rs.as_spikes(test[0]), test[1])


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "compared"
    assert main(["compare", "--out", str(out), "--seeds", "2", "--rhos", "0.1,0.2", *QUICK]) == 0
    return out


@pytest.mark.slow
def test_a_comparison_says_where_the_gap_comes_from(compared):
    record = json.loads((compared / "compare.json").read_text())
    page = (compared / "report.html").read_text()

    assert [name.partition(" (seed")[0] for name in record["explained"]] == [
        "baseline",
        "SAST, rho 0.1",
    ]
    for name, said in record["explained"].items():
        arm, seed = re.fullmatch(r"(.*) \(seed (\d), its best\)", name).groups()
        (run,) = (r for r in record["runs"] if (r["arm"], r["seed"]) == (arm, int(seed)))
        hard = 100.0 * run["curve"][-1]["scores"]["hard"]
        assert f"with hard spikes {hard:.1f} %" in said[0]
        assert name in page
    assert "Where the gap comes from" in page


@pytest.mark.slow
def test_train_leaves_a_record_from_which_the_network_comes_back(trained):
    record = json.loads((trained / "run.json").read_text())
    network, params = rs.read_run(trained)
    streams = np.random.default_rng(0).spawn(2)
    x, y = rs.synthetic_digits(20, streams[1], steps=5)

    assert network == rs.Network(
        (2312, 8, 10), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(10.0)
    )
    scores = rs.evaluate(network, params, x, y)
    assert vars(scores) == record["curve"][-1]["scores"]
    assert record["evaluations"] == 2 * 2 * 2  # two passes, two minibatches, two epochs
    assert set(record["versions"]) == {"python", "numpy", "scipy", "refsast"}


@pytest.mark.slow
def test_pages_refer_to_nothing_outside_themselves(trained, compared):
    for folder in (trained, compared):
        page = (folder / "report.html").read_text()
        assert page.count("<img") == len(list(folder.glob("*.png"))) > 1
        assert all(
            src.startswith("data:image/png;base64,") for src in re.findall('src="([^"]*)', page)
        )
        assert not re.search(r"(https?:)?//[a-z]", re.sub(r"base64,[^\"]*", "", page))


@pytest.mark.slow
def test_compare_writes_the_table_that_it_prints(compared, capsys):
    assert (
        main(["compare", "--out", str(compared), "--seeds", "2", "--rhos", "0.1,0.2", *QUICK]) == 0
    )
    printed = capsys.readouterr().out
    record = json.loads((compared / "compare.json").read_text())

    assert [row[0] for row in record["table"]] == [
        "baseline",
        "baseline, twice the epochs",
        "SAST, rho 0.1",
        "SAST, rho 0.2",
    ]
    assert len(record["runs"]) == 8
    assert all(cell in printed for row in record["table"] for cell in row)
    assert all(cell in (compared / "report.html").read_text() for cell in record["table"][2])


def test_report_makes_the_same_page_again(trained, compared):
    for folder in (trained, compared):
        before = (folder / "report.html").read_bytes()
        (folder / "report.html").unlink()

        assert main(["report", str(folder)]) == 0
        assert (folder / "report.html").read_bytes() == before


def test_a_run_in_a_finished_folder_says_the_same_and_another_run_is_refused(trained, capsys):
    before = (trained / "weights.npz").read_bytes()

    assert main(["train", "--out", str(trained), *QUICK]) == 0
    assert main(["train", "--out", str(trained), *QUICK, "--rho", "0.2"]) == 2

    assert "checkpoint must be of this run" in capsys.readouterr().err
    assert (trained / "weights.npz").read_bytes() == before


def test_an_older_result_with_other_settings_is_kept(compared, trained, capsys):
    for folder, command in ((compared, "compare"), (trained, "compare"), (compared, "train")):
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

        assert main([command, "--out", str(folder), *QUICK, "--gain", "9"]) == 2

        assert "out must hold no other result" in capsys.readouterr().err
        assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_made_recordings_are_those_that_train_makes_on_the_spot(tmp_path, capsys):
    folder = tmp_path / "digits"
    assert main(["data", "make", str(folder), "--train", "20", "--test", "10", "--seed", "3"]) == 0
    streams = np.random.default_rng(3).spawn(2)

    for split, n, rng in (("Train", 20, streams[0]), ("Test", 10, streams[1])):
        x, y = load_nmnist(folder, split, steps=10)
        made = rs.synthetic_digits(n, rng, steps=10)
        np.testing.assert_array_equal(x, made[0])
        np.testing.assert_array_equal(y, made[1])

    assert main(["data", "make", str(folder)]) == 2
    assert "must not hold Train yet" in capsys.readouterr().err


def test_describe_prints_figures_and_draws(tmp_path, capsys):
    folder = tmp_path / "digits"
    main(["data", "make", str(folder), "--train", "20", "--test", "0"])
    capsys.readouterr()

    assert main(["data", "describe", str(folder), "--picture", str(tmp_path / "a.png")]) == 0

    printed = capsys.readouterr().out
    assert re.search(r"recordings +20\n", printed)
    assert re.search(r"events per recording +[\d,]+ \.\. ", printed)
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_validation_never_touches_the_test_recordings(tmp_path):
    """What is measured is a part of the training recordings."""
    out = tmp_path / "run"
    assert main(["train", "--out", str(out), *QUICK, "--validation", "0.25"]) == 0

    record = json.loads((out / "run.json").read_text())
    assert "30 to train, 10 to validate, no test recordings" in record["recordings"]


SCORES = r"smooth [\d.]+ %, hard [\d.]+ %, gap -?[\d.]+ points"


@pytest.mark.slow
def test_where_there_is_no_terminal_training_prints_a_line_per_epoch(tmp_path):
    done = refsast("train", "--out", tmp_path / "run", *QUICK)
    lines = done.stderr.splitlines()

    assert done.returncode == 0
    assert [re.sub(rf"loss [\d.]+, {SCORES}", "...", line) for line in lines] == [
        "epoch 1: ...",
        "epoch 2: ...",
    ]
    assert re.search(rf"epoch 2: {SCORES}, 8 gradients", done.stdout)


def test_where_there_is_no_terminal_a_sweep_prints_a_line_per_run(tmp_path, capsys):
    command = ["sweep", "--vary", "rho=0/0.1", "--seeds", "1", "--jobs", "1", *QUICK]

    assert main([*command, "--out", str(tmp_path)]) == 0
    assert [re.sub(SCORES, "...", line) for line in capsys.readouterr().err.splitlines()] == [
        "run 1 of 2: rho 0, seed 0: ...",
        "run 2 of 2: rho 0.1, seed 0: ...",
    ]


BAD = {
    "unknown preset": (["train", "--preset", "huge"], "preset must be one of"),
    "unknown command": (["fly"], "invalid choice"),
    "no command": ([], "required: COMMAND"),
    "negative rho": (["train", "--rho", "-1"], "rho must be finite and not negative, got -1"),
    "rho not a number": (["train", "--rho", "nan"], "rho must be finite and not negative, got nan"),
    "rho a word": (["train", "--rho", "much"], "invalid float value"),
    "zero epochs": (["train", "--epochs", "0"], "must be an integer of 1 to 10000000, got '0'"),
    "leak above one": (["train", "--leak", "1.5"], r"leak must lie in \[0, 1\], got 1.5"),
    "slope zero": (["train", "--slope", "0"], "slope must be positive and finite, got 0"),
    "threshold": (["train", "--threshold", "-1"], "threshold must be positive"),
    "reset": (["train", "--reset", "maybe"], "must be one of zero, subtract"),
    "schedule": (["train", "--schedule", "sudden"], "schedule must be one of"),
    "learning rate": (["train", "--learning-rate", "0"], "learning_rate must be positive"),
    "scale": (["train", "--scale", "inf"], "scale must be positive and finite"),
    "hidden": (["train", "--hidden", "12,x"], "hidden"),
    "no such folder": (["train", "--nmnist", "nowhere"], "nowhere"),
    "validation": (
        ["train", "--validation", "1.5", "--train", "20", "--test", "10"],
        "validation must lie in",
    ),
    "rhos that are one": (["compare", "--rhos", "0.1,0.1"], "rhos must differ"),
    "a huge threshold": (["train", "--threshold", "1e300"], "threshold must fit in float32"),
    "to add to nothing": (["train", "--add-synthetic", "9"], "--add-synthetic must come with --nm"),
    "to add to others": (
        ["train", "--nmnist", ".", "--synthetic-train", "--add-synthetic", "9"],
        "--add-synthetic must come without --synthetic-train",
    ),
    "an idle flag": (["train", "--per-class", "9"], "--per-class must come with --nmnist"),
    "idle jobs": (["data", "make", "x", "--jobs", "2"], "--jobs must come with --spikes"),
    "another": (["train", "--nmnist", ".", "--train", "9"], "--train must come without --nmnist"),
    "one part twice": (["sweep", "--vary", "rho=0", "--vary", "rho=1"], "vary must name each part"),
    "an unknown part": (["sweep", "--vary", "size=3"], "must be NAME=VALUE/VALUE"),
    "nothing to make": (["data", "make", "x", "--train", "0", "--test", "0"], "must not both be 0"),
    "rhos": (["compare", "--rhos", "0,0.1"], "rhos must be positive, got 0, 0.1"),
    "report of nothing": (["report", "nowhere"], "folder must hold run.json, compare.json"),
    "describe nothing": (["data", "describe", "nowhere"], "nowhere"),
    "no recordings of a class": (
        ["train", "--train", "5", "--test", "5", "--validation", "0.9"],
        "--validation must leave recordings of every class in both parts, got 0.9 of 5",
    ),
    "too many to validate": (
        ["train", "--validation", "0.99", "--train", "200"],
        "--validation must leave recordings of every class in both parts, got 0.99 of 200",
    ),
    "too few to validate": (
        ["train", "--validation", "1e-320", "--train", "20"],
        "--validation must leave recordings of every class in both parts, got 1e-320 of 20",
    ),
    "a value twice": (
        ["sweep", "--vary", "rho=0/0"],
        "vary must name each value once, got rho=0/0",
    ),
    "a value twice in other words": (
        ["sweep", "--vary", "gain=1/2/1.0"],
        "vary must name each value once, got gain=1/2/1.0",
    ),
    "an arm without a name": (["compare", "--arm", ": gain=3"], "must be 'NAME: FIELD=VALUE ...'"),
    "an arm without fields": (["compare", "--arm", "mild"], "must be 'NAME: FIELD=VALUE ...'"),
    "an unknown field": (["compare", "--arm", "mild: size=3"], "NAME of .*, got size=3"),
    "a field that is no number": (["compare", "--arm", "mild: gain=much"], "gain=much"),
    "a field that makes no sense": (
        ["compare", "--arm", "mild: leak=2"],
        "arm mild: leak must lie",
    ),
    "an arm of that name": (
        ["compare", "--arm", "baseline: gain=3"],
        "arm must have a name of its own, got baseline",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_exit_code_2(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args, says = BAD[name]

    try:
        code = main(args)
    except SystemExit as left:  # argparse's own way out
        code = left.code

    error = capsys.readouterr().err
    assert code == 2
    assert len(error.splitlines()) == 1
    assert re.search(says, error)
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_in_memory_gets_one_line(tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path), *QUICK, "--hidden", "10000000,10000000"]) == 2

    error = capsys.readouterr().err
    assert error.startswith("refsast: error: sizes must fit in memory")
    assert len(error.splitlines()) == 1


def test_damaged_records_get_one_line_and_exit_code_2(trained, tmp_path, capsys):
    for content in (b"", b"[1, 2]", b"{}", b'{"curve": []}', b"\xff\xfe"):
        (tmp_path / "run.json").write_bytes(content)
        assert main(["report", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert "record must be" in error
        assert len(error.splitlines()) == 1


def test_a_damaged_run_is_refused(trained, tmp_path):
    record = json.loads((trained / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="must be readable"):
        rs.read_run(tmp_path)

    (tmp_path / "weights.npz").write_bytes((trained / "weights.npz").read_bytes()[:-40])
    with pytest.raises(ValueError, match="must be an undamaged archive"):
        rs.read_run(tmp_path)

    record_of = json.dumps(record)
    (tmp_path / "weights.npz").write_bytes((trained / "weights.npz").read_bytes())
    (tmp_path / "run.json").write_text(record_of.replace(record["weights"], "0" * 64))
    with pytest.raises(ValueError, match="weights must be those of"):
        rs.read_run(tmp_path)

    for wrong in ("os.system", "LIF", None):
        record["network"]["is"] = wrong
        (tmp_path / "run.json").write_text(json.dumps(record))
        with pytest.raises(ValueError, match="specification must be"):
            rs.read_run(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="folders without write permission are Unix's")
def test_an_unwritable_folder_gets_one_line(tmp_path):
    """A file stands where the folder should be: not even root can write there."""
    (tmp_path / "out").write_text("in the way")

    done = refsast("train", "--out", tmp_path / "out", *QUICK)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "out" in done.stderr
    assert (tmp_path / "out").read_text() == "in the way"


def every_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from every_parser(inner)


@pytest.mark.parametrize(
    "parser", list(every_parser(build_parser())), ids=lambda parser: parser.prog
)
def test_help_explains_every_flag(parser):
    assert all(action.help for action in parser._actions if action.nargs != argparse.PARSER)
    assert "usage" in parser.format_help()


def test_the_package_stands_without_anything_optional():
    """Importing the package imports no framework."""
    code = "import refsast, sys; print({'torch', 'jax', 'snntorch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
    assert Path(rs.__file__).name == "__init__.py"
