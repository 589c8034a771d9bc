"""What a user's module has and no answer to a case shows: said in the report, never left unsaid."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Container, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

OWN_LOSS = "your own loss (this adapter takes the mean cross entropy of the logits)"


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
        Parameters of other names, batch normalisation and dropout, buffers by their names, and the
        loss, which is the adapter's.
    """
    return (*_list_parts(module, compared), OWN_LOSS)


def _list_parts(module: nn.Module, compared: Container[str]) -> Iterator[str]:
    """The parts, one by one; buffers of layers that are listed are not listed again."""
    for name, parameter in module.named_parameters():
        if name not in compared:
            kind = "parameter" if parameter.requires_grad else "constant"
            yield f"{kind} {name}"
    known: list[str] = []
    for name, each in module.named_modules():
        if isinstance(each, _BatchNorm | _DropoutNd):
            mode = "training" if each.training else "evaluation"
            yield f"{type(each).__name__} {name} (in {mode} mode)"
            known.append(f"{name}." if name else "")
    buffers = [name for name, _ in module.named_buffers() if not name.startswith(tuple(known))]
    if buffers:
        yield f"buffers {', '.join(buffers)}"
