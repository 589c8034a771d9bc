"""The generalised neuron against its equations, number by number, and what it refuses."""

import re

import numpy as np
import pytest

import refsast as rs
from refsast.arrays import Array
from refsast.model.glif_step import start_state, thresholds
from refsast.model.vector import LOWEST_THRESHOLD, keep_in_range

SPIKE = rs.Arctan(2.0)
SYNAPSES = {
    "plain": None,
    "current": rs.Synapse(0.7, 0.8),
    "delayed": rs.Synapse(0.6, 1.5, delayed=True),
    "alpha": rs.Alpha(0.7, 0.4, 1.2),
    "alpha, delayed": rs.Alpha(0.7, 0.4, 1.2, delayed=True),
}
RESETS = [rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset()]


def simulate(neuron: rs.GLIF, currents: Array, start: float) -> tuple[list, list, list]:
    """Potentials, spikes and thresholds of one neuron by its equations, from numbers alone."""
    u, s, i, h, a, past = start, 0.0, 0.0, 0.0, 0.0, [0.0] * neuron.refractory
    synapse, adaptation, found = neuron.synapse, neuron.adaptation, []
    for current in currents:
        drive = current
        if isinstance(synapse, rs.Alpha):
            h = synapse.rise * h + current
            before, i = i, synapse.decay * i + h
            drive = synapse.scale * (before if synapse.delayed else i)
        elif synapse is not None:
            before, i = i, synapse.leak * i + current
            drive = synapse.scale * (before if synapse.delayed else i)
        kept = {
            rs.ToZero(): neuron.leak * u * (1.0 - s),
            rs.Subtract(): neuron.leak * u - neuron.threshold * s,
            rs.Subtract(leaked=True): neuron.leak * (u - neuron.threshold * s),
            rs.NoReset(): neuron.leak * u,
        }
        u = kept[neuron.reset] + drive
        threshold = neuron.threshold
        if adaptation is not None:
            a = adaptation.leak * a + s
            threshold += adaptation.strength * a
        s = float(neuron.spike(np.array(u - threshold)))
        for earlier in past:
            s *= 1.0 - earlier
        past = [s, *past][: neuron.refractory]
        found.append((u, s, threshold))
    us, ss, levels = zip(*found, strict=True)
    return list(us), list(ss), list(levels)


@pytest.mark.parametrize("spike", [SPIKE, rs.heaviside])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("synapse", SYNAPSES)
@pytest.mark.parametrize(("refractory", "adapts"), [(0, False), (2, True), (1, False), (0, True)])
def test_a_run_is_that_of_the_equations(spike, reset, synapse, refractory, adapts):
    neuron = rs.GLIF(
        0.8,
        0.9,
        spike,
        reset,
        synapse=SYNAPSES[synapse],
        adaptation=rs.Adaptation(0.9, 0.4) if adapts else None,
        refractory=refractory,
        learn_start=True,
    )
    network = rs.Network((1, 1), neuron, rs.SpikeRate(1.0), bias=False)
    x = np.random.default_rng(3).uniform(-0.5, 2.0, size=(12, 1, 1))
    params = (rs.Layer(np.array([[1.1]]), start=np.array([0.3])),)

    trace = rs.run(network, params, x)
    us, ss, levels = simulate(neuron, 1.1 * x.ravel(), 0.3)

    assert trace.u[0].ravel() == pytest.approx(us, rel=1e-12)
    assert trace.s[0].ravel() == pytest.approx(ss, rel=1e-12)
    got = np.broadcast_to(thresholds(neuron, params[0], trace.s[0]), trace.u[0].shape)
    assert got.ravel() == pytest.approx(levels, rel=1e-12)


@pytest.mark.parametrize("refractory", [1, 2, 3])
def test_after_a_hard_spike_there_is_none_for_so_many_steps(refractory):
    neuron = rs.GLIF(0.9, 1.0, rs.heaviside, rs.NoReset(), refractory=refractory)
    network = rs.Network((1, 1), neuron, rs.SpikeRate(1.0), bias=False)

    s = rs.run(network, (rs.Layer(np.array([[5.0]])),), np.ones((13, 1, 1))).s[0].ravel()

    assert s.tolist() == [float(t % (refractory + 1) == 0) for t in range(13)]


def test_numbers_per_neuron_are_those_of_as_many_networks():
    neuron = rs.GLIF((0.9, 0.2, 0.5), (1.0, 0.4, 0.7), SPIKE, rs.Subtract())
    w, x = np.array([[0.9], [0.5], [0.7]]), np.random.default_rng(0).normal(size=(7, 2, 1))
    whole = rs.run(rs.Network((1, 3), neuron, rs.SpikeRate(1.0), bias=False), (rs.Layer(w),), x)

    for i in range(3):
        one = rs.LIF(neuron.leak[i], neuron.threshold[i], SPIKE, rs.Subtract())
        alone = rs.Network((1, 1), one, rs.SpikeRate(1.0), bias=False)
        trace = rs.run(alone, (rs.Layer(w[i : i + 1]),), x)
        assert whole.u[0][:, :, i] == pytest.approx(trace.u[0][:, :, 0], rel=1e-14)


