"""What a user's module has and no answer to a case shows: said in the report, never left unsaid."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Container, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

OWN_LOSS = "your own loss (this adapter puts the case's in; give yours by loss=)"
OWN_LOOP = "your own loop over time (this adapter calls the module once per step)"


def list_uncompared(module: nn.Module, compared: Container[str]) -> tuple[str, ...]:
    """Return in words what of a module is not compared.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    compared : container of str
        Names of its parameters that a case asks about.

    Returns
    -------
    tuple of str
        Parameters of other names, batch normalisation and dropout, and buffers by their names.
    """
    return tuple(_list_parts(module, compared))


def _list_parts(module: nn.Module, compared: Container[str]) -> Iterator[str]:
    """The parts, one by one; buffers of layers that are listed are not listed again."""
    for name, parameter in module.named_parameters():
        if name not in compared:
            kind = "parameter" if parameter.requires_grad else "constant"
            yield f"{kind} {name}"
    known: list[str] = []
    for name, each in module.named_modules():
        if not isinstance(each, _BatchNorm | _DropoutNd):
            continue
        known.append(f"{name}." if name else "")
        if f"{name}.weight" not in compared:  # else it is folded into the weights before it
            mode = "training" if each.training else "evaluation"
            yield f"{type(each).__name__} {name} (in {mode} mode)"
    buffers = [name for name, _ in module.named_buffers() if not name.startswith(tuple(known))]
    if buffers:
        yield f"buffers {', '.join(buffers)}"
