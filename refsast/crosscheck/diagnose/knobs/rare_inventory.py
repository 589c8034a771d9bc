"""Knobs that are tried only where no other single one fits: mistakes that are seldom."""

from collections.abc import Iterator

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.derivative_shapes import RARE_SHAPES
from refsast.crosscheck.diagnose.knobs.adjoints import CLIPPED, GATE_AFTER, HARD_BACKWARD
from refsast.crosscheck.diagnose.knobs.backward import (
    ABOVE_FIRED,
    ABOVE_SUMMED,
    SHARED,
)
from refsast.crosscheck.diagnose.knobs.batches import FILLED, HALVES, NOMINAL, SEVERAL
from refsast.crosscheck.diagnose.knobs.below import PASSED_ON, UPDATED
from refsast.crosscheck.diagnose.knobs.counted import (
    LONE_RECORDINGS,
    RECORDINGS_COUNTED,
    STEPS_COUNTED,
)
from refsast.crosscheck.diagnose.knobs.derivatives import PRODUCTS
from refsast.crosscheck.diagnose.knobs.dials import WHOLE
from refsast.crosscheck.diagnose.knobs.finish import ADAM, ARRAY_CHANGES
from refsast.crosscheck.diagnose.knobs.forward import (
    FIRES_BEFORE,
    FIRES_LAST,
    LAST_LOST,
    POTENTIALS_IN,
    RESIDUAL,
    TRACED,
    has_residual,
)
from refsast.crosscheck.diagnose.knobs.inventory import (
    USUAL_PENALTIES,
    Knob,
    gain_knob,
    other_values,
    switch_knob,
)
from refsast.crosscheck.diagnose.knobs.layer_numbers import (
    BIAS_FIRES,
    DEAF,
)
from refsast.crosscheck.diagnose.knobs.limits import GRIDS
from refsast.crosscheck.diagnose.knobs.loss_forms import (
    BACKWARD_FORMS,
    RARE_FORMS,
)
from refsast.crosscheck.diagnose.knobs.losses import (
    BY_FREQUENCY,
    CLASS_WEIGHTS,
    UNLESS_ALONE,
)
from refsast.crosscheck.diagnose.knobs.penalties import PENALTIES
from refsast.crosscheck.diagnose.knobs.program import BIAS_ONCE, UNLEAKED
from refsast.crosscheck.diagnose.knobs.readout import (
    BIAS_AFTER,
    DOWN_DISCOUNTED,
    DOWN_REVERSED,
    DOWN_SHORT,
    DOWN_UNLEAKED,
    ONE_UNREAD,
    READ_RESET,
    SHARE_UNREAD,
    SHARE_ZERO,
)
from refsast.crosscheck.diagnose.knobs.resets import OFTEN, UNRESET_NEURONS
from refsast.crosscheck.diagnose.knobs.seldom_inventory import seldom_backward
from refsast.crosscheck.diagnose.knobs.start_sums import START_LAST, START_SECOND, START_SUMMED
from refsast.crosscheck.diagnose.knobs.sums import (
    BIAS_PAST,
    COPIED,
    HALF_SUMS,
    NEURON_ENDS,
    SWAPPED,
)
from refsast.crosscheck.diagnose.knobs.weights import BIAS_STEPS, NOT_V, WEIGHT_CHANGES
from refsast.model.params import WEIGHTS, layer_arrays
from refsast.model.readout import LeakyReadout
from refsast.model.reset import NoReset, Subtract, ToZero

PENALTY_WEIGHTS = (1e-2, 1e-3, 1e-4, 0.1)
RARE_LAGS = ("of the last step", "of the first step", "as zeros and ones", "as signs", "as events")
WHOLE_NUMBERS = ("as integers, cut", "as integers, rounded")
BATCH_LAGS = ("of the next recording", "of the recording before", "of the first recording",
              "averaged over recordings")  # fmt: skip
SHARES = (2.0, 4.0, 3.0, 5.0, 10.0)  # of the steps, one of so many
GRID_BITS = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 16.0, 2.0)
BATCH_SIZES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
MAX_CLASSES = 12  # so many labels are tried as left out


def penalty_knob(name: str, layer: int) -> Knob:
    """Return the knob of a penalty's weight."""
    return Knob(name, layer, 0.0, PENALTY_WEIGHTS, -1e3, 1e3)


