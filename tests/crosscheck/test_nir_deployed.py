"""A network in integers as a NIR graph: the real network it stands for, the rest in words."""

import numpy as np
import pytest

import refsast as rs

nir = pytest.importorskip("nir")
from refsast.crosscheck.adapters.nir import EULER, from_nir, to_nir, write_nir  # noqa: E402

DT = 1e-3
NEURONS = (
    rs.LIF(0.9, 1.0, rs.Arctan(2.0)),
    rs.LIF(0.5, 0.7, rs.Arctan(2.0), rs.Subtract(leaked=True)),
)
READOUTS = {"counted": rs.SpikeRate(5.0), "affine": rs.LinearReadout(3)}


@pytest.mark.parametrize("readout", READOUTS)
def test_a_graph_in_a_file_is_the_network_again_and_says_the_rest(readout, tmp_path):
    network = rs.Network((6, 5, 4), NEURONS, READOUTS[readout])
    rng = np.random.default_rng(0)
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    made = rs.deploy.to_integers(network, params, rs.deploy.Formats(rs.deploy.WeightFormat(4)))
    real, weights = rs.deploy.dequantise(made)
    notes = rs.deploy.describe_integers(made)

    write_nir(to_nir(real, weights, dt=DT, rule=EULER, notes=notes), tmp_path / "network.nir")
    graph = nir.read(tmp_path / "network.nir")
    again = from_nir(graph, dt=DT, rule=EULER, spike=rs.Arctan(2.0))

    assert again.network == real
    for a, b in zip(again.params, weights, strict=True):
        assert np.array_equal(a.w, b.w)
        assert np.array_equal(a.b, b.b)
    assert {name: str(graph.metadata[name]) for name in notes} == notes
    assert [path.name for path in tmp_path.iterdir()] == ["network.nir"]
    x = rng.integers(0, 2, (12, 7, 6))
    ours, theirs = (
        rs.run(n, p, x, rs.heaviside) for n, p in ((real, weights), (again.network, again.params))
    )
    assert all(np.array_equal(a, b) for a, b in zip(ours.s, theirs.s, strict=True))


def test_notes_do_not_overwrite_what_the_graph_says_of_itself():
    network = rs.Network((2, 3), NEURONS[0], rs.SpikeRate(5.0))
    graph = to_nir(
        network, rs.init(network, 0), dt=DT, rule=EULER, notes={"gain": "7", "chip": "a"}
    )

    assert graph.metadata["gain"] == 5.0
    assert graph.metadata["chip"] == "a"


def test_recurrent_weights_have_no_node():
    network = rs.Network((2, 3), NEURONS[0], rs.SpikeRate(5.0), recurrent=True)
    made = rs.deploy.to_integers(network, rs.init(network, 0))
    with pytest.raises(ValueError, match="lost: recurrent weights"):
        to_nir(*rs.deploy.dequantise(made), dt=DT, rule=EULER)
