"""Released libraries, mode by mode: which are right, and by what the others are wrong."""

import importlib
import warnings
from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case, ask
from refsast.crosscheck.check import check
from refsast.crosscheck.implementation import Unsupported
from refsast.model.synapse import Synapse
from tests.crosscheck.random_cases import draw_case

pytestmark = pytest.mark.slow  # each of the libraries takes seconds to import

LEAKED = rs.Subtract(leaked=True)
NORSE = {"leak": 0.8, "drive": 8.0, "synapse": Synapse(0.6, 1.0 - 0.8)}
DETACHED = "reset detached"


def adapter(name: str):
    """Return an adapter, or skip where its library is not installed."""
    pytest.importorskip(name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        return importlib.import_module(f"refsast.crosscheck.adapters.{name}")


RIGHT = {
    ("torch", "factory"): {},
    ("torch", "single"): {"reset": rs.Subtract()},
    ("snntorch", "smooth"): {"detach": True},
    ("snntorch", "smooth_from_rest"): {"reset": rs.Subtract(), "detach": True, "recurrent": True},
    ("snntorch", "factory"): {"reset": rs.NoReset()},
    ("snntorch", "surrogate"): {
        "spike": rs.Logistic(3.0), "hard": True, "detach": True, "reset": rs.Subtract()
    },
    ("spikingjelly", "keep_reset"): {"recurrent": True},
    ("spikingjelly", "keep_reset_multistep"): {"reset": LEAKED},
    ("spikingjelly", "detach_reset"): {"reset": LEAKED, "detach": True},
    ("spikingjelly", "detach_reset_multistep"): {"detach": True},
    ("spikingjelly", "factory"): {"leak": 0.75, "synapse": Synapse(0.0, 0.25), "drive": 8.0},
    ("sinabs", "subtract"): {"reset": LEAKED, "recurrent": True},
    ("sinabs", "factory"): {
        "reset": LEAKED, "leak": 0.8, "synapse": Synapse(0.7, 0.7 * (1.0 - 0.8)), "drive": 8.0
    },
    ("sinabs", "zero"): {"hard": True, "detach": True},
    ("norse", "smooth"): NORSE,
    ("norse", "factory"): {**NORSE, "synapse": Synapse(0.0, 1.0 - 0.8), "reset": LEAKED},
    ("norse", "surrogate"): {**NORSE, "hard": True, "spike": rs.PiecewiseQuadratic(1.0)},
}  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mode", RIGHT, ids=".".join)
def test_right_modes_agree_to_rounding(mode, seed):
    case = draw_case(seed, **RIGHT[mode])

    report = check(getattr(adapter(mode[0]), mode[1])(case), case)

    assert report.agrees, report
    assert ("float32" in str(report.dtype)) == (
        mode[1] == "single" or (case.hard and mode[0] in ("snntorch", "sinabs"))
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"recurrent": True, "reset": rs.Subtract()},
        {"hard": True, "reset": LEAKED},
        {"detach": True, "synapse": Synapse(0.5, 0.7)},
    ],
)
@pytest.mark.parametrize("name", ["torch", "jax"])
def test_plain_modules_are_right_in_every_variant(name, options):
    library = adapter(name)
    for seed in range(12 if name == "torch" else 2):  # compiling takes JAX seconds
        case = draw_case(seed, **options)
        report = check(library.factory(case), case)

        assert report.agrees, report


def test_jax_leaves_its_configuration_alone():
    jax = pytest.importorskip("jax")
    case = draw_case(1, sizes=(2, 3), steps=2)

    report = check(adapter("jax").single(case), case)

    assert report.agrees
    assert report.dtype == np.float32
    assert not jax.config.jax_enable_x64