def rare_forward(case: Case) -> list[Knob]:
    """Return knobs that change the loss."""
    found: list[Knob] = []
    for layer in range(len(case.network.neurons)):
        found += _layer_knobs(case, layer)
    whole = len(case.network.neurons)
    if case.network.readout.n_out is not None:
        found += (switch_knob(name, whole) for name in WEIGHT_CHANGES)
        bias = case.params[-1].b is not None
        if bias and isinstance(case.network.readout, LeakyReadout):
            found.append(switch_knob(BIAS_AFTER, whole))
        if isinstance(case.network.readout, LeakyReadout) and len(case.x) > 1:
            found.append(Knob(READ_RESET, whole, np.inf, (1.0, 0.5, 2.0), 0.0, 0.0))
    found += (switch_knob(name, whole) for name in RARE_FORMS)
    if len(case.x) > 1:
        for name in (SHARE_UNREAD, ONE_UNREAD, SHARE_ZERO):
            found.append(Knob(name, whole, np.inf, SHARES, 0.0, 0.0))
    found.append(Knob(NOMINAL, WHOLE, np.inf, BATCH_SIZES, 0.0, 0.0))
    if len(case.y) > 1:
        found += (switch_knob(name, WHOLE) for name in (*FILLED, *HALVES))
        found.append(gain_knob(SEVERAL, WHOLE, tries=()))
        found.append(switch_knob(BY_FREQUENCY, WHOLE))
    for c in sorted(set(case.y.tolist()))[:MAX_CLASSES]:
        found += (switch_knob(f"{name} {c + 1}", WHOLE) for name in (*CLASS_WEIGHTS, UNLESS_ALONE))
    seldom = {*PENALTIES} - {*USUAL_PENALTIES}
    found += (penalty_knob(name, WHOLE) for name in sorted(seldom))
    return found


def _layer_knobs(case: Case, layer: int) -> Iterator[Knob]:
    neuron, params = case.network.neurons[layer], case.params[layer]
    for name in WEIGHT_CHANGES:
        yield switch_knob(name, layer)
        if params.v is not None:
            yield switch_knob(name + NOT_V, layer)
    if len(case.x) > 1 and not isinstance(neuron.reset, ToZero):  # of which it is another reset
        yield switch_knob(DEAF, layer)
    if len(case.x) > 1:
        yield switch_knob(LAST_LOST, layer)
        yield switch_knob(FIRES_BEFORE, layer)
        yield switch_knob(FIRES_LAST, layer)
    if len(case.x) > 1 and params.b is not None and case.synapse is None:
        yield switch_knob(BIAS_FIRES, layer)
    limits = other_values(np.inf, neuron.threshold, 1.0, 2.0, 2.0 * neuron.threshold)
    yield Knob("potential at most", layer, np.inf, limits, 0.0, 0.0)
    yield switch_knob("potential through tanh", layer)
    for name in GRIDS:
        yield Knob(name, layer, np.inf, GRID_BITS, 0.0, 0.0)
    if len(case.x) > 1 and params.b is not None:
        for name in BIAS_STEPS:
            yield switch_knob(f"bias at {name}", layer)
    if len(case.x) > 1 and isinstance(neuron.reset, Subtract) and neuron.threshold > 0.0:
        yield switch_knob(OFTEN, layer)
    if len(case.x) > 1 and not isinstance(neuron.reset, NoReset):
        yield switch_knob("smooth reset", layer)
        for name in UNRESET_NEURONS if len(params.w) > 1 else ():
            yield switch_knob(name, layer)
        names = ["reset by the squared spike", "reset by the root of the spike"]
        names += ["reset factor squared"] if isinstance(neuron.reset, ToZero) else []
        for name in names:
            yield switch_knob(name, layer)
    if len(case.x) > 1 and params.v is not None:
        yield switch_knob("recurrence of the potential", layer)
        yield switch_knob("recurrence of the diagonal", layer)
    if layer > 0:
        yield switch_knob(POTENTIALS_IN, layer)
        if len(case.x) > 1:
            yield switch_knob(TRACED, layer)
    if case.synapse is not None and params.b is not None:
        yield switch_knob(BIAS_PAST, layer)
    if has_residual(case, layer):
        yield switch_knob(RESIDUAL, layer)


def rare_backward(case: Case, level: int) -> list[Knob]:
    """Return knobs on the way back that the gradients of one level show first."""
    whole = len(case.network.neurons)
    top = level == whole or (level == whole - 1 and case.network.readout.n_out is None)
    found = [*_sum_knobs(case, level), *seldom_backward(case, level)]
    if top:
        found += (switch_knob(f"{name} backward", whole) for name in BACKWARD_FORMS)
    if top and len(case.y) > 1:
        found += (switch_knob(name, WHOLE) for name in LONE_RECORDINGS)
    if level == whole and isinstance(case.network.readout, LeakyReadout) and len(case.x) > 1:
        found.append(switch_knob(UNLEAKED, level))
        found += [switch_knob(BIAS_ONCE, level)] if case.params[-1].b is not None else []
    found.append(switch_knob(ADAM, level))
    above = level + 1
    if above < whole or (above == whole and case.network.readout.n_out is not None):
        found.append(Knob(UPDATED, above, 0.0, (0.01, 0.1, 0.5, 1.0), -1e3, 1e3))
    if level == whole - 1 and len(case.x) > 1:
        leaky = isinstance(case.network.readout, LeakyReadout)
        found += (
            switch_knob(name, whole) for name in (DOWN_REVERSED, DOWN_UNLEAKED, DOWN_SHORT) if leaky
        )
        found.append(Knob(DOWN_DISCOUNTED, whole, 1.0, (0.9, 0.5, 0.95, 0.99, 0.0), 1e-6, 2.0))
    if above < whole and case.network.sizes[above] == case.network.sizes[above + 1]:
        found.append(switch_knob(PASSED_ON, above))
    if level < whole:
        found += _path_knobs(case, level)
        found += _derivative_knobs(case, level)
        if len(case.x) > 1 and isinstance(case.network.neurons[level].reset, ToZero):
            for name in ("reset path of the step after", "reset path of the last step"):
                found.append(switch_knob(name, level))
        for name in PENALTIES:
            found.append(penalty_knob(f"{name} backward", level))
        limits = (1e-3, 0.01, 0.1, 1.0, 0.5, 5.0, 10.0)
        found.append(Knob(CLIPPED, level, np.inf, limits, 0.0, 0.0))
        if len(case.x) > 1:
            leak = case.network.neurons[level].leak
            found.append(Knob("terms discounted", level, 1.0, (0.9, leak, 0.5, 0.95), 1e-6, 2.0))
            found.append(switch_knob("gradient from above at the last step alone", level))
            found.append(switch_knob("spike path at the last step alone", level))
    return found


