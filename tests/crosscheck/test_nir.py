"""NIR: out and in again, through a file; what would be lost; what is malformed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.case import Case
from refsast.crosscheck.variants import solve
from refsast.model.params import layer_arrays
from refsast.model.synapse import Synapse
from refsast.testing import RESETS, fractions, min_examples, networks, parameters

nir = pytest.importorskip("nir")
from refsast.crosscheck.adapters import nir as adapter  # noqa: E402

EULER, EXPONENTIAL, from_nir, to_nir = (
    adapter.EULER,
    adapter.EXPONENTIAL,
    adapter.from_nir,
    adapter.to_nir,
)

DT = 1e-4
READOUTS = (rs.SpikeRate(3.0), rs.LinearReadout(4), rs.LeakyReadout(4, 0.7))
SPIKE = rs.Arctan(2.0)
SYNAPSES = st.none() | st.builds(
    Synapse, st.sampled_from((0.0, 0.5)) | st.floats(0.01, 0.99), fractions(0.1, 2.0, 1.0)
)


def small(reset=rs.ToZero(), leak=0.9, readout=None, sizes=(3, 2), **more):  # noqa: B008
    """A network of one neuron model, and its parameters."""
    neuron = rs.LIF(leak, 0.7, SPIKE, reset)
    network = rs.Network(sizes, neuron, readout or rs.SpikeRate(3.0), **more)
    return network, rs.init(network, np.random.default_rng(1))


def write_and_read(graph, path):
    nir.write(path, graph)
    return nir.read(path)


def assert_same(found, network, params, synapse):
    """To the bit; spikes are those that were asked for."""
    spike = found.network.neurons[0].spike
    wanted = tuple(replace(neuron, spike=spike) for neuron in network.neurons)
    assert found.network == replace(network, neuron=wanted)
    assert found.synapse == synapse
    for old, new in zip(params, found.params, strict=True):
        assert list(layer_arrays(old)) == list(layer_arrays(new))
        for name, array in layer_arrays(old).items():
            assert (array == getattr(new, name)).all()


@given(
    st.data(), SYNAPSES, st.sampled_from([EULER, EXPONENTIAL]), st.sampled_from([1e-4, 1e-3, 1.0])
)
@min_examples(150)
def test_the_round_trip_loses_no_bit(data, synapse, rule, dt):
    network = data.draw(networks())
    params = data.draw(parameters(replace(network, recurrent=False)))
    network = replace(network, recurrent=False)
    edges = [n.leak for n in network.neurons] + [getattr(network.readout, "leak", 0.5)]
    remembers = synapse is not None and synapse.leak > 0.0
    if (rule is EXPONENTIAL and 0.0 in edges) or (remembers and 1.0 in edges[:-1]):
        with pytest.raises(NoExactConversion, match="must have a time constant"):
            to_nir(network, params, dt=dt, rule=rule, synapse=synapse)
        return

    graph = to_nir(network, params, dt=dt, rule=rule, synapse=synapse)
    spike = network.neurons[0].spike

    assert_same(from_nir(graph, dt=dt, rule=rule, spike=spike), network, params, synapse)


@pytest.mark.parametrize("rule", [EULER, EXPONENTIAL])
@pytest.mark.parametrize("synapse", [None, Synapse(0.3, 0.8), Synapse(0.0, 0.25)])
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("reset", RESETS, ids=str)
def test_a_file_keeps_the_reset_and_all_else(tmp_path, reset, readout, synapse, rule):
    network, params = small(reset, readout=readout, sizes=(3, 2, 5))
    network = replace(network, neuron=(replace(network.neuron, leak=1 / 3, detach_reset=True),) * 2)
    graph = to_nir(network, params, dt=DT, rule=rule, synapse=synapse)

    found = from_nir(write_and_read(graph, tmp_path / "net.nir"), dt=DT, rule=rule, spike=SPIKE)

    assert_same(found, network, params, synapse)


def test_an_integrator_has_no_time_constant_but_a_scale():
    network, params = small(leak=1.0)
    graph = to_nir(network, params, dt=DT, rule=EULER, synapse=Synapse(0.0, 0.25))
    strip_metadata(graph)

    found = from_nir(graph, dt=DT, rule=EULER, spike=SPIKE, gain=3.0)

    assert isinstance(graph.nodes["if"], nir.IF)
    assert found.network.neurons[0].leak == 1.0
    assert found.synapse == Synapse(0.0, 0.25)


@given(st.floats(1e-6, 1.0 - 1e-6), st.sampled_from([EULER, EXPONENTIAL]))
def test_without_metadata_a_leak_comes_back_to_rounding(leak, rule):
    network, params = small(leak=leak)
    graph = to_nir(network, params, dt=DT, rule=rule)
    strip_metadata(graph)

    found = from_nir(graph, dt=DT, rule=rule, spike=SPIKE, gain=2.0)

    assert abs(found.network.neurons[0].leak - leak) <= 4.0 * np.finfo(float).eps
    assert found.network.readout == rs.SpikeRate(2.0)
    assert found.synapse is None


def strip_metadata(graph):
    """A graph as another program would have written it."""
    graph.metadata.clear()
    for node in graph.nodes.values():
        node.metadata.clear()


def test_without_metadata_a_reset_is_to_zero():
    network, params = small(rs.Subtract())
    graph = to_nir(network, params, dt=DT, rule=EULER)
    strip_metadata(graph)

    with pytest.raises(ValueError, match="gain must be given"):
        from_nir(graph, dt=DT, rule=EULER, spike=SPIKE)
    found = from_nir(graph, dt=DT, rule=EULER, spike=SPIKE, gain=1.0)

    assert found.network.neurons[0].reset == rs.ToZero()


def test_a_field_that_another_program_changed_holds():
    network, params = small(leak=0.9)
    graph = to_nir(network, params, dt=DT, rule=EULER)
    graph.nodes["lif"].tau = graph.nodes["lif"].tau * 2.0
    graph.nodes["lif"].r = graph.nodes["lif"].r * 3.0

    found = from_nir(graph, dt=DT, rule=EULER, spike=SPIKE)

    assert found.network.neurons[0].leak == pytest.approx(0.95, rel=1e-15)
    assert found.synapse is not None
    assert found.synapse.leak == 0.0
    assert found.synapse.scale == pytest.approx(1.5, rel=1e-14)


@pytest.mark.parametrize("synapse", [None, Synapse(0.3, 0.8)])
@pytest.mark.parametrize("rule", [EULER, EXPONENTIAL])
def test_a_step_of_the_graph_is_one_of_the_network(rule, synapse):
    """NIR's equations, solved with the rule given, by hand, from the graph's fields alone."""
    network, params = small(leak=0.8, sizes=(3, 2))
    graph = to_nir(network, params, dt=DT, rule=rule, synapse=synapse)
    lif, w = next(n for k, n in graph.nodes.items() if "lif" in k), graph.nodes["affine"]
    x = np.random.default_rng(2).uniform(0.0, 2.0, (8, 3))

    def leak(tau):
        return 1.0 - DT / tau if rule is EULER else np.exp(-DT / tau)

    v, i, spikes = np.zeros(2), np.zeros(2), []
    for step in x:
        i_in = w.weight @ step + w.bias
        if synapse is not None:
            i = leak(lif.tau_syn) * i + (1.0 - leak(lif.tau_syn)) * lif.w_in * i_in
        tau = lif.tau if synapse is None else lif.tau_mem
        v = leak(tau) * v + (1.0 - leak(tau)) * lif.r * (i_in if synapse is None else i)
        spikes.append(SPIKE(v - lif.v_threshold))
        v = (1.0 - spikes[-1]) * v + spikes[-1] * lif.v_reset

    case = Case(network, params, x[:, None], np.zeros(1, int), synapse)
    assert np.abs(solve(case).s[0][:, 0] - np.array(spikes)).max() <= 1e-13


@pytest.mark.parametrize(("leak", "node"), [(0.3, "LI"), (1.0, "I")])
def test_the_mean_over_time_of_the_outputs_is_the_logits(leak, node):
    network, params = small(readout=rs.LeakyReadout(4, leak))
    graph = to_nir(network, params, dt=DT, rule=EULER)
    last, w = graph.nodes[node.lower()], graph.nodes["affine_1"]
    x = np.random.default_rng(2).uniform(0.0, 2.0, (8, 1, 3))
    trace = rs.run(network, params, x)

    v, outputs = np.zeros(4), []
    for s in trace.s[-1][:, 0]:
        if node == "LI":
            v = v + DT / last.tau * (last.v_leak - v + last.r * (w.weight @ s + w.bias))
        else:
            v = v + DT * last.r * (w.weight @ s + w.bias)
        outputs.append(v)

    assert np.abs(np.mean(outputs, axis=0) - trace.logits[0]).max() <= 1e-13
    assert from_nir(graph, dt=DT, rule=EULER, spike=SPIKE).network.readout == network.readout


LOST = {
    "recurrent weights": (small(recurrent=True), EULER, None),
    "the step between current": (small(), EULER, Synapse(0.5, delayed=True)),
    r"leak must have .* got 0\.0; lost: the leak": (small(leak=0.0), EXPONENTIAL, None),
    r"leak must have .* got 1\.0; lost: the leak": (small(leak=1.0), EULER, Synapse(0.5)),
    r"synapse\.leak must have": (small(), EULER, Synapse(1.0)),
    r"readout\.leak must have": (small(readout=rs.LeakyReadout(2, 0.0)), EXPONENTIAL, None),
}


@pytest.mark.parametrize("message", LOST)
def test_what_would_be_lost_on_the_way_out_is_said(message):
    (network, params), rule, synapse = LOST[message]

    with pytest.raises(NoExactConversion, match=message):
        to_nir(network, params, dt=DT, rule=rule, synapse=synapse)


def make_graph(**fields):
    """A graph of one layer whose neurons have these fields."""
    lif = {"tau": 1e-3, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | fields
    arrays = {k: v if isinstance(v, dict) else np.zeros(2) + v for k, v in lif.items()}
    node = nir.LIF(**{k: arrays[k] for k in arrays})
    return nir.NIRGraph.from_list(nir.Linear(weight=np.ones((2, 3))), node)


def test_potentials_are_counted_from_the_leak_potential():
    graph = make_graph(v_leak=-65.0, v_reset=-65.0, v_threshold=-50.0)

    found = from_nir(graph, dt=DT, rule=EULER, spike=SPIKE, gain=1.0)

    assert found.network.neurons[0].threshold == 15.0


TWO = np.array([1.0, 2.0])
REFUSED = {
    "v_reset must equal v_leak, 0.0, got -1.0; lost: where a reset lands": {"v_reset": -1.0},
    r"how often an input of lif counts, by r, must be one .*; lost: .* rows of the weights": {
        "tau": 1e-3 * TWO
    },
    "v_leak must be 0 where a threshold is subtracted": {
        "v_leak": -1.0,
        "v_reset": -1.0,
        "metadata": {"reset": "subtract"},
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_would_be_lost_on_the_way_in_is_said(message):
    with pytest.raises(NoExactConversion, match=message):
        from_nir(make_graph(**REFUSED[message]), dt=DT, rule=EULER, spike=SPIKE, gain=1.0)


def test_synapses_that_differ_come_in_with_their_neurons():
    network, params = small(sizes=(3, 2, 2))
    graph = to_nir(network, params, dt=DT, rule=EULER)
    graph.nodes["lif"].r = graph.nodes["lif"].r * 2.0

    found = from_nir(graph, dt=DT, rule=EULER, spike=SPIKE)

    (first, second), synapse = found.network.neurons, found.synapse
    assert synapse is None
    assert first == rs.GLIF(0.9, 0.7, SPIKE, synapse=Synapse(0.0, 2.0))
    assert second == network.neuron


def test_numbers_per_neuron_come_in_as_they_are():
    fields = {"tau": 1e-3 * TWO, "r": 10.0 * TWO, "v_threshold": TWO}

    found = from_nir(make_graph(**fields), dt=DT, rule=EULER, spike=SPIKE, gain=1.0)

    assert found.network.neurons == (rs.GLIF((0.9, 0.95), (1.0, 2.0), SPIKE),)
    assert found.synapse is None


def test_a_readout_that_scales_is_refused():
    network, params = small(readout=rs.LeakyReadout(2, 0.5))
    for field, message in (("r", r"li\.r must make an input"), ("v_leak", r"li\.v_leak must be 0")):
        graph = to_nir(network, params, dt=DT, rule=EULER)
        setattr(graph.nodes["li"], field, getattr(graph.nodes["li"], field) * 2.0 + 1.0)
        with pytest.raises(NoExactConversion, match=message):
            from_nir(graph, dt=DT, rule=EULER, spike=SPIKE)


def test_what_another_library_wrote_in_single_precision_is_not_scaled():
    single = {k: np.float32(v) for k, v in {"tau": 1e-3, "r": 10.0, "v_threshold": 0.7}.items()}
    graph = make_graph()
    for field, value in single.items():
        setattr(graph.nodes["lif"], field, np.full(2, value, np.float32))

    found = from_nir(graph, dt=DT, rule=EULER, spike=SPIKE, gain=1.0)

    assert found.synapse is None
    assert found.network.neurons[0].threshold == float(np.float32(0.7))


def graph_nodes(**more):
    lif = make_graph().nodes["lif"]
    return {
        "in": nir.Input({"input": np.array([2])}),
        "w": nir.Linear(np.ones((2, 2))),
        "lif": lif,
        "out": nir.Output({"output": np.array([2])}),
        **more,
    }


CHAIN = [("in", "w"), ("w", "lif"), ("lif", "out")]
LOOP = nir.Linear(np.ones((2, 2)))
MALFORMED = {
    r"with 1 edges from 'lif', got 2": (graph_nodes(v=LOOP), [*CHAIN, ("lif", "v"), ("v", "lif")]),
    r"edges must join two nodes of the graph, got \('lif', 'gone'\)": (
        graph_nodes(),
        [*CHAIN[:2], ("lif", "gone")],
    ),
    r"got nodes beside it: \['p', 'q'\]": (
        graph_nodes(p=LOOP, q=LOOP),
        [*CHAIN, ("p", "q"), ("q", "p")],
    ),
    "with 1 edges from 'lif', got 0": (graph_nodes(), CHAIN[:2]),
    "must have one Input node, got 2": (graph_nodes(b=nir.Input({"input": np.array([2])})), CHAIN),
    "must have one Output node, got 0": (
        {k: v for k, v in graph_nodes().items() if k != "out"},
        CHAIN[:2],
    ),
    r"w\.weight must have shape \(n_out, 2\), got \(2, 3\)": (
        graph_nodes(w=nir.Linear(np.ones((2, 3)))),
        CHAIN,
    ),
    r"lif\.tau must have shape \(3,\), got \(2,\)": (
        graph_nodes(w=nir.Linear(np.ones((3, 2)))),
        CHAIN,
    ),
    r"w\.weight must be finite, got nan": (
        graph_nodes(w=nir.Linear(np.full((2, 2), np.nan))),
        CHAIN,
    ),
    "got Threshold at 'w'": (graph_nodes(w=nir.Threshold(np.ones(2))), CHAIN),
    "got LIF at 'lif'": (graph_nodes(), [("in", "lif"), ("lif", "w"), ("w", "out")]),
    "got Linear at 'v'": (
        graph_nodes(v=LOOP),
        [("in", "w"), ("w", "v"), ("v", "lif"), ("lif", "out")],
    ),
    "graph must have a layer that fires": (
        {k: v for k, v in graph_nodes().items() if k != "lif"},
        [("in", "w"), ("w", "out")],
    ),
    "'in' must have one axis": (
        graph_nodes(**{"in": nir.Input({"input": np.array([2, 2])})}),
        CHAIN,
    ),
    r"metadata reset must be one of .*, got 'half'": (
        graph_nodes(lif=make_graph(metadata={"reset": "half"}).nodes["lif"]),
        CHAIN,
    ),
    r"tau must have a leak in \[0, 1\] by the rule given": (
        graph_nodes(lif=make_graph(tau=1e-5).nodes["lif"]),
        CHAIN,
    ),
    "tau must have a leak .* got tau -1": (
        graph_nodes(lif=make_graph(tau=-1.0).nodes["lif"]),
        CHAIN,
    ),
}


@pytest.mark.parametrize("message", MALFORMED)
def test_a_malformed_graph_gets_one_clear_line(message):
    nodes, edges = MALFORMED[message]
    graph = nir.NIRGraph(nodes, edges, type_check=False)

    with pytest.raises(ValueError, match=message) as caught:
        from_nir(graph, dt=DT, rule=EULER, spike=SPIKE, gain=1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dt", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_has_a_duration(dt):
    network, params = small()
    with pytest.raises(ValueError, match="dt must be positive and finite"):
        to_nir(network, params, dt=dt, rule=EULER)
    with pytest.raises(ValueError, match="dt must be positive and finite"):
        from_nir(make_graph(), dt=dt, rule=EULER, spike=SPIKE)


def test_what_is_no_graph_is_said():
    with pytest.raises(ValueError, match="graph must be a NIRGraph, got str"):
        from_nir("net.nir", dt=DT, rule=EULER, spike=SPIKE)


def test_a_map_without_bias_among_others_gets_a_zero_one():
    graph = nir.NIRGraph.from_list(
        nir.Linear(weight=np.ones((2, 3))),
        make_graph().nodes["lif"],
        nir.Affine(weight=np.ones((4, 2)), bias=np.ones(4)),
    )

    found = from_nir(graph, dt=DT, rule=EULER, spike=SPIKE)

    assert found.network.bias
    assert (found.params[0].b == 0.0).all()
    assert found.network.readout == rs.LinearReadout(4)
