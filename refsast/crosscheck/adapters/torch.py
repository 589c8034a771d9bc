"""PyTorch: plain modules written from the equations; the smooth spikes of tensors."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
import math
from collections.abc import Callable

import torch
from torch import Tensor

from refsast.crosscheck.adapters.autograd import (
    Cell,
    autograd_implementation,
    make_stepwise_population,
)
from refsast.crosscheck.case import Case, Implementation, Unsupported
from refsast.model.lif import LIF
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.spike import Spike
from refsast.model.surrogate import (
    Algebraic,
    Arctan,
    FastSigmoid,
    Logistic,
    PiecewiseQuadratic,
    Surrogate,
)


def factory(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return plain PyTorch, written from the equations; right for every case.

    Parameters
    ----------
    case : Case
        The question.
    dtype : torch.dtype
        What to compute in.

    Returns
    -------
    Implementation
        Says all there is to say.

    Raises
    ------
    Unsupported
        If a spike is none of the five families.
    """
    cells = [cell_factory(case, neuron) for neuron in case.network.neurons]
    return autograd_implementation(
        case, make_stepwise_population(lambda i: cells[i]()), name="PyTorch", dtype=dtype
    )


def single(case: Case) -> Implementation:
    """Return `factory` in single precision."""
    return factory(case, torch.float32)


def cell_factory(case: Case, neuron: LIF) -> Callable[[], Cell]:
    """Return what makes a cell of this neuron, at rest."""
    fire = spike_function(case, neuron)
    synapse = case.synapse

    def make() -> Cell:
        state: list[Tensor] = []  # u, s, i of the step before

        def cell(current: Tensor) -> tuple[Tensor, Tensor]:
            u, s, i = state or [torch.zeros_like(current, requires_grad=True)] * 3
            now = drive = current
            if synapse is not None:
                now = synapse.leak * i + current
                drive = synapse.scale * (i if synapse.delayed else now)
            u = apply_reset(neuron, u, s) + drive
            s = fire(u - neuron.threshold)
            state[:] = [u, s, now]
            return s, u

        return cell

    return make


def apply_reset(neuron: LIF, u: Tensor, s: Tensor) -> Tensor:
    """Return what the reset leaves of a potential `u` with spike `s`."""
    s = s.detach() if neuron.detach_reset else s
    match neuron.reset:
        case ToZero():
            return neuron.leak * u * (1.0 - s)
        case Subtract(leaked=True):
            return neuron.leak * (u - neuron.threshold * s)
        case Subtract():
            return neuron.leak * u - neuron.threshold * s
        case NoReset():
            return neuron.leak * u


def spike_function(case: Case, neuron: LIF) -> Callable[[Tensor], Tensor]:
    """Return the neuron's spike of the distance above threshold: smooth, or hard if the case is."""
    return hard_spike(neuron.spike) if case.hard else smooth_spike(neuron.spike)


def smooth_spike(spike: Spike) -> Callable[[Tensor], Tensor]:
    """Return one of the five smooth spikes as a function of tensors (DESIGN 4).

    Parameters
    ----------
    spike : Arctan, Logistic, Algebraic, FastSigmoid or PiecewiseQuadratic
        Which.

    Returns
    -------
    callable
        From distances above threshold to spikes, of any shape.

    Raises
    ------
    Unsupported
        If it is another.
    """
    if not isinstance(spike, Surrogate):
        raise Unsupported(f"spike must be one of the five families, got {spike!r}")
    k = spike.slope

    def away(v: Tensor) -> Tensor:
        return torch.where(v < 0.0, -v, v)  # abs would have slope 0 at a tie

    def from_tail(tail: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda v: torch.where(v < 0.0, tail(away(v)), 1.0 - tail(away(v)))

    def algebraic(far: Tensor) -> Tensor:
        root = torch.sqrt(1.0 + (k * far) ** 2)
        return 0.5 / (root * (root + k * far))

    match spike:
        case Arctan():
            return lambda v: 0.5 + torch.atan(0.5 * math.pi * k * v) / math.pi
        case Logistic():
            return from_tail(lambda far: torch.exp(-k * far) / (1.0 + torch.exp(-k * far)))
        case Algebraic():
            return from_tail(algebraic)
        case FastSigmoid():
            return from_tail(lambda far: 0.5 / (1.0 + k * far))
        case PiecewiseQuadratic():
            return from_tail(lambda far: 0.5 * torch.clamp(1.0 - k * far, min=0.0) ** 2)


def smooth_spike_derivative(spike: Spike) -> Callable[[Tensor], Tensor]:
    """Return the derivative of `smooth_spike`, as a function of tensors that leaves no tape."""
    function = smooth_spike(spike)

    def derivative(v: Tensor) -> Tensor:
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


def hard_spike(spike: Spike) -> Callable[[Tensor], Tensor]:
    """Return the Heaviside step with the derivative of `smooth_spike` backward."""
    derivative = smooth_spike_derivative(spike)
    return lambda v: _HardSpike.apply(v, derivative)  # pyright: ignore[reportReturnType]
