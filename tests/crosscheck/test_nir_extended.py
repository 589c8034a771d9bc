"""NIR and networks beyond dense LIF layers: out and in again to the bit, and what has no node."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import refsast as rs
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.model.params import layer_arrays
from refsast.model.readout import MeanPotential
from refsast.testing import extended_networks, min_examples

nir = pytest.importorskip("nir")
from refsast.crosscheck.adapters.nir import EULER, EXPONENTIAL, from_nir, to_nir  # noqa: E402

A, DT = rs.Arctan(2.0), 1e-3
RULES = {"Euler": EULER, "exponential": EXPONENTIAL}


def lif(**changes: object) -> rs.GLIF:
    return rs.GLIF(**{"leak": 0.9, "threshold": 1.0, "spike": A} | changes)


def one_layer(neuron: object = None, readout: object = None, part: object = 3, **more: object):
    return rs.Network((4, part), neuron or lif(), readout or rs.SpikeRate(5.0), **more)


IMAGE = (2, 6, 5)
CONV = rs.Conv2d(4, 3, (2, 1), (1, 0), (1, 1))
NETWORKS = {
    "convolutions": rs.Network(
        ((2, 12, 12), rs.Conv2d(4, 3), (rs.AvgPool2d(2), rs.Conv2d(6, 3)), (rs.AvgPool2d(2), 10)),
        rs.LIF(0.9, 1.0, A),
        rs.SpikeRate(10.0),
    ),
    "no bias": rs.Network((IMAGE, CONV, 3), rs.LIF(0.9, 1.0, A), rs.SpikeRate(1.0), bias=False),
    "groups": rs.Network((IMAGE, rs.Conv2d(4, 3, groups=2), 3), lif(), rs.SpikeRate(1.0)),
    "groups, no bias": rs.Network(
        (IMAGE, rs.Conv2d(2, 3, dilation=2, padding=2, groups=2)), lif(), rs.SpikeRate(1.0), False
    ),
    "flat twice": rs.Network((IMAGE, (rs.Flatten(), 5), (rs.Flatten(), 3)), lif(), rs.SpikeRate(1)),
    "pooled after": rs.Network(
        (IMAGE, (CONV, rs.AvgPool2d(2, 1, 1))), lif(), rs.LinearReadout(3), bias=False
    ),
    "image, dense": rs.Network((IMAGE, 7), rs.LIF(1.0, 1.0, A), rs.LeakyReadout(3, 0.5)),
    "per neuron": one_layer(lif(leak=(0.9, 1 / 3, 0.5), threshold=(1.0, 0.7, 0.2))),
    "alike per neuron": one_layer(lif(leak=(0.9,) * 3, threshold=(1 / 3,) * 3)),
    "per pixel": rs.Network(
        ((1, 2, 3), rs.Conv2d(1, 1)), lif(leak=tuple(np.linspace(0.1, 0.9, 6))), rs.SpikeRate(1.0)
    ),
    "synapse": one_layer(lif(synapse=rs.Synapse(1 / 3, 0.7), reset=rs.Subtract())),
    "scale": one_layer(lif(synapse=rs.Synapse(0.0, 0.7), detach_reset=True)),
    "idle synapse": one_layer(lif(synapse=rs.Synapse(0.0))),
    "synapse per neuron": one_layer(lif(leak=(0.9, 0.1, 0.5), synapse=rs.Synapse(0.6))),
    "mixed": rs.Network(
        (4, 3, 3, 3),
        (rs.LIF(0.9, 1.0, A), lif(synapse=rs.Synapse(0.2)), lif(threshold=(1.0, 2.0, 3.0))),
        rs.LinearReadout(2),
    ),
    "population": rs.Network((4, 6), rs.LIF(0.9, 1.0, A), rs.SpikeRate(5.0, 2)),
    "loss of steps": one_layer(loss=rs.StepCrossEntropy()),
    "loss of rates": one_layer(loss=rs.MeanSquaredRate(0.8, 1 / 3)),
}


def assert_same(graph, network, params, rule):
    """To the bit, in records and in a run."""
    found = from_nir(graph, dt=DT, rule=rule, spike=A)

    assert found.network == replace(network, neuron=network.neurons)  # one for each layer
    assert found.synapse is None
    assert [list(layer_arrays(p)) for p in found.params] == [list(layer_arrays(p)) for p in params]
    assert rs.flatten(found.params).tobytes() == rs.flatten(params).tobytes()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_gives_every_bit_back(name, rule, tmp_path):
    network, path = NETWORKS[name], tmp_path / "net.nir"
    params = rs.init(network, 0)

    nir.write(path, to_nir(network, params, dt=DT, rule=RULES[rule]))

    assert_same(nir.read(path), network, params, RULES[rule])


def sayable(network: rs.Network) -> rs.Network:
    """The same with what NIR has in the place of what it has not."""
    parts = {"MaxPool2d": lambda p: rs.AvgPool2d(p.kernel, p.stride, p.padding)}
    chains = tuple(
        tuple(parts.get(type(p).__name__, lambda p: p)(p) for p in chain if type(p) is not rs.Skip)
        for chain in network.chains
    )

    def fix(neuron: rs.LIF | rs.GLIF) -> rs.LIF | rs.GLIF:
        if isinstance(neuron, rs.LIF):
            return replace(neuron, spike=A)
        synapse = neuron.synapse
        synapse = rs.Synapse(0.3) if isinstance(synapse, rs.Alpha) else synapse
        synapse = replace(synapse, delayed=False) if synapse is not None else None
        start = {
            name: v.start if isinstance(v := getattr(neuron, name), rs.Learned) else v
            for name in ("leak", "threshold")
        }
        off = {"adaptation": None, "refractory": 0, "synapse_leak": None, "learn_start": False}
        return replace(neuron, spike=A, synapse=synapse, **start, **off)

    readout = network.readout
    if isinstance(readout, rs.LastPotential | rs.MaxPotential):
        readout = rs.LeakyReadout(readout.n_out, readout.leak)
    if isinstance(readout, MeanPotential):
        readout = rs.SpikeRate(readout.gain)
    sizes = network.image or network.sizes[0], *chains
    return replace(
        rs.Network(sizes, tuple(map(fix, network.neurons)), readout, network.bias),
        loss=network.loss,
    )


@given(extended_networks())
@min_examples(150)
def test_the_round_trip_of_drawn_networks_loses_no_bit(drawn):
    network = sayable(drawn)
    params = rs.init(network, 0)
    try:
        graph = to_nir(network, params, dt=DT, rule=EULER)
    except NoExactConversion as error:
        says = str(error)
        kernels = [p.kernel for c in network.chains for p in c if isinstance(p, rs.Conv2d)]
        lopsided = any(kernel[0] != kernel[1] for kernel in kernels)
        assert ("time constant" in says and "got 1.0" in says) or ("kernel" in says and lopsided)
        return

    assert_same(graph, network, params, EULER)


ALWAYS = str(NoExactConversion(""))  # what every refusal ends with
LEARNED = lif(leak=rs.Learned(0.9), threshold=rs.Learned(1.0, per_neuron=True))
UNSAYABLE = {
    "learned must be nothing, got leak, threshold in layer 1; lost: that training moves it; "
    "rs.freeze_neurons(network, params) keeps the values": one_layer(LEARNED),
    "adaptation must be None, got Adaptation(leak=0.9, strength=0.3) in layer 1; lost: how spikes "
    "raise the threshold; no node of NIR has that": one_layer(
        lif(adaptation=rs.Adaptation(0.9, 0.3))
    ),
    "refractory must be 0, got 2 in layer 1; lost: the steps without a spike; no node of NIR has "
    "them": one_layer(lif(refractory=2)),
    "synapse must be Synapse or None, got Alpha(rise=0.5, decay=0.4, scale=1.0, delayed=False) in "
    "layer 1; lost: the second order of the current; NIR's CubaLIF has one of first "
    "order": one_layer(lif(synapse=rs.Alpha(0.5, 0.4))),
    "synapse must not be delayed, got delayed True; lost: the step between current and "
    "potential": one_layer(lif(synapse=rs.Synapse(0.5, delayed=True))),
    "connections must have a node in NIR, got Skip(layer=0) in layer 1; lost: what it adds; a "
    "graph that this reads is one chain": one_layer(part=(4, rs.Skip(0))),
    "connections must have a node in NIR, got MaxPool2d(kernel=(2, 2), stride=(2, 2), "
    "padding=(0, 0)) in layer 2; lost: the largest of each window; NIR has AvgPool2d": rs.Network(
        (IMAGE, rs.Conv2d(1, 1), (rs.MaxPool2d(2), 3)), lif(), rs.SpikeRate(1.0)
    ),
    "readout must average over time, got MaxPotential(n_out=2, leak=0.5); lost: which potential "
    "counts; as LeakyReadout(2, 0.5), with the same parameters, it can be written, and the one "
    "that counts be taken where it is read": one_layer(readout=rs.MaxPotential(2, 0.5)),
    "readout must average over time, got LastPotential(n_out=2, leak=0.5); lost: which potential "
    "counts; as LeakyReadout(2, 0.5), with the same parameters, it can be written, and the one "
    "that counts be taken where it is read": one_layer(readout=rs.LastPotential(2, 0.5)),
    "readout must be of spikes, got MeanPotential(gain=2.0); lost: that the last layer's "
    "potentials are read": one_layer(readout=MeanPotential(2.0)),
    "network must be feed-forward, got recurrent True; lost: recurrent weights": one_layer(
        recurrent=True
    ),
    "kernel must be one that NIR 1.0.8 reads the width of, got (3, 2) in layer 1; lost: the shape "
    "(1, 4, 4), for which its files say (1, 4, 3); a square kernel padded with zeros keeps it "
    "where strides and padding allow": rs.Network(
        (IMAGE, rs.Conv2d(1, (3, 2))), lif(), rs.SpikeRate(1.0)
    ),
    "leak must have a time constant by the rule given, got 1.0; lost: the leak": one_layer(
        lif(leak=(0.5, 1.0, 0.5))
    ),
}


@pytest.mark.parametrize("message", UNSAYABLE)
def test_what_has_no_node_is_refused_by_name_with_what_to_do(message):
    network = UNSAYABLE[message]

    with pytest.raises(NoExactConversion, match=f"^{re.escape(message + ALWAYS)}$"):
        to_nir(network, rs.init(network, 0), dt=DT, rule=EULER)


def test_two_synapses_are_one_too_many():
    network = one_layer()

    with pytest.raises(ValueError, match=r"^synapse must be None where neurons have their own"):
        to_nir(network, rs.init(network, 0), dt=DT, rule=EULER, synapse=rs.Synapse(0.5))


@pytest.mark.parametrize(
    "change",
    [
        {"leak": rs.Learned(0.9)},
        {"leak": rs.Learned((0.9, 0.5, 0.1), sigmoid=True)},
        {"threshold": rs.Learned(1.0, per_neuron=True)},
        {"synapse": rs.Synapse(0.1, 0.7), "synapse_leak": rs.Learned(0.5, sigmoid=True)},
        {"learn_start": True},
    ],
)
def test_frozen_neurons_run_as_before_and_can_be_written(change):
    network = one_layer(lif(**change), rs.LinearReadout(2))
    params, x = rs.init(network, 0), np.random.default_rng(0).normal(size=(6, 2, 4))

    frozen, kept = rs.freeze_neurons(network, params)

    assert frozen.neurons[0].learned == {}
    assert np.array_equal(rs.run(frozen, kept, x).u[0], rs.run(network, params, x).u[0])
    assert_same(to_nir(frozen, kept, dt=DT, rule=EULER), frozen, kept, EULER)


def test_where_nothing_is_learned_freezing_changes_nothing():
    network = NETWORKS["mixed"]
    params = rs.init(network, 0)

    frozen, kept = rs.freeze_neurons(network, params)

    assert frozen == replace(network, neuron=network.neurons)
    assert np.array_equal(rs.flatten(kept), rs.flatten(params))


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ({"learn_start": True}, {"start": np.array([0.0, 0.5, 0.0])}, "start must be zero to be"),
        (
            {"synapse": rs.Synapse(0.5), "synapse_leak": rs.Learned(0.5, per_neuron=True)},
            {},
            "synapse_leak must be one number to be fixed, got 3",
        ),
    ],
)
def test_what_has_no_fixed_counterpart_is_refused(change, value, message):
    network = one_layer(lif(**change))
    (layer,) = rs.init(network, 0)

    with pytest.raises(ValueError, match=f"^{message}"):
        rs.freeze_neurons(network, (replace(layer, **value),))


# What other programs write: nodes without metadata.


def fires(shape):
    one = np.ones(shape)
    return nir.LIF(tau=0.01 * one, r=10.0 * one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)


def conv(w, **changes):
    fields = {
        "stride": 1,
        "padding": 0,
        "dilation": 1,
        "groups": 1,
        "bias": np.arange(1.0 * len(w)),
    }
    return nir.Conv2d(**{"input_shape": (4, 4), "weight": w} | fields | changes)


def read(*nodes, check=True):
    first = nir.Input({"input": np.array([2, 4, 4])})
    graph = nir.NIRGraph.from_list(
        first, *nodes, nir.Output({"output": nodes[-1].output_type["output"]}), type_check=check
    )
    return from_nir(graph, dt=DT, rule=EULER, spike=A, gain=1.0)


W = np.random.default_rng(0).normal(size=(3, 2, 3, 3))
TWO = np.array([2, 2])
NONE = np.array([0, 0])


def test_groups_are_zeros_for_programs_that_do_not_know_them():
    network = NETWORKS["groups"]
    params = rs.init(network, 0)
    graph = to_nir(network, params, dt=DT, rule=EULER)
    for node in graph.nodes.values():
        node.metadata.clear()

    found = from_nir(graph, dt=DT, rule=EULER, spike=A, gain=1.0)

    assert found.network.chains[0] == (rs.Conv2d(4, 3),)
    assert found.params[0].w.shape == (4, 2, 3, 3)
    assert (found.params[0].w == 0.0).sum() == 4 * 9
    x = np.random.default_rng(0).normal(size=(5, 2, 60))
    want = rs.run(network, params, x)
    assert rs.run(found.network, found.params, x).u[1] == pytest.approx(want.u[1], rel=1e-12)


def test_weights_that_another_program_wrote_across_groups_hold():
    network = NETWORKS["groups"]
    graph = to_nir(network, rs.init(network, 0), dt=DT, rule=EULER)
    graph.nodes["conv2d"].weight[0, 1, 0, 0] = 0.5

    found = from_nir(graph, dt=DT, rule=EULER, spike=A)

    assert found.network.chains[0] == (rs.Conv2d(4, 3),)
    assert found.params[0].w[0, 1, 0, 0] == 0.5


def test_a_bias_that_another_program_wrote_holds():
    network = NETWORKS["no bias"]
    graph = to_nir(network, rs.init(network, 0), dt=DT, rule=EULER)
    graph.nodes["conv2d"].bias = np.array([0.0, 0.5, 0.0, 0.0])

    found = from_nir(graph, dt=DT, rule=EULER, spike=A)

    assert found.network.bias
    assert found.params[0].b.tolist() == [0.0, 0.5, 0.0, 0.0]
    assert found.params[1].b.tolist() == [0.0] * 3


@pytest.mark.parametrize("pooled_first", [True, False])
def test_a_sum_is_a_mean_with_larger_weights(pooled_first):
    pool = nir.SumPool2d(TWO, TWO, NONE)
    if pooled_first:
        nodes = (pool, conv(W[:, :, :2, :2], input_shape=(2, 2)), fires((3, 1, 1)))
    else:
        nodes = (conv(W), pool, fires((3, 1, 1)))
    x = np.random.default_rng(1).normal(size=(1, 1, 2, 4, 4))

    found = read(*nodes)

    a = x[0, 0]
    if pooled_first:
        sums = a.reshape(2, 2, 2, 2, 2).sum(axis=(2, 4))
        want = (W[:, :, :2, :2] * sums).sum(axis=(1, 2, 3)) + np.arange(3.0)
    else:
        maps = [
            (W * a[:, i : i + 3, j : j + 3]).sum(axis=(1, 2, 3)) + np.arange(3.0)
            for i in range(2)
            for j in range(2)
        ]
        want = np.sum(maps, axis=0)
    u = rs.run(found.network, found.params, x.reshape(1, 1, 32)).u[0][0, 0]
    assert found.synapse is None
    assert u == pytest.approx(want, rel=1e-13)


@pytest.mark.parametrize(
    ("padding", "dilation", "ours"),
    [("valid", 1, (0, 0)), ("same", 1, (1, 1)), ("same", 2, (2, 2))],
)
def test_a_padding_in_words_is_one_in_numbers(padding, dilation, ours, tmp_path):
    out = (4, 4) if padding == "same" else (2, 2)
    node = conv(W, padding=padding, dilation=dilation)
    graph = nir.NIRGraph.from_list(
        nir.Input({"input": np.array([2, 4, 4])}),
        node,
        fires((3, *out)),
        nir.Output({"output": np.array([3, *out])}),
    )
    nir.write(tmp_path / "net.nir", graph)

    found = from_nir(nir.read(tmp_path / "net.nir"), dt=DT, rule=EULER, spike=A, gain=1.0)

    assert found.network.chains[0] == (rs.Conv2d(3, 3, padding=ours, dilation=dilation),)


REFUSED = {
    r"conv2d\.padding must be alike at both sides, got 'same' with kernel \(2, 2\)": (
        conv(W[:, :, :2, :2], padding="same"),
        fires((3, 4, 4)),
    ),
    r"flatten must flatten all axes, from 0 to -1, got 1 to -1; lost: the axes that stay": (
        nir.Flatten({"input": np.array([2, 4, 4])}, 1, -1),
        nir.Linear(np.ones((2, 32))),
        fires((2,)),
    ),
    r"graph must end in spikes or one Affine or Linear of them, got .*AvgPool2d": (
        conv(W),
        fires((3, 2, 2)),
        nir.AvgPool2d(TWO, TWO, NONE),
        nir.Flatten({"input": np.array([3, 1, 1])}, 0, -1),
        nir.Linear(np.ones((2, 3))),
    ),
    r"graph must alternate maps .*, got Conv2d at 'conv2d_1'": (
        conv(W),
        conv(np.ones((1, 3, 1, 1)), input_shape=(2, 2)),
        fires((1, 2, 2)),
    ),
    r"graph must alternate maps .*, got LIF at 'lif'": (
        nir.AvgPool2d(TWO, TWO, NONE),
        fires((2, 2, 2)),
    ),
    r"avgpool2d: padding must be|padding must be at most half of kernel": (
        nir.AvgPool2d(TWO, TWO, TWO),
        conv(W, input_shape=(4, 4)),
        fires((3, 2, 2)),
    ),
    r"conv2d\.stride must be an integer, got 1\.5": (
        conv(W, stride=np.array([1.5, 1.0])),
        fires((3, 2, 2)),
    ),
    r"conv2d\.weight must have shape \(3, 2, 3, 3\), got \(3, 1, 3, 3\)": (
        conv(W[:, :1]),
        fires((3, 2, 2)),
    ),
    r"conv2d\.bias must have shape \(3,\), got \(2,\)": (
        conv(W, bias=np.ones(2)),
        fires((3, 2, 2)),
    ),
    r"kernel must fit into the image, got height": (
        conv(np.ones((1, 2, 5, 5))),
        fires((1, 1, 1)),
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_graph_that_is_no_network_gets_one_clear_line(message):
    with pytest.raises(ValueError, match=message) as caught:
        read(*REFUSED[message], check=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", ["{", '{"is": "LIF"}', '{"is": "SpikeRate", "gain": 1.0}'])
def test_a_loss_that_is_none_is_refused(said):
    graph = to_nir(one_layer(), rs.init(one_layer(), 0), dt=DT, rule=EULER)
    graph.metadata["loss"] = said

    with pytest.raises(ValueError, match=r"^metadata loss must be one that refsast has written"):
        from_nir(graph, dt=DT, rule=EULER, spike=A)
