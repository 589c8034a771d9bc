"""What was drawn, and what never was: counts that add up over tests and processes."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from refsast.crosscheck.conformance.capabilities import KINDS, Capabilities, NetworkKind
from refsast.crosscheck.conformance.extensions import EXTENSIONS, extension_names
from refsast.crosscheck.conformance.strategies import Example
from refsast.model.synapse import Synapse

SIZES = ("steps", "layers", "neurons", "inputs", "recordings", "classes", "parameters")
FEATURES = ("synapse", "recurrent", "bias", "readout", "reset", "spike", "hard", "dtype", "numbers",
            "extension")  # fmt: skip
NOT_NAMED = "not asked, the factory does not name it"
OF_KINDS = FEATURES[:6]  # those that a kind of network has
NEVER = (
    "gradients in slopes; SAM beyond dense layers; normalisation, dropout; other networks than "
    "those named above; float16 and bfloat16"
)


@dataclass
class Coverage:
    """Sizes from and to, and how often each thing was drawn; it changes as examples are added."""

    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, example: Example) -> None:
        """Count an example that was judged."""
        for name, size in example_sizes(example).items():
            self._widen(name, size, size)
        for name, words in example_features(example).items():
            self.counts.setdefault(name, Counter()).update(words)

    def merge(self, text: Mapping[str, Mapping[str, object]]) -> None:
        """Add what `as_record` gave elsewhere."""
        for name, ends in text.get("sizes", {}).items():
            low, high = ends  # pyright: ignore[reportGeneralTypeIssues]
            self._widen(name, low, high)
        for name, counts in text.get("counts", {}).items():
            self.counts.setdefault(name, Counter()).update(counts)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def as_record(self) -> dict[str, Mapping[str, object]]:
        """Return it as JSON can hold it."""
        sizes = {name: list(self.sizes[name]) for name in SIZES if name in self.sizes}
        return {
            "sizes": sizes,
            "counts": {name: dict(self.counts[name]) for name in FEATURES if name in self.counts},
        }

    def _widen(self, name: str, low: int, high: int) -> None:
        now = self.sizes.get(name, (low, high))
        self.sizes[name] = (min(now[0], low), max(now[1], high))


def example_sizes(example: Example) -> dict[str, int]:
    """Return how large an example is."""
    network, (time, batch, n_in) = example.case.network, example.case.x.shape
    widest = max(network.sizes[1:])
    sizes = (time, len(network.neurons), widest, n_in, batch, network.classes, network.n_params)
    return dict(zip(SIZES, sizes, strict=True))


def example_features(example: Example) -> dict[str, set[str]]:
    """Return what an example has, in words."""
    case = example.case
    network = case.network
    return {
        "synapse": {_synapse(case.synapse)},
        "recurrent": {_yes(network.recurrent)},
        "bias": {_yes(network.bias)},
        "readout": {type(network.readout).__name__},
        "reset": {repr(neuron.reset) for neuron in network.neurons},
        "spike": {type(neuron.spike).__name__ for neuron in network.neurons},
        "hard": {_yes(case.hard)},
        "dtype": {example.dtype or "its own"},
        "numbers": {example.stretch or "on a coarse grid"},
        "extension": extension_names(network),
    }


def offered_features(offers: Iterable[Capabilities]) -> set[str]:
    """Return what some network that a factory has, has; and what it names beyond dense layers."""
    offers = list(offers)
    kinds = {kind for offer in offers for kind in offer.kinds}
    found = {f"{name} {kind_feature(kind, name)}" for kind in kinds for name in OF_KINDS}
    found |= {f"extension {name}" for offer in offers for name in offer.extensions}
    return found | {f"named {name}" for offer in offers for name in offer.claimed}


def missing_features(coverage: Coverage, offered: Collection[str]) -> dict[str, list[str]]:
    """Return what no example had, by the reason.

    The factory refused it, or did not name it, so that it was not asked; or it was not drawn.
    """
    missing: dict[str, list[str]] = {}
    for name in OF_KINDS:
        seen = coverage.counts.get(name, Counter())
        for word in dict.fromkeys(kind_feature(kind, name) for kind in KINDS):
            feature = f"{name} {word}"
            if not seen[word]:
                reason = "not drawn" if feature in offered else "refused by the factory"
                missing.setdefault(reason, []).append(feature)
    seen = coverage.counts.get("extension", Counter())
    for name in EXTENSIONS:
        if not seen[name]:
            reason = "refused by the factory" if f"named {name}" in offered else NOT_NAMED
            reason = "not drawn" if f"extension {name}" in offered else reason
            missing.setdefault(reason, []).append(name)
    return missing


def describe_coverage(coverage: Coverage, offered: Collection[str]) -> list[str]:
    """Return the table of what was drawn and what never was, as lines."""
    if not coverage.sizes:
        return ["drawn: nothing"]
    ranges = [(name, *coverage.sizes[name]) for name in SIZES]
    sizes = [f"{name} {low}" + f" to {high}" * (low < high) for name, low, high in ranges]
    lines = [f"drawn: {', '.join(sizes)}"]
    for name in FEATURES:
        counts = coverage.counts.get(name, Counter())
        if not counts:
            continue  # nothing beyond dense layers
        lines.append(f"  {name:10}" + ", ".join(f"{word} {n}" for word, n in counts.items()))
    missing = missing_features(coverage, offered)
    lines += [f"never drawn ({why}): {', '.join(what)}" for why, what in missing.items()]
    largest = ", ".join(f"{name} above {high}" for name, _, high in ranges)
    return [*lines, f"never drawn (too large): {largest}", f"never asked: {NEVER}"]


def kind_feature(kind: NetworkKind, name: str) -> str:
    """Return one feature of a kind, in the words of `example_features`."""
    words = {
        "synapse": _synapse(kind.synapse),
        "recurrent": _yes(kind.recurrent),
        "bias": _yes(kind.bias),
        "readout": type(kind.readout).__name__,
        "reset": repr(kind.reset),
        "spike": kind.family.__name__,
    }
    return words[name]


def _synapse(synapse: Synapse | None) -> str:
    """What sort of synapse it is, whatever its numbers."""
    if synapse is None:
        return "none"
    kept, scaled = synapse.leak > 0.0, synapse.scale != 1.0
    words = ["leaky"] * kept + ["scaled"] * scaled + ["delayed"] * synapse.delayed
    return " and ".join(words) or "at once"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
