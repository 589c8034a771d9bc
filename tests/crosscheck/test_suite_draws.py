"""What the suite draws: large and awkward enough for faults that small plain networks hide."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

import refsast as rs
from refsast.crosscheck.case import Factory
from refsast.crosscheck.conformance.capabilities import KINDS, Capabilities, query_capabilities
from refsast.crosscheck.conformance.comparison import NoAnswer
from refsast.crosscheck.conformance.coverage import (
    Coverage,
    describe_coverage,
    missing_features,
    offered_features,
)
from refsast.crosscheck.conformance.extensions import EXTENSIONS
from refsast.crosscheck.conformance.levels import TESTS, LevelTest
from refsast.crosscheck.conformance.report import Result, build_report, find_test
from refsast.crosscheck.conformance.search import Tally, is_wrong, search
from refsast.crosscheck.conformance.shares import leave_share
from refsast.crosscheck.conformance.shrink import drop_layer, narrow_layer, smaller_examples
from refsast.crosscheck.variants import solve
from tests.crosscheck.suite_faults import FAULTS, TwoDtypes, plant, right, seven

PLAIN = Capabilities(tuple(kind for kind in KINDS if kind.synapse is None), {})
EVERY = Capabilities(KINDS, {})
EXAMPLES = 20
SMOOTH = [
    test
    for test in TESTS
    if test.draws and not test.hard and test.name not in ("adjoints", "input")
]


def pick_test(name: str) -> LevelTest:
    return next(test for test in TESTS if str(test) == name)


def wrong_somewhere(factory: Factory, examples: int, seed: int | None = None) -> str | None:
    """The first test that a factory fails, by the stretched half and then the other; or None."""
    order = sorted(SMOOTH, key=lambda test: test.level not in ("gradient", "unroll"))
    for test in order:
        for example in test.stretches(PLAIN, examples // 2, seed):
            if judged(factory, test, example):
                return f"{test}, {example.stretch}"
    for test in order:
        if drawn_wrong(factory, test, examples - examples // 2):
            return str(test)
    return None


def judged(factory: Factory, test: LevelTest, example) -> bool:
    try:
        return is_wrong(factory, test, example)
    except (rs.Unsupported, NoAnswer):
        return False


def drawn_wrong(factory: Factory, test: LevelTest, examples: int) -> bool:
    assert test.draws is not None
    chosen = settings(
        max_examples=examples, derandomize=True, database=None, phases=[Phase.generate]
    )
    try:
        find(test.draws(PLAIN), lambda example: judged(factory, test, example), settings=chosen)
    except (NoSuchExample, Unsatisfiable):
        return False
    return True


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_small_networks_hide_fails_the_suite(name):
    assert wrong_somewhere(plant(FAULTS[name]), EXAMPLES) is not None


def test_seven_faults_at_once_fail_the_suite():
    assert wrong_somewhere(plant(seven), EXAMPLES) is not None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_right_implementation_passes(seed):
    assert wrong_somewhere(plant(right), 8, seed) is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 3])
def test_a_right_implementation_of_everything_passes(seed):
    def whole(case: rs.Case):
        return lambda params, x, y: solve(replace(case, params=params, x=x, y=y))

    for test in TESTS:
        for example in test.stretches(EVERY, 7, seed):
            assert not is_wrong(whole, test, example), (str(test), example.stretch)


def test_every_run_exceeds_what_an_implementation_may_cut_off():
    drawn = Coverage()
    for example in pick_test("gradient[parameters]").stretches(PLAIN, EXAMPLES // 2, None):
        drawn.add(example)

    assert drawn.sizes["steps"][1] >= 64
    assert drawn.sizes["layers"][1] >= 4
    assert drawn.sizes["neurons"][1] >= 17
    assert drawn.sizes["recordings"][1] >= 9
    assert drawn.sizes["classes"][1] >= 6


@pytest.mark.slow
def test_sizes_grow_with_the_examples():
    def largest(count: int) -> int:
        examples = list(pick_test("gradient[parameters]").stretches(PLAIN, count, None))
        return max(example.case.x.shape[0] for example in examples)

    assert largest(7) <= 100
    assert largest(200) > 130


def test_numbers_are_awkward():
    examples = list(pick_test("gradient[parameters]").stretches(PLAIN, 12, None))
    leaks = [neuron.leak for e in examples for neuron in e.case.network.neurons]
    awkward = [leak for leak in leaks if float(np.float32(leak)) != leak]

    assert len(awkward) > len(leaks) / 2


def test_examples_are_the_same_until_a_seed_says_otherwise():
    def drawn(seed: int | None) -> list[bytes]:
        stretched = pick_test("sam[gradient]").stretches(PLAIN, 3, seed)
        return [example.case.x.tobytes() + example.x.tobytes() for example in stretched]

    assert drawn(None) == drawn(None)
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(None) != drawn(0)


def test_a_recordings_batch_exceeds_the_classes_at_least_once():
    examples = list(pick_test("gradient[parameters]").stretches(PLAIN, 7, None))

    assert any(len(e.case.y) > e.case.network.classes for e in examples)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_dtype_that_is_claimed_is_asked_for(dtype):
    offer = query_capabilities(TwoDtypes())
    tests = [pick_test(name) for name in ("gradient[parameters]", "one_step[gradient]")]

    def wrong(factory: Factory) -> bool:
        found = [judged(factory, test, e) for test in tests for e in test.stretches(offer, 6, None)]
        return any(found)

    assert offer.dtypes == ("float32", "float64")
    assert wrong(TwoDtypes(wrong=dtype))
    assert not wrong(TwoDtypes())


def test_a_dtype_that_is_claimed_and_not_had_is_wrong():
    offer = query_capabilities(TwoDtypes())
    test = pick_test("gradient[parameters]")

    found = [judged(TwoDtypes(answer="float32"), test, e) for e in test.stretches(offer, 4, None)]

    assert found == [offer.dtypes[i % 2] == "float64" for i in range(4)]


def test_a_dtype_that_nobody_knows_is_refused_in_one_line():
    def factory(case: rs.Case) -> rs.Implementation:
        return rs.Implementation(lambda *given: None, dtypes=("float16",))

    with pytest.raises(ValueError, match="dtypes must be among float32, float64, got"):
        query_capabilities(factory)


def test_a_stretched_failure_is_shrunk():
    tally = Tally()
    test = pick_test("gradient[parameters]")
    fault = plant(FAULTS["recordings beyond the third forgotten"])
    found = search(fault, PLAIN, test, examples=EXAMPLES, seed=None, tally=tally)

    assert found is not None
    assert found.stretch
    assert len(found.case.y) == 4
    assert len(found.case.network.neurons) == 1
    assert found.case.network.sizes[0] == 1
    assert len(found.case.x) <= 2  # a recurrent spike is felt one step later
    assert is_wrong(fault, test, found)


@pytest.mark.slow
def test_layers_and_neurons_are_cut_consistently():
    for example in pick_test("sam[gradient]").stretches(EVERY, 6, None):
        for cut in smaller_examples(example):
            network = cut.case.network
            assert cut.x.shape == cut.case.x.shape
            assert network.n_params <= example.case.network.n_params
            solve(cut.case)  # shapes fit, labels are among the classes
            solve(replace(cut.case, x=cut.x, y=cut.y))


def test_a_dropped_layer_leaves_the_others():
    example = next(iter(pick_test("sam[gradient]").stretches(PLAIN, 1, 5)))
    network = rs.Network((3, 5, 4, 2), example.case.network.neurons[0], rs.SpikeRate(2.0))
    params = rs.init(network, 0)
    case = rs.Case(network, params, np.ones((2, 1, 3)), [1])
    example = replace(example, case=case, x=case.x, y=case.y)

    without = drop_layer(example, 1).case

    assert without.network.sizes == (3, 4, 2)
    np.testing.assert_array_equal(without.params[0].w, params[0].w[:4])
    np.testing.assert_array_equal(without.params[1].w, params[2].w)
    np.testing.assert_array_equal(narrow_layer(example, 0, 2).case.params[0].w, params[0].w[:, :2])


def test_the_table_says_what_was_never_drawn():
    drawn = Coverage()
    for example in pick_test("gradient[parameters]").stretches(PLAIN, 7, None):
        drawn.add(example)
    offered = offered_features([PLAIN])
    again = Coverage()
    again.merge(drawn.as_record())
    text = "\n".join(describe_coverage(again, offered))

    assert again.as_record() == drawn.as_record()
    missing = missing_features(drawn, offered)
    assert [word for word in missing["refused by the factory"] if "synapse" in word] == [
        "synapse scaled", "synapse leaky", "synapse leaky and scaled and delayed",
    ]  # fmt: skip
    assert "never drawn (refused by the factory): synapse scaled" in text
    assert "steps above" in text
    assert missing["not asked, the factory does not name it"] == list(EXTENSIONS)
    assert "never asked: gradients in slopes" in text
    assert describe_coverage(Coverage(), offered) == ["drawn: nothing"]


@pytest.mark.parametrize("name", ["report.json", "report[1].json"])
def test_shares_of_two_workers_make_one_report(tmp_path, name):
    path, offers = tmp_path / name, sorted(offered_features([PLAIN]))
    record = {"implementation": "mine", "features": offers}
    facts = {"tried": 5, "refused": 1, "coverage": "{}"}
    results = [Result(test, "passed", "", facts) for test in TESTS]

    leave_share(path, "run", "gw1", 2, record, results[7:])
    assert not path.exists()
    leave_share(path, "another", "gw0", 2, record, results)
    assert not path.exists()
    leave_share(path, "run", "gw0", 2, record, results[:7])

    assert json.loads(path.read_text()) == json.loads(json.dumps(build_report(record, results)))
    assert [each.name for each in tmp_path.iterdir() if "run." in each.name] == []


def test_a_result_is_found_by_its_id_from_whatever_root():
    test = pick_test("gradient[parameters]")

    for root in ("", "refsast/crosscheck/conformance/", "../../"):
        assert find_test(f"{root}test_levels.py::test_gradient[parameters]") is test
    assert find_test("test_others.py::test_gradient[parameters]") is None
    assert find_test("test_levels.py::test_gradient[nothing]") is None
