"""What is said of a diagnosis: what its figures support, and where they do not, that."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.experiment.diagnose.explain import decisive_layers, is_chance, percent, points
from refsast.experiment.diagnose.record import (
    Diagnosis,
    Group,
    LayerDiagnosis,
    Outcome,
    Swap,
)
from tests.experiment.test_diagnose import planted

N = 1000


def outcome(accuracy: float, **more) -> Outcome:
    return Outcome(accuracy, more.pop("shared", accuracy), more.pop("tied", 0.0), np.zeros(101), 0)


def layer(only: int, last: int, **more) -> LayerDiagnosis:
    """A layer whose swap loses so many of 1,000 recordings alone, and after all others."""
    figures = {"below": 0.25, "rate_smooth": 0.2, "rate_hard": 0.1} | more
    return LayerDiagnosis(
        neurons=4,
        only=Swap(0.0, N, only, 0),
        first=Swap(0.0, N, only, 0),
        last=Swap(0.0, N, last, 0),
        all_but=0.0,
        flips=np.array([0.0, 0.02]),
        own_flips=np.array([0.0, 0.02]),
        near_smooth=0.0,
        near_hard=0.0,
        logit_shift=0.0,
        margin_shift=0.0,
        **figures,
    )


def diagnosis(*layers: LayerDiagnosis, lost: int = 300, won: int = 0, **more) -> Diagnosis:
    """A diagnosis of 1,000 recordings, of which 95 % are read smoothly."""
    hard = 0.95 - (lost - won) / N
    figures = {
        "smooth": outcome(0.95),
        "hard": outcome(hard),
        "silent": Group(0, 0, 0),
        "silent_label": 0,
        "tied": Group(0, 0, 0),
    }
    swap = Swap(hard, N, lost, won)
    return Diagnosis(N, 5, 10, **(figures | more), swap=swap, logit_shift=0.0, layers=layers)


def say(*args, **more) -> str:
    sentences = rs.explain(diagnosis(*args, **more))

    assert 3 <= len(sentences) <= 5
    assert all(s.endswith(".") and (s[0].isupper() or s[0].isdigit()) for s in sentences)
    return "\n".join(sentences)


def test_the_layer_that_costs_the_gap_is_named():
    said = say(layer(3, 5), layer(290, 280, below=0.995), layer(2, 0))

    assert "a transfer gap of 30.0 points (standard error 1.4; 300 lost, 0 won)" in said
    assert "Swapping only layer 2 costs 29.0 points" in said
    assert "with only it left smooth 28.0 of the 30.0 points are back" in said
    assert "layer 2 goes from 0.2 to 0.1, and 99.5 % of its smooth spikes come from below" in said
    assert "none is lost to a silent output" in said
    assert "clear" not in said


@pytest.mark.parametrize(
    ("only", "last"),
    [
        (290, 100),  # alone it costs the gap, but with the others hard it hardly matters
        (100, 290),
        (160, 290),  # above half, but not by two standard errors
        (0, 0),
    ],
)
def test_a_layer_that_costs_it_in_one_way_only_is_not_named(only, last):
    said = say(layer(only, last), layer(20, 30))

    assert "No single layer explains the 30.0 points" in said
    assert f"only this layer, layer by layer: {only / 10:.1f}, 2.0;" in said
    assert f"of swapping it last: {last / 10:.1f}, 3.0" in said
    assert "no single cause is clear" in said
    assert "Swapping only" not in said


def test_two_layers_that_each_cost_it_are_both_named():
    said = say(layer(290, 280), layer(250, 260))

    assert "Each of the layers 1 and 2 holds at least half" in said
    assert "no single layer is the place" in said


def test_a_layer_that_costs_more_than_the_whole():
    said = say(layer(0, 0), layer(700, 290))

    assert "Swapping only layer 2 (the last) costs 70.0 points" in said
    assert "alone it costs more than swapping all: the other swaps partly repair it" in said
    assert "more than swapping all" not in say(layer(0, 0), layer(310, 290))


def test_silent_recordings_and_what_they_lose():
    said = say(
        layer(0, 0),
        layer(0, 0),
        silent=Group(310, 270, 2),
        silent_label=3,
        hard=outcome(0.65, shared=0.67, tied=0.4),
        tied=Group(90, 5, 5),
    )

    assert (
        "31.0 % of the recordings (310) fire no neuron of the last layer with hard spikes and are "
        "all given label 3; 26.8 of the 30.0 points are lost there."
    ) in said
    assert "9.0 % of the recordings fire and end in a tie" in said
    assert "no part of the gap lies there" in said
    assert "counted as 1/k the hard accuracy is 67.0 %" in said
    assert "no single cause is clear" not in said  # silence holds most of it


@pytest.mark.parametrize("lost", [100, 149, 150])
def test_where_nothing_holds_half_no_cause_is_clear(lost):
    said = say(layer(50, 60), layer(70, 80), silent=Group(200, lost, 0))

    assert ("no single cause is clear" in said) is (lost < 150)


def test_a_gap_that_chance_makes_has_no_cause():
    said = say(layer(5, 5), layer(5, 5), lost=12, won=4, silent=Group(2, 2, 0))

    assert "that may be chance (12 lost, 4 won" in said
    assert "No gap is established on these recordings, so no cause is named." in said
    assert "0.2 % of the recordings (2)" in said
    assert "lost there" not in said
    assert "Swapping" not in said
    assert "By layer, 1.0 % of the hard spikes" in said


def test_a_swap_that_changes_nothing_or_wins():
    assert "with hard spikes 95.0 %: the same ones" in say(layer(0, 0), lost=0)

    said = say(layer(0, 0), layer(0, 0), lost=4, won=40)
    assert "the swap wins 3.6 points" in said
    assert "no loss to explain" in said


def test_one_layer_is_all_there_is():
    said = say(layer(300, 300))

    assert "There is one layer only, so its swap is the whole gap" in said


def test_a_network_at_the_level_of_chance_is_called_so():
    guess = diagnosis(layer(1, 1), smooth=outcome(0.11))

    assert is_chance(guess)
    assert "at the level of chance" in rs.explain(guess)[0]
    assert not is_chance(replace(guess, smooth=outcome(0.13)))


def test_the_planted_layer_is_named():
    found = rs.diagnose(*planted())

    assert decisive_layers(found) == (2,)
    assert "Swapping only layer 2 costs 50.0 points" in "\n".join(rs.explain(found))
    few = rs.diagnose(*planted(8))  # four lost: 2 in 16 by chance
    assert decisive_layers(few) == ()
    assert "No gap is established" in rs.explain(few)[1]


def test_certainty_of_a_few_recordings_names_no_layer():
    """All four are lost, so no error is left; chance does that in one of eight."""
    all_lost = replace(layer(0, 0), only=Swap(0.0, 4, 4, 0), last=Swap(0.0, 4, 4, 0))

    assert decisive_layers(replace(diagnosis(all_lost), swap=Swap(0.0, 4, 4, 0))) == ()
    all_lost = replace(layer(0, 0), only=Swap(0.0, 6, 6, 0), last=Swap(0.0, 6, 6, 0))
    assert decisive_layers(replace(diagnosis(all_lost), swap=Swap(0.0, 6, 6, 0))) == (1,)


def test_no_number_is_rounded_to_nothing_or_to_all():
    assert [percent(s) for s in (0.0, 1.0, 0.5, 0.0001, 0.99999)] == [
        *("0.0 %", "100.0 %", "50.0 %", "0.01 %"),
        "99.999 %",
    ]
    assert points(-0.0001) == "0.0"
