"""How a module is to be called: with all steps at once, step by step, or with one static input.

Rule 1: it is called as its neurons show that it wants to be: once per step where each is called
        once, and with one input where the module runs a loop over time around them itself.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from refsast.arrays import Array
from refsast.crosscheck.adapters.module_trace import Call, ModuleTrace, trace_module
from refsast.crosscheck.adapters.neuron_reading import NeuronReading

ModuleCall: TypeAlias = Callable[[nn.Module, Tensor], object]  # from x (time, batch, ...)


@dataclass(frozen=True, eq=False)
class FoundCall:
    """How a module is to be called.

    Attributes
    ----------
    call : callable
        ``call(module, x)`` with x (time, batch, *shape).
    shape : tuple of int
        Of a recording's input at one step, as the module wants it.
    steps : int or None
        How many steps it runs of one static input; None if it takes all steps.
    looped : str or None
        The neuron that it calls once for every step of x, in a loop of its own.
    """

    call: ModuleCall
    shape: tuple[int, ...]
    steps: int | None = None
    looped: str | None = None

    def __call__(self, module: nn.Module, x: Tensor) -> object:
        """Return what the module returns of x (time, batch, n_0)."""
        return self.call(module, x.reshape(*x.shape[:2], *self.shape))

    def require(self, x: Array) -> None:
        """Refuse an input that changes, where the module shows its first step at every step."""
        if self.steps not in (None, len(x)):
            raise _refuse_steps(len(x), self.steps)
        if self.call is call_static and (x != x[:1]).any():
            raise ValueError(
                "x must be the same at every step for a module that takes one static input, got "
                "another at a later step"
            )


def _refuse_steps(wanted: int, got: int | None) -> ValueError:
    return ValueError(
        f"module must run for the {wanted} steps of x, got {got} steps: give the case an x of so "
        "many"
    )


@contextmanager
def counted_steps(module: nn.Module, neuron: str | None, steps: int) -> Iterator[None]:
    """Refuse a loop in which a neuron was called for another number of steps; None: no loop."""
    if neuron is None:
        yield
        return
    calls: list[bool] = []
    hook = module.get_submodule(neuron).register_forward_hook(lambda *_: calls.append(True))
    try:
        yield
    finally:
        hook.remove()
    if len(calls) != steps:
        raise _refuse_steps(steps, len(calls))


def call_once(module: nn.Module, x: Tensor) -> object:
    """Call a module with all steps."""
    return module(x)


def call_static(module: nn.Module, x: Tensor) -> object:
    """Call a module with one input, which it shows at every step itself."""
    return module(x[0])


def call_steps(module: nn.Module, x: Tensor) -> object:
    """Call a module once per step, and stack what it returns over time."""
    return _stack([module(step) for step in x])


def _stack(outputs: Sequence[Any]) -> Any:
    """The outputs of all steps, joined place by place."""
    if isinstance(outputs[0], Tensor):
        return torch.stack(list(outputs))
    return tuple(_stack(each) for each in zip(*outputs, strict=True))


def find_call(
    module: nn.Module,
    x: Tensor,
    shapes: Sequence[tuple[int, ...]],
    neurons: Collection[str],
    *,
    takes_sequence: bool,
    enter: Callable[[Tensor], Tensor] | None = None,
    reset: Callable[[nn.Module], object] | None = None,
) -> tuple[FoundCall, ModuleTrace]:
    """Return how to call a module, from what it does, and what it did.

    `x` is (time, batch, n) and `shapes` are those that it may have in the place of n. Raises
    ValueError where the module runs on nothing of it.
    """
    first: Exception | None = None
    fallback: tuple[FoundCall, ModuleTrace] | None = None  # it runs, but on an axis too many
    for shape in shapes:
        whole = x.reshape(*x.shape[:2], *shape)
        for call, given in _attempts(whole, enter):
            try:
                trace = trace_module(module, given, neurons, reset)
            except Exception as error:  # whatever a module raises that wants another input
                first = first or error
                continue
            calls = [c for c in trace.calls if c.part is not None and c.name in neurons]
            if enter is None:
                call = _choose(call, calls, takes_sequence)
            if call is None:
                continue
            found = _describe_call(call, shape, calls, len(x), takes_sequence), trace
            if call is not call_once or not takes_sequence or not _has_axis_too_many(calls):
                return found
            fallback = fallback or found
    if fallback is not None:
        return fallback
    reason = name_reason(first) if first else "neurons that take no batch"
    shape = (*x.shape[:2], *shapes[0])
    wanted = f"module must run on an input of shape {shape}, or on what enter= makes of it"
    raise ValueError(f"{wanted}, got: {reason}") from first


def _describe_call(
    call: ModuleCall,
    shape: tuple[int, ...],
    calls: Sequence[Call],
    steps: int,
    takes_sequence: bool,
) -> FoundCall:
    """How a module was called whose neurons were called so, of so many steps of x."""
    names = [each.name for each in calls]
    often = names.count(names[0]) if names else 0
    if call is call_static:
        in_one = takes_sequence and calls
        return FoundCall(call, shape, len(calls[0].inputs[0]) if in_one else often)
    looped = not takes_sequence and often == steps > 1
    return FoundCall(call, shape, looped=names[0] if looped else None)


def name_reason(error: BaseException) -> str:
    """Return the first line of what an exception says, or its name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _has_axis_too_many(calls: Sequence[Call]) -> bool:
    """Whether neurons were given neither sequences of vectors nor of images: an image repeated."""
    return bool(calls) and calls[0].inputs[0].ndim in (4, 6)


def _attempts(
    x: Tensor, enter: Callable[[Tensor], Tensor] | None
) -> Iterator[tuple[ModuleCall, Tensor]]:
    """The ways to call a module, each with what it is then given for a first look."""
    if enter is not None:
        yield (lambda module, x: module(enter(x))), enter(x)
        return
    yield call_once, x
    yield call_static, x[0]


def require_states_kept(
    module: nn.Module,
    steps: Tensor,
    neurons: Mapping[str, NeuronReading],
    reset: Callable[[nn.Module], object] | None,
) -> None:
    """Refuse a module of single steps whose neurons are at rest again in the second of two.

    What it forgets is the user's state to pass on: no network without memory is meant.
    """
    trace = trace_module(
        module, steps, neurons, reset, run=lambda module, x: [module(step) for step in x]
    )
    for name, neuron in neurons.items():
        calls = [each for each in trace.calls if each.part is not None and each.name == name]
        if len(calls) != 2:
            continue
        given, left = calls[1].inputs[1:], calls[0].outputs[1:]
        kept = any(a.shape == b.shape and bool((a == b).all()) for a in given for b in left)
        if not kept and (given or not neuron.keeps_state):
            raise ValueError(
                f"module must keep its states from step to step, got {name} at rest again in the "
                "second call: put the loop over steps into forward, and pass the states on"
            )


def _choose(call: ModuleCall, calls: list[Call], takes_sequence: bool) -> ModuleCall | None:
    """How to call a module whose neurons did this when it was called so; None: not so."""
    names = [each.name for each in calls]
    if takes_sequence or not calls:
        return call
    alone, axes = names.count(names[0]) == 1, calls[0].inputs[0].ndim
    one_step = axes in (2, 4)  # a batch of vectors, or of images
    if call is call_static and not one_step:
        return None
    if call is call_once and (one_step or axes not in (3, 5)):
        return call_once
    # Neurons that were given an axis more than a batch has took steps for recordings.
    return call_steps if alone else call_static
