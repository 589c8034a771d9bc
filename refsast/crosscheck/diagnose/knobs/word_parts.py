"""Settings of several knobs that are one thing, in words; and in which layers a thing is.

Rule 1: what is said of several knobs at once is taken out of those that are said one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPE_NAMES, SHAPES
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.plainness import lowest_layer
from refsast.crosscheck.diagnose.knobs.sums import RECEIVED, SUM
from refsast.crosscheck.diagnose.knobs.switch_phrases import PART_WORDS
from refsast.crosscheck.diagnose.knobs.weights import BACKWARD_ENTRY
from refsast.model.surrogate import FastSigmoid

# What is done to the finished gradients of several arrays, where it is not a sum.
FINISHED = {
    RECEIVED: "with the gradient in {} summed from what comes from above, without the spike's"
    " derivative",
    "rows centred": "with the mean of each row taken off the gradient in {}",
    "zero at negative weights": "with the gradient in {} zero where the weight is not positive",
    "zero at positive weights": "with the gradient in {} zero where the weight is not negative",
}


@dataclass(frozen=True)
class Part:
    """One thing that is wrong."""

    name: str  # in a few words, as the table of faults has it
    says: str  # what completes "the reference ..."


def combine_parts(case: Case, knobs: dict, setting: Setting, groups: dict) -> Iterator[Part]:
    """Yield what several knobs say together, and take them out of `groups`."""
    yield from _first_step(case, groups)
    yield from _boxes(case, knobs, groups)
    yield from _shape_parts(case, knobs, groups)
    yield from _sum_parts(case, knobs, groups)
    yield from _feedback_parts(case, setting, groups)


def _first_step(case: Case, groups: dict) -> Iterator[Part]:
    """A first step that is not run, which is two knobs: all is one step early, and read late."""
    early, late = ("input one step early", "1"), ("readout one step late", "1")
    readout = len(case.network.neurons)
    if [at for at, _ in groups.get(early, ())] == [0] and groups.get(late) == [(readout, 1.0)]:
        del groups[early], groups[late]
        says = "with the first step left out of the loop over time, its spikes zero"
        yield Part("first step not run", says)


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


def _shape_parts(case: Case, knobs: dict, groups: dict) -> list[Part]:
    """Functions in place of the derivative with a factor: two knobs, which are taken out."""
    found = []
    shapes = [m for m in groups if m[0].removeprefix("derivative ") in SHAPES and m[1] == "1"]
    factors = [mark for mark in groups if mark[0] == "derivative factor"]
    for shape, factor in product(shapes, factors):
        layers = sorted(layer for layer, _ in groups[shape])
        if layers == sorted(layer for layer, _ in groups[factor]):
            values = {f"{v:.6g}": None for _, v in sorted(groups[factor])}
            value = ", ".join(values)  # from layer to layer, where one name is several numbers
            number = value if factor[1] == value else f"{value} = {factor[1]}"
            number = f"{factor[1]} ({value})" if len(values) > 1 else number
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
    if own and shape == "1/(1+|k v|)":
        return ", its square forgotten,"
    return f" ({SHAPE_NAMES[shape]})" if shape in SHAPE_NAMES else ""


def _sum_parts(case: Case, knobs: dict, groups: dict) -> list[Part]:
    """What is done to arrays, one part for all those of the same layers; they are taken out."""
    same: dict[tuple[str, tuple[int, ...]], list[tuple[str, str]]] = {}
    for mark, layers in groups.items():
        if (match := SUM.fullmatch(mark[0])) and mark[1] == "1":
            key = match[2], tuple(sorted(layer for layer, _ in layers))
            same.setdefault(key, []).append(mark)
    found = []
    for (what, layers), marks in same.items():
        parts = [PART_WORDS[name.split(" ")[0]] for name, _ in marks]
        text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        where = where_words(case, knobs, marks[0][0], list(layers))
        counted = what.removeprefix("sums of the ")
        plain = f"with the {counted} counted in the sums of the gradient in {{}}"
        says = FINISHED.get(what, plain).format(text)
        found.append(Part(f"{what}{where}", f"{says}{where}"))
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
