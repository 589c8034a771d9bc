"""The suite: one pytest test for each line of `levels.TESTS`, level after level."""

from collections.abc import Callable

import pytest

from refsast.crosscheck.conformance.levels import LevelTest, level_tests
from refsast.crosscheck.conformance.suite import Suite


def parametrize_level(level: str) -> Callable[..., object]:
    """Return the decorator that gives a function all tests of a level, in their order."""
    lines = [
        pytest.param(test, id=test.name, marks=getattr(pytest.mark, level))
        for test in level_tests(level)
    ]
    return pytest.mark.parametrize("line", lines)


@parametrize_level("surrogate")
def test_surrogate(line: LevelTest, suite: Suite, record: Callable[..., None]) -> None:
    """One neuron, one step: the spike and its derivative."""
    suite.put(line, record)


@parametrize_level("one_step")
def test_one_step(line: LevelTest, suite: Suite, record: Callable[..., None]) -> None:
    """Whole networks, one step."""
    suite.put(line, record)


@parametrize_level("unroll")
def test_unroll(line: LevelTest, suite: Suite, record: Callable[..., None]) -> None:
    """Whole networks over time, forward."""
    suite.put(line, record)


@parametrize_level("gradient")
def test_gradient(line: LevelTest, suite: Suite, record: Callable[..., None]) -> None:
    """Whole networks over time, backward."""
    suite.put(line, record)


@parametrize_level("sam")
def test_sam(line: LevelTest, suite: Suite, record: Callable[..., None]) -> None:
    """Two minibatches, two passes."""
    suite.put(line, record)


@parametrize_level("hard_swap")
def test_hard_swap(line: LevelTest, suite: Suite, record: Callable[..., None]) -> None:
    """Hard spikes in place of smooth ones."""
    suite.put(line, record)
