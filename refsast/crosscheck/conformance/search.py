"""The search for the smallest network that an implementation gets wrong."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from hypothesis import Phase, find, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample, Unsatisfiable

from refsast.crosscheck.case import Factory, Unsupported
from refsast.crosscheck.conformance.capabilities import Capabilities
from refsast.crosscheck.conformance.comparison import NoAnswer, wrap_errors
from refsast.crosscheck.conformance.levels import LevelTest
from refsast.crosscheck.conformance.shrink import shrink_example
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.factory import build

EXTRA_EXAMPLES = 12  # cases after a failure
MAX_REFUSALS = 40  # cases without an answer, and none with one


@dataclass
class Tally:
    """What was asked so far; the one thing here that changes.

    Attributes
    ----------
    tried : int
        Cases that were judged, those of the search for a smaller one included.
    refused : Counter
        Cases that were not, by reason: `Unsupported`, or what was not said.
    last, largest : Question or None
        Of those that were wrong, the last one and the one of most parameters and steps.
    """

    tried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    last: Example | None = None
    largest: Example | None = None

    def take(self, question: Example, wrong: bool) -> None:
        """Count a case that was judged."""
        self.tried += 1
        if wrong:
            self.last = question
            if self.largest is None or _example_size(question) > _example_size(self.largest):
                self.largest = question

    @property
    def mute(self) -> bool:
        """Whether nothing was said so often that nothing will be."""
        return self.tried == 0 and sum(self.refused.values()) >= MAX_REFUSALS


def _example_size(question: Example) -> tuple[int, int]:
    """How many layers with parameters, the readout among them; how many numbers over time."""
    case = question.case
    return len(case.params), case.network.n_params * len(case.x)


def search(
    factory: Factory,
    offer: Capabilities,
    test: LevelTest,
    *,
    examples: int,
    seed: int | None,
    tally: Tally,
) -> Example | None:
    """Return the smallest wrong case that is found, or None.

    Parameters
    ----------
    factory : callable
        Asked for a fresh implementation for every case.
    offer : Offer
        The kinds of networks that it has.
    test : Test
        What to draw and how to judge.
    examples : int
        How many cases to judge.
    seed : int or None
        None: the same cases in every run.
    tally : Tally
        Counts; written to.

    Returns
    -------
    Question or None
        None where all are right, or none was answered: see `tally`.
    """

    def wrong(question: Example) -> bool:
        try:
            found = is_wrong(factory, test, question)
        except (Unsupported, NoAnswer) as reason:
            tally.refused[str(reason) or "no reason given"] += 1
            if tally.mute:
                return False  # and waste no more time on looking for something it says
            reject()
        tally.take(question, found)
        return found

    draws = test.draws(offer)
    found = _find_smallest(draws, wrong, examples, seed)
    if found is None and tally.last is not None:  # right when asked again
        return tally.last
    if found is None:
        return None
    _find_smallest(
        draws, lambda question: wrong(question) and False, EXTRA_EXAMPLES, seed
    )  # to tell causes apart
    return shrink_example(found, lambda question: _answers_wrongly(factory, test, question))


def _find_smallest(
    draws: st.SearchStrategy[Example],
    condition: Callable[[Example], bool],
    examples: int,
    seed: int | None,
) -> Example | None:
    """The smallest of some examples for which a condition holds, if there is one."""
    chosen = settings(
        max_examples=examples,
        derandomize=seed is None,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        random = None if seed is None else Random(seed)
        return find(draws, condition, settings=chosen, random=random)
    except (NoSuchExample, Unsatisfiable, Flaky):
        return None


def _answers_wrongly(factory: Factory, test: LevelTest, question: Example) -> bool:
    """Whether a case is answered, and wrongly."""
    try:
        return is_wrong(factory, test, question)
    except (Unsupported, NoAnswer):
        return False


def is_wrong(factory: Factory, test: LevelTest, question: Example) -> bool:
    """Whether a fresh implementation gets a case wrong; no answer is wrong, too."""
    try:
        return test.wrong(wrap_errors(build(factory, question.case)), question)
    except Unsupported:
        raise
    except ValueError:
        return True