WRONG = {
    ("snntorch", "smooth"): ({}, DETACHED),
    ("snntorch", "smooth_from_rest"): ({"reset": rs.Subtract()}, DETACHED),
    ("snntorch", "surrogate"): ({"hard": True, "spike": rs.Arctan(2.0)}, DETACHED),
    ("spikingjelly", "detach_reset"): ({}, DETACHED),
    ("spikingjelly", "detach_reset_multistep"): ({"reset": LEAKED}, DETACHED),
    ("sinabs", "zero"): ({"hard": True}, DETACHED),
    ("norse", "surrogate"): (
        {**NORSE, "hard": True, "spike": rs.Logistic(20.0), "sizes": (4, 3)}, "slope factor"
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", WRONG, ids=".".join)
def test_wrong_modes_are_wrong_by_a_known_cause(mode, seed):
    options, cause = WRONG[mode]
    case = draw_case(seed, **options)

    report = check(getattr(adapter(mode[0]), mode[1])(case), case)

    assert not report.agrees
    assert (report.cause.name, report.cause.exact) == (cause, True), report


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_sinabs_forgets_everything_where_a_smooth_spike_is_not_quite_none(seed):
    case = draw_case(seed)  # no PiecewiseQuadratic: its spikes can be none
    forgetful = replace(case.network.neurons[0], leak=0.0)
    memoryless = replace(case, network=replace(case.network, neuron=forgetful))

    given = adapter("sinabs").zero(case)

    assert not check(given, case).agrees
    assert check(given, memoryless).agrees


@pytest.mark.parametrize("seed", range(4))
def test_a_smooth_neuron_of_snntorch_is_reset_before_it_has_fired(seed):
    case = draw_case(seed, reset=rs.Subtract(), detach=True)
    first = case.network.neurons[0]

    u = ask(adapter("snntorch").smooth(case).gradient, case)[0].u[0]
    right = rs.run(case.network, case.params, case.x).u[0]

    np.testing.assert_allclose(
        right[0] - u[0], first.threshold * first.spike(np.array(-first.threshold)), rtol=1e-12
    )


def ratio(name: str, mode: str, case: Case) -> float:
    """The largest factor between a gradient in weights and the right one, layer by layer."""
    got = ask(getattr(adapter(name), mode)(case).gradient, case)[0].grads
    want = rs.fast.loss_and_grad(case.network, case.params, case.x, case.y)[1]
    return max(np.linalg.norm(g.w) / np.linalg.norm(r.w) for g, r in zip(got, want, strict=True))


def tutorial(seed: int, reset) -> Case:
    """Two layers that keep nine tenths, driven hard, as in the libraries' tutorials."""
    spike = rs.Logistic(4.0)
    return draw_case(3 * seed, sizes=(6, 8, 3), leak=0.9, steps=12, spike=spike, reset=reset)


@pytest.mark.parametrize(
    ("name", "mode", "reset", "low", "high"),
    [
        ("snntorch", "smooth", rs.Subtract(), 4.5, 4.9),  # FIELD M1
        ("snntorch", "smooth", rs.ToZero(), 2.5, 2.8),
        ("spikingjelly", "detach_reset", rs.ToZero(), 1.4, 1.7),  # FIELD M2
    ],
)
def test_by_how_much_a_detached_reset_is_off(name, mode, reset, low, high):
    factors = [ratio(name, mode, tutorial(seed, reset)) for seed in range(12)]

    assert min(factors) < high
    assert max(factors) > low
    assert np.median(factors) > 1.5


@pytest.mark.parametrize(
    ("spike", "factor"),
    [
        (rs.Logistic(2.0), 2.0),  # tanh at alpha = 1: 2/alpha
        (rs.Algebraic(0.01), 200.0),  # circ at alpha = 100: 2 alpha
        (rs.FastSigmoid(1.0), 2.0),  # super, whatever alpha
        (rs.Logistic(4.0), 1.0),
        (rs.Algebraic(2.0), 1.0),
    ],
)
def test_norse_divides_the_derivative_by_its_value_at_threshold(spike, factor):
    case = draw_case(1, **NORSE, hard=True, spike=spike, sizes=(4, 3), steps=1)

    got = ask(adapter("norse").surrogate(case).gradient, case)[0].grads[0].w
    want = ask(adapter("torch").factory(case).gradient, case)[0].grads[0].w

    np.testing.assert_allclose(got, factor * want, rtol=1e-11)


def test_the_surrogate_super_of_norse_does_not_look_at_alpha():
    one, hundred = (
        draw_case(1, **NORSE, hard=True, spike=rs.FastSigmoid(slope), sizes=(4, 3))
        for slope in (1.0, 100.0)
    )
    surrogate = adapter("norse").surrogate

    got = [ask(surrogate(case).gradient, case)[0].grads[0].w for case in (one, hundred)]

    np.testing.assert_array_equal(*got)


@pytest.mark.parametrize(
    ("name", "fires"),
    [("torch", 1), ("snntorch", 0), ("spikingjelly", 1), ("sinabs", 1), ("norse", 0)],
)
def test_what_happens_at_the_threshold(name, fires):
    library = adapter(name)
    synapse = Synapse(0.0, 0.5) if name == "norse" else None
    spike = rs.Logistic(4.0)
    network = rs.Network((1, 1), rs.LIF(0.5, 1.0, spike, LEAKED), rs.SpikeRate(1.0), bias=False)
    if name == "snntorch":
        network = replace(network, neuron=rs.LIF(0.5, 1.0, spike, rs.Subtract()))
    w = np.array([[2.0 if name == "norse" else 1.0]])
    case = Case(network, (rs.Layer(w),), np.ones((1, 1, 1)), [0], synapse, True)

    assert ask(library.factory(case).gradient, case)[0].s[0].item() == fires


@pytest.mark.parametrize(
    ("name", "mode", "options", "says"),
    [
        ("snntorch", "smooth", {"reset": LEAKED}, "reset must be one of"),
        ("snntorch", "smooth", {"hard": True}, "hard must be False"),
        ("snntorch", "surrogate", {}, "hard must be True"),
        ("snntorch", "surrogate", {"hard": True, "spike": rs.Algebraic(1.0)}, "spike must be"),
        ("snntorch", "smooth", {"synapse": Synapse(0.5)}, "synapse must be None"),
        ("spikingjelly", "factory", {"reset": rs.Subtract()}, "reset must be"),
        ("spikingjelly", "factory", {"leak": 0.0}, "leak must be positive"),
        ("spikingjelly", "factory", {"synapse": Synapse(0.0, 0.3), "leak": 0.5}, "synapse must"),
        ("spikingjelly", "keep_reset_multistep", {"recurrent": True}, "recurrent must be False"),
        ("sinabs", "subtract", {}, "reset must be"),
        (
            "sinabs",
            "subtract",
            {"reset": LEAKED, "synapse": Synapse(0.3, 0.9)},
            "synapse must",
        ),
        ("norse", "smooth", {}, "synapse must be a Synapse, got None"),
        ("norse", "smooth", {**NORSE, "reset": LEAKED}, "reset must be"),
        ("norse", "surrogate", {**NORSE, "hard": True, "spike": rs.Arctan(1.0)}, "spike must be"),
    ],
)
def test_what_a_library_does_not_have_is_unsupported(name, mode, options, says):
    library = adapter(name)

    with pytest.raises(Unsupported, match=says):
        getattr(library, mode)(draw_case(1, **options))


def test_snntorchs_list_of_all_neurons_does_not_grow():
    snntorch = pytest.importorskip("snntorch")
    before = list(snntorch.SpikingNeuron.instances)
    case = draw_case(0)
    ask(adapter("snntorch").smooth(case).gradient, case)

    assert list(snntorch.SpikingNeuron.instances) == before
