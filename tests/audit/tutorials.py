"""The networks of the libraries' own tutorials and examples, at their own size."""

from functools import partial
from typing import Any

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers
from tests.audit.modes import NetworkMode
from tests.audit.network_modes import DETACH, DETACHED
from tests.audit.network_others import ask_scan, ask_spytorch
from tests.audit.network_questions import Make, ask_module, jelly_node, snntorch_loss

SLOPE = (
    "The backward pass of `fast_sigmoid(25)` is 1/(1 + 25|v|)^2, without the factor that would "
    "make it the derivative of a step from 0 to 1."
)


def draw_images(steps: int, seed: int, *shape: int, scale: float = 1.0) -> tuple[Array, Integers]:
    """Return four images as people show them to these networks, the same at each step, and labels.

    One pixel in five is not zero, as in handwritten digits.
    """
    rng = np.random.default_rng(seed)
    images = scale * rng.random((4, *shape)) * (rng.random((4, *shape)) < 0.2)
    return np.repeat(images[None], steps, axis=0), rng.integers(0, 10, 4)


# snnTorch ---------------------------------------------------------------------------------------


def snntorch_static(cell: str, **settings: Any) -> Make:
    """784-1000-10, one image at each of 25 steps; returns spikes and potentials of all steps."""

    def make() -> Any:
        import snntorch
        import torch

        def neuron(n: int, **more: Any) -> Any:
            width = {"linear_features": n} if cell.startswith("R") else {}
            return getattr(snntorch, cell)(init_hidden=True, **width, **settings, **more)

        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc1, self.lif1 = torch.nn.Linear(784, 1000), neuron(1000)
                self.fc2, self.lif2 = torch.nn.Linear(1000, 10), neuron(10, output=True)

            def forward(self, x: torch.Tensor) -> Any:
                outputs = [self.lif2(self.fc2(self.lif1(self.fc1(x)))) for _ in range(25)]
                return torch.stack([o[0] for o in outputs]), torch.stack([o[-1] for o in outputs])

        return Net()

    return make


def snntorch_images() -> Any:
    """12C5-MP2-64C5-MP2-1024FC10, called once per step, with the surrogate of the tutorial."""
    import snntorch
    from snntorch import surrogate
    from torch import nn

    spike = surrogate.fast_sigmoid(slope=25)
    leaky = partial(snntorch.Leaky, beta=0.5, spike_grad=spike, init_hidden=True)
    return nn.Sequential(
        *(nn.Conv2d(1, 12, 5), nn.MaxPool2d(2), leaky()),
        *(nn.Conv2d(12, 64, 5), nn.MaxPool2d(2), leaky()),
        *(nn.Flatten(), nn.Linear(64 * 4 * 4, 10), leaky(output=True)),
    )


def summed_over_steps() -> dict:
    """What `wrap` takes: the loss of tutorial 5, of potentials, a sum over its 25 steps."""
    from torch.nn import functional

    def loss(output: Any, y: Any) -> Any:
        return sum(functional.cross_entropy(u, y) for u in output[1])

    return {"loss": loss, "factor": 1 / 25}


# SpikingJelly -----------------------------------------------------------------------------------


