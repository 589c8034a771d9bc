"""Each library's convention, held against a run of the library itself, states and spikes.

Numbers are such that single precision holds them exactly: some libraries keep theirs in it.
"""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.adapters import libraries
from refsast.crosscheck.adapters.convention import Convention, States, simulate
from refsast.testing import TOLERANCE

torch = pytest.importorskip("torch")

TIME, BATCH, WIDTH = 25, 4, 3
SPIKE = rs.Logistic(4.0)
RESETS = ("subtract", "zero", "none")


def smooth(v):
    return torch.sigmoid(4.0 * v)


def hard_strict(v):
    return (v > 0.0).to(v.dtype)


def drive_layer(low: float = -0.5, high: float = 2.5):
    """Input of one layer, and the layer that hands it through."""
    x = np.random.default_rng(5).uniform(low, high, (TIME, BATCH, WIDTH))
    return x, (rs.Layer(w=np.eye(WIDTH)),)


def recurrent():
    rng = np.random.default_rng(6)
    x = rng.uniform(-0.5, 2.0, (TIME, BATCH, WIDTH))
    return x, (rs.Layer(w=np.eye(WIDTH), v=rng.normal(0.0, 0.7, (WIDTH, WIDTH))),)


def stack_states(rows):
    """Lists of tensors, one row per step, as arrays."""
    return tuple(torch.stack(column).detach().numpy() for column in zip(*rows, strict=True))


def assert_same(found: States, s, u, i=None):
    """Spikes, potentials and currents agree, and something happened."""
    scale = np.abs(u).max()
    assert 0.04 < found.s[0].mean() < 0.96
    assert np.abs(found.s[0] - s).max() <= TOLERANCE
    assert np.abs(found.u[0] - u).max() <= TOLERANCE * scale
    assert i is None or np.abs(found.i[0] - i).max() <= TOLERANCE * np.abs(i).max()


@pytest.fixture
def snntorch():
    return pytest.importorskip("snntorch")


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("mechanism", RESETS)
@pytest.mark.parametrize(("spike", "theirs"), [(SPIKE, smooth), (None, hard_strict)])
def test_snntorch_leaky(snntorch, mechanism, delay, spike, theirs):
    settings = {"threshold": 0.75, "reset_mechanism": mechanism, "reset_delay": delay}
    cell = snntorch.Leaky(beta=0.875, spike_grad=theirs, **settings).double()
    x, params = drive_layer()
    mem, rows = cell.reset_mem(), []
    for step in torch.tensor(x):
        s, mem = cell(step, mem)
        rows.append((s, mem))

    found = simulate(libraries.snntorch_leaky(0.875, **settings), params, x, spike)

    assert_same(found, *stack_states(rows))


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("mechanism", RESETS)
@pytest.mark.parametrize(("spike", "theirs"), [(SPIKE, smooth), (None, hard_strict)])
def test_snntorch_synaptic(snntorch, mechanism, delay, spike, theirs):
    settings = {"threshold": 2.5, "reset_mechanism": mechanism, "reset_delay": delay}
    cell = snntorch.Synaptic(alpha=0.25, beta=0.75, spike_grad=theirs, **settings).double()
    x, params = drive_layer()
    (syn, mem), rows = cell.reset_mem(), []
    for step in torch.tensor(x):
        s, syn, mem = cell(step, syn, mem)
        rows.append((s, mem, syn))

    found = simulate(libraries.snntorch_synaptic(0.25, 0.75, **settings), params, x, spike)

    assert_same(found, *stack_states(rows))


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("mechanism", RESETS)
def test_snntorch_rleaky(snntorch, mechanism, delay):
    settings = {"threshold": 2.0, "reset_mechanism": mechanism, "reset_delay": delay}
    cell = snntorch.RLeaky(beta=0.75, linear_features=WIDTH, spike_grad=smooth, **settings).double()
    x, params = recurrent()
    with torch.no_grad():
        cell.recurrent.weight.copy_(torch.tensor(params[0].v))
        cell.recurrent.bias.zero_()
    (s, mem), rows = cell.reset_mem(), []
    for step in torch.tensor(x):
        s, mem = cell(step, s, mem)
        rows.append((s, mem))

    found = simulate(libraries.snntorch_rleaky(0.75, **settings), params, x, SPIKE)

    assert_same(found, *stack_states(rows))


@pytest.mark.parametrize("v_reset", [None, 0.0, -0.4])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("spike", [SPIKE, None])
def test_spikingjelly_lif(spike, decay_input, v_reset):
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    settings = {"tau": 3.0, "decay_input": decay_input, "v_threshold": 0.6, "v_reset": v_reset}
    cell = neuron.LIFNode(
        surrogate_function=surrogate.Sigmoid(alpha=4.0, spiking=spike is None), **settings
    )
    x, params = drive_layer()
    rows = [(cell(step), cell.v) for step in torch.tensor(x)]

    found = simulate(libraries.spikingjelly_lif(**settings), params, x, spike)

    assert_same(found, *stack_states(rows))


