"""Networks of other libraries, read from their modules and files, and diagnosed."""

import numpy as np
import pytest

import refsast as rs
from tests.crosscheck.test_adapters import adapter
from tests.crosscheck.test_module_reader import snntorch_net
from tests.experiment.test_diagnose import assert_same
from tests.test_pages import run

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow
SPIKE = rs.Logistic(4.0)


def batch(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return 3.0 * rng.random((10, n, 6)), rng.integers(0, 3, n)


def mean_spikes(net, x: np.ndarray) -> np.ndarray:
    """What the user's own module answers: its mean spike, in double precision."""
    with torch.no_grad():
        spikes = net.double()(torch.tensor(x))[0]
    return spikes.mean(dim=0).numpy()


def test_a_network_of_snntorch_is_diagnosed_as_itself():
    """Smooth and hard answers are those of the module with smooth and with hard spikes."""
    library, (x, y) = adapter("snntorch"), batch()
    smooth = adapter("torch").smooth_spike(SPIKE)
    net = snntorch_net(spike_grad=smooth, reset_mechanism="zero")
    case = library.case_of(net, x, y, spike=SPIKE, gain=20.0)
    found = rs.diagnose(case.network, case.params, x, y)
    hard = snntorch_net(spike_grad=lambda v: (v >= 0.0).to(v.dtype), reset_mechanism="zero")
    hard.load_state_dict(net.state_dict())

    assert (case.hard, case.synapse) == (False, None)
    for own, outcome in ((net, found.smooth), (hard, found.hard)):
        logits = 20.0 * mean_spikes(own, x)
        assert outcome.accuracy == (logits.argmax(axis=1) == y).mean()
        others = np.where(np.eye(3, dtype=bool)[y], -np.inf, logits).max(axis=1)
        margins = logits[np.arange(len(y)), y] - others
        # beta = 0.9 is kept in single precision by both.
        np.testing.assert_allclose(outcome.mean_margin, margins.mean(), rtol=1e-6)
    assert found.smooth.mean_margin != found.hard.mean_margin


def test_a_nir_file_is_diagnosed_as_the_network_that_was_written(tmp_path):
    nir = pytest.importorskip("nir")
    library = adapter("nir")
    network = rs.Network((6, 8, 3), rs.LIF(0.9, 1.0, SPIKE), rs.LeakyReadout(3, 0.8))
    params = rs.init(network, 1)
    graph = library.to_nir(network, params, dt=1e-4, rule=library.EULER)
    nir.write(tmp_path / "net.nir", graph)

    read = library.from_nir(
        nir.read(tmp_path / "net.nir"), dt=1e-4, rule=library.EULER, spike=SPIKE
    )

    assert read.synapse is None
    assert_same(
        rs.diagnose(read.network, read.params, *batch()), rs.diagnose(network, params, *batch())
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_examples_of_the_page_run(capsys, monkeypatch, tmp_path):
    pytest.importorskip("snntorch")
    pytest.importorskip("nir")
    monkeypatch.chdir(tmp_path)
    run("docs/diagnose.md")

    assert capsys.readouterr().out.count("With smooth spikes") == 3
