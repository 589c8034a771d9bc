"""What outlives a call is named where it foretells later calls, and only there."""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import cast_params
from refsast.model.params import map_params

torch = pytest.importorskip("torch")
SEEDS = range(3)  # all resets and readouts


def draw_case(seed, *, synapse=None, readout=None, depth=2):
    rng = np.random.default_rng(seed)
    reset = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True))[seed % 3]
    readout = rs.LinearReadout(3) if readout is None else readout
    lif = rs.LIF(float(rng.uniform(0.5, 0.95)), 0.8, rs.Arctan(2.0), reset)
    network = rs.Network((4, *(5, 4)[:depth]), lif, readout, recurrent=True)
    params = map_params(
        lambda a: 2.0 * a + 0.2 * rng.standard_normal(a.shape), rs.init(network, rng)
    )
    x = rng.uniform(0.0, 1.0, (6, 3, 4))
    return rs.Case(network, params, x, rng.integers(0, 3, 3), synapse=synapse)


class Stateful:
    """The case's network in PyTorch; `keep` says what a call leaves for the next."""

    def __init__(self, case, keep, dtype=np.float64):
        self.case, self.keep, self.dtype, self.old, self.held = case, keep, dtype, {}, 0.0

    def __call__(self, params, x, y):
        layers = [
            {k: torch.tensor(a, requires_grad=True) for k, a in vars(p).items() if a is not None}
            for p in cast_params(params, self.dtype)
        ]
        s = torch.tensor(x.astype(self.dtype))
        for index, neuron in enumerate(self.case.network.neurons):
            s = self.run(index, neuron, layers[index], s)
        loss = torch.nn.functional.cross_entropy(self.read(layers[-1], s), torch.tensor(y))
        loss.backward()
        grads = [{k: a.grad.numpy() for k, a in layer.items()} for layer in layers]
        return float(loss.detach()), grads

    def run(self, index, neuron, layer, a):
        zero = torch.zeros(a.shape[1], len(layer["w"]), dtype=a.dtype)
        u, s, i = (self.old.get((index, part), zero) for part in "usi")
        spikes, synapse = [], self.case.synapse
        for step in a:
            current = step @ layer["w"].T + layer["b"] + s @ layer["v"].T
            if synapse is not None:
                i = synapse.leak * i + current
                current = i
            leak, theta = neuron.leak, neuron.threshold
            if isinstance(neuron.reset, rs.ToZero):
                left = leak * u * (1 - s)
            elif neuron.reset.leaked:
                left = leak * (u - theta * s)
            else:
                left = leak * u - theta * s
            u = left + current
            s = 0.5 + torch.arctan(torch.pi * (u - theta)) / torch.pi  # slope 2
            spikes.append(s)
        found = zip("usi", (u, s, i), strict=True)
        self.old |= {(index, k): a.detach() for k, a in found if self.keep(index, k)}
        return torch.stack(spikes)

    def read(self, layer, s):
        readout, v, vs = self.case.network.readout, self.held, []
        leak = getattr(readout, "leak", 1.0)
        for step in s:
            v = leak * v + step @ layer["w"].T + layer["b"]
            vs.append(v)
        if self.keep("readout", "v"):
            self.held = v.detach()
        if isinstance(readout, rs.LeakyReadout):
            return torch.stack(vs).mean(dim=0)
        return v if isinstance(readout, rs.LastPotential) else v / len(s)


