"""The knobs on the way back: of one level, those that its gradients show first."""

from collections.abc import Iterator

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import RARE_SHAPES, SHAPES
from refsast.crosscheck.diagnose.knobs.adjoints import FIRST_ZERO, LAST_ZERO
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.knobs.finish import VECTORS
from refsast.crosscheck.diagnose.knobs.forward import other_spikes, slope_of
from refsast.crosscheck.diagnose.knobs.inventory import (
    TIMES,
    Knob,
    factor_knobs,
    gain_knob,
    other_values,
    power_knobs,
    switch_knob,
)
from refsast.crosscheck.diagnose.knobs.losses import loss_sizes
from refsast.crosscheck.diagnose.knobs.resets import RESETS, reset_name
from refsast.crosscheck.diagnose.knobs.sums import LAGS
from refsast.model.params import WEIGHTS, layer_arrays
from refsast.model.readout import LeakyReadout
from refsast.model.reset import NoReset
from refsast.model.spike import first_derivative


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
    batch = len(case.y)
    tries = tuple(float(t) for t in range(1, min(len(case.x), 6)))
    # An adjoint depends on later steps only: both give the same gradients.
    for name in ("last steps alone", "last steps alone in the sums"):
        yield Knob(name, WHOLE, np.inf, tries, 0.0, 0.0)
    yield from factor_knobs("gradient", WHOLE, loss_sizes(case, batch))
    for b in range(batch if batch > 1 else 0):
        yield gain_knob(f"recording {b + 1}", WHOLE)
    if case.network.readout.n_out is not None:
        yield from _time_knobs(case)


def _time_knobs(case: Case) -> Iterator[Knob]:
    whole, readout = len(case.network.neurons), case.network.readout
    for name in TIMES:
        yield switch_knob(f"{name} backward", whole)
    if isinstance(readout, LeakyReadout):
        yield switch_knob("readout state detached backward", whole)
        yield switch_knob("readout forward in time backward", whole)
        leak = readout.leak
        yield Knob("readout leak backward", whole, leak, other_values(leak, 1.0), -0.5, 1.5)


def _path_knobs(case: Case, level: int) -> Iterator[Knob]:
    neuron, params = case.network.neurons[level], case.params[level]
    steps, batch = len(case.x), len(case.y)
    leak, theta, k = neuron.leak, neuron.threshold, slope_of(neuron)
    reset, memory = not isinstance(neuron.reset, NoReset), steps > 1
    if memory and reset:
        attached = float(not neuron.detach_reset)
        yield gain_knob("reset path", level, attached, (0.0, 1.0, -1.0, 2.0, leak))
    if memory:
        yield gain_knob("state path", level, tries=(0.0,))
        other_memory = params.v is not None or case.synapse is not None
        if other_memory:
            yield gain_knob("carry path", level, tries=(0.0,))
        yield gain_knob(
            "potential path", level, tries=(0.0, 1.0 - leak, 1.0 / leak if leak else 2.0, leak)
        )
        if reset:
            yield gain_knob("reset path of the potential", level)
        yield Knob(
            "leak backward", level, leak, other_values(leak, 1.0, 0.0, 1.0 - leak), -0.5, 1.5
        )
        for name in RESETS:
            if name not in (reset_name(neuron), "reset by any spike"):
                yield switch_knob(f"{name} backward", level)
        sizes = tuple(float(size) for size in range(2, min(steps, 9)))
        for name in (
            "blocks",
            "blocks from the end",
            "state cut after step",
            *(("carry blocks",) if other_memory else ()),
            *(("recurrent blocks",) if params.v is not None else ()),
        ):
            yield Knob(name, level, np.inf, sizes, 0.0, 0.0)
    if memory and params.v is not None:
        yield gain_knob("recurrent path", level)
        for name in ("recurrence transposed backward", "recurrence without diagonal backward",
                     "recurrence of the diagonal backward"):  # fmt: skip
            yield switch_knob(name, level)
    yield from _downward_knobs(case, level)
    yield from _derivative_knobs(case, level, theta, k)
    if memory:
        yield from _sum_knobs(case, level)
    for b in range(batch if batch > 1 else 0):
        yield gain_knob(f"recording {b + 1} in the sums", level)


def _downward_knobs(case: Case, level: int) -> Iterator[Knob]:
    """The paths from the level above to this one's spikes, and from its potential to its input."""
    leak, params = case.network.neurons[level].leak, case.params[level]
    scale = 1.0 if case.synapse is None else case.synapse.scale
    yield gain_knob("drive path", level, tries=(1.0 / scale, leak, 1.0 - leak, 0.5, 2.0))
    if case.synapse is not None:
        yield gain_knob("synapse path", level, tries=(0.0, leak))
        if params.b is not None:
            yield switch_knob("bias adjoint", level)
    if level + 1 < len(case.params):
        yield gain_knob("layer path", level + 1, tries=(0.0, -1.0, 2.0, 0.5, leak, 1.0 - leak))
        if level + 1 == len(case.network.neurons):  # a mean that the readout's way back forgets
            yield from power_knobs("spikes", level + 1, loss_sizes(case, len(case.y)))
    above = case.params[level + 1] if level + 1 < len(case.params) else None
    if above is not None:
        yield switch_knob("signs of the weights backward", level + 1)
    if above is not None and above.w.shape[0] == above.w.shape[1]:
        yield switch_knob("transposed weight backward", level + 1)
    if level + 1 < len(case.network.neurons) and len(case.x) > 1:
        yield switch_knob("layer path one step later", level + 1)
        yield switch_knob("layer path one step earlier", level + 1)


