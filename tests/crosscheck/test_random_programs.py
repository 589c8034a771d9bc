"""`rs.Program` on random recurrent programs: exact, right where others are; no error escapes."""

from functools import partial

import numpy as np
import pytest

import refsast as rs
from refsast.autodiff.numeric import complex_step_gradient
from refsast.crosscheck.program.comparison import compare_program
from tests.crosscheck.random_programs import (
    KINDS,
    draw_recipe,
    plant,
    solve_by_complex_step,
    solve_by_torch,
)
from tests.draws import draws

pytestmark = pytest.mark.slow


def test_the_drawn_programs_are_of_every_kind():
    recipes = [draw_recipe(seed) for seed in range(200)]

    for kind in KINDS:
        assert 60 < sum(kind in recipe.kinds for recipe in recipes) < 140
    assert len({r.squash for r in recipes}) == 5
    assert len({r.readout for r in recipes}) == 4
    assert len({r.loss for r in recipes}) == 3


def is_clear(recipe):
    """Whether its loss is more than rounding: one of them is as sure as to lose all digits."""
    return float(rs.program.loss_and_grad(recipe.program)[0]) > 1e-9


def test_nearly_all_programs_have_a_loss():
    assert sum(is_clear(draw_recipe(seed)) for seed in range(200)) == 199


def test_the_gradient_is_the_complex_step_to_rounding():
    """Each entry of each gradient; relative to the array, and to its tolerance."""
    errors, shares = [], []
    for seed in range(draws(201)):
        recipe = draw_recipe(seed)
        if not is_clear(recipe):
            continue
        found = compare_program(solve_by_complex_step(recipe), recipe.program)
        assert not found.wrong, (seed, found.wrong[0].worst)
        shares += [stage.error for stage in found.stages]
        grads = rs.program.loss_and_grad(recipe.program)[1]
        for name, grad in grads.items():
            want = found.got.numbers[f'grads["{name}"]']
            size = np.linalg.norm(want)
            errors.append(np.linalg.norm(grad - want) / size if size else float(grad.any()))

    assert len(errors) > draws(1000)
    assert np.median(errors) < 1e-15
    assert np.quantile(errors, 0.99) < 1e-12
    assert max(errors) < 1e-11  # of a cancellation, which the tolerance knows
    assert max(shares) < 0.7


@pytest.mark.slow
def test_a_planted_error_in_each_is_located_to_its_parameter():
    """In each program one use of one parameter without a gradient."""
    for seed in range(draws(201)):
        recipe = draw_recipe(seed)
        if not is_clear(recipe):
            continue
        wrong, name = plant(recipe, np.random.default_rng(seed))

        found = compare_program(wrong, recipe.program)

        assert [stage.name for stage in found.wrong] == [f'grads["{name}"]'], seed
        if seed < draws(20):  # with what is said of it, which asks again about fewer steps
            report = rs.check(wrong, recipe.program)
            assert report.verdict == "DISAGREES"
            assert f'grads["{name}"]' in str(report)
            assert "first wrong: step " in str(report)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_pytorch_is_right_in_either_precision(dtype):
    pytest.importorskip("torch")
    shares = []
    for seed in range(300, 300 + draws(60)):
        recipe = draw_recipe(seed)

        report = rs.check(solve_by_torch(recipe, dtype), recipe.program)

        assert report.agrees, (seed, str(report))
        assert str(report.dtype) == dtype
        shares.append(max(stage.error for stage in report.stages))

    assert max(shares) < 0.7
    assert np.median(shares) > 0.01  # of a tolerance that is no wider than it must be


def test_the_tape_is_an_implementation_and_its_verification_holds():
    for seed in range(draws(20)):
        program = draw_recipe(seed).program

        found = rs.program.verify(program, rng=np.random.default_rng(seed))

        assert found.holds, (seed, str(found))
        assert found.adjoint < 1e-14
        assert rs.check(partial(rs.program.loss_and_grad, program), program).agrees
    numeric = complex_step_gradient(
        lambda w: program.forward({**program.params, "w": w}, program.x, program.y)[0],
        program.params["w"],
    )
    assert rs.program.loss_and_grad(program)[1]["w"] == pytest.approx(numeric, rel=1e-12, abs=1e-15)
