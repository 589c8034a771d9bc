"""Runs in files of their own: read back to the bit; what is damaged or not ours is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.data import digest
from refsast.experiment import run_store
from refsast.experiment.compare import Result, compare
from refsast.experiment.presets import PRESETS
from refsast.experiment.record import run_record
from refsast.experiment.run_store import (
    Identity,
    read_stored_runs,
    read_weights,
    require_same,
    run_path,
    store_run,
    weights_path,
)
from tests.experiment.made_results import result

SETTING = replace(
    PRESETS["quick"], hidden=(4,), steps=3, epochs=1, batch=5, recurrent=True, cap_w=1e9
)
SETTINGS = {"a": SETTING, "b: 1/2": replace(SETTING, rho=0.0)}


def recordings(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.random((3, n, 12)) < 0.3).astype(np.uint8), np.arange(n) % 10


DATA = recordings(10, 0), recordings(20, 1)
IDENTITY = Identity("compare", "made", SETTINGS, {3: (digest(*DATA[0]), digest(*DATA[1]))})


@pytest.fixture(scope="module")
def trained():
    return compare(SETTINGS, *DATA, seeds=[0])


def store(folder, *results: Result, keep: str = "best") -> None:
    before = []
    for one in results:
        before.append(store_run(folder, IDENTITY, before, one, keep))


def with_hard(one: Result, seed: int, hard: float) -> Result:
    """The same run as if another seed had read so many recordings."""
    epoch = one.run.curve[-1]
    scored = replace(epoch, scores=replace(epoch.scores, hard=hard))
    return replace(one, seed=seed, run=replace(one.run, curve=(*one.run.curve[:-1], scored)))


def test_what_is_read_back_has_the_bits_of_what_was_written(trained, tmp_path):
    store(tmp_path, *trained)
    found = {s.result.arm: s for s in read_stored_runs(tmp_path)}

    assert list(found) == ["a", "b: 1/2"]
    for one in trained:
        stored = found[one.arm]
        assert stored.result.run.curve == one.run.curve
        assert stored.result.retuned == one.retuned
        assert stored.result.run.network == one.run.network
        assert dict(stored.result.run.mark) == json.loads(json.dumps(dict(one.run.mark)))
        assert stored.setting == SETTINGS[one.arm]
        params = read_weights(tmp_path, stored)
        np.testing.assert_array_equal(rs.flatten(params), rs.flatten(one.run.params))
        record = json.loads(json.dumps(run_record(one.run)))
        assert {key: stored.record[key] for key in record} == record


def test_weights_have_names_and_shapes(trained, tmp_path):
    store(tmp_path, trained[0])
    with np.load(weights_path(tmp_path, trained[0])) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files}
        assert str(arrays["arm"]) == "a"
        assert int(arrays["seed"]) == 0

    del shapes["arm"], shapes["seed"], shapes["sha256"]
    assert shapes == {
        **{"w0": (4, 12), "b0": (4,), "v0": (4, 4)},
        **{"w1": (10, 4), "b1": (10,), "v1": (10, 10)},
    }


@pytest.mark.parametrize(("keep", "seeds"), [("best", {1}), ("all", {0, 1, 2, 3}), ("none", set())])
def test_whose_weights_are_kept(trained, tmp_path, keep, seeds):
    """Of two equal ones the first seed's, in whatever order they come."""
    made = [with_hard(trained[0], s, h) for s, h in ((0, 0.2), (3, 0.7), (1, 0.7), (2, 0.1))]
    store(tmp_path, *made, keep=keep)

    kept = {one.seed for one in made if weights_path(tmp_path, one).exists()}
    assert kept == seeds
    assert len(read_stored_runs(tmp_path)) == 4


def test_a_diverged_run_comes_back_as_one_and_keeps_no_weights(tmp_path):
    store(tmp_path, result("a", 5, None), keep="all")
    (stored,) = read_stored_runs(tmp_path)

    assert stored.result.diverged == 7
    assert stored.result.seed == 5
    assert np.isnan(stored.result.measure("retuned"))
    assert read_weights(tmp_path, stored) is None


def test_damaged_files_are_refused_and_stay(trained, tmp_path):
    store(tmp_path, trained[0])
    path = run_path(tmp_path, "a", 0)
    whole = path.read_bytes()
    for damaged in (
        b"",
        whole[:-40],
        whole.replace(b'"seed": 0', b'"seed": 1'),
        b"[]",
        b"{}",
        whole.replace(b'"retuned": ', b'"retuned": 1'),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"(run must be whole|record must be a)"):
            read_stored_runs(tmp_path)
        assert path.read_bytes() == damaged


def test_a_file_under_another_name_is_refused(trained, tmp_path):
    store(tmp_path, trained[0])
    run_path(tmp_path, "a", 0).rename(run_path(tmp_path, "a", 1))

    with pytest.raises(ValueError, match="run must be in a file of its name"):
        read_stored_runs(tmp_path)


def test_another_version_is_refused(trained, tmp_path, monkeypatch):
    store(tmp_path, trained[0])
    monkeypatch.setattr(run_store, "__version__", "9.9.9")

    with pytest.raises(ValueError, match=r"run must be of refsast 9\.9\.9, got .* of refsast 0"):
        read_stored_runs(tmp_path)


def test_weights_of_another_run_are_refused(trained, tmp_path):
    store(tmp_path, *trained)
    one, other = (weights_path(tmp_path, r) for r in trained)
    one.write_bytes(other.read_bytes())

    with pytest.raises(ValueError, match="weights must be those of the run"):
        read_weights(tmp_path, read_stored_runs(tmp_path)[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "sweep"}, r"with other kind \(compare\)"),
        ({"recordings": "others"}, "with other recordings"),
        ({"digests": {3: ("0", "1")}}, "with other recordings"),
        ({"settings": {"a": replace(SETTING, gain=3.0)}}, "with other gain of the arm a"),
    ],
)
def test_another_experiment_is_refused_and_what_differs_is_named(trained, tmp_path, change, says):
    store(tmp_path, *trained)
    stored = read_stored_runs(tmp_path)

    require_same(tmp_path, IDENTITY, stored)
    require_same(tmp_path, replace(IDENTITY, settings={"new": SETTING}), stored)
    with pytest.raises(ValueError, match=f"out must hold no other result, got .* {says}"):
        require_same(tmp_path, replace(IDENTITY, **change), stored)


def test_the_source_of_a_setting_is_no_part_of_it(trained, tmp_path):
    store(tmp_path, *trained)
    told = replace(IDENTITY, settings={"a": replace(SETTING, source="told otherwise")})

    require_same(tmp_path, told, read_stored_runs(tmp_path))


def test_files_of_different_arms_never_meet(tmp_path):
    names = ("rho 0.1", "rho 0-1", "RHO 0.1", "rho/0.1", "..", "x" * 300, "ρ", "σ")

    assert len({run_path(tmp_path, name, 0) for name in names}) == len(names)
    assert all(run_path(tmp_path, n, 0).parent == tmp_path / "runs" for n in names)
    assert all(len(run_path(tmp_path, n, 0).name) < 120 for n in names)
