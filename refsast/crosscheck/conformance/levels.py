"""The levels, from the spike to the hard swap, and the tests of each: a table."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from refsast.crosscheck.conformance import passes
from refsast.crosscheck.conformance.asking import BACKWARD, FORWARD, Judge, of_stages, with_ties
from refsast.crosscheck.conformance.kinds import Offer, prompt
from refsast.crosscheck.conformance.strategies import (
    RADII,
    Question,
    alone,
    cases,
    questions,
    single_neurons,
)


@dataclass(frozen=True)
class Test:
    """One test: what is drawn and how it is judged.

    Attributes
    ----------
    level, name : str
        Together its id, ``level[name]``.
    says : str
        What holds of a right implementation.
    draws : callable
        ``Offer -> strategy`` of questions.
    wrong : callable
        ``(implementation, question) -> bool``.
    hard : bool
        Whether spikes are hard forward.
    """

    __test__ = False  # to pytest, a name of this kind is a test

    level: str
    name: str
    says: str
    draws: Callable[[Offer], st.SearchStrategy[Question]]
    wrong: Judge
    hard: bool = False

    def __str__(self) -> str:
        return f"{self.level}[{self.name}]"


def _pairs(
    radii: tuple[float, ...], classes: int | None = None
) -> Callable[[Offer], st.SearchStrategy[Question]]:
    return lambda offer: questions(cases(offer, steps=(1, 4), classes=classes), radii)


def _hard(ties: bool) -> Callable[[Offer], st.SearchStrategy[Question]]:
    return lambda offer: alone(cases(offer, hard=True, ties=ties))


TESTS = (
    Test(
        "surrogate", "value", "A neuron's spike is the smooth spike of its potential.",
        lambda offer: alone(single_neurons(prompt(offer))), of_stages(*FORWARD),
    ),
    Test(
        "surrogate", "derivative", "Its derivative is that of the smooth spike.",
        lambda offer: alone(single_neurons(prompt(offer))), of_stages("parameter gradients"),
    ),
    Test(
        "one_step", "forward", "Loss and states of a whole network are right for one step.",
        lambda offer: alone(cases(prompt(offer), steps=(1, 1))), of_stages(*FORWARD),
    ),
    Test(
        "one_step", "gradient", "So are all derivatives.",
        lambda offer: alone(cases(prompt(offer), steps=(1, 1))), of_stages(*BACKWARD),
    ),
    Test(
        "unroll", "forward", "Loss and states are right over time.",
        lambda offer: alone(cases(offer)), of_stages(*FORWARD),
    ),
    Test(
        "gradient", "parameters", "The gradient in all parameters is right over time.",
        lambda offer: alone(cases(offer)), of_stages("parameter gradients"),
    ),
    Test(
        "gradient", "adjoints", "So is the derivative in each potential, where it is given.",
        lambda offer: alone(cases(offer)), of_stages("adjoints"),
    ),
    Test(
        "gradient", "input", "So is the gradient in the input, where it is given.",
        lambda offer: alone(cases(offer)), of_stages("input gradient"),
    ),
    Test(
        "sam", "gradient", "The SAM gradient is that of the second minibatch at the ascent point.",
        _pairs(RADII), passes.moving,
    ),
    Test(
        "sam", "rho_zero", "With rho = 0 it is the plain gradient of the second minibatch.",
        _pairs((0.0,)), passes.moving,
    ),
    Test(
        "sam", "zero_gradient", "Where the first gradient is zero nothing moves, or is NaN.",
        _pairs(RADII, classes=1), passes.wrong,
    ),
    Test(
        "hard_swap", "forward", "Hard spikes are Heaviside steps, and nothing else changes.",
        _hard(ties=False), with_ties(False, of_stages(*FORWARD)), hard=True,
    ),
    Test(
        "hard_swap", "ties", "A potential exactly at the threshold fires.",
        _hard(ties=True), with_ties(True, of_stages(*FORWARD)), hard=True,
    ),
    Test(
        "hard_swap", "gradient", "Derivatives are those of the smooth spike, at hard potentials.",
        _hard(ties=False), with_ties(False, of_stages(*BACKWARD)), hard=True,
    ),
)  # fmt: skip
LEVELS = tuple(dict.fromkeys(test.level for test in TESTS))


def of_level(level: str) -> tuple[Test, ...]:
    """Return the tests of a level."""
    return tuple(test for test in TESTS if test.level == level)
