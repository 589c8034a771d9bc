"""Places: what was handed over and agrees is never blamed, nor what it follows from.

Each kind of report that once contradicted itself is drawn ten times: in sizes, resets, readouts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.variants import solve
from refsast.model.params import map_params

pytest.importorskip("torch")
from tests.crosscheck.case_kinds import READOUTS, SMOOTH, draw_network
from tests.draws import draws

VARIANTS = range(draws(10))
SMOOTHING = 0.1


@dataclass(frozen=True)
class Slip:
    """What is wrong in an answer, and where: the kind of place, and its layer from the top.

    `change` makes the wrong answer from the right one, its case and its question.
    """

    change: Callable[[rs.Answer, rs.Case], rs.Answer]
    what: str
    layer: Callable[[rs.Case], int | None] = lambda case: None
    options: dict = field(default_factory=dict)


def grads_of(change) -> Callable[[rs.Answer, rs.Case], rs.Answer]:
    """A change of the gradients alone."""
    return lambda a, case: replace(a, grads=change(a, case))


def read_out_by(readout) -> Callable[[rs.Answer, rs.Case], rs.Answer]:
    """The network's readout exchanged, its states right."""

    def change(answer: rs.Answer, case: rs.Case) -> rs.Answer:
        network = replace(case.network, readout=readout(case.network.readout))
        return solve(replace(case, network=network))

    return change


def at(layer: int, change) -> Callable[[rs.Answer, rs.Case], rs.Params]:
    """A change of the gradients of one layer, given the answer and the case."""

    def changed(a: rs.Answer, case: rs.Case) -> rs.Params:
        grads = list(a.grads)
        grads[layer] = change(a, case)
        return tuple(grads)

    return changed


def smooth_labels(a: rs.Answer, case: rs.Case) -> rs.Answer:
    """The loss of smoothed labels, beside the gradients of the right one."""
    z = rs.run(case.network, case.params, case.x).logits
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    target = (1.0 - SMOOTHING) * np.eye(z.shape[1])[case.y] + SMOOTHING / z.shape[1]
    return replace(a, loss=float(-(target * logp).sum(axis=1).mean()))


def last_bias(a: rs.Answer, case: rs.Case) -> rs.Layer:
    """The gradient in the first bias, of the last step only."""
    return replace(a.grads[0], b=a.adjoints[0][-1].sum(axis=0))


def without_first(a: rs.Answer, case: rs.Case) -> rs.Layer:
    """The first layer's gradients without the first step."""
    first, delta = a.grads[0], a.adjoints[0][0]
    return replace(first, w=first.w - delta.T @ case.x[0], b=first.b - delta.sum(axis=0))


def twice(layer: int) -> Callable[[rs.Answer, rs.Case], rs.Layer]:
    """A layer's gradients, accumulated twice."""
    return lambda a, case: map_params(lambda g: 2.0 * g, (a.grads[layer],))[0]


def clipped(a: rs.Answer, case: rs.Case) -> rs.Params:
    """All gradients brought to one norm."""
    norm = np.linalg.norm(rs.flatten(a.grads))
    return map_params(lambda g: 0.3 * g / norm, a.grads)


def lowest(case: rs.Case) -> int:
    """The first layer."""
    return 0


def uppermost(case: rs.Case) -> int:
    """The layer of the readout's parameters."""
    return len(case.network.neurons)


RATE, LINEAR, LEAKY = ({"readouts": (readout,)} for readout in READOUTS)
SLIPS = {
    "another gain": Slip(
        read_out_by(lambda r: rs.SpikeRate(0.6 * r.gain)), "loss or readout", options=RATE),
    "another leak of the readout": Slip(
        read_out_by(lambda r: replace(r, leak=0.5)), "loss or readout", options=LEAKY),
    "a readout without a leak": Slip(
        read_out_by(lambda r: rs.LinearReadout(r.n_out)), "loss or readout", options=LEAKY),
    "a readout with a leak": Slip(
        read_out_by(lambda r: rs.LeakyReadout(r.n_out, 0.9)), "loss or readout", options=LINEAR),
    "labels smoothed": Slip(smooth_labels, "loss or readout"),
    "loss in bits": Slip(lambda a, case: replace(a, loss=a.loss / np.log(2.0)), "loss or readout"),
    "bias of the last step only": Slip(grads_of(at(0, last_bias)), "gradient", lowest),
    "readout twice": Slip(grads_of(at(-1, twice(-1))), "gradient", uppermost, LINEAR),
    "first layer twice": Slip(grads_of(at(0, twice(0))), "gradient", lowest),
    "first step left out": Slip(grads_of(at(0, without_first)), "gradient", lowest),
    "clipped": Slip(grads_of(clipped), "gradient"),
}  # fmt: skip


def draw_case(slip: Slip, seed: int) -> rs.Case:
    """A smooth network with biases, no recurrence, and parameters that can be off."""
    rng = np.random.default_rng([seed, len(slip.what)])
    options = {**SMOOTH, "synapses": (None,), **slip.options}
    while True:
        case = draw_network(rng, **options)
        norm = np.linalg.norm(rs.flatten(solve(case).grads))
        if case.network.bias and not case.network.recurrent and norm > 0.05:
            return case


def implementation(case: rs.Case, slip: Slip, hidden: tuple[str, ...]):
    """Answers with states and adjoints, without what is hidden."""

    def gradient(params, x, y):
        asked = replace(case, params=params, x=x, y=y)
        answer = slip.change(solve(asked), asked)
        return replace(answer, x=None, **dict.fromkeys(hidden))

    return gradient


@pytest.mark.parametrize("seed", VARIANTS)
@pytest.mark.parametrize("name", SLIPS)
def test_a_place_that_follows_from_what_is_given_is_named(name, seed):
    slip = SLIPS[name]
    case = draw_case(slip, seed)
    report = rs.check(implementation(case, slip, ()), case)

    given = {stage.name: stage.agrees for stage in report.stages}
    assert report.verdict == "DISAGREES"
    assert given["states"]
    assert report.first.what == slip.what, report
    whole = len(case.params) == 1 and report.first.layer == 0  # the only layer is all of them
    assert report.first.layer == slip.layer(case) or whole, report


@pytest.mark.slow
@pytest.mark.parametrize("seed", VARIANTS)
@pytest.mark.parametrize("name", [n for n in SLIPS if SLIPS[n].what == "loss or readout"])
def test_without_states_it_is_the_readout_or_not_known(name, seed):
    slip = SLIPS[name]
    case = draw_case(slip, seed)
    report = rs.check(implementation(case, slip, ("u", "s", "adjoints")), case)

    assert report.verdict == "DISAGREES"
    assert report.first.what in ("loss or readout", "not known"), report
