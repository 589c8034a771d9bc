"""Golden vectors as files: answers are judged, and a stranger can read them."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params
from refsast.crosscheck.golden.comparison import compare, compare_case
from refsast.crosscheck.golden.reader import SHIPPED_SET, Golden, read_golden
from tests.crosscheck.golden_folders import (
    ONE,
    read_arrays,
    rewrite_arrays,
    rewrite_index,
    write_answer,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/golden.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
(READER,) = (block for block in BLOCKS if "hashlib" in block)
SET = {golden.name: golden for golden in read_golden()}


def cast_to_single(golden: Golden) -> dict[str, np.ndarray]:
    """Answers of the fast gradient in float32, where it knows such networks."""
    question, case = golden.question, golden.question.case
    network, params = case.network, cast_params(case.params, np.float32)
    first, second = (
        (batch.x.astype(np.float32), batch.y) for batch in (question.case, question.second)
    )
    if case.hard:
        loss, grads = rs.fast.straight_through(network, params, *first)
        return {"loss": np.asarray(loss), **name_arrays(grads)}
    loss, grads = rs.fast.loss_and_grad(network, params, *first)
    trace = rs.run(network, params, first[0])
    sam = rs.fast.loss_and_grad(network, raise_entry(golden, params, grads), *second)[1]
    return {
        "loss": np.asarray(loss),
        "logits": trace.logits,
        "x_grad": rs.fast.input_grad(network, params, *first),
        "sam.point": rs.flatten(raise_entry(golden, params, grads)),
        "sam.grads": rs.flatten(sam),
        **{f"u.{i}": u for i, u in enumerate(trace.u)},
        **{f"s.{i}": s for i, s in enumerate(trace.s)},
        **name_arrays(grads),
    }


def raise_entry(golden: Golden, params: rs.Params, grads: rs.Params) -> rs.Params:
    """The ascent point in float32."""
    rho, w, g = np.float32(golden.question.rho), rs.flatten(params), rs.flatten(grads)
    return rs.unflatten(golden.question.case.network, w + rho * g / np.linalg.norm(g))


def name_arrays(grads: rs.Params) -> dict[str, np.ndarray]:
    return {
        f"grads.{i}.{k}": a
        for i, layer in enumerate(grads)
        for k, a in vars(layer).items()
        if a is not None
    }


PLAIN = [name for name, golden in SET.items() if golden.question.case.synapse is None]


@pytest.mark.parametrize("name", PLAIN)
def test_a_right_implementation_in_float32_agrees(tmp_path, name):
    given = cast_to_single(SET[name])
    verdict = compare(SHIPPED_SET, write_answer(tmp_path, name, given))
    (found,) = (case for case in verdict.cases if case.name == name)

    assert {a.dtype for k, a in given.items() if k != "loss"} == {np.dtype(np.float32)}
    assert verdict.agrees, verdict
    assert {array.name for array in found.arrays} == set(given)
    assert set(found.missing) == set(SET[name].answers) - set(given)


def test_float32_numbers_are_not_held_to_float64():
    golden = SET[ONE]
    given = {"loss": golden.answers["loss"].astype(np.float32), "logits": golden.answers["logits"]}

    assert compare_case(golden, {k: a.astype(np.float32) for k, a in given.items()}).agrees
    assert not compare_case(
        golden, {"logits": given["logits"].astype(np.float32).astype(float)}
    ).agrees
    assert not compare_case(golden, {**given, "loss": given["loss"].astype(float)}).agrees


def test_a_relative_error_of_1e_9_in_an_entry_of_1e_12_is_found(tmp_path):
    golden = SET["faint"]
    want = golden.answers["grads.0.w"]
    index = np.unravel_index(abs(want).argmin(), want.shape)
    wrong = want.copy()
    wrong[index] *= 1.0 + 1e-9
    given = {**golden.answers, "grads.0.w": wrong}
    verdict = compare(SHIPPED_SET, write_answer(tmp_path, "faint", given))
    (case,) = (case for case in verdict.cases if case.name == "faint")
    (array,) = (array for array in case.arrays if not array.agrees)

    assert 1e-13 < abs(want[index]) < 1e-12
    assert np.allclose(wrong, want, 1e-7, 1e-8)  # where the usual checkers pass even a factor two
    assert not verdict.agrees
    assert (array.name, array.worst.index) == ("grads.0.w", tuple(map(int, index)))
    assert (array.worst.got, array.worst.want) == (wrong[index], want[index])
    assert "faint: 1 of 15 arrays disagree" in str(verdict)
    assert "  grads.0.w[" in str(verdict)


@pytest.mark.parametrize("name", SET)
def test_an_error_of_a_thousandth_in_one_entry_of_any_array_is_found(name):
    for key, want in SET[name].answers.items():
        wrong = np.array(want)
        wrong.flat[abs(want).argmax()] *= 1.001
        verdict = compare_case(SET[name], {**SET[name].answers, key: wrong})

        assert [array.name for array in verdict.arrays if not array.agrees] == [key]


def test_a_detached_reset_is_told_from_the_gradient():
    right, detached = SET[ONE], SET["detached-reset"]
    verdict = compare_case(right, {k: detached.answers[k] for k in ("loss", "grads.0.w")})
    loss, grads = verdict.arrays

    assert loss.agrees
    assert not grads.agrees
    assert grads.cosine < 0.99999
    assert abs(grads.ratio - 1.0) > 1e-3


def test_right_answers_agree_and_what_was_not_given_is_said(tmp_path):
    for name, golden in SET.items():
        write_answer(tmp_path, name, golden.answers)
    (tmp_path / "no-reset.npz").unlink()
    write_answer(tmp_path, ONE, {"loss": SET[ONE].answers["loss"]})
    verdict = compare(SHIPPED_SET, tmp_path)

    assert verdict.agrees
    assert str(verdict).startswith("agrees: 11 of 11 cases answered are right, 12 asked\n")
    assert "no-reset: no answer" in str(verdict)
    assert "to-zero: 1 arrays agree, at most 0 of the tolerance; 11 not given" in str(verdict)


# Of all files of the set, as released with version 0.2: people hold answers to these very bytes.
SET_DIGEST = "00573c9548e06374487f652f0750390d8d8b734cd029071f905cbc1ddaddbe8f"


def test_the_set_that_ships_is_the_one_that_was_released():
    digest = hashlib.sha256()
    for path in sorted(SHIPPED_SET.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())

    assert digest.hexdigest() == SET_DIGEST


def test_an_answers_folder_as_version_0_2_documents_it_is_read(tmp_path):
    """Arrays by the index's names, float32 or float64; a copied question is ignored."""
    entry = json.loads((SHIPPED_SET / "index.json").read_text())["cases"][0]
    with np.load(SHIPPED_SET / entry["file"]) as file:
        everything = dict(file)
    loss = {"loss": everything["loss"]}
    grads = {k: a.astype(np.float32) for k, a in everything.items() if k.startswith("grads.")}
    np.savez(tmp_path / entry["file"], **everything)
    np.savez(tmp_path / "subtract.npz", loss=SET["subtract"].answers["loss"])
    verdict = {case.name: case for case in compare(SHIPPED_SET, tmp_path).cases}

    assert [a.name for a in verdict[ONE].arrays] == entry["answers"]
    assert [a.name for a in verdict["subtract"].arrays] == ["loss"]
    assert verdict[ONE].agrees
    np.savez(tmp_path / entry["file"], **loss, **grads)
    assert compare(SHIPPED_SET, tmp_path).agrees
    np.savez(tmp_path / entry["file"], **loss, **{k: 1.001 * a for k, a in grads.items()})
    assert not compare(SHIPPED_SET, tmp_path).agrees


