"""All gradients of networks with every connection, neuron, readout and loss."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

import refsast as rs
from refsast.testing import ANALYTIC, TOLERANCE, Problem, extended_problems, min_examples
from tests.gradient.extended import (
    bptt_gap,
    complex_step_gap,
    fast_gap,
    hessian_gap,
    input_gap,
    sam_gap,
    single_gap,
    straight_through_gap,
    tape,
)
from tests.gradient.tally import features

NEURON = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
IMAGE = (1, 2, 2)


@pytest.mark.slow
@given(extended_problems(detach=False))
@min_examples(150)
def test_the_tape_gives_the_gradient_of_the_loss(case):
    assert complex_step_gap(case) <= TOLERANCE
    assert tape(case)[0] == rs.reference.loss(*case)


@pytest.mark.slow
@given(extended_problems())
@min_examples(150)
def test_all_gradients_are_one(case):
    assert bptt_gap(case) <= TOLERANCE
    assert fast_gap(case) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [1, 3])
@given(case=extended_problems())
@min_examples(50)
def test_chunks_of_time_give_the_gradient_of_the_whole(case, checkpoint):
    assert fast_gap(case, checkpoint=checkpoint) <= TOLERANCE
    assert input_gap(case, checkpoint=checkpoint) <= TOLERANCE


@pytest.mark.slow
@given(extended_problems())
@min_examples(50)
def test_the_straight_through_estimate_is_that_of_the_tape(case):
    assert straight_through_gap(case) <= TOLERANCE
    assert straight_through_gap(case, checkpoint=2) <= TOLERANCE


@pytest.mark.slow
@given(extended_problems())
@min_examples(50)
def test_both_passes_of_sam_are_those_of_two_gradients(case):
    assert sam_gap(case) <= TOLERANCE


@pytest.mark.slow
@given(extended_problems())
@min_examples(50)
def test_single_precision_gives_the_gradient_to_single_precision(case):
    assert single_gap(case) <= 1e-5


@pytest.mark.slow
@given(extended_problems(families=ANALYTIC, detach=False))
@min_examples(50)
def test_the_product_with_the_hessian_is_a_derivative_of_the_gradient(case):
    assert hessian_gap(case) <= 1e-10


@pytest.mark.slow
def test_what_is_drawn_has_every_feature():
    """Otherwise the tests above would pass by drawing nothing of it."""
    seen: set[str] = set()

    @given(extended_problems())
    @settings(max_examples=600)  # as many as all of them together, whatever the profile
    def draw(case):
        seen.update(features(case))

    draw()

    wanted = {"Conv2d", "AvgPool2d", "MaxPool2d", "Flatten", "Skip", "Dense", "GLIF", "LIF"}
    wanted |= {"Conv2d.padding", "Conv2d.dilation", "Conv2d.groups", "Conv2d.stride"}
    wanted |= {f"{pool}, windows overlap" for pool in ("AvgPool2d", "MaxPool2d")}
    wanted |= {f"{pool}.padding" for pool in ("AvgPool2d", "MaxPool2d")}
    wanted |= {"Synapse", "Synapse, delayed", "Alpha", "adaptation", "refractory", "learn_start"}
    for name in ("leak", "synapse_leak"):
        wanted |= {f"{name} learned{how}" for how in ("", " per neuron", " by a sigmoid")}
    wanted |= {"threshold learned", "threshold learned per neuron"}
    wanted |= {"leak per neuron", "threshold per neuron", "detach_reset", "recurrent=True"}
    wanted |= {"SpikeRate", "LinearReadout", "LeakyReadout", "LastPotential", "MaxPotential"}
    wanted |= {"CrossEntropy", "StepCrossEntropy", "MeanSquaredRate", "population > 1"}
    assert wanted - seen == set()


def problem(network: rs.Network, seed: int = 0, time: int = 5) -> Problem:
    """A generic problem of a network."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(time, 3, network.sizes[0])), rng.integers(network.classes, size=3)
    return Problem(network, rs.unflatten(network, rng.normal(size=network.n_params)), x, y)


def test_a_neuron_without_more_to_it_is_the_plain_one_bit_by_bit():
    case = problem(rs.Network((4, 5, 3), NEURON, rs.LinearReadout(2), recurrent=True))
    same = replace(case.network, neuron=rs.GLIF(0.9, 1.0, rs.Arctan(2.0)))

    a, b = (rs.reference.loss_and_grad(n, *list(case)[1:]) for n in (case.network, same))

    assert a[0] == b[0]
    assert np.array_equal(rs.flatten(a[1]), rs.flatten(b[1]))


def test_a_dense_map_of_an_image_is_the_plain_one():
    case = problem(rs.Network((4, 5, 3), NEURON, rs.LinearReadout(2)))
    same = rs.Network((IMAGE, (rs.Flatten(), rs.Dense(5)), 3), NEURON, rs.LinearReadout(2))

    assert rs.flatten(rs.bptt.loss_and_grad(same, *list(case)[1:])[1]) == pytest.approx(
        rs.flatten(rs.bptt.loss_and_grad(*case)[1]), rel=1e-12
    )


def test_spikes_as_places_of_ones_serve_a_convolution_too():
    network = rs.Network((IMAGE, rs.Conv2d(2, 2), 3), NEURON, rs.SpikeRate(2.0))
    case = problem(network)
    case = replace(case, x=(case.x > 0.0).astype(float))
    spikes = rs.as_spikes(case.x.astype(np.uint8))

    for module in (rs.reference, rs.bptt, rs.fast):
        loss, grads = module.loss_and_grad(network, case.params, spikes, case.y)
        want, truth = module.loss_and_grad(*case)
        assert loss == want
        assert np.array_equal(rs.flatten(grads), rs.flatten(truth))


GLIF = rs.GLIF(rs.Learned(0.9), rs.Learned(1.0), rs.Arctan(2.0), learn_start=True)
FAULTS = {
    "params[0].threshold": ("threshold", np.array(np.inf)),
    "params[0].leak": ("leak", np.array(np.nan)),
    "params[0].start": ("start", np.array([np.inf, 0.0, 0.0])),
    "params[0].w": ("w", np.full((3, 4), np.inf)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_parameters_that_are_not_finite_are_named(name):
    """An infinite threshold gives a finite loss: no spike comes."""
    case = problem(rs.Network((4, 3), GLIF, rs.SpikeRate(2.0)))
    part, value = FAULTS[name]
    params = (replace(case.params[0], **{part: value}),)

    for module in (rs.reference, rs.bptt, rs.fast):
        with pytest.raises(ValueError, match=rf"^{name.replace('[', '.').replace(']', '.')} must"):
            module.loss_and_grad(case.network, params, case.x, case.y)


@pytest.mark.parametrize("sizes", [(4, 3), (IMAGE, rs.Conv2d(3, 2))])
@pytest.mark.parametrize("neuron", [NEURON, rs.GLIF(0.9, 1.0, rs.Arctan(2.0))])
def test_input_that_is_not_finite_is_named(sizes, neuron):
    case = problem(rs.Network(sizes, neuron, rs.SpikeRate(2.0)))
    case.x[1, 2, 3] = np.inf

    for gradient in (rs.fast.loss_and_grad, rs.fast.input_grad, rs.fast.straight_through):
        with pytest.raises(ValueError, match=r"^x must be finite, got inf at \(1, 2, 3\)$"):
            gradient(*case)
