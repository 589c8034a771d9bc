"""Every refusal of every adapter ends with a next step.

Either it is about an argument that the caller hands over, in the words ``NAME must REQUIREMENT``:
what to hand over instead is the next step. Or it is about a network, and says what to do with it.
"""

import re

import pytest

from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.implementation import OTHER_CASE, PROGRAM, Unsupported, refuse_case
from tests.crosscheck.refusals import list_refusals

REFUSALS = list_refusals()
# What the caller of a public function of the adapters, or the writer of a record, gives it.
ARGUMENTS = re.compile(
    r"\W*(?:rest|threshold|reset|landing|silences|alpha|beta|argument|method|dtype|logits|loss|names|"
    r"parameters|params|x|readout|gain|graph|dt|edges|leak|name|reset_fn)\b"
)
STEP = re.compile(
    r"[:;] (?:\{PROGRAM\}|stack|is it cut|\{TO_TIME_FIRST\}|\{way_out\}|check|give|"
    r"call|say|write|take|name|put|"
    r"make|multiply|rs\.|a part stands in it|the library clips|\{\}$)"
    r"|(?:enter|spike)="  # the option that helps
)


def has_next_step(refusal):
    """Whether a refusal says what to do."""
    if refusal.error in ("refuse_case", "NoExactConversion"):  # they add it themselves
        return True
    given = ARGUMENTS.match(refusal.text) is not None
    steps = STEP.search(refusal.text) is not None
    return given or steps or "must be a torch.nn.Module" in refusal.text


def test_all_are_found():
    assert len(REFUSALS) > 60
    assert len({refusal.file for refusal in REFUSALS}) > 10
    assert all(" must " in r.text or "{" in r.text for r in REFUSALS)


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_refusal_ends_with_a_next_step(refusal):
    assert has_next_step(refusal), refusal
    assert refusal.error != "Unsupported", "use refuse_case, which says what to do next"


def test_what_refuses_for_all_says_what_to_do():
    refused = refuse_case("reset must be ToZero(), got NoReset()")

    assert isinstance(refused, Unsupported)
    assert str(refused) == f"reset must be ToZero(), got NoReset(); {OTHER_CASE}"
    assert str(NoExactConversion("x must be y, got z; lost: all")).endswith(
        f"to keep it, {PROGRAM}"
    )


def test_one_without_a_step_would_be_found():
    import dataclasses

    bare = dataclasses.replace(
        REFUSALS[0], text="neurons must be others, got LSTM", error="ValueError"
    )

    assert not has_next_step(bare)
