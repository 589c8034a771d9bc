"""Small changes of a hand-written network, made by a machine: what is said of them is true."""

import numpy as np
import pytest

import refsast as rs

pytest.importorskip("torch")
from tests.crosscheck.blind.mechanical import all_kinds, ask, draw_question

KINDS = {kind.name: kind for kind in all_kinds()}
EVERY = 73  # of all changes, one in so many is asked


@pytest.mark.slow
@pytest.mark.parametrize("name", list(KINDS)[::EVERY])
def test_no_change_agrees_and_no_cause_or_place_is_wrong(name):
    row = ask(KINDS[name], 1, False)
    if row is None:
        pytest.skip("it changes nothing")

    assert row["verdict"] in ("DISAGREES", "undecided"), row["text"]
    assert row.get("cause") != "FALSE", row["text"]
    assert row.get("place") != "WRONG", row["text"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("leak * u * (1 - s)  ->  leak * u", "no reset"),
        ("self.theta  ->  self.leak", "the threshold the leak"),
        ("k * v  ->  v", "slope 1 in place of its own"),
    ],
)
def test_what_is_wrong_on_the_way_forth_alone_is_named(change, says):
    """A gradient by hand does not follow it."""
    kind = next(KINDS[name] for name in KINDS if name.endswith(f": {change}"))

    row = ask(kind, 0, False)

    assert row["cause"] == "foretold"
    assert says in row["text"]
    assert "with the way back that of the right equations, though the way forth" in row["text"]
    assert row["place"] == "right"


def test_where_nothing_comes_back_no_place_is_told():
    """Potentials run away, no neuron fires, and logits are zero, as if multiplied by it."""
    *_, kind = (KINDS[name] for name in KINDS if name.endswith(": theta * s  ->  theta / s"))

    row = ask(kind, 0, False)

    assert "all logits are zero, by whatever made them so" in row["text"]
    assert row["place"] == "not known"


def test_no_layer_is_fitted_by_what_happens_to_fit_it():
    """A constant in place of the derivative: no floor here, another function there."""
    *_, kind = (KINDS[name] for name in KINDS if name.endswith("z * z  ->  z / z"))
    case, dtype, _ = draw_question(kind, 0)

    with np.errstate(all="ignore"):
        cause = rs.check(kind.make(case.network, dtype), case).cause

    assert not cause.exact, cause.says
