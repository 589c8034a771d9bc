"""Mistakes that are seldom: each is named, on drawn networks, and never at a wrong place.

They are planted in PyTorch equations (`torch_faults`), or by another question or network, so that
nothing here knows the knobs. Each kind has words of which its cause must say some.
"""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.variants import solve
from refsast.model.params import map_params
from tests.crosscheck.random_cases import draw_case

torch = pytest.importorskip("torch")
from tests.crosscheck import torch_faults as faults  # noqa: E402

NETWORKS = 3

# Of a slip: what the cause has to say, and how many of three networks are named.
SLIPS = {
    "last step counted": (("last step alone counted",), 3),
    "first step counted": (("first step alone counted",), 3),
    "first recording's bias": (("first recording alone counted",), 3),
    "absolute weights": (("absolute values |W|",), 3),
    "weights on a grid": (("steps of 1/16",), 3),
    "residual": (("residual connection",), 3),
    "random feedback": (("another matrix in place of the weights W",), 3),
    "potentials fed back": (("potentials in place of spikes in the recurrent",), 3),
    "hard reset attached": (("hard (Heaviside) spikes, its gradient passed",), 3),
    "soft reset of hard spikes": (("reset by smooth spikes",), 3),
    "reset squared": (("factor 1 - s squared",), 3),
    "reset path of the step after": (("potential of the step after",), 3),
    "times s": (("multiplied by the spike itself", "derivative"), 3),
    "times u": (("multiplied by the potential",), 3),
    "dead below rest": (("below zero, at rest", "|u - threshold| is above"), 3),
    "above alone": (("1 above, 0 below", "rectangular", "zero below the threshold"), 3),
    "side lobes": (("Gaussian with side lobes",), 3),
    "readout bias once": (("bias added once, after the integration",), 3),
    "class 0 left out": (("class 0 left out",), 3),
    "focal": (("focal loss",), 3),
    "signs of W": (("each weight's sign",), 3),
    "centred": (("mean of each row",), 3),
    "local sums": (("spike's part alone",), 3),
    "local path below": (("spike's part of the adjoint alone",), 3),
    "local recurrence": (("spike's part of the adjoint alone",), 3),
    "inputs as traces": (("trace of the inputs",), 3),
    "bias past the synapse": (("past the synapse",), 3),
    "V diagonal": (("the diagonal of V alone",), 3),
    "V of potentials": (("V paired with potentials",), 3),
    "cut once": (("detached once, after step 3",), 3),
    "clamped": (("clamped at",), 2),
    "potentials passed on": (("potentials, not spikes, of the layer below",), 3),
    "softmax over recordings": (("softmax over recordings",), 3),
    "by frequency": (("one over the number of their class",), 3),
    "labels of all": (("labels of all recordings",), 3),
    "readout forward in time": (("recursion forward",), 3),
    "readout unleaked": (("leak of the readout left out",), 3),
    "Adam": (("first step of Adam",), 3),
    "W and V exchanged": (("W and V exchanged",), 3),
}


def fits(kind: str, case: rs.Case) -> bool:
    """Whether a network has what the kind is about."""
    network, zero = case.network, [isinstance(n.reset, rs.ToZero) for n in case.network.neurons]
    asked = {
        "times s": all(isinstance(n.spike, rs.Logistic) for n in network.neurons),
        "reset squared": all(zero),
        "reset path of the step after": all(zero),
        "soft reset of hard spikes": not any(
            isinstance(n.reset, rs.NoReset) for n in network.neurons
        ),
        "potentials fed back": network.recurrent,
        "first recording's bias": network.bias,
        "residual": len(set(network.sizes[:-1])) == 1 and len(network.neurons) > 1,
        "random feedback": len(network.neurons) > 1,
        "readout bias once": isinstance(network.readout, rs.LeakyReadout) and network.bias,
        "class 0 left out": 0 in case.y,
        "signs of W": network.bias,
        "local sums": case.synapse is None,
        "local path below": case.synapse is None and len(network.neurons) > 1,
        "local recurrence": case.synapse is None and network.recurrent,
        "cut once": case.synapse is None and not network.recurrent,
        "bias past the synapse": case.synapse is not None and network.bias,
        "V diagonal": network.recurrent,
        "V of potentials": network.recurrent,
        "W and V exchanged": network.recurrent,
        "potentials passed on": len(network.neurons) > 1,
        "readout forward in time": isinstance(network.readout, rs.LeakyReadout),
        "readout unleaked": isinstance(network.readout, rs.LeakyReadout),
    }
    return not case.hard and asked.get(kind, True)


