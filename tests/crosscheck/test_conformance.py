"""The suite itself: right implementations pass, each fault fails where it must, and says why."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.errors import NoSuchExample, Unsatisfiable

import refsast as rs
from refsast.crosscheck.case import Factory
from refsast.crosscheck.compare import examine_answer
from refsast.crosscheck.conformance import sam_check
from refsast.crosscheck.conformance.capabilities import (
    KINDS,
    Capabilities,
    query_capabilities,
    smallest_case,
)
from refsast.crosscheck.conformance.comparison import NoAnswer
from refsast.crosscheck.conformance.failure import example_source, explain_failure
from refsast.crosscheck.conformance.levels import LEVELS, TESTS, LevelTest
from refsast.crosscheck.conformance.options import Options, read_options, read_xfails
from refsast.crosscheck.conformance.search import Tally, is_wrong, search
from refsast.crosscheck.conformance.strategies import (
    RADII,
    Example,
    cases,
    sam_examples,
    single_neurons,
)
from refsast.crosscheck.conformance.suite import Suite
from refsast.crosscheck.factory import build, load_factory
from refsast.crosscheck.unclear import unclear_recordings
from refsast.crosscheck.variants import solve
from tests.crosscheck import implementations

SIMPLE = Capabilities(
    tuple(kind for kind in KINDS if implementations.simple(smallest_case(kind))), {}
)
EVERY = Capabilities(KINDS, {})
EXAMPLES = 8


def fails(factory: Factory, test: LevelTest, examples: int = EXAMPLES) -> bool:
    """Whether some drawn case is wrong; nothing is shrunk. These factories name no extensions."""
    if test.draws is None:
        return False

    def wrong(question: Example) -> bool:
        try:
            return is_wrong(factory, test, question)
        except (rs.Unsupported, NoAnswer):
            return False

    chosen = settings(
        max_examples=examples, derandomize=True, database=None, phases=[Phase.generate]
    )
    try:
        find(test.draws(SIMPLE), wrong, settings=chosen)
    except (NoSuchExample, Unsatisfiable):
        return False
    return True


def smallest(factory: Factory, test: LevelTest, examples: int = EXAMPLES):
    """The smallest wrong case, and what is said of it."""
    tally = Tally()
    found = search(factory, SIMPLE, test, examples=examples, seed=None, tally=tally)
    assert found is not None
    return explain_failure(factory, test, found, tally)


def find_test(test: str) -> LevelTest:
    return next(t for t in TESTS if str(t) == test)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["single", "whole", "sam_right", "sam_single"])
def test_a_right_implementation_fails_nothing(name):
    factory = getattr(implementations, name)

    assert [str(t) for t in TESTS if fails(factory, t, examples=15)] == []


LATER = {"unroll", "gradient", "sam", "hard_swap"}
PLANTED = {
    "steep": (set(LEVELS) - {"unroll", "extended"}, "derivative multiplied by 3"),
    "detached": ({"gradient", "sam", "hard_swap"}, "with the reset detached"),
    "summed": (LATER, "summed, not averaged, over time"),
    "unbiased": ({"one_step"} | LATER, "without the biases"),
    "unreset": ({"sam"}, "states are not reset between the two passes"),
    "sam_same": ({"sam"}, "the first minibatch serves both passes"),
    "sam_hessian": ({"sam"}, "the Hessian term of the exact gradient is kept"),
    "sam_epsilon": ({"sam"}, "1e-12 is added to the norm"),
    "sam_downhill": ({"sam"}, "the ascent step goes downhill"),
    "sam_unguarded": ({"sam"}, None),
    "untied": ({"hard_swap"}, "potentials at the threshold not firing"),
    "post_reset_states": ({"hard_swap"}, None),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_fails_its_levels_and_no_other_and_is_named(name):
    factory, (levels, cause) = getattr(implementations, name), PLANTED[name]
    failed = [test for test in TESTS if fails(factory, test)]

    assert {test.level for test in failed} == levels

    failure = smallest(factory, failed[0])
    case = failure.example.case
    assert len(case.network.neurons) == 1
    assert max(case.network.sizes) <= 2
    assert len(case.x) <= 2
    assert len(case.y) <= (2 if levels == {"sam"} else 1)  # two passes may need two recordings
    assert (cause or "") in (failure.cause or "")
    assert cause is None or cause in str(failure)


def test_the_tie_rule_has_a_test_of_its_own():
    tests = [find_test(f"hard_swap[{name}]") for name in ("forward", "ties", "gradient")]

    assert [fails(implementations.untied, test) for test in tests] == [False, True, False]


def test_nan_at_a_zero_gradient_has_a_test_of_its_own():
    tests = [find_test(f"sam[{name}]") for name in ("gradient", "rho_zero", "zero_gradient")]

    assert [fails(implementations.sam_unguarded, test) for test in tests] == [False, False, True]
    assert "must be finite, got nan" in str(smallest(implementations.sam_unguarded, tests[2]))


def test_what_an_implementation_raises_is_told_in_one_line():
    failure = smallest(implementations.error_in_gradient, TESTS[0])

    assert failure.report == "gradient must answer 'drawn', got RuntimeError: broken inside"


def test_an_implementation_that_changes_its_mind_is_told_so():
    calls = []

    def moody(case):
        calls.append(case)
        loss = 1.0 if len(calls) == 3 else 0.0
        right = implementations.fast(case).gradient

        def gradient(*given):
            value, grads = right(*given)
            return value + loss, grads

        return gradient

    failure = smallest(moody, TESTS[0])

    assert "answers differ" in str(failure.cause)


def suite(factory: Factory, **offers: Capabilities) -> Suite:
    chosen = Options("a:b", EXAMPLES, None, {}, None)
    return Suite(chosen, factory, **{"smooth": SIMPLE, "hard": SIMPLE} | offers)


def test_where_a_factory_has_nothing_a_test_is_skipped_with_its_reason():
    nothing = query_capabilities(implementations.none_at_all)

    assert nothing.reasons == {"nothing is here": len(KINDS)}
    with pytest.raises(pytest.skip.Exception, match="nothing is here"):
        suite(implementations.none_at_all, smooth=nothing).run(TESTS[0], [])


def test_what_is_not_answered_is_skipped_and_counted():
    facts = []
    with pytest.raises(pytest.skip.Exception, match="adjoints not given"):
        suite(implementations.fast).run(find_test("gradient[adjoints]"), facts)

    assert dict(facts)["tried"] == 0
    assert dict(facts)["refused"] >= 40


def test_numbers_that_a_factory_refuses_are_left_out_and_counted():
    def never_all(case):
        if any(neuron.leak != 0.5 for neuron in case.network.neurons):
            raise rs.Unsupported("leaks are 1/2")
        return implementations.fast(case)

    tally = Tally()
    test = find_test("gradient[parameters]")
    found = search(never_all, SIMPLE, test, examples=EXAMPLES, seed=None, tally=tally)

    assert found is None
    assert tally.tried == EXAMPLES
    assert tally.refused["leaks are 1/2"] > 0


def test_a_factory_is_asked_for_every_kind_once():
    asked = []
    offer = query_capabilities(
        lambda case: asked.append(case) or implementations.fast(case), hard=True
    )

    assert offer.kinds == SIMPLE.kinds
    assert len(asked) == len(KINDS) == 960
    assert all(case.hard for case in asked)


def collect_examples(examples: int, seed: int | None) -> list[str]:
    """What is drawn, as text."""
    drawn = []

    def never(case: rs.Case) -> rs.Implementation:
        drawn.append(example_source(Example(case, case.x, case.y)))
        return implementations.fast(case)

    test = find_test("unroll[forward]")
    search(never, SIMPLE, test, examples=examples, seed=seed, tally=Tally())
    return drawn


def test_cases_are_the_same_in_every_run_until_a_seed_says_otherwise():
    assert collect_examples(4, None) == collect_examples(4, None)
    assert collect_examples(4, 1) == collect_examples(4, 1)
    assert collect_examples(4, 1) != collect_examples(4, 2)


@given(sam_examples(cases(EVERY), RADII) | sam_examples(cases(EVERY, hard=True)))
@settings(max_examples=60)
def test_a_question_as_text_is_the_same_question(question):
    found: dict[str, rs.Case] = {}
    exec(example_source(question), found)
    case, again = question.case, found["case"]

    assert again.network == case.network
    assert (again.synapse, again.hard) == (case.synapse, case.hard)
    np.testing.assert_array_equal(rs.flatten(again.params), rs.flatten(case.params))
    np.testing.assert_array_equal(again.x, case.x)
    np.testing.assert_array_equal(again.y, case.y)
    np.testing.assert_array_equal(found["second"][0], question.x)
    assert found["rho"] == question.rho


@given(cases(EVERY) | cases(EVERY, hard=True) | single_neurons(EVERY))
@settings(max_examples=60)
def test_drawn_numbers_are_exact_in_float32(case):
    for array in (case.x, rs.flatten(case.params)):
        np.testing.assert_array_equal(array.astype(np.float32).astype(np.float64), array)
    for neuron in case.network.neurons:
        for number in (neuron.leak, neuron.threshold, neuron.spike.slope):
            assert float(np.float32(number)) == number


@given(cases(EVERY, hard=True))
@settings(max_examples=60)
def test_hard_potentials_are_exact_and_tie_or_are_clear(case):
    right = solve(case)
    for u in right.u or ():
        np.testing.assert_array_equal(u * 2.0**20, np.round(u * 2.0**20))
    assert unclear_recordings(examine_answer(right, case, np.dtype(np.float64))) == ()


@pytest.mark.parametrize("ties", [True, False])
def test_ties_are_drawn_where_they_are_wanted(ties):
    tied = []

    def look(case):
        layers = zip(case.network.neurons, solve(case).u or (), strict=True)
        tied.append(any((u == neuron.threshold).any() for neuron, u in layers))
        return False

    chosen = settings(max_examples=20, derandomize=True, database=None)
    with pytest.raises(NoSuchExample):
        find(cases(SIMPLE, hard=True, ties=ties), look, settings=chosen)

    assert (sum(tied) > 3) is ties


@pytest.mark.parametrize(
    ("w", "test"),
    [
        ([[1.0 + 1e-15], [0.5]], "forward"),
        ([[0.1, 0.1, 0.1, 0.3, 0.2, 0.2]], "ties"),  # in this order of summation alone
    ],
)
def test_a_hard_potential_that_rounding_decides_is_left_out(w, test):
    w = np.array(w)
    neuron = rs.LIF(0.5, 1.0, rs.Arctan(2.0))
    network = rs.Network(w.shape[::-1], neuron, rs.SpikeRate(1.0), bias=False)
    x = np.ones((1, 1, w.shape[1]))
    case = rs.Case(network, (rs.Layer(w),), x, np.array([0]), hard=True)

    question = Example(case, case.x, case.y)

    def round_down(case):  # by less than what rounding may do
        return lambda p, x, y: solve(replace(case, params=(rs.Layer(p[0].w * (1.0 - 2e-15)),)))

    assert not is_wrong(implementations.fast, find_test(f"hard_swap[{test}]"), question)
    with pytest.raises(NoAnswer, match="rounding decides"):
        is_wrong(round_down, find_test(f"hard_swap[{test}]"), question)


def test_a_first_gradient_of_nothing_but_rounding_is_left_out():
    """Two classes, the same weights, both labels: the sum cancels to the last bit or so."""
    network = rs.Network((1, 2), rs.LIF(0.5, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.full((2, 1), 0.3)),)
    x, y = np.full((1, 2, 1), 0.7), np.array([0, 1])
    x[0, 1] += 1e-15
    question = Example(rs.Case(network, params, x, y), x, np.array([0, 0]), 0.5)

    with pytest.raises(NoAnswer, match="no more than rounding"):
        sam_check.sam_differs(implementations.sam_right(question.case), question)


LOADS = {
    "mine": "impl must be written package:factory, got 'mine'",
    "mine:": "impl must be written package:factory, got 'mine:'",
    "no_such_module:f": "impl must name a module that can be imported, got 'no_such_module': "
    "ModuleNotFoundError: No module named 'no_such_module'",
    "operator:no.such": "impl must name something in operator, got 'no.such'",
    "tests.crosscheck.implementations:NOT_CALLABLE": "impl must name a callable, got "
    "'NOT_CALLABLE', a int",
}


@pytest.mark.parametrize("spec", LOADS)
def test_a_factory_that_cannot_be_found_is_told_in_one_line(spec):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        load_factory(spec)

    assert str(error.value) == LOADS[spec]


def test_an_attribute_path_may_have_dots():
    assert load_factory("os:path.join") is os.path.join


def test_what_a_factory_raises_or_returns_is_told_in_one_line():
    case = smallest_case(KINDS[0])
    wanted = "factory must return an implementation or raise Unsupported, got RuntimeError: broken"

    with pytest.raises(ValueError, match=f"^{wanted} in two lines$"):
        build(implementations.error_in_factory, case)
    with pytest.raises(ValueError, match=r"an Implementation or a callable, got int$"):
        build(lambda case: 3, case)  # pyright: ignore[reportArgumentType]
    with pytest.raises(rs.Unsupported):
        build(implementations.none_at_all, case)
    assert isinstance(build(implementations.whole, case), rs.Implementation)


def test_lines_of_an_xfails_file(tmp_path):
    path = tmp_path / "xfails"
    path.write_text("# ours\n\nsam  # one minibatch\ngradient[input]\n")

    assert read_xfails(path, TESTS) == {
        "sam[gradient]": "one minibatch",
        "sam[rho_zero]": "one minibatch",
        "sam[zero_gradient]": "one minibatch",
        "gradient[input]": "expected to fail",
    }


ENVIRONMENTS = {
    "REFSAST_IMPL must be set": {"REFSAST_IMPL": ""},
    "REFSAST_EXAMPLES must be an integer of at least 1, got '0'": {"REFSAST_EXAMPLES": "0"},
    "REFSAST_SEED must be an integer of at least 0, got 'x'": {"REFSAST_SEED": "x"},
    "REFSAST_XFAILS must be a readable file": {"REFSAST_XFAILS": "/no/such/file"},
}


@pytest.mark.parametrize("says", ENVIRONMENTS)
def test_a_wrong_environment_is_told_in_one_line(says):
    with pytest.raises(ValueError, match=says):
        read_options({"REFSAST_IMPL": "a:b"} | ENVIRONMENTS[says], TESTS)


@cache
def root() -> Path:
    return Path(rs.__file__).parents[1]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """The suite as somebody runs it, from a folder outside the repository."""
    given = {f"REFSAST_{k}": v for k, v in environment.items()}
    given = {"REFSAST_EXAMPLES": "5", "PYTHONPATH": str(root())} | given
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REFSAST_", "PYTEST_"))}
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
    ]
    return subprocess.run(
        [*command, "--strict-markers", *arguments],
        cwd=folder, env=kept | given, capture_output=True, text=True, check=False,
    )  # fmt: skip


SHIPPED = ("--pyargs", "refsast.crosscheck.conformance")


@pytest.mark.slow
def test_a_run_of_a_module_in_the_folder_passes_and_is_reported_in_json_and_junit(tmp_path):
    (tmp_path / "mine.py").write_text("from tests.crosscheck.implementations import fast as made\n")
    spec = "mine:made"
    done = run(tmp_path, *SHIPPED, "--junitxml=junit.xml", IMPL=spec, REPORT="out/report.json")
    report = json.loads((tmp_path / "out" / "report.json").read_text())

    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout
    assert "fast: 72 of 960 kinds of networks" in done.stdout
    assert report["implementation"] == "fast"
    assert report["impl"] == spec
    assert report["versions"]["numpy"] == np.__version__
    assert list(report["levels"]) == list(LEVELS)
    assert sum(level["passed"] for level in report["levels"].values()) == 12
    gradient = report["levels"]["gradient"]
    assert (gradient["skipped"], gradient["tried"]) == (2, 5)
    assert gradient["tests"]["adjoints"]["reason"] == "not answered: adjoints not given"
    testcases = ET.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    assert len(list(testcases)) == len(TESTS)


@pytest.mark.slow
def test_a_run_that_fails_names_the_smallest_case_and_obeys_the_xfails(tmp_path):
    (tmp_path / "xfails").write_text("sam[gradient]  # known\nsam[rho_zero]\nsurrogate[value]\n")
    done = run(
        tmp_path, *SHIPPED, "-m", "surrogate or gradient or sam",
        IMPL="tests.crosscheck.implementations:detached", XFAILS="xfails", REPORT="report.json",
    )  # fmt: skip
    levels = json.loads((tmp_path / "report.json").read_text())["levels"]

    assert done.returncode == 1
    assert "your gradient is the reference with the reset detached" in done.stdout
    assert "case = rs.Case(" in done.stdout
    assert "[XPASS(strict)] expected to fail" in done.stdout
    assert (levels["sam"]["xfailed"], levels["sam"]["failed"]) == (2, 0)
    assert (levels["surrogate"]["failed"], levels["gradient"]["failed"]) == (1, 3)
    failure = levels["gradient"]["first_failure"]
    assert failure["test"] == "gradient[parameters]"
    assert failure["size"] == {"sizes": [1, 2], "steps": 2, "batch": 1}
    assert "with the reset detached" in failure["cause"]
    assert failure["place"].startswith("adjoint of layer 1, step 1")
    assert failure["case"].startswith("import numpy as np\n")


@pytest.mark.slow
def test_a_failure_of_which_nothing_can_be_told_is_one_all_the_same(monkeypatch):
    def explain(*given):
        raise NoAnswer("rounding may move these numbers too far")

    test = find_test("sam[gradient]")
    tally = Tally()
    found = search(
        implementations.sam_same, SIMPLE, test, examples=EXAMPLES, seed=None, tally=tally
    )
    monkeypatch.setattr("refsast.crosscheck.conformance.failure.explain_sam", explain)

    failure = explain_failure(implementations.sam_same, test, found, tally)

    assert failure.cause is None
    assert "wrong; why cannot be told: rounding may" in str(failure)


@pytest.mark.slow
def test_two_workers_write_the_report_of_one_process(tmp_path):
    pytest.importorskip("xdist")
    spec = "tests.crosscheck.implementations:detached"
    for n in ("0", "2"):
        run(tmp_path, *SHIPPED, "-m", "surrogate or unroll or gradient", "-n", n,
            IMPL=spec, REPORT=f"{n}.json", EXAMPLES="4")  # fmt: skip
    alone, together = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("0", "2"))

    assert together == alone
    assert alone["levels"]["gradient"]["failed"] == 3
    assert alone["drawn"]["sizes"]["steps"][1] >= 64


USAGE = {
    "REFSAST_IMPL must be set to package:factory, got nothing": {},
    "factory must return an implementation or raise Unsupported, got RuntimeError: broken in two "
    "lines": {"IMPL": "tests.crosscheck.implementations:error_in_factory"},
    "line 1 of REFSAST_XFAILS must name one of": {
        "IMPL": "tests.crosscheck.implementations:fast",
        "XFAILS": "xfails",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("says", USAGE)
def test_a_run_that_cannot_start_says_why_in_one_line(says, tmp_path):
    (tmp_path / "xfails").write_text("no_such_level\n")
    done = run(tmp_path, *SHIPPED, **USAGE[says])

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {says}" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.slow
def test_among_other_tests_the_suite_is_left_out_where_nobody_asks_for_it(tmp_path):
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    done = run(tmp_path, "test_other.py", str(root() / "refsast/crosscheck/conformance"))

    assert done.returncode == 0, done.stdout
    assert f"1 passed, {len(TESTS)} deselected" in done.stdout


def page() -> str:
    return (root() / "docs" / "conformance.md").read_text("utf-8")


@pytest.mark.slow
def test_the_example_of_the_page_is_right_and_fails_as_it_says():
    example = page().split("```python\n")[1].split("```")[0]
    right: dict[str, Factory] = {}
    exec(example, right)
    wrong: dict[str, Factory] = {}
    exec(example.replace("through = in_s - neuron.leak * u[t] * delta", "through = in_s"), wrong)
    offer = query_capabilities(right["factory"])
    test, tallies = find_test("gradient[parameters]"), (Tally(), Tally())
    found = [
        search(made["factory"], offer, test, examples=50, seed=None, tally=tally)
        for made, tally in zip((right, wrong), tallies, strict=True)
    ]

    assert found[0] is None
    assert tallies[0].tried == 50
    assert found[1] is not None
    failure = explain_failure(wrong["factory"], test, found[1], tallies[1])
    report, _, _ = failure.report.rpartition(" (cosine")  # whose last digit is the machine's
    assert f"{test.statement} This does not hold:\n\n{report} (cosine" in page()


def test_every_test_is_on_the_page():
    for test in TESTS:
        (line,) = (x for x in page().splitlines() if x.startswith(f"| `{test.level}` |"))
        assert f"`{test.name}`" in line
    assert f"all {len(KINDS)} kinds" in page()
