"""What is learned lies in its range: refused where it does not, kept there in SAM's ascent."""

import re

import numpy as np
import pytest

import refsast as rs
from refsast.gradient.fast import sam as fast_sam

A = rs.Arctan(2.0)
X, Y = np.random.default_rng(0).normal(size=(5, 3, 4)), np.array([0, 2, 1])
HALF = rs.GLIF(
    rs.Learned(0.5, per_neuron=True),
    rs.Learned(1.0),
    A,
    synapse=rs.Synapse(0.5),
    synapse_leak=rs.Learned(0.5),
    learn_start=True,
)
NETWORK = rs.Network((4, 3), HALF, rs.SpikeRate(5.0))
CALLS = {
    "run": lambda params: rs.run(NETWORK, params, X),
    "reference": lambda params: rs.reference.loss_and_grad(NETWORK, params, X, Y),
    "reference.loss": lambda params: rs.reference.loss(NETWORK, params, X, Y),
    "reference.input_grad": lambda params: rs.reference.input_grad(NETWORK, params, X, Y),
    "hvp": lambda params: rs.reference.hvp(NETWORK, params, X, Y, rs.init(NETWORK, 0)),
    "bptt": lambda params: rs.bptt.loss_and_grad(NETWORK, params, X, Y),
    "fast": lambda params: rs.fast.loss_and_grad(NETWORK, params, X, Y),
    "fast.input_grad": lambda params: rs.fast.input_grad(NETWORK, params, X, Y),
    "straight_through": lambda params: rs.straight_through(NETWORK, params, X, Y),
    "sam_gradient": lambda params: rs.fast.sam_gradient(NETWORK, params, (X, Y), rho=0.1),
    "evaluate": lambda params: rs.evaluate(NETWORK, params, X, Y),
    "diagnose": lambda params: rs.diagnose(NETWORK, params, X, Y),
}
WRONG = {
    "leak": ([0.5, 1.25, 0.5], "must lie in [0, 1], got 1.25"),
    "synapse_leak": (-0.5, "must lie in [0, 1], got -0.5"),
    "threshold": (0.0, "must be positive and finite, got 0.0"),
}


def change(**values: object) -> rs.Params:
    """Parameters with other numbers in the place of what is learned."""
    (layer,) = rs.init(NETWORK, 0)
    arrays = {name: np.asarray(value) for name, value in values.items()}
    return (rs.Layer(**vars(layer) | arrays),)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", WRONG)
def test_what_lies_out_of_its_range_is_refused_in_one_line(call, name):
    value, says = WRONG[name]

    with pytest.raises(ValueError, match=f"^{re.escape(f'params[0].{name} {says}')}$"):
        CALLS[call](change(**{name: value}))


@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_number_is_refused(call):
    with pytest.raises(ValueError, match=r"^params\[0\]\.leak must be finite, got nan at \(1,\)$"):
        CALLS[call](change(leak=[0.5, np.nan, 0.5]))


@pytest.mark.parametrize("call", CALLS)
def test_the_ends_of_the_range_belong_to_it_and_a_start_has_none(call):
    CALLS[call](change(leak=[0.0, 1.0, 1.0], synapse_leak=1.0, start=[-9.0, 0.0, 9.0]))


def test_a_parameter_of_a_sigmoid_may_be_any_number():
    neuron = rs.GLIF(rs.Learned(0.5, sigmoid=True), 1.0, A)
    network = rs.Network((4, 3), neuron, rs.SpikeRate(5.0))
    (layer,) = rs.init(network, 0)

    rs.run(network, (rs.Layer(layer.w, layer.b, leak=np.array(7.0)),), X)


def test_a_direction_has_no_range():
    direction = change(leak=[-3.0, 0.0, 3.0], threshold=-1.0, synapse_leak=-2.0)
    less = rs.unflatten(NETWORK, -rs.flatten(direction))
    params = rs.init(NETWORK, 0)

    there, back = (rs.reference.hvp(NETWORK, params, X, Y, d)[0] for d in (direction, less))

    assert there.w == pytest.approx(-back.w, rel=1e-12)


EDGE = rs.GLIF(
    rs.Learned(1.0, per_neuron=True),
    rs.Learned(0.01),
    A,
    rs.Subtract(),
    synapse=rs.Synapse(0.5),
    synapse_leak=rs.Learned(0.0),
)
CHAIN = ((1, 2, 2), rs.Conv2d(3, 2))
AT_THE_EDGE = {
    "dense": rs.Network((4, 5, 3), EDGE, rs.SpikeRate(5.0)),
    "convolution": rs.Network(CHAIN, EDGE, rs.SpikeRate(5.0)),
}


def ascent_point(network: rs.Network, w: np.ndarray, rho: float) -> np.ndarray:
    grads = rs.reference.loss_and_grad(network, rs.unflatten(network, w), X, Y)[1]
    return rs.sam.ascent_point(w, rs.flatten(grads), rho=rho)


@pytest.mark.parametrize("sharing", [True, False])
@pytest.mark.parametrize("name", AT_THE_EDGE)
def test_the_ascent_point_is_kept_in_range(name, sharing, monkeypatch):
    monkeypatch.setattr(fast_sam, "sharing_is_cheaper", lambda x, y, n: sharing)
    network, rho = AT_THE_EDGE[name], 0.5
    params = rs.init(network, 0)
    free = ascent_point(network, rs.flatten(params), rho)
    kept = rs.keep_in_range(network, free)
    outside = rs.unflatten(network, free)[0]

    assert (outside.leak > 1.0).any()  # or the test would say nothing
    assert outside.threshold < 0.0 or outside.synapse_leak < 0.0
    _, grads = rs.fast.sam_gradient(network, params, (X, Y), rho=rho)
    _, want = rs.reference.loss_and_grad(network, rs.unflatten(network, kept), X, Y)
    assert rs.flatten(grads) == pytest.approx(rs.flatten(want), rel=1e-10, abs=1e-15)


@pytest.mark.parametrize(
    "ascent", [rs.sam.steepest_ascent, rs.sam.adaptive_ascent, rs.sam.random_ascent]
)
def test_training_stays_in_range_with_every_gradient_and_ascent(ascent):
    network = AT_THE_EDGE["convolution"]
    method = rs.descent.sgd(learning_rate=0.5, momentum=0.0, weight_decay=0.0)
    config = rs.Config(3, 2, 0.5, 0.0, method, rs.descent.constant, ascent=ascent)
    data = X.astype(np.float64), Y

    def train(loss_and_grad):
        rng, start = np.random.default_rng(0), rs.init(network, 0)
        run = rs.train(network, start, data, config, rng=rng, loss_and_grad=loss_and_grad)
        return rs.flatten(run.params)

    assert train(rs.fast.loss_and_grad) == pytest.approx(
        train(rs.reference.loss_and_grad), rel=1e-9
    )


def test_the_remainder_of_sam_is_not_asked_beyond_the_range():
    network = AT_THE_EDGE["convolution"]
    params = rs.init(network, 0)

    with pytest.raises(ValueError, match=r"^ascent_point\[0\]\.\w+ must "):
        rs.sharpness.sam_remainder(network, params, X, Y, rho=0.5)


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (np.zeros(3), "w must have shape (20,), got (3,)"),
        (np.full(20, np.nan), "w must be finite, got nan at (0,)"),
    ],
)
def test_what_is_no_vector_of_the_network_is_refused(w, message):
    network = AT_THE_EDGE["convolution"]
    assert network.n_params == 20

    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rs.keep_in_range(network, w)
