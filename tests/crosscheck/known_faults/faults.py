"""What a fault is: a function that exchanges some rules of a variant for wrong ones.

Rule 1: a fault wraps the rules that it finds, so that any two faults go together, and each goes
        into one layer alone.
Rule 2: None where a case cannot show it: a network without biases cannot forget them.
Rule 3: everything that follows from it (loss, states, adjoints, gradients) is `variant.solve`'s.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from refsast.crosscheck.case import Case
from refsast.crosscheck.variants import Rules, Variant, reference_variant
from refsast.model.lif import LIF
from refsast.model.params import Layer

Change: TypeAlias = Callable[[Variant, Case], Variant | None]
LayerChange: TypeAlias = Callable[[Rules, LIF, Layer, Case], Rules | None]


@dataclass(frozen=True)
class Fault:
    """One way of being wrong."""

    name: str  # the cause, in a few words
    description: str  # what completes "your gradient is the reference ..."
    change: Change  # gives None where the case cannot show the fault


def layerwise(exchange: LayerChange) -> Change:
    """Return the change that exchanges rules layer by layer; `exchange` gives None for a layer."""

    def change(variant: Variant, case: Case) -> Variant | None:
        each = zip(variant.layers, case.network.neurons, case.params, strict=False)
        changed = [exchange(rules, neuron, layer, case) for rules, neuron, layer in each]
        if not any(changed):
            return None
        layers = zip(changed, variant.layers, strict=True)
        return replace(variant, layers=tuple(new or old for new, old in layers))

    return change


def restrict(fault: Fault, layer: int) -> Fault:
    """Return the fault in one spiking layer alone, counted from 0; None where it is of none."""

    def change(variant: Variant, case: Case) -> Variant | None:
        whole = fault.change(variant, case)
        if whole is None or replace(whole, layers=variant.layers) != variant:
            return None
        if whole.layers[layer] is variant.layers[layer]:
            return None
        layers = list(variant.layers)
        layers[layer] = whole.layers[layer]
        return replace(variant, layers=tuple(layers))

    alone = f"in layer {layer + 1} alone"
    return Fault(f"{fault.name} {alone}", f"{fault.description} {alone}", change)


def combine(first: Fault, second: Fault) -> Fault:
    """Return two faults at once."""

    def change(variant: Variant, case: Case) -> Variant | None:
        once = first.change(variant, case)
        return None if once is None else second.change(once, case)

    return Fault(
        f"{first.name} + {second.name}", f"{first.description} and {second.description}", change
    )


def apply_fault(case: Case, fault: Fault) -> Variant | None:
    """Return the variant of a case with a fault, or None where the case cannot show it."""
    return fault.change(reference_variant(case), case)