KEPT = {
    "the states kept": lambda i, k: i != "readout",
    "the potentials kept": lambda i, k: k == "u",
    "the states of layer 1 alone kept": lambda i, k: i == 0,
    "the potentials of layer 2 alone kept": lambda i, k: (i, k) == (1, "u"),
    "the states and the readout's kept": lambda i, k: True,
    "the readout's state kept": lambda i, k: i == "readout",
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_states_that_are_kept_are_named(name, seed, dtype):
    readouts = (rs.LinearReadout(3), rs.LeakyReadout(3, 0.7), rs.LastPotential(3, 0.9))
    case = draw_case(seed, readout=readouts[seed % 3])

    report = rs.check(Stateful(case, KEPT[name], dtype), case)

    assert report.verdict == "DISAGREES"
    assert not report.repeated
    assert name in (report.cause.name.partition(":")[0], *report.cause.others)
    what = "loss or readout" if name == "the readout's state kept" else "state"
    assert report.first.what == what
    if what == "state":
        assert (report.first.layer, report.first.time) == ("layer 2" in name, 0)
    assert "in the second call" in str(report.first)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("name", "keep"), {**KEPT, "the synaptic currents kept": lambda i, k: k == "i"}.items()
)
def test_synapses_have_states_too(name, keep, seed):
    case = draw_case(seed, synapse=rs.Synapse(0.6))

    report = rs.check(Stateful(case, keep), case)

    assert name == report.cause.name.partition(":")[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_kept_agrees(seed):
    for synapse in (None, rs.Synapse(0.6)):
        case = draw_case(seed, synapse=synapse)
        assert rs.check(Stateful(case, lambda i, k: False), case).verdict == "agrees"


@pytest.mark.parametrize("seed", SEEDS)
def test_half_of_a_state_is_no_known_cause(seed):
    case = draw_case(seed)

    class Half(Stateful):
        def run(self, index, neuron, layer, a):
            spikes = super().run(index, neuron, layer, a)
            self.old = {key: 0.5 * state for key, state in self.old.items()}
            return spikes

    report = rs.check(Half(case, lambda i, k: True), case)

    assert report.verdict == "DISAGREES"
    assert report.cause is None
    assert report.first is None
    assert "are states reset, gradients cleared, random numbers drawn again?" in str(report)


def add_gradients(case, share, dtype=np.float64, wrong=1.0):
    """The right gradient of each call, and a share of what the last call returned."""
    kept = []

    def gradient(params, x, y):
        params = cast_params(params, dtype)
        loss, grads = rs.fast.loss_and_grad(case.network, params, x.astype(dtype), y)
        total = dtype(wrong) * rs.flatten(grads)
        if kept:
            total = total + dtype(share) * kept[-1]
        kept.append(total)
        return loss, rs.unflatten(case.network, total)

    return gradient, kept


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("share", [1.0, 0.9, -0.5])
@pytest.mark.parametrize("before", [False, True])
def test_gradients_that_are_not_cleared_are_named(seed, dtype, share, before):
    """Also where what was there before the first call makes it wrong."""
    case = draw_case(seed)
    gradient = add_gradients(case, share, dtype)[0]
    if before:
        gradient(case.params, 2.0 * case.x, case.y)

    report = rs.check(gradient, case)

    assert not report.repeated
    times = "" if share == 1.0 else f"{share:.6g} times "
    assert report.cause.name.startswith(f"{times}the gradients of the call before added")
    assert report.first.what == "gradient"
    if not before:
        assert report.cause.ratio == pytest.approx(1.0 + share, rel=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_wrong_gradients_that_add_up_have_no_known_cause(seed):
    case = draw_case(seed)
    report = rs.check(add_gradients(case, 1.0, wrong=1.1)[0], case)
    assert not report.repeated
    assert report.cause is None


@pytest.mark.parametrize("seed", SEEDS)
def test_what_fits_the_second_call_alone_is_no_cause(seed):
    case = draw_case(seed)
    gradient, kept = add_gradients(case, 1.0)

    def twice(params, x, y):
        reply = gradient(params, x, y)
        del kept[: 2 if len(kept) == 2 else 0]  # the third call starts anew
        return reply

    report = rs.check(twice, case)
    assert not report.repeated
    assert report.cause is None


def test_a_third_call_that_fails_leaves_the_verdict():
    case = draw_case(0)
    gradient, kept = add_gradients(case, 1.0)

    def fail(params, x, y):
        if len(kept) == 2:
            raise RuntimeError("no more")
        return gradient(params, x, y)

    report = rs.check(fail, case)
    assert report.verdict == "DISAGREES"
    assert (report.cause, report.first) == (None, None)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_numbers_have_no_known_cause(seed):
    case, rng = draw_case(seed), np.random.default_rng(seed)

    def dropout(params, x, y):
        x = 2.0 * x * (rng.random(x.shape) < 0.5)
        return rs.fast.loss_and_grad(case.network, params, x, y)

    report = rs.check(dropout, case)
    assert not report.repeated
    assert report.cause is None


def test_a_network_that_learns_where_it_starts_says_that_gradients_add_up():
    spike = rs.Arctan(2.0)
    neuron = rs.GLIF(0.9, 1.0, spike, learn_start=True)
    network = rs.Network((3, 4), neuron, rs.LinearReadout(2))
    rng = np.random.default_rng(0)
    case = rs.Case(network, rs.init(network, rng), rng.random((4, 2, 3)), [0, 1])
    report = rs.check(add_gradients(case, 1.0)[0], case)
    assert report.cause.name.startswith("the gradients of the call before added")
