"""Faults of a connection: its kernels and pools, the order of channels, skips, scales, sums."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import stop_gradient
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.faults.fault import Change, Fault, backward_as
from refsast.crosscheck.diagnose.faults.kernel import kernel_faults
from refsast.crosscheck.diagnose.faults.part import Part, change_part
from refsast.crosscheck.diagnose.faults.pooling import pooling_faults
from refsast.crosscheck.general.plan import Plan, change_layer
from refsast.model.connections.chain import apply_part
from refsast.model.connections.conv2d import Conv2d
from refsast.model.connections.dense import Dense
from refsast.model.connections.skip import Skip
from refsast.model.connections.windows import Shape
from refsast.model.network import Network
from refsast.model.params import Layer, layer_arrays


def connection_faults() -> Iterator[Fault]:
    """Yield the faults of a connection."""
    yield from kernel_faults()
    yield from pooling_faults()
    yield from _other_faults()
    yield from sum_faults()


def _other_faults() -> Iterator[Fault]:
    yield Fault(
        "channels last", "with an image flattened with its channels last",
        change_part(Dense, _channels_last, lambda part, shape: len(shape) == 3 and shape[0] > 1),
    )  # fmt: skip
    yield Fault(
        "channels first", "with an image taken to have its channels last",
        change_part(Dense, _channels_first, lambda part, shape: len(shape) == 3 and shape[0] > 1),
    )  # fmt: skip
    for name, order in (("last", _channels_last), ("first", _channels_first)):
        yield Fault(
            f"channels {name} before the kernel",
            f"with the order of an image with its channels {name} before the kernel",
            change_part(Conv2d, order, lambda part, shape: shape[0] > 1),
        )
    yield from _scale_faults()
    yield Fault("no skip", "without the skip connection", change_part(Skip, _skip(lambda a, e: a)))
    yield Fault("skip one step late", "with the skip connection one step later", _delay(skips=True))
    yield Fault(
        "input one step late", "with the spikes of the layer below one step later",
        _delay(skips=False),
    )  # fmt: skip
    yield Fault(
        "skip detached", "with the skip connection detached",
        change_part(Skip, _skip(lambda a, e: a + stop_gradient(e))), backward=True,
        below=True,
    )  # fmt: skip
    yield Fault(
        "no bias", "without the bias",
        change_part(
            (Conv2d, Dense),
            lambda part, shape, layer, a, earlier: part(layer.w, None, a, shape),
        ),
    )  # fmt: skip
    yield Fault(
        "input detached", "with the layer's input detached",
        change_part(
            (Conv2d, Dense),
            lambda part, shape, layer, a, earlier: part(layer.w, layer.b, stop_gradient(a), shape),
        ),
        backward=True,
        below=True,
    )  # fmt: skip
    yield Fault(
        "weights transposed", "with the weights transposed",
        change_part(
            Dense,
            lambda part, shape, layer, a, earlier: part(layer.w.T, layer.b, a, shape),
            lambda part, shape: part.n == int(np.prod(shape)),
        ),
    )  # fmt: skip


def _delay(*, skips: bool) -> Change:
    """What comes from below, or past a layer, comes one step later."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
        chain, shapes = case.network.chains[i], case.network.chain_shapes[i]
        if skips and not any(isinstance(part, Skip) for part in chain):
            return None

        def currents(network: Network, i: int, layer: Layer, earlier: Sequence[Array]) -> Array:
            time, batch = earlier[0].shape[:2]

            def rows(a: Array) -> Array:
                return np.stack([a[t] for t in range(time)]).reshape(time * batch, -1)

            def late(a: Array) -> Array:
                steps = [np.zeros(a.shape[1:]), *(a[t] for t in range(time - 1))]
                return np.stack(steps).reshape(time * batch, -1)

            passed = [(late if skips else rows)(a) for a in earlier]
            a = rows(earlier[-1]) if skips else late(earlier[-1])
            for part, shape in zip(chain, shapes, strict=False):
                a = apply_part(part, shape, layer, a, passed)
            return a.reshape(time, batch, -1)

        return change_layer(plan, i, currents=currents)

    return change


