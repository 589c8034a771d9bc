"""The worst instances on record are as bad as they were: no bound can be made smaller."""

import json
from dataclasses import replace

import pytest

from proofs_check import evaluation
from proofs_check.claim import check_claim
from proofs_check.register import CLAIMS_BY_LABEL

IDENTITIES = {"5c", "6-identity"}  # what uses their bound is rounding alone
AIMS = {label: 0.9 for label in ("1a", "1c", "2-pairs", "2-gradient", "4a", "4c", "5a")}
AIMS |= {label: 0.5 for label in CLAIMS_BY_LABEL if label.startswith("3b")}


@pytest.mark.parametrize("label", CLAIMS_BY_LABEL)
def test_the_instance_on_record_uses_as_much_of_the_bound_as_it_did(label):
    verdict = check_claim(CLAIMS_BY_LABEL[label].claim, evaluation.load_worst(label))
    before = json.loads((evaluation.WORST_DIR / f"{label}.json").read_text())["ratio"]

    assert verdict.applies
    assert not verdict.refuted
    if label not in IDENTITIES:
        assert verdict.ratio >= before * (1.0 - 1e-9)
        assert verdict.ratio >= AIMS.get(label, 0.0)


@pytest.mark.parametrize("label", [label for label in CLAIMS_BY_LABEL if label not in IDENTITIES])
def test_half_of_what_is_attained_is_refuted(label):
    """The bound times half of the best ratio is below what was measured, and is found to be."""
    claim, instance = CLAIMS_BY_LABEL[label].claim, evaluation.load_worst(label)
    ratio = check_claim(claim, instance).ratio

    smaller = replace(claim, bound=lambda x: _scaled(claim.bound(x), 0.5 * ratio))

    assert check_claim(smaller, instance).refuted


def _scaled(side, factor):
    """Every part of a side times a number."""
    return tuple(factor * part for part in side) if isinstance(side, tuple) else factor * side


@pytest.mark.parametrize("label", sorted(IDENTITIES))
def test_an_identity_that_is_off_by_a_millionth_is_refuted(label):
    claim = CLAIMS_BY_LABEL[label].claim
    instance = evaluation.load_worst(label)

    def off(x):
        measured = claim.measure(x)
        if isinstance(measured, tuple):
            return tuple(part + 1e-6 for part in measured)
        return measured + 1e-6

    assert check_claim(replace(claim, measure=off), instance).refuted


def test_nothing_is_on_record_that_is_not_in_the_register():
    assert {path.stem for path in evaluation.WORST_DIR.glob("*.json")} == set(CLAIMS_BY_LABEL)
