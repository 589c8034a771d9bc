"""``compare`` and ``sweep`` keep each run, repeat none, and refuse a folder that is not theirs."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from refsast.__main__ import main
from refsast.experiment import run_store
from refsast.experiment.folder_lock import lock_folder

QUICK = ["--preset", "quick", "--train", "30", "--test", "10", "--hidden", "4", "--epochs", "1"]
ONE = ["--jobs", "1", "--seeds", "1", *QUICK]
COMPARE = ["compare", "--rhos", "0.1", *ONE]
SWEEP = ["sweep", "--vary", "gain=5/10", *ONE]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a comparison of three runs."""
    out = tmp_path_factory.mktemp("runs") / "compared"
    assert main([*COMPARE, "--out", str(out)]) == 0
    return out


@pytest.fixture
def folder(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "out"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def record(folder: Path, name: str = "compare.json") -> dict:
    return json.loads((folder / name).read_text())


def trained(capsys) -> list[str]:
    """Which runs the command says it has done."""
    return re.findall(r"^run \d+ of \d+: (.*, seed \d+): ", capsys.readouterr().err, flags=re.M)


@pytest.mark.slow
def test_what_is_there_is_not_repeated(folder, capsys):
    before = contents(folder / "runs")
    asked = [*COMPARE, "--out", str(folder)]

    assert main(asked) == 0
    assert capsys.readouterr().err == "3 of 3 runs were there already\n"
    run_store.run_path(folder, "baseline", 0).unlink()
    assert main(asked) == 0
    assert trained(capsys) == ["baseline, seed 0"]
    assert contents(folder / "runs") == before


@pytest.mark.slow
def test_more_seeds_and_more_arms_are_added(folder, capsys):
    before = record(folder)
    more = ["compare", *ONE, "--out", str(folder), "--rhos", "0.2", "--first-seed", "0"]
    arm = ["--arm", "no reset: reset=none epochs=2"]

    assert main([*more, *arm, "--seeds", "2"]) == 0
    done = trained(capsys)
    now = record(folder)
    assert len(done) == 2 * 4 - 2
    assert {"baseline, seed 0", "SAST, rho 0.1, seed 0"}.isdisjoint(done)
    assert set(now["settings"]) == {*before["settings"], "SAST, rho 0.2", "no reset"}
    assert all(run in now["runs"] for run in before["runs"])
    assert len(now["runs"]) == 2 * 4 + 1
    control = now["settings"]["no reset"]
    assert (control["reset"], control["epochs"], control["rho"]) == ({"is": "NoReset"}, 2, 0.0)


@pytest.mark.slow
def test_a_run_that_diverges_is_kept_as_one_and_so_are_the_others(tmp_path, capsys):
    rates = "learning-rate=1e-3/2e-3/3e-3/4e-3/5e-3/3e38"
    asked = ["sweep", "--vary", rates, *ONE, "--out", str(tmp_path)]

    for there in (0, 6):
        assert main(asked) == 0
        out, err = capsys.readouterr()
        assert err.count("\nrun ") + err.startswith("run ") == 6 - there
        wild = re.search(r"^learning_rate 3e38 .*$", out, flags=re.M).group()
        assert wild.endswith("1 of 1, diverged at step 1") or wild.endswith("at step 2")
    found = record(tmp_path, "sweep.json")
    assert len(found["runs"]) == 5
    assert [(r["arm"], r["seed"]) for r in found["diverged"]] == [("learning_rate 3e38", 0)]
    assert len(found["table"]) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ([*COMPARE, "--gain", "9"], "with other gain of the arm baseline"),
        ([*COMPARE, "--data-seed", "1"], "with other recordings"),
        ([*COMPARE, "--train", "31"], "with other recordings"),
        (SWEEP, "compare.json"),
        (["train", *QUICK], "compare.json"),
    ],
)
def test_a_folder_of_something_else_is_refused(folder, asked, says, capsys):
    before = contents(folder)

    assert main([*asked, "--out", str(folder)]) == 2

    error = capsys.readouterr().err
    assert "out must hold no other result, got " in error
    assert says in error
    assert error.count("\n") == 1
    assert contents(folder) == before


@pytest.mark.parametrize("asked", [SWEEP, ["train", *QUICK]])
def test_so_is_one_that_was_stopped_before_its_table(folder, asked, capsys):
    (folder / "compare.json").unlink()

    assert main([*asked, "--out", str(folder)]) == 2
    assert "out must hold no other result, got " in capsys.readouterr().err


def test_a_table_without_its_runs_is_not_replaced_by_less(folder, capsys):
    """As one of a version that kept no runs, or where somebody removed them."""
    shutil.rmtree(folder / "runs")
    before = contents(folder)

    assert main(["compare", "--rhos", "0.3", *ONE, "--out", str(folder)]) == 2
    assert "without its" in capsys.readouterr().err
    assert contents(folder) == before


def test_damaged_runs_and_those_of_another_version_are_refused(folder, capsys, monkeypatch):
    path = run_store.run_path(folder, "baseline", 0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    before = contents(folder)

    assert main([*COMPARE, "--out", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(path) in error
    assert contents(folder) == before

    path.write_bytes(whole)
    monkeypatch.setattr(run_store, "__version__", "9.9.9")
    assert main([*COMPARE, "--out", str(folder)]) == 2
    assert "run must be of refsast 9.9.9" in capsys.readouterr().err


def test_a_folder_in_use_is_refused(finished, capsys):
    with lock_folder(finished):
        assert main([*COMPARE, "--out", str(finished)]) == 2

    assert "in use by process" in capsys.readouterr().err


@pytest.mark.slow
def test_what_a_killed_writer_left_is_cleared_away(folder):
    (folder / "runs" / ".a.json.01234567.part").write_bytes(b"half")

    assert main([*COMPARE, "--out", str(folder)]) == 0
    assert not list(folder.glob("**/.*"))


def test_the_record_says_how_it_was_made(finished):
    made = record(finished)

    assert made["command"] == [*COMPARE, "--out", str(finished)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made["date"])
    assert made["flags"] == {"train": 30, "test": 10}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount, where at all")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_gets_one_line_and_loses_nothing(small_disk, capsys):
    """There is room for some runs, and none for the pictures."""
    asked = [*COMPARE, "--out", str(small_disk), "--keep", "none", "--seeds", "30"]

    assert main(asked) == 2

    said = capsys.readouterr().err.splitlines()
    done = [line for line in said if line.startswith("run ")]
    assert re.fullmatch(r"refsast: error: .* must be writable, got No space left .*", said[-1])
    assert len(done) == len(said) - 1
    kept = run_store.read_stored_runs(small_disk)
    assert 3 <= len(kept) <= len(done) <= len(kept) + 1
    assert not list(small_disk.glob("**/.*"))
