"""What a setting's words and numbers make of a network, and what it refuses."""

import re
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.codec import encode
from refsast.experiment.calibrate import scale_threshold
from refsast.experiment.compare import compare
from refsast.experiment.outcome import format_value
from refsast.experiment.setting_parts import LEARNED, LOSSES, READOUTS, describe_layer, parse_layer

QUICK = rs.PRESETS["quick"]
CONV = (rs.Conv2d(4, 5), rs.AvgPool2d(2), rs.Conv2d(6, 5), rs.MaxPool2d(2))


def make(**changes: object) -> rs.Network:
    setting = replace(QUICK, **changes)
    return setting.network(max(12, setting.least_inputs))


def test_pools_belong_to_the_layer_that_follows():
    network = make(hidden=CONV)

    assert network.image == (2, 34, 34)
    assert network.chains == (
        (rs.Conv2d(4, 5),),
        (rs.AvgPool2d(2), rs.Conv2d(6, 5)),
        (rs.MaxPool2d(2), rs.Dense(10)),
    )
    assert make(hidden=(rs.Conv2d(4, 5), 7)).chains[1:] == ((rs.Dense(7),), (rs.Dense(10),))


def test_without_more_it_is_a_network_of_lif_neurons_as_before():
    network = make()

    assert network.connections is None
    assert network.neuron == rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    assert network.loss == rs.CrossEntropy()


NEURONS = {
    "leak": rs.GLIF(rs.Learned(0.9), 1.0, rs.Arctan(2.0)),
    "leaks": rs.GLIF(rs.Learned(0.9, per_neuron=True), 1.0, rs.Arctan(2.0)),
    "leak-sigmoid": rs.GLIF(rs.Learned(0.9, sigmoid=True), 1.0, rs.Arctan(2.0)),
    "threshold": rs.GLIF(0.9, rs.Learned(1.0), rs.Arctan(2.0)),
    "thresholds": rs.GLIF(0.9, rs.Learned(1.0, per_neuron=True), rs.Arctan(2.0)),
    "leak-threshold": rs.GLIF(rs.Learned(0.9), rs.Learned(1.0), rs.Arctan(2.0)),
}


@pytest.mark.parametrize("learn", NEURONS)
def test_what_is_learned(learn):
    assert make(learn=learn).neuron == NEURONS[learn]


def test_every_word_has_a_test():
    assert set(NEURONS) | {"nothing", "synapse-leak"} == set(LEARNED)
    assert set(READOUTS) == {"rate", *POTENTIALS}


def test_the_other_parts_of_a_neuron():
    neuron = make(
        synapse=0.5, learn="synapse-leak", adaptation=0.25, adaptation_leak=0.75, refractory=2
    ).neuron

    assert neuron == rs.GLIF(
        0.9,
        1.0,
        rs.Arctan(2.0),
        synapse=rs.Synapse(0.5),
        synapse_leak=rs.Learned(0.5),
        adaptation=rs.Adaptation(0.75, 0.25),
        refractory=2,
    )
    assert make(synapse=0.0).neuron == rs.GLIF(0.9, 1.0, rs.Arctan(2.0), synapse=rs.Synapse(0.0))


POTENTIALS = {
    "linear": rs.LinearReadout(10),
    "mean-potential": rs.LeakyReadout(10, 0.75),
    "last-potential": rs.LastPotential(10, 0.75),
    "max-potential": rs.MaxPotential(10, 0.75),
}


@pytest.mark.parametrize("readout", POTENTIALS)
def test_a_readout_with_weights_reads_the_last_hidden_layer(readout):
    network = make(readout=readout, readout_leak=0.75)

    assert network.sizes == (12, 32)
    assert network.readout == POTENTIALS[readout]


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss):
    assert make(loss=loss).loss == LOSSES[loss]


def test_what_is_learned_is_not_scaled():
    setting = replace(QUICK, scale=0.5, learn="leak-threshold")
    network = setting.network(12)
    (layer, _), (plain, _) = (
        setting.start(network, np.random.default_rng(0)),
        rs.init(network, np.random.default_rng(0)),
    )

    assert (layer.leak, layer.threshold) == (np.float32(0.9), 1.0)
    assert np.array_equal(layer.w, (0.5 * plain.w).astype(np.float32))
    assert layer.b.dtype == layer.leak.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learn": "all"}, "learn must be one of ['nothing', 'leak', 'leaks', "),
        ({"readout": "max"}, "readout must be one of ['rate', 'linear', "),
        ({"loss": "mse"}, "loss must be one of ['cross-entropy', "),
        ({"learn": "synapse-leak"}, "learn must come with a synapse, got synapse-leak without"),
        ({"synapse": 1.5}, "leak must lie in [0, 1], got 1.5"),
        ({"adaptation": -1.0}, "strength must be finite and not negative, got -1.0"),
        ({"readout": "max-potential", "readout_leak": 2.0}, "leak must lie in [0, 1], got 2.0"),
        (
            {"readout": "linear", "loss": "squared-rate"},
            "readout must be SpikeRate for MeanSquaredRate, got LinearReadout(n_out=10)",
        ),
        (
            {"readout": "linear", "hidden": CONV},
            "hidden must end in a layer with weights for this readout, got [MaxPool2d(",
        ),
        (
            {"hidden": (rs.Conv2d(4, 35),)},
            "layer 1: kernel must fit into the image, got height 1 * (35 - 1) + 1 = 35 over 34",
        ),
        (
            {"hidden": CONV, "cap_w": 1.0},
            "cap_w and cap_v must be asked of dense LIF layers with a usual loss, got the conn",
        ),
        ({"refractory": 0.5}, "refractory must be an integer of at least 0, got 0.5"),
    ],
)
def test_what_makes_no_network_is_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        replace(QUICK, **changes)
    assert "\n" not in str(caught.value)


def test_convolutions_need_an_image():
    message = "hidden must be widths for recordings of 12 channels, got convolutions or pools"

    with pytest.raises(ValueError, match=f"^{message}$"):
        replace(QUICK, hidden=CONV).network(12)


def test_thresholds_of_any_kind_are_multiplied_or_refused():
    several = rs.GLIF(0.9, (1.0, 2.0), rs.Arctan(2.0))
    network = rs.Network((3, 2), several, rs.SpikeRate(1.0))
    learned = replace(network, neuron=NEURONS["threshold"])

    assert scale_threshold(network, 0.5).neuron[0].threshold == (0.5, 1.0)
    with pytest.raises(ValueError, match=r"^threshold must be fixed to be multiplied, got Learned"):
        scale_threshold(learned, 0.5)


def test_learned_thresholds_are_retuned_as_numbers():
    data = rs.synthetic_digits(20, np.random.default_rng(0), steps=3)
    small = replace(QUICK, hidden=(8,), steps=3, epochs=1, batch=10, learn="thresholds")

    (result,) = compare({"one": small}, data, data, seeds=[0])

    assert 0.0 <= result.retuned <= 1.0
    assert result.run.params[0].threshold.shape == (8,)


@pytest.mark.parametrize("text", ["12c5", "3c3s2", "3c3p1", "3c3s2p1", "2a", "3m"])
def test_a_layer_is_described_as_it_is_written(text):
    assert describe_layer(encode(parse_layer(text))) == text


@pytest.mark.parametrize(
    "part",
    [rs.Conv2d(4, (3, 2)), rs.Conv2d(4, 3, dilation=2), rs.AvgPool2d(2, 1), rs.ToZero()],
)
def test_what_has_no_short_name_gets_none(part):
    assert describe_layer(encode(part)) == ""
    assert format_value(encode(part)).startswith(type(part).__name__)
