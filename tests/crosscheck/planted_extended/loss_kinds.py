"""Faults of readout and loss in PyTorch."""

from collections.abc import Callable, Iterator

import torch

from tests.crosscheck.planted_extended.kind import Kind
from tests.gradient.torch_extended import Objective

functional = torch.nn.functional


def objective_with(**methods: Callable) -> type[Objective]:
    """Return a way to the loss with other methods."""
    return type("WrongObjective", (Objective,), methods)


def multiplied(factor: Callable) -> type[Objective]:
    """Return a loss times ``factor(steps, y)``."""
    return objective_with(
        score=lambda self, steps, y: factor(steps, y) * Objective.score(self, steps, y)
    )


def read_potential(self, last, u):
    """Potentials read in place of spikes."""
    return Objective.read(self, u, u)


def sum_pool(self, last, k):
    """The sum of each class's neurons."""
    return k * Objective.pool(self, last, k)


def interleave(self, last, k):
    """A class's neurons lie at a distance."""
    return last.reshape(len(last), k, -1).mean(dim=1)


def largest_at_last(self, steps):
    """The gradient of the largest at the last step."""
    return Objective.largest(self, steps).detach() + steps[-1] - steps[-1].detach()


def swap_wanted(self, z, y):
    """The wanted rates of right and wrong classes exchanged."""
    loss = self.network.loss
    return loss.right + loss.wrong - Objective.wanted(self, z, y)


def usual_wanted(self, z, y):
    """Wanted rates of one and zero."""
    return functional.one_hot(y, z.shape[1]).to(z.dtype)


def count_squares(self, steps, y):
    """Spike counts in place of rates."""
    z = sum(steps)
    return functional.mse_loss(z, len(steps) * self.wanted(z, y))


def loss_kinds() -> Iterator[Kind]:
    """Yield the kinds of this file."""
    squares = {"readout": ("rate", "population"), "loss": ("squares",)}
    at_steps = {"readout": ("rate", "linear", "leaky"), "loss": ("steps",)}
    of_mean = {"readout": ("rate", "leaky"), "loss": ("entropy",)}
    yield Kind("summed over steps", "the loss is summed over steps, not averaged",
               [("loss", "summed over steps")], at_steps,
               objective=multiplied(lambda steps, y: len(steps)))  # fmt: skip
    yield Kind("summed over recordings", "the loss is summed over recordings, not averaged",
               [("summed over recordings",), ("loss multiplied by the number of recordings",)],
               objective=multiplied(lambda steps, y: len(y)))  # fmt: skip
    yield Kind("loss on potentials", "the loss is of potentials, not of spikes",
               [("potentials of the last layer in place of its spikes",)],
               {"readout": ("rate", "population", "linear")},
               objective=objective_with(read=read_potential))  # fmt: skip
    yield Kind("population summed", "the sum, not the mean, of each class's neurons",
               [("sum of each class's neurons",), ("gain 10 ",)], {"readout": ("population",)},
               objective=objective_with(pool=sum_pool))  # fmt: skip
    yield Kind("population interleaved", "a class's neurons at a distance, not side by side",
               [("class's neurons taken at a distance",)], {"readout": ("population",)},
               objective=objective_with(pool=interleave))  # fmt: skip
    yield Kind("last in place of mean", "the last step read, not the mean of all",
               [("last step alone",), ("the last potential as logits",)], of_mean,
               objective=objective_with(summarise=lambda self, steps: steps[-1]))  # fmt: skip
    yield Kind("maximum's gradient at the last step",
               "the gradient of the largest at the last step",
               [("gradient of the largest potential at the last step",)], {"readout": ("max",)},
               objective=objective_with(largest=largest_at_last))  # fmt: skip
    yield Kind("wanted rates exchanged", "the wanted rates of right and wrong classes exchanged",
               [("wanted rates of right and wrong classes exchanged",)], squares,
               objective=objective_with(wanted=swap_wanted))  # fmt: skip
    yield Kind("wanted rates 1 and 0", "wanted rates of 1 and 0, not those that are asked for",
               [("wanted rates of 1 for the right class, 0",)], squares,
               objective=objective_with(wanted=usual_wanted))  # fmt: skip
    yield Kind("squared counts", "spike counts in place of rates in a squared distance",
               [("spike counts in place of rates",)], squares,
               objective=objective_with(score=count_squares))  # fmt: skip
