"""The nodes of a NIR graph as a chain, and their arrays; errors about malformed graphs.

Nothing here imports NIR: a graph has ``nodes``, by name, and ``edges``, pairs of names.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from refsast.arrays import Array, as_array
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.foreign_arrays import convert_array
from refsast.crosscheck.implementation import PROGRAM
from refsast.model.connections.windows import Shape
from refsast.model.params import Layer


class Graph(Protocol):
    """The part of a NIR graph that is used."""

    nodes: dict
    edges: list


def chain(graph: Graph) -> tuple[list[tuple[str, object]], Shape]:
    """Return names and nodes between input and output, in their order, and the input's shape.

    A ValueError says where it is not one chain from one input to one output.
    """
    nodes, edges = graph.nodes, [tuple(edge) for edge in graph.edges]
    for edge in edges:
        if len(edge) != 2 or not set(edge) <= set(nodes):
            raise ValueError(f"edges must join two nodes of the graph, got {edge}")
    first, last = (_single_node(nodes, kind) for kind in ("Input", "Output"))
    # One edge out of every node but the last, one into every node but the first.
    for end, way in ((0, "from"), (1, "into")):
        counts = Counter(edge[end] for edge in edges)
        for name in nodes:
            wanted = int(name != (last, first)[end])
            if counts[name] != wanted:
                raise ValueError(
                    f"graph must be a chain, with {wanted} edges {way} {name!r}, got "
                    f"{counts[name]}: {PROGRAM}"
                )
    successors, order = dict(edges), [first]
    while order[-1] != last:
        order.append(successors[order[-1]])
    # A cycle passes the test above, but the chain from the input does not reach it.
    if len(order) != len(nodes):
        raise ValueError(
            f"graph must be a chain, got nodes beside it: {sorted(set(nodes) - set(order))}; "
            f"{PROGRAM}"
        )
    shape = np.atleast_1d(np.asarray(nodes[first].input_type["input"]))
    if shape.shape not in ((1,), (3,)):
        wanted = "one axis, or channels, height and width"
        raise ValueError(
            f"{first!r} must have {wanted}, got shape {tuple(shape.tolist())}: {PROGRAM}"
        )
    return [(name, nodes[name]) for name in order[1:-1]], tuple(map(int, shape))


def _single_node(nodes: dict, kind: str) -> str:
    """The name of the one node of a kind."""
    found = [name for name, node in nodes.items() if type(node).__name__ == kind]
    if len(found) != 1:
        raise ValueError(f"graph must have one {kind} node, got {len(found)}: {PROGRAM}")
    return found[0]


def metadata(node: object) -> Mapping[str, object]:
    """Return the metadata of a node or graph."""
    found = getattr(node, "metadata", None)
    return found if isinstance(found, dict) else {}


def read_map(name: str, node: object, n_in: int) -> Layer:
    """Return the weights of a map of `n_in` inputs, and its bias if it has one, float64."""
    w = read_array(f"{name}.weight", node, ("n_out", n_in))
    bias = getattr(node, "bias", None)
    return Layer(w, None if bias is None else read_array(f"{name}.bias", node, (len(w),)))


def read_array(name: str, node: object, shape: Sequence[int | str]) -> Array:
    """Return a field, "node.field" in `name`, as a finite float64 array of that shape."""
    value = getattr(node, name.rpartition(".")[2], None)
    return as_array(convert_array(value, name).astype(np.float64), name, shape)


def read_numbers(name: str, value: object, n: int) -> Array:
    """Return one number for each of `n` neurons, (n,), of one for all or one for each."""
    array = as_array(convert_array(value, name).astype(np.float64), name)
    if array.size not in (1, n):
        raise ValueError(f"{name} must have shape ({n},), got {array.shape}")
    return np.broadcast_to(array.ravel(), (n,))


def require_one(name: str, numbers: Array, next_step: str) -> float:
    """Return the number that all neurons of a layer share."""
    if (numbers != numbers[0]).any():
        raise NoExactConversion(
            f"{name} must be one number for all neurons, got {numbers.min()} to {numbers.max()}; "
            f"lost: all but one; {next_step}"
        )
    return float(numbers[0])
