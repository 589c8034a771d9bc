"""Every hypothesis is needed: without it, an instance that breaks it alone refutes the claim."""

import numpy as np
import pytest

import refsast as rs
from proofs_check.claim import check_claim
from proofs_check.claims.stability import COMPACT
from proofs_check.counterexamples import ESCAPES, integrator
from proofs_check.register import CLAIMS_BY_LABEL

FOUND = {key: make for key, make in ESCAPES.items() if callable(make)}


def test_every_hypothesis_of_every_claim_has_its_entry():
    register = {
        (e.claim.label, h.condition) for e in CLAIMS_BY_LABEL.values() for h in e.claim.hypotheses
    }

    assert register == set(ESCAPES)


@pytest.mark.parametrize(("label", "says"), FOUND, ids=" ".join)
def test_an_instance_that_breaks_one_hypothesis_escapes_without_it(label, says):
    claim, instance = CLAIMS_BY_LABEL[label].claim, FOUND[label, says]()

    assert check_claim(claim, instance).unmet == (says,)
    assert check_claim(claim.drop_hypothesis(says), instance).refuted


def test_without_a_leak_potentials_grow_without_end():
    late = integrator(rs.NoReset(), rs.Arctan(1.0))

    assert check_claim(COMPACT, late).unmet == ("leak < 1",)
    assert np.max(COMPACT.bound(late)) == np.inf
    assert np.max(COMPACT.measure(late)) == len(late.x)
