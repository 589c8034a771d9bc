"""What no network is the same as is refused, by name, and every refusal ends with a way out."""

import re

import numpy as np
import pytest

import refsast as rs
from tests.crosscheck.module_gaps import TOLERANCE, largest_gap
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
from spikingjelly.activation_based import neuron, surrogate  # noqa: E402

nn, functional = torch.nn, torch.nn.functional
library = adapter("spikingjelly")
pytestmark = pytest.mark.slow

SPIKE = rs.Arctan(2.0)
STEP = adapter("torch").hard_spike(SPIKE)
SMOOTH = surrogate.ATan(alpha=2.0, spiking=False)
WAYS_OUT = r"rs\.Program|call module\.eval|check a copy|check the layers|keep its weights|give "


def node(**options):
    return neuron.IFNode(surrogate_function=SMOOTH, step_mode="m", **options)


class Wired(nn.Module):
    """Parts, and how they are joined."""

    def __init__(self, wire, **parts):
        super().__init__()
        torch.manual_seed(0)
        for name, part in parts.items():
            setattr(self, name, part)
        self.one, self.two = node(), node()
        self.register_buffer("shift", torch.zeros(4, 2, 8))
        self.wire = wire

    def forward(self, x):
        return self.wire(self, x)


def flat_parts():
    return {"a": nn.Linear(8, 8), "b": nn.Linear(8, 3), "c": nn.Linear(2, 2)}


def image_parts(*maps):
    """A convolution of images (2, 2, 2), steps taken for recordings, with maps behind it."""
    return {"a": nn.Sequential(nn.Conv2d(2, 2, 1), *maps), "b": nn.LazyLinear(3)}


def join_images(net, x):
    steps, batch = x.shape[:2]
    s = net.one(net.a(x.flatten(0, 1)).unflatten(0, (steps, batch)))
    return net.two(net.b(s.flatten(2)))


def norm(**options):
    return nn.BatchNorm2d(2, **options).eval()


def silent_norm():
    part = norm()
    part.weight.data[0] = 0.0
    return part


FLAT = {
    "got mul": lambda net, x: net.two(net.b(2.0 * net.one(net.a(x)))),
    "got linear": lambda net, x: net.two(functional.linear(net.one(net.a(x)), net.b.weight)),
    "got a sum of two maps": lambda net, x: net.two(net.b(net.one(net.a(x) + net.a(x)))),
    "got a in more": lambda net, x: net.two(net.b(net.one(net.a(net.a(x))))),
    "got ones_like": lambda net, x: net.two(net.b(net.one(net.a(torch.ones_like(x))))),
    "from elsewhere": lambda net, x: net.two(net.b(net.one(net.a(net.shift)))),
    "got two, layer 2, fed by the input": lambda net, x: (
        net.one(net.a(x)),
        net.two(net.b(x)),
    )[1],
    "got a, b without neurons": lambda net, x: net.b(net.a(net.one(x))),
    "c must see all numbers of a recording at once, weights (2, 8), got (2, 2)": lambda net, x: (
        net.two(net.b(net.one(net.c(x.unflatten(2, (4, 2))).flatten(2))))
    ),
    "got none before one": lambda net, x: net.two(net.b(net.one(x))),
    "got permute": lambda net, x: net.two(net.b(net.one(net.a(x).permute(0, 2, 1)))),
    "got repeat": lambda net, x: net.two(
        net.b(net.one(net.a(x.unflatten(2, (4, 2))[..., 0].repeat(1, 1, 2))))
    ),
    "got tile": lambda net, x: net.two(net.b(net.one(net.a(torch.tile(x[..., :4], (2,)))))),
    "got transpose": lambda net, x: net.two(net.b(net.one(net.a(x.transpose(dim0=1, dim1=2))))),
    "got movedim": lambda net, x: net.two(net.b(net.one(net.a(x.movedim((1, 2), (2, 1)))))),
    "got select": lambda net, x: net.two(
        net.b(net.one(net.a(x.select(2, 0).unsqueeze(2).expand_as(x))))
    ),
    "got cat": lambda net, x: net.two(net.b(net.one(net.a(torch.cat([x[..., :4]] * 2, 2))))),
    "got __getitem__": lambda net, x: net.two(net.b(net.one(net.a(x))[:, :, torch.arange(8)])),
}
IMAGES = {
    "must be padded with zeros, got 'circular'": [
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")
    ],
    "got 'same' with an even kernel": [nn.Conv2d(2, 2, 2, padding="same")],
    "got ceil_mode=True": [nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)],
    "got divisor_override=3": [nn.AvgPool2d(2, divisor_override=3)],
    "got dilation=2": [nn.MaxPool2d(1, dilation=2)],
    "equal windows, got (3, 3) of (2, 2)": [nn.AdaptiveAvgPool2d(3)],
    "must sum (norm_type 1": [nn.LPPool2d(2, 2)],
    "sums of windows must stand before the weights": [nn.LPPool2d(1, 2)],
    "folded into, got another place": [nn.AvgPool2d(2), norm()],
    "without running statistics": [norm(track_running_stats=False)],
    "must not be zero, got a channel that it silences": [silent_norm()],
    "is BatchNorm2d in training mode": [nn.BatchNorm2d(2)],
    "must be BatchNorm1d or 2d, got SyncBatchNorm": [nn.SyncBatchNorm(2).eval()],
    "got group_norm": [nn.GroupNorm(1, 2)],
}


