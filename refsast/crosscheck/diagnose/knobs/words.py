"""A setting in plain English, and how plain it is."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.backward_inventory import backward_knobs
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.finish import CELL
from refsast.crosscheck.diagnose.knobs.forward import slope_of
from refsast.crosscheck.diagnose.knobs.inventory import Knob, forward_knobs, switch_knob
from refsast.crosscheck.diagnose.knobs.losses import loss_sizes
from refsast.crosscheck.diagnose.knobs.phrases import (
    ALIASES,
    BEND_WORDS,
    GAIN_WORDS,
    NUMBER_WORDS,
    POWER_WORDS,
    SIZE_WORDS,
    SWITCH_WORDS,
)
from refsast.crosscheck.diagnose.knobs.questions import QUESTIONS
from refsast.crosscheck.diagnose.knobs.samples import Samples
from refsast.model.params import param_arrays
from refsast.model.surrogate import FastSigmoid

PART_WORDS = {"w": "W", "b": "the biases", "v": "V"}
MAX_LIMIT = 1e-7  # relative: how near a fitted number is to one that has a name
# Settings that say less plainly what another one says, and how much they count for more.
SYNONYM, RESTRICTED = 0.1, 0.1
SYNONYMS = {("drive path", None),
            ("leak backward", "0"), ("readout leak backward", "0"), ("no reset backward", "1"),
            ("reset share", "0"), ("subtracts", "0"), ("readout leak", "0"),
            ("weight gain", "0")}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One thing that is wrong."""

    name: str  # in a few words, as the table of faults has it
    says: str  # what completes "the reference ..."


def symbols(case: Case, layer: int) -> dict[str, float]:
    """Return the names of the numbers of a case that a wrong number may be."""
    found = {"pi": np.pi, "1/pi": 1 / np.pi, "pi/2": np.pi / 2, "2/pi": 2 / np.pi,
             "ln 2": np.log(2), "1/ln 2": 1 / np.log(2), "1/3": 1 / 3, "2/3": 2 / 3}  # fmt: skip
    if 0 <= layer < len(case.network.neurons):
        neuron = case.network.neurons[layer]
        k, theta = slope_of(neuron), neuron.threshold
        found = {"minus the threshold": -theta,
                 "the leak": neuron.leak, "1 - leak": 1 - neuron.leak, "the threshold": theta,
                 "1/threshold": 1 / theta, "k, its slope": k, "1/k, k its slope": 1 / k,
                 "2/k, k its slope": 2 / k, "4/k, k its slope": 4 / k, "k/2, k its slope": k / 2,
                 "k/4, k its slope": k / 4, "2 k, k its slope": 2 * k,
                 "1/(2 k), k its slope": 0.5 / k, "k^2, k its slope": k * k,
                 "1/k^2, k its slope": 1 / k**2, "pi k/2, k its slope": np.pi * k / 2,
                 "2/(pi k), k its slope": 2 / (np.pi * k)} | found  # fmt: skip
        if neuron.leak:
            found["1/leak"] = 1 / neuron.leak
        if neuron.leak < 1.0:
            found["1/(1 - leak)"] = 1 / (1 - neuron.leak)
    if case.synapse is not None:
        found |= {"the synapse's scale": case.synapse.scale, "1/scale": 1 / case.synapse.scale,
                  "the synapse's leak": case.synapse.leak}  # fmt: skip
    return found


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
    cost = 0.0
    for (name, layer), value in setting.items():
        symbol = symbol_of(case, layer, value)
        mark = (name, symbol if symbol is not None else round(value, 6))
        if mark not in seen:
            seen.add(mark)
            cost += 1.0 if symbol is not None else 1.4
            cost += SYNONYM if {(name, symbol), (name, None)} & SYNONYMS else 0.0
    return cost + RESTRICTED * _count_restricted(case, setting)


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
    return 1 if name.startswith(("layer path", "transposed weight backward")) else 0


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
    return len({round(v, 6) for (_, at), v in setting.items() if symbol_of(case, at, v) is None})


def count_numbers(samples: Samples) -> int:
    """Return how many numbers were answered that are not zero."""
    arrays = [a for sample in samples.all for a in param_arrays(sample.got.grads)]
    return sum(int(np.count_nonzero(a)) for a in arrays) + sum(len(a) for a in samples.losses)


