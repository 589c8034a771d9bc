"""The words for the knobs of `seldom_inventory`."""

from refsast.crosscheck.diagnose.knobs.adjoints import (
    ADJOINT_ROUNDINGS,
    ADJOINTS,
    BEHIND_TWO,
    COUNT_ZERO,
    CUT_FIRED,
    FIRST_ZERO,
    FORWARD_SCAN,
    GATE_BEFORE,
    LAST_ZERO,
    NOT_CLEARED,
    PAST_SLOPE,
    PENALTY_OF_U,
    RESET_FIRED,
    SEEDED,
    SHARE_ZERO,
    SHARED_CARRY,
    TERMS,
    THROUGH_SLOPE,
)
from refsast.crosscheck.diagnose.knobs.backward import LAST_BARE, THROUGH_FIRST, THROUGH_W
from refsast.crosscheck.diagnose.knobs.below import AVERAGED, AVERAGED_BATCH, LIMITED, MISSED
from refsast.crosscheck.diagnose.knobs.derivatives import BATCH_MEAN, SLOPE_ROUNDINGS
from refsast.crosscheck.diagnose.knobs.finish import (
    LARGEST,
    LARGEST_OF_EACH,
    NORMED,
    PRUNED,
    SMALL_WEIGHTS,
)
from refsast.crosscheck.diagnose.knobs.program import LAST_HEARD, LAST_WEIGHED
from refsast.crosscheck.diagnose.knobs.sums import OWN_SPIKES, POTENTIALS_BELOW

SELDOM_GAINS = {
    COUNT_ZERO.format(ADJOINTS): ("", "with adjoints of zero at the first {} steps"),
    SHARE_ZERO.format(ADJOINTS): (
        "",
        "with adjoints of zero at the first T // {} of T steps (a warm-up)",
    ),
    "adjoints rounded to a grid": ("", "with the adjoint of every step in units of 2^-{}, rounded"),
    "adjoints cut to a grid": ("", "with the adjoint of every step in units of 2^-{}, cut"),
    COUNT_ZERO.format(TERMS): ("", "with the first {} steps left out of the sums"),
    SHARE_ZERO.format(TERMS): ("", "with the first T // {} of T steps left out of the sums"),
    **{
        f"{part} {SMALL_WEIGHTS}": (
            "",
            f"with the gradient in {part.upper()} zero at the smallest weights, {{}} of all",
        )
        for part in "wv"
    },
    LARGEST_OF_EACH: (
        "",
        "with the smallest entries of each array of the gradient zero, {} of all",
    ),
    PRUNED: ("", "with the gradients in W and V zero where weights are smaller than {} (pruned)"),
    LIMITED: ("", "with what comes from above clipped to {}"),
    PENALTY_OF_U: (
        "",
        "with {} of each potential, over the number of recordings, added to adjoints"
        " (a penalty that the loss lacks)",
    ),
    **{
        f"{part} {LARGEST}": (
            "",
            f"with the smallest entries of the gradient in {part.upper()} zero, {{}} of all",
        )
        for part in "wv"
    },
}
SELDOM_SWITCHES = {
    FIRST_ZERO: "with an adjoint of zero at the first step (a loop that is one step too short)",
    LAST_ZERO: "with an adjoint of zero at the last step (a loop that begins one step too late)",
    BATCH_MEAN: "with the spike's derivative averaged over recordings",
    CUT_FIRED: "with the gradient through the leak zero where a neuron fires (s > 1/2), and else"
    " the leak",
    SEEDED: "with what the spikes of the last step receive carried into it, too, as from a step"
    " after the last",
    SHARED_CARRY: "with what is carried back through time averaged over recordings",
    RESET_FIRED: "with the gradient through the reset where a neuron fires (s > 1/2) alone",
    AVERAGED_BATCH: "with what comes from above averaged over recordings",
    LAST_BARE: "with what the spikes of the last step receive for the adjoint of their potential:"
    " without the spike's derivative",
    AVERAGED: "with what comes from above averaged over steps",
    BEHIND_TWO: "with what comes back through V from two steps later in place of one",
    THROUGH_FIRST: "with V of the first layer in the gradient through the recurrent weights",
    THROUGH_W: "with W in place of V in the gradient through the recurrent weights",
    **{
        name: f"with nothing given to the {name.split()[-2]} neuron of the layer below"
        for name in MISSED
    },
    FORWARD_SCAN: "with the recursion of the adjoints forward, not backward, in time",
    THROUGH_SLOPE: "with what comes back through the leak times the spike's derivative, too",
    PAST_SLOPE: "with what comes back through V added after the spike's derivative, not before",
    NOT_CLEARED: "with what spikes receive added to that of all later steps (never cleared)",
    GATE_BEFORE: "with the reset's factor 1 - s in the gradient through the leak taken at the step"
    " before",
    "reset path after the reset": "with the gradient through the reset taken at the potential after"
    " the reset, u (1 - s)",
    "layer path reversed": "with what comes from above in reversed order of the steps",
    OWN_SPIKES: "with adjoints paired with the layer's own spikes in place of its inputs",
    POTENTIALS_BELOW: "with adjoints paired with the potentials of the layer below, not its spikes",
    LAST_WEIGHED: "with the gradient in the readout's weights from the spikes of the last step, in"
    " place of those of all steps",
    LAST_HEARD: "with the gradient in the readout's weights from the spikes of the last step alone",
    **{
        name: "with each array of the gradient divided by its norm"
        + name.removeprefix("each array over its norm")
        for name in NORMED
    },
    **{
        name: "with the spike's derivative" + (", and what it is taken at," if too else "")
        + f" rounded to {name.split(' in ')[1]}"
        for name, (too, _) in SLOPE_ROUNDINGS.items()
    },
    **{
        name: f"with the adjoint of every step rounded to {name.removeprefix('adjoints in ')}"
        for name in ADJOINT_ROUNDINGS
    },
}  # fmt: skip
