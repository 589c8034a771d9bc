"""A setting in plain English, and how plain it is."""

from collections.abc import Iterable

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.forward import slope_of


def symbols(case: Case, layer: int) -> dict[str, float]:
    """Return the names of the numbers of a case that a wrong number may be."""
    steps, batch = case.x.shape[:2]
    found = {"the number of steps": steps, "1/steps": 1 / steps, "the batch": batch,
             "1/batch": 1 / batch, "the number of classes": case.network.classes,
             "1/classes": 1 / case.network.classes,
             "pi": np.pi, "1/pi": 1 / np.pi, "pi/2": np.pi / 2, "2/pi": 2 / np.pi,
             "ln 2": np.log(2), "1/ln 2": 1 / np.log(2)}  # fmt: skip
    if 0 <= layer < len(case.network.neurons):
        neuron = case.network.neurons[layer]
        k = slope_of(neuron)
        found |= {"the leak": neuron.leak, "1 - leak": 1 - neuron.leak, "the threshold": neuron.threshold,
                  "k": k, "1/k": 1 / k, "2/k": 2 / k, "4/k": 4 / k, "k/2": k / 2, "k/4": k / 4,
                  "2 k": 2 * k, "1/(2 k)": 0.5 / k, "k^2": k * k, "1/k^2": 1 / k**2,
                  "pi k/2": np.pi * k / 2, "2/(pi k)": 2 / (np.pi * k)}  # fmt: skip
        if neuron.leak:
            found["1/leak"] = 1 / neuron.leak
        if neuron.leak < 1.0:
            found["1/(1 - leak)"] = 1 / (1 - neuron.leak)
    if case.synapse is not None:
        found |= {"the synapse's scale": case.synapse.scale, "1/scale": 1 / case.synapse.scale}
    return found


def is_round(value: float, digits: int = 3) -> bool:
    """Whether a number has few digits."""
    return value == 0.0 or abs(float(f"{value:.{digits}g}") / value - 1.0) < 1e-9


def symbol_of(case: Case, layer: int, value: float, limit: float = 1e-7) -> str | None:
    """Return what a number is called; None where it has no name and is not round."""
    if not np.isfinite(value) or is_round(value):
        return f"{value:g}"
    for name, number in symbols(case, layer).items():
        if abs(value - number) <= limit * abs(number):
            return name
    return None


def cost_of(case: Case, setting: Setting) -> float:
    """Return how many things are wrong; a number that is not plain counts for more."""
    seen: set = set()
    cost = 0.0
    for (name, layer), value in setting.items():
        symbol = symbol_of(case, layer, value)
        mark = (name, symbol if symbol is not None else round(value, 6))
        if mark not in seen:
            seen.add(mark)
            cost += 1.0 if symbol is not None else 1.4
    return cost


def names_of(setting: Setting) -> Iterable[str]:
    """Yield the names of what is turned, each once."""
    yield from dict.fromkeys(name for name, _ in setting)
