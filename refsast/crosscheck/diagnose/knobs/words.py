"""A setting in plain English, and how plain it is."""

import re
from dataclasses import dataclass
from itertools import product

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.finish import CELL, EXCHANGE
from refsast.crosscheck.diagnose.knobs.losses import loss_sizes
from refsast.crosscheck.diagnose.knobs.orders import find_orders
from refsast.crosscheck.diagnose.knobs.phrases import (
    BEND_WORDS,
    GAIN_WORDS,
    NUMBER_WORDS,
    POWER_WORDS,
    SIZE_WORDS,
)
from refsast.crosscheck.diagnose.knobs.plainness import (
    MAX_LIMIT,
    is_round,
    known_knobs,
    lowest_layer,
    symbol_of,
    symbols,
)
from refsast.crosscheck.diagnose.knobs.sums import SUM
from refsast.crosscheck.diagnose.knobs.switch_phrases import ALIASES, SWITCH_WORDS
from refsast.crosscheck.diagnose.knobs.weights import BACKWARD_ENTRY
from refsast.model.surrogate import FastSigmoid

LEAKS = ("the leak", "1 - leak")  # numbers that are named though they are round
PART_WORDS = {"w": "W", "b": "the biases", "v": "V"}


@dataclass(frozen=True)
class Part:
    """One thing that is wrong."""

    name: str  # in a few words, as the table of faults has it
    says: str  # what completes "the reference ..."


def parts_of(case: Case, setting: Setting) -> list[Part]:
    """Return what is wrong in a setting, one part for each thing, layers that are alike at once."""
    knobs = known_knobs(case)
    groups: dict[tuple[str, str], list[tuple[int, float]]] = {}
    orders = find_orders(case, setting)
    ordered = {key for moved in orders.values() for key in moved}
    setting = {key: value for key, value in setting.items() if key not in ordered}
    for (name, layer), value in setting.items():
        symbol = symbol_of(case, layer, value)
        of_slope = name == "derivative factor" and "its slope" in (symbol or "")
        of_layer = (symbol or "").startswith(f"the {name} of the ")
        if is_round(value) and not (of_slope or of_layer) and symbol not in LEAKS:
            symbol = f"{value:.6g}"  # a round number has the same name in every layer
        groups.setdefault((name, symbol or f"{value:.6g}"), []).append((layer, value))
    return [
        *(Part(words, f"with {words}") for words in orders),
        *_boxes(case, knobs, groups),
        *_shape_parts(case, knobs, groups),
        *_sum_parts(case, knobs, groups),
        *_feedback_parts(case, setting, groups),
        *(_describe(case, knobs, *mark, found) for mark, found in groups.items()),
    ]


def _shape_parts(case: Case, knobs: dict, groups: dict) -> list[Part]:
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


def _sum_parts(case: Case, knobs: dict, groups: dict) -> list[Part]:
    """What is done to arrays, one part for all those of the same layers; they are taken out."""
    same: dict[tuple[str, tuple[int, ...]], list[tuple[str, str]]] = {}
    for mark, layers in groups.items():
        if (match := SUM.fullmatch(mark[0])) and mark[1] == "1":
            key = match[2], tuple(sorted(layer for layer, _ in layers))
            same.setdefault(key, []).append(mark)
    found = []
    for (what, layers), marks in same.items():
        parts = [PART_WORDS[name[0]] for name, _ in marks]
        text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        where = where_words(case, knobs, marks[0][0], list(layers))
        counted = what.removeprefix("sums of the ")
        says = f"with the {counted} counted in the sums of the gradient in {text}{where}"
        if counted == what:
            says = f"with the mean of each row taken off the gradient in {text}{where}"
        found.append(Part(f"{what}{where}", says))
        for mark in marks:
            del groups[mark]
    return found


def _feedback_parts(case: Case, setting: Setting, groups: dict) -> list[Part]:
    """Other matrices on the way back, one part for each: their entries are taken out."""
    found = []
    layers = {at for name, at in setting if BACKWARD_ENTRY.fullmatch(name)}
    for layer in sorted(layers):
        right, matrix = case.params[layer].w, case.params[layer].w.copy()
        for (name, at), value in setting.items():
            if at == layer and (match := BACKWARD_ENTRY.fullmatch(name)):
                matrix[int(match[1]), int(match[2])] = value
        size = float(np.linalg.norm(matrix) * np.linalg.norm(right))
        cosine = float((matrix * right).sum()) / size if size else 0.0
        where = "the readout" if layer == len(case.network.neurons) else f"layer {layer + 1}"
        name = f"another matrix in place of the weights W of {where} on the way back"
        says = f"with {name} (not its transpose, as of random feedback; cosine {cosine:.3f} with W)"
        found.append(Part(name, says))
    for mark in [mark for mark in groups if BACKWARD_ENTRY.fullmatch(mark[0])]:
        del groups[mark]
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


