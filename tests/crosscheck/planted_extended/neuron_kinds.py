"""Faults of resets, synapses, adaptation, refractory time and recurrence."""

from collections.abc import Callable, Iterator

import numpy as np

import refsast as rs
from tests.crosscheck.planted_extended.connection_layers import layer_with
from tests.crosscheck.planted_extended.kind import Kind
from tests.crosscheck.planted_extended.neuron_layers import (
    Bypass,
    SameStep,
    adaptation_detached,
    delayed,
    difference,
    first_stage,
    late_adaptation,
    refractory_detached,
    refractory_holds,
    refractory_ignored,
    reset_detached,
    slope_at_rest,
)
from tests.gradient.torch_extended import Layer


def learned(name: str, *, scalar: bool = False) -> Callable:
    """Return whether a layer learns a number."""

    def has(case: rs.Case, i: int) -> bool:
        value = getattr(case.params[i], name)
        return value is not None and not (scalar and value.ndim)

    return has


def has_option(name: str, allowed: Callable = lambda value: bool(value)) -> Callable:
    """Return whether the neuron of a layer has an option."""
    return lambda case, i: allowed(getattr(case.network.neurons[i], name))


def is_alpha(case: rs.Case, i: int) -> bool:
    """Whether the synapse of a layer is of second order."""
    return isinstance(case.network.neurons[i].synapse, rs.Alpha)


def recurs(case: rs.Case, i: int) -> bool:
    """Whether a layer is recurrent."""
    return case.params[i].v is not None


def keeps_reset(case: rs.Case, i: int) -> bool:
    """Whether the reset of a layer passes gradients on."""
    return not case.network.neurons[i].detach_reset


def draw_alpha(rng: np.random.Generator, n: int) -> rs.Alpha:
    """Draw a synapse of second order."""
    return rs.Alpha(0.75, 0.5, 1.0, bool(rng.integers(3) == 0))


def draw_exponential(rng: np.random.Generator, n: int) -> rs.Synapse:
    """Draw a synapse of first order."""
    return rs.Synapse(0.7, 1.0, bool(rng.integers(3) == 0))


def draw_prompt(rng: np.random.Generator, n: int) -> rs.Synapse | rs.Alpha:
    """Draw a synapse that is not delayed."""
    return (rs.Synapse(0.7), rs.Alpha(0.75, 0.5))[rng.integers(2)]


def draw_synapse_leak(rng: np.random.Generator, n: int) -> rs.Learned:
    """Draw a learned leak of a synapse, of all neurons or of each."""
    return rs.Learned(0.7, bool(rng.integers(2)))


def draw_refractory(rng: np.random.Generator, n: int) -> int:
    """Draw a refractory time."""
    return int(rng.integers(1, 3))


def neuron_kinds() -> Iterator[Kind]:
    """Yield the kinds of resets, synapses, adaptation, refractory time and recurrence."""
    yield Kind(
        "reset detached",
        "the reset detached",
        [("with the reset detached",)],
        {},
        keeps_reset,
        layer_with(reset_by=reset_detached),
    )
    yield from _synapse_kinds()
    yield from _adaptation_kinds()
    yield from _refractory_kinds()
    yield Kind(
        "recurrence detached",
        "the spikes that are fed back detached",
        [("spikes that are fed back detached",)],
        {"recurrent": True},
        recurs,
        layer_with(feed_back=lambda self, s: Layer.feed_back(self, s.detach())),
    )
    yield Kind(
        "recurrent weights by the same step",
        "the gradient of the recurrent weights with the spikes of the same step",
        [("recurrent weights by the spikes of the same step",)],
        {"recurrent": True},
        recurs,
        SameStep,
    )


def _synapse_kinds() -> Iterator[Kind]:
    yield Kind(
        "current one step late",
        "the synaptic current delayed by a step",
        [("synaptic current", "delayed")],
        {"neuron": {"synapse": draw_prompt}},
        has_option("synapse", lambda s: s is not None and not s.delayed),
        layer_with(filter=delayed),
    )
    yield Kind(
        "synapse's leak without recurrence",
        "the gradient of the synapse's leak without the way through earlier currents",
        [("synapse's leak without its way through earlier currents",)],
        {"neuron": {"synapse": draw_exponential, "synapse_leak": draw_synapse_leak}},
        learned("synapse_leak"),
        Bypass,
    )
    yield Kind(
        "alpha's currents exchanged",
        "the first current of an alpha synapse read, not the second",
        [("first stage of the synapse read",), ("synapse's decay 0 ",)],
        {"neuron": {"synapse": draw_alpha}},
        is_alpha,
        layer_with(rise_and_fall=first_stage),
    )
    yield Kind(
        "difference of currents",
        "the difference of two exponential currents",
        [("difference of two exponential currents",)],
        {"neuron": {"synapse": draw_alpha}},
        is_alpha,
        layer_with(rise_and_fall=difference),
    )


def _adaptation_kinds() -> Iterator[Kind]:
    alif = {"neuron": {"adaptation": rs.Adaptation(0.9, 0.4)}}
    has = has_option("adaptation")
    yield Kind(
        "adaptation detached",
        "the adaptation detached",
        [("adaptation detached",)],
        alif,
        has,
        layer_with(adapt=adaptation_detached),
    )
    yield Kind(
        "adaptation of the other sign",
        "the threshold falls with every spike",
        [("strength -",)],
        alif,
        has,
        layer_with(adapt=lambda self: -Layer.adapt(self)),
    )
    yield Kind(
        "adaptation one step late",
        "the adaptation one step later",
        [("adaptation one step later",)],
        alif,
        has,
        layer_with(adapt=late_adaptation),
    )
    yield Kind(
        "derivative at rest",
        "the spike's derivative at the threshold that is not raised",
        [("derivative at the threshold that is not raised",)],
        alif,
        has,
        layer_with(emit=slope_at_rest),
    )


def _refractory_kinds() -> Iterator[Kind]:
    needs = {"neuron": {"refractory": draw_refractory}}
    yield Kind(
        "refractory factor detached",
        "no gradient through earlier spikes of the refractory factor",
        [("refractory factor detached",)],
        needs,
        has_option("refractory"),
        layer_with(refrain=refractory_detached),
    )
    yield Kind(
        "refractory time ignored backwards",
        "the refractory factor is missing backwards",
        [("refractory factor ignored backwards",)],
        needs,
        has_option("refractory"),
        layer_with(refrain=refractory_ignored),
    )
    yield Kind(
        "refractory time holds the potential",
        "the potential of the step before is forgotten in the refractory time",
        [("forgotten in the refractory time",)],
        needs,
        has_option("refractory"),
        layer_with(reset=refractory_holds),
    )
