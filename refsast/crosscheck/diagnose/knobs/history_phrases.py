"""The words for knobs of earlier spikes, of the step, of other recordings, of windows."""

from refsast.crosscheck.diagnose.knobs.forward import HARD_IN, START_FIRST
from refsast.crosscheck.diagnose.knobs.history import (
    ADAPTATION,
    ADAPTATION_LEAK,
    RAMPED,
    RAMPS,
    REFRACTORY,
    SPARSE,
    SPIKE_ROUNDINGS,
    WINNER,
    ramp_name,
)
from refsast.crosscheck.diagnose.knobs.limits import CLAMPED
from refsast.crosscheck.diagnose.knobs.normalisation import (
    NORMALISATIONS,
    OF_PRODUCT,
    OVER_STEPS,
    RECTIFIED,
)
from refsast.crosscheck.diagnose.knobs.precision import CASTS, LAYER_FORMATS, TOO
from refsast.crosscheck.diagnose.knobs.recordings import CARRIES
from refsast.crosscheck.diagnose.knobs.resets import FIRST_RESETS
from refsast.crosscheck.diagnose.knobs.restarts import UNRESET, WARMED
from refsast.crosscheck.diagnose.knobs.windows import MEMORY, STRIDE, WINDOWS

RAMPED_WORDS = {"slope": "slope", "firing threshold": "the threshold of the spike"}
RAMP_WORDS = {
    "growing by t/T": "multiplied by 1 + {} t/T at step t of T",
    "growing by (t - 1)/T": "multiplied by 1 + {} (t - 1)/T at step t of T",
    "growing by (t - 1)/(T - 1)": "multiplied by 1 + {} (t - 1)/(T - 1) at step t of T",
    "growing by t": "multiplied by 1 + {} t at step t",
    "growing by t - 1": "multiplied by 1 + {} (t - 1) at step t",
    "growing as a power": "multiplied by 1 + {} from step to step",
}
HISTORY_GAINS = {
    ADAPTATION: ("", "with the threshold raised by {} of each spike before (an adaptation)"),
    ADAPTATION_LEAK: (
        "with an adaptation by the last spike alone",
        "with {} of an adaptation kept from step to step",
    ),
    "refractory factor": (
        "",
        "with spikes multiplied by 1 - {} s, s the spike of the step before (refractory)",
    ),
    SPARSE: ("", "with spikes below {} made zero"),
    MEMORY: (
        "",
        "with what the spikes of a step receive going back {} steps in the layer (truncated BPTT)",
    ),
    WINDOWS: (
        "",
        "with what each step receives going back in a window of {} steps, through all layers"
        " (truncated BPTT)",
    ),
    STRIDE: ("", "with a window after each {} steps"),
    **{
        ramp_name(what, ramp): ("", f"with {RAMPED_WORDS[what]} {RAMP_WORDS[ramp]}")
        for what in RAMPED
        for ramp in RAMPS
    },
}


def _normal_words(name: str) -> str:
    """Currents that are normalised, in words."""
    where = name.split(" over ")[1]
    of = {"input": "input of a layer", "products": "input W a, before a bias,"}
    of = of.get(name.split()[0], "currents")
    if "centred" in name:
        return f"with the mean over {where} taken off the {of}"
    return f"with the {of} normalised to mean 0 and deviation 1 over {where}"


HISTORY_SWITCHES = {
    **{
        name: f"with spikes held back for {steps} steps after a spike, by 1 - s (refractory)"
        for name, steps in REFRACTORY.items()
        if steps > 1
    },
    **{name: f"with {name.replace(' in ', ' rounded to ', 1)}" for name in SPIKE_ROUNDINGS},
    RECTIFIED: "with negative currents made zero (a ReLU before the neurons)",
    **{
        name: _normal_words(name)
        for name in (*NORMALISATIONS, *OVER_STEPS, *OF_PRODUCT)
        if name != RECTIFIED
    },
    WINNER: "with spikes of the neuron of the largest potential of a layer alone (inhibition)",
    HARD_IN: "with spikes passed on rounded to zeros and ones, straight through",
    "state zero in the middle": "with states set to zero in the middle, before step T // 2 + 1",
    "spikes lost in the middle": "with the spikes of step T // 2 lost to the reset and the"
    " recurrent input of the next step",
    UNRESET: "with the reset left out at the last step",
    START_FIRST: "with the potentials before the first step given to the first recording alone",
    FIRST_RESETS: "with resets of all recordings by the spikes of the first",
    CLAMPED: "with what a step keeps of the potential after the reset made zero where it is"
    " negative",
    **{
        f"potentials in {name}": f"with potentials rounded to {name.removesuffix(TOO)} at every"
        f" step{TOO}"
        for name in CASTS
    },
    **{name: f"with {name.replace(' in ', ' rounded to ', 1)}" for name in LAYER_FORMATS},
    WARMED: "with states not reset: those that an earlier pass through the same steps has left",
    **{
        name: "with states carried on from one recording to the next"
        + ("" if attached else ", detached there")
        for name, attached in CARRIES.items()
    },
}