def refusal(net, x):
    with pytest.raises(ValueError) as error:  # noqa: PT011, the caller looks at it
        library.case_of(net, x, np.array([0, 2]))
    return str(error.value)


@pytest.mark.parametrize("says", FLAT)
def test_layers_that_are_joined_otherwise_are_refused(says):
    net = Wired(FLAT[says], **flat_parts())
    exchanged = says in ("got transpose", "got movedim", "got permute")

    found = refusal(net, np.random.default_rng(0).random((4, 8 if exchanged else 2, 8)))

    assert says in found
    assert re.search(WAYS_OUT + "|multiply linear layers|give each layer one", found), found
    assert "\n" not in found


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("says", IMAGES)
def test_maps_that_no_connection_is_are_refused(says):
    net = Wired(join_images, **image_parts(*IMAGES[says][1:] if "pad" in says else IMAGES[says]))
    if isinstance(IMAGES[says][0], nn.Conv2d):
        net.a = nn.Sequential(*IMAGES[says])

    found = refusal(net, np.random.default_rng(0).random((4, 2, 2, 2, 2)))

    assert says in found
    assert re.search(WAYS_OUT, found), found
    assert "\n" not in found


@pytest.mark.parametrize("maps", [
    [nn.AvgPool2d(2, ceil_mode=True)],
    [nn.AvgPool2d(2, count_include_pad=False)],
    [nn.AdaptiveAvgPool2d(1)],
    [nn.AdaptiveAvgPool2d((None, 1))],
    [nn.Conv2d(2, 2, 3, padding="same")],
    [nn.Identity(), nn.Dropout2d(0.5).eval(), norm(affine=False), nn.MaxPool2d(2)],
])  # fmt: skip
def test_options_that_change_nothing_are_read(maps):
    parts = image_parts(*maps)
    if isinstance(maps[0], nn.Conv2d):
        parts["a"] = nn.Sequential(*maps)
    net = Wired(join_images, **parts)
    x = np.random.default_rng(0).random((4, 2, 2, 2, 2))
    with torch.no_grad():
        net(torch.tensor(x, dtype=torch.float32))  # makes the lazy layer
    library_reset(net)
    case = library.case_of(net, x, np.array([0, 2]), gain=5.0)

    assert largest_gap(library.wrap(net, case), case) < TOLERANCE


VIEWS = {
    "x[:, :, :]": lambda x: torch.stack([x[t, :, :] for t in range(len(x))]),
    "x[t, ...]": lambda x: torch.stack([x[torch.tensor(t), ...] for t in range(len(x))]),
    "x[:, b]": lambda x: torch.stack([x[:, b, :] for b in range(x.shape[1])], 1),
    "select": lambda x: torch.cat([x.select(0, t).unsqueeze(0) for t in range(len(x))]),
    "permute": lambda x: x.permute(1, 0, 2).permute((1, 0, -1)),
    "split": lambda x: torch.cat(x.split(1), dim=0),
    "movedim": lambda x: x.movedim(0, 1).movedim((1, 0), (0, 1)),
    "whole": lambda x: x[:, :][None][0, :4],
}


@pytest.mark.parametrize("view", VIEWS)
def test_steps_and_recordings_may_be_picked_and_joined(view):
    net = Wired(lambda net, x: net.two(net.b(net.one(net.a(VIEWS[view](x))))), **flat_parts())
    x = 4.0 * np.random.default_rng(0).random((4, 2, 8))
    case = library.case_of(net, x, np.array([0, 2]), gain=5.0)

    assert largest_gap(library.wrap(net, case), case) < TOLERANCE


REPEATS = {
    "expand": lambda image: image.unsqueeze(0).expand(4, *image.shape),
    "stack": lambda image: torch.stack([image] * 4),
    "cat": lambda image: torch.cat([image.unsqueeze(0)] * 4, dim=0),
}


@pytest.mark.parametrize("repeat", REPEATS)
def test_an_image_that_is_repeated_inside_is_given_once(repeat):
    net = Wired(lambda net, x: net.two(net.b(net.one(net.a(REPEATS[repeat](x))))), **flat_parts())
    x = np.repeat(4.0 * np.random.default_rng(0).random((1, 2, 8)), 4, axis=0)
    case = library.case_of(net, x, np.array([0, 2]), gain=5.0)

    assert largest_gap(library.wrap(net, case), case) < TOLERANCE


def library_reset(net):
    from spikingjelly.activation_based import functional as theirs

    theirs.reset_net(net)


