"""What of a user's module was not compared is said; unclear recordings are named."""

from typing import ClassVar

import numpy as np
import pytest

import refsast as rs

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
nn = torch.nn

from refsast.crosscheck.adapters import snntorch as library  # noqa: E402
from refsast.crosscheck.adapters.uncompared import OWN_LOSS, list_uncompared  # noqa: E402


class Net(nn.Module):
    """A tutorial's network: one static input, shown at every step."""

    steps = 12

    def __init__(self, sizes=(20, 30, 10), **options):
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(*sizes[:2]), snn.Leaky(beta=0.9, **options)
        self.fc2, self.lif2 = nn.Linear(*sizes[1:]), snn.Leaky(beta=0.9, **options)

    def forward(self, x):
        one, two, spikes = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for _ in range(self.steps):
            s, one = self.lif1(self.fc1(x), one)
            s, two = self.lif2(self.fc2(s), two)
            spikes.append(s)
        return torch.stack(spikes)


def static_case(net, seed, batch=3, size=20, scale=2.0, **options):
    x = scale * np.random.default_rng(seed).random((batch, size))
    steps = np.repeat(x[None], net.steps, 0)
    return library.case_of(net, steps, np.arange(batch), gain=10.0, **options)


def wrap(net, case, **options):
    return library.wrap(net, case, enter=lambda x: x[0], **options)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "options",
    [
        {"learn_beta": True},
        {"learn_threshold": True},
        {"learn_beta": True, "learn_threshold": True},
        {"learn_beta": True, "reset_mechanism": "none"},
    ],
)
def test_learned_numbers_are_compared(options, seed):
    torch.manual_seed(seed)
    net = Net(**options)
    case = static_case(net, seed, detach_reset=True)
    right = rs.check(wrap(net, case), case)
    learned = {"beta": "leak", "threshold": "threshold"}
    key = next(key for key in learned if options.get(f"learn_{key}"))
    getattr(net.lif1, key).register_hook(lambda g: 1.1 * g)
    wrong = rs.check(wrap(net, case), case)

    assert right.verdict != "DISAGREES", right
    assert wrong.verdict == "DISAGREES", wrong
    assert wrong.stages[1].worst.name == f"grads[0].{learned[key]}"
    for report in (right, wrong):
        assert not [each for each in report.not_compared if each.startswith("parameter")]
        assert report.not_compared[-1] == OWN_LOSS
        assert "not compared: states, adjoints, input gradient, " in str(report)


class Parts(nn.Module):
    """Layers that no case knows."""

    wanted: ClassVar = ("weight",)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))
        self.gain = nn.Parameter(torch.ones(1), requires_grad=False)
        self.norm, self.drop = nn.BatchNorm1d(2), nn.Dropout(0.5)
        self.register_buffer("shift", torch.zeros(2))


def test_layers_and_buffers_that_no_case_knows_are_listed():
    module = Parts()
    module.drop.eval()
    assert list_uncompared(module, Parts.wanted) == (
        "constant gain",
        "parameter norm.weight",
        "parameter norm.bias",
        "BatchNorm1d norm (in training mode)",
        "Dropout drop (in evaluation mode)",
        "buffers shift",
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_tutorial_network_of_any_size_is_never_refused(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    sizes = (int(rng.integers(50, 400)), int(rng.integers(50, 300)), 10)
    net = Net(sizes, reset_mechanism="none")  # the library is right without a reset
    net = net.double() if seed % 2 else net
    case = static_case(net, seed, batch=4, size=sizes[0], scale=1.0)
    report = rs.check(wrap(net, case, dtype=torch.float64), case)
    assert report.verdict != "DISAGREES", report
    assert len(report.left_out) < 4


def test_buffers_of_a_module_that_is_itself_listed_are_not_listed_again():
    named = list_uncompared(nn.BatchNorm1d(3), ("weight", "bias"))

    assert [each for each in named if "buffers" in each] == []
    assert any("BatchNorm1d" in each for each in named)
