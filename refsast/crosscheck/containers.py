"""Gradients in whatever containers people keep them: by layer, by name, or one after the other."""

from collections.abc import Mapping, Sequence

from refsast.model.network import Network
from refsast.model.params import Layer

NOTHING_FLOWS = "nothing flows back to it"


def arrange_grads(grads: object, network: Network) -> Sequence[object]:
    """Return gradients as a sequence of layers, each a mapping by the names w, b and v.

    Accepted are sequences, and mappings with any keys, of layers or of arrays. Arrays, and the
    parts of a layer that is a tuple, come in the order w, b, v, as frameworks list parameters. What
    is not arranged is returned as it is, for the reader to refuse; a wrong count is a ValueError.
    """
    if isinstance(grads, Mapping) and grads:
        grads = list(grads.values())
    if not isinstance(grads, Sequence) or isinstance(grads, str) or not grads:
        return grads  # pyright: ignore[reportReturnType]
    if all(map(_is_array, grads)):
        return _split_layers(grads, network)
    shapes = network.shapes
    if len(grads) != len(shapes):
        return grads
    return [
        _name_parts(layer, names, i)
        for i, (layer, names) in enumerate(zip(grads, shapes, strict=True))
    ]


def _is_array(value: object) -> bool:
    """Whether it has a shape, as arrays and tensors have, or is the None of a parameter."""
    return not isinstance(value, Layer) and len(getattr(value, "shape", ())) > 0


def _split_layers(arrays: Sequence[object], network: Network) -> list[dict[str, object]]:
    """Arrays one after the other, as layers."""
    wanted = [f"grads[{i}].{name}" for i, names in enumerate(network.shapes) for name in names]
    if len(arrays) != len(wanted):
        raise ValueError(f"grads must have {', '.join(wanted)} in this order, got {len(arrays)}")
    rest = iter(arrays)
    return [{name: next(rest) for name in names} for names in network.shapes]


def _name_parts(layer: object, names: Mapping[str, object], index: int) -> object:
    """A layer's parts by name, if they come as a tuple."""
    if isinstance(layer, Layer):
        return {name: a for name, a in vars(layer).items() if a is not None or name in names}
    if not isinstance(layer, tuple | list):
        return layer
    if len(layer) != len(names):
        raise ValueError(f"grads[{index}] must have {', '.join(names)}, got {len(layer)} parts")
    return dict(zip(names, layer, strict=True))
