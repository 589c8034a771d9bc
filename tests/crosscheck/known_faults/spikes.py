"""Faults in the spike and in its derivative."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient, straight_through
from refsast.autodiff.ops import Op
from refsast.autodiff.tape import apply
from refsast.crosscheck.case import Case
from refsast.crosscheck.variants import Rules, hard_spike, smooth_spike
from refsast.model.lif import LIF
from refsast.model.params import Layer
from refsast.model.spike import first_derivative
from tests.crosscheck.known_faults.faults import LayerChange


def harden_spike(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """Heaviside forward, the smooth spike's derivative backward."""
    return None if case.hard else replace(rules, fire=hard_spike)


def soften_spike(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """The smooth spike forward, too."""
    return replace(rules, fire=smooth_spike) if case.hard else None


def exclude_ties(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """A potential at the threshold does not fire."""
    if not case.hard:
        return None

    def strict_heaviside(v: Array) -> Array:
        return (np.asarray(stop_gradient(v)) > 0.0).astype(np.float64)

    def fire_above(n: LIF, v: Array) -> Array:
        return straight_through(strict_heaviside, first_derivative(n.spike))(v)

    return replace(rules, fire=fire_above)


def replace_spike(family: type) -> LayerChange:
    """Another smooth spike, of the same slope at threshold."""

    def exchange(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
        if isinstance(neuron.spike, family):
            return None
        return replace(rules, fire=lambda n, v: rules.fire(_convert_spike(family, n), v))

    return exchange


def replace_family(family: type) -> LayerChange:
    """Another smooth spike, whose slope parameter is the same number.

    Families define their slopes differently, so the spike is not as steep at threshold.
    """

    def exchange(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
        slope = getattr(neuron.spike, "slope", None)
        if isinstance(neuron.spike, family) or slope is None:
            return None
        return replace(rules, fire=lambda n, v: rules.fire(replace(n, spike=family(slope)), v))

    return exchange


def _convert_spike(family: type, neuron: LIF) -> LIF:
    """The neuron with a spike of another family that is as steep at threshold."""
    # The derivative at threshold is proportional to the slope parameter, in every family.
    steep = float(first_derivative(neuron.spike)(np.zeros(())))
    unit = float(family(1.0).derivative(np.zeros(())))
    return replace(neuron, spike=family(steep / unit))


def replace_derivative(shape: Callable[[LIF, Array], Array]) -> LayerChange:
    """The spike forward, another function in place of its derivative backward."""

    def exchange(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
        def wrong(n: LIF, v: Array) -> Array:
            # The value comes from the rules, so that another fault in the spike stays in it.
            op = Op("surrogate", lambda v: rules.fire(n, v), (lambda g, y, v: g * shape(n, v),))
            return apply(op, v)

        return replace(rules, fire=wrong)

    return exchange
