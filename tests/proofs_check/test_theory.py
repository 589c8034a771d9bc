"""The page of theory states what the claims state, and nothing has to be copied by hand."""

import re

import pytest

from proofs_check.register import CLAIMS_BY_LABEL
from tools.theory import DOCS, fill_statements

PAGE = (DOCS / "theory.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_claims_say():
    assert fill_statements(PAGE) == PAGE, "run python -m tools.theory"


@pytest.mark.parametrize("label", CLAIMS_BY_LABEL)
def test_every_claim_is_stated_once(label):
    claim = CLAIMS_BY_LABEL[label].claim

    assert len(re.findall(rf"^{re.escape(label)}: ", PAGE, flags=re.M)) == 1
    assert " ".join(PAGE.split()).count(f"{claim.title} {claim.statement}") == 1


def test_a_page_that_parts_from_the_claims_is_noticed():
    assert fill_statements(PAGE.replace("kappa_e^t", "kappa_e^(t - 1)", 1)) == PAGE
    assert fill_statements(PAGE.replace("kappa_e^t", "kappa_e^(t - 1)", 1)) != PAGE.replace(
        "kappa_e^t", "kappa_e^(t - 1)", 1
    )


def test_the_figure_of_what_rests_on_what_is_there():
    assert "(figures/claims.png)" in PAGE
    assert (DOCS / "figures" / "claims.png").stat().st_size > 10_000
