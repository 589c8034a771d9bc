"""What a user's module does with a batch, as it runs: which part makes what of what.

A module says which parts it has, not how they are joined: pooling is often a function, and the
order of definition is not that of execution. So a copy of the module runs once, and every call is
written down.

Rule 1: parts are neurons and the layers of `LAYERS`; what happens inside of one is its own affair.
Rule 2: nothing of the module changes: a copy of it runs, and its states are put at rest.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.overrides import TorchFunctionMode

POOLS = (nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.LPPool2d)
LAYERS = (nn.Linear, nn.Conv2d, *POOLS, _BatchNorm, _DropoutNd, nn.Flatten, nn.Identity)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a part, or of a function of PyTorch's outside of parts.

    Attributes
    ----------
    name : str
        Of the part within the module, or of the function.
    part : Module or None
        The part; None for a function.
    inputs, outputs : tuple of Tensor
        What went in and what came out, in order.
    args, options : tuple, mapping
        All arguments of a function.
    """

    name: str
    part: nn.Module | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    args: tuple = ()
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ModuleTrace:
    """All calls of a run, in their order.

    Attributes
    ----------
    x : Tensor
        What the module was given.
    calls : list of Call
        In their order.
    made_by : dict of int to list of int
        The places in `calls` of those that gave a tensor, by the id of the tensor.
    """

    x: Tensor
    calls: list[Call]
    made_by: dict[int, list[int]]

    def last_maker(self, tensor: Tensor, before: int) -> int | None:
        """Return the place of the last call before another one that gave a tensor, if any."""
        earlier = [i for i in self.made_by.get(id(tensor), ()) if i < before]
        return earlier[-1] if earlier else None


class _Recorder(TorchFunctionMode):
    """Writes down the functions of PyTorch's that are called outside of parts."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.depth = 0  # in how many parts the run is

    def __torch_function__(self, func, types, args=(), kwargs=None):
        options = kwargs or {}
        out = func(*args, **options)
        outputs = tuple(list_tensors(out))
        if self.depth == 0 and outputs:
            inputs = tuple(list_tensors([*args, *options.values()]))
            name = getattr(func, "__name__", str(func))
            self.calls.append(Call(name, None, inputs, outputs, args, options))
        return out

    def enter(self, part: nn.Module, inputs: tuple) -> tuple:
        # Spikes may come in single precision, whatever the weights are.
        own = next(part.parameters(), None)
        if self.depth == 0 and own is not None and own.is_floating_point():
            inputs = tuple(cast_floats(own.dtype, each) for each in inputs)
        self.depth += 1
        return inputs

    def leave(self, name: str) -> Callable:
        def write(part: nn.Module, args: tuple, options: dict, out: object) -> None:
            self.depth -= 1
            if self.depth == 0:
                inputs = tuple(list_tensors([*args, *options.values()]))
                self.calls.append(Call(name, part, inputs, tuple(list_tensors(out))))

        return write


def list_tensors(value: object) -> Iterator[Tensor]:
    """Yield the tensors in nested sequences and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from list_tensors(list(value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from list_tensors(each)


def trace_module(
    module: nn.Module,
    x: Tensor,
    neurons: Collection[str],
    reset: Callable[[nn.Module], object] | None = None,
    run: Callable[[nn.Module, Tensor], object] = lambda module, x: module(x),
) -> ModuleTrace:
    """Run a copy of a module on `x` and return what it did; what it raises goes through.

    `run` is how it is called. `neurons` are the names of the parts that are neurons: a copy may
    be of another mind.
    """
    module = _copy_at_rest(module, reset)
    recorder, hooks = _Recorder(), []
    for name, part in list_parts(module, neurons):
        hooks.append(part.register_forward_pre_hook(recorder.enter))
        hooks.append(part.register_forward_hook(recorder.leave(name), with_kwargs=True))
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=()), recorder:
            run(module, x)
    finally:
        for hook in hooks:
            hook.remove()
        if reset is not None:
            reset(module)
    made_by: dict[int, list[int]] = {}
    for i, call in enumerate(recorder.calls):
        for tensor in call.outputs:
            made_by.setdefault(id(tensor), []).append(i)
    return ModuleTrace(x, recorder.calls, made_by)


def cast_floats(dtype: torch.dtype, value: object) -> object:
    """Return a floating-point tensor in another dtype; all else as it is."""
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def list_parts(module: nn.Module, neurons: Collection[str]) -> Iterator[tuple[str, nn.Module]]:
    """Yield the neurons and layers of a module by name, without what is inside of neurons."""
    inside: set[nn.Module] = set()
    for name, each in module.named_modules():
        if each in inside:
            continue
        if name in neurons:
            inside.update(each.modules())
            yield name, each
        elif isinstance(each, LAYERS):
            yield name, each


def _copy_at_rest(module: nn.Module, reset: Callable[[nn.Module], object] | None) -> nn.Module:
    """A copy of a module; the module itself if its states are in a graph and stay there."""
    if reset is not None:
        reset(module)
    try:
        return copy.deepcopy(module)
    except RuntimeError:  # only leaves of a graph can be copied
        return module
