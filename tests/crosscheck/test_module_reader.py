"""Networks of released libraries, as their users write them, read into cases and checked."""

import itertools

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.check import check
from refsast.crosscheck.diagnose.confirm import ask_as_taken, other_questions
from tests.crosscheck.test_adapters import adapter
from tests.crosscheck.test_module_wrapper import STEPS, batch

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow


def snntorch_net(**options):
    """A network as in the library's tutorials."""
    snn = pytest.importorskip("snntorch")

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.lif1 = torch.nn.Linear(6, 8), snn.Leaky(beta=0.9, **options)
            self.fc2, self.lif2 = torch.nn.Linear(8, 3), snn.Leaky(beta=0.8, **options)

        def forward(self, x):
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            spikes, potentials = [], []
            for step in x:
                spk1, mem1 = self.lif1(self.fc1(step), mem1)
                spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
                spikes.append(spk2)
                potentials.append(mem2)
            return torch.stack(spikes), torch.stack(potentials)

    torch.manual_seed(0)
    return Net()


def test_a_tutorial_network_of_snntorch_in_three_lines():
    library, net = adapter("snntorch"), snntorch_net()
    case = library.case_of(net, *batch(), gain=10.0)

    report = check(library.wrap(net, case), case)

    assert case.hard
    assert case.network.neurons[0] == rs.LIF(
        float(np.float32(0.9)), 1.0, rs.Arctan(2.0), rs.Subtract()
    )
    assert case.network.readout == rs.SpikeRate(10.0)
    assert report.cause is not None
    assert report.cause.name == "reset detached"


def test_one_image_shown_at_every_step():
    library, net = adapter("snntorch"), snntorch_net(reset_mechanism="none")
    x, y = batch()
    case = library.case_of(net, np.repeat(x[:1], STEPS, axis=0), y)

    class Shown(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, image):
            return self.net(image.expand(STEPS, *image.shape))

    report = check(library.wrap(Shown(), case, enter=lambda x: x[0]), case)

    assert report.agrees, report
    assert "input gradient" not in [stage.name for stage in report.stages]


def test_a_smooth_network_of_snntorch():
    library = adapter("snntorch")
    smooth = adapter("torch").smooth_spike(rs.Logistic(4.0))
    net = snntorch_net(spike_grad=smooth, reset_mechanism="zero")
    case = library.case_of(net, *batch(), spike=rs.Logistic(4.0))

    assert not case.hard
    assert check(library.wrap(net, case), case).cause.name == "reset detached"
    with pytest.raises(ValueError, match="spike_grad must be atan, sigmoid or fast_sigmoid"):
        library.case_of(net, *batch())


def test_a_network_of_spikingjelly():
    library = adapter("spikingjelly")
    from spikingjelly.activation_based import neuron, surrogate

    smooth = {"surrogate_function": surrogate.Sigmoid(alpha=3.0, spiking=False), "step_mode": "m"}
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 8, bias=False),
        neuron.LIFNode(tau=4.0, **smooth),
        torch.nn.Linear(8, 8, bias=False),
        neuron.LIFNode(tau=4.0, v_reset=None, **smooth),
        torch.nn.Linear(8, 3, bias=False),
    )
    case = library.case_of(net, *batch())

    assert case.synapse.scale == 0.25
    assert [each.reset for each in case.network.neurons] == [rs.ToZero(), rs.Subtract(leaked=True)]
    assert case.network.readout == rs.LinearReadout(3)
    assert check(library.wrap(net, case), case).agrees
    net[1].detach_reset = True
    assert check(library.wrap(net, case), case).cause.name.startswith("reset detached in layer 1")


def test_a_network_of_sinabs():
    library = adapter("sinabs")
    from sinabs import activation, layers

    def lif(spike_fn):
        return layers.LIF(tau_mem=10.0, spike_fn=spike_fn)

    smooth = library.SmoothSpike(rs.Arctan(2.0))
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 8), lif(smooth), torch.nn.Linear(8, 3), lif(smooth)
    )
    net(torch.tensor(batch()[0], dtype=torch.float32).transpose(0, 1))  # with states left
    case = library.case_of(net, *batch(), spike=rs.Arctan(2.0))

    assert case.network.neurons[0].leak == rs.Learned(pytest.approx(np.exp(-0.1), rel=1e-6))
    assert check(library.wrap(net, case, dtype=torch.float32), case).agrees
    net[1] = lif(activation.MultiSpike)
    with pytest.raises(ValueError, match="spike_fn must give at most one spike"):
        library.case_of(net, *batch(), spike=rs.Arctan(2.0))


