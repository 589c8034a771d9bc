"""The suite: one pytest test for each line of `levels.TESTS`, level after level."""

from collections.abc import Callable

import pytest

from refsast.crosscheck.conformance.levels import Test, of_level
from refsast.crosscheck.conformance.suite import Suite


def all_of(level: str) -> Callable[..., object]:
    """Return the decorator that gives a function all tests of a level, in their order."""
    lines = [
        pytest.param(test, id=test.name, marks=getattr(pytest.mark, level))
        for test in of_level(level)
    ]
    return pytest.mark.parametrize("line", lines)


@all_of("surrogate")
def test_surrogate(line: Test, suite: Suite, record: Callable[..., None]) -> None:
    """One neuron, one step: the spike and its derivative."""
    suite.put(line, record)


@all_of("one_step")
def test_one_step(line: Test, suite: Suite, record: Callable[..., None]) -> None:
    """Whole networks, one step."""
    suite.put(line, record)


@all_of("unroll")
def test_unroll(line: Test, suite: Suite, record: Callable[..., None]) -> None:
    """Whole networks over time, forward."""
    suite.put(line, record)


@all_of("gradient")
def test_gradient(line: Test, suite: Suite, record: Callable[..., None]) -> None:
    """Whole networks over time, backward."""
    suite.put(line, record)


@all_of("sam")
def test_sam(line: Test, suite: Suite, record: Callable[..., None]) -> None:
    """Two minibatches, two passes."""
    suite.put(line, record)


@all_of("hard_swap")
def test_hard_swap(line: Test, suite: Suite, record: Callable[..., None]) -> None:
    """Hard spikes in place of smooth ones."""
    suite.put(line, record)
