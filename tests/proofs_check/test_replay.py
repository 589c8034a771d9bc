"""Saved instances: the same bits come back, and a damaged file is refused."""

import json

import numpy as np
import pytest

from proofs_check import replay
from proofs_check.claim import check
from proofs_check.draws import Seeded
from proofs_check.register import CLAIMS, KINDS
from proofs_check.search import arrays_of


@pytest.mark.parametrize("label", CLAIMS)
def test_an_instance_comes_back_bit_for_bit(label, tmp_path):
    entry = CLAIMS[label]
    instance = entry.draw(Seeded(np.random.default_rng(2)))
    path = tmp_path / "instance.json"

    replay.save(path, label, instance, ratio=0.5)
    again_label, again = replay.load(path, KINDS)

    assert again_label == label
    assert type(again) is type(instance)
    for before, after in zip(arrays_of(instance), arrays_of(again), strict=True):
        assert before.tobytes() == after.tobytes()
    np.testing.assert_equal(check(entry.claim, again), check(entry.claim, instance))


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
        '{"claim": "1a", "instance": {"is": "LIF", "leak": 2.0, "threshold": 1.0, "spike": 1}}',
    ],
)
def test_a_damaged_file_is_refused(content, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(content)

    with pytest.raises(ValueError, match="must be"):
        replay.load(path, KINDS)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a saved instance"):
        replay.load(tmp_path / "none.json", KINDS)


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must hold records, arrays and numbers"):
        replay.save(tmp_path / "a.json", "1a", lambda: None)
    assert not list(tmp_path.iterdir())


def test_not_only_numbers_but_their_kinds_are_kept(tmp_path):
    path = tmp_path / "a.json"
    replay.save(path, "x", (np.array([1, 2]), np.float64(0.1), True, None, 1e-320, np.inf))

    integers, number, yes, nothing, small, endless = replay.load(path, {})[1]

    assert integers.dtype == np.int64
    assert (number, yes, nothing, small, endless) == (0.1, True, None, 1e-320, np.inf)
    assert json.loads(path.read_text())["claim"] == "x"
