"""Gradients in whatever containers people keep them: by layer, by name, or one after the other.

Rule 1: weights have axes, so a single number beside them, such as the gradient of a leak, is none
        of them: where the network learns no such number it is set aside by its name.
Rule 2: what is not understood is handed on as it is, for the reader to refuse.
"""

from collections.abc import Mapping, Sequence

from refsast.model.network import Network
from refsast.model.params import Layer

NOTHING_FLOWS = "nothing flows back to it"


def arrange_grads(grads: object, network: Network) -> tuple[Sequence[object], tuple[str, ...]]:
    """Return gradients as layers, each by the names w, b and v; and the names of what is beside.

    Accepted are sequences, and mappings with any keys, of layers or of arrays. Arrays, and the
    parts of a layer that is a tuple, come in the order w, b, v, as frameworks list parameters. What
    is not arranged is returned as it is, for the reader to refuse; a wrong count is a ValueError.
    """
    named = _name_entries(grads)
    if named is None:
        return grads, ()  # pyright: ignore[reportReturnType]
    if any(map(_is_array, named.values())) and all(
        value is None or _is_array(value) or _is_number(value) for value in named.values()
    ):
        return _split_layers(named, network)
    named, beside = _set_numbers_aside(named, len(network.shapes))
    layers = list(named.values())
    if len(layers) != len(network.shapes):
        return layers, ()
    found = []
    for (name, layer), names in zip(named.items(), network.shapes, strict=True):
        parts, more = _name_parts(layer, names, name)
        found.append(parts)
        beside += more
    return found, beside


def _name_entries(grads: object) -> dict[str, object] | None:
    """What is in a mapping or a sequence, by its key or place; None: it is neither, or empty."""
    if isinstance(grads, Mapping):
        return {str(key): value for key, value in grads.items()} or None
    if not isinstance(grads, Sequence) or isinstance(grads, str):
        return None
    return {f"grads[{i}]": value for i, value in enumerate(grads)} or None


def _is_array(value: object) -> bool:
    """Whether it has axes, as the arrays and tensors of parameters have."""
    return not isinstance(value, Layer) and len(getattr(value, "shape", ())) > 0


def _is_number(value: object) -> bool:
    """Whether it is a single number: an array or tensor without axes, or Python's."""
    return isinstance(value, int | float) or getattr(value, "shape", None) == ()


def _split_layers(
    named: Mapping[str, object], network: Network
) -> tuple[list[object], tuple[str, ...]]:
    """Arrays one after the other, as layers; numbers that are not learned are set aside."""
    wanted = [f"grads[{i}].{name}" for i, names in enumerate(network.shapes) for name in names]
    learned = any(shape == () for names in network.shapes for shape in names.values())
    kept = {name: value for name, value in named.items() if learned or not _is_number(value)}
    arrays = {name: value for name, value in kept.items() if value is not None}
    if len(arrays) == len(wanted):  # then None is that of numbers that are not learned
        kept = arrays
    if len(kept) != len(wanted):
        raise ValueError(f"grads must have {', '.join(wanted)} in this order, got {len(kept)}")
    rest = iter(kept.values())
    layers: list[object] = [{name: next(rest) for name in names} for names in network.shapes]
    return layers, tuple(name for name in named if name not in kept)


def _set_numbers_aside(
    named: dict[str, object], wanted: int
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Entries without those that hold single numbers, if there are more than wanted; and these."""
    if len(named) <= wanted:
        return named, ()
    numbers = {name: _numbers_in(value, name) for name, value in named.items()}
    kept = {name: value for name, value in named.items() if not numbers[name]}
    return kept, tuple(each for found in numbers.values() for each in found)


def _numbers_in(value: object, name: str) -> list[str]:
    """The names of single numbers, of an entry that holds nothing else."""
    if _is_number(value):
        return [name]
    if isinstance(value, Mapping) and all(map(_is_number, value.values())):
        return [f"{name}.{key}" for key in value]
    return []


def _name_parts(
    layer: object, names: Mapping[str, object], name: str
) -> tuple[object, tuple[str, ...]]:
    """A layer's parts by name, if they come as a tuple; and the numbers beside them."""
    if isinstance(layer, Layer):
        return {k: a for k, a in vars(layer).items() if a is not None or k in names}, ()
    if not isinstance(layer, tuple | list):
        return layer, ()
    parts, beside = _set_numbers_aside(
        {f"{name}[{i}]": part for i, part in enumerate(layer)}, len(names)
    )
    if len(parts) != len(names):
        raise ValueError(f"{name} must have {', '.join(names)}, got {len(parts)} parts")
    return dict(zip(names, parts.values(), strict=True)), beside
