"""The program with knobs is the reference; each knob's gradient is that of its own loss."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.adjoints import PENALTY_OF_U, SHARED_CARRY
from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
from refsast.crosscheck.diagnose.knobs.below import PASSED_ON
from refsast.crosscheck.diagnose.knobs.derivatives import BATCH_MEAN
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.knobs.fit import Group
from refsast.crosscheck.diagnose.knobs.inventory import forward_knobs
from refsast.crosscheck.diagnose.knobs.limits import GRIDS
from refsast.crosscheck.diagnose.knobs.matching import find_moves
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.rare_inventory import rare_backward, rare_forward
from refsast.crosscheck.diagnose.knobs.recordings import CARRIED, DETACHED
from refsast.crosscheck.diagnose.knobs.restarts import WARMED
from refsast.crosscheck.diagnose.knobs.samples import take_samples
from refsast.crosscheck.diagnose.knobs.search import find_settings
from refsast.crosscheck.diagnose.knobs.weights import DERIVED, WEIGHT_NORMS
from refsast.crosscheck.diagnose.knobs.windows import MEMORY, WINDOWS
from refsast.crosscheck.diagnose.knobs.words import known_knobs, parts_of
from refsast.crosscheck.variants import solve
from tests.crosscheck.planted_faults import draw_case

STEP = 1e-6
# Forward knobs whose gradient is that of no loss: rounding, hard steps, what is reported alone.
OF_NO_LOSS = ("straight-through", "hard reset", "reset by any", "potentials in", "products in",
              "report", "weights", "signs of the weights", *GRIDS)  # fmt: skip


def has_loss(name):
    """Whether a knob's gradient is that of a loss: also of some that change weights."""
    return not name.startswith(OF_NO_LOSS) or name in WEIGHT_NORMS or DERIVED in name


def draw_cases(n: int, seed: int, **kind: bool) -> list[rs.Case]:
    rng = np.random.default_rng(seed)
    return [draw_case(rng, current=i % 2 == 0, **kind) for i in range(n)]


def draw_lively_case() -> rs.Case:
    """A recurrent network with a synapse, in which everything has an effect."""
    rng = np.random.default_rng(5)
    neuron = rs.LIF(0.8, 0.9, rs.Logistic(3.0), rs.ToZero())
    network = rs.Network((5, 6, 6), neuron, rs.LeakyReadout(3, 0.7), recurrent=True)
    params = rs.unflatten(network, rng.standard_normal(network.n_params))
    x = rng.standard_normal((6, 3, 5))
    return rs.Case(network, params, x, rng.integers(0, 3, 3), rs.Synapse(0.4, 0.8))


@pytest.mark.parametrize("kind", ["smooth", "hard", "detach"])
def test_with_no_knob_turned_the_program_is_the_reference(kind):
    for case in draw_cases(12, 0, **({} if kind == "smooth" else {kind: True})):
        right = solve(case)
        # Beside another setting, so that arrays are of both.
        answer = solve_settings(case, [{}, {("leak", 0): 0.3}])[0]
        assert answer.loss == pytest.approx(right.loss, rel=1e-13)
        for name in ("u", "s", "adjoints"):
            for got, want in zip(getattr(answer, name), getattr(right, name), strict=True):
                assert abs(got - want).max() <= 1e-12 * max(abs(want).max(), 1e-300)
        got, want = rs.flatten(answer.grads), rs.flatten(right.grads)
        assert abs(got - want).max() <= 1e-12 * abs(want).max()
        assert abs(answer.x - right.x).max() <= 1e-12 * max(abs(right.x).max(), 1e-300)


@pytest.mark.slow
def test_a_forward_knob_has_the_gradient_of_its_own_loss():
    rng = np.random.default_rng(3)
    for case in (*draw_cases(4, 3), draw_lively_case()):
        settings = [
            {knob.key: value}
            for knob in (*forward_knobs(case), *rare_forward(case))
            for value in knob.tries
            if has_loss(knob.name)
        ]
        w, x = rs.flatten(case.params), case.x
        along_w, along_x = rng.standard_normal(w.shape), rng.standard_normal(x.shape)
        ends = [
            solve_settings(
                replace(
                    case,
                    params=rs.unflatten(case.network, w + sign * STEP * along_w),
                    x=x + sign * STEP * along_x,
                ),
                settings,
            )
            for sign in (1.0, -1.0)
        ]
        for setting, answer, up, down in zip(
            settings, solve_settings(case, settings), *ends, strict=True
        ):
            slope = (up.loss - down.loss) / (2.0 * STEP)
            want = rs.flatten(answer.grads) @ along_w + (answer.x * along_x).sum()
            assert slope == pytest.approx(want, rel=1e-4, abs=1e-6), setting


@pytest.mark.slow
def test_a_backward_knob_changes_no_loss_and_some_gradient():
    case = draw_lively_case()
    right = solve_settings(case, [{}])[0]
    levels = range(len(case.params))
    keys = [k for level in levels for k in backward_knobs(case, level)]
    keys += [k for level in levels for k in rare_backward(case, level)]
    for knob in keys:
        answers = solve_settings(case, [{knob.key: value} for value in knob.tries])
        assert all(answer.loss == right.loss for answer in answers)
        if knob.tries and knob.name != "derivative cap":  # which may be above every derivative
            gaps = [abs(rs.flatten(a.grads) - rs.flatten(right.grads)).max() for a in answers]
            assert max(gaps) > 0.0, knob