def _path_knobs(case: Case, level: int) -> Iterator[Knob]:
    """What is read on the way back, and which part of an adjoint goes on."""
    params, steps = case.params[level], len(case.x)
    yield switch_knob(HALF_SUMS, level)
    for name in NEURON_ENDS if len(params.w) > 1 else ():
        yield gain_knob(name, level, tries=(0.0, 2.0))
    if params.v is not None and params.v.shape == params.w.shape:
        yield switch_knob(SWAPPED, level)
        yield switch_knob(COPIED, level)
    if params.v is not None:
        yield switch_knob("recurrence wrapped around", level)
    if steps == 1:
        return
    for name in (SHARED, ABOVE_SUMMED, ABOVE_FIRED):
        yield switch_knob(name, level)
    yield switch_knob("state cut at the middle", level)
    if not case.hard:
        yield switch_knob(HARD_BACKWARD, level)
    if isinstance(case.network.neurons[level].reset, ToZero):
        yield switch_knob(GATE_AFTER, level)
    for what in ("input", "recurrence") if params.v is not None else ("input",):
        yield switch_knob(f"{what} as a trace", level)
    if params.v is not None:
        yield switch_knob("recurrence of potentials", level)
    if case.synapse is not None:
        return
    for part in (each for each in layer_arrays(params) if each in WEIGHTS):
        yield switch_knob(f"{part} sums of the spike's part alone", level)
    if params.v is not None:
        yield switch_knob("recurrent path of the spike's part", level)
    if level + 1 < len(case.network.neurons):
        yield switch_knob("layer path of the spike's part", level + 1)


def trace_settings(case: Case, level: int) -> list[dict]:
    """Return the settings of e-prop: traces in place of the way back in time, of one or all."""
    names = [knob.name for knob in rare_backward(case, level)]
    traces = [(f"{what} as a trace", level) for what in ("input", "recurrence")]
    traces = [key for key in traces if key[0] in names]
    cut = {("state path", level): 0.0}
    found = [dict.fromkeys(traces[:n], 1.0) | cut for n in range(1, len(traces) + 1)]
    return found if level < len(case.network.neurons) else []


def _derivative_knobs(case: Case, level: int) -> Iterator[Knob]:
    for name in PRODUCTS:
        yield switch_knob(name, level)
    for name in RARE_SHAPES:
        yield switch_knob(f"derivative {name}", level)
    places = ["derivative of the last step", "derivative of the first step"]
    places = places if len(case.x) > 1 else []
    if len(case.y) > 1:
        places += ["derivative of the first recording", "derivative at the mean over recordings"]
    for name in places:
        yield switch_knob(name, level)


def _sum_knobs(case: Case, level: int) -> Iterator[Knob]:
    tables = (
        STEPS_COUNTED if len(case.x) > 1 else {},
        RECORDINGS_COUNTED if len(case.y) > 1 else {},
    )
    if case.params[level].start is not None:
        for name in tables[1]:
            yield switch_knob(f"start sums of the {name}", level)
        yield switch_knob(START_SUMMED, level)
        if len(case.x) > 1:
            yield switch_knob(START_LAST, level)
            yield switch_knob(START_SECOND, level)
    for part in (each for each in layer_arrays(case.params[level]) if each in WEIGHTS):
        for name in (*tables[0], *tables[1]):
            yield switch_knob(f"{part} sums of the {name}", level)
        for name in ARRAY_CHANGES.get(part, {}):
            if not name.endswith("rows centred"):
                yield switch_knob(name, level)
        if part == "b" or level == len(case.network.neurons):
            continue
        what = "input" if part == "w" else "recurrence"
        # Of spikes, whole numbers are zeros and ones.
        whole = WHOLE_NUMBERS if part == "w" and level == 0 else ()
        for lag in (*RARE_LAGS, *whole, *(BATCH_LAGS if len(case.y) > 1 else ())):
            yield switch_knob(f"{what} {lag}", level)
