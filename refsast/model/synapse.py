"""The synapse of a current-based neuron: what a layer's input goes through before it is added.

The record stands beside a `Network`, not in it: no gradient in `refsast.gradient` knows it, and no
theorem does. `crosscheck` runs it.
"""

from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array, require_number


@dataclass(frozen=True)
class Synapse:
    """An exponential current, in place of an input that lasts one step::

        i_t = leak i_{t-1} + W a_t + V s_{t-1} + b,        i_0 = 0
        u_t = r(u_{t-1}, s_{t-1}) + scale i_t              (delayed: scale i_{t-1})

    ``Synapse(0.0, scale)`` is an input multiplied by a number, as in libraries that scale it by
    one minus the leak.

    Attributes
    ----------
    leak : float
        Fraction of the current kept per step, in [0, 1].
    scale : float
        Potential per current. Positive and finite.
    delayed : bool
        Whether a step's potential is driven by the current of the step before.

    References
    ----------
    DESIGN 1; Norse 1.1.0: ``leak = 1 - dt tau_syn_inv``, ``scale = dt tau_mem_inv``, not delayed in
    `LIFCell`, delayed in its `lsnn` cells.
    """

    leak: float
    scale: float = 1.0
    delayed: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= require_number(self.leak, "leak") <= 1.0:
            raise ValueError(f"leak must lie in [0, 1], got {self.leak}")
        if not 0.0 < require_number(self.scale, "scale") < np.inf:
            raise ValueError(f"scale must be positive and finite, got {self.scale}")


def synapse_step(synapse: Synapse | None, i: Array, current: Array) -> tuple[Array, Array]:
    """Return the new current and what it adds to the potential, each of the shape of `current`.

    Parameters
    ----------
    synapse : Synapse or None
        None for an input that lasts one step.
    i : (batch, n) array
        The current of the previous step.
    current : (batch, n) array
        What arrives in this step.
    """
    if synapse is None:
        return current, current
    now = synapse.leak * i + current
    return now, synapse.scale * (i if synapse.delayed else now)
