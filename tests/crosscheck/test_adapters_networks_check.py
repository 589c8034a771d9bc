"""`rs.check` of networks that are read from modules: right, or wrong for the true reason."""

import pytest

import refsast as rs
from tests.crosscheck.test_adapters import adapter

torch = pytest.importorskip("torch")
pytest.importorskip("snntorch")
pytest.importorskip("spikingjelly")
from tests.crosscheck import test_adapters_networks_others as others  # noqa: E402
from tests.crosscheck import test_adapters_networks_snntorch as snn  # noqa: E402
from tests.crosscheck import test_adapters_networks_spikingjelly as jelly  # noqa: E402

pytestmark = pytest.mark.slow


def check_snntorch(net, x, y, detach, wrap=None, **options):
    case = snn.library.case_of(net, x, y, spike=snn.SPIKE, detach_reset=detach, **options)
    return rs.check(snn.library.wrap(net, case, **(wrap or {})), case)


def convolutional(detach):
    torch.manual_seed(0)
    net = snn.enlarge(snn.Convolutional())
    return check_snntorch(net, *snn.batch(1, 12, 12), detach, gain=8.0)


def tutorial_5(detach):
    torch.manual_seed(0)
    net = snn.Tutorial5(12, spike_grad=snn.STEP)
    x, y = snn.batch(20, steps=1)
    options = {"readout": rs.MeanPotential(), "loss": rs.StepCrossEntropy()}
    wrap = {"loss": snn.sum_over_steps, "factor": 1 / 12}
    return check_snntorch(net, 3.0 * x.repeat(12, axis=0), y, detach, wrap, **options)


def recurrent_synaptic(detach):
    options = {"alpha": 0.8, "beta": 0.7, "linear_features": 3, "learn_beta": True}
    neuron = snn.neuron(snn.snn.RSynaptic, **options)
    net = snn.Loop(snn.linear(4, 3), neuron, snn.linear(3, 3), neuron)
    return check_snntorch(net, *snn.batch(4), detach, gain=8.0)


@pytest.mark.slow
@pytest.mark.parametrize("build", [convolutional, tutorial_5, recurrent_synaptic])
def test_snntorch_detaches_the_reset_and_all_else_is_right(build):
    wrong, right = build(False), build(True)

    assert wrong.verdict == "DISAGREES"
    assert wrong.cause.name == "reset detached", wrong
    assert right.verdict == "agrees", right


def test_a_loss_that_is_summed_over_steps_is_told():
    torch.manual_seed(0)
    net = snn.Tutorial5(12, spike_grad=snn.STEP)
    x, y = snn.batch(20, steps=1)
    report = check_snntorch(
        net,
        3.0 * x.repeat(12, axis=0),
        y,
        True,
        {"loss": snn.sum_over_steps},
        readout=rs.MeanPotential(),
        loss=rs.StepCrossEntropy(),
    )

    assert "summed over steps" in str(report.cause)


@pytest.mark.parametrize("kind", ["IF", "PLIF", "PLIF, hard"])
def test_the_convolutional_network_of_spikingjelly_is_right(kind):
    net = jelly.fashion(jelly.NODES[kind])
    case = jelly.image_case(net)
    implementation = jelly.library.wrap(net, case, logits=lambda rates: 5.0 * rates)

    report = rs.check(implementation, case)

    assert report.verdict == "agrees", report
    assert all("parameter" not in each for each in report.not_compared[2:])


@pytest.mark.slow
def test_a_scan_by_hand_is_right_and_a_threshold_that_is_off_is_seen():
    jax = pytest.importorskip("jax")
    library, case = adapter("jax"), others.alif_case()
    leaves, names = others.leaves_of(case), others.alif_names()
    right = library.wrap(jax.jit(others.alif_loss), case, leaves, names=names)
    assert rs.check(right, case).verdict == "agrees"

    def cut(params, x, y):
        first = {**params[0], "threshold": jax.lax.stop_gradient(params[0]["threshold"])}
        return others.alif_loss([first, params[1]], x, y)

    report = rs.check(library.wrap(jax.jit(cut), case, leaves, names=names), case)
    assert report.verdict == "DISAGREES"
    assert report.stages[1].worst.name == "grads[0].threshold"


def test_the_largest_potential_of_a_function_of_tensors_is_right():
    library = adapter("torch")
    spike = rs.FastSigmoid(20.0)
    tensors, names, case = others.spytorch_case(spike)
    step = library.hard_spike(spike)

    def loss(tensors, x, y):
        x = torch.cat([x, torch.zeros_like(x[:1])])
        return others.spytorch_loss(tensors, x, y, step)

    assert rs.check(library.wrap(loss, case, tensors, names=names), case).verdict == "agrees"
