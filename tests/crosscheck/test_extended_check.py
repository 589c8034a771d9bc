"""`rs.check` of networks beyond dense LIF layers: verdicts, causes, places."""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.diagnose.faults.elsewhere import ask_elsewhere, holds_elsewhere
from tests.crosscheck.extended_cases import (
    CONNECTIONS,
    NEURONS,
    READOUTS,
    draw_extended,
    fast,
    implement,
    plant,
    shows,
)
from tests.draws import ALL

KINDS = (
    *({"neuron": each} for each in NEURONS),
    *({"connections": each} for each in CONNECTIONS),
    *({"readout": each} for each in range(len(READOUTS))),
)
ASKED = [
    (kind, hard, dtype)
    for i, kind in enumerate(KINDS)
    for hard, dtype in (
        (False, np.float64), ((True, np.float64), (False, np.float32), (True, np.float32))[i % 3],
    )
]  # fmt: skip


@pytest.mark.parametrize(("kind", "hard", "dtype"), ASKED)
def test_the_hand_derived_gradient_agrees(kind, hard, dtype):
    case = draw_extended(3, hard=hard, **kind)

    report = rs.check(fast(case, dtype), case)

    assert report.verdict == "agrees", report
    assert report.dtype == dtype
    assert report.power.planted > 0
    assert report.power.unseen == ()
    assert report.resolution[1] < (1e-9 if dtype == np.float64 else 1e-3)


