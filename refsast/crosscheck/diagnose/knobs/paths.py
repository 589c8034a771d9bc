"""By how much a gradient is multiplied on each path back in time, and where it is cut."""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.adjoints import BEHIND_TWO, PAST_SLOPE
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials
from refsast.crosscheck.diagnose.knobs.layer_numbers import membrane_leak, synapse_numbers
from refsast.crosscheck.diagnose.knobs.restarts import read_handover


@dataclass(frozen=True, eq=False)
class Paths:
    """By how much a gradient is multiplied on each path back to one step, where K settings are."""

    open: Array | float  # all that comes from the step after
    reset: Array | float
    reset_late: Array | float
    reset_of_u: Array | float
    recurrent: Array | float
    recurrent_late: Array | float
    of_potential: Array | float  # how much of the recurrent path comes from the potential
    leak: Array | float
    potential: Array | float
    synapse: Array | float
    drive: Array | float
    delayed: Array | float


def read_paths(
    case: Case, index: int, dials: Dials, steps: int, more: Array | None = None
) -> list[Paths]:
    """Return the gains of the paths of a layer, step by step; `more`: those of windows."""
    neuron = case.network.neurons[index]
    scale, kept, delayed = synapse_numbers(case, index, dials)
    through = float(not neuron.detach_reset)
    found = Paths(
        open=dials.read("state path", index, 1.0),
        reset=dials.read("reset path", index, through),
        reset_late=dials.read("reset late", index, 0.0),
        reset_of_u=dials.read("reset path of the potential", index, 1.0),
        recurrent=dials.read("recurrent path", index, 1.0),
        recurrent_late=dials.read(BEHIND_TWO, index, dials.read("recurrence late", index, 0.0)),
        of_potential=dials.read(
            PAST_SLOPE, index, dials.read("recurrence of the potential", index, 0.0)
        ),
        leak=dials.read("leak backward", index, membrane_leak(case, index, dials)),
        potential=dials.read("potential path", index, 1.0),
        synapse=kept * dials.read("synapse path", index, 1.0),
        drive=scale * dials.read("drive path", index, 1.0),
        delayed=delayed,
    )
    carry = dials.read("carry path", index, 1.0)
    cuts, carry_cuts, fed_cuts = (
        time_cuts(dials, index, steps, what) for what in ("", "carry ", "recurrent ")
    )
    handover, each = read_handover(dials, index, steps), []
    for t in range(steps):
        later = None if handover is None or t + 1 == steps else handover
        open_ = found.open if cuts is None else found.open * cuts[t]
        open_ = open_ if later is None else open_ * later.state[t + 1]
        open_ = open_ if more is None else open_ * more[t]
        kept_back = open_ * carry if carry_cuts is None else open_ * carry * carry_cuts[t]
        fed_back = open_ if fed_cuts is None else open_ * fed_cuts[t]
        each.append(
            replace(
                found,
                open=open_,
                reset=kept_back * found.reset * (1.0 if later is None else later.reset[t + 1]),
                recurrent=fed_back * found.recurrent * (1.0 if later is None else later.fed[t + 1]),
                potential=kept_back * found.potential,
                synapse=open_ * found.synapse,
            )
        )
    return each


def time_cuts(dials: Dials, index: int, steps: int, what: str = "") -> Array | None:
    """Whether a gradient passes from step t + 1 to step t, shape (time, K, 1, 1); None: always."""
    found = None
    after = np.arange(1, steps + 1).reshape(-1, 1, 1, 1)
    if not what:
        for name, turn in (("state cut after step", None), ("state cut at the middle", steps // 2)):
            if dials.turns(name, index):
                value = dials.read(name, index, np.nan)
                at = value if turn is None else np.where(np.isnan(value), np.nan, turn)
                cut = np.where(after == at, 0.0, 1.0)
                found = cut if found is None else found * cut
    for name, offset in (("blocks", 0), ("blocks from the end", steps)):
        if dials.turns(what + name, index):
            size = dials.read(what + name, index, np.inf)
            cut = np.where(np.isfinite(size) & ((after - offset) % size == 0.0), 0.0, 1.0)
            found = cut if found is None else found * cut
    if not what and dials.turns("last steps alone", WHOLE):
        cut = np.where(after == steps - dials.read("last steps alone", WHOLE, np.inf), 0.0, 1.0)
        found = cut if found is None else found * cut
    return found
