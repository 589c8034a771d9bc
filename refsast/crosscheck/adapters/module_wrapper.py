"""A user's own ``nn.Module`` as an implementation: given parameters, run, and restored.

Rule 1: every change to a module is undone: weights, gradients, buffers, modes, also on errors.
Rule 2: what a module is expected to be is checked before it runs.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters.autograd import read_grad, round_numbers
from refsast.crosscheck.adapters.axes import require_no_dropout, require_time_first
from refsast.crosscheck.adapters.parameter_map import (
    Slots,
    gather_params,
    map_parameters,
    scatter_params,
)
from refsast.crosscheck.adapters.uncompared import list_uncompared
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.implementation import Implementation
from refsast.model.network import Network
from refsast.model.params import Params
from refsast.model.readout import SpikeRate


def wrap(
    module: nn.Module,
    case: Case,
    *,
    names: Slots | None = None,
    enter: Callable[[Tensor], Tensor] | None = None,
    logits: Callable[..., Tensor] | None = None,
    reset: Callable[[nn.Module], object] | None = None,
    dtype: torch.dtype = torch.float64,
    name: str = "PyTorch module",
) -> Implementation:
    """Return a user's module as an implementation to be checked.

    Parameters
    ----------
    module : torch.nn.Module
        Called as ``module(x)``, in the mode (train or eval) that it is in.
    case : Case
        What it should compute.
    names : mapping of str to (int, str), optional
        Which parameter is which: from its name in ``named_parameters`` to a layer's index and "w",
        "b" or "v", or "w.T" or "v.T" where it is stored as (n_in, n_out). Default: all parameters
        but single numbers, in their order, which must then have the case's shapes.
    enter : callable, optional
        From x (time, batch, n_0) to what the module takes. Default: x itself. With `enter`, no
        input gradient is given.
    logits : callable, optional
        From what the module returns to logits (batch, classes). Default: the first tensor of
        it; a tensor of three axes is spikes or potentials (time, batch, n), which are averaged over
        time and multiplied with the gain of the case's readout, if it has one.
    reset : callable, optional
        Called with the module before and after it runs, to put its states at rest.
    dtype : torch.dtype
        What to compute in. Numbers of a hard case are rounded to single precision on the way in
        and out, because most libraries' hard spikes are.
    name : str
        For reports.

    Returns
    -------
    Implementation
        With the input gradient unless there is an `enter`; without states.

    Raises
    ------
    ValueError
        If parameters are missing, too many or of other shapes, or `dtype` is no other than float32
        or float64; when it is asked: if the module does not run, drops at random, is batch first,
        or gives no logits.
    """
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    slots = map_parameters(_parameter_shapes(module, names), case.network, names)

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        require_no_dropout(module)
        inputs = torch.tensor(x, dtype=dtype, requires_grad=True)
        with swap_parameters(module, scatter_params(params, slots), dtype):
            if reset is not None:
                reset(module)
            if logits is None:
                _check_axes(module, inputs, enter, reset)
            read = _default_logits(case.network, len(x)) if logits is None else logits
            z = _run_module(module, inputs if enter is None else enter(inputs), read)
            _require_logits(z, (len(y), case.network.classes))
            loss = torch.nn.functional.cross_entropy(z.to(dtype), torch.as_tensor(y))
            loss.backward()
            own = dict(module.named_parameters())
            grads = gather_params({key: read_grad(own[key]) for key in slots}, slots)
            if reset is not None:
                reset(module)
        return Answer(loss.item(), grads, x=None if enter is not None else read_grad(inputs))

    return Implementation(
        round_numbers(gradient, np.float32 if case.hard else None),
        name=name,
        not_compared=list_uncompared(module, slots),
    )


def _check_axes(
    module: nn.Module,
    x: Tensor,
    enter: Callable[[Tensor], Tensor] | None,
    reset: Callable[[nn.Module], object] | None,
) -> None:
    """Refuse a module that is batch first; its states are at rest before and after."""
    if reset is None:  # states that it keeps must not be touched
        try:
            module = copy.deepcopy(module)
        except RuntimeError:  # they are part of a graph
            return

    def run(x: Tensor) -> object:
        try:
            return module(x if enter is None else enter(x))
        except (RuntimeError, TypeError, IndexError):
            return None  # what it cannot run on is told when it is run
        finally:
            if reset is not None:
                reset(module)

    require_time_first(run, x, entered=enter is not None)


def params_of(module: nn.Module, network: Network, names: Slots | None = None) -> Params:
    """Return copies of a module's own weights as parameters of a network, float64.

    Parameters and errors as `wrap`; the module is only read.
    """
    slots = map_parameters(_parameter_shapes(module, names), network, names)
    own = dict(module.named_parameters())
    return gather_params({k: own[k].detach().numpy().astype(np.float64) for k in slots}, slots)


def _parameter_shapes(module: nn.Module, names: Slots | None) -> dict[str, tuple[int, ...]]:
    """The shapes of a module's parameters by name; single numbers only if all are to be named."""
    if not isinstance(module, nn.Module):
        raise ValueError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    shapes = {key: tuple(p.shape) for key, p in module.named_parameters()}
    return {key: shape for key, shape in shapes.items() if shape or names is not None}