def _describe(
    case: Case, knobs: dict, name: str, symbol: str, found: list[tuple[int, float]]
) -> Part:
    layers, value = sorted(layer for layer, _ in found), found[0][1]
    where = where_words(case, knobs, name, layers)
    rights = {knobs[name, i].right for i in layers if (name, i) in knobs}
    if (name, value) == ("firing threshold", 0.0):
        says = "with spikes where the potential passes zero: the threshold is never subtracted"
    elif name in NUMBER_WORDS:
        says = _number_words(name, value, symbol, rights)
    elif match := CELL.fullmatch(name):
        return _cell_part(case, match, symbol, found)
    elif special := _special_words(case, layers[0], name, value):
        says = special
    elif name in SWITCH_WORDS and value == 1.0:
        says = SWITCH_WORDS[name]
    elif name in GAIN_WORDS:
        none, other = GAIN_WORDS[name]
        kept = "its slope" in symbol or symbol in LEAKS
        number = _number_name(value, symbol) if kept or not is_round(value) else f"{value:.6g}"
        says = none if value == 0.0 else other.format(number)
    else:
        says = f"with the knob '{name}' at {_number_name(value, symbol)}"
    alias = _alias(case, name, symbol, value, layers)
    if alias == "readout bias missing":
        return Part(alias, "without the bias of the readout")
    return Part(alias + where, says + where)


def _number_name(value: float, symbol: str) -> str:
    """A number, with what it is of the numbers of the case."""
    text = f"{value:.6g}"
    return text if symbol == text else f"{text} = {symbol}"


def _number_words(name: str, value: float, symbol: str, rights: set[float]) -> str:
    digits = _digits_apart(value, rights)
    text = f"{value:.{digits}g}"
    number = text if symbol == f"{value:.6g}" else f"{text} = {symbol}"
    of_layer = symbol.endswith(" layer")
    plain = text if is_round(value) and not of_layer else number
    if name == "temperature":
        return f"with logits multiplied by {number}"
    if name == "derivative width":
        return f"with {plain} for k in it"
    right = f"{min(rights):.{digits}g}" if len(rights) == 1 else "its own"
    return f"with {NUMBER_WORDS[name]} {plain} in place of {right}"


def _digits_apart(value: float, rights: set[float]) -> int:
    """How many digits it takes, six at least, to tell a number from the right ones."""
    texts = ({f"{each:.{n}g}" for each in rights} | {f"{value:.{n}g}"} for n in range(6, 18))
    alike = {value, *rights}
    return next((n for n, each in enumerate(texts, 6) if len(each) == len(alike)), 17)


def _cell_part(case: Case, match: re.Match, symbol: str, found: list[tuple[int, float]]) -> Part:
    """One entry, row or column of a gradient, in which layers."""
    part, kind, *at = match.groups()
    index = ", ".join(i for i in at if i is not None)
    value, layers = found[0][1], [layer for layer, _ in found]
    factor = f"{value:.6g}" if is_round(value) else _number_name(value, symbol)
    readout = len(case.network.neurons)
    where = " and ".join("the readout" if i == readout else f"layer {i + 1}" for i in layers)
    says = f"with {kind} [{index}] of the gradient in {PART_WORDS[part]} of {where}"
    name = f"{match[0]} {symbol} of {where}"
    return Part(name, f"{says} multiplied by {factor}")


def _special_words(case: Case, layer: int, name: str, value: float) -> str | None:
    """What is said of knobs whose words need numbers of the case; None of all others."""
    if name == "input over its largest":
        return f"{SWITCH_WORDS[name]}, {abs(case.x).max(initial=0.0):.6g}"
    if name.startswith("mean over a step") and value == 1.0:
        steps = len(case.x)
        factor = steps / max(steps + (1 if name.endswith("more") else -1), 1)
        return f"{SWITCH_WORDS[name]}: logits multiplied by {factor:.6g}"
    if name == "last steps alone" and value == 1.0:
        return "with a gradient through the last step only (truncated BPTT)"
    if name == "last steps alone in the sums" and value == 1.0:
        return "with the last step alone counted in the sums of all gradients"
    if name in BEND_WORDS:
        return BEND_WORDS[name][layer != WHOLE].format(f"{value:.6g}")
    if name in POWER_WORDS:
        return _power_words(case, layer, name, value)
    return f"with the {name}" if name.startswith(EXCHANGE) else None


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
