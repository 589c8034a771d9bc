"""How the layers of a module are joined, from what it did: what leads to each layer of neurons.

Rule 1: what leads to a layer is followed back from what its neurons received to spikes of layers
        below, or to the input. What is not known on the way is refused by name, never passed over.
Rule 2: every step of time must be joined as the first is.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from refsast.crosscheck.adapters.module_trace import LAYERS, Call, ModuleTrace
from refsast.crosscheck.adapters.module_views import keeps_numbers
from refsast.crosscheck.adapters.neuron_reading import PROGRAM

POOL_FUNCTIONS = frozenset(["max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "lp_pool2d"])
DRAWS = ("bernoulli", "poisson", "rand_like", "le", "lt", "ge", "gt")
WAYS_OUT = {
    **dict.fromkeys(("linear", "matmul", "__matmul__"), "keep its weights in an nn.Linear"),
    "conv2d": "keep its weights in an nn.Conv2d",
    **dict.fromkeys(DRAWS, "encode the input before, and give the module and the case its spikes"),
}
SUMS = frozenset(["add", "__add__", "__radd__", "__iadd__", "add_"])
REDUCTIONS = frozenset(["mean", "sum"])
PASSED_OVER = (nn.Flatten, nn.Identity, _DropoutNd)


@dataclass(frozen=True, eq=False)
class SkipStep:
    """The spikes of an earlier layer, added on the way; 0 is the input."""

    layer: int


Step: TypeAlias = Call | SkipStep


@dataclass(frozen=True, eq=False)
class LayerWiring:
    """What leads to one layer.

    Attributes
    ----------
    neuron : Call or None
        The first call of its neurons; None for a readout without any.
    steps : tuple of Call or SkipStep
        Maps on the way to it, from the layer directly below.
    calls : int
        How often its neurons were called.
    """

    neuron: Call | None
    steps: tuple[Step, ...]
    calls: int


@dataclass(frozen=True)
class _Path:
    """The maps on the way from a layer's spikes, 0 being the input."""

    source: int
    steps: tuple[Step, ...]


def trace_layers(trace: ModuleTrace, neurons: Collection[str]) -> list[LayerWiring]:
    """Return what leads to each layer of neurons and, last, to a readout without neurons.

    `neurons` are the names of the parts that are neurons.

    Raises ValueError where layers do not follow one another, or something on the way is unknown.
    """
    places: dict[str, list[int]] = {}  # of the calls of all neurons, by their names
    for i, call in enumerate(trace.calls):
        if call.part is not None and call.name in neurons:
            places.setdefault(call.name, []).append(i)
    names = list(places)
    found = []
    for layer, name in enumerate(names, 1):
        paths = [_follow(trace, names, trace.calls[i].inputs[0], i) for i in places[name]]
        first = paths[0]
        for path in paths[1:]:
            if _parts(path) != _parts(first):
                raise ValueError(
                    f"module must join its layers alike at every step, got another way to {name}: "
                    f"{PROGRAM}"
                )
        _require_below(first, layer, name)
        found.append(LayerWiring(trace.calls[places[name][0]], first.steps, len(paths)))
    _require_parts(trace)
    readout = list(_read_readout(trace, names, found))
    _require_used_once([*found, *readout])
    return [*found, *readout]


def _require_parts(trace: ModuleTrace) -> None:
    """Refuse parameters that work outside of all parts: nobody would read them."""
    own: set[int] = set()  # parameters, and what is made of one of them alone
    for call in trace.calls:
        if call.part is not None or call.name.startswith("new") or call.name.endswith("_like"):
            continue
        mine = [isinstance(each, nn.Parameter) or id(each) in own for each in call.inputs]
        if mine and all(mine):
            own.update(map(id, call.outputs))
        elif any(mine):
            raise ValueError(
                "module must have its parameters in Linear, Conv2d, BatchNorm and neurons, got "
                f"{call.name} of one of its own: {WAYS_OUT.get(call.name, PROGRAM)}"
            )


def _parts(path: _Path) -> tuple:
    """What must be the same at every step."""
    return path.source, [s.name if isinstance(s, Call) else s.layer for s in path.steps]


def _require_below(path: _Path, layer: int, name: str) -> None:
    if path.source != layer - 1:
        below = "the input" if path.source == 0 else f"layer {path.source}"
        raise ValueError(
            f"module must feed each layer with the one directly below, got {name}, layer {layer}, "
            f"fed by {below}: {PROGRAM}"
        )


