"""``python -m proofs_check``: what it prints, writes and refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from proofs_check import evaluation, register, report
from proofs_check.__main__ import main
from proofs_check.claims.stability import COMPACT
from proofs_check.commands import select_claims
from proofs_check.training import INDEPENDENT_STEPS, PLAIN
from refsast.__main__ import main as refsast

FEW = ("--quick", "--jobs", "1", "--effort", "0")
SYNTHETIC = ("--train", "24", "--test", "12")


@pytest.fixture
def wrong(monkeypatch):
    """The register with a bound that is half of what is attained."""
    entry = register.CLAIMS_BY_LABEL["1a"]
    claim = replace(COMPACT, bound=lambda x: tuple(0.5 * b for b in COMPACT.bound(x)))
    monkeypatch.setitem(register.CLAIMS_BY_LABEL, "1a", replace(entry, claim=claim))


@pytest.mark.parametrize(("flag", "share"), [(["--quick"], 0.02), ([], 1 / 3), (["--full"], 1.0)])
def test_a_run_looks_at_the_share_of_instances_that_is_asked_for(flag, share, monkeypatch):
    asked = []
    monkeypatch.setattr(
        evaluation, "evaluate_claims", lambda *_, **given: asked.append(given) or ()
    )

    assert main([*flag, "--claim", "1a"]) == 0

    assert [given["share"] for given in asked] == [share]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The record of a trained network."""
    folder = tmp_path_factory.mktemp("run") / "one"
    assert refsast(["train", "--preset", "quick", *SYNTHETIC, "--out", str(folder)]) == 0
    return folder / "run.json"


@pytest.mark.slow
def test_a_table_a_record_a_page_and_the_worst_cases(tmp_path, capsys):
    files = [tmp_path / name for name in ("a.json", "a.html", "worst")]
    flags = [
        part for pair in zip(("--json", "--html", "--worst"), files, strict=True) for part in pair
    ]

    assert main([*FEW, "--claim", "1a", "--claim", "2-pairs", *map(str, flags)]) == 0

    printed = capsys.readouterr().out
    assert "potentials stay in a compact set" in printed
    assert "2 claims, 480 instances, 0 of them silent: none refuted." in printed
    record = json.loads(files[0].read_text())
    assert [claim["label"] for claim in record["claims"]] == ["1a", "2-pairs"]
    assert record["claims"][0]["held"] == 400
    assert 0.5 < record["claims"][0]["worst"]["ratio"] <= 1.0
    page = files[1].read_text()
    assert page.count("<img") == 4
    assert "abs(u_t,i) &lt;= (I_i + q)/(1 - leak)" in page
    assert main(["--replay", str(files[2] / "1a.json")]) == 0
    assert "1a: holds, measured" in capsys.readouterr().out


@pytest.mark.slow
def test_a_refutation_is_printed_and_is_the_exit_code(wrong, tmp_path, capsys):
    flags = ("--html", str(tmp_path / "a.html"), "--worst", str(tmp_path))

    assert main([*FEW, "--claim", "1a", *flags]) == 1

    printed = capsys.readouterr().out
    assert "REFUTED: 1a" in printed
    assert main(["--replay", str(tmp_path / "1a.json")]) == 1
    assert "1a: REFUTED, measured" in capsys.readouterr().out


def test_what_is_on_record_refutes_where_no_draw_has(monkeypatch):
    """Drawn instances hold by a trick; the instance on record does not."""
    entry = register.CLAIMS_BY_LABEL["3a"]
    on_record = evaluation.load_worst("3a")
    worst = float(np.max(entry.claim.measure(on_record)))
    claim = replace(
        entry.claim,
        bound=lambda x: 0.9 * worst if len(x.x) == len(on_record.x) else np.inf,
        measure=lambda x: worst if x.x.tobytes() == on_record.x.tobytes() else 0.0,
    )
    monkeypatch.setitem(register.CLAIMS_BY_LABEL, "3a", replace(entry, claim=claim))

    row = evaluation.evaluate_claims(
        [register.CLAIMS_BY_LABEL["3a"]], share=0.01, effort=1, jobs=1
    )[0]

    assert row.false
    assert row.record[0].way == "best attack"
    assert row.record[0].result.refuted
    assert row.best_on_record == np.inf
    assert row.refuted == 0
    assert row.n_held == len(row.sides) == 10
    assert "REFUTED" in report.format_table([row])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_table_on_any_number_of_processes():
    entries = [register.CLAIMS_BY_LABEL["1c-contraction"], register.CLAIMS_BY_LABEL["2-pairs"]]

    one, two = (
        evaluation.evaluate_claims(entries, seed=3, share=0.03, effort=2, jobs=n) for n in (1, 2)
    )

    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.sides, b.sides)
        assert (a.n_held, a.silent, a.worst.ratio) == (b.n_held, b.silent, b.worst.ratio)
    other = evaluation.evaluate_claims(entries, seed=4, share=0.03, effort=0, jobs=1)
    assert not np.array_equal(one[0].sides, other[0].sides)


def test_the_beginning_of_a_label_takes_its_group():
    def labels(*given):
        return [trial.label for trial in select_claims(given)]

    assert labels("3b") == [t.label for t in register.REGISTER if t.label.startswith("3b")]
    assert labels("4", "1a") == ["1a", "4a", "4b", "4c", "4d", "4-local"]
    assert labels("1c") == ["1c"]
    assert len(labels()) == len(register.REGISTER)


def test_every_claim_has_a_unit_and_a_proof():
    for trial in register.REGISTER:
        assert report.claim_unit(trial.label)
        module = register.proof_module(trial.claim)
        headline = module.__doc__.split(":")[0]  # such as "THEORY 2, 3b and 4, locally"
        assert headline.startswith("THEORY")
        assert trial.label[0] in headline