# What is planted, in which network, and where the report has to say that it is.
PLANTED = {
    "kernel flipped": ({"connections": "image"}, 0, "state of layer 1, step 1"),
    "kernel not flipped backwards": ({"connections": "image"}, 1, "layer 1"),
    "windows of the kernel moved by (-1, 0)": ({"connections": "image"}, 0, "state of layer 1"),
    "pooling not divided": ({"connections": "image"}, 2, "state of layer 3"),
    "pooling's gradient not divided": ({"connections": "image"}, 2, "layer 2"),
    "channels last": ({"connections": "image"}, 2, "state of layer 3"),
    "windows of the pooling moved by (0, 1)": ({"connections": "image"}, 1, "state of layer 2"),
    "channels last before the kernel": ({"connections": "image"}, 1, "state of layer 2"),
    "input one step late": ({"connections": "dense"}, 1, "state of layer 2, step 1"),
    "skip one step late": ({"connections": "skip"}, 1, "state of layer 2, step 1"),
    "skip's gradient scaled": ({"connections": "skip"}, 1, "adjoint of layer 1"),
    "weights scaled": ({"connections": "dense"}, 0, "state of layer 1, step 1"),
    "leaks exchanged": ({"neuron": "synapse"}, 0, "state of layer 1"),
    "synaptic current reset": ({"neuron": "synapse"}, 0, "state of layer 1"),
    "first stage of the synapse detached": ({"neuron": "alpha"}, 0, "gradient of layer 1"),
    "derivative at rest": ({"neuron": "adaptation"}, 0, "adjoint of layer 1"),
    "reset detached for the leak alone, there": ({"neuron": "learned"}, 0, "gradient of layer 1"),
    "maximum with zero": ({"readout": 5}, 0, "loss"),
    "softmax twice": ({"readout": 0}, 0, "loss"),
    "last step unread": ({"readout": 0}, 0, "loss"),
    "readout's bias once": ({"readout": 6}, 0, "loss"),
    "rates wanted exchanged": ({"readout": 3}, 0, "loss"),
    "no skip": ({"connections": "skip"}, 1, "state of layer 2"),
    "skip detached": ({"connections": "skip"}, 1, "layer 1"),
    "reset detached": ({"neuron": "learned"}, 1, "adjoint of layer 2"),
    "leak detached in the reset": ({"neuron": "learned", "seed": 5}, 0, "gradient of layer 1"),
    "the gradient of the learned leak of the last step alone": (
        {"neuron": "learned"}, 0, "gradient of layer 1",
    ),
    "the gradient of the learned threshold averaged over recordings": (
        {"neuron": "learned"}, 1, "gradient of layer 2",
    ),
    "threshold detached in the spike": ({"neuron": "learned", "seed": 5}, 1, "gradient of layer 2"),
    "sigmoid left out": ({"neuron": "sigmoid"}, 0, "state of layer 1"),
    "start ignored": ({"neuron": "sigmoid"}, 0, "state of layer 1, step 1"),
    "synapse detached": ({"neuron": "synapse"}, 0, "layer 1"),
    "synaptic current one step later or earlier": ({"neuron": "synapse"}, 0, "state of layer 1"),
    "synaptic current one step later": ({"neuron": "alpha"}, 0, "state of layer 1, step 1"),
    "adaptation detached": ({"neuron": "adaptation"}, 0, "adjoint of layer 1"),
    "adaptation one step late": ({"neuron": "adaptation"}, 1, "state of layer 2"),
    "refractory time detached": ({"neuron": "refractory"}, 0, "adjoint of layer 1"),
    "refractory time": ({"neuron": "refractory"}, 1, "state of layer 2"),
    "loss summed over steps": ({"readout": 2}, 0, "loss"),
    "potentials read": ({"readout": 0}, 0, "loss"),
    "population interleaved": ({"readout": 1}, 0, "loss"),
    "squared counts": ({"readout": 3}, 0, "loss"),
    "loss of the mean over steps": ({"readout": 4}, 0, "loss"),
    "logits: the last potential": ({"readout": 5}, 0, "loss"),
    "windows of the kernel further apart": ({"connections": "image"}, 1, "state of layer 2"),
    "windows of the pooling closer together": ({"connections": "image"}, 1, "state of layer 2"),
    "dilation ignored": ({"connections": "grouped"}, 0, "state of layer 1"),
    "groups: the channels of the first": ({"connections": "grouped"}, 0, "state of layer 1"),
    "groups: channels at a distance, not side by side": (
        {"connections": "grouped"}, 0, "state of layer 1",
    ),
    "kernel's gradient with channels exchanged": (
        {"connections": "grouped"}, 1, "gradient of layer 2",
    ),
    "bias of the first pixel alone": ({"connections": "grouped"}, 0, "gradient of layer 1"),
    "bias averaged over pixels, not summed": ({"connections": "image"}, 1, "gradient of layer 2"),
    "no gradient through empty windows": (
        {"connections": "image", "hard": True}, 2, "layer 2",
    ),
    "first stage of the synapse read": ({"neuron": "alpha"}, 0, "state of layer 1"),
    "difference of currents": ({"neuron": "alpha"}, 0, "state of layer 1"),
    "synapse's leak without recurrence": ({"neuron": "synapse"}, 0, "gradient of layer 1"),
    "the gradients of all learned numbers averaged over recordings": (
        {"neuron": "learned"}, 0, "gradient of layer 1",
    ),
    "refractory time ignored backwards": ({"neuron": "refractory"}, 0, "adjoint of layer 1"),
    "refractory time holds the potential": ({"neuron": "refractory"}, 0, "state of layer 1"),
    "refractory time clamps the potential": ({"neuron": "refractory"}, 0, "state of layer 1"),
    "recurrent weights' gradient by the spikes of the same step": (
        {"connections": "dense", "recurrent": True}, 0, "gradient of layer 1",
    ),
    "reset once more": ({"connections": "dense", "hard": True}, 0, "state of layer 1"),
    "whole counts wanted, squared distances of counts over the number of steps": (
        {"readout": 3}, 0, "loss",
    ),
    "logits: the largest potential over time": ({"readout": 6}, 0, "loss"),
}  # fmt: skip


