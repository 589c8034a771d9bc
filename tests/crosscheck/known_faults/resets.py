"""Faults in what a layer carries over from one step to the next."""

from collections.abc import Sequence
from dataclasses import replace

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.autodiff.tape import primal
from refsast.crosscheck.case import Case
from refsast.crosscheck.variants import Rules
from refsast.model.lif import LIF
from refsast.model.params import Layer
from refsast.model.reset import NoReset, Reset, Subtract
from tests.crosscheck.known_faults.faults import LayerChange


def detach_spike(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """No gradient through the spike in the reset."""
    if neuron.detach_reset or isinstance(neuron.reset, NoReset) or len(case.x) < 2:
        return None
    # A reset reads only the last of all potentials and spikes: one is enough here and below.
    return replace(rules, carry=lambda n, us, ss: rules.carry(n, us, [stop_gradient(ss[-1])]))


def attach_spike(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """A gradient through the spike in the reset, where there should be none."""
    if not neuron.detach_reset or isinstance(neuron.reset, NoReset) or len(case.x) < 2:
        return None
    return replace(
        rules, carry=lambda n, us, ss: rules.carry(replace(n, detach_reset=False), us, ss)
    )


def detach_state(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """No gradient through time: what was before is a constant."""
    if len(case.x) < 2 or (neuron.leak == 0.0 and layer.v is None):
        return None
    return replace(
        rules,
        carry=lambda n, us, ss: rules.carry(n, [stop_gradient(us[-1])], [stop_gradient(ss[-1])]),
        recurrent=lambda layer, s: rules.recurrent(layer, stop_gradient(s)),
    )


def detach_potential(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """No gradient through the potential of the step before, but through its spike."""
    if len(case.x) < 2 or neuron.leak == 0.0 or isinstance(neuron.reset, NoReset):
        return None
    return replace(rules, carry=lambda n, us, ss: rules.carry(n, [stop_gradient(us[-1])], ss))


def delay_reset(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """The reset takes the spike of one step earlier."""
    if isinstance(neuron.reset, NoReset) or len(case.x) < 2:
        return None
    # At the first step there is only the state at rest.
    return replace(rules, carry=lambda n, us, ss: rules.carry(n, us, ss[:-1] or ss))


def reset_at_rest(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """At the first step, the reset takes the smooth spike of a potential of zero, not none."""
    if isinstance(neuron.reset, NoReset):
        return None

    def carry(n: LIF, us: Sequence[Array], ss: Sequence[Array]) -> Array:
        rest = [rules.fire(n, us[-1] - n.threshold)] if len(us) == 1 else ss
        return rules.carry(n, us, rest)

    return replace(rules, carry=carry)


def reset_on_any_spike(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """A potential is reset to zero by any spike that is not quite none, without a gradient."""
    if case.hard or neuron.leak == 0.0 or len(case.x) < 2:
        return None
    # `primal` takes the comparison off the tape, as a library's ``if spike`` does.
    return replace(rules, carry=lambda n, us, ss: n.leak * us[-1] * (primal(ss[-1]) == 0.0))


def replace_reset(reset: Reset) -> LayerChange:
    """Another reset."""

    def exchange(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
        # Without a leak nothing is carried over, and resets differ only by what they subtract.
        same = neuron.leak == 0.0 and Subtract() not in (reset, neuron.reset)
        if neuron.reset == reset or len(case.x) < 2 or same:
            return None
        return replace(rules, carry=lambda n, us, ss: rules.carry(replace(n, reset=reset), us, ss))

    return exchange


def exchange_leak(rules: Rules, neuron: LIF, layer: Layer, case: Case) -> Rules | None:
    """Leak and one minus leak exchanged."""
    if neuron.leak == 0.5 or len(case.x) < 2:
        return None
    leak = 1.0 - neuron.leak
    return replace(rules, carry=lambda n, us, ss: rules.carry(replace(n, leak=leak), us, ss))
