"""The golden set against a plain PyTorch program, written from the equations of the index alone.

Its formulas are the usual ones, less careful than ours: what it says must be accepted all the same.
"""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.golden.comparison import compare_case
from refsast.crosscheck.golden.reader import EXTENDED_SET, Golden, read_golden
from refsast.testing import Problem
from tools.golden.questions import Spec
from tools.golden.write import compute_golden

SET = {golden.name: golden for golden in read_golden()}
EXTENDED = {golden.name: golden for golden in read_golden(EXTENDED_SET)}


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch")
    found.set_num_threads(1)
    return found


def spike_function(torch, neuron: rs.LIF, hard: bool):
    k = neuron.spike.slope

    def rational(v):
        return 0.5 * (1.0 + k * v / (1.0 + (k * v).abs()))

    def spline(v):
        z = (k * v).clamp(-1.0, 1.0)
        return 0.5 + z - z * z.abs() / 2.0

    smooth = {
        rs.Arctan: lambda v: 0.5 + torch.atan(0.5 * np.pi * k * v) / np.pi,
        rs.Logistic: lambda v: torch.sigmoid(k * v),
        rs.Algebraic: lambda v: 0.5 * (1.0 + k * v / torch.sqrt(1.0 + (k * v) ** 2)),
        rs.FastSigmoid: rational,
        rs.PiecewiseQuadratic: spline,
    }[type(neuron.spike)]
    if not hard:
        return smooth
    return lambda v: (v >= 0.0).to(v.dtype) + (smooth(v) - smooth(v).detach())


def apply_reset(neuron: rs.LIF, u, s):
    s = s.detach() if neuron.detach_reset else s
    leak, theta = neuron.leak, neuron.threshold
    return {
        rs.ToZero(): lambda: leak * u * (1.0 - s),
        rs.Subtract(): lambda: leak * u - theta * s,
        rs.Subtract(leaked=True): lambda: leak * (u - theta * s),
        rs.NoReset(): lambda: leak * u,
    }[neuron.reset]()


def forward(torch, golden: Golden, w, x, y):
    """Loss, logits, and lists of potentials and spikes, of flat parameters."""
    case = golden.question.case
    network, synapse = case.network, case.synapse
    shapes = [(k, n) for layer in network.shapes for k, n in layer.items()]
    pieces = torch.split(w, [int(np.prod(n)) for _, n in shapes])
    arrays = iter([piece.reshape(n) for piece, (_, n) in zip(pieces, shapes, strict=True)])
    layers = [{k: next(arrays) for k in layer} for layer in network.shapes]
    us, ss, inputs = [], [], list(x)
    for neuron, layer in zip(network.neurons, layers, strict=False):
        fire = spike_function(torch, neuron, case.hard)
        rest = torch.zeros(len(y), layer["w"].shape[0], dtype=w.dtype)
        u = s = i = rest.requires_grad_()  # so that a first potential is never a constant
        of_u, of_s = [], []
        for a in inputs:
            now = a @ layer["w"].T + layer.get("b", 0.0)
            now = now + s @ layer["v"].T if "v" in layer else now
            before, i = i, now + (synapse.leak * i if synapse else 0.0)
            drive = synapse.scale * (before if synapse.delayed else i) if synapse else i
            u = apply_reset(neuron, u, s) + drive
            s = fire(u - neuron.threshold)
            of_u.append(u)
            of_s.append(s)
        us.append(of_u)
        ss.append(of_s)
        inputs = of_s
    logits = read(torch, network.readout, layers[-1], inputs)
    return torch.nn.functional.cross_entropy(logits, y), logits, us, ss


def read(torch, readout, layer, spikes):
    rate = sum(spikes) / len(spikes)
    if isinstance(readout, rs.SpikeRate):
        return readout.gain * rate
    if isinstance(readout, rs.LinearReadout):
        return rate @ layer["w"].T + layer.get("b", 0.0)
    v = total = 0.0
    for s in spikes:
        v = readout.leak * v + s @ layer["w"].T + layer.get("b", 0.0)
        total = total + v
    return total / len(spikes)


