"""Comparisons: pairing, means and intervals, the table."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from refsast.experiment import tables
from refsast.experiment.compare import (
    BASELINE,
    LONGER,
    compare,
    comparison_arms,
    estimate_mean,
    final_measures,
)
from refsast.experiment.headline import conclusion
from refsast.experiment.presets import PRESETS

SETTING = replace(PRESETS["quick"], hidden=(4,), steps=3, epochs=2, batch=5)


def recordings(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.random((3, n, 12)) < 0.3).astype(np.uint8), np.arange(n) % 10


@pytest.fixture(scope="module")
def results():
    return compare(
        comparison_arms(SETTING, [0.05, 0.2]), recordings(20, 0), recordings(30, 1), seeds=[3, 4, 5]
    )


def test_every_arm_runs_with_every_seed(results):
    names = [BASELINE, LONGER, "SAST, rho 0.05", "SAST, rho 0.2"]

    assert [(r.seed, r.arm) for r in results] == [
        (seed, arm) for seed in (3, 4, 5) for arm in names
    ]


def test_the_longer_baseline_spends_as_many_gradients_as_sast(results):
    spent = {r.arm: r.run.curve[-1].evaluations for r in results}

    assert spent == {BASELINE: 8, LONGER: 16, "SAST, rho 0.05": 16, "SAST, rho 0.2": 16}


def test_arms_of_a_seed_start_alike_and_see_the_recordings_in_the_same_order(results):
    for seed in (3, 4, 5):
        marks = [r.run.mark for r in results if r.seed == seed]
        assert len({str(mark["start"]) for mark in marks}) == 1
        assert len({str(mark["seeds"]) for mark in marks}) == 1


def test_processes_do_not_change_the_answer(results):
    parallel = compare(
        comparison_arms(SETTING, [0.05, 0.2]),
        recordings(20, 0),
        recordings(30, 1),
        seeds=[3, 4, 5],
        jobs=2,
    )

    assert [r.run.curve for r in parallel] == [r.run.curve for r in results]


def test_means_and_intervals_are_those_of_scipy():
    values = np.array([1.0, 2.0, 4.0, 4.5])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))

    mean = estimate_mean(values)

    assert mean.value == pytest.approx(values.mean(), rel=1e-15)
    assert mean.half_width == pytest.approx((high - low) / 2, rel=1e-12)
    assert np.isnan(estimate_mean(values[:1]).half_width)
    assert np.isnan(estimate_mean(values[:2]).half_width)
    assert estimate_mean(values[:3]).half_width > 0.0


def test_differences_are_paired_by_seed(results):
    row = next(row for row in tables.comparison_rows(results) if row.arm == "SAST, rho 0.2")
    hard = {
        arm: final_measures(results, arm, "hard") for arm in (BASELINE, LONGER, "SAST, rho 0.2")
    }

    assert row.against_baseline == estimate_mean(100.0 * (hard["SAST, rho 0.2"] - hard[BASELINE]))
    assert row.against_longer == estimate_mean(100.0 * (hard["SAST, rho 0.2"] - hard[LONGER]))


def test_the_table_has_a_row_per_arm_and_the_verdict_a_part_per_sast_arm(results):
    table = tables.comparison_rows(results)
    said = conclusion(results)

    assert len(tables.format_rows(table).splitlines()) == 2 + 4
    for row in table[2:]:
        assert f"{row.arm}: transfer gap" in said
        assert f"hard accuracy {row.hard.value:.1f} %" in said


@pytest.mark.parametrize(
    ("seeds", "spread"), [((3, 4, 5), "95 % interval"), ((3, 4), "three seeds")]
)
def test_two_seeds_get_no_interval_and_the_verdict_says_so(results, seeds, spread):
    some = [r for r in results if r.seed in seeds]

    assert spread in conclusion(some)
    assert ("±" in tables.format_rows(tables.comparison_rows(some))) is (len(seeds) > 2)


def test_a_run_that_diverges_is_a_result_and_the_others_go_on():
    """So large a step leaves single precision at once; SAM's ascent notices before the loss."""
    arms = {
        "wild": replace(SETTING, rho=0.0, learning_rate=3e38),
        "wild SAST": replace(SETTING, learning_rate=3e38),
        "tame": SETTING,
    }
    found = {
        r.arm: r for r in compare(arms, recordings(20, 0), recordings(30, 1), seeds=[3], jobs=2)
    }

    assert found["tame"].diverged is None
    for arm in ("wild", "wild SAST"):
        assert found[arm].diverged == 2
        assert np.isnan(found[arm].measure("hard"))
        assert found[arm].run.curve == ()


def test_what_is_wrong_otherwise_is_an_error():
    with pytest.raises(ValueError, match="tame, seed 3: "):
        compare({"tame": SETTING}, recordings(20, 0), (np.zeros((3, 4, 9)), [0] * 4), seeds=[3])


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_names_its_source_and_makes_a_network(name):
    preset = PRESETS[name]
    network = preset.network(preset.least_inputs)

    assert preset.source
    assert network.classes == 10
    assert preset.start(network, np.random.default_rng(0))[0].w.dtype == np.float32
