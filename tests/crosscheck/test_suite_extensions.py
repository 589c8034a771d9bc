"""The suite beyond dense LIF layers: asked where a factory names it, shrunk, and counted."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case, Factory
from refsast.crosscheck.conformance.capabilities import KINDS, Capabilities, query_capabilities
from refsast.crosscheck.conformance.comparison import NoAnswer
from refsast.crosscheck.conformance.coverage import (
    NOT_NAMED,
    Coverage,
    describe_coverage,
    missing_features,
    offered_features,
)
from refsast.crosscheck.conformance.dtypes import build_for
from refsast.crosscheck.conformance.extended import extended_examples, query_extensions
from refsast.crosscheck.conformance.extended_cuts import smaller_extended
from refsast.crosscheck.conformance.extensions import (
    EXTENSIONS,
    drop_extension,
    extension_names,
    is_possible,
)
from refsast.crosscheck.conformance.failure import explain_failure
from refsast.crosscheck.conformance.levels import TESTS, LevelTest
from refsast.crosscheck.conformance.options import Options
from refsast.crosscheck.conformance.search import Tally, search
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.conformance.suite import Suite, suite_record, summary
from refsast.crosscheck.diagnose.faults.setting import solve_setting
from refsast.crosscheck.reproducer import case_source
from tests.crosscheck.extended_cases import plant as plant_fault

EXTENDED = [test for test in TESTS if test.draws is None]
PLAIN = tuple(kind for kind in KINDS if kind.synapse is None)
EVERY = Capabilities(PLAIN, {}, claimed=EXTENSIONS, extensions=EXTENSIONS)
EXAMPLES = 20


def right(case: Case) -> rs.Implementation:
    """The fast engine, which has all of it, but no synapse of the case."""
    if case.synapse is not None:
        raise rs.Unsupported("a synapse of the case")
    solve = rs.fast.straight_through if case.hard else rs.fast.loss_and_grad
    return rs.Implementation(
        lambda params, x, y: solve(case.network, params, x, y), extensions=EXTENSIONS
    )


def plant(name: str) -> Factory:
    """The same with a fault of the table in the last layer that has a place for it."""

    def factory(case: Case) -> rs.Implementation:
        implementation = right(case)

        def gradient(params, x, y):
            asked = replace(case, params=params, x=x, y=y)
            for i in reversed(range(case.network.depth)):
                if (answer := solve_setting(asked, plant_fault(asked, name, i))) is not None:
                    return answer.loss, answer.grads
            return implementation.gradient(params, x, y)

        return replace(implementation, gradient=gradient)

    return factory


def failed(factory: Factory, examples: int, seed: int | None = None) -> list[str]:
    """The tests of the level that a factory fails; nothing is shrunk, and an error is an error."""

    def judged(test: LevelTest, example: Example) -> bool:
        try:
            return test.wrong(build_for(factory, example), example)
        except NoAnswer:
            return False

    def wrong(test: LevelTest) -> bool:
        return any(judged(test, example) for example in test.stretches(EVERY, examples, seed))

    return [test.name for test in EXTENDED if wrong(test)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_right_implementation_passes(seed):
    for test in EXTENDED:
        tally = Tally()
        assert search(right, EVERY, test, examples=EXAMPLES, seed=seed, tally=tally) is None
        assert tally.tried + sum(tally.refused.values()) == EXAMPLES
        assert tally.tried > 0.9 * EXAMPLES


WRONG = (
    "adaptation detached", "kernel flipped", "kernel not flipped backwards", "pooling not divided",
    "synapse detached", "refractory time", "population summed", "squared counts",
    "the gradient of the learned leak averaged over neurons", "sigmoid left out",
    "synaptic current one step later or earlier", "loss of the mean over steps",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_fault_fails_at_20_examples(name):
    assert failed(plant(name), EXAMPLES)


@pytest.mark.slow
def test_a_failure_is_shrunk_to_the_part_that_is_wrong_and_named():
    test, tally = next(t for t in EXTENDED if t.name == "gradient"), Tally()
    factory = plant("adaptation detached")
    found = search(factory, EVERY, test, examples=EXAMPLES, seed=None, tally=tally)

    assert found is not None
    network = found.case.network
    assert extension_names(network) == {"adaptation"}
    assert (network.depth, network.recurrent, network.bias) == (1, False, False)
    assert found.case.x.shape[:2] == (2, 1)  # a spike raises the threshold one step later
    failure = explain_failure(factory, test, found, tally)
    assert "adaptation detached" in (failure.cause or "")
    namespace: dict[str, Case] = {}
    exec(case_source(found.case), {}, namespace)
    assert namespace["case"].network == network


@pytest.mark.slow
def test_the_cause_is_that_of_the_largest_example_where_the_smallest_has_another():
    test, tally = next(t for t in EXTENDED if t.name == "forward"), Tally()
    factory = plant("kernel flipped")
    found = search(factory, EVERY, test, examples=EXAMPLES, seed=None, tally=tally)

    assert found is not None
    assert extension_names(found.case.network) == {"convolution"}
    assert "kernel flipped" in (explain_failure(factory, test, found, tally).cause or "")


def test_a_factory_that_says_nothing_is_not_asked():
    asked: list[Case] = []

    def silent(case: Case) -> rs.Implementation:
        asked.append(case)
        return replace(right(case), extensions=())

    offer = query_extensions(silent, query_capabilities(silent))

    assert offer.claimed == offer.extensions == ()
    assert not any(extension_names(case.network) for case in asked)
    assert [list(test.stretches(offer, 5, None)) for test in EXTENDED] == [[], [], []]
    options = Options("a:b", 5, None, {}, None)
    with pytest.raises(pytest.skip.Exception, match="not asked: the implementation names no"):
        Suite(options, silent, offer, offer).run(EXTENDED[0], [])


def test_what_is_named_and_refused_is_left_out_and_counted():
    def partial(case: Case) -> rs.Implementation:
        if {"alpha", "refractory"} & extension_names(case.network):
            raise rs.Unsupported("no alpha")
        return replace(right(case), extensions=("alpha", "refractory", "adaptation"))

    offer = query_extensions(partial, query_capabilities(partial))
    drawn = Coverage()
    for example in extended_examples(offer, count=3, seed=None, name="any"):
        drawn.add(example)
    missing = missing_features(drawn, offered_features([offer]))

    assert offer.extensions == ("adaptation",)
    assert offer.reasons["no alpha"] == 2
    assert drawn.counts["extension"] == Counter(adaptation=3)
    assert {"alpha", "refractory"} <= set(missing["refused by the factory"])
    assert missing[NOT_NAMED] == [
        name for name in EXTENSIONS if name not in ("alpha", "refractory", "adaptation")
    ]
    text = "\n".join(describe_coverage(drawn, offered_features([offer])))
    assert "extension adaptation 3" in text
    record = suite_record(Suite(Options("a:b", 5, None, {}, None), partial, offer, offer))
    assert json.loads(json.dumps(record))["kinds"]["smooth"]["extensions"] == {
        "named": ["alpha", "adaptation", "refractory"], "offered": ["adaptation"],
    }  # fmt: skip
    assert summary(record).endswith("1 of 19 extensions")


@pytest.mark.parametrize("names", [("convolutions",), "alpha"])
def test_an_extension_that_nobody_knows_is_refused_in_one_line(names):
    def factory(case: Case) -> rs.Implementation:
        return rs.Implementation(lambda *given: None, extensions=names)

    with pytest.raises(ValueError, match="extensions must be among convolution, average pooling"):
        query_capabilities(factory)


def test_every_extension_is_offered_by_an_engine_that_has_all_and_drawn_in_every_run():
    for hard in (False, True):
        offer = query_extensions(right, query_capabilities(right, hard=hard), hard=hard)
        assert offer.extensions == EXTENSIONS
    for test in EXTENDED:
        examples = list(test.stretches(EVERY, EXAMPLES, None))
        counts = Counter(n for e in examples for n in extension_names(e.case.network))
        assert min(counts[name] for name in EXTENSIONS) >= 3, counts
        assert {e.case.hard for e in examples} == {test.hard}


def test_examples_are_the_same_until_a_seed_says_otherwise():
    def drawn(seed: int | None) -> list[bytes]:
        return [e.case.x.tobytes() for e in EXTENDED[0].stretches(EVERY, 3, seed)]

    assert drawn(None) == drawn(None) != drawn(0)


def test_each_extension_is_taken_away_alone_where_the_rest_fits():
    removed = Counter()
    for example in extended_examples(EVERY, count=40, seed=3, name="cuts"):
        names = extension_names(example.case.network)
        assert names
        assert is_possible(names)
        for name in names:
            try:
                rest = extension_names(drop_extension(example.case.network, name))
            except ValueError:
                continue  # such as a convolution whose image is pooled later
            assert name not in rest
            assert rest <= names
            removed[name] += 1
    assert set(removed) == set(EXTENSIONS)


def test_smaller_examples_are_whole():
    for example in extended_examples(EVERY, count=8, seed=4, name="cuts"):
        for smaller in smaller_extended(example):
            case = smaller.case
            loss, _ = rs.fast.loss_and_grad(case.network, case.params, case.x, case.y)
            assert np.isfinite(loss)
            assert smaller.x is case.x


def test_every_name_is_on_the_page():
    from tests.crosscheck.test_conformance import page

    assert all(f"`{name}`" in page() for name in EXTENSIONS)
