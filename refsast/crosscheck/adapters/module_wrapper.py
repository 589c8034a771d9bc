"""A user's own ``nn.Module`` as an implementation: given parameters, run, and restored.

Rule 1: every change to a module is undone: weights, gradients, buffers, modes, also on errors.
Rule 2: what a module is expected to be is checked before it runs.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters.autograd import read_grad, round_numbers
from refsast.crosscheck.adapters.axes import (
    first_tensor,
    require_no_dropout,
    require_running_statistics,
    require_time_first,
)
from refsast.crosscheck.adapters.module_call import (
    FoundCall,
    call_once,
    call_static,
    call_steps,
    counted_steps,
    name_reason,
)
from refsast.crosscheck.adapters.module_loss import own_score, their_score
from refsast.crosscheck.adapters.module_reader import ModuleUse, read_module
from refsast.crosscheck.adapters.module_swap import swap_parameters
from refsast.crosscheck.adapters.neuron_reading import Reader
from refsast.crosscheck.adapters.parameter_map import Slots, gather_params, map_parameters
from refsast.crosscheck.adapters.ties import (
    SharedParameter,
    Tie,
    make_leaves,
    make_theirs,
    pull_back,
    require_shares,
    tie_slots,
)
from refsast.crosscheck.adapters.uncompared import OWN_LOOP, OWN_LOSS, list_uncompared
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.implementation import Implementation
from refsast.model.network import Network
from refsast.model.params import Params


def wrap(
    module: nn.Module,
    case: Case,
    *,
    names: Slots | None = None,
    enter: Callable[[Tensor], Tensor] | None = None,
    logits: Callable[..., Tensor] | None = None,
    leave: Callable[[Tensor], Tensor] | None = None,
    loss: Callable[..., Tensor] | None = None,
    factor: float = 1.0,
    reset: Callable[[nn.Module], object] | None = None,
    read: Reader | None = None,
    dtype: torch.dtype = torch.float64,
    precision: type[np.floating] | None = np.float32,
    name: str = "PyTorch module",
) -> Implementation:
    """Return a user's module as an implementation to be checked.

    Parameters
    ----------
    module : torch.nn.Module
        Called as ``module(x)``, or once per step where its neurons take one step, in the mode
        (train or eval) that it is in.
    case : Case
        What it should compute.
    names : mapping of str to (int, str), optional
        Which parameter is which: from its name in ``named_parameters`` to a layer's index and "w",
        "b", "v" or another name of `Layer`, or "w.T" or "v.T" where it is stored as (n_in, n_out).
        Default: as `read` finds them; without it, or where it finds no network of these shapes, all
        parameters but single numbers, in their order, which must then have the case's shapes.
    enter : callable, optional
        From x to what the module takes. Default: x itself. With `enter`, no input gradient is
        given. x is (time, batch, n_0), or (time, batch, channels, height, width) for images.
    logits : callable, optional
        From what the module returns to logits (batch, classes). Default: the first tensor of
        it, or the last where potentials are read; one of three axes is (time, batch, n), of which
        the case's readout is taken.
    leave : callable, optional
        From that tensor to (time, batch, n), where it has other axes.
    loss : callable, optional
        The user's own, ``loss(output, y)``, of what the module returns, and labels. Default: the
        adapter puts the case's in, and the report says so.
    factor : float
        What the user's loss is multiplied with to be the case's, such as one over the number of
        steps for a sum over steps.
    reset : callable, optional
        Called with the module before and after it runs, to put its states at rest.
    read : callable, optional
        What each submodule is as a neuron.
    dtype : torch.dtype
        What to compute in.
    precision : type or None
        What numbers of a hard case are rounded to on the way in and out, because most libraries'
        hard spikes are; None where they are not.
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
        or float64; when it is asked: if the module does not run, drops at random, normalises by
        its batch, is batch first, or gives no logits.
    """
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    if loss is not None and logits is not None:
        raise ValueError("logits must be left out where loss reads the output, got both")
    plan = _plan(module, case, names, read, ModuleUse(enter, reset))
    score = own_score(case, logits, leave) if loss is None else their_score(loss, factor)

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        require_no_dropout(module)
        require_running_statistics(module)
        plan.how.require(x)
        if factor != 1.0 and len(x) != len(case.x):
            raise ValueError(f"x must have {len(case.x)} steps where factor is given, got {len(x)}")
        inputs = torch.tensor(x, dtype=dtype, requires_grad=True)
        leaves = make_leaves(params, dtype)
        theirs = make_theirs(leaves, plan.ties)
        arrays = {key: a.detach().numpy() for key, a in theirs.items()}
        with swap_parameters(module, arrays, dtype) as own:
            if reset is not None:
                reset(module)
            if logits is None and loss is None:
                _check_axes(module, inputs, plan, reset, leave)
            value = _run_module(module, inputs, plan.how, lambda out: score(out, y, len(x)))
            value.backward()
            found = {k: read_grad(a) for k, a in own.items() if a.requires_grad or k in theirs}
            grads = pull_back(leaves, theirs, found)
            require_shares(plan.shared, params, grads, found)
            if reset is not None:
                reset(module)
        return Answer(value.item(), grads, x=read_grad(inputs) if plan.keeps_input else None)

    uncompared = list_uncompared(module, {each.name for each in (*plan.ties, *plan.shared)})
    put_in = {OWN_LOOP: plan.how.call is call_steps, OWN_LOSS: loss is None}
    return Implementation(
        round_numbers(gradient, precision if case.hard else None),
        name=name,
        not_compared=(*uncompared, *(what for what, is_ours in put_in.items() if is_ours)),
    )


@dataclass(frozen=True, eq=False)
class _Plan:
    """How a module is to be given parameters and input.

    Attributes
    ----------
    ties : tuple of Tie
        How its parameters follow from ours.
    how : FoundCall
        How it is called.
    keeps_input : bool
        Whether its input is x itself, so that the gradient in it is ours.
    shared : tuple of SharedParameter
        Its parameters that are one of ours together with another.
    """

    ties: tuple[Tie, ...]
    how: FoundCall
    keeps_input: bool
    shared: tuple[SharedParameter, ...] = ()


def _plan(
    module: nn.Module, case: Case, names: Slots | None, read: Reader | None, use: ModuleUse
) -> _Plan:
    network = case.network
    image, flat = network.image, (network.sizes[0],)
    shapes = [flat] if image is None else [image, flat]
    reading = found = failure = None
    if read is not None and names is None:
        try:
            reading, found = read_module(
                module,
                case.x,
                shapes,
                read,
                readout=network.readout,
                loss=network.loss,
                detach_reset=False,
                use=use,
            )
        except ValueError as error:  # parameters in the order of the case will do, too
            failure = error
    if reading is not None and found is not None and reading.network.shapes == network.shapes:
        keeps = use.enter is None and found.call is not call_static
        return _Plan(reading.ties, found, keeps, reading.shared)
    enter = use.enter
    try:
        slots = map_parameters(_parameter_shapes(module, names), network, names)
    except ValueError as error:
        raise (failure or error) from None
    call = call_once if enter is None else lambda module, x: module(enter(x))
    return _Plan(tie_slots(slots), FoundCall(call, shapes[0]), enter is None)


def _check_axes(
    module: nn.Module,
    x: Tensor,
    plan: _Plan,
    reset: Callable[[nn.Module], object] | None,
    leave: Callable[[Tensor], Tensor] | None,
) -> None:
    """Refuse a module that is batch first; its states are at rest before and after."""
    if plan.how.call is call_static or plan.how.call is call_steps:
        return  # it does not see the axis of time
    if reset is None:  # states that it keeps must not be touched
        try:
            module = copy.deepcopy(module)
        except RuntimeError:  # they are part of a graph
            return

    def run(x: Tensor) -> object:
        try:
            first = first_tensor(plan.how(module, x))
            return first if first is None or leave is None else leave(first)
        except Exception:
            return None  # what it cannot run on is told when it is run
        finally:
            if reset is not None:
                reset(module)

    require_time_first(run, x, entered=not plan.keeps_input)


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


def _run_module(
    module: nn.Module, x: Tensor, how: FoundCall, score: Callable[[object], Tensor]
) -> Tensor:
    """The loss that a module gives, or what it or the loss raises in one line."""
    with counted_steps(module, how.looped, len(x)):
        try:
            output = how(module, x)
        except Exception as error:
            shape = (*x.shape[:2], *how.shape)
            wanted = f"module must run on an input of shape {shape}, or on what enter= makes of it"
            raise ValueError(f"{wanted}, got: {name_reason(error)}") from error
    try:
        return score(output)
    except ValueError:
        raise
    except Exception as error:
        wanted = "loss= or logits= must take what the module returns"
        raise ValueError(f"{wanted}, got: {name_reason(error)}") from error
