"""Conventions: their run, exact conversion between them, and what has none."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import refsast as rs
from refsast.crosscheck.adapters import libraries
from refsast.crosscheck.adapters.convention import (
    Convention,
    ZeroOnAnySpike,
    nearest_lif,
    refsast_lif,
    simulate,
    strict_heaviside,
)
from refsast.crosscheck.adapters.conversion import NoExactConversion, convert, make_case
from refsast.crosscheck.variants import solve
from refsast.model.params import layer_arrays, map_params
from refsast.model.synapse import Synapse
from refsast.testing import (
    TOLERANCE,
    error_ratio,
    fractions,
    min_examples,
    problems,
    seeds,
    surrogates,
)

LEAKS = fractions(0.0, 1.0, 0.0, 0.5, 1.0)
FACTORS = fractions(0.25, 4.0, 0.5, 1.0, 2.0)
RESETS = st.sampled_from(
    (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset(), ZeroOnAnySpike())
)
SYNAPSES = st.none() | st.builds(
    Synapse, st.sampled_from((0.0, 0.0, 0.5, 0.9)), fractions(0.1, 2.0, 0.5, 1.0), st.booleans()
)


@st.composite
def conventions(draw) -> Convention:
    """Conventions of every kind, each property drawn by itself."""
    reset, rest = draw(RESETS), draw(st.sampled_from((0.0, -0.5, 0.25)))
    zero = isinstance(reset, rs.ToZero)
    silences, second = zero and draw(st.booleans()), draw(st.booleans())
    plain = zero and not (silences or second)
    return Convention(
        name="drawn",
        leak=draw(LEAKS),
        threshold=rest + draw(fractions(0.1, 2.0, 0.5, 1.0)),
        reset=reset,
        rest=rest,
        landing=rest + (draw(st.sampled_from((0.0, 0.2, -0.3))) if plain else 0.0),
        synapse=draw(SYNAPSES),
        ties_fire=draw(st.booleans()),
        after_reset=draw(st.booleans()),
        starts_spiking=second or draw(st.booleans()),
        silences=silences,
        second_spike=second,
    )


def drive_layers(seed: int, recurrent: bool = False, width: int = 3, time: int = 10):
    """Two layers that fire, of generic numbers, and their input."""
    rng = np.random.default_rng(seed)
    v = [rng.normal(0.0, 0.5, (width, width)) if recurrent else None for _ in range(2)]
    w = rng.normal(0.3, 0.8, (2, width, width))
    params = tuple(rs.Layer(w[k], rng.normal(0.1, 0.2, width), v[k]) for k in range(2))
    return params, rng.uniform(0.0, 2.0, (time, 2, width))


def spikes_apart(params, x, from_, to, converted, spike):
    """How far the spikes of two conventions part; potentials near a hard step are avoided."""
    one, other = (simulate(c, p, x, spike) for c, p in ((from_, params), (to, converted)))
    return max(np.abs(a - b).max() for a, b in zip(one.s, other.s, strict=True))


def clear_of_ties(convention, params, x, margin=1e-9) -> bool:
    """Whether no rounding decides a spike: shifted thresholds leave all spikes as they are."""
    u = simulate(convention, params, x)
    up, down = (
        simulate(replace(convention, threshold=convention.threshold + d), params, x)
        for d in (margin, -margin)
    )
    return all((a == b).all() and (b == c).all() for a, b, c in zip(up.s, u.s, down.s, strict=True))


# From whatever is drawn: changes that parameters make up for, by name.
CHANGES = {
    "scale": lambda c, k: replace(c, synapse=scale_params(c.synapse, k)),
    "report": lambda c, k: replace(c, after_reset=not c.after_reset),
    "detach": lambda c, k: replace(c, detach_reset=not c.detach_reset),
    "rest": lambda c, k: (
        c
        if isinstance(c.reset, rs.Subtract)
        else replace(c, rest=c.rest + k, threshold=c.threshold + k, landing=c.landing + k)
    ),
}


def scale_params(synapse: Synapse | None, k: float) -> Synapse:
    """A synapse like this one, with `k` times the scale."""
    if synapse is None:
        return Synapse(0.0, k)
    return replace(synapse, scale=k * synapse.scale)


@given(
    conventions(),
    surrogates() | st.none(),
    st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3),
    FACTORS,
    seeds(),
    st.booleans(),
)
@min_examples(150)
def test_what_parameters_make_up_for(c, spike, changes, k, seed, recurrent):
    params, x = drive_layers(seed, recurrent)
    to = c
    for change in changes:
        to = CHANGES[change](to, k)
    assume(spike is not None or clear_of_ties(c, params, x))

    converted = convert(params, c, to, spike)

    assert spikes_apart(params, x, c, to, converted, spike) <= TOLERANCE
    assert_round_trip(params, c, to, spike)


def assert_round_trip(params, from_, to, spike):
    """There and back again, to rounding of the largest term."""
    there = convert(params, from_, to, spike)
    back = convert(there, to, from_, spike)
    for old, new, far in zip(params, back, there, strict=True):
        for name in layer_arrays(old):
            a, b = getattr(old, name), getattr(new, name)
            size = np.abs(a) + np.abs(a).max() + np.abs(getattr(far, name)).max()
            assert error_ratio(b, a, size) <= TOLERANCE


LINEAR = (rs.Subtract(), rs.Subtract(leaked=True), rs.NoReset())


@given(
    st.sampled_from(LINEAR), st.sampled_from(LINEAR), LEAKS, surrogates() | st.none(), seeds(),
    FACTORS,
)  # fmt: skip
@min_examples(150)
def test_recurrent_weights_make_up_for_what_a_reset_subtracts(a, b, leak, spike, seed, k):
    params, x = drive_layers(seed, recurrent=True)
    from_ = Convention(name="a", leak=leak, threshold=1.0, reset=a)
    to = replace(from_, name="b", reset=b, synapse=Synapse(0.0, k))
    assume(spike is not None or clear_of_ties(from_, params, x))

    converted = convert(params, from_, to, spike)

    assert spikes_apart(params, x, from_, to, converted, spike) <= TOLERANCE
    assert_round_trip(params, from_, to, spike)


@given(LEAKS, st.floats(-0.9, 0.9), surrogates() | st.none(), seeds())
def test_recurrent_weights_make_up_for_where_a_reset_lands(leak, landing, spike, seed):
    params, x = drive_layers(seed, recurrent=True)
    from_ = Convention(name="a", leak=leak, threshold=1.0, reset=rs.ToZero(), landing=landing)
    to = replace(from_, name="b", landing=0.0)
    assume(spike is not None or clear_of_ties(from_, params, x))

    converted = convert(params, from_, to, spike)

    assert spikes_apart(params, x, from_, to, converted, spike) <= TOLERANCE


@given(conventions(), FACTORS, seeds(), st.booleans())
def test_hard_spikes_do_not_see_the_unit_of_potential(c, k, seed, recurrent):
    params, x = drive_layers(seed, recurrent)
    to = replace(c, threshold=k * c.threshold, rest=k * c.rest, landing=k * c.landing)
    assume(clear_of_ties(c, params, x))

    converted = convert(params, c, to)

    assert spikes_apart(params, x, c, to, converted, None) == 0.0
    assert_round_trip(params, c, to, None)


def rescale(params, convention, spike, factor):
    """The same layers in another unit of potential: all potentials times `factor`."""
    potentials = {k: factor * getattr(convention, k) for k in ("threshold", "rest", "landing")}
    return (
        tuple(map_params(lambda a: factor * a, params)),
        replace(convention, **potentials),
        replace(spike, slope=spike.slope / factor),
    )


@given(conventions(), surrogates(), FACTORS, seeds())
def test_smooth_spikes_are_rescaled_with_it(c, spike, factor, seed):
    params, x = drive_layers(seed)

    new_params, new, new_spike = rescale(params, c, spike, factor)

    one, other = simulate(c, params, x, spike), simulate(new, new_params, x, new_spike)
    assert max(np.abs(a - b).max() for a, b in zip(one.s, other.s, strict=True)) <= TOLERANCE
    for a, b in zip(one.u, other.u, strict=True):
        assert np.abs(factor * a - b).max() <= 1e-9 * max(1.0, np.abs(b).max())


@given(conventions(), conventions(), surrogates() | st.none(), seeds(), st.booleans())
@min_examples(300)
def test_whatever_is_not_refused_is_exact(a, b, spike, seed, recurrent):
    """Two conventions that have nothing to do with each other, but leak and scale."""
    b = replace(b, leak=a.leak)
    params, x = drive_layers(seed, recurrent)
    try:
        converted = convert(params, a, b, spike)
    except NoExactConversion:
        return
    assume(spike is not None or clear_of_ties(a, params, x))
    assert spikes_apart(params, x, a, b, converted, spike) <= TOLERANCE


@given(conventions(), surrogates() | st.none(), seeds(), st.booleans())
def test_a_conversion_to_itself_changes_no_bit(c, spike, seed, recurrent):
    params, _ = drive_layers(seed, recurrent)

    for old, new in zip(params, convert(params, c, c, spike), strict=True):
        for name, array in layer_arrays(old).items():
            assert (array == getattr(new, name)).all()


PLAIN = Convention(name="plain", leak=0.5, threshold=1.0, reset=rs.ToZero(), synapse=Synapse(0.5))
SUBTRACT = replace(PLAIN, reset=rs.Subtract(leaked=True), synapse=None)
SMOOTH = rs.Logistic(4.0)
AT_ONCE = replace(SUBTRACT, second_spike=True, starts_spiking=True)
SILENT = replace(PLAIN, silences=True)
REFUSED = {
    "leak": (PLAIN, replace(PLAIN, leak=0.6), SMOOTH),
    "zeroing": (PLAIN, replace(PLAIN, reset=rs.NoReset()), SMOOTH),
    "wiping": (PLAIN, replace(PLAIN, reset=ZeroOnAnySpike()), SMOOTH),
    "silences": (PLAIN, replace(PLAIN, silences=True), SMOOTH),
    "second_spike": (SUBTRACT, AT_ONCE, SMOOTH),
    "second_spike, hard": (SUBTRACT, AT_ONCE, None),
    "silences, hard": (PLAIN, SILENT, None),
    "starts_spiking, silent": (SILENT, replace(SILENT, starts_spiking=True), SMOOTH),
    "current_leak": (PLAIN, replace(PLAIN, synapse=Synapse(0.6)), SMOOTH),
    "delayed": (PLAIN, replace(PLAIN, synapse=Synapse(0.5, delayed=True)), SMOOTH),
    "starts_spiking": (SUBTRACT, replace(SUBTRACT, starts_spiking=True), SMOOTH),
    "distance": (PLAIN, replace(PLAIN, threshold=1.2), SMOOTH),
    "ties_fire": (PLAIN, replace(PLAIN, ties_fire=False), None),
    "recurrent": (SUBTRACT, replace(SUBTRACT, reset=rs.Subtract()), SMOOTH),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_would_have_fired_otherwise(name):
    """With the parameters left as they are, or scaled: the error tells no lie."""
    from_, to, spike = REFUSED[name]
    params, x = drive_layers(3)
    if name == "ties_fire":
        params, x = (rs.Layer(np.eye(1)),), np.ones((1, 1, 1))

    with pytest.raises(NoExactConversion, match=f"{name.split(',')[0]}.*lost: "):
        convert(params, from_, to, spike)

    assert spikes_apart(params, x, from_, to, params, spike) > 1e-3


@pytest.mark.parametrize(
    "between",
    [
        {"synapse": Synapse(0.5)},
        {"synapse": Synapse(0.0, delayed=True)},
        {"second_spike": True, "starts_spiking": True},
    ],
)
def test_a_synapse_hides_the_reset_from_recurrent_weights(between):
    from_ = replace(SUBTRACT, **between)
    params, _ = drive_layers(3, recurrent=True)

    with pytest.raises(NoExactConversion, match=r"add a weight of 0\.5 from every neuron"):
        convert(params, from_, replace(from_, reset=rs.Subtract()))


AT_ONCE_TO_ZERO = {"reset_mechanism": "zero", "reset_delay": False}


@pytest.mark.parametrize(
    ("at_once", "plain"),
    [
        (
            libraries.snntorch_leaky(0.9, **AT_ONCE_TO_ZERO),
            libraries.spikingjelly_lif(10.0, decay_input=False),
        ),
        (
            libraries.snntorch_synaptic(0.8, 0.9, **AT_ONCE_TO_ZERO),
            libraries.norse_lif(tau_syn_inv=200.0, tau_mem_inv=100.0),
        ),
    ],
)
def test_a_hard_reset_to_zero_leaves_nothing_to_fire_a_second_time(at_once, plain):
    """SnnTorch's reset at once to zero, of hard spikes, is the plain one."""
    plain = replace(plain, ties_fire=False)
    params, x = drive_layers(4)

    assert spikes_apart(params, x, at_once, plain, convert(params, at_once, plain), None) == 0.0
    with pytest.raises(NoExactConversion, match=r"silences|second_spike"):
        convert(params, at_once, plain, SMOOTH)


