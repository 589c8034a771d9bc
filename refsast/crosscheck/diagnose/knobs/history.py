"""What a spike may depend on beside its potential, by mistake: earlier spikes, and the step.

Rule 1: spikes before hold a spike back, or raise its threshold; the way back follows::

    s_t = sigma(k_t (u_t - theta_t - c a_t)) (1 - r_1 s_{t-1}) (1 - r_2 s_{t-2}) ...
    a_t = rho a_{t-1} + s_{t-1}

Rule 2: k_t and theta_t are a number of the layer times a ramp, of the step and of how many there
        are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials, mix
from refsast.crosscheck.diagnose.knobs.precision import CASTS, ROUNDINGS

ADAPTATION, ADAPTATION_LEAK = "adaptation", "adaptation leak"
# How many steps after a spike it holds others back: wholly, or by a share of the spike.
REFRACTORY = {
    "refractory factor": 1,
    "refractory for two steps": 2,
    "refractory for three steps": 3,
}
# What a number is multiplied by, of the step from 1, of how many, and of the knob's value.
RAMPS: Mapping[str, Callable[[Array, int, Array], Array]] = {
    "growing by t/T": lambda t, n, c: 1.0 + c * t / n,
    "growing by (t - 1)/T": lambda t, n, c: 1.0 + c * (t - 1.0) / n,
    "growing by (t - 1)/(T - 1)": lambda t, n, c: 1.0 + c * (t - 1.0) / max(n - 1, 1),
    "growing by t": lambda t, n, c: 1.0 + c * t,
    "growing by t - 1": lambda t, n, c: 1.0 + c * (t - 1.0),
    "growing as a power": lambda t, n, c: (1.0 + c) ** (t - 1.0),
}
RAMPED = ("slope", "firing threshold")
WINNER = "spikes of the largest potential alone"
SPARSE = "spikes below a limit are none"
GRIDS = (255, 256, 127, 128, 15, 16)
# What spikes are rounded to, the gradient passed straight through.
SPIKE_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    **{f"spikes in {name}": change for name, change in {**ROUNDINGS, **CASTS}.items()},
    **{f"spikes in steps of 1/{n}": lambda s, n=n: np.round(n * s) / n for n in GRIDS},
}
TRACE = -1  # what the trace of the step after receives, beside what is owed to steps


@dataclass(frozen=True, eq=False)
class History:
    """What the spikes of a layer depend on beside its potentials.

    Attributes
    ----------
    strength, rho : array or float
        By how much the trace of spikes raises the threshold, and how much of it is kept.
    shares : list
        By how much each earlier spike holds one back.
    ramps : list
        What slope and threshold are multiplied by at each step; None: by 1.
    """

    strength: Array | float
    rho: Array | float
    shares: list[Array | float]
    ramps: list[Array | None]

    def read_ramps(self, t: int) -> list[Array | float]:
        """What slope and threshold are multiplied by at one step, from 0."""
        return [1.0 if ramp is None else ramp[t] for ramp in self.ramps]


def read_history(dials: Dials, index: int, steps: int) -> History | None:
    """Return what the spikes of a layer depend on; None where it is its potentials alone."""
    ramps = [read_ramp(dials, what, steps) for what in RAMPED]
    own = {name for name, at in dials.turned if at == index}
    if all(ramp is None for ramp in ramps) and not own & {
        ADAPTATION, SPARSE, WINNER, *REFRACTORY, *SPIKE_ROUNDINGS
    }:  # fmt: skip
        return None
    return History(
        dials.read(ADAPTATION, index, 0.0),
        dials.read(ADAPTATION_LEAK, index, 1.0),
        refractory_shares(dials, index),
        ramps,
    )


def ramp_name(what: str, ramp: str) -> str:
    """Return the knob of a number that changes from step to step."""
    return f"{what} {ramp}"


def read_ramp(dials: Dials, what: str, steps: int) -> Array | None:
    """Return what a number is multiplied by at each step, (time, K, 1, 1); None: by 1."""
    found, t = None, np.arange(1.0, steps + 1.0).reshape(-1, 1, 1, 1)
    for name, ramp in RAMPS.items():
        if dials.turns(ramp_name(what, name), WHOLE):
            factor = ramp(t, steps, np.asarray(dials.read(ramp_name(what, name), WHOLE, 0.0)))
            found = factor if found is None else found * factor
    return found


def read_ramps(dials: Dials, steps: int) -> list[Array | float]:
    """Return what slope and threshold are multiplied by, over all steps."""
    found = [read_ramp(dials, what, steps) for what in RAMPED]
    return [1.0 if ramp is None else ramp for ramp in found]


def refractory_shares(dials: Dials, index: int) -> list[Array | float]:
    """Return by how much of each earlier spike one is held back, the last one first."""
    found: list[Array | float] = []
    for name, steps in REFRACTORY.items():
        if dials.turns(name, index):
            share = dials.read(name, index, 0.0)
            found += [0.0] * (steps - len(found))
            found = [f + share * (k < steps) for k, f in enumerate(found)]
    return found


def hold_back(shares: Sequence[Array | float], past: Sequence[Array]) -> Array | float:
    """Return what is left of a spike after earlier ones, the last one first."""
    found: Array | float = 1.0
    for share, s in zip(shares, past, strict=False):
        found = found * (1.0 - share * s)
    return found


def keep_large(dials: Dials, index: int, s: Array) -> Array | float:
    """Return one where a spike is not below the limit at which it is made none."""
    if not dials.turns(SPARSE, index):
        return 1.0
    return np.where(s >= dials.read(SPARSE, index, -np.inf), 1.0, 0.0)


def keep_winner(dials: Dials, index: int, u: Array) -> Array | float:
    """Return one for the neuron of the largest potential, where the others of a layer are silent.

    Of several as large it is the first.
    """
    if not dials.turns(WINNER, index):
        return 1.0
    first = u.argmax(axis=-1)[..., None] == np.arange(u.shape[-1])
    return 1.0 + dials.read(WINNER, index, 0.0) * (np.where(first, 1.0, 0.0) - 1.0)


def round_spikes(dials: Dials, index: int, s: Array) -> Array:
    """Return spikes as they are stored."""
    turned = [name for name in SPIKE_ROUNDINGS if dials.turns(name, index)]
    return mix(dials, index, s, {name: SPIKE_ROUNDINGS[name](s) for name in turned})


def owe_earlier(
    dials: Dials, index: int, spikes: tuple[Array, Array], t: int, ds: Array, local: Array,
    owed: Mapping[int, Array],
) -> dict[int, Array]:  # fmt: skip
    """Return what is owed to earlier spikes, by their steps, once that of step t is known.

    `spikes` are those of all steps, and what they would be if none were held back; `ds` is what the
    spike receives, `local` the part of the adjoint that comes through it.
    """
    found, (s, free) = dict(owed), spikes
    shares = refractory_shares(dials, index)
    for k, share in enumerate(shares[:t]):
        others = [0.0 if j == k else each for j, each in enumerate(shares)]
        left = hold_back(others, [s[t - 1 - j] for j in range(min(t, len(shares)))])
        found[t - 1 - k] = found.get(t - 1 - k, 0.0) - share * ds * free[t] * left
    if dials.turns(ADAPTATION, index):
        later = dials.read(ADAPTATION_LEAK, index, 1.0) * owed.get(TRACE, 0.0)
        found[TRACE] = later - dials.read(ADAPTATION, index, 0.0) * local
        found[t - 1] = found.get(t - 1, 0.0) + found[TRACE]
    return found