def test_a_network_of_norse():
    library = adapter("norse")
    from norse.torch import LIF, LIFParameters

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            p = LIFParameters(method="tanh", alpha=10.0)
            self.fc, self.lif, self.out = torch.nn.Linear(6, 8), LIF(p), torch.nn.Linear(8, 3)
            with torch.no_grad():
                self.fc.weight.mul_(6.0)

        def forward(self, x):
            return self.out(self.lif(self.fc(x))[0])

    torch.manual_seed(0)
    net = Net()
    case = library.case_of(net, *batch())

    assert case.network.neurons[0].spike == rs.Logistic(20.0)
    assert case.synapse.leak == pytest.approx(0.8)
    assert check(library.wrap(net, case), case).cause.name == "slope factor"


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (
            lambda net: setattr(net, "fc2", torch.nn.Sequential(net.fc2, torch.nn.ReLU())),
            "got relu: write the network as an rs.Program",
        ),
        (lambda net: setattr(net, "lif2", net.lif1), "got another way to lif1"),
        (lambda net: setattr(net.lif1, "inhibition", True), "neurons must have no inhibition"),
    ],
)
def test_a_module_that_no_network_stands_for_is_refused(build, says):
    library, net = adapter("snntorch"), snntorch_net()
    build(net)

    with pytest.raises(ValueError, match=says):
        library.case_of(net, *batch())


ORDERS = {
    "as it is": lambda y: y,
    "one recording on": lambda y: np.roll(y, 1),
    "one recording back": lambda y: np.roll(y, -1),
    "reversed": lambda y: y[::-1],
    "one class on": lambda y: (y + 1) % 3,
    "one class back": lambda y: (y - 1) % 3,
}


@pytest.mark.parametrize("y", [(0, 0, 0), (0, 1, 2), (2, 1, 0), (1, 1, 2), (0, 2, 0), (2, 0, 0)])
def test_other_questions_tell_another_order_of_labels_from_another_numbering(y):
    network = rs.Network((4, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    x = np.random.default_rng(0).random((5, 3, 4))
    case = rs.Case(network, rs.init(network, 0), x, np.array(y))
    asked = [other.y for other, _ in other_questions(case)]

    for one, another in itertools.combinations(ORDERS.values(), 2):
        assert any((one(each) != another(each)).any() for each in asked)


@pytest.mark.parametrize("fixed", [False, True])
def test_a_module_of_one_image_is_asked_other_questions_too(fixed):
    network = rs.Network((4, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    image = np.random.default_rng(0).random((1, 3, 4))
    case = rs.Case(network, rs.init(network, 0), np.repeat(image, 5, axis=0), np.array([0, 1, 2]))

    def ask(other):  # as a module of five steps that shows one image
        if len(other.x) != 5 or (other.x != other.x[:1]).any():
            raise ValueError("x must be the same at every step")
        if fixed and len(other.y) != 3:
            raise ValueError("x must have three recordings")
        return other

    taken = [ask_as_taken(ask, other, case) for other, _ in other_questions(case)]
    assert all(other is not None for other in taken)
    assert any((other.y[:3] != case.y).any() for other in taken)
    assert {len(other.y) for other in taken} == ({3} if fixed else {3, 4})
    assert any((other.params[0].w != case.params[0].w).any() for other in taken)


def test_a_loop_of_a_fixed_number_of_steps_is_not_asked_about_more():
    snn = pytest.importorskip("snntorch")
    library = adapter("snntorch")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.fc, self.lif = torch.nn.Linear(4, 3), snn.Leaky(0.9)

        def forward(self, x):
            mem, spikes = self.lif.init_leaky(), []
            for step in range(5):
                s, mem = self.lif(self.fc(x[step, :]), mem)
                spikes.append(s)
            return torch.stack(spikes)

    net, y = Net(), np.array([0, 1])
    x = 3.0 * np.random.default_rng(0).random((7, 2, 4))
    case = library.case_of(net, x[:5], y, gain=5.0)

    def loss(s, y):
        return torch.nn.functional.cross_entropy(5.0 * s.mean(0), y)

    for options, says in (
        ({"loss": loss}, "must run for the 7 steps of x, got 5 steps"),
        ({"loss": loss, "factor": 0.5}, "must have 5 steps where factor is given, got 7"),
    ):
        implementation = library.wrap(net, case, **options)
        implementation.gradient(case.params, case.x, case.y)
        with pytest.raises(ValueError, match=says):
            implementation.gradient(case.params, x, case.y)