def test_the_reader_is_short_and_knows_numpy_only():
    assert len(READER.splitlines()) <= 30
    assert re.findall(r"^(?:from|import) (\w+)", READER, flags=re.M) == [
        "hashlib", "json", "pathlib", "numpy",
    ]  # fmt: skip


def read_with_script(where: Path) -> subprocess.CompletedProcess:
    """Run the block of the documentation in a process of its own."""
    alone = "import sys\nassert not any(name.startswith('refsast') for name in sys.modules)\n"
    command = [sys.executable, "-I", "-W", "error", "-c", READER + alone]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


def test_the_reader_reads_the_set():
    done = read_with_script(ROOT)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{n} agrees" for n in (ONE, "subtract", "detached-reset")]


@pytest.mark.parametrize("sealed", [False, True])
def test_the_reader_notices_damage(tmp_path, sealed):
    inside = tmp_path / "refsast" / "crosscheck"
    inside.mkdir(parents=True)
    copy = Path(shutil.copytree(SHIPPED_SET, inside / "golden/set"))
    path = copy / f"{ONE}.npz"
    moved = read_arrays(path)["s.0"] * (1.0 + 1e-12)
    rewrite_arrays(**{"s.0": moved})(path)
    rewrite_index(copy, lambda _: None, sealed=sealed)
    done = read_with_script(tmp_path)

    assert done.returncode != 0
    assert "AssertionError" in done.stderr
    assert ("AssertionError: refsast/crosscheck/golden/set/to-zero.npz" in done.stderr) != sealed
