"""The search for the smallest network that an implementation gets wrong."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from hypothesis import Phase, find, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample, Unsatisfiable

from refsast.crosscheck.case import Factory
from refsast.crosscheck.conformance.capabilities import Capabilities
from refsast.crosscheck.conformance.comparison import NoAnswer
from refsast.crosscheck.conformance.coverage import Coverage
from refsast.crosscheck.conformance.dtypes import build_for
from refsast.crosscheck.conformance.levels import LevelTest
from refsast.crosscheck.conformance.shrink import shrink_example
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.implementation import Unsupported

EXTRA_EXAMPLES = 12  # after a failure
MAX_REFUSALS = 40  # examples without an answer, and none with one


@dataclass
class Tally:
    """What was asked so far; the one record here that changes."""

    tried: int = 0  # examples that were judged, those of the search for a smaller one included
    refused: Counter[str] = field(default_factory=Counter)  # the others, by reason
    last: Example | None = None  # of those that were wrong
    largest: Example | None = None  # of those that were wrong, by layers, parameters and steps
    coverage: Coverage = field(default_factory=Coverage)  # what those that were judged are like

    def add(self, example: Example, wrong: bool) -> None:
        """Count an example that was judged."""
        self.tried += 1
        self.coverage.add(example)
        if wrong:
            self.last = example
            self.largest = max(self.largest or example, example, key=_example_size)

    @property
    def mute(self) -> bool:
        """Whether so many examples were not answered that none will be."""
        return self.tried == 0 and sum(self.refused.values()) >= MAX_REFUSALS


def _example_size(example: Example) -> tuple[int, int]:
    """How many layers with parameters, the readout among them; how many numbers over time."""
    case = example.case
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
    """Return the smallest of some drawn examples that is answered wrongly, or None.

    `factory` is asked for a fresh implementation for every example. With no seed the examples are
    the same in every run. `tally` is written to; it tells whether None means that all are right, or
    that none was answered. Half of the examples are on a coarse grid, which shrinks well; the other
    half are stretched, as far as the factory has such numbers. Of networks beyond dense LIF layers
    all examples are drawn by a plan.
    """

    def judge(example: Example) -> bool | None:
        """Whether an example is wrong; None where it was not answered."""
        try:
            found = is_wrong(factory, test, example)
        except (Unsupported, NoAnswer) as reason:
            tally.refused[str(reason) or "no reason given"] += 1
            return None
        tally.add(example, found)
        return found

    def wrong(example: Example) -> bool:
        found = judge(example)
        if found is None and not tally.mute:
            reject()  # draws more; where no case was answered so far, stop
        return bool(found)

    def surely_wrong(example: Example) -> bool:
        try:
            return is_wrong(factory, test, example)
        except (Unsupported, NoAnswer):
            return False

    if test.draws is None:
        planned = test.stretches(offer, examples, seed)
        found = next((e for e in planned if not tally.mute and judge(e)), None)
        return None if found is None else shrink_example(found, surely_wrong)
    draws, large = test.draws(offer), examples // 2
    found = _find_smallest(draws, wrong, examples - large, seed)
    if found is None and tally.last is None and not tally.mute:
        stretched = test.stretches(offer, large, seed)
        found = next((example for example in stretched if judge(example)), None)
        if found is not None:
            return shrink_example(found, surely_wrong)
        rest = examples - tally.tried  # what the factory refused to be asked
        if rest > 0 and not tally.mute:
            found = _find_smallest(draws, wrong, rest, 1 if seed is None else seed + 1)
    if found is None:
        return tally.last  # not None: it was wrong once, and right when it was asked again
    # More wrong examples, so that the largest of them tells causes apart.
    _find_smallest(draws, lambda example: wrong(example) and False, EXTRA_EXAMPLES, seed)
    return shrink_example(found, surely_wrong)


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


def is_wrong(factory: Factory, test: LevelTest, example: Example) -> bool:
    """Whether a fresh implementation gets an example wrong; no valid answer is wrong, too."""
    try:
        return test.wrong(build_for(factory, example), example)
    except Unsupported:
        raise
    except ValueError:
        return True
