"""The nodes of a NIR graph as a chain, and their arrays; errors about malformed graphs.

Nothing here imports NIR: a graph has ``nodes``, by name, and ``edges``, pairs of names.
"""

from collections import Counter
from typing import Protocol

import numpy as np

from refsast.arrays import Array, as_array
from refsast.crosscheck.adapters.conversion import NoExactConversion
from refsast.crosscheck.foreign_arrays import convert_array
from refsast.crosscheck.implementation import PROGRAM
from refsast.model.params import Layer


class Graph(Protocol):
    """The part of a NIR graph that is used."""

    nodes: dict
    edges: list


def chain(graph: Graph) -> tuple[list[tuple[str, object]], int]:
    """Return names and nodes between input and output, in their order, and the number of inputs.

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
    if shape.shape != (1,):
        raise ValueError(
            f"{first!r} must have one axis, got shape {tuple(shape.tolist())}: {PROGRAM}"
        )
    return [(name, nodes[name]) for name in order[1:-1]], int(shape[0])


def _single_node(nodes: dict, kind: str) -> str:
    """The name of the one node of a kind."""
    found = [name for name, node in nodes.items() if type(node).__name__ == kind]
    if len(found) != 1:
        raise ValueError(f"graph must have one {kind} node, got {len(found)}: {PROGRAM}")
    return found[0]


def read_map(name: str, node: object, n_in: int) -> Layer:
    """Return the weights of a map of `n_in` inputs, and its bias if it has one, float64."""
    w = _float_array(f"{name}.weight", getattr(node, "weight", None), ("n_out", n_in))
    bias = getattr(node, "bias", None)
    return Layer(w, None if bias is None else _float_array(f"{name}.bias", bias, (len(w),)))


def _float_array(name: str, value: object, shape: tuple[int | str, ...]) -> Array:
    return as_array(convert_array(value, name).astype(np.float64), name, shape)


def read_scalar(name: str, value: object, n: int) -> float:
    """Return the number that all `n` neurons of a layer share: one, or one per neuron."""
    array = as_array(convert_array(value, name).astype(np.float64), name)
    numbers, shape = array.ravel(), array.shape
    if numbers.size not in (1, n):
        raise ValueError(f"{name} must have shape ({n},), got {shape}")
    if (numbers != numbers[0]).any():
        raise NoExactConversion(
            f"{name} must be one number for all neurons, got {numbers.min()} to {numbers.max()}; "
            "lost: all but one"
        )
    return float(numbers[0])
