"""How far gradients are apart on many extended networks, and how many had each feature.

python -m tests.gradient.tally [EXAMPLES]
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, settings

import refsast as rs
from refsast.testing import ANALYTIC, Problem, extended_problems
from tests.gradient.extended import (
    bptt_gap,
    complex_step_gap,
    fast_gap,
    hessian_gap,
    input_gap,
    largest_is_tied,
    sam_gap,
    single_gap,
    straight_through_gap,
)


def features(case: Problem) -> Iterator[str]:
    """Yield what a problem has, by name, each once."""
    network = case.network
    found = {type(network.readout).__name__, type(network.loss).__name__}
    found |= {f"{name}=True" for name in ("bias", "recurrent") if getattr(network, name)}
    if getattr(network.readout, "population", 1) > 1:
        found.add("population > 1")
    for chain in network.connections or ():
        found |= {type(part).__name__ for part in chain}
        for part in chain:
            found |= set(_window_features(part))
    for neuron in network.neurons:
        found |= {type(neuron).__name__, type(neuron.reset).__name__}
        if neuron.detach_reset:
            found.add("detach_reset")
        if isinstance(neuron, rs.GLIF):
            found |= set(_neuron_features(neuron))
    yield from found


def _window_features(part: object) -> Iterator[str]:
    name = type(part).__name__
    for attribute, plain in (("padding", 0), ("dilation", 1), ("groups", 1)):
        value = getattr(part, attribute, plain)
        if value not in (plain, (plain, plain)):
            yield f"{name}.{attribute}"
    kernel, stride = getattr(part, "kernel", None), getattr(part, "stride", None)
    if isinstance(kernel, tuple) and isinstance(stride, tuple):
        if kernel[0] != kernel[1]:
            yield f"{name}, not square"
        if any(s > 1 for s in stride):
            yield f"{name}.stride"
        if any(s < k for s, k in zip(stride, kernel, strict=True)):
            yield f"{name}, windows overlap"


def _neuron_features(neuron: rs.GLIF) -> Iterator[str]:
    for name in ("leak", "threshold", "synapse_leak"):
        value = getattr(neuron, name)
        if isinstance(value, tuple):
            yield f"{name} per neuron"
        if isinstance(value, rs.Learned):
            several = value.per_neuron or isinstance(value.start, tuple)
            yield f"{name} learned{' per neuron' if several else ''}"
            if value.sigmoid:
                yield f"{name} learned by a sigmoid"
    if neuron.synapse is not None:
        delayed = getattr(neuron.synapse, "delayed", False)
        yield type(neuron.synapse).__name__ + (", delayed" if delayed else "")
    for name in ("adaptation", "refractory", "learn_start"):
        if getattr(neuron, name):
            yield name


@dataclass
class Tally:
    """The largest gap of each comparison, on how many problems, and how many had each feature."""

    worst: dict[str, float] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)

    def add(self, name: str, value: float) -> None:
        """Count one comparison."""
        self.worst[name] = max(value, self.worst.get(name, 0.0))
        self.counts[f"compared: {name}"] += 1


COMPARISONS: dict[str, Callable[[Problem], float]] = {
    "bptt": bptt_gap,
    "fast": fast_gap,
    "fast, checkpoints": lambda case: fast_gap(case, checkpoint=2),
    "input": lambda case: input_gap(case, checkpoint=2),
    "straight-through": lambda case: straight_through_gap(case, checkpoint=3),
    "float32": single_gap,
    "SAM": sam_gap,
}


def main(examples: int) -> None:
    """Print the tally of so many problems."""
    tally = Tally()
    fixed = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )

    @fixed
    @given(extended_problems())
    def compare(case: Problem) -> None:
        tally.counts.update(features(case))
        for name, comparison in COMPARISONS.items():
            tally.add(name, comparison(case))

    @fixed
    @given(extended_problems(detach=False))
    def differentiate(case: Problem) -> None:
        tally.add("complex step", complex_step_gap(case))

    @fixed
    @given(extended_problems(detach=False, families=ANALYTIC))
    def differentiate_twice(case: Problem) -> None:
        if not largest_is_tied(case):
            tally.add("hvp", hessian_gap(case))

    for run in (compare, differentiate, differentiate_twice):
        run()
    for name, value in tally.worst.items():
        print(f"{name}: {value:.1e} on {tally.counts.pop(f'compared: {name}')}")
    for name, count in sorted(tally.counts.items()):
        print(f"{count:6d}  {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
