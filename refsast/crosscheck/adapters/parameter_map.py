"""Which of a user's parameters is which of ours: by their order, or as the user says."""

from collections.abc import Mapping
from typing import TypeAlias

from refsast.arrays import Array
from refsast.model.network import Network
from refsast.model.params import Layer, Params

# A layer's index and "w", "b" or "v"; "w.T" or "v.T" where it is stored as (n_in, n_out).
ParameterSlot: TypeAlias = tuple[int, str]
Slots: TypeAlias = Mapping[str, ParameterSlot]  # by the user's names
Shape: TypeAlias = tuple[int, ...]


def map_parameters(
    shapes: Mapping[str, Shape], network: Network, names: Slots | None = None
) -> dict[str, ParameterSlot]:
    """Return the slot of each of a user's parameters, all of them checked.

    `shapes` are those of the user's parameters, by name and in their order; `names` says where each
    belongs. Default: in order, layer after layer, w before b before v. A ValueError says which are
    missing, unknown, there twice, or of another shape.
    """
    wanted = {(i, k): shape for i, layer in enumerate(network.shapes) for k, shape in layer.items()}
    if names is None:
        return _map_by_order(shapes, wanted)
    unknown = [name for name in names if name not in shapes]
    if unknown:
        raise ValueError(f"names must be of {list(shapes)}, got {unknown[0]!r}")
    for name, (layer, part) in names.items():
        slot = layer, part.removesuffix(".T")
        if slot not in wanted:
            raise ValueError(f"names[{name!r}] must be one of {list(wanted)}, got {(layer, part)}")
        shape = wanted[slot][::-1] if part.endswith(".T") else wanted[slot]
        if shapes[name] != shape:
            raise ValueError(f"{name} must have shape {shape}, got {shapes[name]}")
    # Names may map two parameters to one slot, or leave one out.
    given = [(layer, part.removesuffix(".T")) for layer, part in names.values()]
    if sorted(given) != sorted(wanted):
        raise ValueError(f"names must give each of {list(wanted)} once, got {given}")
    return {name: names[name] for name in shapes if name in names}


def _map_by_order(
    shapes: Mapping[str, Shape], wanted: Mapping[ParameterSlot, Shape]
) -> dict[str, ParameterSlot]:
    if list(shapes.values()) != list(wanted.values()):
        there = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        ours = ", ".join(f"{part} {shape}" for (_, part), shape in wanted.items())
        raise ValueError(f"parameters must be {ours}, in this order or by names, got {there}")
    return dict(zip(shapes, wanted, strict=True))


def scatter_params(params: Params, slots: Slots) -> dict[str, Array]:
    """Return our parameters by the user's names, as the user stores them."""
    found = {}
    for name, (layer, part) in slots.items():
        array = getattr(params[layer], part.removesuffix(".T"))
        found[name] = array.T if part.endswith(".T") else array
    return found


def gather_params(arrays: Mapping[str, Array], slots: Slots) -> Params:
    """Return a user's arrays as ours."""
    layers: list[dict[str, Array]] = [{} for _ in range(1 + max(i for i, _ in slots.values()))]
    for name, (layer, part) in slots.items():
        array = arrays[name]
        layers[layer][part.removesuffix(".T")] = array.T if part.endswith(".T") else array
    return tuple(Layer(**layer) for layer in layers)
