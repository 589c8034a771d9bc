"""The built site: no link is broken, and every public name has its entry.

Built by `make docs`; where it is not built these tests skip.
"""

import importlib

import pytest

import refsast as rs
from proofs_check.register import CLAIMS_BY_LABEL, proof_module
from tests.site.built import (
    ROOT,
    SITE,
    all_pages,
    broken_links,
    is_built,
    leads_somewhere,
    outside_links,
    pages_to_read,
    read_page,
    reference_entries,
)

pytestmark = pytest.mark.skipif(not is_built(), reason="the site is not built, or old: make docs")
MODULES = ("autodiff", "data", "model", "gradient", "optim", "crosscheck.conventions")


def test_no_link_is_broken():
    broken = {str(p.relative_to(SITE)): found for p in all_pages() if (found := broken_links(p))}

    assert broken == {}


@pytest.mark.parametrize(
    ("link", "there"),
    [
        ("docs/theory.html", True),
        ("docs/theory.html#claim-1a", True),
        ("docs/theory.html#claim-9z", False),
        ("docs/nowhere.html", False),
        ("../../README.md", False),
        ("https://arxiv.org/abs/2603.18039", True),
    ],
)
def test_what_counts_as_broken(link, there):
    assert leads_somewhere(SITE / "index.html", link) is there


def test_nothing_is_loaded_from_elsewhere():
    assert {p.name: found for p in all_pages() if (found := outside_links(p))} == {}


def test_every_picture_has_a_text():
    for path in pages_to_read():
        for picture in read_page(path).pictures:
            assert (picture.get("alt") or "").strip(), (path, picture)


def test_every_public_name_has_an_entry():
    entries = reference_entries()
    for name in rs.__all__:
        thing = getattr(rs, name)
        parts = [
            part
            for part in getattr(thing, "__all__", ())
            if getattr(rs, part, None) is not getattr(thing, part)  # it has an entry of its own
        ]
        assert f"refsast.{name}" in entries or any(
            entry.startswith(f"refsast.{name}.") for entry in entries
        ), name
        assert all(f"refsast.{name}.{part}" in entries for part in parts), name


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_documented_module_has_an_entry(module):
    entries = reference_entries()
    for name in importlib.import_module(f"refsast.{module}").__all__:
        assert f"refsast.{module}.{name}" in entries or name in rs.__all__, name


def test_every_claim_has_a_card_and_a_proof():
    theory = read_page(SITE / "docs/theory.html")
    table = read_page(SITE / "docs/claims.html")

    assert {f"claim-{label}" for label in CLAIMS_BY_LABEL} <= theory.anchors
    for label in CLAIMS_BY_LABEL:
        assert f"theory.html#claim-{label}" in table.links
    proofs = {proof_module(entry.claim).__name__ for entry in CLAIMS_BY_LABEL.values()}
    assert sum("proofs/" in link for link in set(theory.links)) == len(proofs)


def test_every_page_and_every_notebook_is_on_the_site():
    for path in (*ROOT.glob("docs/*.md"), *ROOT.glob("docs/guides/*.md")):
        assert (SITE / path.relative_to(ROOT).with_suffix(".html")).exists(), path
    for path in ROOT.glob("notebooks/*.ipynb"):
        assert (SITE / path.relative_to(ROOT).with_suffix(".html")).exists(), path
        assert path.with_suffix(".html").name in read_page(SITE / "notebooks/README.html").links
