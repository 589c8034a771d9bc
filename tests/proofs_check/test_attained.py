"""Every term of every bound is needed: there is an instance in which it is what counts."""

import pytest

from proofs_check.attained import AIM, ATTAINED, NECESSARY, make_instances
from proofs_check.claim import Claim, check_claim
from proofs_check.claims import deployment, local, transfer
from proofs_check.register import CLAIMS_BY_LABEL

# Of theory 7 they are pinned in tight_instances; local bounds and intervals of integers are
# enclosures of runs, not of terms.
PINNED = {
    c.label for m in (local, transfer, deployment) for c in vars(m).values() if isinstance(c, Claim)
}
PAIRS = [
    (label, term)
    for table in (ATTAINED, NECESSARY)
    for label, terms in table.items()
    for term, make in terms.items()
    if not isinstance(make, str)
]


@pytest.mark.parametrize(("label", "term"), PAIRS)
def test_the_bound_is_attained_where_the_term_counts(label, term):
    result = check_claim(CLAIMS_BY_LABEL[label].claim, make_instances(label)[term])

    assert result.applies
    assert not result.refuted
    assert result.ratio >= AIM or term in NECESSARY.get(label, {})


def test_every_claim_of_the_register_has_its_terms():
    assert set(ATTAINED) == set(CLAIMS_BY_LABEL) - PINNED


def test_what_has_no_instance_says_why():
    sentences = [make for terms in ATTAINED.values() for make in terms.values()]

    assert all(s.endswith(".") for s in sentences if isinstance(s, str))


def test_a_constant_at_w_alone_is_refuted_on_the_ball():
    """4c with L where SAM starts, not on the whole of its ball."""
    x = make_instances("4c")["L on the ball"]
    at_w = x.objective.lipschitz(x.w, 0.0)

    assert check_claim(CLAIMS_BY_LABEL["4c"].claim, x).measured > 2.0 * at_w * x.rho
