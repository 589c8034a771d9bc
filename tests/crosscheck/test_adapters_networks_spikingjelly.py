"""Networks of SpikingJelly as its examples have them."""

import copy

import numpy as np
import pytest

import refsast as rs
from tests.crosscheck.module_gaps import TOLERANCE, gaps, largest_gap
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
from spikingjelly.activation_based import functional, layer, neuron, surrogate  # noqa: E402

from refsast.crosscheck.adapters.uncompared import OWN_LOOP  # noqa: E402

nn = torch.nn
library = adapter("spikingjelly")
pytestmark = pytest.mark.slow


class FashionMNIST(nn.Module):
    """The library's ``examples/conv_fashion_mnist.py``, smaller; takes images, gives rates."""

    def __init__(self, steps, channels, size, node):
        super().__init__()
        self.steps = steps
        self.conv_fc = nn.Sequential(
            layer.Conv2d(1, channels, kernel_size=3, padding=1, bias=False),
            layer.BatchNorm2d(channels),
            node(),
            layer.MaxPool2d(2, 2),
            layer.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
            layer.BatchNorm2d(channels),
            node(),
            layer.MaxPool2d(2, 2),
            layer.Flatten(),
            layer.Linear(channels * (size // 4) ** 2, 12, bias=False),
            node(),
            layer.Linear(12, 10, bias=False),
            node(),
        )
        functional.set_step_mode(self, step_mode="m")

    def forward(self, x):
        x_seq = x.unsqueeze(0).repeat(self.steps, 1, 1, 1, 1)
        return self.conv_fc(x_seq).mean(0)


def fashion(node, steps=4):
    """Such a network in evaluation mode, with running statistics and weights by which it fires."""
    torch.manual_seed(0)
    net = FashionMNIST(steps, 3, 8, node)
    generator = torch.Generator().manual_seed(1)
    for each in net.modules():
        if isinstance(each, nn.BatchNorm2d):
            for tensor in (each.weight.data, each.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            for tensor in (each.bias.data, each.running_mean):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) - 0.2)
            each.weight.data[1] *= -1.0  # a normalisation may change signs
        if isinstance(each, nn.Linear | nn.Conv2d):
            each.weight.data.mul_(3.0)
    return net.eval()


def image_case(net, steps=4, **options):
    images = np.random.default_rng(0).random((2, 1, 8, 8))
    x = np.repeat(images[None], steps, axis=0)
    return library.case_of(net, x, np.array([1, 7]), gain=5.0, **options)


SMOOTH = {"surrogate_function": surrogate.ATan(alpha=2.0, spiking=False)}
HARD = {"surrogate_function": surrogate.ATan(alpha=2.0)}
NODES = {
    "IF": lambda: neuron.IFNode(**SMOOTH),
    "IF, hard": lambda: neuron.IFNode(**HARD),
    "LIF": lambda: neuron.LIFNode(tau=2.0, **SMOOTH),
    "LIF, detached": lambda: neuron.LIFNode(tau=2.0, detach_reset=True, **SMOOTH),
    "PLIF": lambda: neuron.ParametricLIFNode(init_tau=2.0, **SMOOTH),
    "PLIF, hard": lambda: neuron.ParametricLIFNode(init_tau=2.0, **HARD),
    "PLIF, input as it is": lambda: neuron.ParametricLIFNode(decay_input=False, **SMOOTH),
    "PLIF, soft reset": lambda: neuron.ParametricLIFNode(v_reset=None, **SMOOTH),
    "PLIF, rest": lambda: neuron.ParametricLIFNode(v_reset=-0.2, **SMOOTH),
}


@pytest.mark.parametrize("kind", NODES)
def test_the_convolutional_network_with_folded_normalisation(kind):
    net = fashion(NODES[kind])
    before = copy.deepcopy(net.state_dict())
    case = image_case(net, detach_reset="detached" in kind)
    implementation = library.wrap(net, case, logits=lambda rates: 5.0 * rates)

    found = gaps(implementation, case)

    assert max(found.values()) < TOLERANCE
    assert ("leak" in found) == ("PLIF" in kind)
    assert case.network.image == (1, 8, 8)
    assert not [each for each in implementation.not_compared if "parameter" in each]
    assert not [each for each in implementation.not_compared if "BatchNorm2d" in each]
    after = net.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert net.conv_fc[9].bias is None


def test_the_squared_error_of_rates_is_compared_as_the_user_has_it():
    net = fashion(NODES["IF"])
    case = image_case(net, loss=rs.MeanSquaredRate())

    def loss(rates, y):
        return nn.functional.mse_loss(rates, nn.functional.one_hot(y, 10).to(rates.dtype))

    assert largest_gap(library.wrap(net, case, loss=loss), case) < TOLERANCE


def test_a_normalisation_that_changes_after_it_was_read_is_seen():
    net = fashion(NODES["IF"])
    case = image_case(net)
    net.conv_fc[1].weight.data.mul_(1.01)
    implementation = library.wrap(net, case, logits=lambda rates: 5.0 * rates)
    assert gaps(implementation, case)["w"] < TOLERANCE  # the weights before it make up for it
    net.conv_fc[1].running_var.mul_(1.01)  # after the module was read
    with pytest.raises(ValueError, match=r"gradient of conv_fc\.1\.weight must follow from"):
        gaps(implementation, case)


FOLDED = ["1.weight", "0.bias"]


@pytest.mark.parametrize("kind", ["IF", "IF, hard", "PLIF"])
@pytest.mark.parametrize("name", FOLDED)
def test_a_wrong_gradient_of_what_is_folded_is_seen(name, kind):
    net = fashion(NODES[kind])
    net.conv_fc[0].bias = nn.Parameter(torch.tensor([0.1, -0.2, 0.3]))
    case = image_case(net)
    implementation = library.wrap(net, case, logits=lambda rates: 5.0 * rates)
    assert max(gaps(implementation, case).values()) < TOLERANCE

    net.get_parameter(f"conv_fc.{name}").register_hook(lambda g: 1.01 * g)
    with pytest.raises(ValueError, match=rf"gradient of conv_fc\.{name} must follow from"):
        gaps(implementation, case)


def test_training_mode_and_dropout_are_named():
    net = fashion(NODES["IF"]).train()
    with pytest.raises(
        ValueError, match=r"conv_fc\.1 is BatchNorm2d in training mode: call module"
    ):
        image_case(net)
    net.eval()
    net.conv_fc.insert(3, layer.Dropout(0.5, step_mode="m").eval())
    case = image_case(net)
    assert largest_gap(library.wrap(net, case, logits=lambda r: 5.0 * r), case) < TOLERANCE
    net.conv_fc[3].train()
    with pytest.raises(ValueError, match=r"conv_fc\.3 is Dropout\(p=0\.5\) in training mode"):
        image_case(net)


def test_a_module_that_runs_another_number_of_steps_is_refused():
    net = fashion(NODES["IF"], steps=5)
    with pytest.raises(ValueError, match="x must repeat its input for the 5 steps"):
        image_case(net)


def sequence(mode, *, container=False):
    """A small network in step mode "s" or "m", or of PyTorch's layers in a container."""
    torch.manual_seed(0)
    join = layer.SeqToANNContainer if container else nn.Sequential
    return nn.Sequential(
        join(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)),
        neuron.LIFNode(tau=1.5, step_mode=mode, **SMOOTH),
        join(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 3)),
        neuron.LIFNode(tau=1.5, step_mode=mode, **SMOOTH),
    ).eval()


