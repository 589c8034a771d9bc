"""How plain a setting is: by the numbers in it that have a name, and how many things it says."""

from functools import lru_cache

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.backward import BEFORE_LIMIT
from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
from refsast.crosscheck.diagnose.knobs.dials import AS_RIGHT, WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.finish_whole import STORED
from refsast.crosscheck.diagnose.knobs.forward import RESIDUAL, slope_of
from refsast.crosscheck.diagnose.knobs.history_inventory import (
    adaptation_leak,
    history_forward,
    window_knobs,
)
from refsast.crosscheck.diagnose.knobs.inventory import (
    Knob,
    forward_knobs,
    switch_knob,
)
from refsast.crosscheck.diagnose.knobs.number_forms import fixed_forms, leak_forms
from refsast.crosscheck.diagnose.knobs.orders import find_orders
from refsast.crosscheck.diagnose.knobs.questions import QUESTIONS
from refsast.crosscheck.diagnose.knobs.rare_inventory import rare_backward, rare_forward
from refsast.crosscheck.diagnose.knobs.samples import Samples
from refsast.crosscheck.diagnose.knobs.sums import SUM
from refsast.crosscheck.diagnose.knobs.weights import BACKWARD_ENTRY
from refsast.model.params import param_arrays
from refsast.model.readout import LeakyReadout, SpikeRate

BEAM, SLACK = 8, 1.0  # settings kept from level to level, and by how much they may be less plain
MOST_FITTED = 2  # knobs of any value
MAX_LIMIT = 1e-7  # relative: how near a fitted number is to one that has a name
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
# Settings that say less plainly what another one says, and how much they count for more.
SYNONYM, RESTRICTED = 0.1, 0.1
SYNONYMS = {("drive path", None), (BEFORE_LIMIT, None), ("firing threshold", None),
            ("leak backward", "0"), ("readout leak backward", "0"), ("no reset backward", "1"),
            ("reset share", "0"), ("subtracts", "0"), ("readout leak", "0"),
            ("weight gain", "0")}  # fmt: skip


@lru_cache(maxsize=16)
def known_knobs(case: Case) -> dict[tuple[str, int], Knob]:
    """Return all knobs of a case by their keys."""
    found = {knob.key: knob for knob in forward_knobs(case)}
    found |= {knob.key: knob for knob in rare_forward(case)}
    found |= {
        (name, WHOLE): switch_knob(name, WHOLE)
        for name in (*QUESTIONS, *STORED, BEFORE_LIMIT, AS_RIGHT)
    }
    found |= {knob.key: knob for knob in history_forward(case)}
    leaks = (adaptation_leak(case, layer) for layer in range(len(case.network.neurons)))
    found |= {knob.key: knob for knob in leaks}
    for level in range(len(case.params)):
        for knobs in (
            window_knobs(case, level), rare_backward(case, level), backward_knobs(case, level)
        ):  # fmt: skip
            found |= {knob.key: knob for knob in knobs}
    return found