def _scale_faults() -> Iterator[Fault]:
    def scaled(part: str) -> Change:
        def change(case: Case, plan: Plan, i: int, value: float) -> Plan | None:
            found = {
                "weights": change_part((Conv2d, Dense), _scale_weights(value)),
                "input": _scale_currents(value),
                "skip": change_part(Skip, _skip(lambda a, e: a + value * e)),
                "sum at the skip": change_part(Skip, _skip(lambda a, e: value * (a + e))),
                "skip's gradient": change_part(
                    Skip,
                    _skip(lambda a, e: backward_as(a + e, a + value * e)),
                ),
            }
            return found[part](case, plan, i, 1.0)

        return change

    for part, backward in (
        ("weights", False), ("input", False), ("skip", False), ("sum at the skip", False),
        ("skip's gradient", True),
    ):  # fmt: skip
        yield Fault(
            f"{part} scaled", f"with the {part} multiplied by {{value}}", scaled(part),
            backward=backward, below=backward, values=lambda case, i: (2.0, 0.5),
            right=lambda case, i: 1.0,
        )  # fmt: skip
    yield Fault(
        "input times 1 - leak", "with the input multiplied by one minus the leak", _leaky_input
    )


def _scale_weights(value: float) -> Part:
    return lambda part, shape, layer, a, earlier: part(value * layer.w, layer.b, a, shape)


def _scale_currents(value: float) -> Change:
    def change(case: Case, plan: Plan, i: int, _: float) -> Plan:
        inner = plan.layers[i].currents
        return change_layer(plan, i, currents=lambda *args: value * inner(*args))

    return change


def _leaky_input(case: Case, plan: Plan, i: int, value: float) -> Plan:
    """The leak is that of the layer, also where it is learned."""
    inner = plan.layers[i].step

    def step(neuron: Any, numbers: Any, states: Any, current: Array) -> Any:
        return inner(neuron, numbers, states, (1.0 - numbers["leak"]) * current)

    return change_layer(plan, i, step=step)


def _channels_first(
    part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]
) -> Array:
    channels, *sides = shape
    order = np.arange(int(np.prod(shape))).reshape(*sides, channels).transpose(2, 0, 1).ravel()
    return part(layer.w, layer.b, np.take(a, order, axis=-1), shape)


def _channels_last(
    part: Any, shape: Shape, layer: Layer, a: Array, earlier: Sequence[Array]
) -> Array:
    order = np.arange(int(np.prod(shape))).reshape(shape).transpose(1, 2, 0).ravel()
    return part(layer.w, layer.b, np.take(a, order, axis=-1), shape)


def _skip(change: Callable[[Array, Array], Array]) -> Part:
    return lambda part, shape, layer, a, earlier: change(a, earlier[part.layer])


def sum_faults() -> Iterator[Fault]:
    """Yield gradients of weights from some terms alone."""
    for what, names in SUMS.items():
        for words, mask in ROWS.items():
            yield Fault(
                f"{what} of {words} alone",
                f"with the {what} of {words} alone",
                _mask_rows(mask, names),
                backward=True,
                local=tuple(names),
            )


SUMS = {
    "gradients of weights and bias": ("w", "b"),
    "gradient of the weights": ("w",),
    "gradient of the bias": ("b",),
}
ROWS: dict[str, Callable[[int, int], Any]] = {
    "the last step": lambda time, batch: np.arange(time)[:, None] == time - 1,
    "the first step": lambda time, batch: np.arange(time)[:, None] == 0,
    "all steps but the first": lambda time, batch: np.arange(time)[:, None] > 0,
    "all steps but the last": lambda time, batch: np.arange(time)[:, None] < time - 1,
    "the first recording": lambda time, batch: np.arange(batch) == 0,
    "the last recording": lambda time, batch: np.arange(batch) == batch - 1,
}


def _mask_rows(mask: Callable[[int, int], Any], names: Sequence[str]) -> Change:
    """Gradients of weights or bias from some steps and recordings alone."""

    def change(case: Case, plan: Plan, i: int, value: float) -> Plan:
        inner = plan.layers[i].currents

        def currents(network: Network, i: int, layer: Layer, earlier: Sequence[Array]) -> Array:
            kept = inner(network, i, layer, earlier)
            fixed = {n: stop_gradient(a) for n, a in layer_arrays(layer).items() if n in names}
            cut = inner(network, i, replace(layer, **fixed), earlier)
            rows = np.broadcast_to(mask(*kept.shape[:2]), kept.shape[:2])[:, :, None]
            return np.where(rows, kept, cut)

        return change_layer(plan, i, currents=currents)

    return change
