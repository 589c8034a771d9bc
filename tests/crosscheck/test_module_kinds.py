"""Modules that are batch first, that drop, and libraries that always detach: named, or allowed."""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import ask
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow


class Chain(torch.nn.Module):
    """Two layers that loop over one axis of (., ., n), and stack over the same."""

    def __init__(self, axis: int, drop: float = 0.0) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)])
        self.axis, self.drop = axis, torch.nn.Dropout(drop)

    def forward(self, a):
        for layer in self.layers:
            a = a.movedim(self.axis, 0)
            u = s = torch.zeros(a.shape[1], layer.out_features, dtype=a.dtype)
            out = []
            for step in a:
                u = 0.8 * u * (1 - s) + layer(self.drop(step))
                s = torch.sigmoid(4 * (u - 1.0))
                out.append(s)
            a = torch.stack(out, self.axis)
        return a


def wrap(module, steps, batch, **options):
    from refsast.crosscheck.adapters import module_wrapper as modules

    rng = np.random.default_rng(0)
    neuron = rs.LIF(0.8, 1.0, rs.Logistic(4.0))
    network = rs.Network((4, 6, 3), neuron, rs.SpikeRate(8.0))
    params = modules.params_of(module, network)
    x = 1.5 * rng.standard_normal((steps, batch, 4))
    case = rs.Case(network, params, x, rng.integers(0, 3, batch))
    return modules.wrap(module, case, **options), case


class Counting(Chain):
    """A module that keeps a state from call to call, and has no reset."""

    def __init__(self) -> None:
        super().__init__(axis=0)
        self.calls = 0

    def forward(self, a):
        self.calls += 1
        return super().forward(a)


def test_a_probe_leaves_no_trace_in_a_module_without_a_reset():
    module = Counting()
    implementation, case = wrap(module, 5, 3)

    ask(implementation.gradient, case)

    assert module.calls == 1


SHAPES = [(8, 5), (6, 6), (3, 9), (2, 2), (12, 2)]


@pytest.mark.parametrize(("steps", "batch"), SHAPES)
def test_a_batch_first_module_is_recognized(steps, batch):
    implementation, case = wrap(Chain(axis=1), steps, batch)

    with pytest.raises(ValueError, match="got one that is batch first") as error:
        rs.check(implementation, case)
    assert "enter=lambda x: x.transpose(0, 1)" in str(error.value)


@pytest.mark.parametrize(("steps", "batch"), SHAPES)
def test_outputs_that_are_batch_first_are_recognized(steps, batch):
    implementation, case = wrap(Chain(axis=1), steps, batch, enter=lambda x: x.transpose(0, 1))

    with pytest.raises(ValueError, match=r"return \(time, batch, n\), got \(batch, time, n\)"):
        rs.check(implementation, case)


@pytest.mark.parametrize(("steps", "batch"), SHAPES)
def test_both_options_make_it_right_and_time_first_is_left_alone(steps, batch):
    options = {"enter": lambda x: x.transpose(0, 1), "logits": lambda s: 8.0 * s.mean(1)}
    for implementation, case in (
        wrap(Chain(axis=1), steps, batch, **options),
        wrap(Chain(axis=0), steps, batch),
    ):
        assert all(stage.agrees for stage in rs.check(implementation, case).stages)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_in_training_mode_is_named(rate):
    module = Chain(axis=0, drop=rate)
    implementation, case = wrap(module, 5, 3)

    with pytest.raises(ValueError, match=r"drop is Dropout\(p=0\.\d\) in training mode"):
        rs.check(implementation, case)
    module.eval()
    assert all(stage.agrees for stage in rs.check(implementation, case).stages)


def test_tensors_of_short_dtypes_are_refused_and_flat_lists_are_read():
    _, case = wrap(Chain(axis=0), 5, 3)
    _, right = rs.fast.loss_and_grad(case.network, case.params, case.x, case.y)
    for dtype in ("bfloat16", "float16"):
        grads = [
            {k: torch.tensor(getattr(g, k), dtype=getattr(torch, dtype)) for k in "wb"}
            for g in right
        ]
        with pytest.raises(ValueError, match=f"must be float32 or float64, got {dtype}"):
            ask(lambda *_, grads=grads: (1.0, grads), case)
    flat = [torch.tensor(a) for g in right for a in (g.w, g.b)]
    answer, _ = ask(lambda *_: (1.0, flat), case)
    np.testing.assert_array_equal(rs.flatten(answer.grads), rs.flatten(right))


def test_a_library_that_always_detaches_can_be_checked_for_the_rest():
    library = adapter("snntorch")
    snn = pytest.importorskip("snntorch")
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList()
            for sizes in ((4, 6), (6, 3)):
                leaky = snn.Leaky(beta=0.5, init_hidden=True, reset_mechanism="zero")
                self.parts.extend([torch.nn.Linear(*sizes), leaky])

        def forward(self, x):
            out = []
            for s in x:
                for part in self.parts:
                    s = part(s)
                out.append(s)
            return torch.stack(out)

    module = Net()
    rng = np.random.default_rng(0)
    x, y = 3.0 * rng.standard_normal((8, 5, 4)), rng.integers(0, 3, 5)
    found = {}
    for detach in (False, True):
        case = library.case_of(module, x, y, gain=5.0, detach_reset=detach)
        assert {n.detach_reset for n in case.network.neurons} == {detach}
        report = rs.check(library.wrap(module, case), case)
        found[detach] = {stage.name: stage.agrees for stage in report.stages}
    for each in module.parts:
        if isinstance(each, snn.Leaky):
            library.unregister(each)

    assert found[True]["parameter gradients"]
    assert not found[False]["parameter gradients"]
