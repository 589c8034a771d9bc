"""One implementation under test: loaded, asked what it has, and put to one test after the other."""

import json
from dataclasses import dataclass

import pytest

from refsast.crosscheck.case import Factory, Implementation
from refsast.crosscheck.conformance.capabilities import KINDS, Capabilities, query_capabilities
from refsast.crosscheck.conformance.failure import example_source, explain_failure
from refsast.crosscheck.conformance.levels import LevelTest
from refsast.crosscheck.conformance.options import Options
from refsast.crosscheck.conformance.search import Tally, search
from refsast.crosscheck.factory import load_factory


@dataclass(frozen=True)
class Suite:
    """What the tests share."""

    options: Options
    factory: Factory
    smooth: Capabilities  # the kinds of networks that it has with smooth spikes
    hard: Capabilities

    @property
    def name(self) -> str:
        """The implementation's own name, or else its path."""
        names = {self.smooth.name, self.hard.name} - {"", Implementation.name}
        return min(names, default=self.options.impl)

    def run(self, test: LevelTest, properties: list[tuple[str, object]]) -> None:
        """Put the implementation to a test; what was tried, and a failure, go to `properties`."""
        offer = self.hard if test.hard else self.smooth
        if not offer.kinds:
            pytest.skip(f"no such network: {next(iter(offer.reasons))}")
        tally, chosen = Tally(), self.options
        found = search(
            self.factory, offer, test, examples=chosen.examples, seed=chosen.seed, tally=tally
        )
        properties += [("tried", tally.tried), ("refused", sum(tally.refused.values()))]
        # As text, so that --junitxml can hold them; the JSON report reads `size` back.
        if found is not None:
            failure = explain_failure(self.factory, test, found, tally)
            time, batch, _ = found.case.x.shape
            size = {"sizes": list(found.case.network.sizes), "steps": time, "batch": batch}
            properties += [
                ("place", failure.place or ""),
                ("cause", failure.cause or ""),
                ("size", json.dumps(size)),
                ("case", example_source(found)),
            ]
            pytest.fail(f"{test.statement} This does not hold:\n\n{failure}", pytrace=False)
        if not tally.tried:  # passing would say that something was right
            pytest.skip(f"not answered: {tally.refused.most_common(1)[0][0]}")


def load_suite(options: Options) -> Suite:
    """Find the implementation and ask it what it has; errors as `load_factory` and `build`."""
    factory = load_factory(options.impl, "REFSAST_IMPL")
    smooth, hard = (query_capabilities(factory, hard=hard) for hard in (False, True))
    return Suite(options, factory, smooth, hard)


def summary(suite: Suite) -> str:
    """Return one line: who was asked, and what it has."""
    kinds = f"{len(suite.smooth.kinds)} of {len(KINDS)} kinds of networks"
    return f"{suite.name}: {kinds}, {len(suite.hard.kinds)} of them with hard spikes"
