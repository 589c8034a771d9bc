"""A user's own module: wrapped, judged, and given back as it was."""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case, ask
from refsast.crosscheck.check import check
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

SIZES, STEPS = (6, 8, 3), 10


class Plain(torch.nn.Module):
    """Two layers written by hand, the second stored as (n_in, n_out) and used first to last."""

    def __init__(self, spike) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(3.0))
        self.one = torch.nn.Linear(6, 8)
        self.w = torch.nn.Parameter(torch.randn(8, 3))
        self.b = torch.nn.Parameter(torch.randn(3))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("scale", torch.ones(()))
        self.spike = spike

    def forward(self, x):
        self.calls += 1
        s = self.layer(self.one(x))
        return self.layer(s.to(self.w.dtype) @ self.w + self.b) * self.scale

    def layer(self, currents):
        u = s = torch.zeros_like(currents[0])
        spikes = []
        for current in currents:
            u = 0.9 * u * (1.0 - s) + current
            s = self.spike(u - 1.0)
            spikes.append(s)
        return torch.stack(spikes)


NAMES = {"one.weight": (0, "w"), "one.bias": (0, "b"), "w": (1, "w.T"), "b": (1, "b")}


@pytest.fixture
def modules():
    return adapter("torch") and __import__(
        "refsast.crosscheck.adapters.module_wrapper", fromlist=["wrap"]
    )


@pytest.fixture
def plain() -> Plain:
    torch.manual_seed(0)
    return Plain(adapter("torch").smooth_spike(rs.Logistic(4.0)))


@pytest.fixture
def case() -> Case:
    neuron = rs.LIF(0.9, 1.0, rs.Logistic(4.0))
    network = rs.Network(SIZES, neuron, rs.SpikeRate(3.0))
    return Case(network, rs.init(network, np.random.default_rng(0)), *batch())


def batch():
    rng = np.random.default_rng(1)
    return rng.integers(0, 3, (STEPS, 4, 6)).astype(float), rng.integers(0, 3, 4)


def test_a_module_with_named_parameters_agrees(modules, plain, case):
    for dtype in (torch.float64, torch.float32):
        report = check(modules.wrap(plain, case, names=NAMES, dtype=dtype), case)

        assert report.agrees, report
        assert [stage.name for stage in report.stages] == [
            "loss", "parameter gradients", "input gradient",
        ]  # fmt: skip


@pytest.mark.slow
def test_a_wrong_module_is_found_out(modules, case):
    def detach_slope(v):
        return smooth(v) + 0.0 * v.detach()

    smooth = adapter("torch").smooth_spike(rs.Logistic(4.0))
    module = Plain(detach_slope)
    module.layer = lambda currents: Plain.layer(module, currents) * 1.01

    assert not check(modules.wrap(module, case, names=NAMES), case).agrees


def test_weights_are_copied_both_ways(modules, plain, case):
    own = modules.params_of(plain, case.network, NAMES)
    theirs = Case(case.network, own, case.x, case.y)

    np.testing.assert_array_equal(own[1].w, plain.w.detach().numpy().T)
    np.testing.assert_array_equal(own[0].b, plain.one.bias.detach().numpy())
    z = plain(torch.tensor(case.x, dtype=torch.float32)).mean(dim=0) * 3.0
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(case.y)).item()
    assert ask(modules.wrap(plain, theirs, names=NAMES).gradient, theirs)[0].loss == pytest.approx(
        loss, rel=1e-6
    )


def states(module):
    """All that must be as it was: the objects, their numbers, and what stands beside them."""
    return [
        (name, id(p), p.dtype, p.requires_grad, p.tolist(), None if p.grad is None else id(p.grad))
        for name, p in [*module.named_parameters(), *module.named_buffers()]
    ] + [
        (name, each.training, len(each._forward_pre_hooks)) for name, each in module.named_modules()
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_a_module_comes_back_as_it_was(modules, plain, case, fails):
    plain(torch.tensor(case.x, dtype=torch.float32)).sum().backward()
    plain.one.eval()
    plain.one.bias.requires_grad = False
    before = states(plain)
    given = modules.wrap(plain, case, names=NAMES).gradient
    if fails:
        plain.spike = lambda v: v @ v  # does not run

    if fails:
        with pytest.raises(ValueError, match=r"module must run on an input of shape \(10, 4, 6\)"):
            ask(given, case)
    else:
        ask(given, case)

    assert states(plain) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "parameters must be w (8, 6), b (8,), w (3, 8), b (3,), in this order or by names"),
        ({"names": {**NAMES, "x": (0, "w")}}, "names must be of"),
        ({"names": {"one.weight": (0, "w")}}, "names must give each of"),
        ({"names": {**NAMES, "b": (0, "b")}}, "b must have shape (8,), got (3,)"),
        ({"names": {**NAMES, "b": (2, "b")}}, "names['b'] must be one of"),
        ({"names": {**NAMES, "w": (1, "w")}}, "w must have shape (3, 8), got (8, 3)"),
        ({"names": NAMES, "dtype": torch.float16}, "dtype must be torch.float32 or torch.float64"),
    ],
)
def test_other_parameters_are_refused(modules, plain, case, options, says):
    with pytest.raises(ValueError, match="must") as error:
        modules.wrap(plain, case, **options)

    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("logits", "says"),
    [
        (lambda s: s, r"logits must have shape \(4, 3\), got \(10, 4, 3\)"),
        (lambda s: s.detach().mean(0), "logits must depend on the parameters"),
        (lambda s: 1.0, "logits must give a tensor, got float"),
    ],
)
def test_other_logits_are_refused(modules, plain, case, logits, says):
    with pytest.raises(ValueError, match=says):
        ask(modules.wrap(plain, case, names=NAMES, logits=logits).gradient, case)


def test_what_is_no_module_is_refused(modules, case):
    with pytest.raises(ValueError, match=r"module must be a torch\.nn\.Module, got int"):
        modules.wrap(3, case)
