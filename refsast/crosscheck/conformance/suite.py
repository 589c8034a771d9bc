"""One implementation under test: found, asked what it has, and put to one test after the other."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from refsast.crosscheck.case import Factory, Implementation
from refsast.crosscheck.conformance.capabilities import KINDS, Capabilities, query_capabilities
from refsast.crosscheck.conformance.failure import case_size, example_source, explain_failure
from refsast.crosscheck.conformance.levels import LevelTest
from refsast.crosscheck.conformance.options import Options
from refsast.crosscheck.conformance.search import Tally, search
from refsast.crosscheck.factory import load_factory

UNNAMED = Implementation.name  # the default


@dataclass(frozen=True)
class Suite:
    """What the tests share.

    Attributes
    ----------
    options : Options
        What was asked for.
    factory : callable
        The implementation's.
    smooth, hard : Offer
        The kinds of networks that it has, with smooth and with hard spikes.
    """

    options: Options
    factory: Factory
    smooth: Capabilities
    hard: Capabilities

    @property
    def name(self) -> str:
        """The implementation's own name."""
        names = {self.smooth.name, self.hard.name} - {"", UNNAMED}
        return min(names, default=self.options.impl)

    def put(self, test: LevelTest, record: Callable[[str, object], None]) -> None:
        """Put the implementation to a test.

        Parameters
        ----------
        test : Test
            Which.
        record : callable
            ``(name, value)``: takes down what was tried, and the failure, for reports.
        """
        offer = self.hard if test.hard else self.smooth
        if not offer.kinds:
            pytest.skip(f"no such network: {next(iter(offer.reasons))}")
        tally, chosen = Tally(), self.options
        found = search(
            self.factory, offer, test, examples=chosen.examples, seed=chosen.seed, tally=tally
        )
        record("tried", tally.tried)
        record("refused", sum(tally.refused.values()))
        if found is not None:
            failure = explain_failure(self.factory, test, found, tally)
            record("place", failure.place or "")
            record("cause", failure.cause or "")
            record("size", json.dumps(case_size(found.case)))
            record("case", example_source(found))
            pytest.fail(f"{test.says} This does not hold:\n\n{failure}", pytrace=False)
        if not tally.tried:
            pytest.skip(f"not answered: {tally.refused.most_common(1)[0][0]}")


def load_suite(options: Options) -> Suite:
    """Find the implementation, and ask it what it has.

    Raises
    ------
    ValueError
        If it cannot be found, or raises anything but `Unsupported`.
    """
    factory = load_factory(options.impl, "REFSAST_IMPL")
    return Suite(
        options, factory, query_capabilities(factory), query_capabilities(factory, hard=True)
    )


def summary(suite: Suite) -> str:
    """Return one line: who was asked, and what it has."""
    kinds = f"{len(suite.smooth.kinds)} of {len(KINDS)} kinds of networks"
    return f"{suite.name}: {kinds}, {len(suite.hard.kinds)} of them with hard spikes"
