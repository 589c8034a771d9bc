"""Earlier spikes, the step, other recordings, windows, first potentials: knobs and their causes.

What is planted is written in the blind set's two networks, by hand and in PyTorch, or as another
neuron of refsast, so that nothing here knows the knobs.
"""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.causes import has_knobs
from refsast.crosscheck.diagnose.knobs.history_inventory import history_forward
from refsast.crosscheck.diagnose.knobs.inventory import forward_knobs
from refsast.crosscheck.diagnose.knobs.program import solve_settings

torch = pytest.importorskip("torch")
from tests.crosscheck.blind.auto import Auto, sigma  # noqa: E402
from tests.crosscheck.blind.faults.resets import CarriedOver  # noqa: E402
from tests.crosscheck.blind.hand import Hand, pad  # noqa: E402
from tests.crosscheck.planted_knobs import assert_same_numbers  # noqa: E402

WHOLE, NETWORKS, STEP = -1, 3, 1e-6
# What is rounded, whose gradient is passed straight through.
OF_NO_LOSS = (
    "states of an earlier pass",
    "spikes in",
    "potentials in",
    "parameters of",
    "spikes of the layer below",
)


class Adapting(Auto):
    def fire(self, i, t):
        trace = sum(0.7 ** (t - 1 - k) * self.s[i][k] for k in range(1, t))
        return sigma(self.family[i], self.k[i], self.u[i][t] - self.theta[i] - 0.3 * trace)


class HeldBack(Auto):
    def fire(self, i, t):
        s = super().fire(i, t)
        for k in (1, 2):
            s = s * (1.0 - self.s[i][t - k]) if t > k else s
        return s


class PartlyHeldBack(Auto):
    def fire(self, i, t):
        return super().fire(i, t) * (1.0 - 0.4 * self.s[i][t - 1])


class Growing(Auto):
    def fire(self, i, t):
        k, theta = self.k[i] * 1.1 ** (t - 1), self.theta[i] * (1.0 + 0.3 * (t - 1) / self.time)
        return sigma(self.family[i], k, self.u[i][t] - theta)


class Sparse(Auto):
    def fire(self, i, t):
        s = super().fire(i, t)
        return torch.where(s >= 0.2, s, 0.0 * s)


class Coarse(Auto):
    def fire(self, i, t):
        s = super().fire(i, t)
        return s + (torch.round(15.0 * s) / 15.0 - s).detach()


class LayerNorm(Auto):
    def current(self, i, t):
        found = super().current(i, t)
        return torch.nn.functional.layer_norm(found, found.shape[-1:])


class BatchNorm(Auto):
    def current(self, i, t):
        return torch.nn.functional.batch_norm(super().current(i, t), None, None, training=True)


class Handed(CarriedOver):
    """States of the recording before, detached from it."""

    def integrate(self, i, t):
        if t == 1:
            self.u[i][0], self.s[i][0] = self.u[i][0].detach(), self.s[i][0].detach()
        return super().integrate(i, t)


class Resting(Auto):
    """Before the first step there is the spike of the potential there."""

    def integrate(self, i, t):
        if t == 1:
            self.s[i][0] = self.fire(i, 0)
        return super().integrate(i, t)


class BatchRates(Auto):
    def loss(self, z):
        rates = [torch.stack(s[1:]).mean(dim=(0, 1)) for s in self.s]
        return super().loss(z) + 0.03 * sum((rate**2).mean() for rate in rates)