def parts_of(case: Case, setting: Setting) -> list[Part]:
    """Return what is wrong in a setting, one part for each thing, layers that are alike at once."""
    knobs = known_knobs(case)
    groups: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for (name, layer), value in setting.items():
        symbol = symbol_of(case, layer, value)
        if name == "threshold shift" and value == -case.network.neurons[layer].threshold:
            symbol = "minus the threshold"
        groups.setdefault((name, symbol or f"{value:.6g}"), []).append((layer, value))
    return [
        *_boxes(case, knobs, groups),
        *_scaled_shapes(case, knobs, groups),
        *(_describe(case, knobs, *mark, found) for mark, found in groups.items()),
    ]


def _scaled_shapes(case: Case, knobs: dict, groups: dict) -> list[Part]:
    """Functions in place of the derivative with a factor: two knobs, which are taken out."""
    found = []
    shapes = [m for m in groups if m[0].removeprefix("derivative ") in SHAPES and m[1] == "1"]
    factors = [mark for mark in groups if mark[0] == "derivative factor"]
    for shape, factor in product(shapes, factors):
        layers = sorted(layer for layer, _ in groups[shape])
        if layers == sorted(layer for layer, _ in groups[factor]):
            value = f"{groups[factor][0][1]:.6g}"
            number = value if factor[1] == value else f"{value} = {factor[1]}"
            where, name = where_words(case, knobs, shape[0], layers), shape[0][len("derivative ") :]
            own = slope_words(case, layers[0], name)
            says = f"with the spike's derivative replaced by {name}{own} times {number}{where}"
            found.append(Part(f"another surrogate backwards: {name}{where}", says))
            del groups[shape], groups[factor]
            break
    return found


def slope_words(case: Case, layer: int, shape: str) -> str:
    """What a function is of a layer's own derivative, where that is a common mistake."""
    own = isinstance(case.network.neurons[layer].spike, FastSigmoid)
    return ", its square forgotten," if own and shape == "1/(1+|k v|)" else ""


def _boxes(case: Case, knobs: dict, groups: dict) -> list[Part]:
    """Rectangular derivatives, which are two knobs: one in a window. They are taken out."""
    ones = dict(groups.get(("derivative 1", "1"), ()))
    found = []
    for mark in [mark for mark in groups if mark[0] == "window"]:
        layers = sorted(layer for layer, _ in groups[mark])
        if ones and set(layers) <= set(ones):
            where = where_words(case, knobs, "window", layers)
            says = f"with a rectangular derivative, 1 where |u - threshold| <= {mark[1]}{where}"
            found.append(Part(f"rectangular derivative{where}", says))
            del groups[mark]
            ones = {layer: v for layer, v in ones.items() if layer not in layers}
    if found and ones:
        groups["derivative 1", "1"] = list(ones.items())
    elif found:
        del groups["derivative 1", "1"]
    return found


@lru_cache(maxsize=16)
def known_knobs(case: Case) -> dict[tuple[str, int], Knob]:
    """Return all knobs of a case by their keys."""
    found = {knob.key: knob for knob in forward_knobs(case)}
    found |= {(name, WHOLE): switch_knob(name, WHOLE) for name in QUESTIONS}
    for level in range(len(case.params)):
        found |= {knob.key: knob for knob in backward_knobs(case, level)}
    return found


