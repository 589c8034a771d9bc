"""Why does a second call of the same case give another answer? What outlives a call is asked about.

Rule 1: only what foretells the second call and a third, to rounding, is a cause.
Rule 2: states are asked about where the first call was right; else they do not tell by themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, ask
from refsast.crosscheck.compare import Examination, cosine_and_ratio, examine_answer
from refsast.crosscheck.diagnose.attribution import MAX_NAMED, Cause
from refsast.crosscheck.diagnose.localise import Location, locate
from refsast.crosscheck.diagnose.misfit import explains, relative_limit
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.tolerance import MAX_SHARE
from refsast.crosscheck.variants import State, reference_variant, solve, unroll_variant
from refsast.model.network import Network, describe_extension
from refsast.model.params import Params, flatten, param_arrays, replace_arrays
from refsast.model.readout import LastPotential, LeakyReadout, LinearReadout, SpikeRate
from refsast.model.unroll import readout_logits

PARTS = ("potentials", "spikes", "synaptic currents")


@dataclass(frozen=True)
class _Kept:
    """What is left as it is between two calls; all else is at rest again."""

    layers: tuple[int, ...]
    parts: tuple[str, ...]
    readout: bool = False
    name: str = ""


def explain_calls(
    gradient: Gradient, exam: Examination, second: Answer
) -> tuple[Cause | None, Location | None]:
    """Return what outlives a call, and what is wrong first by it; None where it is not known.

    `exam` is of the first call; `second` answers the same case otherwise.
    """
    try:
        third = ask(gradient, exam.case)[0]
    except ValueError:  # it gives no third answer
        return None, None
    calls = [replace(exam, got=got) for got in (second, third)]
    found: dict[str, Answer] = {}  # by what is kept, the answer to the second call
    for name, answers in _foretell(exam, second):
        own = next(answers)
        if explains(calls[0], own) and explains(calls[1], next(answers)):
            found[name] = own
    if not found:
        return None, None
    names = list(found)
    cosine, ratio = cosine_and_ratio(flatten(second.grads), flatten(exam.right.grads))
    says = f"with {names[0]}, from the second call on"
    cause = Cause(names[0], says, cosine, ratio, others=tuple(names[1:MAX_NAMED]))
    exact = np.dtype(np.float64)  # whatever was asked: a simulation has no larger error
    runs = [examine_answer(answer, exam.case, exact).stages for answer in found.values()]
    place = locate((), runs)
    return cause, place and replace(place, how=f"{place.how}, in the second call")


def _foretell(exam: Examination, second: Answer) -> Iterator[tuple[str, Iterator[Answer]]]:
    """Yield what may outlive a call, with the answers to the second and the third that it gives."""
    if not exam.wrong & {"loss", "states", "adjoints"}:
        yield from _add_gradients(exam, second)
    network = exam.case.network
    plain = replace(network, readout=LinearReadout(network.classes))
    stateful = SpikeRate | LinearReadout | LeakyReadout | LastPotential
    if exam.wrong or describe_extension(plain) or not isinstance(network.readout, stateful):
        return
    for kept in _name_kept(exam.case):
        yield kept.name, _run_kept(exam.case, kept)


def _add_gradients(exam: Examination, second: Answer) -> Iterator[tuple[str, Iterator[Answer]]]:
    """Gradients to which a share of those of the last call is added, if that may be."""
    right, got = flatten(exam.right.grads), flatten(exam.got.grads)
    squares = float(got @ got)
    share = float((flatten(second.grads) - right) @ got) / squares if squares > 0.0 else 0.0
    if not MAX_SHARE < abs(share) < np.inf:
        return
    if whole := abs(share - 1.0) <= relative_limit(exam.dtype):
        share = 1.0

    def add(before: Params) -> Answer:
        pairs = zip(param_arrays(exam.right.grads), param_arrays(before), strict=True)
        sums = (own + share * earlier for own, earlier in pairs)
        return replace(exam.right, grads=replace_arrays(exam.right.grads, sums))

    times = "" if whole else f"{share:.6g} times "
    kept = ": they are not cleared, or multiplied by the number of the call"
    cleared = kept if whole else ", as momentum does"
    answers = (add(before.grads) for before in (exam.got, second))
    yield f"{times}the gradients of the call before added{cleared}", answers


def _name_kept(case: Case) -> Iterator[_Kept]:
    """Yield what may be kept between two calls, the commonest first."""
    depth = len(case.network.neurons)
    has = PARTS if case.synapse is not None else PARTS[:2]
    every = tuple(range(depth))
    layers = [(every, "")]
    if depth > 1:
        layers += [((i,), f" of layer {i + 1} alone") for i in every]
    for which, where in layers:
        yield _Kept(which, has, name=f"the states{where} kept: they are not reset")
        for part in (has[0], *has[2:]):
            yield _Kept(which, (part,), name=f"the {part}{where} kept: they are not reset")
    yield _Kept(every, has, True, "the states and the readout's kept: they are not reset")
    yield _Kept((), (), True, "the readout's state kept: it is not reset")


def _run_kept(case: Case, kept: _Kept) -> Iterator[Answer]:
    """Yield the answers to the second and to the third call."""
    variant, share = reference_variant(case), _read_share(case) if kept.readout else 0.0
    states: Sequence[State] = ()
    held = np.zeros(())
    for _ in range(2):
        _, ss, last = unroll_variant(case, variant, case.params, case.x, states)
        held = _readout_state(case, np.stack(ss[-1]), held)
        states = [
            _keep(state, kept.parts if i in kept.layers else ()) for i, state in enumerate(last)
        ]
        read = partial(_read_from, share * held)
        yield solve(case, replace(variant, read=read), before=states)


def _read_from(before: Array, network: Network, params: Params, s: Array) -> Array:
    """The logits with what is left in them of the call before."""
    return readout_logits(network, params, s) + before


def _keep(state: State, parts: Sequence[str]) -> State:
    """The parts of a state that are kept; the others are zero."""
    u, s, i = (
        array if name in parts else np.zeros_like(array)
        for name, array in zip(PARTS, state, strict=True)
    )
    return u, s, i


def _read_share(case: Case) -> float:
    """How much of the readout's state before the first step is in the logits."""
    readout = case.network.readout
    if isinstance(readout, LeakyReadout | LastPotential):
        return readout.leak * float(readout.time_weights(len(case.x))[0])
    return 1.0


def _readout_state(case: Case, s: Array, before: Array) -> Array:
    """The readout's state after the last step: a sum of spikes, as logits are, or a potential."""
    network, readout = case.network, case.network.readout
    leak = 1.0
    if isinstance(readout, LeakyReadout | LastPotential):
        leak = readout.leak ** len(s)
        network = replace(network, readout=LastPotential(readout.n_out, readout.leak))
    return readout_logits(network, case.params, s) + leak * before
