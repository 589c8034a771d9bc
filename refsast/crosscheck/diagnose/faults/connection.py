"""Faults of a connection: kernels, windows, pooling, the order of channels, skips, sums."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array, Integers
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import Change, Fault, backward_as
from refsast.crosscheck.general.plan import Plan, change_layer
from refsast.model.connections.chain import apply_part
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.dense import Dense
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d
from refsast.model.connections.skip import Skip
from refsast.model.connections.windows import Shape, look_up, window_index
from refsast.model.network import Network
from refsast.model.params import Layer

# ``(part, shape, layer, a, earlier) -> value`` in place of `apply_part`.
Part = Callable[[Any, Shape, Layer, Array, Sequence[Array]], Array]


def connection_faults() -> Iterator[Fault]:
    """Yield the faults of a connection."""
    yield from _kernel_faults()
    yield from _pool_faults()
    yield from _other_faults()
    yield from _sum_faults()


def _change_part(kinds: type | tuple[type, ...], part_change: Part, allowed: Any = None) -> Change:
    """All maps of these kinds in a layer's chain do something else; they keep all else."""

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


def _reorder(w: Array, change: Callable[[Integers], Integers]) -> Array:
    """The same numbers in another order; on the tape, too."""
    places = np.arange(int(np.prod(w.shape))).reshape(w.shape)
    return np.take(w.reshape(1, -1), change(places).ravel(), axis=-1).reshape(*w.shape)


def _with_weights(change: Callable[[Array], Array]) -> Part:
    return lambda part, shape, layer, a, earlier: part(change(layer.w), layer.b, a, shape)


def _flip(w: Array) -> Array:
    return _reorder(w, lambda n: n[:, :, ::-1, ::-1])


def _swap_sides(w: Array) -> Array:
    return _reorder(w, lambda n: n.swapaxes(2, 3))


def _by_paths(of_weights: Callable[[Array], Array], of_input: Callable[[Array], Array]) -> Part:
    """The right value, with other weights in the gradient of the weights and of the input."""

    def part(part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]) -> Array:
        right = part(layer.w, layer.b, a, shape)
        path = part(of_weights(layer.w), layer.b, stop_gradient(a), shape)
        path = path + part(stop_gradient(of_input(layer.w)), None, a, shape)
        return backward_as(right, path)

    return part


def _shifted(dy: int, dx: int) -> Part:
    """The image moved by so many pixels, with zeros from outside: padding at one side."""

    def part(part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]) -> Array:
        return apply_part(part, shape, layer, look_up(a, shifted_index(shape, dy, dx)), earlier)

    return part


def shifted_index(shape: Shape, dy: int, dx: int) -> Any:
    """Return where each pixel comes from, (pixels,), -1 from outside."""
    channels, height, width = shape
    y, x = np.arange(height)[:, None] + dy, np.arange(width) + dx
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    place = np.where(inside, y * width + x, -1)
    first = height * width * np.arange(channels)[:, None, None]
    return np.where(place >= 0, place + first, -1).ravel()


def _edge_padding(
    part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]
) -> Array:
    """Padding by the pixel at the edge."""
    channels, height, width = shape
    py, px = part.padding
    y = np.clip(np.arange(-py, height + py), 0, height - 1)
    x = np.clip(np.arange(-px, width + px), 0, width - 1)
    first = height * width * np.arange(channels)[:, None, None]
    index = (y[:, None] * width + x + first).ravel()
    bare = Conv2d(part.channels, part.kernel, part.stride, 0, part.dilation, part.groups)
    larger = (channels, height + 2 * py, width + 2 * px)
    return bare(layer.w, layer.b, np.take(a, index, axis=-1), larger)


def _is_square(part: Any, shape: Shape) -> bool:
    return part.kernel[0] == part.kernel[1] > 1


def _is_wide(part: Any, shape: Shape) -> bool:
    return part.kernel != (1, 1)