class Windowed(Hand):
    """Signals of two steps at a time go back three steps, through all layers."""

    size, stride = 3, 2

    def backward(self):
        self.delta, self.grads = [None] * self.depth, [{} for _ in self.layers]
        whole, total = self.read_back(), None
        first = self.grads[-1]
        for end in range(self.stride, self.time + self.stride, self.stride):
            self.first, down = end - self.size + 1, np.zeros_like(whole)
            last = min(end, self.time)
            down[end - self.stride + 1 : last + 1] = whole[end - self.stride + 1 : last + 1]
            each: list = [None] * self.depth
            for i in reversed(range(self.depth)):
                delta = self.adjoints(i, down)
                each[i], down = self.sums(i, delta), self.below(i, delta)
            total = each if total is None else [
                {k: a[k] + b[k] for k in a} for a, b in zip(total, each, strict=True)
            ]  # fmt: skip
        self.grads = total if self.readout == "SpikeRate" else [*total, first]

    def adjoints(self, i, down):
        delta = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for t in range(self.time, 0, -1):
            later = delta[t + 1] * (t >= self.first)
            g = down[t] + later * self.reset_s(i, t) + self.feedback(i, later)
            delta[t] = g * self.slope(i, t) + later * self.reset_u(i, t)
        return delta


class Forgetful(Hand):
    """In every layer a signal goes back two steps."""

    def adjoints(self, i, down):
        total = np.zeros((self.time + 2, *self.u[i].shape[1:]), self.dtype)
        for step in range(1, self.time + 1):
            delta, alone = np.zeros_like(total), pad(np.zeros_like(down[1:]))
            alone[step] = down[step]
            for t in range(step, max(step - 3, 0), -1):
                later = delta[t + 1]
                g = alone[t] + later * self.reset_s(i, t) + self.feedback(i, later)
                delta[t] = g * self.slope(i, t) + later * self.reset_u(i, t)
            total += delta
        return total


def everywhere(**values: float):
    """The setting with knobs, their underscores blanks, at values in all layers."""

    def setting(case: Case) -> dict:
        layers = range(len(case.network.neurons))
        return {(n.replace("_", " "), i): v for n, v in values.items() for i in layers}

    return setting


def switched(name: str):
    """The setting with one knob on in all layers."""
    return lambda case: {(name, i): 1.0 for i in range(len(case.network.neurons))}


def whole(**values: float):
    """The setting of knobs of the whole network."""
    return lambda case: {(name.replace("_", " "), WHOLE): v for name, v in values.items()}


