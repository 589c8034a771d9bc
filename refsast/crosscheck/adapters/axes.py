"""Whether a module takes and gives time first: seen by what one recording changes in another.

Time first, a recording changes nothing but its own outputs. A module that takes the batch for the
time carries states from recording to recording.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

TO_TIME_FIRST = "enter=lambda x: x.transpose(0, 1)"


def require_time_first(run: Callable[[Tensor], object], x: Tensor, *, entered: bool) -> None:
    """Raise a ValueError if a module seems to be batch first, in what it takes or what it gives.

    `run` gives its output from x (time, batch, n), which `entered` says is changed on the way.
    Silent where outputs are no sequences, or nothing is seen.
    """
    if x.shape[1] < 2 or len(x) < 2:
        return
    changed = _changed_outputs(run, x, (slice(None), 0))
    if changed is None or not changed[:, 1:].any():
        return
    if not changed[1:].any():
        raise ValueError(
            "module must return (time, batch, n), got (batch, time, n): name the logits, such as "
            "logits=lambda s: gain * s.mean(1)"
        )
    later = _changed_outputs(run, x, (0,))
    if not entered and later is not None and not later[1:].any():
        raise ValueError(
            "module must take (time, batch, n), got one that is batch first, for which recordings "
            f"would be steps: give {TO_TIME_FIRST} and logits=lambda s: gain * s.mean(1)"
        )


def _changed_outputs(
    run: Callable[[Tensor], object], x: Tensor, where: tuple[slice | int, ...]
) -> Tensor | None:
    """Which outputs, by their first two axes, a change of the input there makes others."""
    with torch.no_grad():
        other = x.detach().clone()
        other[where] = -3.0 * other[where] + 1.0
        outputs = [first_tensor(run(each)) for each in (x.detach(), other)]
    before, after = outputs
    if before is None or after is None or before.ndim != 3 or before.shape != after.shape:
        return None
    return (before != after).any(dim=2)


def first_tensor(output: object) -> Tensor | None:
    """Return the tensor that an output is, or the first in it."""
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, Tensor) else None


def require_no_dropout(module: nn.Module) -> None:
    """Raise a ValueError if a module drops at random in the mode that it is in."""
    for name, each in module.named_modules():
        rate = getattr(each, "p", 0.0)
        if "Dropout" in type(each).__name__ and each.training and rate != 0.0:
            what = f"{name or 'itself'} is {type(each).__name__}(p={rate}) in training mode"
            raise ValueError(
                f"module must not drop at random, got {what}: call module.eval() first"
            )


def require_running_statistics(module: nn.Module) -> None:
    """Raise a ValueError if a module normalises by the statistics of the batch that it is given."""
    for name, each in module.named_modules():
        if not isinstance(each, _BatchNorm):
            continue
        what = f"{name or 'itself'} is {type(each).__name__}"
        wanted = "module must not normalise by the statistics of its batch"
        if each.running_mean is None:
            way_out = "check a copy with running statistics"
            raise ValueError(f"{wanted}, got {what} without running statistics: {way_out}")
        if each.training:
            raise ValueError(f"{wanted}, got {what} in training mode: call module.eval() first")
