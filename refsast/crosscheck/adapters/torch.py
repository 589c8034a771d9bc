"""PyTorch: plain modules written from the equations; a function of the user's; smooth spikes."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters import equations
from refsast.crosscheck.adapters.autograd import (
    Cell,
    autograd_implementation,
    make_stepwise_population,
    read_grad,
)
from refsast.crosscheck.adapters.parameter_map import Slots, gather_params, map_parameters
from refsast.crosscheck.adapters.ties import make_leaves, make_theirs, pull_back, tie_slots
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.implementation import Implementation
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Params
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


def wrap(
    loss: Callable[..., Tensor],
    case: Case,
    tensors: Mapping[str, Tensor],
    *,
    names: Slots | None = None,
    dtype: torch.dtype = torch.float64,
    name: str = "PyTorch function",
) -> Implementation:
    """Return a user's function of tensors as an implementation to be checked.

    For networks that are no modules, as in the spytorch tutorials; a module goes to
    `module_wrapper.wrap`.

    Parameters
    ----------
    loss : callable
        ``loss(tensors, x, y)``: the loss of a batch, the case's; `tensors` by the names of those
        given here, `x` of shape (time, batch, n_0) and `y` integer labels.
    case : Case
        What it should compute.
    tensors : mapping of str to tensor
        The user's parameters, for names and shapes; nothing is written into them.
    names : mapping of str to (int, str), optional
        Which tensor is which parameter: to a layer's index and "w", "b", "v", "leak" and so on, or
        "w.T" or "v.T" where it is stored as (n_in, n_out). Default: in their order, which must then
        have the case's shapes.
    dtype : torch.dtype
        What to compute in.
    name : str
        For reports.

    Returns
    -------
    Implementation
        With the input gradient, without states.

    Raises
    ------
    ValueError
        If tensors are missing, too many, or of other shapes.
    """
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    ties = tie_slots(map_parameters(shapes, case.network, names))

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        leaves = make_leaves(params, dtype)
        own = {key: a.detach().requires_grad_() for key, a in make_theirs(leaves, ties).items()}
        inputs = torch.tensor(x, dtype=dtype, requires_grad=True)
        value = loss({key: own[key] for key in shapes}, inputs, torch.as_tensor(y))
        value.backward()
        theirs = make_theirs(leaves, ties)
        grads = pull_back(leaves, theirs, {key: read_grad(own[key]) for key in theirs})
        return Answer(value.item(), grads, x=read_grad(inputs))

    return Implementation(gradient, name=name)


def params_of(
    tensors: Mapping[str, Tensor], network: Network, names: Slots | None = None
) -> Params:
    """Return copies of a user's tensors as parameters of a network; `names` is as for `wrap`."""
    arrays = {key: a.detach().cpu().numpy().astype(np.float64) for key, a in tensors.items()}
    slots = map_parameters({key: a.shape for key, a in arrays.items()}, network, names)
    return gather_params(arrays, slots)


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
