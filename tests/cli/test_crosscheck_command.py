"""``python -m refsast crosscheck``: what it prints, writes and returns."""

import json
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from refsast.cli.crosscheck import CASES
from refsast.crosscheck.golden.reader import EXTENDED_SET, SHIPPED_SET, read_index
from refsast.model.params import map_params

FACTORIES = """
from dataclasses import replace

import refsast as rs
from refsast.crosscheck.variants import solve


def right(case):
    return rs.Implementation(
        lambda params, x, y: solve(replace(case, params=params, x=x, y=y)), name="mine 1.0"
    )


def detached(case):
    if case.synapse or case.hard:
        raise rs.Unsupported("no synapses")
    neurons = tuple(replace(n, detach_reset=True) for n in case.network.neurons)
    network = replace(case.network, neuron=neurons)
    return lambda params, x, y: rs.fast.loss_and_grad(network, params, x, y)


def nothing(case):
    raise rs.Unsupported("no such network")


def broken(case):
    raise RuntimeError("no\\nway")


def crashing(case):
    return lambda params, x, y: 1 / 0


def nan(case):
    return lambda params, x, y: (float("nan"), params)


number = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "crosschecked.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def crosscheck(*words):
    return main(["crosscheck", *map(str, words)])


def test_what_is_right_agrees_in_every_case(folder, capsys):
    assert crosscheck("run", "--impl", "crosschecked:right", "--json", "all.json") == 0
    said = capsys.readouterr().out

    assert said.startswith(f"mine 1.0 agrees in {len(CASES)} of {len(CASES)} cases")
    assert (folder / "runs/crosscheck.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((folder / "all.json").read_text())
    assert [case["agrees"] for case in found["cases"]] == [True] * len(CASES)


def test_what_is_wrong_is_named_and_located(folder, capsys):
    words = (
        "--case",
        "to-zero",
        "--case",
        "current-based",
        "--figure",
        "f.png",
        "--json",
        "j.json",
    )
    assert crosscheck("run", "--impl", "crosschecked:detached", *words) == 1
    said = capsys.readouterr().out

    assert said.startswith("crosschecked:detached DISAGREES in 1 of 1 cases")
    assert "to-zero        DISAGREES  reset detached  adjoint of layer 1, step 3" in said
    assert "current-based  left out                   no synapses" in said
    assert (folder / "f.png").is_file()
    (case,) = json.loads((folder / "j.json").read_text())["cases"]
    assert case["cause"]["name"] == "reset detached"
    assert (case["first"]["what"], case["first"]["layer"], case["first"]["time"]) == (
        "adjoint",
        0,
        2,
    )


REFUSED = {
    "crosschecked:nothing": "must have at least one of the networks, got none",
    "crosschecked:broken": "factory must return an implementation or raise Unsupported, got Runt",
    "crosschecked:crashing": "gradient must answer 'to-zero', got ZeroDivisionError",
    "crosschecked:nan": "loss must be finite, got nan",
    "crosschecked:number": "impl must name a callable",
    "crosschecked:missing": "impl must name something in crosschecked",
    "nowhere:factory": "impl must name a module that can be imported",
    "crosschecked": "impl must be written package:factory",
}


@pytest.mark.parametrize("spec", REFUSED)
@pytest.mark.parametrize("command", ["run", "integrable"])
def test_what_cannot_be_run_is_said_in_one_line(folder, capsys, command, spec):
    if (command, spec) == ("integrable", "crosschecked:nothing"):
        assert crosscheck(command, "--impl", spec, "--case", "to-zero") == 2
        return
    assert crosscheck(command, "--impl", spec, "--case", "to-zero") == 2
    error = capsys.readouterr().err
    assert REFUSED[spec] in error
    assert error.count("\n") == 1
    assert not (folder / "runs").exists()


def test_without_a_reference(folder, capsys):
    words = ("--case", "to-zero")
    assert crosscheck("integrable", "--impl", "crosschecked:right", *words) == 0
    assert crosscheck("integrable", "--impl", "crosschecked:detached", *words) == 1
    assert "Not a gradient of anything" in capsys.readouterr().out


def test_so_is_the_set_of_extended_networks(folder, capsys):
    assert crosscheck("export", "gold", "--extended") == 0
    assert capsys.readouterr().out == f"{len(read_index(EXTENDED_SET))} cases: gold\n"
    assert crosscheck("compare", "gold", "--extended") == 0
    assert crosscheck("compare", "gold", "--golden", "gold") == 0
    assert crosscheck("compare", "gold") == 2  # of the other set there is no such case
    assert crosscheck("compare", "gold", "--extended", "--golden", "gold") == 2
    assert "--golden must come without --extended, got both" in capsys.readouterr().err


def test_what_is_exported_is_the_set_that_ships_and_agrees_with_itself(folder, capsys):
    assert crosscheck("export", "gold") == 0
    for path in SHIPPED_SET.iterdir():
        assert (folder / "gold" / path.name).read_bytes() == path.read_bytes()
    assert crosscheck("compare", "gold") == 0
    assert "to-zero" in capsys.readouterr().out


def test_wrong_answers_and_damaged_files(folder, capsys):
    (folder / "answers").mkdir()
    with np.load(SHIPPED_SET / "to-zero.npz") as file:
        grads = {name: file[name] for name in file.files if name.startswith("grads")}
    np.savez(folder / "answers/to-zero.npz", **{k: 1.001 * a for k, a in grads.items()})
    assert crosscheck("compare", "answers") == 1
    (folder / "answers/to-zero.npz").write_bytes(b"PK\x03\x04 no archive")
    assert crosscheck("compare", "answers") == 2
    np.savez(folder / "answers/to-zero.npz", **{"grads.0.w": np.array([{}], object)})
    assert crosscheck("compare", "answers") == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 2
    assert "Traceback" not in errors


def draw_cases():
    """One network of which nothing flows back, and one that fires."""
    network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.PiecewiseQuadratic(5.0)), rs.SpikeRate(5.0))
    params = map_params(lambda a: 0.05 * a, rs.init(network, 0))
    quiet = rs.Case(network, params, np.ones((8, 2, 2)), np.array([0, 2]), name="quiet")
    return quiet, replace(rs.harder(quiet), name="loud")


@pytest.mark.parametrize(
    ("names", "impl", "code", "said"),
    [
        (("quiet",), "right", 3, "undecided in 1 of 1 cases"),
        (("quiet", "loud"), "right", 3, "undecided in 1 of 2 cases"),
        (("loud",), "right", 0, "agrees in 1 of 1 cases"),
        (("quiet", "loud"), "detached", 1, "DISAGREES in 1 of 2 cases, undecided in 1"),
    ],
)
def test_what_cannot_be_decided_has_an_exit_code_of_its_own(
    folder, capsys, monkeypatch, names, impl, code, said
):
    cases = [case for case in draw_cases() if case.name in names]
    monkeypatch.setattr("refsast.cli.crosscheck._cases", lambda args: cases)
    assert crosscheck("run", "--impl", f"crosschecked:{impl}", "--json", "all.json") == code

    assert said in capsys.readouterr().out
    found = json.loads((folder / "all.json").read_text(), parse_constant=pytest.fail)["cases"]
    assert found[0]["verdict"] == ("undecided" if "quiet" in names else "agrees")
    assert all(case["power"]["planted"] == 3 for case in found)