def test_silence_is_counted_apart():
    row = evaluation.evaluate_claims(
        [register.CLAIMS_BY_LABEL["1c-contraction"]], share=0.05, effort=0, jobs=1
    )[0]

    assert row.silent > 0
    assert row.n_held + row.silent == 1000
    assert row.silence == 100.0 * row.silent / 1000
    assert row.refuted == 0


def test_every_statement_can_be_read(capsys):
    assert main(["--list"]) == 0

    printed = capsys.readouterr().out
    for entry in register.REGISTER:
        assert f"{entry.claim.label}: {entry.claim.title}\n  {entry.claim.statement}" in printed


@pytest.mark.slow
def test_a_trained_network_is_assessed(run, tmp_path, capsys):
    files = tmp_path / "a.json", tmp_path / "a.html"
    flags = ("--json", str(files[0]), "--html", str(files[1]), "--recordings", "4")

    assert main(["--run", str(run.parent), *flags]) == 0  # its recordings are in its record

    printed = capsys.readouterr().out
    found = {f["label"]: f for f in json.loads(files[0].read_text())["findings"]}
    seen = {"5a", "5b", "5d"}
    others = {label for label in register.CLAIMS_BY_LABEL if label[0] == "5"} - seen
    assert set(found) == set(register.CLAIMS_BY_LABEL) - others - {"3-first", "3-second"}
    assert found["1a"]["state"] == "holds"
    assert found["3b-eigenvalue"]["state"] == "vacuous"
    assert found["5a"]["state"] == "silent"
    assert found["5a"]["unmet"] == [f"{PLAIN}, not Adam; {INDEPENDENT_STEPS}"]
    assert found["2-gradient"]["looks_at"] == "1 recording"
    assert found["3a"]["looks_at"] == "4 recordings"
    assert len(found["1c"]["by_step"]) == 5
    assert "1c by step" in printed
    assert found["5a"]["measured"] is None
    assert "REFUTED" not in printed
    assert "certified" in files[1].read_text()


@pytest.mark.slow
def test_of_a_run_beyond_the_theorems_all_are_silent_and_say_why(run, tmp_path, capsys):
    record = json.loads(run.read_text())
    record["network"]["loss"] = {"is": "StepCrossEntropy"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "weights.npz").write_bytes((run.parent / "weights.npz").read_bytes())
    files = tmp_path / "a.json", tmp_path / "a.html"
    flags = ("--json", str(files[0]), "--html", str(files[1]), "--recordings", "4")

    assert main(["--run", str(tmp_path), *flags]) == 0

    assert "StepCrossEntropy" in capsys.readouterr().out
    found = json.loads(files[0].read_text())["findings"]
    assert {f["state"] for f in found} == {"silent"}
    assert all("StepCrossEntropy" in " ".join(f["unmet"]) for f in found)
    assert "Transfer certificate over the slope" not in files[1].read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--claim", "9z"], "claim must be one of 1a"),
        (["--claim", ""], "claim must be one of 1a"),
        (["--replay", "nowhere.json"], "replay must be a saved instance"),
        (["--run", "nowhere/run.json"], "record must be a readable JSON file"),
        ([*FEW, "--claim", "1a", "--json", "/dev/null/a.json"], "must be writable"),
        (["--recordings", "0"], "must be an integer of 1 to"),
        (["--seed", "-1"], "must be an integer of 0 to"),
        (["--jobs", "0"], "must be an integer of 1 to"),
        (["--nonsense"], "unrecognized arguments"),
        ([*FEW, "--html", "/"], "must be writable"),
        (["--nmnist", "nowhere", "--list"], "--nmnist must not stand beside --list"),
        (["--train", "5"], "--train must not stand without --run"),
        (["--run", "run.json", "--quick"], "--quick must not stand beside --run"),
        (["--quick", "--full"], "not allowed with argument --quick"),
        (["--replay", "a.json", "--json", "b.json"], "--json must not stand beside --replay"),
        (["--run", "other.json"], "run must be the run.json that train left"),
    ],
)
def test_bad_input_ends_in_one_line(flags, message, capsys):
    try:
        code = main(flags)
    except SystemExit as left:
        code = left.code

    said = capsys.readouterr().err
    assert code == 2
    assert message in said
    assert said.count("\n") == 1


def test_other_recordings_than_those_of_the_run_are_refused(run, capsys):
    assert main(["--run", str(run), "--train", "25", "--test", "12"]) == 2
    assert "recordings must be those of" in capsys.readouterr().err


@pytest.mark.slow
def test_a_record_without_flags_asks_for_them(run, tmp_path, capsys):
    """As those of version 0.2.0: what the flags stand for by default are other recordings."""
    record = {k: v for k, v in json.loads(run.read_text()).items() if k != "flags"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "weights.npz").write_bytes((run.parent / "weights.npz").read_bytes())

    assert main(["--run", str(tmp_path)]) == 2
    assert "recordings must be those of" in capsys.readouterr().err
    (tmp_path / "run.json").write_text(json.dumps({**record, "flags": {"out": "x"}}))
    assert main(["--run", str(tmp_path)]) == 2
    assert "record must hold the flags of its recordings" in capsys.readouterr().err


def test_a_record_of_something_else_is_refused(run, tmp_path, capsys):
    for damage in ({"setting": None}, {"config": {}}, {"setting": {"steps": "many"}}):
        record = {**json.loads(run.read_text()), **damage}
        (tmp_path / "run.json").write_text(json.dumps(record))
        (tmp_path / "weights.npz").write_bytes((run.parent / "weights.npz").read_bytes())

        assert main(["--run", str(tmp_path / "run.json"), *SYNTHETIC]) == 2
        assert "record must be" in capsys.readouterr().err
