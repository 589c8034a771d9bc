"""All knobs of a case: where they are, their right values, and the plain values tried first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES
from refsast.crosscheck.diagnose.knobs.backward import LAGS
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Key
from refsast.crosscheck.diagnose.knobs.forward import (
    RESETS,
    other_spikes,
    reset_name,
    slope_of,
)
from refsast.crosscheck.diagnose.knobs.readout import LOSS_FORMS
from refsast.model.params import layer_arrays
from refsast.model.readout import LeakyReadout, SpikeRate
from refsast.model.reset import NoReset, Subtract

GAINS = (0.0, 2.0, -1.0, 0.5)
SWITCH = (1.0,)
STARTS = (0.03, 0.1, 0.3, 0.7, 1.4, 3.0, 10.0, 30.0)


@dataclass(frozen=True)
class Knob:
    """A place where a programmer can go wrong.

    Attributes
    ----------
    name : str
        What it is called in a setting.
    layer : int
        From 0; the readout is the number of spiking layers; `WHOLE`: of no layer.
    right : float
        Its value where nothing is wrong.
    tries : tuple of float
        Wrong values that are likely.
    low, high : float
        The range of its values; both zero: it has none but its tries.
    """

    name: str
    layer: int
    right: float
    tries: tuple[float, ...]
    low: float = -np.inf
    high: float = np.inf

    @property
    def key(self) -> Key:
        """What it is in a setting."""
        return self.name, self.layer

    @property
    def smooth(self) -> bool:
        """Whether it may take any value in its range."""
        return self.low < self.high

    @property
    def starts(self) -> tuple[float, ...]:
        """Where a search for its value may begin, far and near."""
        if not self.smooth or not np.isfinite(self.right) or self.right == 0.0:
            return ()
        grid = tuple(self.right * factor for factor in STARTS)
        return tuple(value for value in grid if self.low < value < self.high)


def _switch(name: str, layer: int) -> Knob:
    return Knob(name, layer, 0.0, SWITCH, 0.0, 0.0)


def _gain(name: str, layer: int, right: float = 1.0, tries: Sequence[float] = GAINS) -> Knob:
    return Knob(name, layer, right, tuple(t for t in tries if t != right))


def _others(right: float, *tries: float) -> tuple[float, ...]:
    return tuple(sorted({t for t in tries if t != right and np.isfinite(t)}))


def forward_knobs(case: Case, *, single: bool = False) -> list[Knob]:
    """Return the knobs that change the loss; `single`: those that do so in a single step."""
    found: list[Knob] = []
    for layer in range(len(case.network.neurons)):
        found += _memoryless_knobs(case, layer)
        if not single:
            found += _memory_knobs(case, layer)
    return [*found, *_readout_knobs(case)]


def _memoryless_knobs(case: Case, layer: int) -> Iterator[Knob]:
    neuron, params = case.network.neurons[layer], case.params[layer]
    theta, k, leak = neuron.threshold, slope_of(neuron), neuron.leak
    scale = 1.0 if case.synapse is None else case.synapse.scale
    yield Knob("threshold", layer, theta, _others(theta, 1.0, 0.5, 2.0 * theta), 1e-6, 1e3)
    yield Knob("threshold shift", layer, 0.0, _others(0.0, -theta), -1e3, 1e3)
    yield Knob("slope", layer, k, _others(k, 1.0, 2.0, 0.5 * k, 2.0 * k, k * k), 1e-6, 1e4)
    tries = _others(
        scale,
        1.0,
        1.0 - leak,
        (1.0 - leak) * scale,
        leak,
        2.0,
        0.5,
        1.0 / scale,
        1.0 / (1.0 - leak) if leak < 1.0 else 1.0,
    )
    yield Knob("input scale", layer, scale, tries, -1e4, 1e4)
    yield Knob("weight gain", layer, 1.0, (0.0, 2.0, 0.5, 1.0 - leak), -1e4, 1e4)
    if params.b is not None:
        yield Knob("bias gain", layer, 1.0, (0.0, 2.0, 1.0 - leak, -1.0), -1e4, 1e4)
    yield Knob("offset", layer, 0.0, _others(0.0, theta, -theta), -1e3, 1e3)
    yield Knob("start", layer, 0.0, _others(0.0, theta, -theta), -1e3, 1e3)
    if params.w.shape[0] == params.w.shape[1]:
        yield _switch("transposed weight", layer)
    hard = float(case.hard)
    yield Knob("straight-through", layer, hard, (1.0 - hard,), 0.0, 0.0)
    if case.hard:
        yield _switch("tie rule", layer)
    for name, _ in other_spikes(neuron):
        yield _switch(name, layer)
    if not isinstance(neuron.reset, NoReset):
        yield _switch("reset at rest", layer)


def _memory_knobs(case: Case, layer: int) -> Iterator[Knob]:
    neuron, params = case.network.neurons[layer], case.params[layer]
    theta, leak = neuron.threshold, neuron.leak
    yield Knob("leak", layer, leak, _others(leak, 1.0 - leak, 1.0, 0.0, leak**2, 0.5), -0.5, 1.5)
    for name in RESETS:
        if name != reset_name(neuron):
            yield _switch(name, layer)
    if not isinstance(neuron.reset, NoReset):
        yield Knob("reset share", layer, 1.0, (0.5, -1.0, 2.0), -4.0, 4.0)
        yield _switch("reset late", layer)
    if isinstance(neuron.reset, Subtract):
        yield Knob("subtracts", layer, theta, _others(theta, 1.0), -1e3, 1e3)
    kept = 0.0 if case.synapse is None else case.synapse.leak
    yield Knob("synapse leak", layer, kept, _others(kept, 0.0, leak, 1.0 - kept, 1.0), -0.5, 1.5)
    delayed = float(case.synapse is not None and case.synapse.delayed)
    yield Knob("synapse delay", layer, delayed, (1.0 - delayed,), 0.0, 0.0)
    for name in ("input one step late", "input two steps late", "input one step early",
                 "input reversed"):  # fmt: skip
        yield _switch(name, layer)
    if params.v is not None:
        yield Knob("recurrence gain", layer, 1.0, (0.0, -1.0, 2.0, leak, 1.0 - leak), -1e3, 1e3)
        for name in ("recurrence late", "recurrence transposed", "recurrence without diagonal"):
            yield _switch(name, layer)
        if params.v.shape == params.w.shape:
            yield _switch("input weights recurrent", layer)


def _readout_knobs(case: Case) -> Iterator[Knob]:
    whole, readout = len(case.network.neurons), case.network.readout
    steps, batch, classes = len(case.x), len(case.y), case.network.classes
    if isinstance(readout, SpikeRate):
        yield Knob("gain", whole, readout.gain, _others(readout.gain, 1.0, 10.0), -1e3, 1e3)
    if readout.n_out is not None:
        yield Knob("weight gain", whole, 1.0, (0.0, 2.0, 0.5), -1e3, 1e3)
        leak = readout.leak if isinstance(readout, LeakyReadout) else 0.0
        yield Knob("readout leak", whole, leak, _others(leak, 0.0, 1.0, 0.9), -0.5, 1.5)
    if case.params[-1].b is not None and readout.n_out is not None:
        yield Knob("bias gain", whole, 1.0, (0.0, 2.0, -1.0), -1e3, 1e3)
        yield Knob("readout bias summed", whole, 0.0, (1.0, -1.0), 0.0, 0.0)
    for name in ("sum over time", "last step", "final potential", "first step unread",
                 "last step unread", "readout one step late"):  # fmt: skip
        yield _switch(name, whole)
    if readout.n_out is not None:  # else it is the gain
        yield Knob("temperature", whole, 1.0, (2.0, 0.5, -1.0), -1e3, 1e3)
    yield Knob("label smoothing", whole, 0.0, (0.1, 0.2, 0.05), -2.0, 2.0)
    yield _switch("labels shifted", whole)
    for name in LOSS_FORMS:
        yield _switch(name, whole)
    yield from _factor_knobs("loss", WHOLE, steps, batch, classes)
    yield Knob("weight penalty", WHOLE, 0.0, (1e-2, 1e-3, 1e-4), -1e3, 1e3)


def _factor_knobs(prefix: str, layer: int, steps: int, batch: int, classes: int) -> Iterator[Knob]:
    for name, size in (("steps", steps), ("batch", batch), ("classes", classes)):
        if size > 1:
            yield Knob(f"{prefix} over {name}", layer, 0.0, (1.0, -1.0, -0.5), 0.0, 0.0)
    yield Knob(f"{prefix} factor", layer, 1.0, (2.0, 0.5, -1.0, 0.0), -1e12, 1e12)


def backward_knobs(case: Case, level: int) -> list[Knob]:
    """Return the knobs on the way back that the gradients of one level show first."""
    whole = len(case.network.neurons)
    found: list[Knob] = []
    if level == whole or (level == whole - 1 and case.network.readout.n_out is None):
        found += _slope_knobs(case)
    if level == whole:
        found += _array_knobs(case, level)
        return found
    if level == whole - 1 and case.network.readout.n_out is None:
        found += _time_knobs(case)
    found += _path_knobs(case, level)
    found += _array_knobs(case, level)
    return found


def _slope_knobs(case: Case) -> Iterator[Knob]:
    steps, batch = case.x.shape[:2]
    yield from _factor_knobs("gradient", WHOLE, steps, batch, case.network.classes)
    for b in range(batch if batch > 1 else 0):
        yield _gain(f"recording {b + 1}", WHOLE)
    if case.network.readout.n_out is not None:
        yield from _time_knobs(case)


def _time_knobs(case: Case) -> Iterator[Knob]:
    whole, readout = len(case.network.neurons), case.network.readout
    for name in ("sum over time", "last step", "final potential", "first step unread",
                 "last step unread", "readout one step late"):  # fmt: skip
        yield _switch(f"{name} backward", whole)
    if isinstance(readout, LeakyReadout):
        yield _switch("readout state detached backward", whole)
        leak = readout.leak
        yield Knob("readout leak backward", whole, leak, _others(leak, 1.0), -0.5, 1.5)


def _path_knobs(case: Case, level: int) -> Iterator[Knob]:
    neuron, params = case.network.neurons[level], case.params[level]
    whole, steps, batch = len(case.network.neurons), len(case.x), len(case.y)
    leak, theta, k = neuron.leak, neuron.threshold, slope_of(neuron)
    reset, memory = not isinstance(neuron.reset, NoReset), steps > 1
    if memory and reset:
        attached = float(not neuron.detach_reset)
        yield _gain("reset path", level, attached, (0.0, 1.0, -1.0, 2.0, leak))
    if memory:
        yield _gain("state path", level, tries=(0.0,))
        other_memory = params.v is not None or case.synapse is not None
        if other_memory:
            yield _gain("carry path", level, tries=(0.0,))
        yield _gain(
            "potential path", level, tries=(0.0, 1.0 - leak, 1.0 / leak if leak else 2.0, leak)
        )
        if reset:
            yield _gain("reset path of the potential", level)
        yield Knob("leak backward", level, leak, _others(leak, 1.0, 0.0, 1.0 - leak), -0.5, 1.5)
        for name in RESETS:
            if name != reset_name(neuron):
                yield _switch(f"{name} backward", level)
        for size in range(1, min(steps, 9)):
            names = ("blocks", "blocks from the end", *(("carry blocks",) if other_memory else ()))
            for name in names if size > 1 else ():
                yield Knob(name, level, np.inf, (float(size),), 0.0, 0.0)
    if memory and params.v is not None:
        yield _gain("recurrent path", level)
        for name in ("recurrence transposed backward", "recurrence without diagonal backward",
                     "recurrence of the diagonal backward"):  # fmt: skip
            yield _switch(name, level)
    if case.synapse is not None:
        yield _gain("synapse path", level, tries=(0.0, leak))
        yield _gain("drive path", level, tries=(1.0 / case.synapse.scale,))
        if params.b is not None:
            yield _switch("bias adjoint", level)
    if level + 1 < len(case.params):
        yield _gain("layer path", level + 1, tries=(0.0, -1.0, 2.0, 0.5, leak, 1.0 - leak))
    above = case.params[level + 1] if level + 1 < len(case.params) else None
    if above is not None and above.w.shape[0] == above.w.shape[1]:
        yield _switch("transposed weight backward", level + 1)
    if level + 1 < whole and memory:
        yield _switch("layer path one step later", level + 1)
        yield _switch("layer path one step earlier", level + 1)
    yield from _derivative_knobs(case, level, theta, k)
    if memory:
        yield from _sum_knobs(params.v is not None, level)
    for b in range(batch if batch > 1 else 0):
        yield _gain(f"recording {b + 1} in the sums", level)


def _derivative_knobs(case: Case, level: int, theta: float, k: float) -> Iterator[Knob]:
    steps = len(case.x)
    factors = (1.0 / k, k, 2.0 / k, 4.0 / k, 0.5 / k, 2.0 * k, 0.5 * k, 0.25 * k, k * k, 1.0 / k**2,
               np.pi, 1.0 / np.pi, 0.5 * np.pi, 2.0 / np.pi, 0.5 * np.pi * k, 2.0 / (np.pi * k),
               0.0, -1.0, 2.0, 0.5)  # fmt: skip
    yield Knob("derivative factor", level, 1.0, _others(1.0, *factors), -1e9, 1e9)
    yield Knob("slope backward", level, k, _others(k, 1.0, 2.0 * k, 0.5 * k, k * k), 1e-6, 1e4)
    yield Knob("threshold backward", level, theta, _others(theta, 0.5 * theta), -1e3, 1e3)
    for name in ("derivative at u", "derivative after the reset to zero",
                 "derivative after the subtraction", "derivative below the threshold",
                 "derivative of the drive"):  # fmt: skip
        yield _switch(name, level)
    if steps > 1:
        yield _switch("derivative of the step before", level)
        yield _switch("derivative of the step after", level)
    for name in SHAPES:
        if name != "own":
            yield _switch(f"derivative {name}", level)
    yield Knob("derivative width", level, k, (), 1e-6, 1e4)
    widths = _others(
        0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 0.1, 0.5 * theta, theta, 1.0 / k, 0.5 / k, 2 / k
    )
    yield Knob("window", level, np.inf, widths, 0.0, 0.0)
    caps = _others(0.0, 0.1, 0.2, 0.25, 0.3, 0.5, 1.0, 0.25 * k, 0.125 * k)
    yield Knob("derivative cap", level, np.inf, caps, 1e-9, 1e6)
    for name, _ in other_spikes(case.network.neurons[level]):
        yield _switch(f"derivative of {name}", level)


def _sum_knobs(recurrent: bool, level: int) -> Iterator[Knob]:
    for name in ("first step in the sums", "last step in the sums"):
        yield _gain(name, level, tries=(0.0, 2.0))
    for what in ("input", "recurrence") if recurrent else ("input",):
        for lag in (*LAGS, "mirrored", "averaged"):
            yield _switch(f"{what} {lag}", level)


def _array_knobs(case: Case, level: int) -> Iterator[Knob]:
    layer, (steps, batch) = case.params[level], case.x.shape[:2]
    yield from _factor_knobs("layer", level, steps, batch, case.network.classes)
    yield Knob("decay", level, 0.0, (1e-2, 1e-3, 1e-4, 0.1), -1e3, 1e3)
    yield Knob("decay of weights", level, 0.0, (1e-2, 1e-3, 1e-4, 0.1), -1e3, 1e3)
    yield Knob("decay of signs", level, 0.0, (1e-2, 1e-3, 1e-4), -1e3, 1e3)
    for part, array in layer_arrays(layer).items():
        yield _gain(f"{part} factor", level)
        names = ["neurons reversed", "neurons rolled", "neurons rolled back"]
        if part != "b":
            names += ["inputs reversed", "inputs rolled", "inputs rolled back"]
            if array.shape[0] == array.shape[1]:
                names += ["gradient transposed", "gradient without diagonal",
                          "gradient of the diagonal"]  # fmt: skip
        for name in names:
            yield _switch(f"{part} {name}", level)
    yield _switch("absolute values", level)
    yield _switch("signs", level)