def test_step_modes_and_containers_are_read_alike():
    x, y = np.random.default_rng(0).random((5, 2, 2, 6, 6)), np.array([0, 2])
    found = []
    for net in (sequence("s"), sequence("m", container=True)):
        case = library.case_of(net, x, y, gain=4.0)
        implementation = library.wrap(net, case)
        assert largest_gap(implementation, case) < TOLERANCE
        # A loop that a user has around single steps is not seen, and that is said.
        assert (OWN_LOOP in implementation.not_compared) == (net[1].step_mode == "s")
        found.append(case)
    assert found[0].network == found[1].network
    np.testing.assert_array_equal(rs.flatten(found[0].params), rs.flatten(found[1].params))


class SeqToAnnForward(nn.Module):
    """Layers of PyTorch's called by ``functional.seq_to_ann_forward``."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(2, 3, 3), nn.Linear(12, 3)
        self.one = neuron.LIFNode(tau=1.5, step_mode="m", **SMOOTH)
        self.two = neuron.LIFNode(tau=1.5, step_mode="m", **SMOOTH)

    def forward(self, x):
        s = self.one(functional.seq_to_ann_forward(x, self.conv))
        s = functional.seq_to_ann_forward(s, [nn.AvgPool2d(2), nn.Flatten()])
        return self.two(self.fc(s))


def test_seq_to_ann_forward():
    net = SeqToAnnForward()
    x, y = np.random.default_rng(0).random((5, 2, 2, 6, 6)), np.array([0, 2])
    case = library.case_of(net, x, y, gain=4.0)

    assert largest_gap(library.wrap(net, case), case) < TOLERANCE


class Residual(nn.Module):
    """Spikes of an earlier layer are added to those of a later one (SEW)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convs = nn.ModuleList(
            layer.Conv2d(2, 2, 3, padding=1, step_mode="m") for _ in range(2)
        )
        self.nodes = nn.ModuleList(neuron.IFNode(step_mode="m", **SMOOTH) for _ in range(3))
        self.fc = layer.Linear(32, 3, step_mode="m")

    def forward(self, x):
        first = self.nodes[0](self.convs[0](x))
        second = self.nodes[1](self.convs[1](first))
        return self.nodes[2](self.fc((second + first).flatten(2)))


def test_a_residual_connection_is_a_skip():
    net = Residual()
    x, y = 2.0 * np.random.default_rng(0).random((5, 2, 2, 4, 4)), np.array([0, 2])
    case = library.case_of(net, x, y, gain=4.0)

    assert case.network.connections[2] == (rs.Skip(1), rs.Dense(3))
    assert largest_gap(library.wrap(net, case), case) < TOLERANCE
