"""What a user meets at once: quick answers, one line where it ends early, the version."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import refsast as rs
from refsast.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
SLOW = {"scipy", "matplotlib", "joblib", "tqdm", "hypothesis", "pandas"}  # to import
QUICK = ["--preset", "quick", "--train", "40", "--test", "20", "--hidden", "8"]

# Prints what it takes to answer a command, after its own one line on standard error.
MEASURE = """
import sys, time
sys.argv = ["refsast", *sys.argv[1:]]
from PROGRAM.__main__ import main
try:
    code = main()
except SystemExit as left:
    code = left.code
print(code, time.process_time(), *{name.split(".")[0] for name in sys.modules})
"""


def python(*args: object, **more) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, **more)


def test_importing_the_package_imports_nothing():
    done = python("-c", "import refsast, sys; print(*sys.modules)")

    assert not {"numpy", *SLOW} & set(done.stdout.split())
    assert [name for name in done.stdout.split() if name.startswith("refsast")] == ["refsast"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "--claim nope",  # of proofs_check
        "train --rho x",
        "train --preset huge",
        "compare --rhos 0,0.1",
        "sweep --vary size=3",
        "diagnose nowhere",
        "sharpness --every 0",
        "crosscheck run --impl bad",
        "data make x --jobs 2",
        "report nowhere",
    ],
)
def test_a_wrong_argument_is_answered_at_once(command):
    program = "proofs_check" if command.startswith("--") else "refsast"
    done = python("-c", MEASURE.replace("PROGRAM", program), *command.split())
    code, seconds, *modules = done.stdout.split()

    assert code == "2"
    assert done.stderr.count("\n") == 1
    assert not SLOW & set(modules)
    assert float(seconds) < 2.0  # a fifth of it on a machine at rest


def test_the_version_is_that_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert python("-m", "refsast", "--version").stdout == f"refsast {rs.__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", rs.__version__)
    assert project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "refsast.__version__"


@pytest.mark.parametrize("program", ["refsast", "proofs_check"])
def test_an_interrupt_during_the_imports_ends_in_one_line(program, tmp_path):
    """A NumPy that interrupts whoever imports it."""
    (tmp_path / "numpy.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"
    )
    done = python("-m", program, env={**os.environ, "PYTHONPATH": str(tmp_path)})

    assert (done.returncode, done.stdout, done.stderr) == (130, "", f"{program}: interrupted\n")


@pytest.mark.slow
def test_an_interrupt_during_the_training_ends_in_one_line(tmp_path):
    command = [sys.executable, "-m", "refsast", "train", *QUICK, "--epochs", "100000"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path)], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stderr.readline().startswith("epoch 1: ")
        process.send_signal(signal.SIGINT)
        *_, last = process.stderr.read().splitlines()

    assert (process.returncode, last) == (130, "refsast: interrupted")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["--help", "train --help", "data make {} --train 1 --test 0"])
def test_who_reads_no_further_is_not_complained_to(command, unbuffered, tmp_path):
    """As ``| head -1`` does, once it has its line."""
    reader, writer = os.pipe()
    os.close(reader)
    words = command.format(tmp_path).split()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "refsast", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    finally:
        os.close(writer)

    assert done.stderr == b""
    assert done.returncode == (0 if unbuffered and "help" in command else 141)  # argparse hides it


def test_a_run_that_lost_its_checkpoint_is_not_overwritten(tmp_path, capsys):
    flags = ["train", "--preset", "quick", "--train", "20", "--test", "10", "--hidden", "3"]
    flags += ["--epochs", "1", "--out", str(tmp_path)]
    assert main(flags) == 0
    (tmp_path / "checkpoint.npz").unlink()
    before = (tmp_path / "run.json").read_bytes()
    capsys.readouterr()

    assert main([*flags, "--gain", "3"]) == 2
    assert "out must hold no other result" in capsys.readouterr().err
    assert (tmp_path / "run.json").read_bytes() == before


def test_answers_are_not_overwritten_by_questions(tmp_path, capsys):
    (tmp_path / "to-zero.npz").write_bytes(b"mine")

    assert main(["crosscheck", "export", str(tmp_path)]) == 2
    assert "to-zero.npz" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["to-zero.npz"]
    assert (tmp_path / "to-zero.npz").read_bytes() == b"mine"


@pytest.mark.parametrize(
    "flags", [["train", "--out", ""], ["crosscheck", "export", ""], ["report", ""]]
)
def test_an_empty_path_is_no_folder(flags, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(flags)

    assert stopped.value.code == 2
    assert "must be a path, got ''" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    flags = ["crosscheck", "run", "--impl", "no.such:factory", "--figure", str(tmp_path)]

    assert main(flags) == 2
    assert "must be writable" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_no_number_ends_before_anything_is_kept(tmp_path, capsys):
    flags = ["train", "--preset", "quick", "--train", "30", "--test", "20", "--hidden", "3"]

    out = tmp_path / "run"
    assert main([*flags, "--epochs", "1", "--learning-rate", "1e38", "--out", str(out)]) == 2
    assert "must stay finite" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_closed_standard_output_is_no_traceback():
    command = f"exec {sys.executable} -m refsast --version >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=ROOT)

    assert "Traceback" not in done.stderr
