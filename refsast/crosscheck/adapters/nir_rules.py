"""Time constants from leaks and back; metadata keep the digits that this loses.

Nothing here imports NIR.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.model import reset as model_reset
from refsast.model.reset import Reset

# As metadata spell them: "subtract, leaked".
RESETS: Mapping[str, Reset] = {k.replace("-", ", "): v for k, v in model_reset.RESETS.items()}
ROUNDING = 8.0 * np.finfo(np.float64).eps  # of a leak through a time constant and back


@dataclass(frozen=True)
class Rule:
    """How a time constant becomes a leak.

    Attributes
    ----------
    leak : callable
        ``leak(tau, dt)``, of positive numbers.
    tau : callable
        ``tau(leak, dt)``, its inverse, for leaks below 1.
    """

    leak: Callable[[float, float], float]
    tau: Callable[[float, float], float]


EULER = Rule(lambda tau, dt: 1.0 - dt / tau, lambda leak, dt: dt / (1.0 - leak))
EXPONENTIAL = Rule(lambda tau, dt: math.exp(-dt / tau), lambda leak, dt: -dt / math.log(leak))


def time_constant(leak: float, name: str, dt: float, rule: Rule) -> float:
    """Return the time constant of a leak; a leak that has none is refused."""
    try:
        tau = rule.tau(leak, dt)
    except (ValueError, ZeroDivisionError):
        tau = np.nan
    if not 0.0 < tau < np.inf:
        raise NoExactConversion(
            f"{name} must have a time constant by the rule given, got {leak}; lost: the leak"
        )
    return tau


def leak_from_tau(tau: float, name: str, dt: float, rule: Rule) -> float:
    """Return the leak of a time constant; one that has none is refused."""
    leak = rule.leak(tau, dt) if tau > 0.0 else np.nan
    if not -ROUNDING <= leak <= 1.0:
        raise ValueError(f"{name} must have a leak in [0, 1] by the rule given, got tau {tau}")
    return max(leak, 0.0)


def prefer_metadata(kept: Mapping[str, object], name: str, computed: Array) -> Array:
    """Return the numbers of the metadata that equal those `computed` from fields up to rounding.

    Where they do not, another program has changed the fields, and those hold.
    """
    stored = kept.get(name)
    if not isinstance(stored, float | np.floating | np.ndarray):
        return computed
    stored = np.asarray(stored, np.float64).ravel()
    if stored.size not in (1, computed.size):
        return computed
    near = abs(stored - computed) <= ROUNDING * np.maximum(1.0, abs(computed))
    return np.where(near, stored, computed)
