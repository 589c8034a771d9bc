"""Implementations that are right on small, plain networks and wrong on people's own.

Each is a change of the question, or of the answer, of a right gradient: ``change(network, params,
x, y) -> (loss, grads)``.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.crosscheck.case import Factory, cast_params
from refsast.model.params import Params, map_params, param_arrays, replace_arrays

Answer = tuple[float, Params]
Change = Callable[[rs.Network, Params, Array, Array], Answer]


def right(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
    """The gradient by hand."""
    return rs.fast.loss_and_grad(network, params, x, y)


def plain(case: rs.Case) -> None:
    """Refuse what the fast path has not."""
    if case.synapse is not None or case.hard:
        raise rs.Unsupported("no synapse, smooth spikes only")


def plant(change: Change) -> Factory:
    """Return the factory with a fault."""

    def factory(case: rs.Case) -> Callable[..., Answer]:
        plain(case)
        return lambda params, x, y: change(case.network, params, x, y)

    return factory


def neurons(change: Callable[[int, rs.LIF], rs.LIF]) -> Change:
    """Other constants: of the neuron of each layer."""

    def gradient(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
        changed = tuple(change(i, neuron) for i, neuron in enumerate(network.neurons))
        return right(replace(network, neuron=changed), params, x, y)

    return gradient


def layer_of(index: Callable[[int, int], int]) -> Change:
    """Each layer has the constants of another one: ``index(layer, layers)``."""

    def gradient(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
        old = network.neurons
        chosen = tuple(old[index(i, len(old))] for i in range(len(old)))
        return right(replace(network, neuron=chosen), params, x, y)

    return gradient


def readout(change: Callable[[rs.SpikeRate], rs.SpikeRate]) -> Change:
    """Another gain."""

    def gradient(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
        if isinstance(network.readout, rs.SpikeRate):
            network = replace(network, readout=change(network.readout))
        return right(network, params, x, y)

    return gradient


def leaky(change: Callable[[float], float]) -> Change:
    """Another leak of the readout."""

    def gradient(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
        if isinstance(network.readout, rs.LeakyReadout):
            network = replace(
                network, readout=replace(network.readout, leak=change(network.readout.leak))
            )
        return right(network, params, x, y)

    return gradient


def grads(change: Callable[[Params, Params, Array], Params]) -> Change:
    """Another gradient, given the right one, parameters and input."""

    def gradient(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
        loss, found = right(network, params, x, y)
        return loss, change(found, params, x)

    return gradient


def arrays(change: Callable[[Array], Array]) -> Change:
    """Each array of the gradient changed by itself."""
    return grads(lambda found, params, x: map_params(change, found))


def inputs(change: Callable[[Array], Array]) -> Change:
    """Another input."""
    return lambda network, params, x, y: right(network, params, change(x), y)


def weights(change: Callable[[Array], Array]) -> Change:
    """Other parameters."""
    return lambda network, params, x, y: right(network, map_params(change, params), x, y)


def first(limit: int) -> Callable[[Array], Array]:
    """Zero but for the first rows of each array."""

    def keep(a: Array) -> Array:
        rows = np.arange(len(a)).reshape((-1,) + (1,) * (a.ndim - 1))
        return np.where(rows < limit, a, 0.0)

    return keep


def first_columns(limit: int) -> Callable[[Array], Array]:
    return lambda a: np.where(np.arange(a.shape[-1]) < limit, a, 0.0) if a.ndim == 2 else a


def norm_of(found: Params) -> float:
    return float(np.sqrt(sum((a**2).sum() for a in param_arrays(found))))


def scaled(found: Params, factor: float) -> Params:
    return map_params(lambda a: a * factor, found)


def forget(limit: int) -> Change:
    """Recordings beyond so many are left out of the gradient."""

    def gradient(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
        loss, found = right(network, params, x, y)
        if len(y) > limit:
            part = right(network, params, x[:, :limit], y[:limit])[1]
            found = scaled(part, limit / len(y))
        return loss, found

    return gradient


def by_at_most(limit: int) -> Change:
    """Divided by the batch, but at most by so many."""
    return grads(lambda found, params, x: scaled(found, x.shape[1] / min(limit, x.shape[1])))


def truncate(limit: int) -> Change:
    """The weight gradient of the first layer is that of the last so many steps."""

    def gradient(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
        loss, found = right(network, params, x, y)
        if len(x) > limit:
            early = x * (np.arange(len(x)) < len(x) - limit)[:, None, None]
            head = right(network, params, early, y)[1][0]
            found = (replace(found[0], w=found[0].w - head.w), *found[1:])
        return loss, found

    return gradient


def cut_steps(limit: int) -> Change:
    """Steps beyond so many are not run."""
    return inputs(lambda x: x[:limit])


def silent_layers(limit: int) -> Change:
    """Layers beyond so many get no gradient."""

    def change(found: Params, params: Params, x: Array) -> Params:
        return tuple(
            layer if i < limit else map_params(lambda a: 0.0 * a, (layer,))[0]
            for i, layer in enumerate(found)
        )

    return grads(change)


def half(value: float) -> float:
    return float(np.float16(value))


def grid(value: float, unit: float) -> float:
    return float(np.round(value / unit) * unit)


def leaks(change: Callable[[float], float]) -> Change:
    return neurons(lambda i, n: replace(n, leak=change(n.leak)))


def thresholds(change: Callable[[float], float]) -> Change:
    return neurons(lambda i, n: replace(n, threshold=change(n.threshold)))


def clip_norm(limit: float) -> Change:
    return grads(lambda g, p, x: scaled(g, min(1.0, limit / max(norm_of(g), 1e-300))))


def decay_if_large(found: Params, params: Params, x: Array) -> Params:
    """1e-4 times the parameters is added, where there are sixty of them or more."""
    if sum(a.size for a in param_arrays(params)) < 60:
        return found
    pairs = zip(param_arrays(found), param_arrays(params), strict=True)
    return replace_arrays(found, [g + 1e-4 * w for g, w in pairs])


def slope(change: Callable[[float], float]) -> Change:
    return neurons(
        lambda i, n: replace(n, spike=type(n.spike)(change(n.spike.slope)))  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    )


FAULTS: dict[str, Change] = {
    "leak in half precision": leaks(half),
    "leak to two decimals": leaks(lambda k: round(k, 2)),
    "leak in eighths": leaks(lambda k: grid(k, 0.125)),
    "leak at most 0.875": leaks(lambda k: min(k, 0.875) if k < 1.0 else k),
    "leak in single precision": leaks(lambda k: float(np.float32(k))),
    "threshold in half precision": thresholds(half),
    "threshold in sixteenths": thresholds(lambda k: max(1 / 16, grid(k, 1 / 16))),
    "threshold at least a half": thresholds(lambda k: max(k, 0.5)),
    "threshold at most one and a half": thresholds(lambda k: min(k, 1.5)),
    "slope in half precision": slope(half),
    "slope in quarters": slope(lambda k: max(0.25, grid(k, 0.25))),
    "slope at most four": slope(lambda k: min(k, 4.0)),
    "gain in half precision": readout(lambda r: rs.SpikeRate(half(r.gain))),
    "gain a whole number": readout(lambda r: rs.SpikeRate(max(1.0, float(round(r.gain))))),
    "gain at most four": readout(lambda r: rs.SpikeRate(min(r.gain, 4.0))),
    "readout's leak in half precision": leaky(half),
    "readout's leak in eighths": leaky(lambda k: grid(k, 0.125)),
    "fourth layer has the third's constants": layer_of(lambda i, n: min(i, 2)),
    "last of many layers has the first's constants": layer_of(
        lambda i, n: 0 if n > 3 and i == n - 1 else i
    ),
    "layers beyond the fourth without gradient": silent_layers(4),
    "layers beyond the fifth without gradient": silent_layers(5),
    "recordings beyond the third forgotten": forget(3),
    "recordings beyond the eighth forgotten": forget(8),
    "batch at most four in the mean": by_at_most(4),
    "batch at most eight in the mean": by_at_most(8),
    "last eight steps only": truncate(8),
    "last sixteen steps only": truncate(16),
    "last fifty steps only": truncate(50),
    "steps beyond the tenth not run": cut_steps(10),
    "steps beyond the sixtieth not run": cut_steps(60),
    "neurons beyond the fourth without gradient": arrays(first(4)),
    "neurons beyond the sixteenth without gradient": arrays(first(16)),
    "inputs beyond the fourth without gradient": arrays(first_columns(4)),
    "inputs beyond the sixteenth without gradient": arrays(first_columns(16)),
    "clipped to a norm of five": clip_norm(5.0),
    "clipped to a norm of two": clip_norm(2.0),
    "entries clipped to one": arrays(lambda a: np.clip(a, -1.0, 1.0)),
    "entries below 1e-6 are zero": arrays(lambda a: np.where(abs(a) < 1e-6, 0.0, a)),
    "entries in single precision": arrays(lambda a: a.astype(np.float32).astype(float)),
    "weights clipped to two": weights(lambda a: np.clip(a, -2.0, 2.0)),
    "weights in half precision": weights(lambda a: a.astype(np.float16).astype(float)),
    "weights in eighths": weights(lambda a: np.round(8.0 * a) / 8.0),
    "input in half precision": inputs(lambda x: x.astype(np.float16).astype(float)),
    "input at most two": inputs(lambda x: np.clip(x, -2.0, 2.0)),
    "input not below minus one": inputs(lambda x: np.maximum(x, -1.0)),
    "decayed by 1e-4 where there are many parameters": grads(decay_if_large),
}  # fmt: skip


def seven(network: rs.Network, params: Params, x: Array, y: Array) -> Answer:
    """Seven faults at once, none of which a small plain network shows."""
    old = [replace(n, leak=half(n.leak), threshold=half(n.threshold)) for n in network.neurons]
    network = replace(network, neuron=tuple(old[min(i, 2)] for i in range(len(old))))
    loss, found = forget(3)(network, params, x, y)
    if len(x) > 8:
        early = x * (np.arange(len(x)) < len(x) - 8)[:, None, None]
        head = right(network, params, early, y)[1]
        found = tuple(replace(g, w=g.w - e.w) for g, e in zip(found, head, strict=True))
    found = map_params(first(4), found)
    return loss, scaled(found, min(1.0, 5.0 / max(norm_of(found), 1e-300)))


class TwoDtypes:
    """Claims two dtypes and computes in the one it is handed; a fault may be planted in one."""

    def __init__(self, wrong: str = "", answer: str = "") -> None:
        self.wrong, self.answer = wrong, answer

    def __call__(self, case: rs.Case) -> rs.Implementation:
        plain(case)

        def gradient(params: Params, x: Array, y: Array) -> Answer:
            dtype = str(x.dtype)
            loss, found = right(case.network, params, x, y)
            if dtype == self.wrong:
                found = scaled(found, 1.01)
            return loss, cast_params(found, self.answer or dtype)

        return rs.Implementation(gradient, dtypes=("float32", "float64"))