def answers(torch, golden: Golden, dtype) -> dict[str, np.ndarray]:
    """Everything that is asked."""
    question, case, grad = golden.question, golden.question.case, torch.autograd.grad

    def leaf(array):
        return torch.tensor(array, dtype=dtype, requires_grad=True)

    w, x, y = leaf(rs.flatten(case.params)), leaf(case.x), torch.tensor(case.y)
    loss, logits, us, ss = forward(torch, golden, w, x, y)
    flat_us = [u for layer in us for u in layer]
    found = grad(loss, [w, x, *flat_us], create_graph=True, materialize_grads=True)
    g, x_grad, adjoints = found[0], found[1], iter(found[2:])
    raised = w + question.rho * g / g.norm()
    x2, y2 = leaf(question.second.x), torch.tensor(question.second.y)
    point = raised.detach().requires_grad_()
    sam = grad(forward(torch, golden, point, x2, y2)[0], point)[0]
    named = {"loss": loss, "logits": logits, "x_grad": x_grad, "sam.point": raised}
    named["sam.grads"] = sam
    for i, layer in enumerate(us):
        named[f"u.{i}"], named[f"s.{i}"] = torch.stack(layer), torch.stack(ss[i])
        named[f"adjoints.{i}"] = torch.stack([next(adjoints) for _ in layer])
    if not golden.left_out:
        named["hvp"] = grad(
            g @ torch.tensor(question.direction, dtype=dtype), w, retain_graph=True
        )[0]
        named["sam.exact"] = grad(forward(torch, golden, raised, x, y)[0], w)[0]
    arrays = {k: a.detach().numpy() for k, a in named.items()}
    for i, layer in enumerate(rs.unflatten(case.network, g.detach().numpy())):
        arrays |= {f"grads.{i}.{k}": a for k, a in vars(layer).items() if a is not None}
    return arrays


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SET)
def test_plain_pytorch_agrees_in_everything(torch, name, dtype):
    verdict = compare_case(SET[name], answers(torch, SET[name], getattr(torch, dtype)))

    assert verdict.missing == ()
    assert verdict.agrees, verdict


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("spike", [rs.Logistic(16.0), rs.Algebraic(512.0), rs.FastSigmoid(4096.0)])
def test_formulas_that_lose_the_tails_of_a_spike_agree(torch, spike, hard):
    """As ``k s (1 - s)`` does, and the quotient rule: far from threshold few digits are right."""
    network = rs.Network((2, 4), rs.LIF(0.5, 0.5, spike), rs.SpikeRate(4.0), bias=False)
    found = []
    for seed in range(4):
        golden = compute_golden(Spec("saturated", network, 2, 2, seed, hard=hard, grid=4))
        given = answers(torch, golden, torch.float32)
        assert compare_case(golden, given).agrees, compare_case(golden, given)
        found.append(abs(given["x_grad"] / golden.answers["x_grad"] - 1.0))

    assert np.nanmax(found) > 1e-4


@pytest.mark.parametrize("name", EXTENDED)
def test_plain_pytorch_agrees_in_losses_and_gradients_of_extended_networks(torch, name):
    from tests.gradient.test_torch import Hard, sigma
    from tests.gradient.torch_extended import torch_gradients

    question, case = EXTENDED[name].question, EXTENDED[name].question.case
    fire = (lambda spike, v: Hard.apply(v, spike)) if case.hard else sigma

    def gradients(params, batch):
        return torch_gradients(Problem(case.network, params, batch.x, batch.y), fire)

    loss, grads, in_x = gradients(case.params, case)
    g = rs.flatten(grads)
    point = rs.flatten(case.params) + question.rho * g / np.linalg.norm(g)
    raised = gradients(rs.unflatten(case.network, point), question.second)[1]
    given = {"loss": np.asarray(loss), "x_grad": in_x, "sam.point": point}
    given["sam.grads"] = rs.flatten(raised)
    for i, layer in enumerate(grads):
        given |= {f"grads.{i}.{k}": a for k, a in vars(layer).items() if a is not None}
    verdict = compare_case(EXTENDED[name], given)

    assert verdict.agrees, verdict
    assert set(given) == {a.name for a in verdict.arrays}
