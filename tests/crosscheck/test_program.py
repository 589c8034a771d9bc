"""`rs.Program`: what it takes, what it refuses, and what is said of right and wrong answers."""

from collections import namedtuple
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

import refsast as rs
from refsast.autodiff import stop_gradient, straight_through
from refsast.crosscheck.program.record import cut_program
from refsast.crosscheck.program.trees import fill, leaves

W = np.array([[0.5, -1.0], [0.25, 2.0], [1.5, -0.5]])
X = np.random.default_rng(0).uniform(0.5, 1.5, (6, 4, 3))
Y = np.random.default_rng(1).normal(size=(4, 2))


def forward(params, x, y):
    """A leaky layer with its potentials."""
    u, us = 0.0, []
    for step in x:
        u = params["leak"] * u + np.tanh(step @ params["w"])
        us.append(u)
    return np.mean((u - y) ** 2), {"potentials": us}


PROGRAM = rs.Program(forward, {"w": W, "leak": 0.75}, X, Y)


def solve(params, x, y):
    """The same by hand."""
    u, us, slopes = np.zeros((x.shape[1], 2)), [], []
    for step in x:
        squash = np.tanh(step @ params["w"])
        u = params["leak"] * u + squash
        us.append(u)
        slopes.append(1.0 - squash**2)
    g, dw, dleak = 2.0 * (u - y) / u.size, np.zeros_like(params["w"]), 0.0
    for t in reversed(range(len(x))):
        dw += x[t].T @ (g * slopes[t])
        if t > 0:
            dleak += np.sum(g * us[t - 1])
        g = params["leak"] * g
    return np.mean((u - y) ** 2), {"w": dw, "leak": dleak}, {"potentials": us}


def change(name, by):
    """The answer of `solve` with one of its gradients changed."""

    def gradient(params, x, y):
        loss, grads, outputs = solve(params, x, y)
        return loss, {**grads, name: by(grads[name])}, outputs

    return gradient


def test_a_right_answer_agrees_and_everything_was_compared():
    report = rs.check(solve, PROGRAM)

    assert report.agrees
    names = ["loss", 'grads["w"]', 'grads["leak"]', 'outputs["potentials"]']
    assert [stage.name for stage in report.stages] == names
    assert report.not_compared == ("x",)
    assert report.resolution[1] < 1e-13
    assert "agrees: loss" in str(report)


def test_the_gradient_has_the_containers_of_the_parameters():
    loss, grads = rs.program.loss_and_grad(PROGRAM)
    want = solve(PROGRAM.params, X, Y)

    assert loss == pytest.approx(want[0], rel=1e-15)
    assert grads["w"] == pytest.approx(want[1]["w"], rel=1e-13)
    assert grads["leak"].shape == ()
    assert grads["leak"] == pytest.approx(want[1]["leak"], rel=1e-13)
    there = {"w": 2.0 * W, "leak": np.array(0.5)}
    elsewhere = rs.program.loss_and_grad(PROGRAM, there, X[:2], Y)[1]
    assert elsewhere["w"] == pytest.approx(solve(there, X[:2], Y)[1]["w"], rel=1e-13)


@pytest.mark.parametrize("size", [1e-9, 1.0])
@pytest.mark.parametrize("index", [(0, 1), (2, 0)])
def test_a_wrong_entry_is_named_with_its_array(size, index):
    def by(grad):
        wrong = grad.copy()
        wrong[index] *= 1.0 + size
        return wrong

    report = rs.check(change("w", by), PROGRAM)

    assert report.verdict == "DISAGREES"
    assert report.worst.name == 'grads["w"]'
    assert report.worst.worst.index == index
    assert f'grads["w"][{index[0]}, {index[1]}] is ' in str(report)
    assert [stage.name for stage in report.stages if not stage.agrees] == ['grads["w"]']


def test_a_multiple_is_named_and_the_sign_too():
    for factor in (0.5, -1.0, 2.0, 3.7):
        report = rs.check(change("w", lambda g, factor=factor: factor * g), PROGRAM)
        assert report.multiple == factor
        assert f'grads["w"] is {factor:g} times the right one' in str(report)
    assert rs.check(change("w", np.flipud), PROGRAM).multiple is None
    assert rs.check(change("leak", lambda g: 1.234 * g), PROGRAM).multiple is None  # one number
    assert rs.check(change("leak", lambda g: 2.0 * g), PROGRAM).multiple == 2.0


