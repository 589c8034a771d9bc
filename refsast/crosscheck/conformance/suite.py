"""One implementation under test: found, asked what it has, and put to one test after the other."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from refsast.crosscheck.case import Factory, Implementation
from refsast.crosscheck.conformance.explain import explained, size_of, source
from refsast.crosscheck.conformance.kinds import KINDS, Offer, offered
from refsast.crosscheck.conformance.levels import Test
from refsast.crosscheck.conformance.options import Options
from refsast.crosscheck.conformance.search import Tally, search
from refsast.crosscheck.factory import load

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
    smooth: Offer
    hard: Offer

    @property
    def name(self) -> str:
        """The implementation's own name."""
        names = {self.smooth.name, self.hard.name} - {"", UNNAMED}
        return min(names, default=self.options.impl)

    def put(self, test: Test, record: Callable[[str, object], None]) -> None:
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
            failure = explained(self.factory, test, found, tally)
            record("place", failure.place or "")
            record("cause", failure.cause or "")
            record("size", json.dumps(size_of(found.case)))
            record("case", source(found))
            pytest.fail(f"{test.says} This does not hold:\n\n{failure}", pytrace=False)
        if not tally.tried:
            pytest.skip(f"not answered: {tally.refused.most_common(1)[0][0]}")


def suite_of(options: Options) -> Suite:
    """Find the implementation, and ask it what it has.

    Raises
    ------
    ValueError
        If it cannot be found, or raises anything but `Unsupported`.
    """
    factory = load(options.impl, "REFSAST_IMPL")
    return Suite(options, factory, offered(factory), offered(factory, hard=True))


def summary(suite: Suite) -> str:
    """Return one line: who was asked, and what it has."""
    kinds = f"{len(suite.smooth.kinds)} of {len(KINDS)} kinds of networks"
    return f"{suite.name}: {kinds}, {len(suite.hard.kinds)} of them with hard spikes"
