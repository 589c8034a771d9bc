"""One implementation under test: loaded, asked what it has, and put to one test after the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from refsast.crosscheck.case import Factory
from refsast.crosscheck.conformance.capabilities import KINDS, Capabilities, query_capabilities
from refsast.crosscheck.conformance.coverage import offered_features
from refsast.crosscheck.conformance.extended import plain_kinds, query_extensions
from refsast.crosscheck.conformance.extensions import EXTENSIONS
from refsast.crosscheck.conformance.failure import example_source, explain_failure
from refsast.crosscheck.conformance.levels import LevelTest
from refsast.crosscheck.conformance.options import Options
from refsast.crosscheck.conformance.search import Tally, search
from refsast.crosscheck.factory import load_factory
from refsast.crosscheck.implementation import Implementation


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
        if test.draws is None and not offer.extensions:
            pytest.skip(f"not asked: {_why_not_extended(offer)}")
        tally, chosen = Tally(), self.options
        found = search(
            self.factory, offer, test, examples=chosen.examples, seed=chosen.seed, tally=tally
        )
        properties += [
            ("tried", tally.tried),
            ("refused", sum(tally.refused.values())),
            ("coverage", json.dumps(tally.coverage.as_record())),
        ]
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
    smooth, hard = (
        query_extensions(factory, query_capabilities(factory, hard=hard), hard=hard)
        for hard in (False, True)
    )
    return Suite(options, factory, smooth, hard)


def suite_record(suite: Suite) -> dict[str, object]:
    """Return who was asked, and what it has, as JSON can hold it."""
    offers = suite.smooth, suite.hard
    return {
        "implementation": suite.name,
        "impl": suite.options.impl,
        "examples": suite.options.examples,
        "seed": suite.options.seed,
        "dtypes": list(suite.smooth.dtypes),
        "kinds": {"smooth": _kind_counts(suite.smooth), "hard": _kind_counts(suite.hard)},
        "features": sorted(offered_features(offers)),
    }


def _why_not_extended(offer: Capabilities) -> str:
    """Why a factory is not asked for networks beyond dense LIF layers."""
    if not offer.claimed:
        return "the implementation names no extensions"
    if not plain_kinds(offer.kinds):
        return "it has no network without a synapse of the case"
    return f"it refuses all extensions that it names: {', '.join(offer.claimed)}"


def _kind_counts(offer: Capabilities) -> dict[str, object]:
    return {
        "offered": len(offer.kinds),
        "of": len(KINDS),
        "refused": offer.reasons,
        "extensions": {"named": list(offer.claimed), "offered": list(offer.extensions)},
    }


def summary(record: Mapping[str, object]) -> str:
    """Return one line: who was asked, and what it has; by a `suite_record`."""
    kinds = record["kinds"]
    assert isinstance(kinds, dict)
    smooth, hard = kinds["smooth"]["offered"], kinds["hard"]["offered"]
    has = f"{smooth} of {len(KINDS)} kinds of networks, {hard} of them with hard spikes"
    names = {name for kind in kinds.values() for name in kind["extensions"]["offered"]}
    more = f", {len(names)} of {len(EXTENSIONS)} extensions" if names else ""
    return f"{record['implementation']}: {has}{more}"
