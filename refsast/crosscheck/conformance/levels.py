"""The levels, from the spike to the hard swap, and the tests of each: a table."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from refsast.crosscheck.conformance import sam_check
from refsast.crosscheck.conformance.capabilities import Capabilities, drop_delays
from refsast.crosscheck.conformance.comparison import (
    BACKWARD,
    FORWARD,
    Judge,
    judge_stages,
    judge_ties,
)
from refsast.crosscheck.conformance.strategies import (
    RADII,
    Example,
    cases,
    plain_examples,
    sam_examples,
    single_neurons,
)


@dataclass(frozen=True)
class LevelTest:
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
    draws: Callable[[Capabilities], st.SearchStrategy[Example]]
    wrong: Judge
    hard: bool = False

    def __str__(self) -> str:
        return f"{self.level}[{self.name}]"


def _sam_draws(
    radii: tuple[float, ...], classes: int | None = None
) -> Callable[[Capabilities], st.SearchStrategy[Example]]:
    return lambda offer: sam_examples(cases(offer, steps=(1, 4), classes=classes), radii)


def _hard_draws(ties: bool) -> Callable[[Capabilities], st.SearchStrategy[Example]]:
    return lambda offer: plain_examples(cases(offer, hard=True, ties=ties))


TESTS = (
    LevelTest(
        "surrogate", "value", "A neuron's spike is the smooth spike of its potential.",
        lambda offer: plain_examples(single_neurons(drop_delays(offer))), judge_stages(*FORWARD),
    ),
    LevelTest(
        "surrogate", "derivative", "Its derivative is that of the smooth spike.",
        lambda offer: plain_examples(single_neurons(drop_delays(offer))), judge_stages("parameter gradients"),
    ),
    LevelTest(
        "one_step", "forward", "Loss and states of a whole network are right for one step.",
        lambda offer: plain_examples(cases(drop_delays(offer), steps=(1, 1))), judge_stages(*FORWARD),
    ),
    LevelTest(
        "one_step", "gradient", "So are all derivatives.",
        lambda offer: plain_examples(cases(drop_delays(offer), steps=(1, 1))), judge_stages(*BACKWARD),
    ),
    LevelTest(
        "unroll", "forward", "Loss and states are right over time.",
        lambda offer: plain_examples(cases(offer)), judge_stages(*FORWARD),
    ),
    LevelTest(
        "gradient", "parameters", "The gradient in all parameters is right over time.",
        lambda offer: plain_examples(cases(offer)), judge_stages("parameter gradients"),
    ),
    LevelTest(
        "gradient", "adjoints", "So is the derivative in each potential, where it is given.",
        lambda offer: plain_examples(cases(offer)), judge_stages("adjoints"),
    ),
    LevelTest(
        "gradient", "input", "So is the gradient in the input, where it is given.",
        lambda offer: plain_examples(cases(offer)), judge_stages("input gradient"),
    ),
    LevelTest(
        "sam", "gradient", "The SAM gradient is that of the second minibatch at the ascent point.",
        _sam_draws(RADII), sam_check.nonzero_sam_differs,
    ),
    LevelTest(
        "sam", "rho_zero", "With rho = 0 it is the plain gradient of the second minibatch.",
        _sam_draws((0.0,)), sam_check.nonzero_sam_differs,
    ),
    LevelTest(
        "sam", "zero_gradient", "Where the first gradient is zero nothing moves, or is NaN.",
        _sam_draws(RADII, classes=1), sam_check.sam_differs,
    ),
    LevelTest(
        "hard_swap", "forward", "Hard spikes are Heaviside steps, and nothing else changes.",
        _hard_draws(ties=False), judge_ties(False, judge_stages(*FORWARD)), hard=True,
    ),
    LevelTest(
        "hard_swap", "ties", "A potential exactly at the threshold fires.",
        _hard_draws(ties=True), judge_ties(True, judge_stages(*FORWARD)), hard=True,
    ),
    LevelTest(
        "hard_swap", "gradient", "Derivatives are those of the smooth spike, at hard potentials.",
        _hard_draws(ties=False), judge_ties(False, judge_stages(*BACKWARD)), hard=True,
    ),
)  # fmt: skip
LEVELS = tuple(dict.fromkeys(test.level for test in TESTS))


def level_tests(level: str) -> tuple[LevelTest, ...]:
    """Return the tests of a level."""
    return tuple(test for test in TESTS if test.level == level)