def test_a_hard_spike_wipes_as_any_reset_to_zero_does():
    wiping = replace(PLAIN, reset=ZeroOnAnySpike())
    params, x = drive_layers(4)

    assert spikes_apart(params, x, wiping, PLAIN, convert(params, wiping, PLAIN), None) == 0.0


@pytest.mark.parametrize("reset", [rs.ToZero(), ZeroOnAnySpike(), rs.Subtract(leaked=True)])
def test_without_memory_all_resets_that_come_before_the_leak_are_one(reset):
    params, x = drive_layers(4)
    from_ = replace(PLAIN, leak=0.0, reset=reset)
    to = replace(from_, reset=rs.NoReset())

    assert spikes_apart(params, x, from_, to, convert(params, from_, to, SMOOTH), SMOOTH) == 0.0


# Which of two libraries' layers can be one another's, with smooth spikes and no recurrence.
SAME_LEAK = {
    "refsast": refsast_lif(rs.LIF(0.5, 1.0, SMOOTH)),
    "refsast subtract": refsast_lif(rs.LIF(0.5, 1.0, SMOOTH, rs.Subtract(leaked=True))),
    "snntorch zero": libraries.snntorch_leaky(0.5, reset_mechanism="zero"),
    "snntorch subtract": libraries.snntorch_leaky(0.5),
    "spikingjelly": libraries.spikingjelly_lif(),
    "spikingjelly shifted": libraries.spikingjelly_lif(v_threshold=0.0, v_reset=-1.0),
    "spikingjelly soft": libraries.spikingjelly_lif(v_reset=None, decay_input=False),
    "norse box": libraries.norse_lif_box(tau_mem_inv=500.0, v_leak=-65.0, v_th=-64.0, v_reset=-65),
    "norse box subtract": libraries.norse_lif_box(500.0, reset_method="reset_subtract"),
    "sinabs subtract": libraries.sinabs_lif(1.0 / np.log(2.0)),
    "sinabs reset": libraries.sinabs_lif(1.0 / np.log(2.0), reset_fn="MembraneReset"),
}
GROUPS = (
    {"refsast", "snntorch zero", "spikingjelly", "spikingjelly shifted", "norse box"},
    {"refsast subtract", "spikingjelly soft", "norse box subtract", "sinabs subtract"},
    {"snntorch subtract"},
    {"sinabs reset"},
)