def test_the_first_wrong_step_and_recording_are_found():
    def late(params, x, y):
        loss, grads, outputs = solve(params, x, y)
        grads["w"] = grads["w"] * (1.0 + 0.1 * (len(x) >= 4 and (x[3, :, 0] > 1.2).any()))
        return loss, grads, outputs

    report = rs.check(late, PROGRAM)
    bad = np.flatnonzero(X[3, :, 0] > 1.2)

    assert report.smallest.x.shape == (4, 1, 3)
    assert (report.smallest.x == X[:4, bad[:1]]).all()
    assert f"first wrong: step 4 (with 3 it agrees), recording {bad[0] + 1} alone" in str(report)
    assert rs.program.shrink(late, PROGRAM).x.shape == (4, 1, 3)
    assert rs.program.shrink(solve, PROGRAM) is PROGRAM


def test_an_implementation_of_one_size_cannot_be_shrunk_and_this_is_not_said_of_it():
    def rigid(params, x, y):
        if len(x) != 6:
            raise RuntimeError("six steps, please")
        return change("w", lambda g: 2.0 * g)(params, x, y)

    report = rs.check(rigid, PROGRAM)

    assert report.verdict == "DISAGREES"
    assert "first wrong" not in str(report)
    assert report.smallest.x.shape[0] == 6


def test_what_is_missing_is_not_compared_and_none_is_zero():
    def some(params, x, y):
        loss, grads, _ = solve(params, x, y)
        return loss, {"w": grads["w"]}

    def none(params, x, y):
        loss, grads, _ = solve(params, x, y)
        return loss, {**grads, "leak": None}

    report = rs.check(some, PROGRAM)
    assert report.agrees
    assert set(report.not_compared) == {'grads["leak"]', 'outputs["potentials"]', "x"}
    report = rs.check(none, PROGRAM)
    assert report.verdict == "DISAGREES"
    assert report.worst.worst.got == 0.0


def test_wrong_outputs_are_named_by_their_first_entry():
    def shifted(params, x, y):
        loss, grads, outputs = solve(params, x, y)
        us = np.stack(outputs["potentials"])
        us[3:, 2] += 1.0
        return loss, grads, {"potentials": us, "beside": us}

    report = rs.check(shifted, PROGRAM)

    assert report.verdict == "DISAGREES"
    assert 'outputs["potentials"][3, 2, 0] is the first' in str(report)
    assert 'outputs["beside"]' in report.not_compared


def test_the_input_gradient_and_a_record_as_answer():
    def full(params, x, y, factor=1.0):
        loss, grads, _ = solve(params, x, y)
        return rs.program.Answer(loss, grads, x=factor * numeric)

    numeric = rs.autodiff.value_and_grad(lambda x: forward(PROGRAM.params, x, Y)[0], X)[1][0]

    assert rs.check(full, PROGRAM).agrees
    assert rs.check(partial(full, factor=2.0), PROGRAM).worst.name == "x"


Pair = namedtuple("Pair", "w leak")


@dataclass(frozen=True)
class Record:
    w: np.ndarray
    leak: np.ndarray


@pytest.mark.parametrize(
    "containers",
    [
        lambda w, leak: [w, leak],
        lambda w, leak: (w, {"a": leak}),
        lambda w, leak: {"cell": {"w": w, "leak": [np.array(leak)]}, "none": None},
        Pair,
        Record,
    ],
)
def test_parameters_come_in_any_container(containers):
    def read(params):
        w, leak = leaves(params, "params").values()
        return {"w": w, "leak": leak}

    program = rs.Program(lambda p, x, y: forward(read(p), x, y), containers(W, 0.75), X, Y)

    def same(params, x, y):
        loss, grads, _ = solve(read(params), x, y)
        named = dict(zip(leaves(params, "params"), grads.values(), strict=True))
        return loss, fill(params, named, "params")

    def flat(params, x, y):
        loss, grads, _ = solve(read(params), x, y)
        return loss, list(grads.values())

    assert rs.check(same, program).agrees
    assert rs.check(flat, program).agrees
    assert type(rs.program.loss_and_grad(program)[1]) is type(program.params)


def test_single_precision_is_judged_by_its_own_rounding():
    def single(params, x, y, factor=1.0):
        cast = {name: a.astype(np.float32) for name, a in params.items()}
        loss, grads, outputs = solve(cast, x.astype(np.float32), y.astype(np.float32))
        return loss, {"w": np.float32(factor) * grads["w"], "leak": grads["leak"]}, outputs

    report = rs.check(single, PROGRAM)

    assert report.agrees
    assert report.dtype == np.float32
    assert 1e-7 < report.resolution[1] < 1e-4
    assert rs.check(partial(single, factor=1.0001), PROGRAM).verdict == "DISAGREES"


