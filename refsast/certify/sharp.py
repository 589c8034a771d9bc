"""The certificate by boxes: no class changes by the swap, for all steeper spikes at once.

It takes the boxes of `boxes`, and each lead in its own direction. With mid and rad the centre and
radius of the boxes of the last layer's spikes, class y leads c by at least ::

    sum_t alpha_t (D mid_t - abs(D) rad_t) + const,    D = W_o[y] - W_o[c]

Rounding. A bound on a lead is raised by ``4 (n_in + n_out + T + 8) 2^-53`` (of the readout) of the
largest magnitudes of both logits: about twice what their sums of so many terms can be off, in the
runs and in the bound together. What is certified holds for the run in double precision and for
exact arithmetic alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array
from refsast.certify.boxes import Box, enclose_states, validate_smooth
from refsast.certify.libm import UNIT_ROUNDOFF
from refsast.model.network import Network
from refsast.model.params import Params
from refsast.model.readout import pool
from refsast.model.spike import heaviside
from refsast.model.unroll import run
from refsast.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is known of the smooth network's class, per recording of a batch.

    Attributes
    ----------
    lead : (batch, classes) array
        Hard logit of the hard class, less that of each class; 0 at the hard class itself.
    bound : (batch, classes) array
        By how much that lead can at most be smaller with smooth spikes; 0 at the hard class, and
        infinite elsewhere where `applies` is False.
    applies : (batch,) array of bool
        Whether the hypotheses of the bound hold.
    """

    lead: Array
    bound: Array
    applies: NDArray[np.bool_]

    @property
    def certified(self) -> NDArray[np.bool_]:
        """Whether smooth and hard spikes provably give the same class, shape (batch,)."""
        # Against itself the hard class has lead 0 and bound 0; every other must be led clearly.
        only_itself = np.sum(~(self.lead > self.bound), axis=1) == 1
        return self.applies & only_itself


def sharp_certificate(network: Network, params: Params, x: ArrayLike | Spikes) -> Certificate:
    """Return the certificate by boxes: its own bounds for each neuron, step and pair of classes.

    It always applies: nothing is asked of the network but smooth spikes.

    Parameters
    ----------
    network : Network
        With smooth spikes.
    params : tuple of Layer
        Its parameters.
    x : (time, batch, n_0) array, or Spikes
        Recordings.

    Raises
    ------
    ValueError
        If anything is not as `boxes.validate_smooth` asks.
    """
    network, params, x = validate_smooth(network, params, x)
    hard = hard_leads(network, params, x)
    return compare_boxes(network, params, hard, enclose_states(network, params, x).s[-1])


@dataclass(frozen=True, eq=False)
class HardLeads:
    """What the hard network says.

    Attributes
    ----------
    lead : (batch, classes) array
        Logit of its class, less that of each class.
    pooled : (batch, n) array
        What the readout reads.
    classes : (batch,) array of int
        The class, the first where several lead.
    """

    lead: Array
    pooled: Array
    classes: NDArray[np.intp]

    def __getitem__(self, rows: NDArray[np.intp]) -> "HardLeads":
        return HardLeads(self.lead[rows], self.pooled[rows], self.classes[rows])


def hard_leads(network: Network, params: Params, x: Array) -> HardLeads:
    """Run the network with hard spikes."""
    trace = run(network, params, x, spike=heaviside)
    hard = trace.logits.argmax(axis=1)
    first = np.take_along_axis(trace.logits, hard[:, None], axis=1)
    return HardLeads(first - trace.logits, pool(network.readout, trace.s[-1]), hard)


def compare_boxes(network: Network, params: Params, hard: HardLeads, spikes: Box) -> Certificate:
    """Return the certificate from boxes of the last layer's spikes, (time, batch, n)."""
    box = Box(pool(network.readout, spikes.lo), pool(network.readout, spikes.hi))
    difference = lead_weights(network, params, hard.classes)
    fall = np.einsum("bcn,bn->bc", difference, hard.pooled - box.centre)
    fall += np.einsum("bcn,bn->bc", np.abs(difference), box.radius)
    bound = fall + readout_rounding(network, params, len(spikes.lo), hard.classes)
    bound = zero_own_class(bound, hard.classes)
    return Certificate(hard.lead, bound, np.ones(len(bound), bool))


def readout_matrix(network: Network, params: Params) -> Array:
    """Return W_o, shape (classes, n)."""
    return np.eye(network.classes) if network.readout.n_out is None else params[-1].w


def lead_weights(network: Network, params: Params, classes: NDArray[np.intp]) -> Array:
    """Return ``W_o[y] - W_o[c]`` of the class y of each recording, (batch, classes, n)."""
    w = readout_matrix(network, params)
    return w[classes][:, None, :] - w


def readout_rounding(
    network: Network, params: Params, time: int, classes: NDArray[np.intp]
) -> Array:
    """Return what rounding can do to a lead, shape (batch, classes)."""
    each = logit_rounding(network, params, time)
    return each[classes][:, None] + each


def logit_rounding(network: Network, params: Params, time: int) -> Array:
    """Return what rounding can do to each logit, shape (classes,)."""
    w = readout_matrix(network, params)
    largest = np.abs(w).sum(axis=1)
    if network.readout.n_out is not None and params[-1].b is not None:
        largest = largest + np.abs(params[-1].b)
    share = 4.0 * (sum(w.shape) + time + 8) * UNIT_ROUNDOFF
    return share * network.readout.time_weights(time).sum() * largest


def zero_own_class(bound: Array, classes: NDArray[np.intp]) -> Array:
    """Return the bound, with 0 for the hard class against itself."""
    return np.where(np.arange(bound.shape[1]) == classes[:, None], 0.0, bound)