def peak_of(case: Case, level: int) -> float:
    """Return the derivative of a layer's spike at its threshold, the largest."""
    return float(first_derivative(case.network.neurons[level].spike)(np.zeros(())))


def _derivative_knobs(case: Case, level: int, theta: float, k: float) -> Iterator[Knob]:
    steps, peak = len(case.x), peak_of(case, level)
    factors = (1.0 / k, k, 2.0 / k, 4.0 / k, 0.5 / k, 2.0 * k, 0.5 * k, 0.25 * k, k * k, 1.0 / k**2,
               np.pi, 1.0 / np.pi, 0.5 * np.pi, 2.0 / np.pi, 0.5 * np.pi * k, 2.0 / (np.pi * k),
               1.0 / peak, 0.0, -1.0, 2.0, 0.5)  # fmt: skip
    yield Knob("derivative factor", level, 1.0, other_values(1.0, *factors), -1e9, 1e9)
    yield Knob("slope backward", level, k, other_values(k, 1.0, 2.0 * k, 0.5 * k, k * k), 1e-6, 1e4)
    yield Knob("threshold backward", level, theta, other_values(theta, 0.5 * theta), -1e3, 1e3)
    for name in ("derivative at u", "derivative after the reset to zero",
                 "derivative after the subtraction", "derivative below the threshold",
                 "derivative of the drive", "derivative before the input",
                 "derivative at the spike", "derivative at the spike itself",
                 "derivative over the threshold", "derivative zero above threshold",
                 "derivative zero below threshold"):  # fmt: skip
        yield switch_knob(name, level)
    if steps > 1:
        yield switch_knob("derivative of the step before", level)
        yield switch_knob("derivative of the step after", level)
    for name in SHAPES:
        if name != "own" and name not in RARE_SHAPES:
            yield switch_knob(f"derivative {name}", level)
    yield Knob("derivative width", level, k, (), 1e-6, 1e4)
    widths = other_values(
        0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 0.1, 0.5 * theta, theta, 1.0 / k, 0.5 / k, 2 / k
    )
    yield Knob("window", level, np.inf, widths, 0.0, 0.0)
    caps = other_values(0.0, 0.1, 0.2, 0.25, 0.3, 0.5, 1.0, 0.25 * k, 0.125 * k, 0.5 * peak)
    yield Knob("derivative cap", level, np.inf, caps, 1e-9, 1e6)
    yield Knob("derivative floor", level, -np.inf, (0.01, 0.1, 0.001, 0.05), 1e-9, 1e6)
    yield Knob("derivative plus", level, 0.0, (0.01, 0.1, 0.001), -1e3, 1e3)
    for name, _ in other_spikes(case.network.neurons[level]):
        yield switch_knob(f"derivative of {name}", level)


def _sum_knobs(case: Case, level: int) -> Iterator[Knob]:
    recurrent = case.params[level].v is not None
    parts = [part for part in layer_arrays(case.params[level]) if part in WEIGHTS]
    for name in ("first step in the sums", "last step in the sums"):
        yield gain_knob(name, level, tries=(0.0, 2.0))
        for part in parts if len(parts) > 1 else ():
            if (name, part) != ("first step in the sums", "v"):  # where nothing is fed back
                yield gain_knob(f"{name} of {part}", level, tries=(0.0,))
    for name in (FIRST_ZERO, LAST_ZERO):  # of the same numbers, often, as without it in the sums
        yield switch_knob(name, level)
    for part in parts:
        for name in ("first step alone", "last step alone"):
            yield switch_knob(f"{part} sums of the {name}", level)
    for what in ("input", "recurrence") if recurrent else ("input",):
        for lag in (*LAGS, "mirrored", "averaged"):
            yield switch_knob(f"{what} {lag}", level)


def _array_knobs(case: Case, level: int) -> Iterator[Knob]:
    layer, sizes = case.params[level], loss_sizes(case, len(case.y))
    sizes = (*sizes, ("inputs", layer.w.shape[1]))
    yield from factor_knobs("layer", level, sizes)
    yield switch_knob("w rows centred", level)
    if layer.v is not None:
        yield switch_knob("v rows centred", level)
    yield Knob("decay", level, 0.0, (1e-2, 1e-3, 1e-4, 0.1), -1e3, 1e3)
    yield Knob("decay of weights", level, 0.0, (1e-2, 1e-3, 1e-4, 0.1), -1e3, 1e3)
    own = () if layer.v is None else ("decay of feed-forward weights",)
    for name in own:
        yield Knob(name, level, 0.0, (1e-2, 1e-3, 1e-4, 0.1), -1e3, 1e3)
    own = tuple(name.replace("decay", "decay of signs") for name in own)
    for name in ("decay of signs", "decay of signs of weights", *own):
        yield Knob(name, level, 0.0, (1e-2, 1e-3, 1e-4), -1e3, 1e3)
    for part, array in layer_arrays(layer).items():
        yield from factor_knobs(part, level, sizes)
        names = ["neurons reversed", "neurons rolled", "neurons rolled back"]
        if part not in VECTORS:
            names += ["inputs reversed", "inputs rolled", "inputs rolled back"]
            if array.shape[0] != array.shape[1]:
                names += ["gradient by columns"] if min(array.shape) > 1 else []
            else:
                names += ["gradient transposed", "gradient symmetric", "gradient without diagonal",
                          "gradient of the diagonal"]  # fmt: skip
        for name in names:
            yield switch_knob(f"{part} {name}", level)
    yield switch_knob("absolute values", level)
    yield switch_knob("signs", level)
