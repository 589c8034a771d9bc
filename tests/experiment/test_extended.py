"""Records, training, scores and diagnosis of extended networks, and of plain ones as they were."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from proofs_check.assessment import assess
from proofs_check.instances import validate_instance
from proofs_check.training import Training
from refsast.certify.boxes import validate_smooth
from refsast.experiment import record
from refsast.experiment.diagnose.mixture import run_mixtures
from refsast.experiment.evaluate import potential_histogram
from refsast.model.network import describe_extension, replace_spikes
from refsast.optim.descent import constant, sgd
from refsast.testing import extended_networks, extended_problems, min_examples, networks

A = rs.Arctan(2.0)
LIF = rs.LIF(0.9, 1.0, A)
LIF_CODE = (
    '{"is": "LIF", "leak": 0.9, "threshold": 1.0, "spike": {"is": "Arctan", "slope": 2.0}, '
    '"reset": {"is": "ToZero"}, "detach_reset": false}'
)
WRITTEN = {  # by the version without extensions
    '{"is": "Network", "sizes": [4, 3], "neuron": '
    + LIF_CODE
    + ', "readout": {"is": "SpikeRate", "gain": 5.0}, "bias": true, "recurrent": false}': (
        rs.Network((4, 3), LIF, rs.SpikeRate(5.0))
    ),
    '{"is": "Network", "sizes": [4, 5, 3], "neuron": ['
    + f"{LIF_CODE}, {LIF_CODE}"
    + '], "readout": {"is": "LeakyReadout", "n_out": 2, "leak": 0.7}, '
    '"bias": false, "recurrent": true}': (
        rs.Network((4, 5, 3), (LIF, LIF), rs.LeakyReadout(2, 0.7), bias=False, recurrent=True)
    ),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_records_of_plain_networks_are_written_and_read_as_before(text):
    network = WRITTEN[text]

    assert json.dumps(record.encode(network)) == text
    assert record.decode(json.loads(text)) == network


@given(extended_networks())
@min_examples(100)
def test_a_record_gives_the_network_back(network):
    text = json.dumps(record.encode(network))

    assert record.decode(json.loads(text)) == network
    assert hash(record.decode(json.loads(text))) == hash(network)


@given(networks())
@min_examples(50)
def test_plain_networks_have_no_new_field_in_their_records(network):
    written = record.encode(network)

    assert list(written) == ["is", "sizes", "neuron", "readout", "bias", "recurrent"]
    assert "population" not in written["readout"]
    assert describe_extension(network) == ""


@pytest.mark.slow
@given(extended_problems())
@min_examples(60)
def test_scores_are_those_of_the_run(case):
    network, params, x, y = case
    scores = rs.evaluate(*case)
    smooth, hard = rs.run(network, params, x), rs.run(network, params, x, rs.heaviside)

    assert scores.loss == pytest.approx(float(rs.reference.loss(*case)), rel=1e-12, abs=1e-300)
    assert scores.smooth == pytest.approx((smooth.logits.argmax(axis=1) == y).mean())
    best = hard.logits == hard.logits.max(axis=1, keepdims=True)
    if (best.sum(axis=1) == 1).all():
        assert scores.hard == pytest.approx((hard.logits.argmax(axis=1) == y).mean())


@given(extended_problems())
@min_examples(40)
def test_mixtures_of_smooth_and_hard_layers_are_the_runs_of_such_networks(case):
    network, params, x, _ = case
    mixtures = [tuple(i == j for j in range(network.depth)) for i in range(network.depth)]
    mixtures += [(False,) * network.depth, (True,) * network.depth]

    found = run_mixtures(network, params, x, mixtures)

    for mixture in mixtures:
        neurons = tuple(
            replace(neuron, spike=rs.heaviside) if hard else neuron
            for neuron, hard in zip(network.neurons, mixture, strict=True)
        )
        want = rs.run(replace(network, neuron=neurons), params, x)
        assert np.array_equal(found[mixture].logits, want.logits)
    if network.classes > 1:
        assert rs.diagnose(*case).smooth.accuracy == rs.evaluate(*case).smooth


def test_potentials_are_counted_from_the_threshold_that_they_met():
    """A raised threshold: the second potential is as high as the first, and below."""
    neuron = rs.GLIF(0.0, 1.0, rs.heaviside, rs.NoReset(), adaptation=rs.Adaptation(1.0, 1.0))
    network = rs.Network((1, 1), neuron, rs.SpikeRate(1.0), bias=False)
    params, edges = (rs.Layer(np.array([[1.5]])),), np.array([-2.0, -1.0, 0.0, 1.0])

    shares = potential_histogram(network, params, np.ones((2, 1, 1)), edges)

    assert shares.tolist() == [[0.0, 0.5, 0.5]]


@given(extended_problems())
@min_examples(60)
def test_where_spikes_are_hard_already_nothing_flips(case):
    network, params, x, y = case
    hard = replace_spikes(network, lambda _: rs.heaviside)
    if network.classes < 2:
        return

    found = rs.diagnose(hard, params, x, y)

    assert found.logit_shift == 0.0
    for layer in found.layers:
        assert not layer.flips.any()
        assert not layer.own_flips.any()
        assert not layer.below


def test_a_refractory_time_is_no_flip_and_its_potentials_are_not_below():
    """Far above threshold at each step: the hard neuron fires in steps 1, 3, 5, as called for."""
    neuron = rs.GLIF(0.0, 1.0, A, rs.NoReset(), refractory=1)
    network = rs.Network((1, 2), neuron, rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.array([[50.0], [40.0]])),)

    (layer,) = rs.diagnose(network, params, np.ones((5, 1, 1)), np.array([0])).layers

    assert layer.flips.tolist() == [0.0] * 5
    assert layer.rate_hard == 0.6
    assert layer.below == 0.0


def test_flips_are_of_what_a_refractory_time_leaves():
    """The hard neuron fires in steps 3 and 5; smooth potentials call for step 4, so not for 5."""
    neuron = rs.GLIF(1.0, 1.0, A, rs.Subtract(), refractory=1)
    network = rs.Network((1, 2), neuron, rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.ones((2, 1))),)
    x = np.array([0.9, 0.05, 0.1, 1.5, 1.5]).reshape(5, 1, 1)
    smooth, hard = rs.run(network, params, x), rs.run(network, params, x, rs.heaviside)

    (layer,) = rs.diagnose(network, params, x, np.array([0])).layers

    assert (smooth.u[0][:, 0, 0] >= 1.0).tolist() == [False, False, False, True, True]
    assert hard.s[0][:, 0, 0].tolist() == [0.0, 0.0, 1.0, 0.0, 1.0]
    assert layer.flips.tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]


def learned_network() -> rs.Network:
    neuron = rs.GLIF(
        rs.Learned(1.0, per_neuron=True),
        rs.Learned(0.02),
        A,
        synapse=rs.Synapse(0.5),
        synapse_leak=rs.Learned(0.5, sigmoid=True),
    )
    sizes = ((1, 3, 3), rs.Conv2d(2, 2), (rs.MaxPool2d(2, 1), 4))
    return rs.Network(sizes, (neuron, LIF), rs.MaxPotential(3, 0.9))


def train(network: rs.Network, params: rs.Params, epochs: int = 2, **more: object) -> rs.Run:
    rng = np.random.default_rng(0)
    data = (rng.random((4, 6, 9)) < 0.5).astype(np.uint8), np.arange(6) % 3
    method = sgd(learning_rate=2.0, momentum=0.0, weight_decay=0.0)
    config = rs.Config(epochs, 3, 0.1, 0.0, method, constant)
    return rs.train(network, params, data, config, rng=np.random.default_rng(1), **more)


def test_training_moves_what_is_learned_and_keeps_it_in_its_range():
    network = learned_network()
    start = rs.init(network, 0)

    end = train(network, start).params[0]

    assert end.synapse_leak != start[0].synapse_leak
    assert end.threshold != start[0].threshold
    assert (end.leak <= 1.0).all()
    assert (end.leak == 1.0).any()  # where the gradient leads out, in every step
    assert (end.leak < 1.0).any()


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path):
    network = learned_network()
    params, path = rs.init(network, 0), tmp_path / "checkpoint.npz"
    whole = train(network, params, epochs=3)

    class StopError(Exception):
        """In place of an interruption."""

    def interrupt(epoch: object, params: rs.Params) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(network, params, epochs=3, checkpoint=path, observe=interrupt)
    resumed = train(network, params, epochs=3, checkpoint=path)

    assert rs.flatten(resumed.params).tobytes() == rs.flatten(whole.params).tobytes()


EXTENSIONS = {
    "connections": rs.Network(((1, 2, 2), rs.Conv2d(3, 2)), LIF, rs.SpikeRate(1.0)),
    "image": rs.Network(((1, 2, 2), 3), LIF, rs.SpikeRate(1.0)),
    "neuron": rs.Network((4, 3), rs.GLIF(0.9, 1.0, A), rs.SpikeRate(1.0)),
    "population": rs.Network((4, 4), LIF, rs.SpikeRate(1.0, 2)),
    "last": rs.Network((4, 3), LIF, rs.LastPotential(2, 0.5)),
    "largest": rs.Network((4, 3), LIF, rs.MaxPotential(2, 0.5)),
    "steps": rs.Network((4, 3), LIF, rs.SpikeRate(1.0), loss=rs.StepCrossEntropy()),
    "rates": rs.Network((4, 3), LIF, rs.SpikeRate(1.0), loss=rs.MeanSquaredRate()),
}
extensions = pytest.mark.parametrize("name", EXTENSIONS)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 2, 4)), np.array([0, 1])


@extensions
@pytest.mark.parametrize(
    ("what", "ask"),
    [
        ("rounding", lambda n, p, x, y: rs.rounding(n, p, x, y)),
        ("project", lambda n, p, x, y: rs.model.project(n, p, w=1.0)),
        ("the certificate", lambda n, p, x, y: validate_smooth(n, p, x)),
    ],
)
def test_what_is_known_of_plain_networks_alone_is_refused_for_others(name, what, ask, data):
    network = EXTENSIONS[name]
    reason = re.escape(describe_extension(network))

    with pytest.raises(ValueError, match=rf"^{what} must be asked of .*, got {reason}$"):
        ask(network, rs.init(network, 0), *data)


@extensions
def test_every_theorem_is_silent_and_says_why(name, data):
    network = EXTENSIONS[name]
    training = Training(rho=0.05, learning_rate=1e-6, independent=True)
    rng = np.random.default_rng(0)

    findings = assess(network, rs.init(network, 0), *data, training=training, rng=rng)

    assert findings
    for finding in findings:
        assert finding.state == "silent", finding
        assert any(describe_extension(network) in why for why in finding.result.unmet), finding


@extensions
def test_a_claim_is_not_asked_of_what_it_does_not_cover(name, data):
    from proofs_check.instances import LabelledBatch

    network = EXTENSIONS[name]
    with pytest.raises(ValueError, match=r"^a claim must be asked of dense LIF layers"):
        validate_instance(LabelledBatch(network, rs.init(network, 0), *data))