def _kernel_faults() -> Iterator[Fault]:
    yield Fault(
        "kernel flipped", "with the kernel flipped (a convolution, not a cross-correlation)",
        _change_part(Conv2d, _with_weights(_flip), _is_wide),
    )  # fmt: skip
    yield Fault(
        "kernel transposed", "with height and width of the kernel exchanged",
        _change_part(Conv2d, _with_weights(_swap_sides), _is_square),
    )  # fmt: skip
    yield Fault(
        "kernel not flipped backwards", "with the kernel flipped in the gradient of its input",
        _change_part(Conv2d, _by_paths(lambda w: w, _flip), _is_wide), backward=True,
    )  # fmt: skip
    yield Fault(
        "kernel's gradient flipped", "with the gradient of the kernel flipped",
        _change_part(Conv2d, _by_paths(_flip, lambda w: w), _is_wide), backward=True,
    )  # fmt: skip
    yield Fault(
        "kernel's gradient transposed", "with height and width exchanged in the kernel's gradient",
        _change_part(Conv2d, _by_paths(_swap_sides, lambda w: w), _is_square), backward=True,
    )  # fmt: skip
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if (dy, dx) != (0, 0):
                yield Fault(
                    f"windows moved by ({dy}, {dx})",
                    f"with all windows moved by {dy} rows and {dx} columns, as by a padding or "
                    "stride that is off by one at one side",
                    _change_part((Conv2d, AvgPool2d, MaxPool2d), _shifted(dy, dx)),
                )
    yield Fault(
        "padding by the edge", "with the pixels at the edge as padding, not zeros",
        _change_part(Conv2d, _edge_padding, lambda part, _: part.padding != (0, 0)),
    )  # fmt: skip


def _pooled(change: Callable[[Any, Shape, Array], Array]) -> Part:
    return lambda part, shape, layer, a, earlier: change(part, shape, a)


def _places(part: Any) -> int:
    return int(np.prod(part.kernel))


def _other_kind(part: Any, shape: Shape, a: Array) -> Array:
    kind = AvgPool2d if isinstance(part, MaxPool2d) else MaxPool2d
    return kind(part.kernel, part.stride, part.padding)(a, shape)


def _tied_path(keep: Callable[[Array], Array]) -> Callable[[Any, Shape, Array], Array]:
    """The largest of each window, its gradient to all that are as large, by weights `keep`."""

    def pool(part: Any, shape: Shape, a: Array) -> Array:
        right = part(a, shape)
        index = window_index(shape, part.kernel, part.stride, part.padding, (1, 1))  # pyright: ignore[reportArgumentType]
        values = look_up(np.asarray(stop_gradient(a)), index, outside=-np.inf)
        weights = keep(values == values.max(axis=-2, keepdims=True))
        path = (look_up(a, index) * weights).sum(axis=-2)
        return backward_as(right, path.reshape(*right.shape))

    return pool


def _last_tie(ties: Array) -> Array:
    later = np.cumsum(ties[..., ::-1, :], axis=-2)[..., ::-1, :]
    return 1.0 * (ties & (later == 1))


def _pool_faults() -> Iterator[Fault]:
    yield Fault(
        "pooling not divided", "with sums in place of means in the pooling",
        _change_part(AvgPool2d, _pooled(lambda part, shape, a: _places(part) * part(a, shape))),
    )  # fmt: skip
    yield Fault(
        "pooling's gradient not divided", "with the pooling's gradient not divided by its size",
        _change_part(
            AvgPool2d,
            _pooled(lambda p, shape, a: backward_as(p(a, shape), _places(p) * p(a, shape))),
        ),
        backward=True,
    )  # fmt: skip
    yield Fault(
        "other pooling", "with mean and maximum exchanged in the pooling",
        _change_part((AvgPool2d, MaxPool2d), _pooled(_other_kind)),
    )  # fmt: skip
    ties = {
        "to all of the largest": lambda t: 1.0 * t,
        "shared by all of the largest": lambda t: t / t.sum(axis=-2, keepdims=True),
        "to the last of the largest": _last_tie,
        "to every place": lambda t: np.ones(t.shape),
        "evenly to every place": lambda t: np.full(t.shape, 1.0 / t.shape[-2]),
    }
    for words, keep in ties.items():
        yield Fault(
            f"pooling's gradient {words}",
            f"with the gradient of the pooling {words}",
            _change_part(MaxPool2d, _pooled(_tied_path(keep))),
            backward=True,
        )


