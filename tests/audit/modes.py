"""What is audited: modes of released libraries, and what each is asked."""

from dataclasses import dataclass, field

import refsast as rs
from refsast.model.synapse import Synapse
from tests.audit.network_questions import Question

LEAKED = rs.Subtract(leaked=True)
# Inputs are scaled by one minus the leak there, so weights must be larger for neurons to fire.
SCALED = {"leak": 0.8, "drive": 12.0}
CURRENT = {**SCALED, "synapse": Synapse(0.6, 1.0 - 0.8)}
ONE_LAYER = {"sizes": (4, 3)}


@dataclass(frozen=True)
class Mode:
    """One way to use a library.

    Attributes
    ----------
    package : str
        Its distribution.
    adapter, factory : str
        Where its implementation is made.
    description : str
        For the page.
    options : dict
        Of the cases, as `drawn` takes them.
    note : str
        Why it disagrees, in a sentence, where that is no choice that the library states.
    """

    package: str
    adapter: str
    factory: str
    description: str
    options: dict = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class NetworkMode:
    """A network of a library beyond dense LIF layers; attributes as of `Mode`.

    Attributes
    ----------
    question : callable
        From a seed to the implementation and its case.
    """

    package: str
    description: str
    question: Question
    note: str = ""


# Why a mode disagrees; each was read in the source of the released version.
SNN_DETACH = (
    "`mem_reset` detaches the reset's spike in every mode; the loss agrees, its gradient does not."
)
SNN_REST = (
    "`mem_reset` is asked before the first step, too, of a potential of zero, at which a smooth "
    "spike is not zero; and it detaches the reset's spike."
)
SNN_SECOND = (
    "The reset at once takes off what fired, and the next step's `mem_reset` takes off what a "
    "second, detached spike of the rest says, which a smooth spike always does."
)
SNN_SLOPE = (
    "Its backward pass is 1/(1 + 25|v|)^2 without the factor that would make it the derivative of "
    "a step from 0 to 1: every layer makes the gradient smaller by 12.5."
)
SINABS_ANY = (
    "`MembraneReset` multiplies by `spikes == 0`, which no smooth spike is, so that every neuron "
    "is reset at every step."
)
SINABS_CUT = "`MembraneReset` multiplies by `spikes == 0`, a comparison, which passes no gradient."
NORSE_TANH = (
    "The backward pass of `tanh` leaves out the factor alpha/2 of the step that it documents: at "
    "alpha 2 it is right."
)
NORSE_DIGITS = (
    f"{NORSE_TANH} It is computed as 1 - tanh^2, which has few digits where it is small, so that "
    "the factor alone does not always give the same numbers; with 1/cosh^2 in its place it does."
)
NORSE_CIRC = "The backward pass of `circ` is 2 alpha times the derivative that it documents."
NORSE_SUPER = (
    "The backward pass of `super` is 1/(1 + |v|)^2: alpha does not occur in it, nor does the "
    "factor of a step from 0 to 1."
)
NORSE_DETACH = (
    "The recurrent step multiplies by one minus the detached spike; the feed-forward step does not "
    "detach it."
)


def _hard(spike: rs.Arctan, **options) -> dict:
    return {"hard": True, "spike": spike, **options}


