"""A setting in plain English, and how plain it is."""

import re

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.finish import CELL
from refsast.crosscheck.diagnose.knobs.finish_whole import EXCHANGE
from refsast.crosscheck.diagnose.knobs.forward import RESET_AT_REST, SPIKE_AT_REST
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
    symbol_of,
    symbols,
)
from refsast.crosscheck.diagnose.knobs.switch_phrases import ALIASES, PART_WORDS, SWITCH_WORDS
from refsast.crosscheck.diagnose.knobs.word_parts import Part, combine_parts, where_words

# Numbers that are named though they are round.
AT_REST = {RESET_AT_REST: ", a reset", SPIKE_AT_REST: ""}  # what the spike does
LEAKS = ("the leak", "1 - leak", "the readout's leak", "1 - the readout's leak")


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
        of_layer = (symbol or "").startswith((f"the {name} of the ", f"the {name} rounded to "))
        if is_round(value) and not (of_slope or of_layer) and symbol not in LEAKS:
            symbol = f"{value:.6g}"  # a round number has the same name in every layer
        groups.setdefault((name, symbol or f"{value:.6g}"), []).append((layer, value))
    return [
        *(Part(words, f"with {words}") for words in orders),
        *combine_parts(case, knobs, setting, groups),
        *(_describe(case, knobs, *mark, found) for mark, found in groups.items()),
    ]


def _describe(
    case: Case, knobs: dict, name: str, symbol: str, found: list[tuple[int, float]]
) -> Part:
    layers, value = sorted(layer for layer, _ in found), found[0][1]
    where = where_words(case, knobs, name, layers)
    each = _each_value(case, found)
    rights = {knobs[name, i].right for i in layers if (name, i) in knobs}
    if (name, value) == ("firing threshold", 0.0):
        says = "with spikes where the potential passes zero: the threshold is never subtracted"
    elif name in NUMBER_WORDS:
        says = _number_words(name, value, symbol, rights, each)
    elif match := CELL.fullmatch(name):
        return _cell_part(case, match, symbol, found)
    elif special := _special_words(case, layers, name, value):
        says = special
    elif name in SWITCH_WORDS and value == 1.0:
        says = SWITCH_WORDS[name]
    elif name in GAIN_WORDS:
        none, other = GAIN_WORDS[name]
        kept = "its slope" in symbol or symbol in LEAKS
        number = _number_name(value, symbol) if kept or not is_round(value) else f"{value:.6g}"
        number = f"{symbol} ({each})" if each else number
        says = none if value == 0.0 and none else other.format(number)
    else:
        number = f"{symbol} ({each})" if each else _number_name(value, symbol)
        says = f"with the knob '{name}' at {number}"
    alias = _alias(case, name, symbol, value, layers)
    if alias == "readout bias missing":
        return Part(alias, "without the bias of the readout")
    return Part(alias + where, says + where)


def _each_value(case: Case, found: list[tuple[int, float]]) -> str:
    """The values of one name that layers have, where they differ: each with its layers; or ""."""
    readout = len(case.network.neurons)
    layers: dict[str, list[str]] = {}
    for layer, value in sorted(found):
        at = "the readout" if layer == readout else f"{layer + 1}"
        layers.setdefault(f"{value:.6g}", []).append(at)
    each = (f"{text} in {_list_layers(at)}" for text, at in layers.items())
    return ", ".join(each) if len(layers) > 1 else ""


def _list_layers(at: list[str]) -> str:
    inside = [layer for layer in at if layer.isdigit()]
    text = " and ".join(filter(None, (", ".join(inside[:-1]), *inside[-1:])))
    named = [f"layer{'s' if len(inside) > 1 else ''} {text}"] if inside else []
    return " and ".join([*named, *(layer for layer in at if not layer.isdigit())])


def _number_name(value: float, symbol: str) -> str:
    """A number, with what it is of the numbers of the case."""
    text = f"{value:.6g}"
    return text if symbol == text else f"{text} = {symbol}"


def _number_words(name: str, value: float, symbol: str, rights: set[float], each: str = "") -> str:
    digits = _digits_apart(value, rights)
    text = f"{value:.{digits}g}"
    number = text if symbol == f"{value:.6g}" else f"{text} = {symbol}"
    plain = text if is_round(value) and not symbol.endswith(" layer") else number
    if each:  # one name, but other numbers from layer to layer
        number = plain = f"{symbol} ({each})"
    if name == "temperature":
        return f"with logits multiplied by {number}"
    if name == "derivative width":
        return f"with {plain} for k in it"
    right = f"{min(rights):.{digits}g}" if len(rights) == 1 else "its own"
    if symbol.startswith(f"the {name} rounded to "):
        return f"with {symbol} ({each or text} in place of {right})"
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


def _special_words(case: Case, layers: list[int], name: str, value: float) -> str | None:
    """What is said of knobs whose words need numbers of the case; None of all others."""
    layer = layers[0]
    if name == "input over its largest":
        return f"{SWITCH_WORDS[name]}, {abs(case.x).max(initial=0.0):.6g}"
    if name.startswith("mean over a step") and value == 1.0:
        steps = len(case.x)
        factor = steps / max(steps + (1 if name.endswith("more") else -1), 1)
        return f"{SWITCH_WORDS[name]}: logits multiplied by {factor:.6g}"
    if name in AT_REST and any(layer.start is not None for layer in case.params):
        spike = "with a spike before the first step, the smooth one of the potential there"
        return f"{spike}{AT_REST[name]}"
    if name == "last steps alone" and value == 1.0:
        return "with a gradient through the last step only (truncated BPTT)"
    if name == "last steps alone in the sums" and value == 1.0:
        return "with the last step alone counted in the sums of all gradients"
    if name in BEND_WORDS:
        return BEND_WORDS[name][layer != WHOLE].format(f"{value:.6g}")
    if name in POWER_WORDS:
        return _power_words(case, layers, name, value)
    return f"with the {name}" if name.startswith(EXCHANGE) else None


def _power_words(case: Case, layers: list[int], name: str, value: float) -> str:
    """A gradient or a loss multiplied or divided by a size of the case."""
    size = name.split(" over ")[1]
    inputs = {case.params[layer].w.shape[1] for layer in layers if layer >= 0}
    thing = f"the number of {dict(SIZE_WORDS)[size]}"
    if size == "inputs" and len(inputs) > 1:
        root = "the square root of " if abs(value) == 0.5 else ""
        verb = "multiplied" if value > 0.0 else "divided"
        return f"{POWER_WORDS[name]} {verb} by {root}{thing} of each layer"
    n = dict((*loss_sizes(case, len(case.y)), ("inputs", max(inputs, default=1))))[size]
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