@pytest.mark.parametrize("to", SAME_LEAK)
@pytest.mark.parametrize("from_", SAME_LEAK)
def test_which_libraries_are_one_another(from_, to):
    a, b = SAME_LEAK[from_], SAME_LEAK[to]
    params, x = drive_layers(7)
    if any({from_, to} <= group for group in GROUPS):
        assert spikes_apart(params, x, a, b, convert(params, a, b, SMOOTH), SMOOTH) <= TOLERANCE
    else:
        with pytest.raises(NoExactConversion):
            convert(params, a, b, SMOOTH)


@given(problems())
@min_examples(100)
def test_refsasts_own_convention_is_its_run(case):
    network = case.network
    spiking = case.params[: len(network.neurons)]
    assume(len(set(network.neurons)) == 1)
    neuron = network.neurons[0]

    for spike in (neuron.spike, rs.heaviside):
        found = simulate(refsast_lif(neuron), spiking, case.x, spike)
        want = rs.run(network, case.params, case.x, spike)
        for a, b in zip(found.u + found.s, want.u + want.s, strict=True):
            assert (a == b).all()


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize(
    "convention",
    [
        libraries.spikingjelly_lif(3.0, v_reset=-0.25),
        libraries.spikingjelly_lif(3.0, v_reset=None, detach_reset=True),
        libraries.sinabs_lif(3.0, tau_syn=2.0),
        replace(libraries.norse_lif(v_th=0.5), ties_fire=True),
        replace(libraries.norse_lif_box(v_th=0.5, v_reset=-0.5), ties_fire=True),
    ],
    ids=lambda c: c.name if isinstance(c, Convention) else str(c),
)
def test_a_librarys_network_is_a_case(convention, hard):
    params, x = drive_layers(8, recurrent=True)
    readout = rs.Layer(np.ones((2, 3)), np.zeros(2))
    y, spike = np.array([0, 1]), rs.Arctan(4.0)

    case = make_case(convention, (*params, readout), x, y, spike, rs.LinearReadout(2), hard=hard)

    found, want = solve(case), simulate(convention, params, x, None if hard else spike)
    for a, b in zip(found.s or (), want.s, strict=True):
        assert np.abs(a - b).max() <= TOLERANCE
    assert case.network.neurons[0].detach_reset == convention.detach_reset