LEARNED = rs.GLIF(
    rs.Learned(0.9, sigmoid=True),
    rs.Learned((1.0, 0.5, 0.7)),
    SPIKE,
    synapse=rs.Synapse(0.1),
    synapse_leak=rs.Learned(0.6, per_neuron=True),
    learn_start=True,
)


def test_what_is_learned_starts_where_it_says():
    learned = rs.Network((2, 3), LEARNED, rs.SpikeRate(1.0))
    fixed = rs.GLIF(0.9, (1.0, 0.5, 0.7), SPIKE, synapse=rs.Synapse(0.6))
    params, x = rs.init(learned, 0), np.random.default_rng(0).normal(size=(5, 2, 2))
    same = (rs.Layer(params[0].w, params[0].b),)

    assert [a.shape for a in (params[0].leak, params[0].threshold, params[0].synapse_leak)] == [
        (),
        (3,),
        (3,),
    ]
    assert (params[0].start == 0.0).all()
    got, want = (
        rs.run(learned, params, x),
        rs.run(rs.Network((2, 3), fixed, rs.SpikeRate(1.0)), same, x),
    )
    assert got.u[0] == pytest.approx(want.u[0], rel=1e-14)


def test_training_keeps_what_is_learned_in_its_range():
    neuron = rs.GLIF(
        rs.Learned(0.9, per_neuron=True),
        rs.Learned(1.0, per_neuron=True),
        SPIKE,
        synapse=rs.Synapse(0.5),
        synapse_leak=rs.Learned(0.5, sigmoid=True),
        learn_start=True,
    )
    network = rs.Network((1, 3), neuron, rs.LinearReadout(2))
    first, readout = rs.init(network, 0)
    outside = rs.Layer(
        first.w,
        first.b,
        leak=np.array([-0.1, 0.5, 1.1]),
        threshold=np.array([-1.0, 0.0, 2.0]),
        synapse_leak=np.array(7.0),
        start=np.array([-3.0, 0.0, 3.0]),
    )
    w = rs.flatten((outside, readout))
    before = w.copy()

    kept = rs.unflatten(network, keep_in_range(network, w))

    assert kept[0].leak.tolist() == [0.0, 0.5, 1.0]
    assert kept[0].threshold.tolist() == [LOWEST_THRESHOLD, LOWEST_THRESHOLD, 2.0]
    for name in ("w", "b", "synapse_leak", "start"):
        assert np.array_equal(getattr(kept[0], name), getattr(outside, name))
    assert np.array_equal(kept[1].w, readout.w)
    assert np.array_equal(w, before)


def test_where_nothing_is_learned_the_vector_itself_comes_back():
    network = rs.Network((1, 3), rs.GLIF(0.9, 1.0, SPIKE), rs.SpikeRate(1.0))
    w = rs.flatten(rs.init(network, 0))

    assert keep_in_range(network, w) is w


@pytest.mark.parametrize("time", [1, 6])
def test_a_recurrent_layer_hears_its_own_spikes_one_step_late(time):
    network = rs.Network((3, 3), rs.GLIF(0.9, 1.0, SPIKE), rs.SpikeRate(1.0), recurrent=True)
    rng = np.random.default_rng(5)
    x = rng.normal(size=(time, 2, 3))
    layer = rs.Layer(rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=(3, 3)))

    trace = rs.run(network, (layer,), x)

    for k in range(2):
        u, s = [0.0] * 3, [0.0] * 3
        for t in range(time):
            current = [
                sum(layer.w[i, j] * x[t, k, j] + layer.v[i, j] * s[j] for j in range(3))
                + layer.b[i]
                for i in range(3)
            ]
            u = [0.9 * u[i] * (1.0 - s[i]) + current[i] for i in range(3)]
            s = [float(SPIKE(np.array(u[i] - 1.0))) for i in range(3)]
            assert trace.u[0][t, k] == pytest.approx(u, rel=1e-12)


def test_the_state_before_the_first_step_is_that_of_every_recording():
    neuron = rs.GLIF(0.9, 1.0, SPIKE, refractory=2, learn_start=True)
    layer = rs.Layer(np.ones((2, 1)), start=np.array([0.25, -0.5]))

    state = start_state(neuron, layer, np.zeros((3, 2)))
    quick = start_state(rs.GLIF(0.9, 1.0, SPIKE), rs.Layer(np.ones((2, 1))), np.zeros((3, 2)))

    assert state.u.tolist() == [[0.25, -0.5]] * 3
    assert [a.tolist() for a in (state.s, *state.past)] == [[[0.0, 0.0]] * 3] * 3
    assert quick.u.tolist() == [[0.0, 0.0]] * 3
    assert quick.past == ()


