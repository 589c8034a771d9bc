"""Other numbers put in place of a module's parameters, for the time of a call."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from refsast.arrays import Array
from refsast.crosscheck.adapters.module_trace import cast_floats


@contextmanager
def swap_parameters(
    module: nn.Module, arrays: Mapping[str, Array], dtype: torch.dtype
) -> Iterator[dict[str, nn.Parameter]]:
    """Put arrays in place of a module's parameters, all of it in another dtype; then undo it.

    Yields the module's parameters by name.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    arrays : mapping of ndarray
        By the names of its parameters; all others keep their values. A bias that a part was made
        without is put there.
    dtype : torch.dtype
        Of all floating-point parameters and buffers, and of the input of every submodule that owns
        one of the named parameters: users' modules may make single precision themselves.
    """
    added = _add_biases(module, arrays, dtype)
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
                lambda _, inputs: tuple(cast_floats(dtype, a) for a in inputs)
            )
            hooks.append(hook)
        yield own
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
        for owner, key in added:
            owner._parameters[key] = None


def _add_biases(
    module: nn.Module, arrays: Mapping[str, Array], dtype: torch.dtype
) -> list[tuple[nn.Module, str]]:
    """Give parts the parameters that they were made without; return where."""
    there, added = dict(module.named_parameters()), []
    for name, array in arrays.items():
        if name not in there:
            owner, _, key = name.rpartition(".")
            part = module.get_submodule(owner)
            part._parameters[key] = nn.Parameter(torch.tensor(array, dtype=dtype))
            added.append((part, key))
    return added


def _copy_buffer(dtype: torch.dtype, buffer: Tensor | None) -> Tensor | None:
    """A copy of a buffer, off the tape, in another dtype if it is floating-point."""
    if buffer is None:
        return None
    copy = buffer.detach().clone()
    return copy.to(dtype) if copy.is_floating_point() else copy
