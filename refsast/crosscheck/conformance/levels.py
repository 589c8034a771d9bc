"""The levels, from the spike to the hard swap, and the tests of each: a table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import strategies as st

from refsast.crosscheck.case import Case
from refsast.crosscheck.conformance.capabilities import Capabilities, drop_delays
from refsast.crosscheck.conformance.comparison import (
    BACKWARD,
    FORWARD,
    Judge,
    judge_stages,
    judge_ties,
)
from refsast.crosscheck.conformance.extended import extended_examples
from refsast.crosscheck.conformance.sam_check import nonzero_sam_differs, sam_differs
from refsast.crosscheck.conformance.strategies import (
    RADII,
    Example,
    cases,
    plain_examples,
    sam_examples,
    single_neurons,
)
from refsast.crosscheck.conformance.stretches import (
    ONE_NEURON,
    ONE_STEP,
    OVER_TIME,
    TWO_PASSES,
    Stretch,
    stretched_examples,
)

Draws: TypeAlias = Callable[[Capabilities], st.SearchStrategy[Example]]
Stretches: TypeAlias = Callable[[Capabilities, int, int | None], Iterator[Example]]


@dataclass(frozen=True)
class LevelTest:
    """One test: what is drawn and how it is judged."""

    level: str  # together with the name its id, ``level[name]``
    name: str
    statement: str  # what holds of a right implementation
    draws: Draws | None  # of examples on a coarse grid; None: all are drawn by a plan
    wrong: Judge
    hard: bool = False  # whether spikes are hard forward
    stretch: tuple[Stretch, ...] = OVER_TIME  # how its examples are stretched; empty: not at all
    radii: tuple[float, ...] = ()  # of the ascent step, where there is one

    def stretches(self, offer: Capabilities, count: int, seed: int | None) -> Iterator[Example]:
        """Yield so many examples that are larger and more awkward than those of `draws`."""
        if self.draws is None:
            return extended_examples(offer, count=count, seed=seed, name=str(self), hard=self.hard)
        if not self.stretch:
            return iter(())
        if self.level in ("surrogate", "one_step"):
            offer = drop_delays(offer)
        return stretched_examples(
            offer, self.stretch, count=count, seed=seed, name=str(self), hard=self.hard,
            radii=self.radii, classes=1 if self.name == "zero_gradient" else None,
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.level}[{self.name}]"


def _case_draws(
    strategy: Callable[..., st.SearchStrategy[Case]], *, delays: bool = True, **options: object
) -> Draws:
    """Draw examples about one case, perhaps without synaptic delays."""

    def draw(offer: Capabilities) -> st.SearchStrategy[Example]:
        return plain_examples(strategy(offer if delays else drop_delays(offer), **options))

    return draw


def _sam_draws(radii: tuple[float, ...], classes: int | None = None) -> Draws:
    return lambda offer: sam_examples(cases(offer, steps=(1, 4), classes=classes), radii)


_NEURONS = _case_draws(single_neurons, delays=False)
_STEPS = _case_draws(cases, delays=False, steps=(1, 1))
_RUNS = _case_draws(cases)
_OFF_TIES, _TIES = (_case_draws(cases, hard=True, ties=ties) for ties in (False, True))

TESTS = (
    LevelTest("surrogate", "value", "A neuron's spike is the smooth spike of its potential.",
              _NEURONS, judge_stages(*FORWARD), stretch=ONE_NEURON),
    LevelTest("surrogate", "derivative", "Its derivative is that of the smooth spike.",
              _NEURONS, judge_stages("parameter gradients"), stretch=ONE_NEURON),
    LevelTest("one_step", "forward", "Loss and states of a whole network are right for one step.",
              _STEPS, judge_stages(*FORWARD), stretch=ONE_STEP),
    LevelTest("one_step", "gradient", "So are all derivatives.", _STEPS, judge_stages(*BACKWARD),
              stretch=ONE_STEP),
    LevelTest("unroll", "forward", "Loss and states are right over time.",
              _RUNS, judge_stages(*FORWARD)),
    LevelTest("gradient", "parameters", "The gradient in all parameters is right over time.",
              _RUNS, judge_stages("parameter gradients")),
    LevelTest("gradient", "adjoints", "So is the derivative in each potential, where it is given.",
              _RUNS, judge_stages("adjoints")),
    LevelTest("gradient", "input", "So is the gradient in the input, where it is given.",
              _RUNS, judge_stages("input gradient")),
    LevelTest("sam", "gradient",
              "The SAM gradient is that of the second minibatch at the ascent point.",
              _sam_draws(RADII), nonzero_sam_differs, stretch=TWO_PASSES, radii=RADII),
    LevelTest("sam", "rho_zero", "With rho = 0 it is the plain gradient of the second minibatch.",
              _sam_draws((0.0,)), nonzero_sam_differs, stretch=TWO_PASSES,
              radii=(0.0,)),
    LevelTest("sam", "zero_gradient", "Where the first gradient is zero nothing moves, or is NaN.",
              _sam_draws(RADII, classes=1), sam_differs, stretch=TWO_PASSES,
              radii=RADII),
    LevelTest("hard_swap", "forward", "Hard spikes are Heaviside steps, and nothing else changes.",
              _OFF_TIES, judge_ties(False, judge_stages(*FORWARD)), hard=True),
    LevelTest("hard_swap", "ties", "A potential exactly at the threshold fires.",
              _TIES, judge_ties(True, judge_stages(*FORWARD)), hard=True, stretch=()),
    LevelTest("hard_swap", "gradient",
              "Derivatives are those of the smooth spike, at hard potentials.",
              _OFF_TIES, judge_ties(False, judge_stages(*BACKWARD)), hard=True),
    LevelTest("extended", "forward",
              "Loss and states of networks beyond dense LIF layers are right over time.",
              None, judge_stages(*FORWARD)),
    LevelTest("extended", "gradient", "So are all derivatives, those of learned numbers, too.",
              None, judge_stages(*BACKWARD)),
    LevelTest("extended", "hard", "So are both where spikes are Heaviside steps.",
              None, judge_stages(*FORWARD, *BACKWARD), hard=True),
)  # fmt: skip
LEVELS = tuple(dict.fromkeys(test.level for test in TESTS))