MODES = (
    Mode("torch", "torch", "factory", "plain modules, smooth"),
    Mode("torch", "torch", "factory", "plain modules, hard", {"hard": True}),
    Mode("torch", "torch", "single", "plain modules in float32"),
    Mode("jax", "jax", "factory", "`grad` of a plain scan"),
    Mode("spikingjelly", "spikingjelly", "keep_reset", "`LIFNode`, smooth, hard reset"),
    Mode(
        "spikingjelly", "spikingjelly", "keep_reset", "`LIFNode`, smooth, soft reset",
        {"reset": LEAKED},
    ),
    Mode(
        "spikingjelly", "spikingjelly", "keep_reset_multistep",
        "`LIFNode`, multi-step, surrogate `ATan`", _hard(rs.Arctan(2.0)),
    ),
    Mode(
        "spikingjelly", "spikingjelly", "factory", "`LIFNode(decay_input=True)`, smooth",
        {**SCALED, "synapse": Synapse(0.0, 1.0 - 0.8)},
    ),
    Mode(
        "spikingjelly", "spikingjelly", "detach_reset",
        "`LIFNode(detach_reset=True)`, smooth, hard reset",
    ),
    Mode(
        "spikingjelly", "spikingjelly", "detach_reset",
        "`LIFNode(detach_reset=True)`, smooth, soft reset", {"reset": LEAKED},
    ),
    Mode("snntorch", "snntorch", "smooth", "`Leaky`, smooth, `none`", {"reset": rs.NoReset()}),
    Mode("snntorch", "snntorch", "smooth", "`Leaky`, smooth, `zero`", note=SNN_DETACH),
    Mode(
        "snntorch", "snntorch", "smooth", "`Leaky`, smooth, `subtract`", {"reset": rs.Subtract()},
        note=SNN_REST,
    ),
    Mode(
        "snntorch", "snntorch", "smooth_from_rest",
        "`Leaky`, smooth, `subtract`, first reset left out", {"reset": rs.Subtract()},
        note=SNN_DETACH,
    ),
    Mode(
        "snntorch", "snntorch", "smooth_without_delay",
        "`Leaky(reset_delay=False)`, smooth, `subtract`",
        {"reset": LEAKED}, note=SNN_SECOND,
    ),
    Mode(
        "snntorch", "snntorch", "surrogate", "`Leaky`, surrogate `atan`",
        _hard(rs.Arctan(2.0), reset=rs.Subtract()), note=SNN_DETACH,
    ),
    Mode(
        "snntorch", "snntorch", "surrogate",
        "`Leaky`, surrogate `atan`, if a detached reset is what is wanted",
        _hard(rs.Arctan(2.0), reset=rs.Subtract(), detach=True),
    ),
    Mode(
        "snntorch", "snntorch", "surrogate", "`Leaky`, surrogate `fast_sigmoid(25)`",
        _hard(rs.FastSigmoid(25.0), reset=rs.NoReset(), drive=6.0, sizes=(4, 6, 3)), note=SNN_SLOPE,
    ),
    Mode("sinabs", "sinabs", "subtract", "`LIF`, smooth, `MembraneSubtract`", {"reset": LEAKED}),
    Mode(
        "sinabs", "sinabs", "subtract", "`LIF`, `SingleSpike`, `MembraneSubtract`",
        {"reset": LEAKED, "hard": True},
    ),
    Mode("sinabs", "sinabs", "zero", "`LIF`, smooth, `MembraneReset`", note=SINABS_ANY),
    Mode(
        "sinabs", "sinabs", "zero", "`LIF`, `SingleSpike`, `MembraneReset`", {"hard": True},
        note=SINABS_CUT,
    ),
    Mode("norse", "norse", "smooth", "`LIFCell`, its threshold swapped for a smooth one", CURRENT),
    Mode(
        "norse", "norse", "smooth", "`LIFBoxCell`, its threshold swapped for a smooth one",
        {**SCALED, "synapse": Synapse(0.0, 1.0 - 0.8)},
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `tanh`, alpha 2",
        _hard(rs.Logistic(4.0), **CURRENT),
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `tanh`, alpha 10",
        _hard(rs.Logistic(20.0), **CURRENT, **ONE_LAYER), note=NORSE_TANH,
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `tanh`, alpha 10, three layers",
        _hard(rs.Logistic(20.0), **CURRENT), note=NORSE_DIGITS,
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `circ`, alpha 2",
        _hard(rs.Algebraic(0.5), **CURRENT, **ONE_LAYER), note=NORSE_CIRC,
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `circ`, alpha 100",
        _hard(rs.Algebraic(0.01), **CURRENT, **ONE_LAYER), note=NORSE_CIRC,
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `super`, alpha 1",
        _hard(rs.FastSigmoid(1.0), **CURRENT, **ONE_LAYER), note=NORSE_SUPER,
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `super`, alpha 100",
        _hard(rs.FastSigmoid(100.0), **CURRENT, **ONE_LAYER), note=NORSE_SUPER,
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFCell`, `triangle`, alpha 1",
        _hard(rs.PiecewiseQuadratic(1.0), **CURRENT),
    ),
    Mode(
        "norse", "norse", "surrogate", "`LIFRecurrentCell`, `tanh`, alpha 2",
        _hard(rs.Logistic(4.0), recurrent=True, **CURRENT), note=NORSE_DETACH,
    ),
)  # fmt: skip
