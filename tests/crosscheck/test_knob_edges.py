"""Edges of the knobs: right values, plain values next to fitted ones, windows that cut nothing."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.adjoints import SHARED_CARRY
from refsast.crosscheck.diagnose.knobs.below import AVERAGED_BATCH
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.knobs.fit import Group
from refsast.crosscheck.diagnose.knobs.forward import START_FIRST
from refsast.crosscheck.diagnose.knobs.inventory import Knob
from refsast.crosscheck.diagnose.knobs.late import scale_layers
from refsast.crosscheck.diagnose.knobs.matching import snap
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.questions import ask_otherwise, possible_questions
from refsast.crosscheck.diagnose.knobs.resets import FIRST_RESETS
from refsast.crosscheck.diagnose.knobs.windows import MEMORY
from refsast.crosscheck.diagnose.knobs.words import known_knobs
from refsast.model.params import param_arrays
from tests.crosscheck.blind.networks import draw_case as draw_network


def draw_case() -> Case:
    neuron = rs.GLIF(0.8, 0.9, rs.Arctan(2.0), rs.ToZero(), learn_start=True)
    network = rs.Network((3, 4, 3), neuron, rs.LinearReadout(3))
    rng = np.random.default_rng(0)
    params = rs.unflatten(network, rng.standard_normal(network.n_params))
    return Case(network, params, rng.standard_normal((5, 3, 3)), np.array([0, 2, 1]))


def test_factors_of_layers_leave_out_those_that_are_one():
    case = draw_case()
    (found,) = scale_layers(case, {("layer path", 2): 2.0, ("drive path", 0): 0.5})

    # The upper layer's factor is 2; below it, 2 times 0.5 is none.
    assert found == {("layer factor", 1): 2.0}


def test_a_value_that_is_tried_is_not_taken_for_zero():
    group = Group((Knob("x", 0, 1.0, (1e-4, 0.5), -1.0, 1.0),))

    assert snap(group, 1e-4 * (1 + 1e-8)) == 1e-4
    assert snap(group, 0.9e-4) == 0.0
    assert snap(group, 0.5 + 1e-9) == 0.5
    assert snap(group, 0.123456) == pytest.approx(0.123456)


@pytest.mark.parametrize("plain", [False, True])
def test_no_possible_question_is_the_case_itself(plain):
    case = draw_case()
    if plain:  # whole numbers, of which roundings leave what they are
        params = tuple(replace(p, w=np.round(p.w), b=np.round(p.b)) for p in case.params)
        case = replace(case, params=params, x=np.round(case.x))
    for name in possible_questions(case):
        asked = ask_otherwise(case, name)
        pairs = zip(param_arrays(asked.params), param_arrays(case.params), strict=True)
        alike = asked.x.shape == case.x.shape and np.array_equal(asked.x, case.x)
        assert not (alike and np.array_equal(asked.y, case.y)) or any(
            not np.array_equal(a, b) for a, b in pairs
        ), name


@pytest.mark.parametrize(
    "beside",
    [
        {(SHARED_CARRY, 0): 1.0, (SHARED_CARRY, 1): 1.0},
        {(FIRST_RESETS, 0): 1.0, (FIRST_RESETS, 1): 1.0},
        {(START_FIRST, 0): 1.0, (START_FIRST, 1): 1.0},
        {(AVERAGED_BATCH, 1): 1.0},
        {("start sums of the last recording alone", 0): 1.0},
        {("w sums of the recordings but the first", 0): 1.0},
    ],
    ids=lambda setting: next(iter(setting))[0],
)
def test_a_window_of_all_steps_changes_nothing(beside):
    case = draw_case()
    plain, right = solve_settings(case, [beside])[0], solve_settings(case, [{}])[0]
    window = {(MEMORY, i): float(len(case.x)) for i in range(2)}
    found = solve_settings(case, [{**beside, **window}])[0]

    assert abs(rs.flatten(plain.grads) - rs.flatten(right.grads)).max() > 1e-6
    assert rs.flatten(found.grads) == pytest.approx(rs.flatten(plain.grads), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("seed", range(6))
def test_no_knob_of_a_layer_has_the_name_of_one_of_the_whole_network(seed):
    """Words are looked up by names."""
    keys = known_knobs(draw_network(seed)[0])
    whole = {name for name, at in keys if at == WHOLE}

    assert not {name for name, at in keys if at != WHOLE} & whole