def draw(kind: str):
    """Yield networks with the slip."""
    rng, found = np.random.default_rng([ord(c) for c in kind]), 0
    while found < NETWORKS:
        drawn = faults.draw_fault(rng, [kind], torch.float64)
        if drawn is not None and fits(kind, drawn[0]):
            found += 1
            yield drawn[:2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", SLIPS)
def test_a_slip_is_named_and_never_misplaced(kind):
    words, least = SLIPS[kind]
    named = 0
    for case, slip in draw(kind):
        report, _, place, true = faults.judge(case, slip, torch.float64)
        assert report.verdict == "DISAGREES"
        assert place != "WRONG", (str(report), true)
        if report.cause.exact:
            says = "; ".join((report.cause.says, *report.cause.others))
            assert any(text in says for text in words), says
            named += 1
    assert named >= least


def standardise(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / (x.std() + 1e-8)


def append_first(a: np.ndarray, axis: int) -> np.ndarray:
    return np.concatenate([a, np.take(a, [0], axis=axis)], axis=axis)


# Another question in place of the right one: parameters, input and labels.
QUESTIONS = {
    "labels in reversed order": (lambda p, x, y: (p, x, y[::-1].copy()), "reversed order"),
    "labels rolled": (lambda p, x, y: (p, x, np.roll(y, 1)), "in the place before"),
    "a recording twice": (
        lambda p, x, y: (p, append_first(x, 1), append_first(y, 0)),
        "first recording counted twice",
    ),
    "standardised": (lambda p, x, y: (p, standardise(x), y), "standardised to mean 0"),
    "each step twice": (
        lambda p, x, y: (p, x[np.arange(len(x)) // 2], y), "shown twice"),
    "rounded weights": (
        lambda p, x, y: (
            tuple(replace(a, w=np.round(32 * a.w) / 32) for a in p), x, y),
        "steps of 1/32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", QUESTIONS)
def test_another_question_is_named(kind):
    change, words = QUESTIONS[kind]
    case = draw_case(2, sizes=(4, 5, 3), steps=5)
    case = replace(case, x=case.x + 0.1 * np.random.default_rng(0).random(case.x.shape))

    def gradient(params, x, y):
        params, x, y = change(params, x, y)
        answer = solve(replace(case, params=params, x=x, y=y))
        return answer.loss, answer.grads

    report = rs.check(gradient, case)
    assert report.cause.exact, report
    assert words in "; ".join((report.cause.says, *report.cause.others))
    # Labels and recordings exchanged give the same gradients, and lie at different places.
    assert "labels" not in kind or report.first.what == "not known"


NUMBERS = {"leak": (0.9, 0.6, 0.8, 0.7), "threshold": (1.1, 0.6, 1.3, 0.8)}
ORDERS = {
    "in reversed order": (3, 2, 1, 0),
    "one place further": (3, 0, 1, 2),
    "of layers 2 and 4 exchanged": (0, 3, 2, 1),
    "the first layer in place of its own in layers 2, 3 and 4": (0, 0, 0, 0),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("words", ORDERS)
def test_numbers_that_went_to_other_layers_are_told_by_their_order(name, words):
    own, order = NUMBERS[name], ORDERS[words]
    base = rs.LIF(0.85, 1.0, rs.Logistic(2.0))
    network = rs.Network((5, 5, 4, 5, 3), base, rs.SpikeRate(4.0))
    right = replace(network, neuron=tuple(replace(base, **{name: v}) for v in own))
    wrong = replace(network, neuron=tuple(replace(base, **{name: own[i]}) for i in order))
    rng = np.random.default_rng(3)
    params = rs.unflatten(right, 1.5 * rng.standard_normal(right.n_params))
    case = rs.Case(right, params, rng.random((6, 3, 5)) * 2.0, rng.integers(0, 3, 3))

    def gradient(params, x, y):
        answer = solve(rs.Case(wrong, params, x, y))
        return answer.loss, answer.grads

    report = rs.check(gradient, case)
    assert report.cause.exact
    assert words in report.cause.says
    first = next(i for i, j in enumerate(order) if own[i] != own[j])
    assert (report.first.what, report.first.layer) == ("state", first)


def test_a_size_in_all_layers_is_tried_whatever_it_is():
    """Blocks of 4 steps in layers of a network whose steps allow blocks of up to 8."""
    network = rs.Network((4, 5, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    rng = np.random.default_rng(0)
    params = rs.unflatten(network, 2.0 * rng.standard_normal(network.n_params))
    case = rs.Case(network, params, rng.random((12, 2, 4)) * 2.0, np.array([0, 2]))
    from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
    from refsast.crosscheck.diagnose.knobs.fit import group_layers

    knobs = [knob for level in (0, 1) for knob in backward_knobs(case, level)]
    assert len({knob.key for knob in knobs}) == len(knobs)
    (group,) = [g for g in group_layers(knobs, 2) if g.name == "blocks" and len(g.keys) == 2]
    tries = group.tries()
    assert {tuple(turn.values()) for turn in tries} == {(float(k),) * 2 for k in range(2, 9)}


def test_a_factor_of_a_row_names_its_layer():
    case = draw_case(1, sizes=(4, 5, 3), steps=4)

    def gradient(params, x, y):
        answer = solve(replace(case, params=params, x=x, y=y))
        grads = list(answer.grads)
        grads[1] = replace(grads[1], w=grads[1].w * np.array([[0.0], [1.0], [1.0]]))
        return answer.loss, tuple(grads)

    report = rs.check(gradient, case)
    assert "row [0] of the gradient in W of layer 2 multiplied by 0" in report.cause.says


def test_two_numbers_in_a_cause_are_told_apart_by_their_digits():
    case = draw_case(1, sizes=(4, 5, 3), steps=4, leak=0.8)
    near = 0.8 * (1.0 + 3e-7)

    def gradient(params, x, y):
        neurons = tuple(replace(n, leak=near) for n in case.network.neurons)
        network = replace(case.network, neuron=neurons)
        answer = solve(replace(case, network=network, params=params, x=x, y=y))
        return answer.loss, answer.grads

    report = rs.check(gradient, case)
    assert report.verdict == "DISAGREES"
    if report.cause.exact:
        assert "0.8 in place of 0.8" not in report.cause.says


def test_weights_of_a_loss_that_are_penalised_without_biases():
    case = draw_case(1, sizes=(4, 5, 3), steps=4)

    def gradient(params, x, y):
        answer = solve(replace(case, params=params, x=x, y=y))
        whole = sum(float(abs(a.w).sum()) for a in params)
        grads = map_params(lambda a: a, answer.grads)
        grads = tuple(
            replace(g, w=g.w + 0.02 * np.sign(p.w)) for g, p in zip(grads, params, strict=True)
        )
        return answer.loss + 0.02 * whole, grads

    report = rs.check(gradient, case)
    assert report.cause.exact
    assert "absolute values of weights, not of biases" in report.cause.says


def test_one_name_for_the_numbers_of_several_layers_says_each_of_them():
    base = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    neurons = tuple(replace(base, leak=leak) for leak in (0.9, 0.7, 0.9))
    network = rs.Network((4, 5, 4, 3), neurons, rs.SpikeRate(4.0))
    rng = np.random.default_rng(0)
    params = rs.unflatten(network, 1.2 * rng.standard_normal(network.n_params))
    case = rs.Case(network, params, rng.random((6, 3, 4)) * 2.0, np.array([0, 1, 2]))

    def gradient(params, x, y):
        other = tuple(replace(n, leak=1.0 - n.leak) for n in neurons)
        answer = solve(rs.Case(replace(network, neuron=other), params, x, y))
        return answer.loss, answer.grads

    says = rs.check(gradient, case).cause.says
    assert "leak 1 - leak (0.1 in layers 1 and 3, 0.3 in layer 2) in place of its own" in says


def answer_with(case, change_u, reset=None):
    """An implementation that hands over other potentials, and may have its reset detached."""
    neurons = tuple(replace(n, detach_reset=reset is not None) for n in case.network.neurons)
    network = replace(case.network, neuron=neurons)

    def gradient(params, x, y):
        answer = solve(replace(case, network=network, params=params, x=x, y=y))
        u = tuple(change_u(u, s) for u, s in zip(answer.u, answer.s, strict=True))
        return replace(answer, u=u)

    return gradient


def test_states_handed_over_come_first_and_the_cause_has_to_explain_them():
    case = draw_case(2, sizes=(4, 5, 3), steps=5)
    known = rs.check(answer_with(case, lambda u, s: u * (1.0 - s), "cut"), case)
    assert (known.first.what, known.first.layer, known.first.time) == ("state", 0, 0)
    assert known.cause.exact
    assert "reset detached" in known.cause.says
    assert "handed over after the reset to zero" in known.cause.says

    strange = rs.check(answer_with(case, lambda u, s: np.cos(u), "cut"), case)
    assert (strange.first.what, strange.first.layer) == ("state", 0)
    assert not strange.cause.exact
    assert "not the states handed over" in strange.cause.says
