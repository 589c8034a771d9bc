"""The program that plants faults into extended networks in PyTorch, and its judge."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
from tests.crosscheck.planted_extended.__main__ import (
    format_table,
    list_kinds,
    read_rows,
    run,
)
from tests.crosscheck.planted_extended.judge import (
    draw_faulty,
    has_same_numbers,
    judge,
)

KINDS = {kind.name: kind for kind in list_kinds()}
# Faults that no cause was known for.
NAMED = (
    "stride off by one", "dilation ignored", "groups ignored", "bias of the first pixel",
    "kernel's gradient with channels exchanged", "difference of currents",
    "synapse's leak without recurrence", "refractory time ignored backwards",
    "recurrent weights by the same step", "learned scalars averaged over neurons",
    "gradients per neuron summed",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_a_fault_in_pytorch_is_detected_and_its_cause_and_place_are_true(name):
    row = judge(KINDS[name], 0)

    assert row.detected
    assert (row.cause, row.place) == ("true", "right"), row


@pytest.mark.slow
def test_a_cause_that_is_another_fault_is_called_false():
    """The judge must not take any exact cause for the true one."""
    kind = KINDS["start ignored"]

    assert judge(replace(kind, words=[("no such words",)]), 0).cause == "same numbers"
    case, layers, _ = draw_faulty(kind, np.random.default_rng(0))
    assert has_same_numbers(kind, case, layers, "float64")


def test_rows_that_are_there_are_not_asked_again(tmp_path):
    first = run(["start ignored"], 1, tmp_path, "float64")
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"kind": "start ign')  # as of a process that was ended

    assert read_rows(tmp_path / "rows.jsonl") == first
    assert run(["start ignored"], 1, tmp_path, "float64") == first
    assert "| start ignored | 1 | 1 | 1 | 0 | 0 | 0 | 1 | 0 | 0 |" in format_table(first)


def test_kinds_have_names_of_their_own_and_words_for_their_cause():
    kinds = list_kinds()

    assert len(KINDS) == len(kinds) > 50
    assert all(kind.words and kind.cause for kind in kinds)
