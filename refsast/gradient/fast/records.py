"""What passes through a gradient: the problem, its forward pass, and its backward pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array, Integers
from refsast.gradient.fast.inputs import (
    Inputs,
    break_even_density,
    make_inputs,
)
from refsast.gradient.fast.layer import (
    LayerState,
    Saved,
)
from refsast.model.connections.chain import ChainGrads
from refsast.model.glif_step import State
from refsast.model.network import Network
from refsast.model.params import Params
from refsast.model.readout import pooled_logits
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be differentiated, validated.

    Attributes
    ----------
    network : Network
        What is run.
    surrogate : Network
        Its spikes give the derivatives; another network only for the straight-through estimate.
    x : (time, batch, n_0) array, or Spikes
        Input.
    y : (batch,) array of int
        Labels.
    chunk_steps : int
        Steps of a chunk.
    dense_above : float, optional
        Share of ones above which spikes are multiplied as an array.
    """

    network: Network
    surrogate: Network
    x: NDArray[np.generic] | Spikes
    y: Integers
    chunk_steps: int
    dense_above: float | None

    @property
    def chunks(self) -> list[slice]:
        """The steps of each chunk."""
        time, n = self.x.shape[0], self.chunk_steps
        return [slice(t, min(t + n, time)) for t in range(0, time, n)]

    def inputs(self, steps: slice, dtype: np.dtype) -> Inputs:
        """The input of a chunk, ready for products."""
        x = self.x.during(steps) if isinstance(self.x, Spikes) else self.x[steps]
        above = self.dense_above
        if self.network.connections is not None:
            above = 0.0  # windows are cut out of an array
        if above is None:
            above = break_even_density(x.shape[0] * x.shape[1])
        return make_inputs(x, dtype, above)

    def alpha(self, dtype: np.dtype) -> Array:
        """The readout's weight of each step, shape (time,)."""
        return self.network.readout.time_weights(self.x.shape[0]).astype(dtype)


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """A run, as far as the backward pass needs it.

    Attributes
    ----------
    problem, params : Problem, tuple of Layer
        What was run.
    checkpoints : list of list of LayerState
        The states before each chunk, layer by layer.
    saved : tuple of SavedActivations
        Those of the last chunk, layer by layer.
    inputs : DenseInputs or SparseInputs
        The input of the last chunk.
    pooled : (batch, n) array
        ``sum_t alpha_t s_t`` of the last layer, where the loss needs no more of it.
    read : (time, batch, n) array, or None
        All that is read of the last layer, its spikes or potentials, for other losses.
    """

    problem: Problem
    params: Params
    checkpoints: list[list[LayerState | State]]
    saved: tuple[Saved, ...]
    inputs: Inputs
    pooled: Array
    read: Array | None = None

    @property
    def logits(self) -> Array:
        """The readout, shape (batch, classes)."""
        time, readout = self.problem.x.shape[0], self.problem.network.readout
        return pooled_logits(readout, self.params, self.pooled, time)


@dataclass(frozen=True, eq=False)
class LossGrad:
    """What the loss hands down: the gradient of the readout's parameters, and one cotangent.

    That of `pooled`, (batch, n), or, for losses that need more than that, of all that is read of
    the last layer, (time, batch, n).
    """

    readout: Params
    pooled: Array | None = None
    read: Array | None = None


@dataclass(frozen=True, eq=False)
class BackwardChunk:
    """The backward pass through one chunk: its steps and input; layer by layer, saved and delta.

    `before` is what the states before the chunk receive, `learned` the gradients of what neurons
    learn. Of a network with connections, `connected` has their gradients, which come with delta,
    and `in_x` that of the input, where it was asked for.
    """

    steps: slice
    inputs: Inputs
    saved: tuple[Saved, ...]
    deltas: tuple[Array, ...]
    before: tuple[Array | State, ...] = ()
    learned: tuple[dict[str, Array], ...] = ()
    connected: tuple[ChainGrads, ...] | None = None
    in_x: Array | None = None