def test_layers_that_do_not_go_together_are_refused():
    x = np.random.default_rng(0).random((4, 2, 8))

    def wire(net, x):
        return net.two(net.b(net.one(net.a(x))))

    net = Wired(wire, **flat_parts())
    net.two = neuron.IFNode(surrogate_function=surrogate.ATan(), step_mode="m")
    assert "got hard and smooth ones: check the layers of each kind" in refusal(net, x)
    net = Wired(wire, **flat_parts())
    net.two = neuron.QIFNode(step_mode="m")
    assert re.search(r"got QIFNode: put one of these .* rs\.Program", refusal(net, x))


def test_potentials_that_go_to_the_next_layer_are_refused():
    snn = pytest.importorskip("snntorch")
    theirs = adapter("snntorch")

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.one = nn.Linear(4, 4), snn.Leaky(0.9)
            self.b, self.two = nn.Linear(4, 3), snn.Leaky(0.9)

        def forward(self, x):
            one, two, found = self.one.reset_mem(), self.two.reset_mem(), []
            for step in x:
                _, one = self.one(self.a(step), one)
                s, two = self.two(self.b(one), two)
                found.append(s)
            return torch.stack(found)

    x = np.random.default_rng(0).random((4, 2, 4))
    with pytest.raises(ValueError, match=r"got another output of one: .* rs\.Program"):
        theirs.case_of(Net(), x, np.array([0, 2]))


def test_weights_that_are_in_no_part_are_refused_after_the_last_neurons_too():
    def wire(net, x):
        return net.two(net.b(net.one(net.a(x)))) @ net.c.weight.T.contiguous()

    parts = {**flat_parts(), "c": nn.Linear(3, 3, bias=False)}
    found = refusal(Wired(wire, **parts), np.random.default_rng(0).random((4, 2, 8)))
    assert re.search(r"got matmul of one of its own: keep its weights in an nn\.Linear", found)


def test_a_module_that_raises_anything_is_refused_in_one_line_and_so_is_a_loss():
    def wire(net, x):
        raise AssertionError("one\ntwo")

    x, y = 4.0 * np.random.default_rng(0).random((4, 2, 8)), np.array([0, 2])
    assert refusal(Wired(wire, **flat_parts()), x).endswith("got: one")
    net = Wired(lambda net, x: net.two(net.b(net.one(net.a(x)))), **flat_parts())
    case = library.case_of(net, x, y, gain=5.0)
    implementation = library.wrap(net, case, loss=lambda s, y: {}["no"])
    with pytest.raises(ValueError, match="loss= or logits= must take what the module returns"):
        rs.check(implementation, case)


def test_a_threshold_at_infinity_and_a_loss_without_its_readout_name_a_way_out():
    x, y = np.random.default_rng(0).random((4, 2, 8)), np.array([0, 2])
    net = Wired(lambda net, x: net.two(net.b(net.one(net.a(x)))), **flat_parts())
    with pytest.raises(ValueError, match=r"must be SpikeRate for .* rs\.Program"):
        library.case_of(net, x, y, loss=rs.MeanSquaredRate(), readout=rs.MeanPotential())
    net.two.v_threshold = np.inf
    assert re.search(r"v_threshold must be finite, got inf: .* rs\.Program", refusal(net, x))


@pytest.mark.parametrize("keeps", [True, False])
def test_a_module_of_single_steps_that_forgets_its_states_is_refused(keeps):
    snn = pytest.importorskip("snntorch")
    theirs = adapter("snntorch")

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.fc, self.lif = nn.Linear(4, 3), snn.Leaky(0.9, spike_grad=STEP)
            self.mem = None

        def forward(self, x):
            mem = self.mem if keeps and self.mem is not None else torch.zeros(len(x), 3)
            s, self.mem = self.lif(self.fc(x), mem)
            return s

    def reset(net):
        net.mem = None

    net, y = Net(), np.array([0, 2])
    x = 4.0 * np.random.default_rng(0).random((4, 2, 4))
    options = {"spike": SPIKE, "detach_reset": True, "gain": 5.0}
    if not keeps:
        with pytest.raises(ValueError, match="lif at rest again in the second call: put the loop"):
            theirs.case_of(net, x, y, **options)
        return
    case = theirs.case_of(net, x, y, **options)
    implementation = theirs.wrap(net, case, reset=reset)
    assert largest_gap(implementation, case) < TOLERANCE


def test_a_readout_that_the_module_does_not_have_is_refused():
    net = Wired(lambda net, x: net.two(net.b(net.one(net.a(x)))), **flat_parts())
    x, y = np.random.default_rng(0).random((4, 2, 8)), np.array([0, 2])
    with pytest.raises(ValueError, match="two must not reset to be read out as an integrator"):
        library.case_of(net, x, y, readout=rs.MaxPotential)
    with pytest.raises(ValueError, match="must end with a Linear"):
        library.case_of(net, x, y, readout=rs.LinearReadout(3))