def test_a_case_of_hard_spikes_may_be_what_one_of_smooth_ones_is_not():
    at_once = replace(libraries.snntorch_leaky(0.9, **AT_ONCE_TO_ZERO), ties_fire=True)
    params, x = drive_layers(8)
    y, readout = np.zeros(2, int), rs.SpikeRate(1.0)

    case = make_case(at_once, params, x, y, SMOOTH, readout, hard=True)

    for a, b in zip(solve(case).s or (), simulate(at_once, params, x).s, strict=True):
        assert (a == b).all()
    with pytest.raises(NoExactConversion, match="second_spike"):
        make_case(at_once, params, x, y, SMOOTH, readout)


def test_who_detaches_the_reset():
    assert libraries.spikingjelly_lif(detach_reset=True).detach_reset
    assert libraries.norse_lif(detach_reset=True).detach_reset
    assert libraries.snntorch_leaky(0.5).detach_reset
    assert not libraries.sinabs_lif(2.0).detach_reset


def test_a_detached_reset_is_not_made_up_for_in_a_case():
    params, x = drive_layers(8, recurrent=True)
    detached = libraries.norse_lif_box(v_reset=-0.5)
    detached = replace(detached, detach_reset=True)

    with pytest.raises(NoExactConversion, match="where gradients stop"):
        make_case(detached, params, x, np.zeros(2, int), SMOOTH, rs.SpikeRate(1.0))


