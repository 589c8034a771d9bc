"""What the site is built from: formulas follow the claims, names and links are turned right."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

import refsast as rs
from proofs_check.register import CLAIMS_BY_LABEL

HERE = Path(__file__).resolve().parents[2] / "docs/site"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(HERE), *sys.path])


@pytest.mark.parametrize("label", CLAIMS_BY_LABEL)
def test_every_claim_has_a_formula_of_its_statement(label):
    import claims

    assert claims.formula(CLAIMS_BY_LABEL[label].claim)


def test_a_formula_of_another_statement_stops_the_build():
    import claims

    claim = CLAIMS_BY_LABEL["3a"].claim
    with pytest.raises(ValueError, match="formula of 3a must be of its statement"):
        claims.formula(replace(claim, statement=claim.statement + " Twice."))


def test_no_formula_is_of_a_claim_that_is_gone():
    import claims

    conditions = {h.condition for t in CLAIMS_BY_LABEL.values() for h in t.claim.hypotheses}
    assert set(claims.FORMULAS["claims"]) == set(CLAIMS_BY_LABEL)
    assert set(claims.FORMULAS["conditions"]) <= conditions


def test_every_claim_has_a_row_of_verdicts_and_links_both_ways():
    import claims

    tested = claims.read_verdicts(HERE.parents[1])
    assert set(tested) == set(CLAIMS_BY_LABEL)
    assert "(#claim-1c)" in claims.relations(CLAIMS_BY_LABEL["1c-contraction"].claim)
    assert "(#claim-1c-contraction)" in claims.relations(CLAIMS_BY_LABEL["1c"].claim)


def test_text_is_escaped_but_code_is_not():
    import claims

    assert claims.escape("a_b `c_d` *e*") == r"a\_b `c_d` \*e\*"


@pytest.mark.parametrize(
    ("thing", "arguments"),
    [
        (rs.LIF, "(leak: float, threshold: float, spike: Spike, reset: Reset = ToZero(), "),
        (rs.sam.ascent_point, "(w: Array, grad: Array, *, rho: float)"),
    ],
)
def test_signatures_are_as_written(thing, arguments):
    pytest.importorskip("sphinx")
    from signatures import read_signature

    signature = read_signature(thing)
    assert signature is not None
    assert signature[0].startswith(arguments)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("rs.check", "refsast.check"),
        ("rs.check(mine, case)", "refsast.check"),
        ("np.random.Generator", "numpy.random.Generator"),
        ("report.agrees", None),
        ("runs/one", None),
    ],
)
def test_which_code_names_something(code, name):
    pytest.importorskip("sphinx")
    from code_names import find_name

    assert find_name(code) == name


@pytest.mark.parametrize(
    ("tex", "known"),
    [
        (r"\frac{1}{2} \lVert x\rVert", True),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", True),
        (r"\begin{gathered} a \\ b \end{gathered}", False),
        (r"\nosuchcommand{x}", False),
    ],
)
def test_a_formula_that_cannot_be_drawn_is_a_warning(tex, known, monkeypatch):
    pytest.importorskip("latex2mathml")
    import mathml

    warnings = []
    monkeypatch.setattr(mathml.logger, "warning", lambda *about: warnings.append(about))
    assert mathml.to_mathml(tex, "block").startswith("<math")
    assert (warnings == []) is known


def test_links_to_code_lead_to_pages_that_show_it():
    pytest.importorskip("sphinx")
    import sources

    text = "[a](../refsast/model/lif.py), [b](theory.md)"
    assert sources.link_code(text) == "[a](../code/refsast/model/lif.md), [b](theory.md)"
    table = "| x | [y](two.md) |\n| x | [y](one.md) |\nsee [z](three.md)"
    assert sources.add_linked_pages(table).endswith("two\none\n```\n")