@pytest.mark.slow
def test_every_knob_has_words():
    for case in (*draw_cases(6, 7), *draw_cases(3, 8, hard=True)):
        for knob in known_knobs(case).values():
            ends = (
                v for v in (knob.low, knob.high, 0.0) if np.isfinite(v) and knob.low < knob.high
            )
            for value in {*knob.tries, *ends} - {knob.right}:  # where it is fitted, any between
                (part,) = parts_of(case, {knob.key: value})
                assert "the knob" not in part.says, knob
                assert part.says.startswith(("with", "multiplied")), part


SIDE_BY_SIDE = {
    "numbers": [{("leak", 0): 0.3}, {("slope", 0): 2.5, ("reset path", 0): 0.5}, {}],
    "recordings joined, and blocks": [
        {(DETACHED, WHOLE): 1.0}, {("blocks", 0): 2.0}, {(CARRIED, WHOLE): 1.0}, {},
    ],
    "recordings joined, and windows": [
        {(DETACHED, WHOLE): 1.0}, {(MEMORY, 0): 2.0},
        {(CARRIED, WHOLE): 1.0}, {(WINDOWS, WHOLE): 3.0},
    ],
    "one recording in the sums, and windows": [
        {("w sums of the last recording alone", 0): 1.0}, {(MEMORY, 0): 2.0},
        {("recording 2 in the sums", 0): 0.5}, {(WINDOWS, WHOLE): 2.0},
        {("input of the next recording", 0): 1.0},
    ],
    "what is shared or passed on, and windows": [
        {(SHARED_CARRY, 0): 1.0}, {(WINDOWS, WHOLE): 3.0}, {(BATCH_MEAN, 0): 1.0},
        {(PENALTY_OF_U, 0): 0.1}, {(MEMORY, 0): 2.0},
    ],
    "states of an earlier pass, and recordings joined": [
        {(WARMED, WHOLE): 1.0}, {(CARRIED, WHOLE): 1.0}, {(WINDOWS, WHOLE): 2.0}, {},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_settings_side_by_side_are_those_alone(name):
    case, settings = draw_cases(3, 9)[2], SIDE_BY_SIDE[name]
    for answer, setting in zip(solve_settings(case, settings), settings, strict=True):
        alone = solve_settings(case, [setting])[0]
        assert rs.flatten(answer.grads) == pytest.approx(rs.flatten(alone.grads), rel=1e-12)
        assert answer.loss == pytest.approx(alone.loss, rel=1e-13)


def test_what_is_passed_on_has_the_copies_of_windows():
    network = rs.Network((3, 4, 4, 4), rs.LIF(0.9, 0.8, rs.Arctan(2.0)), rs.SpikeRate(3.0))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 3, 3)), rng.integers(0, 4, 3)
    case = Case(network, rs.init(network, rng), x, y)
    settings = [{(PASSED_ON, 1): 1.0}, {(WINDOWS, WHOLE): 3.0}, {(PASSED_ON, 2): 1.0}]
    for answer, setting in zip(solve_settings(case, settings), settings, strict=True):
        alone = solve_settings(case, [setting])[0]
        assert rs.flatten(answer.grads) == pytest.approx(rs.flatten(alone.grads), rel=1e-12)


def test_a_search_ends_after_a_count_of_work():
    case = draw_cases(1, 5)[0]

    def gradient(params, x, y):
        answer = solve(replace(case, params=params, x=x, y=y))
        return answer.loss * 1.2345678, answer.grads

    samples = take_samples(gradient, case, np.dtype(float))
    assert find_settings(samples, limit=1e3).stopped
    found, again = find_settings(samples), find_settings(samples)
    assert not found.stopped
    assert found.settings == again.settings != ()


def test_what_no_knob_explains_is_not_explained():
    """Residuals that are noise are fitted by no move."""
    rng = np.random.default_rng(0)
    case = draw_cases(1, 5)[0]
    noise = rng.standard_normal(40)

    def run(settings):
        answers = solve_settings(case, settings)
        rows = [np.resize(rs.flatten(answer.grads), 40) for answer in answers]
        return (np.array(rows) - noise) / 1e-9

    groups = [Group((knob,)) for knob in backward_knobs(case, len(case.params) - 1)][:20]
    assert find_moves(run, {}, groups, depth=2) == []


@pytest.mark.parametrize(("share", "kept"), [(-0.5, 1.0), (0.0, 1.0), (1.0, 0.0), (1.7, 0.0)])
def test_a_share_beyond_its_range_is_the_nearest_in_it(share, kept):
    """A fit may try any number."""
    case = draw_lively_case()
    right, some = solve_settings(case, [{}, {("w zero at small weights", 0): share}])

    assert right.grads[0].w.all()
    zeros = float((some.grads[0].w == 0.0).mean())
    assert zeros == pytest.approx(1.0 - kept, abs=1.0 / right.grads[0].w.size)
