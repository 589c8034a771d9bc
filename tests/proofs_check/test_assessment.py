"""What is said of networks that the theorems do not cover, and of trainings that they do."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from proofs_check.assessment import assess
from proofs_check.claims.reshuffling import ONCE
from proofs_check.claims.stability import CERTIFIED_SPIKES
from proofs_check.training import INDEPENDENT_STEPS, Training, read_training

PLAIN = Training(rho=0.05, learning_rate=1e-6, independent=True)
CELL = rs.LIF(0.5, 1.0, rs.Arctan(1.0))


def states(neuron=CELL, training=PLAIN, *, recordings=4, slope=1.0):
    """What is said of a small network with that neuron, by claim."""
    rng = np.random.default_rng(0)
    network = rs.Network((4, 3, 2), neuron, rs.LinearReadout(2))
    x = rng.standard_normal((3, recordings, 4))
    y = rng.integers(2, size=recordings)
    found = assess(network, rs.init(network, rng), x, y, training=training, rng=rng)
    return {finding.claim.label: finding for finding in found}


@pytest.mark.slow
def test_a_plain_training_with_a_small_rate_meets_the_hypotheses_of_5():
    found = states()

    assert {found["5a"].state, found["5b"].state} <= {"holds", "vacuous"}
    assert found["5a"].result.bound > 0.0
    assert found["5b"].result.measured > 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "label", "why"),
    [
        ({"independent_steps": False}, "5b", INDEPENDENT_STEPS),
        ({"independent_steps": True}, "5d", ONCE),
        (
            {"learning_rate": None, "method": "Adam", "independent_steps": False},
            "5a",
            f"plain descent at a constant rate, not Adam; {INDEPENDENT_STEPS}",
        ),
        ({"learning_rate": 1e6}, "5a", "eta <= 1/L"),
        ({"learning_rate": None}, "5a", "plain descent at a constant rate"),
        ({"independent": False}, "5b", "the second minibatch is independent of the first"),
    ],
)
def test_what_a_training_breaks_is_named(change, label, why):
    finding = states(training=replace(PLAIN, **change))[label]

    assert finding.state == "silent"
    assert finding.result.unmet == (why,)


def test_what_holds_by_permutation_is_about_an_epoch():
    found = states(training=replace(PLAIN, independent_steps=False))

    assert found["5d"].state in ("holds", "vacuous")
    assert found["5d"].scope == "4 recordings, 2 minibatches"


def test_one_recording_is_enough():
    assert "REFUTED" not in {f.state for f in states(recordings=1).values()}


def test_without_an_ascent_4_says_nothing():
    found = states(training=replace(PLAIN, rho=0.0))

    assert {found[label].state for label in ("4a", "4b", "4c", "4d")} == {"vacuous"}


def test_a_detached_reset_has_no_loss_for_4_and_5():
    found = states(replace(CELL, detach_reset=True))

    for label in ("4a", "4d", "5a", "5b"):
        assert found[label].state == "silent"
        assert found[label].result.unmet == ("no neuron detaches its reset",)
    assert found["1a"].state == "holds"


class Own(rs.Arctan):
    """A spike of the user's own, which only looks like one of the five."""


@pytest.mark.parametrize("spike", [Own(1.0), np.tanh], ids=["derived", "a function"])
def test_of_a_spike_of_ones_own_nothing_is_said_but_what_needs_no_constant(spike):
    found = states(replace(CELL, spike=spike))

    for label, finding in found.items():
        if label[0] != "6" and label != "7-rounding":  # which is about hard spikes alone
            assert finding.state == "silent", label
            assert finding.result.unmet == (CERTIFIED_SPIKES.condition,), label


RECORD = {
    "config": {
        "rho": 0.1,
        "warmup": 0.0,
        "schedule": "refsast.optim.descent.constant",
        "shared": False,
        "descent": rs.descent.sgd(learning_rate=0.5, momentum=0.0, weight_decay=0.0).description,
    },
    "setting": {"steps": 10},
    "data": "digest",
}


def test_plain_descent_is_known_by_its_name():
    assert read_training(RECORD).learning_rate == 0.5


def test_how_minibatches_were_drawn_is_known_too():
    assert not read_training(RECORD).independent_steps
    drawn = {**RECORD, "config": {**RECORD["config"], "sampling": "with replacement"}}
    assert read_training(drawn).independent_steps


@pytest.mark.parametrize(
    "change",
    [
        {"descent": rs.descent.sgd(learning_rate=0.5, momentum=0.05, weight_decay=0.0).description},
        {"descent": rs.descent.sgd(learning_rate=0.5, momentum=0.0, weight_decay=0.01).description},
        {"descent": "sgd(learning_rate=0.5, momentum=0.0, weight_decay=0.0), then |W| <= 1"},
        {"descent": "adam(learning_rate=0.5)"},
        {"schedule": "refsast.optim.descent.cosine"},
        {"warmup": 0.5},
        {"ascent": "refsast.optim.sam.random_ascent"},
        {"ascent_batch": 8},
        {"slope_end": 4.0},
    ],
)
def test_anything_else_is_not_plain_descent(change):
    record = {**RECORD, "config": {**RECORD["config"], **change}}

    assert read_training(record).learning_rate is None
