"""Faults of pooling: sums, other means, who receives the gradient of a maximum."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.diagnose.faults.fault import Fault, backward_as
from refsast.crosscheck.diagnose.faults.part import Part, change_part
from refsast.model.connections.pool2d import AvgPool2d, MaxPool2d, pool_index
from refsast.model.connections.windows import Shape, look_up


def pooling_faults() -> Iterator[Fault]:
    """Yield the faults of pooling."""
    yield Fault(
        "pooling not divided", "with sums in place of means in the pooling",
        change_part(AvgPool2d, _pooled(lambda part, shape, a: _places(part) * part(a, shape))),
    )  # fmt: skip
    yield Fault(
        "pooling's gradient not divided", "with the pooling's gradient not divided by its size",
        change_part(
            AvgPool2d,
            _pooled(lambda p, shape, a: backward_as(p(a, shape), _places(p) * p(a, shape))),
        ),
        backward=True,
        below=True,
    )  # fmt: skip
    yield Fault(
        "padding not counted", "with the mean of a pooling over the pixels of the image alone",
        change_part(AvgPool2d, _pooled(_mean_inside), lambda part, _: part.padding != (0, 0)),
    )  # fmt: skip
    yield Fault(
        "other pooling", "with mean and maximum exchanged in the pooling",
        change_part((AvgPool2d, MaxPool2d), _pooled(_other_kind)),
    )  # fmt: skip
    yield Fault(
        "no gradient through empty windows",
        "without the gradient of the pooling's windows in which all is zero, "
        "as of a norm, which has none there",
        change_part(AvgPool2d, _pooled(_norm_path)), backward=True, below=True,
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
            change_part(MaxPool2d, _pooled(_tied_path(keep))),
            backward=True,
            below=True,
        )


def _pooled(change: Callable[[Any, Shape, Array], Array]) -> Part:
    return lambda part, shape, layer, a, earlier: change(part, shape, a)


def _places(part: Any) -> int:
    return int(np.prod(part.kernel))


def _mean_inside(part: Any, shape: Shape, a: Array) -> Array:
    index = pool_index(part, shape)
    inside = np.maximum((index >= 0).sum(axis=-2), 1).ravel()
    return part(a, shape) * (_places(part) / inside)


def _norm_path(part: Any, shape: Shape, a: Array) -> Array:
    right = part(a, shape)
    return backward_as(right, right * (np.asarray(stop_gradient(right)) != 0.0))


def _other_kind(part: Any, shape: Shape, a: Array) -> Array:
    kind = AvgPool2d if isinstance(part, MaxPool2d) else MaxPool2d
    return kind(part.kernel, part.stride, part.padding)(a, shape)


def _tied_path(keep: Callable[[Array], Array]) -> Callable[[Any, Shape, Array], Array]:
    """The largest of each window, its gradient to all that are as large, by weights `keep`."""

    def pool(part: Any, shape: Shape, a: Array) -> Array:
        right = part(a, shape)
        index = pool_index(part, shape)
        values = look_up(np.asarray(stop_gradient(a)), index, outside=-np.inf)
        weights = keep(values == values.max(axis=-2, keepdims=True))
        path = (look_up(a, index) * weights).sum(axis=-2)
        return backward_as(right, path.reshape(*right.shape))

    return pool


def _last_tie(ties: Array) -> Array:
    later = np.cumsum(ties[..., ::-1, :], axis=-2)[..., ::-1, :]
    return 1.0 * (ties & (later == 1))
