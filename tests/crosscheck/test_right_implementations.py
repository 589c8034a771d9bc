"""Right implementations of every kind are within the tolerance, which is no wider than need be."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.autodiff.summation import DEVIATIONS, count_equal_terms, sum_noise
from refsast.crosscheck import tolerance
from refsast.crosscheck.compare import cast_case, examine_answer
from refsast.crosscheck.variants import solve
from refsast.model.params import map_params
from tests.crosscheck.right_implementations import Style, draw_network, judge_one, solve_in_style
from tests.draws import draws

MANY = draws(100)
LARGEST = 3000.0  # width times depth times steps; ten times less than in the long run


@pytest.mark.slow
def test_no_right_implementation_is_called_wrong_and_few_are_not_decided():
    rng = np.random.default_rng(0)
    trials = [judge_one(rng, most=LARGEST) for _ in range(MANY)]
    assert max(trial.error for trial in trials) < 1.0
    assert sum(trial.share > tolerance.MAX_SHARE for trial in trials) <= MANY // 50 + 1


@pytest.mark.slow
def test_tolerances_are_not_much_wider_than_the_errors():
    rng = np.random.default_rng(1)
    largest = [judge_one(rng, most=LARGEST).true_error for _ in range(MANY)]
    assert np.median(largest) > 1.0 / 20.0


@pytest.mark.slow
def test_a_fiftieth_of_the_tolerance_raises_alarms(monkeypatch):
    monkeypatch.setattr(tolerance, "FACTOR", tolerance.FACTOR / 50.0)
    rng = np.random.default_rng(0)
    assert max(judge_one(rng, most=LARGEST).error for _ in range(MANY // 2)) > 1.0


def test_the_noise_of_small_gradients_is_that_of_large_ones():
    """The squares of their errors are below what single precision holds, or double."""
    network = rs.Network((3, 4, 2), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.LinearReadout(2))
    rng = np.random.default_rng(0)
    params, x = rs.init(network, rng), rng.standard_normal((6, 3, 3))
    shares = []
    for size in (2.0**-8, 2.0**-60, 2.0**-600):
        *hidden, readout = params
        small = (*hidden, replace(readout, w=size * readout.w, b=0.0 * readout.b))
        case = rs.Case(network, small, x, np.array([0, 1, 1]))
        stages = examine_answer(solve(case), case, np.dtype(np.float64)).stages
        found = {name: share for stage in stages for name, share in stage.shares}
        shares.append([found[name] for name in ("grads[0].w", "grads[0].b", "adjoints[0]", "x")])
    assert shares[1] == pytest.approx(shares[0], rel=0.05)
    assert (np.divide(shares[2], shares[0]) >= 0.95).all()
    assert (np.divide(shares[2], shares[0]) <= 4.0).all()


def chaotic_cases(many):
    """Networks in single precision of which rounding moves some array by more than its share."""
    rng, found = np.random.default_rng(5), []
    while len(found) < many:
        case = cast_case(draw_network(rng, most=LARGEST, steep=True), np.dtype(np.float32))
        exam = examine_answer(solve(case), case, np.dtype(np.float32))
        if tolerance.is_vague(exam.noise, exam.right):
            found.append((case, exam))
    return found


@pytest.mark.slow
def test_single_precision_is_decided_where_half_of_its_digits_are_right():
    """What is exact agrees, however far rounding might have moved it; nothing else does."""
    for case, exam in chaotic_cases(3):
        assert exam.wrong == frozenset()
        assert all(stage.resolution[1] <= tolerance.MAX_SHARE for stage in exam.stages)
        for factor in (1.001, -1.0):
            grads = map_params(lambda a, f=factor: f * a, exam.right.grads)
            wrong = examine_answer(replace(exam.got, grads=grads), case, exam.dtype)
            vague = any(stage.resolution[1] > tolerance.MAX_SHARE for stage in wrong.stages)
            assert wrong.wrong or vague


@pytest.mark.slow
def test_in_double_precision_nothing_that_rounding_moves_far_agrees():
    """There the reference itself is no better known."""
    for case, _ in chaotic_cases(1):
        exam = examine_answer(solve(case), case, np.dtype(np.float64))
        assert exam.tolerance is exam.noise


@pytest.mark.parametrize("seed", range(20))
def test_a_norm_is_cut_at_one_level(seed):
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-30, 4, (3, int(rng.integers(1, 9))))
    sizes.flat[0] = tolerance.VAST if seed % 2 else sizes.flat[0]
    limit = float(10.0 ** rng.uniform(-3, 0) * np.sort(sizes.ravel())[sizes.size // 2])
    cut = tolerance.cut_to_norm(sizes, limit)
    assert np.linalg.norm(cut) == pytest.approx(limit, rel=1e-9)
    level = cut.max()
    assert (cut[cut < level] == sizes[cut < level]).all()
    assert (sizes[cut == level] >= level).all()


def test_norms_that_are_small_enough_are_not_cut():
    sizes = np.array([3.0, 0.0, 4.0])
    assert (tolerance.cut_to_norm(sizes, 6.0) == sizes).all()


def test_equal_terms_are_counted_in_groups_and_zeros_are_not():
    column = np.array([0.0] * 7 + [0.5] * 3 + [2.0] * 4 + [2.000001])
    assert count_equal_terms(column[:, None]) == pytest.approx(np.sqrt(3.0**2 + 5.0**2))
    distinct = np.arange(1.0, 101.0)
    assert count_equal_terms(np.stack([distinct, distinct[::-1]], axis=1)) == 10.0
    assert count_equal_terms(np.zeros((4, 3))) == 0.0
    assert count_equal_terms(np.zeros((0, 3))) == 0.0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_of_equal_terms_of_both_signs_are_within_their_noise(dtype):
    """The largest first, as an implementation that sorts has it."""
    rng, ratios = np.random.default_rng(0), []
    unit = 0.5 * DEVIATIONS * float(np.finfo(dtype).eps)
    for _ in range(200):
        sizes = rng.uniform(0.1, 1.0, 3) * [1.0, -0.3, -0.1]
        terms = np.repeat(sizes, rng.integers(200, 900, 3)).astype(dtype)[:, None]
        total = np.asarray(terms.sum(axis=0, dtype=np.longdouble), float)
        magnitudes, alike = abs(terms).sum(axis=0, dtype=float), count_equal_terms(abs(terms))
        error = abs(np.add.accumulate(terms)[-1].astype(float) - total)
        noise = [sum_noise(total, magnitudes, len(terms), 100, n) for n in (alike, 0.0)]
        ratios.append([float((error / (unit * each)).item()) for each in noise])
    counted, ignored = np.max(ratios, axis=0)
    assert counted < 1.0 < ignored


def test_a_derivative_that_is_zero_in_one_program_and_tiny_in_another_is_no_alarm():
    """``k s (1 - s)`` is 0 where s is 1 to rounding; the square of what it should be underflows."""
    neuron = rs.LIF(0.9, 0.5, rs.Logistic(4.0), rs.NoReset())
    network = rs.Network((1, 2), neuron, rs.LinearReadout(2))
    params = (
        rs.Layer(np.array([[120.0], [0.2]]), np.zeros(2)),
        rs.Layer(np.array([[1.0, 0.5], [-1.0, 0.3]]), np.zeros(2)),
    )
    case = rs.Case(network, params, np.ones((1, 1, 1)), np.array([1]))
    style = Style(np.float64, np.matmul, steps_first=False, spread=False, coarse=True)

    exam = examine_answer(solve_in_style(case, style), case, np.dtype(np.float64))

    assert max(stage.error for stage in exam.stages) <= 1.0