def draw_planted(name):
    """Return a case in which a fault shows, and the fault in it."""
    kind, layer, _ = PLANTED[name]
    kind = dict(kind)
    for seed in range(kind.pop("seed", 0), 20):
        case = draw_extended(seed, **kind)
        setting = plant(case, name, layer)
        if shows(case, setting):
            return case, setting
    raise AssertionError(f"{name} shows nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named_and_states_and_adjoints_tell_the_place(name):
    """A third of them by gradients alone, which tell the cause as well."""
    case, setting = draw_planted(name)
    states = ALL or list(PLANTED).index(name) % 3 > 0

    report = rs.check(implement(case, setting, states=states), case)

    assert report.verdict == "DISAGREES"
    assert setting[0].says(case) in (report.cause.says, *report.cause.others), report
    assert not states or PLANTED[name][2] in str(report.first), report.first


@pytest.mark.slow
def test_a_fault_of_the_table_is_named_in_a_dense_network_too():
    neuron = rs.LIF(0.8, 0.4, rs.Arctan(2.0), rs.Subtract(leaked=True))
    network = rs.Network((4, 6, 3), neuron, rs.SpikeRate(5.0))
    rng = np.random.default_rng(0)
    params = tuple(rs.Layer(3.0 * each.w, each.b) for each in rs.init(network, rng))
    case = rs.Case(network, params, rng.random((8, 3, 4)), rng.integers(0, 3, 3), hard=True)

    report = rs.check(implement(case, plant(case, "reset once more", 0)), case)

    assert report.cause.name == "reset once more", report
    assert "state of layer 1" in str(report.first)


def test_a_setting_is_asked_elsewhere_without_the_dear_tolerance_where_it_is_near():
    case = draw_extended(1, neuron="adaptation", connections="dense")
    setting = plant(case, "reset detached", 1)
    right, wrong = (ask_elsewhere(implement(case, each), case) for each in ((), setting))

    assert holds_elsewhere(wrong, setting)
    assert all("exam" not in vars(question) for question in wrong)
    assert not holds_elsewhere(right, setting)


@pytest.mark.slow
def test_a_number_is_fitted():
    case = draw_extended(1, neuron="adaptation")

    report = rs.check(implement(case, plant(case, "adaptation's strength", 0, 0.7123)), case)

    assert "with the adaptation's strength 0.7123 in place of 0.4 in layer 1" in str(report.cause)


@pytest.mark.slow
def test_a_fault_forward_and_one_backward_are_both_named():
    case = draw_extended(1, neuron="adaptation", connections="dense")
    setting = (*plant(case, "no adaptation", 0), *plant(case, "reset detached", 1))

    report = rs.check(implement(case, setting), case)

    assert report.cause.name == "no adaptation + reset detached"


@pytest.mark.slow
def test_what_no_fault_explains_has_no_cause_and_no_place():
    case = draw_extended(2, neuron="learned")

    def noisy(params, x, y):
        loss, grads = rs.fast.loss_and_grad(case.network, params, x, y)
        rng = np.random.default_rng(0)
        return loss, tuple(rs.Layer(**{k: a * rng.uniform(0.9, 1.1, a.shape) for k, a in
                                       vars(layer).items() if a is not None})
                           for layer in grads)  # fmt: skip

    report = rs.check(noisy, case)

    assert report.verdict == "DISAGREES"
    assert not report.cause.exact
    assert "the loss is right" in str(report.cause)
    assert report.first.what == "not known"


def test_gradients_of_learned_numbers_are_read_one_after_the_other():
    case = draw_extended(2, neuron="learned", readout=5)
    solve = fast(case)

    def arrays(params, x, y):
        loss, grads = solve(params, x, y)
        return loss, [a for layer in grads for a in vars(layer).values() if a is not None]

    assert rs.check(arrays, case).verdict == "agrees"


def test_a_learned_number_without_gradient_is_refused_by_name():
    case = draw_extended(2, neuron="learned")
    solve = fast(case)

    def without(params, x, y):
        loss, grads = solve(params, x, y)
        return loss, tuple({"w": g.w, "b": g.b} for g in grads)

    with pytest.raises(ValueError, match=r"grads\[0\] must have \['b', 'leak', 'threshold', "):
        rs.check(without, case)


def test_a_case_that_shows_nothing_is_undecided():
    case = draw_extended(2, neuron="plain", connections="image")
    zeros = rs.unflatten(case.network, np.zeros(case.network.n_params))
    silent = rs.Case(case.network, zeros, 0.0 * case.x, case.y, hard=True)

    assert rs.check(fast(silent), silent).verdict == "undecided"


def test_a_synapse_beside_such_a_network_is_refused():
    case = draw_extended(2, neuron="synapse")
    both = rs.Case(case.network, case.params, case.x, case.y, synapse=rs.Synapse(0.5))

    with pytest.raises(ValueError, match="synapse must be that of a GLIF in such a network"):
        rs.check(fast(case), both)