def test_a_loss_of_single_precision_beside_double_gradients_is_no_error():
    def gradient(params, x, y, wrong=1.0):
        loss, grads, outputs = solve(params, x, y)
        return np.float32(wrong * loss), grads, outputs

    report = rs.check(gradient, PROGRAM)

    assert report.agrees
    assert "single precision" in str(report)
    assert not rs.check(partial(gradient, wrong=1.001), PROGRAM).agrees


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saturated_logistic_function_may_lose_its_derivative(dtype):
    """It is s (1 - s), of which nothing is left where s is one: at all steps alike."""
    z = np.linspace(-2.0, 20.0, 9) * (1.0 if dtype == np.float32 else 2.2)

    def run(params, x, y):
        return np.mean(1.0 / (1.0 + np.exp(-params["z"] * x[:, 0])))

    def usual(params, x, y, factor=1.0):
        z, x = params["z"].astype(dtype), x[:, 0].astype(dtype)
        s = 1.0 / (1.0 + np.exp(-z * x))
        grad = np.mean(s * (1.0 - s) * x, axis=0) / dtype(z.size)
        grad[0] *= factor
        return np.mean(s), {"z": grad}

    program = rs.Program(
        run, {"z": z}, np.repeat(np.linspace(0.9, 1.1, 30), 9).reshape(30, 1, 9), 0
    )
    tail = rs.program.loss_and_grad(program)[1]["z"][-1]
    report = rs.check(usual, program)

    assert 0.0 < tail < np.finfo(dtype).eps
    assert report.agrees, str(report)
    assert rs.check(partial(usual, factor=1.001), program).verdict == "DISAGREES"


def test_a_second_call_must_give_the_same():
    calls = []

    def gradient(params, x, y):
        calls.append(0)
        loss, grads, _ = solve(params, x, y)
        return loss, {"w": grads["w"] * (1.0 if len(calls) == 1 else 1.1), "leak": grads["leak"]}

    report = rs.check(gradient, PROGRAM)

    assert not report.repeated
    assert report.verdict == "DISAGREES"
    assert "are states reset, gradients cleared" in str(report)


def test_an_implementation_may_write_into_what_it_gets():
    def gradient(params, x, y):
        reply = solve(params, x, y)
        params["w"][:] = x[:] = y[:] = np.nan
        return reply

    assert rs.check(gradient, PROGRAM).agrees
    assert np.isfinite(PROGRAM.x).all()


FIRE = straight_through(rs.heaviside, rs.Arctan(2.0).derivative)


def hard(params, x, y):
    """Hard spikes with a surrogate."""
    u, s, total = 0.0, 0.0, 0.0
    for step in x:
        u = 0.5 * u * (1.0 - s) + step @ params["w"]
        s = FIRE(u - 1.0)
        total = total + s
    return np.mean((total - y) ** 2)


def test_hard_spikes_are_compared_as_what_they_are():
    program = rs.Program(hard, {"w": W}, X, Y)
    right = partial(rs.program.loss_and_grad, program)

    report = rs.check(right, program)
    found = rs.program.verify(program, rng=np.random.default_rng(0))
    verdict = rs.integrable(right, program, rng=np.random.default_rng(0))

    assert report.agrees
    assert report.estimate
    assert "the gradient of no function" in str(report)
    assert not found.holds
    assert found.reason.startswith("straight-through")
    assert verdict.kind.name == "UNDECIDED"
    assert "hard" in verdict.reason

    def doubled(params, x, y):
        loss, grads = right(params, x, y)
        return loss, {"w": 2.0 * grads["w"]}

    assert rs.check(doubled, program).multiple == 2.0


def test_where_rounding_decides_a_spike_nothing_is_decided():
    """A potential one rounding below threshold, which another order of terms may put above it."""
    x = np.ones((1, 1, 3))
    w = np.array([[0.1], [0.2], [0.7 - 2e-16]])

    def flipped(params, x, y):
        _, grads = rs.program.loss_and_grad(program, {"w": params["w"] + 1e-9}, x, y)
        return 1.0, grads

    program = rs.Program(hard, {"w": w}, x, np.zeros((1, 1)))
    below = float((x[0] @ w).item())
    report = rs.check(flipped, program)

    assert abs(below - 1.0) < 1e-15
    assert report.verdict == "undecided"
    assert "rounding decides a comparison" in str(report)
    clear = rs.Program(hard, {"w": w - 0.01}, x, np.zeros((1, 1)))
    assert (
        rs.check(lambda p, x, y: (1.0, rs.program.loss_and_grad(clear)[1]), clear).verdict
        == "DISAGREES"
    )


