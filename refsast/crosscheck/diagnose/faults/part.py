"""A map of a connection that does something else."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import Change, alter
from refsast.crosscheck.general.plan import Plan, change_layer
from refsast.model.connections.chain import apply_part
from refsast.model.connections.pool2d import MaxPool2d
from refsast.model.connections.windows import Shape, look_up
from refsast.model.network import Network
from refsast.model.params import Layer

# ``(part, shape, layer, a, earlier) -> value`` in place of `apply_part`.
Part = Callable[[Any, Shape, Layer, Array, Sequence[Array]], Array]


def change_part(kinds: type | tuple[type, ...], part_change: Part, allowed: Any = None) -> Change:
    """Return the change by which all maps of these kinds in a layer do something else."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        network = case.network
        chain, shapes = network.chains[i], network.chain_shapes[i]
        found = [
            (part, shape)
            for part, shape in zip(chain, shapes, strict=False)
            if isinstance(part, kinds) and (allowed is None or allowed(part, shape))
        ]
        if not found:
            return None

        def currents(network: Network, i: int, layer: Layer, earlier: Sequence[Array]) -> Array:
            time, batch = earlier[0].shape[:2]
            rows = [a.reshape(time * batch, -1) for a in earlier]
            a = rows[-1]
            for part, shape in zip(chain, shapes, strict=False):
                wrong = (part, shape) in found
                a = (part_change if wrong else apply_part)(part, shape, layer, a, rows)
            return a.reshape(time, batch, -1)

        return change_layer(plan, i, currents=currents)

    return change


def move_windows(
    dy: int = 0, dx: int = 0, *, stride: int = 0, dilation: Callable[[int], int] = lambda d: d
) -> Part:
    """Return windows that begin so many pixels later; beside the image are zeros, as padding.

    They are `stride` pixels further apart, those of a window `dilation`; as many as the right ones.
    """

    def part(part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]) -> Array:
        channels, *sides = shape
        counts = part.output_shape(shape)[1:]
        y, x = (
            (
                np.arange(count)[:, None] * (s + stride)
                + np.arange(k) * dilation(d)
                - p
                + moved
            ).ravel()
            for count, k, s, d, p, moved in zip(
                counts, part.kernel, part.stride, getattr(part, "dilation", (1, 1)), part.padding,
                (dy, dx), strict=True,
            )
        )  # fmt: skip
        y, x = y[:, None], x[None, :]
        inside = (y >= 0) & (y < sides[0]) & (x >= 0) & (x < sides[1])
        place = np.where(inside, y * sides[1] + x, -1)
        first = sides[0] * sides[1] * np.arange(channels)[:, None, None]
        index = np.where(place >= 0, place + first, -1).ravel()
        apart = look_up(a, index, -np.inf if isinstance(part, MaxPool2d) else 0.0)
        side_by_side = alter(part, padding=(0, 0), stride=part.kernel)
        if hasattr(part, "dilation"):
            side_by_side = alter(side_by_side, dilation=(1, 1))
        return apply_part(side_by_side, (channels, *place.shape), layer, apart, earlier)

    return part
