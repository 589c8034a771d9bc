"""Networks of snnTorch as its tutorials have them: convolutions, learned numbers, other neurons.

The library's surrogates round to single precision, so most modules here get a step in double
precision with the same gradient; then what is read must give the module's numbers to 1e-10.
"""

import re

import numpy as np
import pytest

import refsast as rs
from tests.crosscheck.module_gaps import TOLERANCE, gaps, largest_gap
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn, functional = torch.nn, torch.nn.functional
library = adapter("snntorch")
pytestmark = pytest.mark.slow

SPIKE = rs.Arctan(2.0)
STEP = adapter("torch").hard_spike(SPIKE)
ASKED = {"spike": SPIKE, "detach_reset": True}


def batch(*shape, steps=8, seed=0):
    """Input (time, 2, ...) and labels."""
    return np.random.default_rng(seed).random((steps, 2, *shape)), np.array([0, 2])


def enlarge(net, factor=3.0):
    """The network with larger weights, so that it fires."""
    with torch.no_grad():
        for each in net.modules():
            if isinstance(each, nn.Linear | nn.Conv2d):
                each.weight.mul_(factor)
    return net


class Loop(nn.Module):
    """A loop over time around parts, of which neurons keep their states (``init_hidden``)."""

    def __init__(self, *parts):
        super().__init__()
        torch.manual_seed(0)
        self.parts = nn.ModuleList(part() for part in parts)
        enlarge(self)

    def forward(self, x):
        spikes = []
        for s in x:
            for part in self.parts:
                s = part(s)
            spikes.append(s)
        return torch.stack(spikes)


def neuron(kind, *args, **options):
    return lambda: kind(*args, init_hidden=True, spike_grad=STEP, **options)


def linear(n_in, n_out):
    return lambda: nn.Linear(n_in, n_out)


class Convolutional(nn.Module):
    """Tutorial 6, smaller: pooling is a function, between the convolution and its neurons."""

    def __init__(self):
        super().__init__()
        self.conv1, self.lif1 = nn.Conv2d(1, 3, 3), snn.Leaky(beta=0.5, spike_grad=STEP)
        self.conv2, self.lif2 = nn.Conv2d(3, 4, 3), snn.Leaky(beta=0.5, spike_grad=STEP)
        self.fc1, self.lif3 = nn.Linear(4, 3), snn.Leaky(beta=0.5, spike_grad=STEP)

    def forward(self, x):
        mem1, mem2, mem3 = (each.init_leaky() for each in (self.lif1, self.lif2, self.lif3))
        spikes = []
        for step in x:
            spk1, mem1 = self.lif1(functional.max_pool2d(self.conv1(step), 2), mem1)
            spk2, mem2 = self.lif2(functional.avg_pool2d(self.conv2(spk1), 2), mem2)
            spk3, mem3 = self.lif3(self.fc1(spk2.view(len(step), -1)), mem3)
            spikes.append(spk3)
        return torch.stack(spikes)


def test_a_convolutional_network_with_pooling_by_functions():
    torch.manual_seed(0)
    net = enlarge(Convolutional())
    case = library.case_of(net, *batch(1, 12, 12), gain=8.0, **ASKED)

    kinds = [type(part) for chain in case.network.connections for part in chain]
    assert kinds == [rs.Conv2d, rs.MaxPool2d, rs.Conv2d, rs.AvgPool2d, rs.Dense]
    assert case.network.image == (1, 12, 12)
    assert largest_gap(library.wrap(net, case), case) < TOLERANCE


def test_tutorial_6_a_sequence_that_takes_one_step():
    from snntorch import functional as losses

    torch.manual_seed(0)
    leaky = {"beta": 0.5, "init_hidden": True, "spike_grad": STEP}
    net = enlarge(
        nn.Sequential(
            *(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), snn.Leaky(**leaky)),
            *(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), snn.Leaky(**leaky)),
            *(nn.Flatten(), nn.Linear(4, 3), snn.Leaky(output=True, **leaky)),
        )
    )
    case = library.case_of(net, *batch(1, 12, 12), loss=rs.StepCrossEntropy(), **ASKED)
    loss = losses.ce_rate_loss()
    implementation = library.wrap(net, case, loss=lambda out, y: loss(out[0], y))

    assert largest_gap(implementation, case) < 1e-6  # the library sums steps in single precision
    assert largest_gap(library.wrap(net, case), case) < TOLERANCE
    assert not any("your own loss" in each for each in implementation.not_compared)