def glif(**changes: object) -> rs.GLIF:
    return rs.GLIF(**{"leak": 0.9, "threshold": 1.0, "spike": SPIKE} | changes)


def in_network(**changes: object) -> rs.Network:
    return rs.Network((4, 3), glif(**changes), rs.SpikeRate(1.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: glif(leak=1.5), "leak must lie in [0, 1], got 1.5"),
        (lambda: glif(leak=(0.5, -0.5)), "leak must lie in [0, 1], got -0.5"),
        (lambda: glif(leak=np.nan), "leak must lie in [0, 1], got nan"),
        (lambda: glif(leak=[0.5, 0.5]), "leak must be a number, got [0.5, 0.5]"),
        (lambda: glif(leak=rs.Learned(1.5)), "leak must lie in [0, 1], got 1.5"),
        (
            lambda: glif(leak=rs.Learned(1.0, sigmoid=True)),
            "leak must lie inside (0, 1) for a sigmoid, got 1.0",
        ),
        (
            lambda: glif(leak=rs.Learned((0.5, 0.0), sigmoid=True)),
            "leak must lie inside (0, 1) for a sigmoid, got 0.0",
        ),
        (
            lambda: glif(threshold=rs.Learned(0.5, sigmoid=True)),
            "threshold must be learned as it is, got a sigmoid, which ends at 1",
        ),
        (lambda: glif(threshold=0.0), "threshold must be positive and finite, got 0.0"),
        (lambda: glif(threshold=(1.0, -1.0)), "threshold must be positive and finite, got -1.0"),
        (
            lambda: glif(threshold=rs.Learned(np.inf)),
            "threshold must be positive and finite, got inf",
        ),
        (lambda: glif(spike=3), "spike must be callable, got 3"),
        (lambda: glif(reset="zero"), "reset must be ToZero, Subtract or NoReset, got 'zero'"),
        (lambda: glif(synapse=0.5), "synapse must be Synapse, Alpha or None, got 0.5"),
        (
            lambda: glif(synapse_leak=rs.Learned(0.5)),
            "synapse must be a Synapse to be learned, got None",
        ),
        (
            lambda: glif(synapse=rs.Synapse(0.5), synapse_leak=0.5),
            "synapse_leak must be Learned or None, got 0.5",
        ),
        (
            lambda: glif(synapse=rs.Synapse(0.5), synapse_leak=rs.Learned(-0.5)),
            "synapse_leak must lie in [0, 1], got -0.5",
        ),
        (lambda: rs.Alpha(1.5, 0.5), "rise must lie in [0, 1], got 1.5"),
        (lambda: rs.Alpha(0.5, -0.5), "decay must lie in [0, 1], got -0.5"),
        (lambda: rs.Alpha(0.5, 0.5, 0.0), "scale must be positive and finite, got 0.0"),
        (lambda: glif(adaptation=0.5), "adaptation must be Adaptation or None, got 0.5"),
        (lambda: rs.Adaptation(1.5, 0.1), "leak must lie in [0, 1], got 1.5"),
        (lambda: rs.Adaptation(0.5, -1.0), "strength must be finite and not negative, got -1.0"),
        (lambda: rs.Adaptation(0.5, "a"), "strength must be a number, got 'a'"),
        (lambda: glif(refractory=-1), "refractory must be an integer of at least 0, got -1"),
        (lambda: glif(refractory=1.5), "refractory must be an integer of at least 0, got 1.5"),
        (lambda: glif(learn_start=2), "learn_start must be True or False, got 2"),
        (
            lambda: in_network(leak=(0.5, 0.5)),
            "leak must have one number per neuron, 3, got 2",
        ),
        (
            lambda: in_network(threshold=rs.Learned((1.0, 1.0, 1.0, 1.0))),
            "threshold must have one number per neuron, 3, got 4",
        ),
        (
            lambda: in_network(synapse=rs.Synapse(0.5), synapse_leak=rs.Learned((0.5,))),
            "synapse_leak must have one number per neuron, 3, got 1",
        ),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_parameters_without_what_is_learned_are_refused():
    network = in_network(leak=rs.Learned(0.9))
    plain = rs.init(in_network(), 0)

    with pytest.raises(ValueError, match=r"^params\[0\] must have \['b', 'leak', 'w'\], got "):
        rs.run(network, plain, np.ones((2, 1, 4)))
