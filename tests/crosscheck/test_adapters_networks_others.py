"""Networks of Norse, Sinabs, PyTorch's functions and JAX beyond dense LIF layers."""

import numpy as np
import pytest

import refsast as rs
from tests.crosscheck.module_gaps import TOLERANCE, gaps, largest_gap
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.slow

SPIKE = rs.Arctan(2.0)


def batch(*shape, steps=8, scale=1.0):
    """Input (time, 2, ...) and labels."""
    return scale * np.random.default_rng(0).random((steps, 2, *shape)), np.array([0, 2])


def enlarge(net, factor=3.0):
    with torch.no_grad():
        for each in net.modules():
            if isinstance(each, nn.Linear | nn.Conv2d):
                each.weight.mul_(factor)
    return net


class Norse(nn.Module):
    """Layers of Norse, called with all steps."""

    def __init__(self, make):
        super().__init__()
        torch.manual_seed(0)
        self.fc1, self.one, self.fc2, self.two = nn.Linear(4, 5), make(), nn.Linear(5, 3), make()
        enlarge(self, 20.0)

    def forward(self, x):
        return self.two(self.fc2(self.one(self.fc1(x))[0]))[0]


def test_norse_lsnn_is_a_delayed_current_and_a_threshold_that_rises():
    norse = pytest.importorskip("norse.torch")
    library = adapter("norse")
    p = norse.LSNNParameters(
        method="tanh",
        alpha=torch.tensor(2.0),
        beta=torch.tensor(0.3),
        tau_adapt_inv=torch.tensor(100.0),
    )
    net = Norse(lambda: norse.LSNN(p))
    case = library.case_of(net, *batch(4, steps=20, scale=3.0), gain=8.0)

    first = case.network.neurons[0]
    assert first.synapse.delayed
    assert first.adaptation.leak == pytest.approx(0.9)
    assert first.adaptation.strength == pytest.approx(0.27)
    assert largest_gap(library.wrap(net, case, precision=None), case) < TOLERANCE


def sinabs_net(make):
    return enlarge(nn.Sequential(nn.Linear(4, 5), make(), nn.Linear(5, 3), make()), 8.0)


SINABS = {
    "LIF": ("LIF", {"tau_mem": 4.0}),
    "LIF, current": ("LIF", {"tau_mem": 4.0, "tau_syn": 3.0}),
    "LIF, input as it is": ("LIF", {"tau_mem": 4.0, "norm_input": False}),
    "LIF, alphas": ("LIF", {"tau_mem": 4.0, "tau_syn": 3.0, "train_alphas": True}),
    "LIF, per neuron": ("LIF", {"tau_mem": "per neuron"}),
    "IAF": ("IAF", {}),
    "ALIF": ("ALIF", {"tau_mem": 4.0, "tau_adapt": 5.0, "adapt_scale": 0.8}),
    "ALIF, current": (
        "ALIF",
        {"tau_mem": 4.0, "tau_adapt": 5.0, "tau_syn": 3.0, "norm_input": False},
    ),
}


@pytest.mark.parametrize("kind", SINABS)
def test_sinabs_learns_time_constants(kind):
    pytest.importorskip("sinabs")
    from sinabs import activation, layers

    library = adapter("sinabs")
    name, options = SINABS[kind]
    options = {**options, "spike_fn": library.SmoothSpike(SPIKE)}
    if name == "ALIF":
        options["reset_fn"] = activation.MembraneSubtract(1.0)
    torch.manual_seed(0)
    sizes = iter((5, 3))

    def make():
        n, settings = next(sizes), dict(options)
        if settings.get("tau_mem") == "per neuron":
            settings["tau_mem"] = torch.linspace(2.0, 5.0, n)
        return getattr(layers, name)(**settings)

    net = sinabs_net(make)
    case = library.case_of(net, *batch(4), spike=SPIKE, gain=8.0)
    found = gaps(library.wrap(net, case), case)

    assert max(found.values()) < TOLERANCE
    assert ("leak" in found) == (name != "IAF")
    assert ("synapse_leak" in found) == ("tau_syn" in options)


