"""The gradient in the potentials before the first step, with what may be wrong in it."""

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.counted import count_terms
from refsast.crosscheck.diagnose.knobs.derivatives import derivative
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Dials, mix
from refsast.crosscheck.diagnose.knobs.forward import (
    FIRES_LAST,
    RESET_AT_REST,
    SPIKE_AT_REST,
    START_GAIN,
    LayerRun,
    keep_first_start,
    rest_shares,
)
from refsast.crosscheck.diagnose.knobs.layer_numbers import membrane_leak, reset_amounts
from refsast.crosscheck.diagnose.knobs.restarts import WARMED
from refsast.crosscheck.diagnose.knobs.sums import weigh_neurons
from refsast.crosscheck.diagnose.knobs.windows import sum_copies

START_SUMMED = "start from the adjoints of all steps"
START_SECOND = "start from the adjoint of the second step"
START_LAST = "start from the adjoint of the last step"


def sum_start(
    case: Case,
    index: int,
    dials: Dials,
    run: LayerRun,
    first: Array,
    pulled: Array,
    back: tuple[Array | float, Array],
    later: Array,
    copies: int,
) -> Array:
    """Return the gradient in the potentials before the first step, from that step's adjoint.

    `pulled` and the first of `back` return to a spike of theirs, where there is one by mistake,
    through the reset and the recurrent weights; the second through the spike of the first step,
    where it is computed from them. `later` has all adjoints, of so many copies of the batch.
    """
    fed, fired = back
    zero = reset_amounts(case, index, dials, " backward")[0]
    first = mix(
        dials,
        index,
        first,
        {
            START_SUMMED: lambda: later.sum(axis=0),
            START_LAST: later[-1],
            START_SECOND: later[1] if len(later) > 1 else 0.0 * later[0],
        },
    )
    kept = (membrane_leak(case, index, dials) - zero * run.s_reset[0]) * first
    if dials.turns(RESET_AT_REST, index) or dials.turns(SPIKE_AT_REST, index):
        reset, heard = rest_shares(dials, index)
        before = LayerRun(run.a[:1], *(run.before[:1],) * 5)
        heard = heard * fed
        if not case.network.neurons[index].detach_reset:
            heard = heard + reset * pulled
        kept = kept + derivative(case, index, dials, before)[0] * heard
    if dials.turns(FIRES_LAST, index):
        kept = kept + dials.read(FIRES_LAST, index, 0.0) * fired
    kept = weigh_neurons(dials, index, kept) * (1.0 - dials.read(WARMED, WHOLE, 0.0))
    kept = sum_copies(kept[None], copies)
    kept = (kept * count_terms(dials, index, "start", kept))[0]
    kept = keep_first_start(dials, index, kept)
    return (kept * dials.read(START_GAIN, index, 1.0)).sum(axis=-2)
