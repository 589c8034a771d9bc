"""What a number of a neuron may be by mistake, by what it is of the right one."""

from collections import ChainMap

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.orders import layer_numbers

EULER = 0.37  # above it, 1 + ln(leak) is a leak, too
FRACTION_BITS = (8, 7, 6, 5, 4, 10, 12, 16)  # of numbers in fixed point
DECIMALS = (2, 1, 3)  # of numbers that were printed
SHIFT = "the leak rounded to 1 - 2^-n, a shift"


def leak_forms(leak: float) -> dict[str, float]:
    """Return numbers that may stand for a leak by mistake, by what they are of it."""
    # An exponential leak, exp(-dt/tau), taken for 1 - dt/tau.
    euler = float(1.0 + np.log(leak)) if leak > EULER else np.nan
    return {
        "leak^2": leak**2,
        "the square root of the leak": max(leak, 0.0) ** 0.5,
        "exp(leak - 1)": float(np.exp(leak - 1.0)),
        "sigmoid(leak)": float(1.0 / (1.0 + np.exp(-leak))),
        "1/(2 - leak)": 1.0 / (2.0 - leak),
        "1 + ln(leak)": euler,
    }


def fixed_forms(what: str, value: float) -> dict[str, float]:
    """Return a number in fixed point, or as printed, by what it is of the right one.

    A leak may be that of a shift by n bits, u - u / 2^n.
    """
    found = {}
    if what == "leak" and 0.0 < value < 1.0:
        bits = max(1, round(-float(np.log2(1.0 - value))))
        found[SHIFT] = 1.0 - 2.0**-bits
    for bits in FRACTION_BITS:
        found[f"the {what} rounded to {bits} bits of fraction"] = round(value * 2**bits) / 2**bits
    for digits in DECIMALS:
        found[f"the {what} rounded to {digits} decimals"] = round(value, digits)
    return found


def fixed_points(case: Case) -> list[dict]:
    """Return settings with leaks, or thresholds, or both, of all layers in fixed point.

    As printed with few decimals, slopes may be, too.
    """
    names: dict[str, tuple[str, ...]] = {SHIFT: ("leak",)}
    for bits in FRACTION_BITS:
        names[f"the {{}} rounded to {bits} bits of fraction"] = ("leak", "threshold")
    for digits in DECIMALS:
        names[f"the {{}} rounded to {digits} decimals"] = ("leak", "threshold", "slope")
    found: list[dict] = []
    for name, numbers in names.items():
        each = {}
        for what in (n for n in numbers if n != "leak" or len(case.x) > 1):
            rights = {(what, i): value for i, value in enumerate(layer_numbers(case)[what])}
            forms = {
                key: fixed_forms(what, v).get(name.format(what), v) for key, v in rights.items()
            }
            each[what] = {key: v for key, v in forms.items() if v != rights[key]}
        alone = [setting for setting in each.values() if setting]
        found += [*alone, *([dict(ChainMap(*alone))] if len(alone) > 1 else [])]
    return found
