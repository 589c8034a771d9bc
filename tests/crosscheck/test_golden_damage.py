"""Golden vectors and answers that are damaged, or something else, are refused in one line."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from refsast.crosscheck.golden.comparison import compare
from refsast.crosscheck.golden.reader import INDEX, SHIPPED_SET, read_golden
from tests.crosscheck.golden_folders import ONE, rewrite_arrays, rewrite_index, write_answer

SET = {golden.name: golden for golden in read_golden()}


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(SHIPPED_SET, tmp_path / "set"))


def message(call, *args) -> str:
    """The one line that an error is."""
    with pytest.raises(ValueError, match=r".") as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


INDEXES = {
    "not JSON": (lambda path: path.write_text("{"), "record must be a readable JSON file"),
    "not text": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "must be a readable JSON file"),
    "a list": (lambda path: path.write_text("[]"), "record must be a JSON object"),
    "of another format": (lambda path: path.write_text("{}"), "must be 'refsast golden vectors' 1"),
    "not there": (lambda path: path.unlink(), "record must be a readable JSON file"),
}


@pytest.mark.parametrize("damage", INDEXES)
def test_an_index_that_is_none_is_refused(folder, damage):
    harm, said = INDEXES[damage]
    harm(folder / INDEX)

    assert said in message(read_golden, folder)


ENTRIES = {
    "another version": (lambda c: c.update(version=3), "got 'refsast golden vectors' 3"),
    "no cases": (lambda c: c.update(cases=3), "must have a list of cases, got int"),
    "cases that are none": (lambda c: c.update(cases=[3]), "must have a list of cases"),
    "a missing key": (lambda c: c["cases"][0].pop("rho"), "must be whole, got 'rho'"),
    "a path": (lambda c: c["cases"][0].update(name="../to-zero"), "that is not one of a file"),
    "a name that is none": (lambda c: c["cases"][0].update(name=3), "name of another kind: 3"),
    "steps that are none": (lambda c: c["cases"][0].update(steps="4"), "steps of another kind"),
    "a yes that is none": (lambda c: c["cases"][0].update(hard=1), "hard of another kind: 1"),
    "a radius that is none": (lambda c: c["cases"][0].update(rho=np.nan), "a radius that is none"),
    "no network": (lambda c: c["cases"][0].update(network=[]), "network or answers of another"),
    "another network": (lambda c: c["cases"][0]["network"].update({"is": "os"}), "must be whole"),
    "no spike": (lambda c: c["cases"][0]["network"]["neuron"].pop("spike"), "must be whole"),
    "other sizes": (lambda c: c["cases"][0]["network"].update(sizes=[3, 4]), "must have shape"),
    "no synapse": (lambda c: c["cases"][0].update(synapse={"mass": 1}), "must be whole"),
    "no reasons": (lambda c: c["cases"][0].update(left_out=[]), "left_out or synapse of another"),
    "other answers": (lambda c: c["cases"][0]["answers"].append("w"), "must hold arrays among"),
    "another digest": (lambda c: c["cases"][0].update(sha256="0"), "must have the SHA-256"),
}


@pytest.mark.parametrize("damage", ENTRIES)
def test_an_entry_that_is_wrong_is_refused(folder, damage):
    change, said = ENTRIES[damage]
    rewrite_index(folder, change)

    assert said in message(read_golden, folder)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


ARCHIVES = {
    "cut": (truncate, "must be an undamaged archive of arrays"),
    "flipped": (flip_bit, "must be an undamaged archive of arrays"),
    "no archive": (lambda path: path.write_bytes(b"x = 1"), "must be an undamaged archive"),
    "a pickle": (
        rewrite_arrays(loss=np.array([{}], object)),
        "must be an undamaged archive of arrays",
    ),
    "a missing array": (rewrite_arrays(x=None), "must hold x, got none of that name"),
    "no yardstick": (rewrite_arrays(yardstick=None), "must hold yardstick, got none of that name"),
    "another shape": (rewrite_arrays(logits=np.ones(3)), "logits of"),
    "NaN": (rewrite_arrays(loss=np.array(np.nan)), "must be finite, got nan at ()"),
    "text": (rewrite_arrays(loss=np.array("1")), "must hold real numbers, got dtype <U1"),
    "labels that are none": (rewrite_arrays(y=np.zeros(2)), "must be of int64, got float64"),
    "labels too large": (rewrite_arrays(y=np.array([3, 0])), "y must lie in [0, 3), got 3"),
}


@pytest.mark.parametrize("damage", ARCHIVES)
def test_a_damaged_archive_is_found_by_its_digest(folder, damage):
    ARCHIVES[damage][0](folder / f"{ONE}.npz")

    assert "must have the SHA-256 of the index, got another" in message(read_golden, folder)


@pytest.mark.parametrize("damage", ARCHIVES)
def test_with_a_new_digest_it_is_still_refused(folder, damage):
    harm, said = ARCHIVES[damage]
    harm(folder / f"{ONE}.npz")
    rewrite_index(folder, lambda _: None, sealed=True)

    assert said in message(read_golden, folder)


def test_a_missing_archive_is_named(folder):
    (folder / f"{ONE}.npz").unlink()

    assert "to-zero.npz must be readable, got No such file" in message(read_golden, folder)


REPLIES = {
    "cut": (truncate, "must be an undamaged archive of arrays"),
    "no archive": (lambda path: path.write_bytes(b"x = 1"), "must be an undamaged archive"),
    "a pickle": (
        rewrite_arrays(loss=np.array([{}], object)),
        "must be an undamaged archive of arrays",
    ),
    "another name": (
        rewrite_arrays(**{"grads.7.w": np.ones(3)}),
        "must hold arrays among loss, logits",
    ),
    "another shape": (rewrite_arrays(logits=np.ones(3)), "must have shape (2, 3), got (3,)"),
    "NaN": (rewrite_arrays(loss=np.array(np.nan)), "must be finite, got nan at ()"),
    "complex": (rewrite_arrays(loss=np.array(1j)), "must hold real numbers, got dtype complex128"),
    "no gradient": (rewrite_arrays(loss=None), "must hold loss or grads, got logits"),
}


@pytest.mark.parametrize("damage", REPLIES)
def test_answers_that_are_none_are_refused(tmp_path, damage):
    harm, said = REPLIES[damage]
    given = {k: SET[ONE].answers[k] for k in ("loss", "logits")}
    harm(write_answer(tmp_path / "mine", ONE, given) / f"{ONE}.npz")

    assert said in message(compare, SHIPPED_SET, tmp_path / "mine")


@pytest.mark.parametrize("name", [None, "to-nought"])
def test_a_folder_without_answers_or_with_others_is_refused(tmp_path, name):
    if name is not None:
        write_answer(tmp_path, name, {"loss": np.array(1.0)})

    assert f"got {name or 'none'}" in message(compare, SHIPPED_SET, tmp_path)