KINDS = {
    Adapting: (everywhere(adaptation=0.3, adaptation_leak=0.7), "rest steps"),
    HeldBack: (everywhere(refractory_for_two_steps=1.0), "rest steps"),
    PartlyHeldBack: (everywhere(refractory_factor=0.4), "rest steps"),
    Growing: (
        lambda case: {
            ("slope growing as a power", WHOLE): 0.1,
            ("firing threshold growing by (t - 1)/T", WHOLE): 0.3,
        },
        "rest steps",
    ),
    Sparse: (everywhere(spikes_below_a_limit_are_none=0.2), "rest"),
    Coarse: (switched("spikes in steps of 1/15"), "rest"),
    LayerNorm: (switched("currents normalised over neurons"), "rest"),
    BatchNorm: (switched("currents normalised over recordings"), "rest"),
    CarriedOver: (whole(states_carried_to_the_next_recording=1.0), "rest"),
    Handed: (
        lambda case: {("states carried to the next recording, detached", WHOLE): 1.0},
        "rest",
    ),
    BatchRates: (whole(penalty_on_squared_rates_over_the_batch=0.03), "rest"),
    Resting: (switched("spike at rest"), "recurrent"),
    Windowed: (whole(window_of_steps=3.0, steps_between_windows=2.0), "rest steps"),
    Forgetful: (everywhere(steps_that_a_signal_goes_back=2.0), "rest steps"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_knob_gives_the_numbers_of_what_is_planted(kind):
    assert_same_numbers(kind, *KINDS[kind], NETWORKS)


def start_case(reset, *, recurrent: bool) -> Case:
    neuron = rs.GLIF(0.8, 0.9, rs.Logistic(3.0), reset, learn_start=True)
    network = rs.Network((4, 5, 3), neuron, rs.LeakyReadout(3, 0.7), recurrent=recurrent)
    rng = np.random.default_rng(0)
    params = rs.unflatten(network, rng.standard_normal(network.n_params))
    return Case(network, params, rng.standard_normal((5, 3, 4)), rng.integers(0, 3, 3))


@pytest.mark.parametrize("reset", [rs.ToZero(), rs.Subtract(), rs.Subtract(True), rs.NoReset()])
@pytest.mark.parametrize("recurrent", [False, True])
def test_first_potentials_are_those_of_the_reference(reset, recurrent):
    case = start_case(reset, recurrent=recurrent)
    loss, grads = rs.reference.loss_and_grad(case.network, case.params, case.x, case.y)

    answer = solve_settings(case, [{}, {("leak", 0): 0.3}])[0]

    assert has_knobs(case.network)
    assert answer.loss == pytest.approx(loss, rel=1e-13)
    got, want = rs.flatten(answer.grads), rs.flatten(grads)
    assert abs(got - want).max() <= 1e-12 * abs(want).max()


def test_each_of_these_knobs_has_the_gradient_of_its_own_loss():
    rng = np.random.default_rng(3)
    for reset in (rs.ToZero(), rs.Subtract()):
        case = start_case(reset, recurrent=True)
        knobs = [k for k in forward_knobs(case) if "first step" in k.name or "rest" in k.name]
        knobs += [k for k in history_forward(case) if not k.name.startswith(OF_NO_LOSS)]
        settings = [{k.key: v} for k in knobs for v in k.tries if "detached" not in k.name]
        settings.append({("reset at rest", 0): 1.0, ("slope growing by t/T", WHOLE): 0.5})
        w = rs.flatten(case.params)
        along = rng.standard_normal(w.shape)
        up, down = (
            solve_settings(
                replace(case, params=rs.unflatten(case.network, w + h * along)), settings
            )
            for h in (STEP, -STEP)
        )
        answers = solve_settings(case, settings)
        for setting, answer, high, low in zip(settings, answers, up, down, strict=True):
            slope = (high.loss - low.loss) / (2.0 * STEP)
            want = rs.flatten(answer.grads) @ along
            assert slope == pytest.approx(want, rel=1e-4, abs=1e-6), setting


class Alone(Auto):
    """A mean over recordings that leaves out the last one: of a single one there is no loss."""

    def loss(self, z):
        return torch.nn.functional.cross_entropy(z[:-1], self.y[:-1])


NAMED = {
    Adapting: ("raised by 0.3 of each spike before", "0.7 of an adaptation kept"),
    Handed: ("carried on from one recording to the next, detached there",),
    Windowed: ("a window of 3 steps", "after each 2 steps"),
    Alone: ("last recording left out",),
    Resting: ("a spike before the first step, the smooth one of a potential of zero",),
}


@pytest.mark.parametrize("kind", NAMED)
def test_it_is_named(kind):
    neuron = rs.LIF(0.8, 0.9, rs.Logistic(3.0), rs.Subtract())
    network = rs.Network((3, 4, 3), neuron, rs.SpikeRate(4.0), recurrent=kind is Resting)
    rng = np.random.default_rng(1)
    params = rs.unflatten(network, 1.5 * rng.standard_normal(network.n_params))
    case = Case(network, params, rng.random((6, 3, 3)) * 2.0, np.array([0, 2, 1]))

    cause = rs.check(kind(network, np.dtype(np.float64)), case).cause

    assert cause.exact
    says = "; ".join((cause.says, *cause.others))
    assert all(words in says for words in NAMED[kind]), says


def test_a_gradient_of_first_potentials_is_named_and_fast():
    case = start_case(rs.ToZero(), recurrent=False)

    def gradient(params, x, y):
        loss, grads = rs.reference.loss_and_grad(case.network, params, x, y)
        return loss, tuple(g if g.start is None else replace(g, start=g.start / 0.8) for g in grads)

    cause = rs.check(gradient, case).cause

    assert cause.exact
    assert "before the first step, start, multiplied by 1.25" in cause.says