def symbols(case: Case, layer: int) -> dict[str, float]:
    """Return the names of the numbers of a case that a wrong number may be."""
    found = {"pi": np.pi, "1/pi": 1 / np.pi, "pi/2": np.pi / 2, "2/pi": 2 / np.pi,
             "ln 2": np.log(2), "1/ln 2": 1 / np.log(2), "1/3": 1 / 3, "2/3": 2 / 3}  # fmt: skip
    if 0 <= layer < len(case.network.neurons):
        neuron = case.network.neurons[layer]
        k, theta = slope_of(neuron), neuron.threshold
        found = {"the leak": neuron.leak, "1 - leak": 1 - neuron.leak, "the threshold": theta,
                 "1/threshold": 1 / theta, "k, its slope": k, "1/k, k its slope": 1 / k,
                 "2/k, k its slope": 2 / k, "4/k, k its slope": 4 / k, "k/2, k its slope": k / 2,
                 "k/4, k its slope": k / 4, "2 k, k its slope": 2 * k,
                 "1/(2 k), k its slope": 0.5 / k, "k^2, k its slope": k * k,
                 "1/k^2, k its slope": 1 / k**2, "pi k/2, k its slope": np.pi * k / 2,
                 "2/(pi k), k its slope": 2 / (np.pi * k)} | found  # fmt: skip
        if theta:
            found["k/threshold, k its slope"] = k / theta
            found["threshold/k, k its slope"] = theta / k
        if neuron.leak:
            found["1/leak"] = 1 / neuron.leak
        if neuron.leak < 1.0:
            found["1/(1 - leak)"] = 1 / (1 - neuron.leak)
        found |= leak_forms(neuron.leak)
        found |= fixed_forms("leak", neuron.leak) | fixed_forms("threshold", theta)
        found |= fixed_forms("slope", k)
    others = list(enumerate(case.network.neurons[: len(ORDINALS)])) if layer >= 0 else []
    # The readout has the number of the layer below it, if several layers have the same.
    for other, neuron in others if layer < len(case.network.neurons) else others[::-1]:
        numbers = {"leak": neuron.leak, "threshold": neuron.threshold, "slope": slope_of(neuron)}
        of = f"of the {ORDINALS[other]} layer"
        known = set(found.values())
        if other != layer:
            found |= {f"the {n} {of}": v for n, v in numbers.items() if v not in known}
    known = set(found.values())
    found |= {name: v for name, v in _readout_symbols(case).items() if v not in known}
    if case.synapse is not None:
        found |= {"the synapse's scale": case.synapse.scale, "1/scale": 1 / case.synapse.scale,
                  "the synapse's leak": case.synapse.leak,
                  "1 - the synapse's leak": 1 - case.synapse.leak,
                  "(1 - the synapse's leak) scale":
                      (1 - case.synapse.leak) * case.synapse.scale}  # fmt: skip
    return found


def _readout_symbols(case: Case) -> dict[str, float]:
    """The names of the numbers of a readout."""
    readout = case.network.readout
    if isinstance(readout, LeakyReadout):
        leak = readout.leak
        found = {"the readout's leak": leak, "1 - the readout's leak": 1.0 - leak}
        return found | ({"1/(1 - the readout's leak)": 1.0 / (1.0 - leak)} if leak < 1.0 else {})
    gain = readout.gain if isinstance(readout, SpikeRate) else 1.0
    found = {"the readout's gain": gain, "1/gain, the readout's": 1.0 / gain if gain else 1.0}
    return {} if gain == 1.0 else found


def is_round(value: float, digits: int = 3) -> bool:
    """Whether a number has few digits."""
    return value == 0.0 or abs(float(f"{value:.{digits}g}") / value - 1.0) < 1e-9


def symbol_of(case: Case, layer: int, value: float, limit: float = MAX_LIMIT) -> str | None:
    """Return what a number is called; None where it has no name and is not round."""
    if not np.isfinite(value) or value in (0.0, 1.0, -1.0):
        return f"{value:g}"
    for name, number in symbols(case, layer).items():
        if number not in (0.0, 1.0) and abs(value - number) <= limit * abs(number):
            return name
    return f"{value:g}" if is_round(value) else None


def cost_of(case: Case, setting: Setting) -> float:
    """Return how many things are wrong; a number that is not plain counts for more."""
    seen: set = set()
    orders = find_orders(case, setting)
    cost = float(len(orders))
    ordered = {key for moved in orders.values() for key in moved}
    for (name, layer), value in setting.items():
        if (name, layer) in ordered:
            continue
        symbol = symbol_of(case, layer, value)
        kind = SUM.sub(r"\2", name)  # of several arrays it is one thing
        mark = (kind, symbol if symbol is not None else round(value, 6))
        if mark not in seen:
            seen.add(mark)
            cost += 1.0 if symbol is not None else 1.4
            cost += SYNONYM if {(name, symbol), (name, None)} & SYNONYMS else 0.0
    rest = {key: value for key, value in setting.items() if key not in ordered}
    return cost + RESTRICTED * _count_restricted(case, rest)


