"""What is done at the end: to all gradients together, and to potentials that are handed over.

Rule 1: each is a change of the whole answer, which no level shows alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting
from refsast.crosscheck.diagnose.knobs.finish import BENDS, norm_of
from refsast.crosscheck.diagnose.knobs.precision import ROUNDINGS
from refsast.model.params import ARRAY_NAMES

# What potentials are handed over as, of potentials, spikes and threshold; they are computed right.
STORED: Mapping[str, Callable[[Array, Array, float], Array]] = {
    "potentials of the last step handed over": lambda u, s, theta: np.broadcast_to(u[-1:], u.shape),
    "potentials handed over after a reset to zero": lambda u, s, theta: u * (1.0 - s),
    "potentials handed over after a subtraction": lambda u, s, theta: u - theta * s,
}
OF_ALL = ("smallest entries dropped",)
EXCHANGE = "gradients of layers"
# One array for the gradients of all spiking layers: of which parts, and is it added to?
ONE_ARRAY: Mapping[str, tuple[tuple[str, ...], bool]] = {
    f"{EXCHANGE} in one array: {what} in {words}": (parts, what == "sums of those")
    for what in ("sums of those", "the first layer's")
    for words, parts in (
        ("W", ("w",)),
        ("W and V", ("w", "v")),
        ("V", ("v",)),
        ("biases", ("b",)),
        ("all", ARRAY_NAMES),
    )
}
GRADIENT_ROUNDINGS = {
    **{f"gradients in {name}": change for name, change in ROUNDINGS.items()},
    **{f"gradients in {n} decimals": lambda a, n=n: np.round(a, n) for n in (4, 3, 5, 6, 8, 2)},
}


def exchange_orders(shapes: Sequence[tuple]) -> dict[str, list[int]]:
    """Return by name whose gradients each layer is given by mistake; they need the same shapes."""
    each = list(range(len(shapes)))
    found = {}
    for i, j in combinations(each, 2):
        found[f"{EXCHANGE} {i + 1} and {j + 1} exchanged"] = [{i: j, j: i}.get(k, k) for k in each]
    for n in range(4, len(shapes) + 1):  # of fewer, two are exchanged
        found[f"{EXCHANGE} 1 to {n} in reversed order"] = each[:n][::-1] + each[n:]
    return {
        name: order for name, order in found.items() if [shapes[k] for k in order] == list(shapes)
    }


def find_shared_arrays(levels: Sequence[Mapping[str, tuple]]) -> list[str]:
    """Return the names of `ONE_ARRAY` that fit the shapes of spiking layers, each change once."""
    found: dict[tuple[frozenset[str], bool], str] = {}
    for name, (parts, added) in ONE_ARRAY.items() if len(levels) > 1 else ():
        own = frozenset(parts) & {*levels[0]}
        if all(level.get(part) == levels[0].get(part) for part in parts for level in levels):
            found.setdefault((own, added), name)
    return [name for (own, _), name in found.items() if own]


def hand_over(case: Case, setting: Setting, us: Sequence, ss: Sequence) -> tuple[Array, ...]:
    """Return potentials as they are handed over."""
    for name in [name for name in STORED if (name, WHOLE) in setting]:
        neurons = case.network.neurons
        us = [STORED[name](u, s, n.threshold) for u, s, n in zip(us, ss, neurons, strict=True)]
    return tuple(us)


def whole_changes(setting: Setting) -> frozenset[tuple[str, float]]:
    """Return what a setting does to all gradients together."""
    own = (*BENDS, *GRADIENT_ROUNDINGS, *OF_ALL)
    return frozenset(
        (name, value)
        for (name, at), value in setting.items()
        if at == WHOLE and (name in own or name.startswith(EXCHANGE))
    )


def finish_whole(
    changes: Iterable[tuple[str, float]],
    spiking: list[dict[str, Array]],
    readout: list[dict[str, Array]],
) -> list[dict[str, Array]]:
    """Return all gradients after what is done to them together."""
    found = levels = spiking + readout
    exchanges = exchange_orders(
        [tuple((part, a.shape[1:]) for part, a in level.items()) for level in levels]
    )
    for name, value in changes:
        if name in exchanges:
            found = [found[k] for k in exchanges[name]]
        elif name in ONE_ARRAY:
            found = _share_array(found[: len(spiking)], *ONE_ARRAY[name]) + found[len(spiking) :]
        elif name in BENDS:
            found = _bend_all(BENDS[name], value, found)
        elif name in GRADIENT_ROUNDINGS:
            change = GRADIENT_ROUNDINGS[name]
            found = [{part: change(a) for part, a in level.items()} for level in found]
        elif name in OF_ALL:
            found = _drop_smallest(found, value)
    return found


def _share_array(
    levels: list[dict[str, Array]], parts: Sequence[str], added: bool
) -> list[dict[str, Array]]:
    """Gradients of spiking layers of one shape, some of them in one array."""
    one = {
        part: sum((level[part] for level in levels), np.zeros(())) if added else levels[0][part]
        for part in parts
        if part in levels[0]
    }
    return [{**level, **one} for level in levels]


def _bend_all(
    change: Callable[[Array, Array, Array], Array], limit: float, levels: list[dict[str, Array]]
) -> list[dict[str, Array]]:
    """All gradients bent by one norm."""
    squares = sum(norm_of(a).ravel() ** 2 for level in levels for a in level.values())

    def bend(a: Array) -> Array:
        norm = np.sqrt(squares).reshape(-1, *(1,) * (a.ndim - 1))
        return change(a, np.asarray(limit), norm)

    return [{part: bend(a) for part, a in level.items()} for level in levels]


def _drop_smallest(levels: list[dict[str, Array]], share: float) -> list[dict[str, Array]]:
    """All gradients with a share of their entries, the smallest, made zero."""
    sizes = np.concatenate(
        [abs(a).reshape(len(a), -1) for level in levels for a in level.values()], axis=1
    )
    least = np.quantile(sizes, share, axis=1)

    def drop(a: Array) -> Array:
        return np.where(abs(a) >= least.reshape(-1, *(1,) * (a.ndim - 1)), a, 0.0)

    return [{part: drop(a) for part, a in level.items()} for level in levels]
