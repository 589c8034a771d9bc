"""The suite: one pytest test for each row of `levels.TESTS`, level after level."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from refsast.crosscheck.conformance.levels import TESTS, LevelTest

Run: TypeAlias = Callable[[LevelTest], None]


def parametrize_level(level: str) -> Callable[..., object]:
    """Return the decorator that gives a function all tests of a level, in their order."""
    mark, tests = getattr(pytest.mark, level), [test for test in TESTS if test.level == level]
    rows = [pytest.param(test, id=test.name, marks=mark) for test in tests]
    return pytest.mark.parametrize("test", rows)


@parametrize_level("surrogate")
def test_surrogate(test: LevelTest, run: Run) -> None:
    """One neuron, one step: the spike and its derivative."""
    run(test)


@parametrize_level("one_step")
def test_one_step(test: LevelTest, run: Run) -> None:
    """Whole networks, one step."""
    run(test)


@parametrize_level("unroll")
def test_unroll(test: LevelTest, run: Run) -> None:
    """Whole networks over time, forward."""
    run(test)


@parametrize_level("gradient")
def test_gradient(test: LevelTest, run: Run) -> None:
    """Whole networks over time, backward."""
    run(test)


@parametrize_level("sam")
def test_sam(test: LevelTest, run: Run) -> None:
    """Two minibatches, two passes."""
    run(test)


@parametrize_level("hard_swap")
def test_hard_swap(test: LevelTest, run: Run) -> None:
    """Hard spikes in place of smooth ones."""
    run(test)


@parametrize_level("extended")
def test_extended(test: LevelTest, run: Run) -> None:
    """Networks beyond dense LIF layers, as far as the implementation names them."""
    run(test)