@contextmanager
def swap_parameters(
    module: nn.Module, arrays: Mapping[str, Array], dtype: torch.dtype
) -> Iterator[None]:
    """Put arrays in place of a module's parameters, all of it in another dtype; then undo it.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    arrays : mapping of ndarray
        By the names of its parameters; all others keep their values.
    dtype : torch.dtype
        Of all floating-point parameters and buffers, and of the input of every submodule that owns
        one of the named parameters: users' modules may make single precision themselves.
    """
    own = dict(module.named_parameters())
    # Everything that is changed below, to be put back in `finally`.
    saved = [(p, p.data, p.grad, p.requires_grad) for p in own.values()]
    buffers = [(each, dict(each._buffers), each.training) for each in module.modules()]
    owners = {key.rpartition(".")[0] for key in arrays}
    hooks = []
    try:
        for key, p in own.items():
            p.grad = None
            if key in arrays:
                # `data`, so that the module keeps its Parameter objects, which optimisers hold.
                p.data, p.requires_grad = torch.tensor(arrays[key], dtype=dtype), True
            elif p.is_floating_point():
                p.data = p.data.to(dtype)
        for each, named, _ in buffers:
            each._buffers.update({k: _copy_buffer(dtype, b) for k, b in named.items()})
        # A module may pass single-precision tensors on, such as its library's hard spikes.
        for owner in owners:
            hook = module.get_submodule(owner).register_forward_pre_hook(
                lambda _, inputs: tuple(_cast_floats(dtype, a) for a in inputs)
            )
            hooks.append(hook)
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for p, data, grad, requires_grad in saved:
            p.grad = None  # its dtype must fit the data, which changes next
            p.data, p.requires_grad = data, requires_grad
            p.grad = grad
        for each, named, training in buffers:
            each._buffers.clear()
            each._buffers.update(named)
            each.training = training


def _copy_buffer(dtype: torch.dtype, buffer: Tensor | None) -> Tensor | None:
    """A copy of a buffer, off the tape, in another dtype if it is floating-point."""
    if buffer is None:
        return None
    copy = buffer.detach().clone()
    return copy.to(dtype) if copy.is_floating_point() else copy


def _cast_floats(dtype: torch.dtype, value: object) -> object:
    """A floating-point tensor in another dtype; all else as it is."""
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _run_module(module: nn.Module, x: Tensor, read: Callable[..., Tensor]) -> Tensor:
    """The logits that a module gives, or PyTorch's error in one line."""
    try:
        return read(module(x))
    except (RuntimeError, TypeError, IndexError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        shape = tuple(x.shape)
        wanted = f"module must run on an input of shape {shape}, or on what enter= makes of it"
        raise ValueError(f"{wanted}, got: {reason}") from error


def _require_logits(z: object, shape: tuple[int, int]) -> None:
    if not isinstance(z, Tensor):
        raise ValueError(f"logits must give a tensor, got {type(z).__name__}")
    if tuple(z.shape) != shape:
        got = f"got {tuple(z.shape)}: say by logits= how to read them"
        raise ValueError(f"logits must have shape {shape}, {got}")
    if z.grad_fn is None:
        raise ValueError("logits must depend on the parameters, got a tensor without a gradient")


def _default_logits(network: Network, steps: int) -> Callable[..., Tensor]:
    """Return a function that averages outputs over time, if they have a time axis."""
    gain = network.readout.gain if isinstance(network.readout, SpikeRate) else 1.0

    def logits(output: Tensor | Sequence[Tensor]) -> Tensor:
        first = output if isinstance(output, Tensor) else output[0]
        if first.ndim == 3 and len(first) != steps:
            got = f"got {len(first)} steps: give the case an x of so many"
            raise ValueError(f"module must run for the {steps} steps of x, {got}")
        return gain * first.mean(dim=0) if first.ndim == 3 else first

    return logits