NORSE_SETTINGS = [
    {},
    {"v_leak": 0.3, "v_reset": 0.3},
    {"v_leak": 0.1, "v_reset": -0.5, "v_th": 0.7},
    {"tau_mem_inv": 300.0, "v_leak": -65.0, "v_th": -64.4, "v_reset": -65.2},
]


def doubles(settings):
    return {k: torch.tensor(v, dtype=torch.float64) for k, v in settings.items()}


@pytest.fixture
def norse():
    return pytest.importorskip("norse.torch")


@pytest.mark.parametrize("settings", NORSE_SETTINGS)
def test_norse_lif_cell(norse, settings):
    full = {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_th": 1.0} | settings
    parameters = norse.LIFParameters(method="heaviside", **doubles({"v_leak": 0.0, **full}))
    cell = norse.LIFCell(parameters)
    x, params = drive_layer()
    state, rows = None, []
    for step in torch.tensor(x):
        s, state = cell(step, state)
        rows.append((s, state.v, state.i))

    found = simulate(libraries.norse_lif(**full), params, x)

    assert_same(found, *stack_states(rows))


def test_norse_recurrent_cell(norse):
    """The cell of LIFRecurrent, whose self-connections are not masked here."""
    full = {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_th": 1.0}
    x, params = recurrent()
    cell = norse.LIFRecurrentCell(
        WIDTH,
        WIDTH,
        p=norse.LIFParameters(method="heaviside", **doubles(full)),
        input_weights=torch.tensor(params[0].w),
        recurrent_weights=torch.tensor(params[0].v),
        autapses=True,
    )
    state, rows = None, []
    for step in torch.tensor(2.0 * x):
        s, state = cell(step, state)
        rows.append((s, state.v, state.i))

    found = simulate(libraries.norse_lif(**full), params, 2.0 * x)

    assert_same(found, *stack_states(rows))


@pytest.mark.parametrize(
    ("settings", "method"),
    [(settings, "reset_value") for settings in NORSE_SETTINGS]
    # The last one's threshold is negative: to subtract that would be to fire for ever.
    + [(settings, "reset_subtract") for settings in NORSE_SETTINGS[:-1]],
)
def test_norse_box_cell(norse, settings, method):
    reset = pytest.importorskip("norse.torch.functional.reset")
    full = {"tau_mem_inv": 400.0, "v_leak": 0.0, "v_th": 0.6, "v_reset": 0.0} | settings
    cell = norse.LIFBoxCell(
        norse.LIFBoxParameters(
            method="heaviside", reset_method=getattr(reset, method), **doubles(full)
        )
    )
    x, params = drive_layer()
    state, rows = None, []
    for step in torch.tensor(x):
        s, state = cell(step, state)
        rows.append((s, state.v))

    found = simulate(libraries.norse_lif_box(**full, reset_method=method), params, x)

    assert_same(found, *stack_states(rows))


class SmoothSpike:
    """What Sinabs takes for a spike function."""

    required_states = ("v_mem",)

    @staticmethod
    def apply(v, threshold, surrogate):
        return smooth(v - threshold)


@pytest.mark.parametrize("reset", ["MembraneSubtract", "MembraneReset"])
@pytest.mark.parametrize("tau_syn", [None, 2.0])
@pytest.mark.parametrize("norm_input", [True, False])
@pytest.mark.parametrize("spike", [SPIKE, None])
def test_sinabs_lif(spike, norm_input, tau_syn, reset):
    layers = pytest.importorskip("sinabs.layers")
    activation = pytest.importorskip("sinabs.activation")
    settings = {"tau_mem": 3.0, "tau_syn": tau_syn, "norm_input": norm_input}
    threshold = 0.5 if norm_input else 1.25
    cell = layers.LIF(
        spike_threshold=torch.tensor(threshold),
        spike_fn=activation.SingleSpike if spike is None else SmoothSpike,
        reset_fn=getattr(activation, reset)(),
        record_states=True,
        **settings,
    ).double()
    x, params = drive_layer()
    s = cell(torch.tensor(x).transpose(0, 1)).transpose(0, 1)
    states = [cell.recordings[k].transpose(0, 1).detach().numpy() for k in cell.recordings]

    found = simulate(
        libraries.sinabs_lif(spike_threshold=threshold, reset_fn=reset, **settings),
        params,
        x,
        spike,
    )

    assert_same(found, s.detach().numpy(), *states)


def test_what_happens_exactly_at_threshold(snntorch):
    """One neuron, driven to its threshold: who fires?"""
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    at = torch.ones(1, 1, dtype=torch.float64)
    fires = {
        "leaky": bool(snntorch.Leaky(beta=0.5)(at, torch.zeros_like(at))[0]),
        "jelly": bool(neuron.LIFNode(decay_input=False)(at)),
    }

    def ties_fire(convention: Convention) -> bool:
        return bool(simulate(convention, (rs.Layer(w=np.eye(1)),), np.ones((1, 1, 1))).s[0])

    assert not fires["leaky"]
    assert not ties_fire(libraries.snntorch_leaky(0.5))
    assert fires["jelly"]
    assert ties_fire(libraries.spikingjelly_lif(decay_input=False))