def jelly_fashion(node: str, channels: int = 128) -> Make:
    """`conv_fashion_mnist.py`: images in, rates of four steps out, in evaluation mode."""

    def make() -> Any:
        import torch
        from spikingjelly.activation_based import functional, layer

        neuron, c = partial(jelly_node, node, smooth=False), channels

        class CSNN(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv_fc = torch.nn.Sequential(
                    *(layer.Conv2d(1, c, 3, padding=1, bias=False), layer.BatchNorm2d(c)),
                    *(neuron(), layer.MaxPool2d(2, 2)),
                    *(layer.Conv2d(c, c, 3, padding=1, bias=False), layer.BatchNorm2d(c)),
                    *(neuron(), layer.MaxPool2d(2, 2), layer.Flatten()),
                    *(layer.Linear(c * 7 * 7, c * 4 * 4, bias=False), neuron()),
                    *(layer.Linear(c * 4 * 4, 10, bias=False), neuron()),
                )
                functional.set_step_mode(self, "m")

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.conv_fc(x.unsqueeze(0).repeat(4, 1, 1, 1, 1)).mean(0)

        net = CSNN()
        for seed in range(30):  # running statistics, as training leaves them
            net(torch.as_tensor(draw_images(1, seed, 1, 28, 28)[0][0], dtype=torch.float32))
            functional.reset_net(net)
        return net.eval()

    return make


def squared_error() -> dict:
    """What `wrap` takes: the loss of the example, of the rates that the module returns."""
    from torch.nn import functional

    def loss(rates: Any, y: Any) -> Any:
        return functional.mse_loss(rates, functional.one_hot(y, 10).to(rates.dtype))

    return {"loss": loss}


# What is asked ----------------------------------------------------------------------------------


SPIKES = {"wrap": snntorch_loss("ce_rate_loss", 0), "gain": 1.0}
POTENTIALS = {"wrap": summed_over_steps, "readout": rs.MeanPotential()}


def _static(
    description: str, cell: str, asks: dict, loss: dict = SPIKES, **settings: Any
) -> NetworkMode:
    """784-1000-10 of a cell, with a loss of every step."""
    question = ask_module(
        "snntorch",
        snntorch_static(cell, **settings),
        shape=(784,),
        drive=1.0,
        draw=partial(draw_images, 25),
        **({"loss": rs.StepCrossEntropy()} | loss | asks),
    )
    return NetworkMode("snntorch", description, question, "" if asks else DETACH)


def _fashion(node: str) -> NetworkMode:
    """The convolutional network of SpikingJelly with a node."""
    question = ask_module(
        "spikingjelly",
        jelly_fashion(node),
        shape=(1, 28, 28),
        drive=1.0,
        draw=partial(draw_images, 4),
        loss=rs.MeanSquaredRate(),
        wrap=squared_error,
    )
    return NetworkMode("spikingjelly", f"`conv_fashion_mnist.py`, `{node}`", question)


LEAKY = {"loss": POTENTIALS, "beta": 0.95}
LEARNED = {"learn_beta": True, "learn_threshold": True}
SYNAPTIC = {"alpha": 0.9, "beta": 0.8}
ALPHA = {"alpha": 0.8, "beta": 0.7, "reset_mechanism": "none"}
TUTORIALS = (
    _static("tutorial 5", "Leaky", {}, **LEAKY),
    _static("tutorial 5, all but the reset's gradient", "Leaky", DETACHED, **LEAKY),
    _static("the same, `learn_beta` and `learn_threshold`", "Leaky", DETACHED, **LEAKY, **LEARNED),
    NetworkMode(
        "snntorch",
        "tutorial 6, all but the reset's gradient",
        ask_module(
            "snntorch",
            snntorch_images,
            shape=(1, 28, 28),
            drive=3.0,
            draw=partial(draw_images, 50),
            **({"loss": rs.StepCrossEntropy()} | SPIKES | DETACHED),
        ),
        SLOPE,
    ),
    _static("784-1000-10 of `Synaptic`", "Synaptic", {}, **SYNAPTIC),
    _static("the same, all but the reset's gradient", "Synaptic", DETACHED, **SYNAPTIC),
    _static("784-1000-10 of `RSynaptic`, all but that", "RSynaptic", DETACHED, **SYNAPTIC),
    _static("784-1000-10 of `Alpha`, `none`", "Alpha", DETACHED, **ALPHA),
    _fashion("IFNode"),
    _fashion("ParametricLIFNode"),
    NetworkMode(
        "jax",
        "a scan by hand, 700-128-20, 100 steps",
        partial(ask_scan, sizes=(700, 128, 20), steps=100),
    ),
    NetworkMode(
        "torch",
        "spytorch, 784-100-10, 100 steps",
        partial(ask_spytorch, sizes=(784, 100, 10), steps=100),
    ),
)
