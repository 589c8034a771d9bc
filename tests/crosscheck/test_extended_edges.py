"""`rs.check` where a layer is silent, nothing moves a spike, or one layer is of another kind."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.compare import solve_case
from refsast.crosscheck.diagnose.localise import wrong_arrays
from tests.crosscheck.extended_cases import fast, implement, plant


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pooling not divided", "pooling's gradient not divided"])
def test_what_is_done_with_spikes_is_asked_where_there_are_some(name):
    """Without a spike in the layer below both give the same numbers."""
    network = rs.Network(
        ((1, 4, 4), rs.Conv2d(2, 2), (rs.AvgPool2d(2, 1), rs.Dense(3))),
        rs.LIF(0.9, 1.0, rs.Arctan(2.0)),
        rs.LinearReadout(3),
    )
    rng = np.random.default_rng(0)
    x, y = 0.1 * rng.random((4, 3, 16)), rng.integers(0, 3, 3)
    case = rs.Case(network, rs.init(network, rng), x, y, hard=True)
    setting = plant(case, name, 1)

    report = rs.check(implement(case, setting), case)

    assert report.power.rates[0] == 0.0
    assert {report.cause.says, *report.cause.others} == {setting[0].says(case)}


def test_no_delay_is_told_from_two_where_no_answer_depends_on_the_input():
    """Potentials of the readout only fall, and before its first step no current has arrived."""
    neuron = rs.GLIF(0.8, 0.7, rs.Arctan(2.0), synapse=rs.Synapse(0.6))
    network = rs.Network((3, 4, 4), neuron, rs.MaxPotential(3, 0.9), bias=False)
    rng = np.random.default_rng(0)
    *layers, readout = rs.init(network, rng)
    params = (*layers, replace(readout, w=-1.0 - rng.random((3, 4))))
    case = rs.Case(network, params, rng.random((5, 2, 3)), np.array([0, 2]))
    (planted,) = plant(case, "synaptic current one step later or earlier", 0)
    both = replace(planted, layers=(0, 1), values=planted.values * 2)

    report = rs.check(implement(case, (both,)), case)

    assert report.verdict == "DISAGREES"
    assert not report.cause.exact
    assert report.first.what == "not known"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_spikes_that_nothing_moves_have_roundings_too(dtype):
    """Behind a synapse that is delayed the first potential is zero, whatever comes in."""
    neuron = rs.GLIF(0.9, 0.7, rs.Algebraic(2.0), synapse=rs.Synapse(0.6, delayed=True))
    network = rs.Network((3, 4), neuron, rs.SpikeRate(5.0), loss=rs.MeanSquaredRate(0.8, 0.1))
    case = rs.Case(network, rs.init(network, 0), np.ones((1, 2, 3)), np.array([0, 2]))
    loss = fast(case, dtype)(case.params, case.x, case.y)[0]

    def rounded_otherwise(params, x, y):
        grads = fast(case, dtype)(params, x, y)[1]
        return float(loss) * (1.0 + 2.0 * float(np.finfo(dtype).eps)), grads

    report = rs.check(rounded_otherwise, case)

    assert report.verdict == "undecided", report  # no gradient is there to compare


def test_the_first_potential_behind_a_delayed_synapse_has_an_adjoint():
    """It is zero, as without input: so is what follows from it."""
    right = []
    for delayed, x in ((True, 1.0), (False, 0.0)):
        neuron = rs.GLIF(0.9, 0.7, rs.Algebraic(2.0), synapse=rs.Synapse(0.6, delayed=delayed))
        network = rs.Network((3, 4), neuron, rs.SpikeRate(5.0), bias=False)
        x = np.full((1, 2, 3), x)
        right.append(solve_case(rs.Case(network, rs.init(network, 0), x, np.array([0, 2]))))

    assert abs(right[0].adjoints[0]).min() > 1e-3
    assert right[0].adjoints[0] == pytest.approx(right[1].adjoints[0], rel=1e-14)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ((0, 1), "summed over neurons, after the sigmoid's derivative, in all layers"),
        ((0,), "summed over neurons in layer 1"),  # which has no sigmoid
    ],
)
def test_a_sum_after_a_sigmoid_is_named_where_there_is_one(layers, says):
    plain, sigmoid = (rs.Learned(0.8, per_neuron=True, sigmoid=s) for s in (False, True))
    neurons = tuple(rs.GLIF(leak, 0.5, rs.Arctan(2.0)) for leak in (plain, sigmoid))
    network = rs.Network((3, 4, 3), neurons, rs.SpikeRate(5.0))
    rng = np.random.default_rng(0)
    w = rs.flatten(rs.init(network, rng))
    params = rs.unflatten(network, w + rng.uniform(-0.15, 0.15, w.shape))
    case = rs.Case(network, params, rng.random((5, 2, 3)), np.array([0, 2]))

    def gradient(params, x, y):
        loss, grads = rs.reference.loss_and_grad(network, params, x, y)
        return loss, tuple(
            replace(g, leak=np.full(g.leak.shape, g.leak.sum())) if i in layers else g
            for i, g in enumerate(grads)
        )

    report = rs.check(gradient, case)

    assert report.cause.says == f"with the gradient of the learned leak {says}"
    assert report.cause.others == ()


def test_learned_numbers_are_told_apart_by_their_whole_names():
    errors = {
        "grads[0].leak": np.ones(1),
        "grads[1].leak": np.full(1, 2.0),
        "grads[1].synapse_leak": np.zeros(1),
    }

    assert wrong_arrays(errors) == {0: {"leak": False}, 1: {"leak": True, "synapse_leak": False}}


@pytest.mark.parametrize("loss", [rs.MeanSquaredRate(), rs.StepCrossEntropy()])
def test_a_number_is_not_taken_for_one_made_of_the_number_of_recordings(loss):
    """Half of three is one and a half, of three recordings alone."""
    neuron = rs.GLIF(0.9, 1.0, rs.Arctan(2.0), refractory=1)
    network = rs.Network((4, 3, 3), neuron, rs.SpikeRate(3.0), loss=loss)
    rng = np.random.default_rng(0)
    case = rs.Case(network, rs.init(network, rng), 3.0 * rng.random((5, 3, 4)), np.array([0, 2, 1]))

    def mine(params, x, y):
        loss, grads = rs.fast.loss_and_grad(network, params, x, y)
        return 1.5 * loss, rs.unflatten(network, 1.5 * rs.flatten(grads))

    cause = rs.check(mine, case).cause

    assert (cause.name, cause.others) == ("loss multiplied", ())
    assert cause.says.endswith("with the loss multiplied by 1.5")