def _require_used_once(layers: Sequence[LayerWiring]) -> None:
    names = [s.name for each in layers for s in each.steps if isinstance(s, Call) and s.part]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(
            f"module must use each part in one place, got {min(twice)} in more: a part stands in "
            "it twice; give each layer one of its own"
        )


def _follow(trace: ModuleTrace, names: Sequence[str], tensor: Tensor, before: int) -> _Path:
    """The way to a tensor that was there before a call."""
    steps: list[Step] = []
    while tensor is not trace.x:
        place = trace.last_maker(tensor, before)
        if place is None:
            raise ValueError(
                "module must make what its neurons receive of its input and the spikes below, got "
                f"a tensor of shape {tuple(tensor.shape)} from elsewhere: {PROGRAM}"
            )
        call, before = trace.calls[place], place
        if call.name in names and call.part is not None:
            _require_spikes(call, tensor)
            return _Path(names.index(call.name) + 1, tuple(reversed(steps)))
        if call.part is None and call.name in SUMS and len(call.inputs) == 2:
            path = _follow_sum(trace, names, call, place)
            return _Path(path.source, (*path.steps, *reversed(steps)))
        if not _keeps_currents(call):
            steps.append(call)
        tensor = call.inputs[0]
    return _Path(0, tuple(reversed(steps)))


def _require_spikes(call: Call, tensor: Tensor) -> None:
    if tensor is not call.outputs[0]:
        raise ValueError(
            f"module must feed layers with spikes, got another output of {call.name}: {PROGRAM}"
        )


def _keeps_currents(call: Call) -> bool:
    """Whether a call leaves all numbers as they are; what is no known map either is refused."""
    if call.part is not None:
        return isinstance(call.part, PASSED_OVER)
    if keeps_numbers(call):
        return True
    if call.name in POOL_FUNCTIONS:
        return False
    way_out = WAYS_OUT.get(call.name, PROGRAM)
    raise ValueError(
        f"module must join layers by Linear, Conv2d, pooling, BatchNorm and sums, got "
        f"{call.name}: {way_out}"
    )


def _follow_sum(trace: ModuleTrace, names: Sequence[str], call: Call, place: int) -> _Path:
    """The way to a sum of two: one of them is the spikes of an earlier layer, as they are."""
    paths = [_follow(trace, names, each, place) for each in call.inputs]
    paths.sort(key=lambda path: (path.source, len(path.steps)))
    for skip, main in (paths, paths[::-1]):
        if not skip.steps and skip.source <= main.source:
            return _Path(main.source, (*main.steps, SkipStep(skip.source)))
    raise ValueError(
        f"module must add spikes of earlier layers as they are, got a sum of two maps: {PROGRAM}"
    )


def _read_readout(
    trace: ModuleTrace, names: Sequence[str], layers: Sequence[LayerWiring]
) -> Iterator[LayerWiring]:
    """Yield the maps that come after the last neurons, if there are any with weights."""
    used = {s.name for each in layers for s in each.steps if isinstance(s, Call) and s.part}
    rest = [
        i
        for i, call in enumerate(trace.calls)
        if isinstance(call.part, LAYERS) and not _keeps_currents(call) and call.name not in used
    ]
    if not rest:
        return
    call = trace.calls[rest[-1]]
    path = _follow_readout(trace, names, call, rest[-1])
    rest_names = {trace.calls[i].name for i in rest}
    alone = len(rest_names) == 1 and isinstance(call.part, nn.Linear)
    if not alone or path.source != len(names) or path.steps:
        got = ", ".join(sorted(rest_names))
        raise ValueError(
            "module must read out the last layer's spikes by one Linear, got "
            f"{got} without neurons after them: {PROGRAM}"
        )
    yield LayerWiring(None, (call,), 0)


def _follow_readout(trace: ModuleTrace, names: Sequence[str], call: Call, place: int) -> _Path:
    """The way to a readout, which may read a mean or sum over time."""
    tensor = call.inputs[0]
    made = trace.last_maker(tensor, place)
    while made is not None and trace.calls[made].name in REDUCTIONS:
        place, tensor = made, trace.calls[made].inputs[0]
        made = trace.last_maker(tensor, place)
    return _follow(trace, names, tensor, place)