class Tutorial5(nn.Module):
    """784-1000-10 in the tutorial; returns spikes and potentials of all steps."""

    def __init__(self, steps, **options):
        super().__init__()
        self.steps = steps
        self.fc1, self.lif1 = nn.Linear(20, 30), snn.Leaky(beta=0.95, **options)
        self.fc2, self.lif2 = nn.Linear(30, 10), snn.Leaky(beta=0.95, **options)

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spk2_rec, mem2_rec = [], []
        for _ in range(self.steps):
            spk1, mem1 = self.lif1(self.fc1(x), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk2_rec.append(spk2)
            mem2_rec.append(mem2)
        return torch.stack(spk2_rec), torch.stack(mem2_rec)


def sum_over_steps(output, y):
    """The loss of tutorial 5."""
    return sum(functional.cross_entropy(mem, y) for mem in output[1])


def test_tutorial_5_the_loss_is_a_sum_over_steps_of_potentials():
    torch.manual_seed(0)
    net = Tutorial5(25, spike_grad=STEP)
    image = np.random.default_rng(0).random((4, 20))
    x, y = np.repeat(image[None], 25, axis=0), np.arange(4)
    options = {"readout": rs.MeanPotential(), "loss": rs.StepCrossEntropy()}
    case = library.case_of(net, x, y, **options, **ASKED)

    found = gaps(library.wrap(net, case, loss=sum_over_steps, factor=1 / 25), case)

    assert max(found.values()) < TOLERANCE
    assert set(found) == {"loss", "w", "b"}  # one image has no gradient per step
    forgotten = gaps(library.wrap(net, case, loss=sum_over_steps), case)
    assert forgotten["loss"] == pytest.approx(24.0)


LEARNED = {
    "beta": {"beta": 0.9, "learn_beta": True},
    "threshold": {"beta": 0.9, "threshold": 0.8, "learn_threshold": True},
    "both": {"beta": 0.7, "learn_beta": True, "learn_threshold": True},
    "beta per neuron": {"beta": torch.tensor([0.5, 0.7, 0.9]), "learn_beta": True},
    "threshold per neuron": {
        "beta": 0.9,
        "threshold": torch.tensor([0.5, 0.7, 0.9]),
        "learn_threshold": True,
    },
    "constants per neuron": {
        "beta": torch.tensor([0.5, 0.7, 0.9]),
        "threshold": torch.tensor([0.5, 0.7, 0.9]),
    },
    "one in a vector": {"beta": torch.tensor([0.8]), "learn_beta": True},
}


@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
@pytest.mark.parametrize("options", LEARNED)
def test_learned_numbers_and_numbers_per_neuron(options, reset):
    settings = {**LEARNED[options], "reset_mechanism": reset}
    net = Loop(
        linear(4, 3), neuron(snn.Leaky, **settings), linear(3, 3), neuron(snn.Leaky, **settings)
    )
    case = library.case_of(net, *batch(4), gain=8.0, **ASKED)

    found = gaps(library.wrap(net, case), case)

    assert max(found.values()) < TOLERANCE
    assert ("leak" in found) == settings.get("learn_beta", False)
    assert ("threshold" in found) == settings.get("learn_threshold", False)


def test_a_wrong_gradient_of_a_learned_leak_is_seen():
    net = Loop(linear(4, 3), neuron(snn.Leaky, beta=0.9, learn_beta=True))
    case = library.case_of(net, *batch(4), gain=8.0, **ASKED)
    net.parts[1].beta.register_hook(lambda g: 1.01 * g)

    assert gaps(library.wrap(net, case), case)["leak"] == pytest.approx(0.01)


OTHERS = {
    "synaptic": (snn.Synaptic, {"alpha": 0.8, "beta": 0.7}),
    "synaptic, learned": (
        snn.Synaptic,
        {"alpha": 0.8, "beta": 0.7, "learn_alpha": True, "learn_beta": True},
    ),
    "synaptic without reset": (
        snn.Synaptic,
        {"alpha": 0.8, "beta": 0.7, "reset_mechanism": "none"},
    ),
    "recurrent": (snn.RLeaky, {"beta": 0.7, "linear_features": 3}),
    "recurrent, learned": (snn.RLeaky, {"beta": 0.7, "linear_features": 3, "learn_beta": True}),
    "recurrent synaptic": (snn.RSynaptic, {"alpha": 0.8, "beta": 0.7, "linear_features": 3}),
    "alpha": (snn.Alpha, {"alpha": 0.8, "beta": 0.7, "reset_mechanism": "none"}),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_neurons(kind):
    make, settings = OTHERS[kind]
    net = Loop(linear(4, 3), neuron(make, **settings), linear(3, 3), neuron(make, **settings))
    case = library.case_of(net, *batch(4), gain=8.0, **ASKED)

    found = gaps(library.wrap(net, case), case)

    assert max(found.values()) < TOLERANCE
    assert ("v" in found) == ("recurrent" in kind)
    assert ("synapse_leak" in found) == settings.get("learn_alpha", False)


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_a_reset_without_delay_has_its_gradient(reset):
    """Hard spikes below twice the threshold: the network is the same, and nothing is detached."""
    settings = {"beta": 0.8, "reset_mechanism": reset, "reset_delay": False}
    net = Loop(
        linear(4, 3), neuron(snn.Leaky, **settings), linear(3, 3), neuron(snn.Leaky, **settings)
    )
    case = library.case_of(net, *batch(4), gain=8.0, spike=SPIKE)

    assert largest_gap(library.wrap(net, case), case) < TOLERANCE


def test_neurons_that_only_integrate_are_read_out_by_their_largest_potential():
    torch.manual_seed(0)
    integrator = snn.Leaky(beta=0.8, reset_mechanism="none", init_hidden=True, output=True)
    net = enlarge(
        nn.Sequential(
            *(nn.Linear(4, 5), snn.Leaky(beta=0.9, spike_grad=STEP, init_hidden=True)),
            *(nn.Linear(5, 3), integrator),
        )
    )
    for readout in (rs.MaxPotential, rs.LastPotential, rs.LeakyReadout):
        case = library.case_of(net, *batch(4), readout=readout, **ASKED)
        assert case.network.readout == readout(3, float(np.float32(0.8)))
        assert case.network.depth == 1
        logits = None if readout is not rs.LeakyReadout else lambda out: out[1].mean(0)
        assert largest_gap(library.wrap(net, case, logits=logits, precision=None), case) < TOLERANCE


@pytest.mark.parametrize("loss", [rs.StepCrossEntropy(), rs.MeanSquaredRate()])
def test_a_synapse_is_a_part_of_the_neuron_where_the_loss_is_another(loss):
    synaptic = neuron(snn.Synaptic, alpha=0.8, beta=0.7)
    net = Loop(linear(4, 3), synaptic, linear(3, 3), synaptic)
    readout = {} if isinstance(loss, rs.MeanSquaredRate) else {"gain": 8.0}
    case = library.case_of(net, *batch(4), loss=loss, **readout, **ASKED)

    report = rs.check(library.wrap(net, case), case)

    assert case.synapse is None
    assert case.network.neurons[0].synapse == rs.Synapse(float(np.float32(0.8)))
    assert report.verdict == "agrees", report


def test_biases_that_are_not_there_are_zero_and_compared():
    net = Loop(linear(4, 3), neuron(snn.Leaky, 0.8), linear(3, 3), neuron(snn.Leaky, 0.8))
    net.parts[0].bias = None
    case = library.case_of(net, *batch(4), gain=8.0, **ASKED)

    assert (case.params[0].b == 0.0).all()
    assert largest_gap(library.wrap(net, case), case) < TOLERANCE
    assert net.parts[0].bias is None


def test_the_library_s_own_surrogates_agree_to_single_precision():
    net = Loop(linear(4, 3), lambda: snn.Leaky(0.8, init_hidden=True, learn_beta=True))
    case = library.case_of(net, *batch(4), gain=8.0, detach_reset=True)

    assert largest_gap(library.wrap(net, case), case) < 1e-5


REFUSED = {
    "another neuron": (
        lambda: snn.Lapicque(beta=0.5, init_hidden=True),
        "neurons must be snntorch",
    ),
    "reset to zero of a current": (
        neuron(snn.Synaptic, 0.8, 0.7, reset_mechanism="zero"),
        "takes the input of its step away, too",
    ),
    "reset of an alpha": (neuron(snn.Alpha, 0.8, 0.7), "whose reset acts on its currents"),
    "one to one": (neuron(snn.RLeaky, 0.8, all_to_all=False), "got one weight per neuron"),
    "leak out of range": (
        neuron(snn.Leaky, torch.tensor(1.5), learn_beta=True),
        "beta must lie in [0, 1] where it is learned",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_network_is_the_same_as_is_refused(kind):
    make, says = REFUSED[kind]
    net = Loop(linear(4, 3), make)

    with pytest.raises(ValueError, match=re.escape(says)):
        library.case_of(net, *batch(4), **ASKED)
