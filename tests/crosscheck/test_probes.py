"""Places of faults that no cause fits, by questions alone: adjoints, sums, inputs, losses."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs

pytest.importorskip("torch")
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.places import probe
from tests.crosscheck.blind.__main__ import answer_in_full
from tests.crosscheck.blind.hand import Hand

SIZES = (4, 6, 5, 4)
DOUBLE, SINGLE = np.dtype(np.float64), np.dtype(np.float32)


def make_case(reset, *, recurrent=False, bias=True, seed=0, readout=None):
    rng = np.random.default_rng(seed)
    neuron = rs.LIF(0.8, 0.9, rs.Arctan(2.0), reset)
    network = rs.Network(
        SIZES, neuron, readout or rs.LinearReadout(3), bias=bias, recurrent=recurrent
    )
    params = tuple(
        rs.Layer(3.0 * p.w, None if p.b is None else 0.3 * rng.standard_normal(p.b.shape), p.v)
        for p in rs.init(network, rng)
    )
    x = rng.normal(0.5, 1.0, (6, 3, SIZES[0]))
    return Case(network, params, x, rng.integers(0, network.classes, 3))


class BentSlope(Hand):
    """A derivative that nobody would write."""

    def slope(self, i, t):
        return super().slope(i, t) * (1.0 + 0.3 * np.sin(7.0 * self.u[i][t])).astype(self.dtype)


class BentSlopeOfOne(BentSlope):
    def slope(self, i, t):
        return super().slope(i, t) if i == 1 else Hand.slope(self, i, t)


class WeighedSums(Hand):
    """Sums with weights of steps, recordings or neurons, in all arrays alike."""

    axis = 0

    def sums(self, i, delta):
        rng = np.random.default_rng(i)
        shape = [1, 1, 1]
        shape[self.axis] = delta.shape[self.axis]
        return super().sums(i, (delta * rng.uniform(0.5, 1.5, shape)).astype(self.dtype))


class OfRecordings(WeighedSums):
    axis = 1


class OfNeurons(WeighedSums):
    axis = 2


class BentSums(Hand):
    """Weights that are summed from something else than the biases."""

    def sums(self, i, delta):
        return {**super().sums(i, np.sin(3.0 * delta).astype(self.dtype)), **self.biases(i, delta)}

    def biases(self, i, delta):
        return {"b": super().sums(i, 2.0 * delta)["b"]}


class BentSumsOfOne(Hand):
    """All arrays of the second layer are summed from what is not its adjoints; these are right."""

    def sums(self, i, delta):
        bent = delta * (1.0 + 0.3 * np.sin(1e3 * delta)) if i == 1 else delta
        return super().sums(i, bent.astype(self.dtype))


class NoisyInput(Hand):
    def question(self):
        noise = np.random.default_rng(3).standard_normal(self.x.shape)
        self.x = (self.x + 0.3 * noise[: len(self.x)]).astype(self.dtype)


class BentSpike(Hand):
    """Spikes of the second layer that nobody would write."""

    def run_layer(self, i):
        super().run_layer(i)
        if i == 1:
            self.s[i][1:] += (0.1 * np.sin(9.0 * self.u[i][1:])).astype(self.dtype)


class BentLoss(Hand):
    def loss(self, z):
        value, g = super().loss(z)
        return value + 0.1 * float((z**4).mean()), (g + 0.4 * z**3 / z.size).astype(self.dtype)


RESETS = (rs.ToZero(), rs.Subtract(), rs.NoReset())


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("reset", RESETS, ids=str)
def test_adjoints_that_are_wrong_are_named_with_their_layer(reset, recurrent, dtype):
    case = make_case(reset, recurrent=recurrent)

    each, one = (probe(kind(case.network, dtype), case) for kind in (BentSlope, BentSlopeOfOne))

    assert (one.what, one.layer) == ("adjoint", 1)
    # Of layers that are all wrong alike the sums may be, too.
    assert each.what == "not known"
    assert "adjoint of layer 3, or sums over steps" in each.how


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
@pytest.mark.parametrize("kind", [WeighedSums, OfRecordings, OfNeurons, BentSums])
def test_sums_that_are_wrong_are_never_called_adjoints(kind, dtype):
    for seed in range(4):
        case = make_case(RESETS[seed % 3], recurrent=seed % 2 == 1, seed=seed)
        place = probe(kind(case.network, dtype), case)
        assert place.what in ("gradient", "not known"), seed


class OfLargeWeights(Hand):
    """Sums that are wrong where weights are not zero."""

    def sums(self, i, delta):
        found = super().sums(i, delta)
        return {**found, "w": (found["w"] + 0.1 * np.sin(self.layers[i]["w"])).astype(self.dtype)}


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_where_adjoints_are_right_it_is_the_gradient(dtype):
    case = make_case(rs.ToZero(), bias=False, recurrent=True, readout=rs.SpikeRate(4.0))

    place = probe(OfLargeWeights(case.network, dtype), case)

    assert (place.what, place.layer) == ("gradient", 2)
    assert "adjoints are right, by inputs of no weight" in place.how


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_where_all_layers_below_are_right_it_is_the_gradient(dtype):
    case = make_case(rs.ToZero())

    place = probe(BentSumsOfOne(case.network, dtype), case)

    assert (place.what, place.layer) == ("gradient", 1)
    assert place.how == "all layers below are right, so adjoints are"


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_where_what_a_layer_passes_on_is_right_it_is_the_gradient(dtype):
    """Also where the layer below does not hear of all adjoints: other weights let it hear."""
    case = make_case(rs.ToZero())
    w = case.params[1].w.copy()
    w[0] = 0.0
    params = (case.params[0], replace(case.params[1], w=w), *case.params[2:])

    place = probe(BentSumsOfOne(case.network, dtype), replace(case, params=params))

    assert (place.what, place.layer) == ("gradient", 1)
    assert "by inputs of no weight" in place.how


def test_thresholds_of_each_neuron_are_asked_about():
    rng = np.random.default_rng(0)
    neuron = rs.GLIF(0.8, (0.9, 1.0, 1.1, 0.8), rs.Arctan(2.0), rs.ToZero())
    network = rs.Network((4, 4, 4), neuron, rs.SpikeRate(4.0))
    x, y = rng.normal(0.5, 1.0, (6, 3, 4)), np.array([0, 1, 2])
    case = Case(network, rs.init(network, rng), x, y)

    def bent(params, x, y):
        loss, grads = rs.fast.loss_and_grad(network, params, x, y)
        return loss, tuple(
            rs.Layer(g.w + 0.1 * np.sin(p.w), g.b) for g, p in zip(grads, params, strict=True)
        )

    place = probe(bent, case)

    assert (place.what, place.layer) == ("gradient", 1)


def test_without_a_bias_or_recurrence_sums_are_not_told_from_adjoints():
    case = make_case(rs.ToZero(), bias=False)

    assert probe(BentSlope(case.network, DOUBLE), case).what == "not known"


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
@pytest.mark.parametrize("readout", [rs.LinearReadout(3), rs.SpikeRate(4.0)], ids=str)
def test_an_input_that_is_not_the_one_given_is_seen_in_one_step(readout, dtype):
    case = make_case(rs.ToZero(), readout=readout)

    place = probe(NoisyInput(case.network, dtype), case)

    assert (place.what, place.layer, place.time) == ("state", 0, 0)


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE], ids=str)
def test_a_loss_that_is_another_one_is_placed_there(dtype):
    case = make_case(rs.Subtract())

    assert probe(BentLoss(case.network, dtype), case).what == "loss or readout"


def test_of_a_layer_that_was_given_something_else_two_places_are_named():
    case = make_case(rs.Subtract())

    place = probe(BentSpike(case.network, DOUBLE), case)

    assert place.what == "not known"
    assert "state of layer 2, step 1, or what is passed on to layer 3" in place.how


def test_a_loss_and_states_that_are_wrong_are_not_called_a_loss_alone():
    class Both(BentLoss, BentSpike):
        pass

    case = make_case(rs.Subtract())

    assert probe(Both(case.network, DOUBLE), case).what == "not known"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "place"),
    [(BentSpike, ("state", 1, 0)), (BentSlope, ("adjoint", 2, 5))],
)
def test_a_place_is_read_off_states_and_adjoints_where_they_are_returned(kind, place):
    case = make_case(rs.Subtract())

    report = rs.check(answer_in_full(kind(case.network, DOUBLE)), case)

    assert (report.first.what, report.first.layer, report.first.time) == place
    assert "return states and adjoints" not in str(report)


@pytest.mark.slow
def test_where_a_place_is_not_known_the_report_says_what_to_return():
    case = make_case(rs.Subtract())

    report = rs.check(BentSpike(case.network, DOUBLE), case)

    assert report.first.what == "not known"
    assert "to know it, return states and adjoints, too (rs.Answer)" in str(report)