def _channels_last(
    part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]
) -> Array:
    order = np.arange(int(np.prod(shape))).reshape(shape).transpose(1, 2, 0).ravel()
    return part(layer.w, layer.b, np.take(a, order, axis=-1), shape)


def _skip(change: Callable[[Array, Array], Array]) -> Part:
    return lambda part, shape, layer, a, earlier: change(a, earlier[part.layer])


def _other_faults() -> Iterator[Fault]:
    yield Fault(
        "channels last", "with an image flattened with its channels last",
        _change_part(Dense, _channels_last, lambda part, shape: len(shape) == 3 and shape[0] > 1),
    )  # fmt: skip
    yield Fault("no skip", "without the skip connection", _change_part(Skip, _skip(lambda a, e: a)))
    yield Fault(
        "skip doubled", "with the skip connection counted twice",
        _change_part(Skip, _skip(lambda a, e: a + 2.0 * e)),
    )  # fmt: skip
    yield Fault(
        "skip detached", "with the skip connection detached",
        _change_part(Skip, _skip(lambda a, e: a + stop_gradient(e))), backward=True,
    )  # fmt: skip
    yield Fault(
        "no bias", "without the bias",
        _change_part(
            (Conv2d, Dense),
            lambda part, shape, layer, a, earlier: part(layer.w, None, a, shape),
        ),
    )  # fmt: skip
    yield Fault(
        "input detached", "with the layer's input detached",
        _change_part(
            (Conv2d, Dense),
            lambda part, shape, layer, a, earlier: part(layer.w, layer.b, stop_gradient(a), shape),
        ),
        backward=True,
    )  # fmt: skip
    yield Fault(
        "weights transposed", "with the weights transposed",
        _change_part(
            Dense,
            lambda part, shape, layer, a, earlier: part(layer.w.T, layer.b, a, shape),
            lambda part, shape: part.n == int(np.prod(shape)),
        ),
    )  # fmt: skip


ROWS: dict[str, Callable[[int, int], Any]] = {
    "the last step": lambda time, batch: np.arange(time)[:, None] == time - 1,
    "the first step": lambda time, batch: np.arange(time)[:, None] == 0,
    "all steps but the first": lambda time, batch: np.arange(time)[:, None] > 0,
    "all steps but the last": lambda time, batch: np.arange(time)[:, None] < time - 1,
    "the first recording": lambda time, batch: np.arange(batch) == 0,
    "the last recording": lambda time, batch: np.arange(batch) == batch - 1,
}


def _mask_rows(mask: Callable[[int, int], Any]) -> Change:
    """Gradients of weights and bias from some steps and recordings alone."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan:
        inner = plan.layers[i].currents

        def currents(network: Network, i: int, layer: Layer, earlier: Sequence[Array]) -> Array:
            kept = inner(network, i, layer, earlier)
            b = None if layer.b is None else stop_gradient(layer.b)
            cut = inner(network, i, replace(layer, w=stop_gradient(layer.w), b=b), earlier)
            rows = np.broadcast_to(mask(*kept.shape[:2]), kept.shape[:2])[:, :, None]
            return np.where(rows, kept, cut)

        return change_layer(plan, i, currents=currents)

    return change


def _sum_faults() -> Iterator[Fault]:
    for words, mask in ROWS.items():
        yield Fault(
            f"weights' gradient of {words} alone",
            f"with the gradients of weights and bias of {words} alone",
            _mask_rows(mask),
            backward=True,
        )
