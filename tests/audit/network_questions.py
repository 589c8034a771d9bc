"""Networks of released libraries beyond dense LIF layers, built for every seed, and their cases.

A question is a function of a seed; it gives the implementation, made from a module by the
library's adapter, and the case that the adapter read from the module. Libraries are imported late:
one that is not installed is a line on the page.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation

Question: TypeAlias = Callable[[int], tuple[Implementation, Case]]
Make: TypeAlias = Callable[[], Any]  # of a module, after the library was imported
SPIKE = rs.Arctan(2.0)
GAIN = 6.0
STEPS, BATCH = 8, 3


def draw_batch(
    seed: int, *shape: int, scale: float = 1.0, steps: int = STEPS
) -> tuple[Array, Integers]:
    """Return an input (time, batch, *shape) and labels of three classes."""
    rng = np.random.default_rng(seed)
    return scale * rng.random((steps, BATCH, *shape)), rng.integers(0, 3, BATCH)


def build(make: Make, seed: int, drive: float) -> Any:
    """Return a module with weights of a seed by which its neurons fire."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    net = make()
    with torch.no_grad():
        for each in net.modules():
            if isinstance(each, nn.Linear | nn.Conv2d):
                each.weight.mul_(drive)
    return net


def loop(*parts: Any) -> Any:
    """Return a module that shows one step after another to its parts, and stacks the last one's."""
    import torch

    class Loop(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(parts)

        def forward(self, x: torch.Tensor) -> Any:
            outputs = []
            for s in x:
                for part in self.parts:
                    s = part(s)
                outputs.append(s)
            if isinstance(outputs[0], tuple):
                return tuple(torch.stack(each) for each in zip(*outputs, strict=True))
            return torch.stack(outputs)

    return Loop()


def ask_module(
    adapter: str,
    make: Make,
    *,
    shape: tuple[int, ...] = (4,),
    drive: float = 3.0,
    scale: float = 1.0,
    wrap: Callable[[], dict] = dict,
    draw: Callable[..., tuple[Array, Integers]] = draw_batch,
    **options: Any,
) -> Question:
    """Return the question about a module; options are those of the adapter's `case_of`."""

    def question(seed: int) -> tuple[Implementation, Case]:
        from tests.audit.mode_rows import load_adapter

        library = load_adapter(adapter)
        net = build(make, seed, drive)
        given = dict(options)
        if not isinstance(given.get("loss"), rs.MeanSquaredRate) and "readout" not in given:
            given.setdefault("gain", GAIN)
        case = library.case_of(net, *draw(seed, *shape, scale=scale), **given)
        return library.wrap(net, case, **wrap()), case

    return question


# snnTorch ---------------------------------------------------------------------------------------


def snntorch_layers(cell: str, **settings: Any) -> Make:
    """Two layers of a cell, in a loop; the recurrent ones have their number of neurons."""

    def make() -> Any:
        import snntorch
        import torch

        def neuron(n: int) -> Any:
            if cell == "SLSTM":
                return snntorch.SLSTM(n, n, init_hidden=True)
            width = {"linear_features": n} if cell.startswith("R") else {}
            numbers = {k: v(n) if callable(v) else v for k, v in settings.items()}
            return getattr(snntorch, cell)(init_hidden=True, **width, **numbers)

        linear = torch.nn.Linear
        return loop(linear(4, 5), neuron(5), linear(5, 3), neuron(3))

    return make


def snntorch_images(pool: str) -> Make:
    """Convolution, pooling and neurons twice, as in tutorial 6."""

    def make() -> Any:
        import snntorch
        from torch import nn

        def leaky() -> Any:
            return snntorch.Leaky(beta=0.5, init_hidden=True)

        pooling = getattr(nn, pool)
        return loop(
            *(nn.Conv2d(1, 3, 3), pooling(2), leaky()),
            *(nn.Conv2d(3, 4, 2), pooling(2), leaky(), nn.Flatten(), nn.Linear(4, 3), leaky()),
        )

    return make


def snntorch_potentials() -> Any:
    """Two layers of which the last returns spikes and potentials."""
    import snntorch
    from torch import nn

    last = snntorch.Leaky(beta=0.8, init_hidden=True, output=True)
    return loop(nn.Linear(4, 5), snntorch.Leaky(beta=0.9, init_hidden=True), nn.Linear(5, 3), last)


def snntorch_integrator() -> Any:
    """A layer of neurons, and one that only integrates."""
    import snntorch
    from torch import nn

    last = snntorch.Leaky(beta=0.8, init_hidden=True, output=True, reset_mechanism="none")
    return loop(nn.Linear(4, 5), snntorch.Leaky(beta=0.9, init_hidden=True), nn.Linear(5, 3), last)


def snntorch_loss(
    name: str, part: int | None = None, factor: float = 1.0, **settings: Any
) -> Callable[[], dict]:
    """What `wrap` takes: a loss of the library's, of what the module returns."""

    def options() -> dict:
        from snntorch import functional

        loss = getattr(functional, name)(**settings)
        return {
            "loss": lambda out, y: loss(out if part is None else out[part], y),
            "factor": factor,
        }

    return options


# SpikingJelly -----------------------------------------------------------------------------------


def jelly_layers(node: str, *, smooth: bool = True, mode: str = "m", **settings: Any) -> Make:
    """Two layers of a node."""

    def make() -> Any:
        from torch import nn

        def neuron() -> Any:
            return jelly_node(node, smooth=smooth, mode=mode, **settings)

        parts = nn.Linear(4, 5), neuron(), nn.Linear(5, 3), neuron()
        return nn.Sequential(*parts) if mode == "m" else loop(*parts)

    return make


def jelly_node(node: str, *, smooth: bool = True, mode: str = "m", **settings: Any) -> Any:
    """A node with the surrogate ATan, smooth forward or not."""
    from spikingjelly.activation_based import neuron, surrogate

    spike = surrogate.ATan(alpha=2.0, spiking=not smooth)
    return getattr(neuron, node)(surrogate_function=spike, step_mode=mode, **settings)


def jelly_images(pool: str, *, smooth: bool = True, node: str = "IFNode") -> Make:
    """The convolutional network of the library's examples, smaller, in evaluation mode."""

    def make() -> Any:
        import torch
        from spikingjelly.activation_based import functional, layer

        def neuron() -> Any:
            return jelly_node(node, smooth=smooth)

        net = torch.nn.Sequential(
            *(layer.Conv2d(1, 3, 3, padding=1, bias=False), layer.BatchNorm2d(3), neuron()),
            *(getattr(layer, pool)(2, 2), layer.Conv2d(3, 2, 3, padding=1), neuron()),
            *(layer.Flatten(), layer.Linear(18, 3), neuron()),
        )
        functional.set_step_mode(net, "m")
        norm = net[1]
        for tensor in (norm.weight.data, norm.running_var):
            tensor.copy_(0.5 + torch.rand(3))
        for tensor in (norm.bias.data, norm.running_mean):
            tensor.copy_(torch.rand(3) - 0.2)
        return net.eval()

    return make


def jelly_residual() -> Any:
    """Spikes of one layer added to those of the next, as in SEW-ResNet."""
    import torch
    from spikingjelly.activation_based import layer

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            convolutions = (layer.Conv2d(2, 2, 3, padding=1, step_mode="m") for _ in range(2))
            self.convs = torch.nn.ModuleList(convolutions)
            self.nodes = torch.nn.ModuleList(jelly_node("IFNode") for _ in range(3))
            self.fc = layer.Linear(32, 3, step_mode="m")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = self.nodes[0](self.convs[0](x))
            second = self.nodes[1](self.convs[1](first))
            return self.nodes[2](self.fc((second + first).flatten(2)))

    return Residual()


def jelly_squared_error() -> dict:
    """What `wrap` takes: the squared error of rates of the library's examples."""
    from torch.nn import functional

    def loss(s: Any, y: Any) -> Any:
        return functional.mse_loss(s.mean(0), functional.one_hot(y, 3).to(s.dtype))

    return {"loss": loss}
