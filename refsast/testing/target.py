"""What the properties are asked about: by default all that refsast has, else a spike or a network.

Rule 1: an error in the environment is one line, a ValueError.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from refsast.crosscheck.factory import load_object
from refsast.model.network import Network, describe_extension
from refsast.model.spike import Spike, heaviside
from refsast.testing.problem import Problem
from refsast.testing.strategies import SURROGATES, network_problems, problems

EXAMPLES = 20  # per property


@dataclass(frozen=True)
class Target:
    """What is to have the properties.

    Attributes
    ----------
    name : str
        What it is called in reports.
    spikes : tuple of callable
        Its smooth spikes.
    problems : strategy
        Of `Problem`, with gradients that nothing is detached from.
    examples : int
        How many problems each property is tried on.
    """

    name: str
    spikes: tuple[Spike, ...]
    problems: st.SearchStrategy[Problem]
    examples: int


def read_target(environment: Mapping[str, str]) -> Target:
    """Read ``REFSAST_SPIKE``, ``REFSAST_NETWORK`` and ``REFSAST_EXAMPLES``.

    Modules are looked for in the folder in which the process runs, too. Raises ValueError if what
    they name is not there, or is no smooth spike or network, or both are named.
    """
    spike, network = (environment.get(f"REFSAST_{name}", "") for name in ("SPIKE", "NETWORK"))
    count = environment.get("REFSAST_EXAMPLES") or str(EXAMPLES)
    if not count.isdecimal() or int(count) < 1:
        raise ValueError(f"REFSAST_EXAMPLES must be a positive integer, got {count!r}")
    if spike and network:
        raise ValueError(
            f"REFSAST_SPIKE and REFSAST_NETWORK must not both be set, got {spike} and {network}"
        )
    if spike:
        chosen = _load(spike, "REFSAST_SPIKE")
        if not callable(chosen) or isinstance(chosen, type):
            kind = "a class" if isinstance(chosen, type) else f"a {type(chosen).__name__}"
            raise ValueError(f"REFSAST_SPIKE must name a spike, a function of arrays, got {kind}")
        own: Spike = chosen  # pyright: ignore[reportAssignmentType]
        return Target(
            spike, (own,), problems(families=(lambda slope: own,), detach=False), int(count)
        )
    if network:
        found = _load(network, "REFSAST_NETWORK")
        if not isinstance(found, Network):
            raise ValueError(
                f"REFSAST_NETWORK must name an rs.Network, got a {type(found).__name__}"
            )
        if reason := describe_extension(found):
            wanted = "dense layers of LIF neurons with a usual readout and loss"
            raise ValueError(f"REFSAST_NETWORK must have {wanted}, got {reason}")
        if any(neuron.detach_reset or neuron.spike is heaviside for neuron in found.neurons):
            raise ValueError(
                "REFSAST_NETWORK must have smooth spikes and no detached reset, "
                "got one whose gradient is no derivative"
            )
        spikes = tuple(dict.fromkeys(neuron.spike for neuron in found.neurons))
        return Target(network, spikes, network_problems(found), int(count))
    families = tuple(family(slope) for family in SURROGATES for slope in (0.5, 2.0, 25.0))
    return Target("all that refsast has", families, problems(detach=False), int(count))


def _load(spec: str, name: str) -> object:
    """What a text names; the folder where we were started counts."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return load_object(spec, name)
