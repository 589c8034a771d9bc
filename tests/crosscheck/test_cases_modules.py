"""Modules that people bring: read as the networks that they are, or refused with a next step."""

import numpy as np
import pytest

import refsast as rs
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.slow

VARIANTS = range(10)


@pytest.fixture(autouse=True)
def instances():
    """Leave the library's list of all its neurons as it was."""
    kept = pytest.importorskip("snntorch").SpikingNeuron.instances
    before = list(kept)
    yield
    kept[:] = before


class Steps(nn.Module):
    """Parts that run one after the other, at every step; the first of a tuple goes on."""

    def __init__(self, *parts) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        found = []
        for step in x:
            for part in self.parts:
                step = part(step)
                step = step[0] if isinstance(step, tuple) else step
            found.append(step)
        return torch.stack(found)


def draw_batch(rng, n_in, n_out, batch=3):
    steps = int(rng.integers(4, 9))
    return 3.0 * rng.standard_normal((steps, batch, n_in)), rng.integers(0, n_out, batch)


def check_module(library, module, batch, **options):
    case = library.case_of(module, *batch, gain=5.0, **options)
    dtype = torch.float64 if not case.hard else torch.float32
    report = rs.check(library.wrap(module, case, dtype=dtype), case)
    return {stage.name: stage.agrees for stage in report.stages}, report


@pytest.mark.parametrize("seed", VARIANTS)
def test_nodes_with_a_learned_time_constant_and_any_rest_are_read(seed):
    library = adapter("spikingjelly")
    from spikingjelly.activation_based import neuron, surrogate

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    smooth = bool(seed % 3)
    options = {
        "surrogate_function": surrogate.Sigmoid(alpha=3.0, spiking=not smooth),
        "v_reset": (None, 0.0, -0.5, 0.25)[seed % 4],
        "v_threshold": 1.25,
        "decay_input": bool(seed % 2),
    }
    n_in, n, n_out = map(int, rng.integers(3, 8, 3))
    tau = float(rng.uniform(1.5, 6.0))
    module = Steps(
        nn.Linear(n_in, n),
        neuron.ParametricLIFNode(init_tau=tau, **options),
        nn.Linear(n, n_out),
        neuron.ParametricLIFNode(init_tau=3.0, **options),
    )
    agrees, report = check_module(library, module, draw_batch(rng, n_in, n_out))

    assert agrees["loss"], report
    assert agrees["parameter gradients"], report
    assert not [each for each in report.not_compared if each.startswith("parameter")]


@pytest.mark.parametrize("seed", VARIANTS)
def test_neurons_with_a_synaptic_current_are_read(seed):
    library = adapter("snntorch")
    import snntorch as snn

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    alpha, n_in, n, n_out = float(rng.uniform(0.2, 0.8)), *map(int, rng.integers(3, 8, 3))
    reset = ("none", "subtract")[seed % 2]
    neurons = [
        snn.Synaptic(alpha=alpha, beta=b, init_hidden=True, reset_mechanism=reset)
        for b in (0.9, 0.6)
    ]
    module = Steps(nn.Linear(n_in, n), neurons[0], nn.Linear(n, n_out), neurons[1])
    batch = draw_batch(rng, n_in, n_out)
    agrees, report = check_module(library, module, batch, detach_reset=True)

    assert report.case.synapse == rs.Synapse(float(np.float32(alpha)), 1.0)
    assert all(agrees.values()), report


def snntorch_modules(rng):
    """From what is to be said to the parts of a module of snnTorch's that no case stands for."""
    import snntorch as snn

    n = int(rng.integers(2, 9))
    inhibited = snn.Leaky(beta=0.9)
    inhibited.inhibition = True

    def leaky(**options):
        return snn.Leaky(**{"beta": 0.9, "init_hidden": True, **options})

    shared = leaky()
    end = [nn.Linear(n, 2), leaky()]
    return {
        "module must run on an input of .*, got: .*": [
            nn.Linear(4, n), leaky(beta=torch.linspace(0.5, 0.9, n + 1)), *end],
        "got one weight per neuron: .* rs.Program": [
            nn.Linear(4, n), snn.RLeaky(beta=0.9, all_to_all=False, init_hidden=True), *end],
        "whose reset acts on its currents, got 'zero': .* rs.Program": [
            nn.Linear(4, n), snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True), *end],
        "takes the input of its step away, too, got 'zero': .* rs.Program": [
            nn.Linear(4, n),
            snn.Synaptic(alpha=0.5, beta=0.9, init_hidden=True, reset_mechanism="zero"), *end],
        "parts.1 is BatchNorm1d in training mode: call module.eval": [
            nn.Linear(4, n), nn.BatchNorm1d(n), leaky(), *end],
        "parts.0 must follow the weights that it is folded into, .* rs.Program": [
            nn.BatchNorm1d(4).eval(), nn.Linear(4, n), leaky(), *end],
        "got another way to parts.1: .* rs.Program": [
            nn.Linear(4, n), shared, nn.Linear(n, n), shared, *end],
        "got parts.0, parts.1 before parts.2: multiply linear layers": [nn.Linear(4, n), *end],
        "got none: give wrap an rs.Case .* rs.Program": [nn.Linear(4, n)],
        "known by spike=, got SFS": [
            nn.Linear(4, n), leaky(spike_grad=snn.surrogate.SFS()), *end],
        "got relu: .* rs.Program": [
            nn.Linear(4, n), nn.ReLU(), leaky(), *end],
        "one Linear or Conv2d before each layer of neurons, got none before parts.1": [
            nn.Flatten(), leaky(), nn.Linear(4, 2), leaky()],
        "drop at random, got parts.1 is Dropout.p=0.5. in training mode: call module.eval": [
            nn.Linear(4, n), nn.Dropout(0.5), leaky(), *end],
        "inhibition, .*: check a copy without": [
            nn.Linear(4, n), inhibited, *end],
    }  # fmt: skip


@pytest.mark.parametrize("index", range(14))
def test_what_no_case_stands_for_is_refused_with_a_next_step(index):
    library = adapter("snntorch")
    rng = np.random.default_rng(index)
    message, parts = list(snntorch_modules(rng).items())[index]

    with pytest.raises(ValueError, match=message) as error:
        library.case_of(Steps(*parts), *draw_batch(rng, 4, 2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", range(2))
def test_a_neuron_that_is_refused_can_be_asked_about_without_a_reference(seed):
    """The next step that `refuse_neuron` names is one that can be taken."""
    library = adapter("snntorch")
    import snntorch as snn

    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    smooth = adapter("torch").smooth_spike(rs.Logistic(3.0))
    n = int(rng.integers(2, 6))
    neuron = snn.Lapicque(beta=0.8, spike_grad=smooth, init_hidden=True, reset_mechanism="none")
    module = Steps(nn.Linear(4, n), neuron, nn.Linear(n, 3))
    network = rs.Network((4, n), rs.LIF(0.9, 1.0, rs.Logistic(3.0)), rs.LinearReadout(3))
    x, y = draw_batch(rng, 4, 3)
    case = rs.Case(network, rs.init(network, rng), x, y)
    with pytest.raises(ValueError, match=r"got Lapicque: .* rs\.Program"):
        library.case_of(module, x, y)
    verdict = rs.integrable(library.wrap(module, case), case, rng=rng)

    assert verdict.kind.name == "GRADIENT", verdict