def test_of_zero_gradients_nothing_is_known():
    quiet = rs.Program(lambda p, x, y: np.sum(0.0 * p["w"]) + 1.0, {"w": W}, X, Y)
    half = rs.Program(lambda p, x, y: np.sum(p["w"] ** 2), {"w": W, "unused": 1.0}, X, Y)

    report = rs.check(lambda p, x, y: (1.0, {"w": 0.0 * W}), quiet)
    other = rs.check(lambda p, x, y: (np.sum(W**2), {"w": 2.0 * W, "unused": None}), half)

    assert report.verdict == "undecided"
    assert "every gradient is zero" in str(report)
    assert other.agrees
    assert other.silent == ('grads["unused"]',)
    assert "nothing was shown" in str(other)


def test_what_rounding_moves_far_is_undecided():
    def chaos(params, x, y):
        u = params["u"]
        for _ in range(60):
            u = 3.9 * u * (1.0 - u)
        return np.sum(u)

    program = rs.Program(chaos, {"u": np.array([0.3, 0.41])}, np.zeros((1, 1)), 0)

    def other_order(params, x, y):
        loss, grads = rs.program.loss_and_grad(program, {"u": params["u"] * (1.0 + 3e-16)})
        return loss, grads

    report = rs.check(other_order, program)

    assert report.verdict == "undecided"
    assert "rounding" in str(report)


def test_verification_names_corners_and_paths_that_were_cut():
    def corner(params, x, y):
        return np.sum(np.maximum(params["w"], 0.0) * np.abs(params["w"]))

    def cut(params, x, y):
        return np.sum(stop_gradient(params["w"]) * params["w"])

    def in_place(params, x, y):
        w = params["w"] * 1.0
        twice = w
        twice = twice + 1.0 if hasattr(w, "op") else twice
        return np.sum(twice * w)

    rng = np.random.default_rng(0)
    found = rs.program.verify(rs.Program(corner, {"w": W}, X, Y), rng=rng)
    assert found.holds
    assert found.corners == ("maximum", "absolute")
    found = rs.program.verify(rs.Program(corner, {"w": np.zeros((2, 2))}, X, Y), rng=rng)
    assert found.corners == ("maximum (4 of them equal)", "absolute (4 of them equal)")
    found = rs.program.verify(rs.Program(cut, {"w": W}, X, Y), rng=rng)
    assert not found.holds
    assert "stop_gradient" in str(found)
    found = rs.program.verify(rs.Program(in_place, {"w": W}, X, Y), rng=rng)
    assert not found.holds
    assert "another one on the tape" in found.reason


def test_a_wrong_rule_of_the_tape_would_be_found(monkeypatch):
    from refsast.autodiff import ops

    wrong = replace(ops.UFUNCS[np.tanh], pullbacks=(lambda g, y, x: g * (1.0 - y),))
    monkeypatch.setitem(ops.UFUNCS, np.tanh, wrong)

    found = rs.program.verify(PROGRAM, rng=np.random.default_rng(0))

    assert not found.holds
    assert found.complex_step > 0.01
    assert found.adjoint > 1e-3


def test_many_numbers_are_asked_about_along_directions():
    program = rs.Program(
        lambda p, x, y: np.sum(np.sin(p["w"]) * p["w"]), {"w": np.ones((30, 30))}, X, Y
    )

    assert rs.program.verify(program, rng=np.random.default_rng(0)).holds


def test_integrable_knows_a_gradient_from_an_estimate():
    def detached(params, x, y):
        def program(p, x, y):
            u = 0.0
            for step in x:
                u = p["leak"] * stop_gradient(u) + np.tanh(step @ p["w"])
            return np.mean((u - y) ** 2)

        return rs.program.loss_and_grad(rs.Program(program, params, x, y))

    rng = np.random.default_rng(0)

    assert rs.integrable(solve, PROGRAM, rng=rng).kind.name == "GRADIENT"
    assert rs.integrable(change("w", lambda g: 2.0 * g), PROGRAM, rng=rng).kind.name == "NONE"
    assert rs.integrable(detached, PROGRAM, rng=rng).kind.name == "NONE"
    with pytest.raises(
        ValueError, match=r'^gradient must give every parameter.s, got none of .*"leak"'
    ):
        rs.integrable(lambda p, x, y: (0.5, {"w": p["w"]}), PROGRAM, rng=rng)


def test_targets_are_cut_along_the_axes_that_they_have():
    shapes = {(6, 4): (3, 2), (4,): (2,), (4, 5): (2, 5), (7,): (7,), (): ()}

    for shape, cut in shapes.items():
        program = rs.Program(forward, {"w": W, "leak": 0.5}, X, {"y": np.zeros(shape)})
        short = cut_program(program, slice(0, 3), slice(1, 3))
        assert short.y["y"].shape == cut
        assert (short.x == X[:3, 1:3]).all()
    own = replace(PROGRAM, cut=lambda x, y, steps, recordings: (x[steps], y))
    assert cut_program(own, slice(0, 3), slice(1, 3)).x.shape == (3, 4, 3)


