"""Diagnoses of networks whose answers are known, and what holds for every network."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.arrays import Array
from refsast.experiment.diagnose.mixture import list_mixtures, run_mixtures
from refsast.experiment.diagnose.record import (
    Diagnosis,
    Swap,
    decode_diagnosis,
    encode_diagnosis,
)
from refsast.testing import min_examples, problems

SPIKE = rs.Arctan(2.0)
NEURON = rs.LIF(0.0, 1.0, SPIKE)
ONE_LAYER = rs.Network((2, 2), NEURON, rs.SpikeRate(1.0), bias=False)


def one_hot_inputs(labels: Array) -> Array:
    return np.eye(2)[labels][None]


def identity(scale: float) -> rs.Params:
    return (rs.Layer(scale * np.eye(2)),)


def flat(thing: object) -> list:
    """All numbers of a record of records."""
    if isinstance(thing, tuple):
        return [number for item in thing for number in flat(item)]
    if hasattr(thing, "__dataclass_fields__"):
        return [number for f in fields(thing) for number in flat(getattr(thing, f.name))]
    return np.ravel(thing).tolist()


def assert_same(one: Diagnosis, other: Diagnosis, tolerance: float = 0.0) -> None:
    for a, b in zip(flat(one), flat(other), strict=True):
        assert a == b or abs(a - b) <= tolerance * max(abs(a), abs(b)), (a, b)


def planted(n: int = 40) -> tuple[rs.Network, rs.Params, Array, Array]:
    """Three layers; spikes are steep, but for the second layer's, whose neurons stay at 0.9.

    A third-layer neuron fires if its second-layer neuron is at 0.9 and smooth (spike 0.40, against
    0.10 at rest); with hard spikes in the second layer it never does.
    """
    steep = replace(NEURON, spike=rs.Arctan(1e6))
    network = rs.Network((2, 2, 2, 2), (steep, NEURON, steep), rs.SpikeRate(1.0))
    zero = np.zeros(2)
    params = (
        rs.Layer(2.0 * np.eye(2), zero),
        rs.Layer(0.9 * np.eye(2), zero),
        rs.Layer(10.0 * np.eye(2), zero - 1.5),
    )
    y = np.arange(n) % 2
    return network, params, one_hot_inputs(y), y


def test_an_output_below_threshold_is_silent():
    """A potential of 0.95 never fires hard: both logits are zero and label 0 is answered."""
    y = np.array([0, 1, 1, 1])

    found = rs.diagnose(ONE_LAYER, identity(0.95), one_hot_inputs(y), y)

    assert (found.smooth.accuracy, found.hard.accuracy, found.gap) == (1.0, 0.25, 0.75)
    assert (found.hard.shared, found.hard.tied, found.smooth.tied) == (0.5, 1.0, 0.0)
    assert (found.silent.recordings, found.silent.lost, found.silent.won) == (4, 3, 0)
    assert (found.silent_label, found.share(found.silent)) == (0, 1.0)
    assert found.gap_part(found.silent) == found.gap
    assert found.tied.recordings == 0  # silent recordings are counted as silent only
    layer = found.layers[0]
    assert layer.below == 1.0
    assert (layer.rate_hard, layer.flips.tolist()) == (0.0, [0.0])
    assert (layer.near_smooth, layer.near_hard) == (0.5, 0.5)  # of potentials 0.95 and 0
    assert layer.rate_smooth == pytest.approx(SPIKE(np.array([-0.05, -1.0])).mean(), rel=1e-14)


def test_a_potential_above_threshold_is_read_by_both():
    y = np.array([0, 1, 1, 0])

    found = rs.diagnose(ONE_LAYER, identity(1.5), one_hot_inputs(y), np.array([0, 1, 0, 0]))

    assert (found.smooth.accuracy, found.hard.accuracy) == (0.75, 0.75)
    assert (found.silent.recordings, found.hard.tied) == (0, 0.0)
    assert found.hard.margins[[0, 24, 25, 26, 100]].tolist() == [-1.0, -1.0, -1.0, 1.0, 1.0]
    at_rest, above = SPIKE(np.array([-1.0, 0.5]))
    assert found.layers[0].below == pytest.approx(at_rest / (at_rest + above), rel=1e-14)
    # The margin grows by what the spikes lack, and shrinks where the answer is wrong.
    assert found.margin_shift == pytest.approx(0.5 * (1.0 - (above - at_rest)), rel=1e-13)


def test_fires_and_ties():
    """Both outputs fire for the last recording, which is no silence; the first label counts."""
    x, y = np.array([[[1.0, 0.0], [1.2, 1.0]]]), np.array([0, 1])

    found = rs.diagnose(ONE_LAYER, identity(1.5), x, y)

    assert (found.tied.recordings, found.silent.recordings) == (1, 0)
    assert (found.hard.accuracy, found.hard.shared, found.hard.tied) == (0.5, 0.75, 0.5)
    assert (found.tied.lost, found.tied.won) == (0, 0)


def test_a_gap_that_was_planted_in_the_second_layer_is_found_there():
    found = rs.diagnose(*planted())

    assert found.gap == 0.5
    assert [layer.only.cost for layer in found.layers] == [0.0, 0.5, 0.0]
    assert [layer.first.cost for layer in found.layers] == [0.0, 0.5, 0.0]
    assert [layer.last.cost for layer in found.layers] == [0.0, 0.5, 0.0]
    assert [layer.all_but for layer in found.layers] == [0.5, 1.0, 0.5]
    assert [layer.below > 0.9 for layer in found.layers] == [False, True, False]
    assert found.layers[2].flips.tolist() == [0.5]  # one of two neurons no longer fires
    assert [layer.own_flips.tolist() for layer in found.layers] == [[0.0], [0.0], [0.0]]
    assert found.layers[1].logit_shift == pytest.approx(0.5, abs=1e-5)
    assert abs(found.layers[0].logit_shift) < 1e-5


def test_a_flip_by_the_reset():
    """A smooth spike takes a part of 0.95 away, no hard spike does: only so is 1 reached."""
    network = rs.Network((1, 2), rs.LIF(0.9, 1.0, SPIKE), rs.SpikeRate(1.0), bias=False)
    x = np.array([0.95, 0.3])[:, None, None]
    left = 0.9 * 0.95 * (1.0 - SPIKE(np.array(-0.05)))
    assert left + 0.3 < 1.0 < 0.9 * 0.95 + 0.3

    found = rs.diagnose(network, (rs.Layer(np.array([[1.0], [0.0]])),), x, np.array([0]))

    assert found.layers[0].flips.tolist() == [0.0, 0.5]  # step 2, one of the two neurons
    assert found.layers[0].own_flips.tolist() == [0.0, 0.5]


def test_what_is_near_threshold():
    """Second-layer potentials: 0.95 and 0.85 where its input is a smooth 1/2; hard, twice that."""
    half = rs.LIF(0.0, 1.0, SPIKE)
    network = rs.Network((1, 1, 2), half, rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.array([[1.0]])), rs.Layer(np.array([[1.9], [1.7]])))

    found = rs.diagnose(network, params, np.ones((1, 4, 1)), np.array([0, 1, 0, 1])).layers[1]

    assert (found.near_smooth, found.near_hard) == (0.5, 0.0)
    assert (found.flips.tolist(), found.own_flips.tolist()) == ([1.0], [0.0])


def test_a_silent_output_is_given_the_label_of_the_largest_bias():
    y = np.array([0, 1, 2])
    for readout in (rs.LinearReadout(3), rs.LeakyReadout(3, 0.5)):
        network = rs.Network((3, 2), NEURON, readout)
        params = (
            rs.Layer(np.zeros((2, 3)), np.zeros(2)),
            rs.Layer(np.ones((3, 2)), np.array([0.1, 0.3, 0.2])),
        )
        found = rs.diagnose(network, params, np.eye(3)[y][None], y)

        assert (found.silent_label, found.silent.recordings) == (1, 3)
        assert found.hard.tied == 0.0


def test_spikes_that_are_zero_come_from_nowhere():
    neuron = rs.LIF(0.0, 1.0, rs.PiecewiseQuadratic(2.0))
    network = rs.Network((2, 2), neuron, rs.SpikeRate(1.0), bias=False)

    assert (
        rs.diagnose(network, identity(0.0), np.ones((2, 3, 2)), np.zeros(3, int)).layers[0].below
        is None
    )


@min_examples(40)
@given(problems().filter(lambda case: case.network.classes > 1))
def test_every_part_fits_the_whole(case):
    found, scores = rs.diagnose(*case), rs.evaluate(*case)
    layers, n = found.layers, found.recordings

    assert (found.smooth.accuracy, found.hard.accuracy) == (scores.smooth, scores.hard)
    assert (found.hard.shared, found.hard.tied) == (scores.hard_shared, scores.tied)
    assert found.share(found.silent) == pytest.approx(scores.silent, abs=1e-15)
    assert found.gap == pytest.approx(found.swap.cost, abs=1e-15)
    assert sum(layer.first.lost - layer.first.won for layer in layers) == (
        found.swap.lost - found.swap.won
    )
    assert layers[0].only == layers[0].first
    assert layers[-1].first == layers[-1].last
    assert layers[-1].first.accuracy == found.hard.accuracy
    # Sums and means of at most `n` margins, of which none is larger than this.
    size = max(abs(found.smooth.margins).max(), abs(found.hard.margins).max())
    shift = sum(layer.margin_shift for layer in layers)
    middle = max(abs(layer.margin_shift) for layer in layers)
    assert abs(shift - found.margin_shift) <= 1e-15 * (n + len(layers)) * (size + middle)
    assert found.logit_shift <= sum(layer.logit_shift for layer in layers) * (1.0 + 1e-12)
    assert (layers[0].flips == layers[0].own_flips).all()
    assert all(layer.own_flips[0] == 0.0 for layer in layers)
    assert all(0.0 <= share <= 1.0 for layer in layers for share in layer.flips)


@min_examples(30)
@given(problems())
def test_a_mixture_is_the_network_with_these_spikes(case):
    network, params, x, _ = case
    mixtures = list_mixtures(len(network.neurons))

    for mixture, trace in run_mixtures(network, params, x, mixtures).items():
        neurons = tuple(
            replace(neuron, spike=rs.heaviside) if hard else neuron
            for neuron, hard in zip(network.neurons, mixture, strict=True)
        )
        expected = rs.run(replace(network, neuron=neurons), params, x)
        assert (trace.logits == expected.logits).all()
        for ours, theirs in zip((*trace.u, *trace.s), (*expected.u, *expected.s), strict=True):
            assert (ours == theirs).all()


def generic(dtype: type = np.float64) -> tuple[rs.Network, rs.Params, Array, Array]:
    """Two recurrent layers and eleven recordings."""
    rng = np.random.default_rng(0)
    network = rs.Network((5, 4, 6), NEURON, rs.LeakyReadout(3, 0.7), recurrent=True)
    w = 2.0 * rs.flatten(rs.init(network, rng))
    x = (rng.random((4, 11, 5)) < 0.4).astype(np.uint8)
    return network, rs.unflatten(network, w.astype(dtype)), x, rng.integers(0, 3, 11)


@pytest.mark.parametrize("chunk", [1, 3, 10, 11, 100])
def test_chunks_do_not_change_the_answer(chunk):
    assert_same(rs.diagnose(*generic(), chunk=chunk), rs.diagnose(*generic()), tolerance=1e-13)


def test_spikes_and_single_precision():
    network, params, x, y = generic(np.float32)
    found = rs.diagnose(network, params, rs.as_spikes(x), y)

    assert_same(found, rs.diagnose(network, params, x, y))
    assert found.hard.accuracy == rs.evaluate(network, params, x, y).hard
    assert sum(layer.margin_shift for layer in found.layers) == pytest.approx(
        found.margin_shift, rel=1e-13
    )


def test_what_is_read_back_has_the_same_bits():
    found = rs.diagnose(*generic())

    assert_same(decode_diagnosis(encode_diagnosis(found)), found)


@pytest.mark.parametrize("code", [None, [], {"is": "Swap"}, {"is": "Diagnosis"}, {"is": "Other"}])
def test_a_record_of_another_kind_is_refused(code):
    with pytest.raises(ValueError, match="diagnosis must be"):
        decode_diagnosis(code)


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_sign_test_is_exact(lost, won):
    from scipy.stats import binomtest

    swap = Swap(0.5, 100, lost, won)
    expected = binomtest(lost, lost + won).pvalue if lost + won else 1.0

    assert swap.chance == pytest.approx(expected, rel=1e-12)
    changes = np.repeat([1.0, -1.0, 0.0], [lost, won, 100 - lost - won])
    assert swap.cost == pytest.approx(changes.mean(), abs=1e-15)
    assert swap.error == pytest.approx(changes.std() / 10.0, rel=1e-12)


def test_a_few_recordings_establish_nothing():
    assert not Swap(0.0, 5, 5, 0).is_established  # 2 in 32
    assert Swap(0.0, 6, 6, 0).is_established  # 2 in 64


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": np.zeros((1, 2, 3))}, "x must have shape"),
        ({"x": np.full((1, 2, 2), np.nan)}, "x must be finite"),
        ({"y": np.array([0, 2])}, "y must lie in"),
        ({"y": np.array([0])}, "y must have shape"),
        ({"params": identity(np.nan)}, "must be finite"),
        ({"params": (rs.Layer(np.eye(2) * 1j),)}, "params must be real"),
        ({"params": identity(1.0) * 2}, "params must have 1 layers"),
        ({"network": "net"}, "network must be a Network"),
        ({"chunk": 0}, "chunk must be a positive integer"),
        ({"chunk": True}, "chunk must be a positive integer"),
    ],
)
def test_bad_input_is_refused(change, says):
    x = np.zeros((1, 2, 2))
    given = {"network": ONE_LAYER, "params": identity(1.0), "x": x, "y": np.array([0, 1])}

    with pytest.raises(ValueError, match=says):
        rs.diagnose(**given | change)


def test_one_class_alone_is_refused():
    network = rs.Network((2, 1), NEURON, rs.SpikeRate(1.0), bias=False)

    with pytest.raises(ValueError, match="two or more classes, got 1"):
        rs.diagnose(network, (rs.Layer(np.ones((1, 2))),), np.zeros((1, 3, 2)), np.zeros(3, int))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_logits_beyond_single_precision_are_refused():
    network = rs.Network((2, 2), NEURON, rs.LinearReadout(2), bias=False)
    huge = np.full((2, 2), 3e38, np.float32)
    params = (rs.Layer(np.eye(2, dtype=np.float32)), rs.Layer(huge * [[1], [-1]]))
    params = tuple(rs.Layer(layer.w.astype(np.float32)) for layer in params)

    with pytest.raises(ValueError, match="logits must be finite"):
        rs.diagnose(network, params, np.full((1, 2, 2), 9.0), np.array([0, 1]))
