"""PyTorch: plain modules written from the equations; the smooth spikes of tensors."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable

import torch
from torch import Tensor

from refsast.crosscheck.adapters import equations
from refsast.crosscheck.adapters.autograd import (
    Cell,
    autograd_implementation,
    make_stepwise_population,
)
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation
from refsast.model.lif import LIF
from refsast.model.spike import Spike

Function = Callable[[Tensor], Tensor]


def factory(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return plain PyTorch, written from the equations; right for every case.

    It gives all states and adjoints. Unsupported: a spike that is none of the five families.
    """
    cells = [cell_factory(case, neuron) for neuron in case.network.neurons]
    population = make_stepwise_population(lambda i: cells[i]())
    return autograd_implementation(case, population, name="PyTorch", dtype=dtype)


def single(case: Case) -> Implementation:
    """Return `factory` in single precision."""
    return factory(case, torch.float32)


def cell_factory(case: Case, neuron: LIF) -> Callable[[], Cell]:
    """Return what makes a cell of this neuron, at rest."""
    fire = hard_spike(neuron.spike) if case.hard else smooth_spike(neuron.spike)

    def make() -> Cell:
        state: list[Tensor] = []  # u, s, i of the step before

        def cell(current: Tensor) -> tuple[Tensor, Tensor]:
            # Behind a delayed synapse the first potential depends on nothing else with a gradient.
            u, s, i = state or [torch.zeros_like(current, requires_grad=True)] * 3
            reset_spike = s.detach() if neuron.detach_reset else s
            u, i = equations.membrane_step(neuron, case.synapse, u, reset_spike, i, current)
            s = fire(u - neuron.threshold)
            state[:] = [u, s, i]
            return s, u

        return cell

    return make


def smooth_spike(spike: Spike) -> Function:
    """Return one of the five smooth spikes as a function of tensors; another is `Unsupported`."""
    return equations.smooth_spike(spike, torch)


def smooth_spike_derivative(spike: Spike) -> Function:
    """Return the derivative of `smooth_spike`, as a function of tensors that leaves no tape."""
    function = smooth_spike(spike)

    def derivative(v: Tensor) -> Tensor:
        # Called from a backward pass, where autograd is switched off.
        with torch.enable_grad():
            v = v.detach().requires_grad_()
            return torch.autograd.grad(function(v).sum(), v)[0]

    return derivative


class _HardSpike(torch.autograd.Function):
    """Heaviside forward, whatever derivative is wanted backward."""

    @staticmethod
    def forward(ctx, v, derivative):
        ctx.derivative = derivative
        ctx.save_for_backward(v)
        return (v >= 0.0).to(v.dtype)

    @staticmethod
    def backward(ctx, g):  # pyright: ignore[reportIncompatibleMethodOverride]
        return g * ctx.derivative(ctx.saved_tensors[0]), None


def hard_spike(spike: Spike) -> Function:
    """Return the Heaviside step with the derivative of `smooth_spike` backward."""
    derivative = smooth_spike_derivative(spike)
    return lambda v: _HardSpike.apply(v, derivative)  # pyright: ignore[reportReturnType]