def test_sinabs_alif_that_subtracts_its_raised_threshold_is_refused():
    pytest.importorskip("sinabs")
    from sinabs import layers

    library = adapter("sinabs")
    net = sinabs_net(lambda: layers.ALIF(4.0, 5.0, spike_fn=library.SmoothSpike(SPIKE)))
    with pytest.raises(ValueError, match="the threshold at rest, got MembraneSubtract"):
        library.case_of(net, *batch(4), spike=SPIKE)


class SinabsConv(nn.Module):
    """Convolutions see steps as recordings; the library's sum of windows."""

    def __init__(self, spike):
        super().__init__()
        from sinabs import layers

        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(1, 3, 3),
            layers.IAFSqueeze(batch_size=2, spike_fn=spike),
            layers.SumPool2d(2),
            nn.Flatten(),
            nn.Linear(12, 3),
            layers.LIFSqueeze(tau_mem=5.0, batch_size=2, spike_fn=spike),
        )

    def forward(self, x):
        return self.net(x.flatten(0, 1)).unflatten(0, (2, -1))


def test_sinabs_convolutions_and_sums_of_windows():
    pytest.importorskip("sinabs")
    library = adapter("sinabs")
    net = SinabsConv(library.SmoothSpike(SPIKE))
    case = library.case_of(net, *batch(1, 6, 6), spike=SPIKE, gain=8.0)

    assert case.network.connections[1] == (rs.AvgPool2d(2), rs.Dense(3))
    assert largest_gap(library.wrap(net, case), case) < TOLERANCE


def spytorch_loss(tensors, x, y, fire, alpha=0.8, beta=0.9):
    """Zenke's tutorials, with a soft reset: the largest potential over time of a leaky readout."""
    h1 = torch.einsum("tbc,cd->tbd", x, tensors["w1"])
    syn = mem = torch.zeros_like(h1[0])
    spikes = []
    for h in h1:
        out = fire(mem - 1.0)
        syn, mem = alpha * syn + h, beta * mem + syn - out.detach()
        spikes.append(out)
    h2 = torch.einsum("tbc,cd->tbd", torch.stack(spikes), tensors["w2"])
    out, potentials = torch.zeros_like(h2[0]), []
    for h in h2:
        out = beta * out + h
        potentials.append(out)
    largest = torch.stack(potentials).max(dim=0).values
    return nn.functional.cross_entropy(largest, y)


