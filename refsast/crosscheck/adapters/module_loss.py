"""From what a module returns to a loss: the user's own, or the case's, put in by the adapter."""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from refsast.arrays import Integers
from refsast.crosscheck.case import Case
from refsast.model.loss import MeanSquaredRate, StepCrossEntropy
from refsast.model.network import Network
from refsast.model.readout import Direct, LastPotential, MaxPotential, MeanPotential

# ``score(output, y, steps)``: what the module returned, labels, and the number of steps of x.
Score: TypeAlias = Callable[[Any, Integers, int], Tensor]


def their_score(loss: Callable[..., Tensor], factor: float) -> Score:
    """Return the user's loss of what the module returns, times `factor`."""

    def score(output: object, y: Integers, steps: int) -> Tensor:
        value = loss(output, torch.as_tensor(y))
        if not isinstance(value, Tensor) or value.numel() != 1:
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"loss must give one number, a tensor, got {got}")
        _require_graph(value, "loss")
        return factor * value.reshape(())

    return score


def own_score(
    case: Case,
    logits: Callable[..., Tensor] | None,
    leave: Callable[[Tensor], Tensor] | None = None,
) -> Score:
    """Return the case's loss, of `logits` of what the module returns, or of its tensors."""
    network = case.network

    def score(output: Any, y: Integers, steps: int) -> Tensor:
        labels = torch.as_tensor(y)
        if logits is not None:
            z = logits(output)
        else:
            said = _pick_output(output, network)
            said = said if leave is None else leave(said)
            if said.ndim == 3 and len(said) != steps:
                got = f"got {len(said)} steps: give the case an x of so many"
                raise ValueError(f"module must run for the {steps} steps of x, {got}")
            if isinstance(network.loss, StepCrossEntropy):
                return _step_loss(network, said, labels)
            z = _pool(network, said) if said.ndim == 3 else said
        _require_logits(z, (len(y), network.classes))
        return _loss_of_logits(network, z, labels)

    return score


def _pick_output(output: Tensor | Sequence[Tensor], network: Network) -> Tensor:
    """The tensor of an output that is read: the first, or the last where potentials are."""
    if isinstance(output, Tensor):
        return output
    spikes = not isinstance(network.readout, MeanPotential | LastPotential | MaxPotential)
    return output[0] if spikes else output[-1]


def _pool(network: Network, said: Tensor) -> Tensor:
    """The logits, of what the last neurons or the readout say at every step."""
    readout = network.readout
    if isinstance(readout, LastPotential):
        return said[-1]
    if isinstance(readout, MaxPotential):
        return said.max(dim=0).values
    z = said.mean(dim=0)
    return _mean_per_class(network, z) if isinstance(readout, Direct) else z


def _mean_per_class(network: Network, z: Tensor) -> Tensor:
    """The mean of each class's neurons, which lie side by side, times the gain."""
    readout: Any = network.readout
    if readout.population > 1:
        z = z.reshape(*z.shape[:-1], -1, readout.population).mean(dim=-1)
    return readout.gain * z


def _step_loss(network: Network, said: Tensor, y: Tensor) -> Tensor:
    if said.ndim != 3:
        got = tuple(said.shape)
        raise ValueError(
            f"module must return (time, batch, n) for {network.loss}, got {got}; stack its steps"
        )
    z = _mean_per_class(network, said) if isinstance(network.readout, Direct) else said
    _require_logits(z[0], (len(y), network.classes))
    return cross_entropy(z.flatten(0, 1), y.repeat(len(z)))


def _loss_of_logits(network: Network, z: Tensor, y: Tensor) -> Tensor:
    if not isinstance(network.loss, MeanSquaredRate):
        return cross_entropy(z, y)
    loss, gain = network.loss, network.readout.gain  # pyright: ignore[reportAttributeAccessIssue]
    wanted = loss.wrong + (loss.right - loss.wrong) * one_hot(y, network.classes).to(z.dtype)
    return mse_loss(z / gain, wanted)


def _require_logits(z: object, shape: tuple[int, int]) -> None:
    if not isinstance(z, Tensor):
        raise ValueError(f"logits must give a tensor, got {type(z).__name__}")
    if tuple(z.shape) != shape:
        got = f"got {tuple(z.shape)}: say by logits= how to read them"
        raise ValueError(f"logits must have shape {shape}, {got}")
    _require_graph(z, "logits")


def _require_graph(value: Tensor, name: str) -> None:
    if value.grad_fn is None:
        raise ValueError(f"{name} must depend on the parameters, got a tensor without a gradient")
