"""Numbers of layers that went to others: in reversed order, one layer off, one for all."""

from collections.abc import Mapping
from itertools import combinations

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import Key, Setting
from refsast.crosscheck.diagnose.knobs.forward import slope_of


def layer_numbers(case: Case) -> dict[str, list[float]]:
    """Return the numbers of all layers, by the name of their knob."""
    neurons = case.network.neurons
    return {
        "leak": [float(neuron.leak) for neuron in neurons],
        "threshold": [float(neuron.threshold) for neuron in neurons],
        "slope": [slope_of(neuron) for neuron in neurons],
    }


def layer_orders(depth: int) -> dict[str, dict[int, int]]:
    """Return which layer has whose number by mistake, by what that is called."""
    each = range(depth)
    found = {
        f"of layers {i + 1} and {j + 1} exchanged": {i: j, j: i} for i, j in combinations(each, 2)
    }
    found["of the layers in reversed order"] = {i: depth - 1 - i for i in each}
    found["of the layer below in each layer"] = {i: max(i - 1, 0) for i in each}
    found["of the layer above in each layer"] = {i: min(i + 1, depth - 1) for i in each}
    found["of the layers one place further"] = {i: (i - 1) % depth for i in each}
    found["of the layers one place back"] = {i: (i + 1) % depth for i in each}
    return found | {f"of layer {j + 1} in every layer": dict.fromkeys(each, j) for j in each}


def order_settings(case: Case) -> dict[str, dict[Key, float]]:
    """Return the settings in which layers have the numbers of others, by what they are called."""
    found: dict[str, dict[Key, float]] = {}
    orders = layer_orders(len(case.network.neurons))
    for name, own in layer_numbers(case).items():
        for words, order in orders.items():
            moved = {(name, i): own[j] for i, j in order.items() if own[i] != own[j]}
            if len(moved) > 1 and moved not in found.values():
                found[f"the {name}s {words}" if "layers" in words else f"the {name} {words}"] = (
                    moved
                )
    return found


def joint_orders(case: Case) -> list[dict[Key, float]]:
    """Return the settings in which layers have all numbers of others."""
    found: list[dict[Key, float]] = []
    for order in layer_orders(len(case.network.neurons)).values():
        numbers = layer_numbers(case).items()
        moved = [
            {(name, i): own[j] for i, j in order.items() if own[i] != own[j]}
            for name, own in numbers
        ]
        whole = {key: value for part in moved for key, value in part.items()}
        if sum(map(bool, moved)) > 1 and whole not in found:
            found.append(whole)
    return found


def find_orders(case: Case, setting: Setting) -> dict[str, dict[Key, float]]:
    """Return the orders that make up a part of a setting, by what they are called.

    One number for all layers is none of them: it is said as a number.
    """
    names = {name for name, _ in setting} & set(layer_numbers(case))
    parts = {name: {k: v for k, v in setting.items() if k[0] == name} for name in names}
    if not any(len(set(part.values())) > 1 for part in parts.values()):
        return {}
    found = order_settings(case).items()
    return {
        words + _name_layers(case, moved): moved
        for words, moved in found
        if len(set(moved.values())) > 1 and moved in parts.values()
    }


def _name_layers(case: Case, moved: Mapping[Key, float]) -> str:
    """In which layers an order shows, where it is not in all."""
    if len(moved) == len(case.network.neurons):
        return ""
    layers = [str(layer + 1) for _, layer in moved]
    return f" (other numbers in layers {', '.join(layers[:-1])} and {layers[-1]})"