BAD_PROGRAMS = [
    (lambda: rs.Program(3, {"w": W}, X, Y), "forward must be callable, got int"),
    (lambda: rs.Program(forward, {}, X, Y), r"params must hold at least one array, got \{\}"),
    (lambda: rs.Program(forward, {"w": [np.nan]}, X, Y), r'params\["w"\] must be finite'),
    (lambda: rs.Program(forward, {"w": "a"}, X, Y), r'params\["w"\] must hold numbers'),
    (lambda: rs.Program(forward, {"w": [1j * W]}, X, Y), r'params\["w"\]\[0\] must be real'),
    (lambda: rs.Program(forward, {"w": W}, X[0, 0], Y), "x must have the axes"),
    (lambda: rs.Program(forward, {"w": W}, np.inf * X, Y), "x must be finite"),
    (lambda: rs.Program(forward, {"w": W}, X, Y, cut=3), "cut must be callable or None"),
]


@pytest.mark.parametrize(("make", "says"), BAD_PROGRAMS)
def test_what_is_no_program_is_refused(make, says):
    with pytest.raises(ValueError, match=f"^{says}"):
        make()


BAD_FORWARDS = [
    (lambda p, x, y: p["w"], r"forward must return a scalar loss, got shape \(3, 2\)"),
    (lambda p, x, y: (np.sum(p["w"]), [1]), "forward must return .*mapping.*got list"),
    (lambda p, x, y: np.sum(p["w"]) * np.nan, "forward must return finite numbers"),
    (lambda p, x, y: np.sum(np.arcsin(p["w"])), "forward must run, .*np.arcsin .*program.md"),
    (lambda p, x, y: np.sum(1 / (1 + np.exp(1e3 * np.abs(p["w"])))), "forward must have a finite"),
    (lambda p, x, y: np.sum(p["missing"]), "forward must run, got KeyError"),
    (lambda p, x, y: np.zeros(2).__setitem__(0, p["w"][0, 0]), "forward must run, .*traced"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "says"), BAD_FORWARDS)
def test_a_forward_pass_that_does_not_run_says_why_on_one_line(program, says):
    with pytest.raises(ValueError, match=f"^{says}") as caught:
        rs.check(solve, rs.Program(program, {"w": W}, X, Y))

    assert "\n" not in str(caught.value)


BAD_ANSWERS = [
    (lambda p, x, y: 3.0, r"gradient must return \(loss, grads\).*got float"),
    (lambda p, x, y: (1.0, {"v": W}), r'grads must have .*"leak"\], got grads\["v"\]'),
    (lambda p, x, y: (1.0, {"w": W.T}), r'grads\["w"\] must have shape \(3, 2\), got \(2, 3\)'),
    (lambda p, x, y: (1.0, [W, 0.5, 0.5]), r"grads must .*, grads\[1\], grads\[2\]$"),
    (lambda p, x, y: (1.0, {"w": np.nan * W}), r'grads\["w"\] must be finite'),
    (lambda p, x, y: (1.0, {"w": W.astype(np.float16)}), r'grads\["w"\] must be float32'),
    (lambda p, x, y: (np.nan, {"w": W}), "loss must be finite"),
    (lambda p, x, y: (1.0, {"w": W}, [W]), "outputs must be a mapping, got list"),
    (lambda p, x, y: 1 / 0, "gradient must answer 'program', got ZeroDivisionError"),
]  # fmt: skip


@pytest.mark.parametrize(("gradient", "says"), BAD_ANSWERS)
def test_an_answer_that_cannot_be_read_is_refused_on_one_line(gradient, says):
    with pytest.raises(ValueError, match=f"^{says}") as caught:
        rs.check(gradient, PROGRAM)

    assert "\n" not in str(caught.value)


def test_what_else_is_asked_for_a_program_is_refused():
    with pytest.raises(ValueError, match=r"^program must be a Program, got int"):
        rs.program.loss_and_grad(3)
    with pytest.raises(ValueError, match=r"^case must be a Case, got Program"):
        rs.harder(PROGRAM)
    with pytest.raises(ValueError, match=r"^gradient must be callable, got int"):
        rs.check(3, PROGRAM)
    named = rs.Implementation(solve, not_compared=("beta",))
    assert "beta" in rs.check(named, PROGRAM).not_compared
