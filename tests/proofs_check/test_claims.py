"""Every claim holds on whatever Hypothesis draws, and speaks on most of what a run draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.claim import check_claim
from proofs_check.draws import RandomSource
from proofs_check.register import CLAIMS_BY_LABEL
from refsast.testing import min_examples
from tests.strategies import instances

LABELS = tuple(CLAIMS_BY_LABEL)


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
def test_the_claim_holds_on_whatever_is_drawn(label):
    entry = CLAIMS_BY_LABEL[label]

    @min_examples(40)
    @given(instances(entry.draw))
    def holds(instance):
        verdict = check_claim(entry.claim, instance)

        assert not verdict.refuted, verdict

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
def test_the_claim_speaks_on_most_of_what_a_run_draws(label):
    entry, source = CLAIMS_BY_LABEL[label], RandomSource(np.random.default_rng(7))
    verdicts = [check_claim(entry.claim, entry.draw(source)) for _ in range(16)]

    assert sum(not v.applies for v in verdicts) < 8
    assert not any(v.refuted for v in verdicts)


@pytest.mark.parametrize("label", LABELS)
def test_what_a_claim_rests_on_is_in_the_register_before_it(label):
    claim = CLAIMS_BY_LABEL[label].claim
    before = LABELS[: LABELS.index(label)]

    assert set(claim.uses) <= set(before)


@pytest.mark.parametrize("label", LABELS)
def test_a_stranger_can_read_the_entry(label):
    claim = CLAIMS_BY_LABEL[label].claim

    assert claim.label == label
    assert claim.statement.endswith(".")
    assert "THEORY" in claim.source
    assert label[0] == claim.source.split("THEORY ")[1][0]
    assert all(h.condition for h in claim.hypotheses)


EDGES = {
    "one neuron": lambda x: x.network.sizes[1:] == (1,),
    "one step": lambda x: len(x.x) == 1,
    "one recording": lambda x: x.x.shape[1] == 1,
    "silence": lambda x: not x.x.any(),
    "no leak lost": lambda x: any(n.leak == 1.0 for n in x.network.neurons),
    "recurrent": lambda x: x.network.recurrent,
    "saturated": lambda x: x.network.bias and x.params[0].b[0] == 100.0,
}


@given(st.integers(0, 20))
def test_the_draws_reach_the_edges(seed):
    source = RandomSource(np.random.default_rng(seed))
    found = [CLAIMS_BY_LABEL["3a"].draw(source) for _ in range(150)]

    assert [edge for edge, is_there in EDGES.items() if not any(map(is_there, found))] == []