def _count_restricted(case: Case, setting: Setting) -> int:
    """How many names are turned in some spiking layers only."""
    knobs, spiking = known_knobs(case), len(case.network.neurons)
    count = 0
    for name in {name for name, _ in setting}:
        inside = {at for n, at in setting if n == name and 0 <= at < spiking}
        possible = {at for n, at in knobs if n == name and lowest_layer(name) <= at < spiking}
        count += bool(inside) and inside < possible
    return count


def lowest_layer(name: str) -> int:
    """The lowest layer in which a knob shows: the input of the first has no gradient to lose."""
    return 1 if name.startswith(("layer path", "transposed weight backward", RESIDUAL)) else 0


def is_factor_of_all(case: Case, setting: Setting) -> bool:
    """Whether a setting multiplies the gradients of every layer, which `WHOLE` says better."""
    names = {name for name, _ in setting}
    layers = {at for _, at in setting}
    whole = set(range(len(case.params)))
    return len(names) == 1 and names.pop().startswith("layer ") and layers == whole


def count_digits(setting: Setting) -> int:
    """Return how many digits the values of a setting have."""
    return sum(len(f"{value:.12g}") for value in set(setting.values()))


def free_values(case: Case, setting: Setting) -> int:
    """Return how many different numbers of a setting are not plain."""
    ordered = {key for moved in find_orders(case, setting).values() for key in moved}
    rest = {key: v for key, v in setting.items() if key not in ordered}
    return len({round(v, 6) for (_, at), v in rest.items() if symbol_of(case, at, v) is None})


def has_few_fits(case: Case, setting: Setting) -> bool:
    """Whether numbers of any value are of two knobs at most: three fit nearly anything.

    Where two have more numbers than one each, one has to have the layers of the other: else every
    layer is fitted as it happens to be fitted. A matrix on the way back is left aside.
    """
    fitted: dict[str, set[int]] = {}
    for (name, at), value in setting.items():
        if not BACKWARD_ENTRY.fullmatch(name) and symbol_of(case, at, value) is None:
            fitted.setdefault(name, set()).add(at)
    if len(fitted) != MOST_FITTED or free_values(case, setting) <= MOST_FITTED:
        return len(fitted) <= MOST_FITTED
    one, other = fitted.values()
    return one <= other or other <= one


def count_numbers(samples: Samples) -> int:
    """Return how many numbers were answered that are not zero."""
    arrays = [a for sample in samples.all for a in param_arrays(sample.got.grads)]
    return sum(int(np.count_nonzero(a)) for a in arrays) + sum(len(a) for a in samples.losses)


def keep_plainest(case: Case, settings: list[dict]) -> list[dict]:
    """Return the plainest of several settings, each once."""
    unique: dict = {}
    knobs = known_knobs(case)
    for whole in settings:
        # A knob that came out at its right value is not turned.
        setting = {k: v for k, v in whole.items() if k not in knobs or v != knobs[k].right}
        # Of windows between the same two distances, the one of fewest digits, beside one at a
        # threshold, which may be that of other layers, too.
        rounded = {
            (n, at): float(v == _threshold(case, at)) if n == "window" else float(f"{v:.6g}")
            for (n, at), v in setting.items()
        }
        mark = tuple(sorted(rounded.items()))
        if mark not in unique or count_digits(setting) < count_digits(unique[mark]):
            unique[mark] = setting
    ranked = sorted(unique.values(), key=lambda setting: rank_setting(case, setting))
    if not ranked:
        return []
    least = cost_of(case, ranked[0])
    return [s for s in ranked if cost_of(case, s) <= least + SLACK][:BEAM]


def _threshold(case: Case, layer: int) -> float:
    return case.network.neurons[layer].threshold


def rank_setting(case: Case, setting: dict) -> tuple[float, int, bool, int]:
    """Return how plain a setting is; a factor is plainer than another function."""
    shape = any(name.removeprefix("derivative ") in SHAPES for name, _ in setting)
    return round(cost_of(case, setting), 6), len(setting), shape, count_digits(setting)
