"""Saved instances: the same bits come back, and a damaged file is refused."""

import json

import numpy as np
import pytest

from proofs_check import evaluation, replay
from proofs_check.__main__ import main
from proofs_check.attack import float_arrays
from proofs_check.claim import check_claim
from proofs_check.draws import RandomSource
from proofs_check.register import CLAIMS_BY_LABEL, RECORD_TYPES


@pytest.mark.parametrize("label", CLAIMS_BY_LABEL)
def test_an_instance_comes_back_bit_for_bit(label, tmp_path):
    entry = CLAIMS_BY_LABEL[label]
    instance = entry.draw(RandomSource(np.random.default_rng(2)))
    path = tmp_path / "instance.json"

    replay.save_instance(path, label, instance, ratio=0.5)
    again_label, again = replay.load_instance(path, RECORD_TYPES)

    assert again_label == label
    assert type(again) is type(instance)
    for before, after in zip(float_arrays(instance), float_arrays(again), strict=True):
        assert before.tobytes() == after.tobytes()
    np.testing.assert_equal(check_claim(entry.claim, again), check_claim(entry.claim, instance))


# Written before the records were renamed, as it stood.
OLD_FILE = """{"claim": "2-pairs", "ratio": 0.9, "instance": {"is": "Pair", "network": {
"is": "Network", "sizes": [1, 1], "neuron": {"is": "LIF", "leak": 0.5, "threshold": 1.0, "spike": {
"is": "Arctan", "slope": 2.0}, "reset": {"is": "ToZero"}, "detach_reset": false}, "readout": {
"is": "SpikeRate", "gain": 1.0}, "bias": false, "recurrent": false}, "params": [{"is": "Layer",
"w": {"array": [[1.5]], "dtype": "<f8"}, "b": null, "v": null}], "x": {"array": [[[1.0]]],
"dtype": "<f8"}, "other": {"array": [[[0.5]]], "dtype": "<f8"}}}"""


def test_a_file_of_an_earlier_version_is_read(tmp_path, capsys):
    path = tmp_path / "old.json"
    path.write_text(OLD_FILE)

    assert main(["--replay", str(path)]) == 0
    assert "2-pairs: holds, measured" in capsys.readouterr().out


@pytest.mark.parametrize("label", CLAIMS_BY_LABEL)
def test_every_record_is_read_under_its_old_name(label):
    instance = evaluation.load_worst(label)
    code = json.dumps(replay.encode(instance))
    for old, new in replay.OLD_NAMES.items():
        code = code.replace(f'"is": "{new}"', f'"is": "{old}"')

    again = replay.decode(json.loads(code), RECORD_TYPES)

    assert type(again) is type(instance)
    assert replay.encode(again) == replay.encode(instance)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[" * 10_000,
        '{"claim": "1a"}',
        '{"claim": "1a", "instance": {"is": "os.system"}}',
        '{"claim": "1a", "instance": {"is": "Driven"}}',
        '{"claim": "1a", "instance": {"array": [1, "a"], "dtype": "<f8"}}',
        '{"claim": "1a", "instance": {"array": [1], "dtype": "nonsense"}}',
        '{"claim": "1a", "instance": {"array": [1.0], "dtype": "<f4"}}',
        '{"claim": "1a", "instance": {"array": [1.0], "dtype": "<c16"}}',
        '{"claim": "1a", "instance": {"float": "no number"}}',
        '{"claim": "1a", "instance": {"is": "LIF", "leak": 2.0, "threshold": 1.0, "spike": 1}}',
    ],
)
def test_a_damaged_file_is_refused(content, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(content)

    with pytest.raises(ValueError, match=r"must (be|lie)"):
        replay.load_instance(path, RECORD_TYPES)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a saved instance"):
        replay.load_instance(tmp_path / "none.json", RECORD_TYPES)


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must hold records, arrays and numbers"):
        replay.save_instance(tmp_path / "a.json", "1a", lambda: None)
    assert not list(tmp_path.iterdir())


def test_not_only_numbers_but_their_kinds_are_kept(tmp_path):
    path = tmp_path / "a.json"
    replay.save_instance(path, "x", (np.array([1, 2]), np.float64(0.1), True, None, 1e-320, np.inf))

    integers, number, yes, nothing, small, endless = replay.load_instance(path, {})[1]

    assert integers.dtype == np.int64
    assert (number, yes, nothing, small, endless) == (0.1, True, None, 1e-320, np.inf)
    assert json.loads(path.read_text())["claim"] == "x"


def _broken(instance, **change):
    """The instance as a saved file would hold it, with other fields."""
    return {**replay.encode(instance), **change}


LAYERS = [[], 5, [{"is": "Layer", "w": 1.0, "b": None, "v": None}]]


@pytest.mark.parametrize("label", ["1a", "1c", "2-pairs", "3b-quotient", "4a", "5a", "6-rows"])
@pytest.mark.parametrize("field", ["x", "params", "w", "family", "start", "y", "moved", "layer"])
@pytest.mark.parametrize("value", [5, None, "words", *LAYERS, {"array": [[1.0]], "dtype": "<f8"}])
def test_a_field_of_another_kind_ends_in_one_line(label, field, value, tmp_path, capsys):
    instance = CLAIMS_BY_LABEL[label].draw(RandomSource(np.random.default_rng(2)))
    if not hasattr(instance, field):
        return
    path = tmp_path / "a.json"
    content = {"claim": label, "instance": _broken(instance, **{field: value})}
    path.write_text(json.dumps(content))

    assert main(["--replay", str(path)]) == 2

    said = capsys.readouterr().err
    assert said.startswith("proofs_check: error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(("label", "of"), [("1a", "1c"), ("1c", "1a"), ("4a", "5a"), ("5b", "5a")])
def test_an_instance_of_another_claim_is_refused(label, of, tmp_path, capsys):
    path = tmp_path / "a.json"
    replay.save_instance(
        path, label, CLAIMS_BY_LABEL[of].draw(RandomSource(np.random.default_rng(2)))
    )

    assert main(["--replay", str(path)]) == 2
    assert "instance must be a " in capsys.readouterr().err


def test_a_file_is_json_whatever_the_numbers(tmp_path):
    path = tmp_path / "a.json"
    replay.save_instance(path, "x", (np.array([1.0, np.inf, np.nan]), -np.inf))

    def refuse(word):
        raise AssertionError(word)

    json.loads(path.read_text(), parse_constant=refuse)
    array, number = replay.load_instance(path, {})[1]
    np.testing.assert_array_equal(array, [1.0, np.inf, np.nan])
    assert number == -np.inf
