"""All knobs of a case: where they are, their right values, and the plain values tried first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Key
from refsast.crosscheck.diagnose.knobs.forward import (
    DELAYS,
    RESET_AT_REST,
    SPIKE_AT_REST,
    START_GAIN,
    other_spikes,
    slope_of,
)
from refsast.crosscheck.diagnose.knobs.loss_forms import (
    LOSS_FORMS,
)
from refsast.crosscheck.diagnose.knobs.losses import (
    READ_SPIKES,
    REPORT_DIGITS,
    SHARES_READ,
    STEP_LOSSES,
    loss_sizes,
)
from refsast.crosscheck.diagnose.knobs.number_forms import leak_forms
from refsast.crosscheck.diagnose.knobs.penalties import WEIGHT_PENALTIES
from refsast.crosscheck.diagnose.knobs.precision import ROUNDINGS
from refsast.crosscheck.diagnose.knobs.readout import LATE_POTENTIAL
from refsast.crosscheck.diagnose.knobs.resets import RESETS, reset_name
from refsast.model.readout import LeakyReadout, SpikeRate
from refsast.model.reset import NoReset, Subtract

GAINS = (0.0, 2.0, -1.0, 0.5)
SWITCH = (1.0,)
TIMES = ("sum over time", "last step", "final potential", "first step unread", "last step unread",
         "readout one step late")  # fmt: skip
# Those on parameters add a constant to the loss: gradients alone tell them apart.
USUAL_PENALTIES = (*WEIGHT_PENALTIES, "penalty on all spikes", "penalty on spike rates",
                   "penalty on squared rates")  # fmt: skip
FIRST_UNREAD = 6  # so many steps that the readout leaves out are tried in a search
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


def switch_knob(name: str, layer: int) -> Knob:
    """Return a knob that is off or on."""
    return Knob(name, layer, 0.0, SWITCH, 0.0, 0.0)


def gain_knob(name: str, layer: int, right: float = 1.0, tries: Sequence[float] = GAINS) -> Knob:
    """Return a gain, of any value."""
    return Knob(name, layer, right, tuple(tries))


def other_values(right: float, *tries: float) -> tuple[float, ...]:
    """Return values with the right one in place of those that are not finite.

    Those at one place in the lists of two layers mean the same.
    """
    return tuple(float(t) if np.isfinite(t) else right for t in tries)


def forward_knobs(case: Case) -> list[Knob]:
    """Return the knobs that change the loss."""
    found: list[Knob] = []
    for layer in range(len(case.network.neurons)):
        found += _memoryless_knobs(case, layer)
        found += _memory_knobs(case, layer)
    return [*found, *_readout_knobs(case)]


def _memoryless_knobs(case: Case, layer: int) -> Iterator[Knob]:
    neuron, params = case.network.neurons[layer], case.params[layer]
    theta, k, leak = neuron.threshold, slope_of(neuron), neuron.leak
    scale, kept = (1.0, 0.0) if case.synapse is None else (case.synapse.scale, case.synapse.leak)
    yield Knob("threshold", layer, theta, other_values(theta, 1.0, 0.5, 2.0 * theta), 1e-6, 1e3)
    yield Knob("firing threshold", layer, theta, other_values(theta, 0.0, 1.0), -1e3, 1e3)
    slopes = other_values(k, 1.0, 2.0, 0.5 * k, 2.0 * k, k * k, k / theta if theta else k, 1.0 / k)
    yield Knob("slope", layer, k, slopes, 1e-6, 1e4)
    tries = other_values(
        scale,
        1.0,
        1.0 - leak,
        (1.0 - leak) * scale,
        leak,
        2.0,
        0.5,
        1.0 / scale,
        1.0 / (1.0 - leak) if leak < 1.0 else 1.0,
        1.0 - kept,
        (1.0 - kept) * scale,
        kept,
    )
    yield Knob("input scale", layer, scale, tries, -1e4, 1e4)
    below = case.network.neurons[layer - 1].threshold if layer > 0 else 1.0
    yield Knob("weight gain", layer, 1.0, (0.0, 2.0, 0.5, 1.0 - leak, below), -1e4, 1e4)
    if params.b is not None:
        gains = (0.0, 2.0, 1.0 - leak, -1.0, float(params.w.shape[1]), leak)
        yield Knob("bias gain", layer, 1.0, gains, -1e4, 1e4)
        if len(case.x) > 1:
            yield switch_knob("bias at the first step", layer)
    for name in ROUNDINGS:
        yield switch_knob(f"potentials in {name}", layer)
    yield Knob("potential at least", layer, -np.inf, (0.0, -theta, -0.5 * theta, -1.0), 0.0, 0.0)
    yield Knob("offset", layer, 0.0, other_values(0.0, theta, -theta), -1e3, 1e3)
    if params.start is not None:
        tries = other_values(1.0, 0.0, 1.0 / leak if leak else 0.0, leak, -1.0)
        yield Knob(START_GAIN, layer, 1.0, tries, -1e3, 1e3)
    yield Knob("start", layer, 0.0, other_values(0.0, theta, -theta, 0.5 * theta), -1e3, 1e3)
    if params.w.shape[0] == params.w.shape[1]:
        yield switch_knob("transposed weight", layer)
    hard = float(case.hard)
    yield Knob("straight-through", layer, hard, (1.0 - hard,), 0.0, 0.0)
    if case.hard:
        yield switch_knob("tie rule", layer)
    for name, _ in other_spikes(neuron):
        yield switch_knob(name, layer)
    if not isinstance(neuron.reset, NoReset):
        yield switch_knob(RESET_AT_REST, layer)
    if params.v is not None:
        yield switch_knob(SPIKE_AT_REST, layer)


def _memory_knobs(case: Case, layer: int) -> Iterator[Knob]:
    neuron, params = case.network.neurons[layer], case.params[layer]
    theta, leak = neuron.threshold, neuron.leak
    forms = leak_forms(leak).values()
    yield Knob(
        "leak",
        layer,
        leak,
        other_values(leak, 1.0 - leak, 1.0, 0.0, 0.5, *forms),
        -0.5,
        1.5,
    )
    for name in RESETS:
        if name != reset_name(neuron) and not (case.hard and name == "reset by any spike"):
            yield switch_knob(name, layer)
    if not isinstance(neuron.reset, NoReset):
        yield Knob("reset share", layer, 1.0, (0.5, -1.0, 2.0), -4.0, 4.0)
        yield switch_knob("reset late", layer)
        yield Knob("reset to", layer, 0.0, (0.1, -0.1), -1e3, 1e3)
        if not case.hard:
            for name in ("hard reset", "hard reset, attached"):  # of the same loss
                yield switch_knob(name, layer)
    if isinstance(neuron.reset, Subtract):
        yield Knob("subtracts", layer, theta, other_values(theta, 1.0), -1e3, 1e3)
    kept = 0.0 if case.synapse is None else case.synapse.leak
    yield Knob(
        "synapse leak", layer, kept, other_values(kept, 0.0, leak, 1.0 - kept, 1.0), -0.5, 1.5
    )
    if case.synapse is not None:
        delayed = float(case.synapse.delayed)
        yield Knob("synapse delay", layer, delayed, (1.0 - delayed,), 0.0, 0.0)
        yield switch_knob("synapse unused", layer)
        if leak != kept:
            yield switch_knob("leaks exchanged", layer)
    for name in (*DELAYS, "input reversed"):
        yield switch_knob(name, layer)
    if params.v is not None:
        yield Knob("recurrence gain", layer, 1.0, (0.0, -1.0, 2.0, leak, 1.0 - leak), -1e3, 1e3)
        for name in ("recurrence late", "recurrence transposed", "recurrence without diagonal"):
            yield switch_knob(name, layer)
        if params.v.shape == params.w.shape:
            yield switch_knob("input weights recurrent", layer)


def _readout_knobs(case: Case) -> Iterator[Knob]:
    whole, readout = len(case.network.neurons), case.network.readout
    steps = len(case.x)
    leak = readout.leak if isinstance(readout, LeakyReadout) else 0.0
    if isinstance(readout, SpikeRate):
        yield Knob("gain", whole, readout.gain, other_values(readout.gain, 1.0, 10.0), -1e3, 1e3)
    if readout.n_out is not None:
        yield Knob("weight gain", whole, 1.0, (0.0, 2.0, 0.5), -1e3, 1e3)
        yield Knob("readout leak", whole, leak, other_values(leak, 0.0, 1.0, 0.9), -0.5, 1.5)
    if case.params[-1].b is not None and readout.n_out is not None:
        yield Knob("bias gain", whole, 1.0, (0.0, 2.0, -1.0), -1e3, 1e3)
        yield Knob("readout bias summed", whole, 0.0, (1.0, -1.0), 0.0, 0.0)
        if leak:
            yield switch_knob("readout bias at the first step", whole)
    if steps > 1:
        absent = {READ_SPIKES} if case.hard else set()
        absent |= set() if isinstance(readout, SpikeRate) else {SHARES_READ}
        losses = (name for name in STEP_LOSSES if name not in absent)
        for name in (*TIMES, "all but the last step", "mean over a step less", *losses):
            yield switch_knob(name, whole)
        tries = tuple(float(t) for t in range(1, min(steps, FIRST_UNREAD)))
        yield Knob("first steps unread", whole, 0.0, tries, 0.0, 0.0)
        if case.params[-1].b is not None and readout.n_out is not None:
            yield switch_knob("logits summed over time", whole)
            yield switch_knob(LATE_POTENTIAL, whole)
    yield switch_knob("mean over a step more", whole)
    yield switch_knob("potentials read", whole)
    if readout.n_out is not None:  # else it is the gain
        tries = other_values(1.0, 2.0, 0.5, -1.0, *((1.0 - leak,) if leak else ()))
        yield Knob("temperature", whole, 1.0, tries, -1e3, 1e3)
    yield from _loss_knobs(case)


def _loss_knobs(case: Case) -> Iterator[Knob]:
    whole, batch = len(case.network.neurons), len(case.y)
    yield Knob("label smoothing", whole, 0.0, (0.1, 0.2, 0.05), -2.0, 2.0)
    if case.network.classes > 1:
        for name in ("labels shifted", "labels shifted back", "classes reversed"):
            yield switch_knob(name, whole)
    for name in LOSS_FORMS:
        yield switch_knob(name, whole)
    yield from factor_knobs("loss", WHOLE, loss_sizes(case, batch))
    yield from factor_knobs("report", WHOLE, loss_sizes(case, batch))
    for digits in REPORT_DIGITS:
        yield switch_knob(f"report of {digits:.0f} digits", WHOLE)
    recurrent = case.network.recurrent
    for name in (n for n in USUAL_PENALTIES if recurrent or "feed-forward" not in n):
        yield Knob(name, WHOLE, 0.0, (1e-2, 1e-3, 1e-4), -1e3, 1e3)
    yield switch_knob("products in TF32", WHOLE)
    if batch > 1:
        for name in ("first recording left out", "last recording left out"):
            yield switch_knob(name, WHOLE)
        tries = tuple(float(b) for b in range(1, batch))
        yield Knob("microbatches", WHOLE, np.inf, tries, 0.0, 0.0)
        for b in range(batch):
            yield gain_knob(f"weight of recording {b + 1}", WHOLE)


def power_knobs(prefix: str, layer: int, sizes: Sequence[tuple[str, int]]) -> Iterator[Knob]:
    """Yield powers of the sizes that are not 1."""
    for name, size in sizes:
        if size > 1:
            yield Knob(f"{prefix} over {name}", layer, 0.0, (1.0, -1.0, -0.5), 0.0, 0.0)


def factor_knobs(prefix: str, layer: int, sizes: Sequence[tuple[str, int]]) -> Iterator[Knob]:
    """Yield a constant factor, and powers of the sizes."""
    yield from power_knobs(prefix, layer, sizes)
    tries = (2.0, 0.5, -1.0, 0.0, 1.0 / np.log(2.0))
    yield Knob(f"{prefix} factor", layer, 1.0, tries, -1e12, 1e12)