def spytorch_case(spike):
    """What it computes: its spikes are those of the step before, and so is its current."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "w1": 2.0 * torch.randn(6, 8, generator=generator, dtype=torch.float64),
        "w2": torch.randn(8, 3, generator=generator, dtype=torch.float64),
    }
    neuron = rs.GLIF(
        0.9, 1.0, spike, rs.Subtract(), detach_reset=True, synapse=rs.Synapse(0.8, delayed=True)
    )
    network = rs.Network((6, 8), neuron, rs.MaxPotential(3, 0.9), bias=False)
    names = {"w1": (0, "w.T"), "w2": (1, "w.T")}
    x, y = batch(6, steps=12)
    params = adapter("torch").params_of(tensors, network, names)
    return tensors, names, rs.Case(network, params, x, y, hard=True)


def test_the_largest_potential_over_time_of_a_function_of_tensors():
    library = adapter("torch")
    tensors, names, case = spytorch_case(rs.FastSigmoid(20.0))
    step = library.hard_spike(rs.FastSigmoid(20.0))

    def loss(tensors, x, y):
        # The tutorial fires at the beginning of a step; one more step shows the last potential.
        x = torch.cat([x, torch.zeros_like(x[:1])])
        return spytorch_loss(tensors, x, y, step)

    found = gaps(library.wrap(loss, case, tensors, names=names), case)

    assert max(found.values()) < TOLERANCE


def alif_loss(params, x, y):
    """A scan by hand: leaks and thresholds are leaves, the threshold rises with every spike."""
    import jax
    import jax.numpy as jnp

    def layer(p, x):
        def step(state, current):
            u, s, a = state
            u = p["leak"] * u - p["threshold"] * s + current
            a = 0.8 * a + s
            s = 0.5 + jnp.arctan(jnp.pi * (u - p["threshold"] - 0.3 * a)) / jnp.pi
            return (u, s, a), s

        currents = x @ p["w"].T + p["b"]
        rest = jnp.zeros_like(currents[0])
        return jax.lax.scan(step, (rest, rest, rest), currents)[1]

    s = layer(params[1], layer(params[0], x))
    z = jax.nn.log_softmax(5.0 * s)
    return -z[:, jnp.arange(len(y)), y].mean()


def alif_case():
    neuron = rs.GLIF(
        rs.Learned(0.9),
        rs.Learned(1.0, per_neuron=True),
        SPIKE,
        rs.Subtract(),
        adaptation=rs.Adaptation(0.8, 0.3),
    )
    network = rs.Network((4, 5, 3), neuron, rs.SpikeRate(5.0), loss=rs.StepCrossEntropy())
    return rs.Case(network, rs.init(network, 0), *batch(4, scale=3.0))


def leaves_of(case):
    return [{k: a for k, a in vars(layer).items() if a is not None} for layer in case.params]


def alif_names():
    return {
        f"[{i}]['{part}']": (i, part) for i in range(2) for part in ("w", "b", "leak", "threshold")
    }


@pytest.mark.slow
def test_a_scan_by_hand_with_an_adaptive_threshold():
    pytest.importorskip("jax")
    library, case = adapter("jax"), alif_case()
    implementation = library.wrap(alif_loss, case, leaves_of(case), names=alif_names())

    found = gaps(implementation, case)

    assert max(found.values()) < TOLERANCE
    assert set(found) == {"loss", "w", "b", "leak", "threshold", "x"}


def test_sums_of_windows_in_sinabs_lose_the_gradient_of_windows_without_a_spike():
    """A fault of the library's (PyTorch's ``lp_pool2d`` at zero), which the check must see."""
    pytest.importorskip("sinabs")
    from sinabs import activation, layers

    library = adapter("sinabs")
    derivative = adapter("torch").smooth_spike_derivative(SPIKE)
    options = {
        "batch_size": 2,
        "spike_fn": activation.SingleSpike,
        "surrogate_grad_fn": lambda v, threshold: derivative(v - threshold),
    }
    found = {}
    for pool in (layers.SumPool2d(2), nn.AvgPool2d(2)):
        torch.manual_seed(0)
        net = SinabsConv(None)
        net.net[1], net.net[5] = layers.IAFSqueeze(**options), layers.IAFSqueeze(**options)
        net.net[2] = pool
        case = library.case_of(net, *batch(1, 6, 6), spike=SPIKE, gain=8.0)
        found[type(pool).__name__] = gaps(library.wrap(net, case), case)

    assert max(found["AvgPool2d"].values()) < 1e-5  # the library's spikes are single precision
    assert found["SumPool2d"]["loss"] < 1e-5
    assert found["SumPool2d"]["w"] > 0.1


@pytest.mark.parametrize("kind", ["LILinearCell", "LICell"])
def test_integrators_of_norse_are_refused_by_name(kind):
    norse = pytest.importorskip("norse.torch")
    readout = norse.LILinearCell(5, 3) if kind == "LILinearCell" else norse.LICell()
    net = nn.ModuleList([nn.Linear(4, 5), norse.LIFCell(), readout])
    with pytest.raises(ValueError, match=rf"got {kind}: .* rs\.Program"):
        adapter("norse").case_of(net, *batch(4))


def test_cells_of_norse_that_are_called_once_per_step_forget_their_states():
    norse = pytest.importorskip("norse.torch")
    net = norse.SequentialState(nn.Linear(4, 5), norse.LIFCell(), nn.Linear(5, 3), norse.LIFCell())
    with pytest.raises(ValueError, match="got 1 at rest again in the second call: put"):
        adapter("norse").case_of(net, *batch(4))


def test_a_lower_bound_of_sinabs_is_refused_in_one_line():
    layers = pytest.importorskip("sinabs.layers")
    bound = {"spike_fn": sinabs_activation().SingleSpike, "min_v_mem": nn.Parameter(torch.ones(()))}
    net = nn.Sequential(nn.Linear(4, 3), layers.IAF(**bound))
    with pytest.raises(ValueError, match=r"^min_v_mem must be None, got 1\.0: check a copy"):
        adapter("sinabs").case_of(net, *batch(4), spike=SPIKE)


def sinabs_activation():
    return pytest.importorskip("sinabs.activation")