def _describe(
    case: Case, knobs: dict, name: str, symbol: str, found: list[tuple[int, float]]
) -> Part:
    layers, value = sorted(layer for layer, _ in found), found[0][1]
    where = where_words(case, knobs, name, layers)
    rights = {knobs[name, i].right for i in layers if (name, i) in knobs}
    text = f"{value:.6g}"
    number = text if symbol == text else f"{text} = {symbol}"
    if name in NUMBER_WORDS:
        right = f"{rights.pop():.6g}" if len(rights) == 1 else "its own"
        plain = text if is_round(value) else number
        says = f"with {NUMBER_WORDS[name]} {plain} in place of {right}"
        if name == "temperature":
            says = f"with logits multiplied by {number}"
        if name == "derivative width":
            says = f"with {plain} for k in it"
    elif match := CELL.fullmatch(name):
        part, kind, *at = match.groups()
        index = ", ".join(i for i in at if i is not None)
        factor = f"{value:.6g}" if is_round(value) else number
        says = f"with {kind} [{index}] of the gradient in {PART_WORDS[part]} multiplied by {factor}"
    elif (name, symbol) == ("threshold shift", "minus the threshold"):
        says = "with spikes where the potential passes zero: the threshold is never subtracted"
    elif name == "input over its largest":
        says = f"{SWITCH_WORDS[name]}, {abs(case.x).max(initial=0.0):.6g}"
    elif name.startswith("mean over a step"):
        steps = len(case.x)
        factor = steps / (steps + (1 if name.endswith("more") else -1))
        says = f"{SWITCH_WORDS[name]}: logits multiplied by {factor:.6g}"
    elif name in BEND_WORDS:
        says = BEND_WORDS[name][layers[0] != WHOLE].format(text)
    elif name in POWER_WORDS:
        says = _power_words(case, layers[0], name, value)
    elif name in SWITCH_WORDS and value == 1.0:
        says = SWITCH_WORDS[name]
    elif name.startswith("gradients of layers"):
        says = f"with the {name}"
    elif name in GAIN_WORDS:
        none, other = GAIN_WORDS[name]
        kept = name == "derivative factor" or symbol in ("the leak", "1 - leak")
        number = number if kept or not is_round(value) else text
        says = none if value == 0.0 else other.format(number)
    else:
        says = f"with the knob '{name}' at {number}"
    alias = _alias(case, name, symbol, value, layers)
    if alias == "readout bias missing":
        return Part(alias, "without the bias of the readout")
    return Part(alias + where, says + where)


def _power_words(case: Case, layer: int, name: str, value: float) -> str:
    """A gradient or a loss multiplied or divided by a size of the case."""
    size = name.split(" over ")[1]
    inputs = case.params[layer].w.shape[1] if layer >= 0 else 1
    n = dict((*loss_sizes(case, len(case.y)), ("inputs", inputs)))[size]
    thing = f"the number of {dict(SIZE_WORDS)[size]}"
    words = {
        1.0: f"multiplied by {n}, {thing}: summed, not averaged",
        -1.0: f"divided by {n}, {thing}: averaged, not summed",
        0.5: f"multiplied by {n**0.5:.6g}, the square root of {thing}",
        -0.5: f"divided by {n**0.5:.6g}, the square root of {thing}",
    }
    return f"{POWER_WORDS[name]} {words[value]}".strip()


def _alias(case: Case, name: str, symbol: str, value: float, layers: list[int]) -> str:
    readout = len(case.network.neurons)
    if (name, value) == ("b factor", 0.0) and readout in layers and len(layers) > 1:
        return "bias gradients zero"
    if (name, value, layers) == ("bias gain", 0.0, [readout]):
        return "readout bias missing"
    if name == "input scale" and case.synapse is not None and value == 1.0:
        return "scale missing"
    numbers = symbols(case, layers[0])
    close = [n for n, number in numbers.items() if abs(value - number) <= MAX_LIMIT * abs(number)]
    for other in close:
        if (name, other) in ALIASES:
            return ALIASES[name, other]
    for key in ((name, symbol), (name, f"{value:g}"), (name, None)):
        if key in ALIASES:
            return ALIASES[key]
    return name if value == 1.0 and name in SWITCH_WORDS else f"{name} {symbol}"


def where_words(case: Case, knobs: dict, name: str, layers: list[int]) -> str:
    """In which layers, in words; nothing where there is no other, or where it goes without."""
    spiking = len(case.network.neurons)
    if layers == [WHOLE]:
        return ""
    home = [i for n, i in knobs if n == name]
    possible = {i for i in home if i < spiking}
    possible = {i for i in possible if i >= lowest_layer(name)}
    if layers == [spiking]:
        return "" if not possible else " in the readout alone"
    inside = {i for i in layers if i < spiking}
    readout = spiking in layers and possible
    if possible <= inside:
        return " and in the readout" if readout and name.startswith("layer") else ""
    if len(layers) == 1:
        return f" in layer {layers[0] + 1} alone"
    listed = [str(i + 1) for i in sorted(inside)]
    text = ", ".join(listed[:-1]) + f" and {listed[-1]}" if len(listed) > 1 else listed[0]
    many = f" in layers {text}" if len(listed) > 1 else f" in layer {text}"
    return many + (" and the readout" if readout else "")
