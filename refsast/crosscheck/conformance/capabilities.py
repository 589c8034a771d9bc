"""The kinds of networks, and which of them a factory has: asked before anything is drawn."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from typing import get_args

import numpy as np

from refsast.crosscheck.case import Case, Factory
from refsast.crosscheck.conformance.extensions import require_extensions
from refsast.crosscheck.factory import build
from refsast.crosscheck.implementation import Unsupported
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.readout import LeakyReadout, LinearReadout, Readout, SpikeRate
from refsast.model.reset import RESETS, Reset
from refsast.model.surrogate import Surrogate
from refsast.model.synapse import Synapse
from refsast.model.vector import unflatten


@dataclass(frozen=True)
class NetworkKind:
    """A kind of network that a library has or has not, whatever the sizes and numbers."""

    synapse: Synapse | None
    recurrent: bool
    bias: bool
    readout: Readout  # its class; its numbers are drawn
    reset: Reset
    family: type[Surrogate]  # of every smooth spike


# The plainest first: what fails is shrunk towards it. Every number is a multiple of a power of two.
SYNAPSES = (None, Synapse(0.0, 0.5), Synapse(0.5), Synapse(0.5, 0.5, delayed=True))
READOUTS = (SpikeRate(4.0), LinearReadout(2), LeakyReadout(2, 0.5))
DTYPES = ("float32", "float64")
FAMILIES = get_args(Surrogate)
KINDS = tuple(
    NetworkKind(*choice)
    for choice in product(
        SYNAPSES, (False, True), (False, True), READOUTS, RESETS.values(), FAMILIES
    )
)


@dataclass(frozen=True, repr=False)
class Capabilities:
    """The networks that a factory has."""

    kinds: tuple[NetworkKind, ...]  # those of `KINDS` that it made an implementation for
    reasons: dict[str, int]  # how often it gave which reason not to
    name: str = ""  # the implementation's own
    dtypes: tuple[str, ...] = ()  # that it claims
    claimed: tuple[str, ...] = ()  # beyond dense LIF layers, as it says
    extensions: tuple[str, ...] = ()  # those of them that it made an implementation for

    def __repr__(self) -> str:
        return f"<{len(self.kinds)} kinds of networks>"  # Hypothesis spells out what it draws from


def query_capabilities(factory: Factory, *, hard: bool = False) -> Capabilities:
    """Ask a factory for the smallest network of every kind, smooth or hard; errors as `build`."""
    kinds: list[NetworkKind] = []
    reasons: Counter[str] = Counter()
    name, dtypes, claimed = "", (), ()
    for kind in KINDS:
        try:
            found = build(factory, smallest_case(kind, hard=hard))
            name, dtypes = name or found.name, dtypes or require_dtypes(found.dtypes)
            claimed = claimed or require_extensions(found.extensions)
            kinds.append(kind)
        except Unsupported as reason:
            reasons[str(reason) or "no reason given"] += 1
    return Capabilities(tuple(kinds), dict(reasons), name, dtypes, claimed)


def require_dtypes(dtypes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the dtypes that an implementation claims, or raise a ValueError."""
    if any(dtype not in DTYPES for dtype in dtypes):
        raise ValueError(f"dtypes must be among {', '.join(DTYPES)}, got {dtypes!r}")
    return dtypes


def smallest_case(kind: NetworkKind, *, hard: bool = False) -> Case:
    """Return the smallest case of a kind: one step of one recording, all parameters 1."""
    neuron = LIF(0.5, 1.0, kind.family(2.0), kind.reset)
    network = Network((1, 2), neuron, kind.readout, bias=kind.bias, recurrent=kind.recurrent)
    params = unflatten(network, np.ones(network.n_params))
    x, y = np.ones((1, 1, 1)), np.zeros(1, np.int64)
    return Case(network, params, x, y, kind.synapse, hard, name="plain")


def drop_delays(offer: Capabilities) -> Capabilities:
    """Return the kinds without synaptic delay; all, if every kind is delayed."""
    kinds = [kind for kind in offer.kinds if kind.synapse is None or not kind.synapse.delayed]
    return replace(offer, kinds=tuple(kinds) or offer.kinds)


def is_compatible(kind: NetworkKind, other: NetworkKind) -> bool:
    """Whether layers of two kinds may stand in one network: they differ in the neuron only."""
    return replace(other, reset=kind.reset, family=kind.family) == kind