def test_above_does_not_fire_at_threshold():
    assert (strict_heaviside(np.array([-1.0, -0.0, 0.0, 5e-324, 1.0])) == [0, 0, 0, 1, 1]).all()


GOOD = {"name": "c", "leak": 0.5, "threshold": 1.0, "reset": rs.ToZero()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"leak": 1.5}, r"leak must lie in \[0, 1\], got 1\.5"),
        ({"leak": float("nan")}, r"leak must lie in \[0, 1\], got nan"),
        ({"threshold": 0.0}, r"threshold must be finite and above rest, 0\.0, got 0\.0"),
        ({"threshold": float("nan")}, "threshold must be finite"),
        ({"rest": float("inf")}, "rest must be finite, got inf"),
        (
            {"reset": "zero"},
            "reset must be ToZero, Subtract, NoReset or ZeroOnAnySpike, got 'zero'",
        ),
        ({"reset": rs.NoReset(), "landing": 0.5}, r"landing must be finite, and 0\.0, the rest"),
        ({"silences": True, "landing": 0.5}, r"landing must be finite"),
        ({"landing": float("nan")}, r"landing must be finite"),
        (
            {"silences": True, "reset": ZeroOnAnySpike()},
            "silences must be False unless reset is ToZero",
        ),
    ],
)
def test_what_is_no_convention_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        Convention(**(GOOD | change))


@pytest.mark.parametrize(
    ("convention", "reset"),
    [
        (libraries.snntorch_leaky(0.5), rs.Subtract()),
        (libraries.snntorch_leaky(0.5, reset_delay=False), rs.Subtract(leaked=True)),
        (libraries.sinabs_lif(2.0, reset_fn="MembraneReset"), rs.ToZero()),
        (libraries.spikingjelly_lif(), rs.ToZero()),
    ],
)
def test_the_nearest_neuron_resets_by_a_hard_spike_as_the_library_does(convention, reset):
    neuron = nearest_lif(convention, SMOOTH)

    assert neuron == rs.LIF(convention.leak, 1.0, SMOOTH, reset, convention.detach_reset)


def test_a_library_has_no_such_reset():
    with pytest.raises(ValueError, match=r"reset_mechanism must be one of .*, got 'hard'"):
        libraries.snntorch_leaky(0.5, reset_mechanism="hard")


def test_conventions_need_no_framework():
    """None of them can be imported in this process."""
    script = """
import sys
for framework in ("torch", "jax", "snntorch", "spikingjelly", "norse", "sinabs", "nir"):
    sys.modules[framework] = None
from refsast.crosscheck import conventions as c
box = c.norse_lif_box(v_leak=-65.0, v_th=-64.0, v_reset=-65.0)
try:
    c.convert((), c.spikingjelly_lif(10.0), box)
except c.NoExactConversion as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "what happens exactly at threshold" in done.stdout
