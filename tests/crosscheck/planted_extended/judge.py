"""What `rs.check` says of a planted fault, against the truth."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

import refsast as rs
from refsast.crosscheck.case import Answer
from refsast.crosscheck.check import Report
from refsast.crosscheck.compare import examine
from refsast.crosscheck.diagnose.confirm import SLACK
from refsast.crosscheck.diagnose.faults.cause import find_settings
from refsast.crosscheck.diagnose.faults.setting import solve_setting
from refsast.crosscheck.diagnose.misfit import misfit, relative_limit
from refsast.model.params import flatten
from refsast.model.vector import keep_in_range, unflatten
from tests.crosscheck.planted_extended.draw import draw_case
from tests.crosscheck.planted_extended.kind import DTYPES, Kind, black_box, planted_answer

SHOWN = 1e-5  # relative change of an array of gradients, or of the loss, from which a fault shows
FRESH = 6  # questions that a doubtful cause is asked
SAME = 1e-6  # relative distance of its numbers from those that are answered
ATTEMPTS = 400


@dataclass(frozen=True)
class Row:
    """One network with a fault, judged.

    `cause`: "true", "same numbers" (other words, but the numbers of fresh questions, too), "FALSE",
    "unknown". `place`: "right", "not known", "WRONG".
    """

    kind: str
    network: int
    dtype: str
    unshown: int  # networks drawn before, in which the fault changed nothing
    planted: str
    truth: str
    detected: bool
    cause: str
    place: str
    says: str
    first: str
    seconds: float
    text: str


def draw_faulty(kind: Kind, rng: np.random.Generator) -> tuple[rs.Case, tuple[int, ...], int]:
    """Return a case, the layers of a fault that shows in it, and how many showed nothing."""
    unshown = 0
    for _ in range(ATTEMPTS):
        try:
            case = draw_case(rng, kind.needs)
        except ValueError:  # a window does not fit
            continue
        able = [i for i in range(case.network.depth) if kind.has(case, i)]
        if not able:
            continue
        layers = tuple(able) if rng.integers(3) == 0 else (int(rng.choice(able)),)
        if not kind.layered:
            layers = ()
        if shows(case, kind, layers):
            return case, layers, unshown
        unshown += 1
    raise ValueError(f"kind must show in some network, got {kind.name!r}")


def shows(case: rs.Case, kind: Kind, layers: Sequence[int]) -> bool:
    """Return whether a fault changes loss or gradients."""
    right, wrong = (planted_answer(case, each, layers) for each in (None, kind))
    if not (np.isfinite(flatten(wrong.grads)).all() and np.isfinite(wrong.loss)):
        return False
    size = abs(flatten(right.grads)).max()
    moved = abs(flatten(wrong.grads) - flatten(right.grads)).max() > SHOWN * size
    return bool(size > 0.0 and (moved or abs(wrong.loss / right.loss - 1.0) > SHOWN))


def true_place(right: Answer, wrong: Answer) -> tuple[str, int | None, int | None]:
    """Return kind, layer and step of what is wrong first: states, loss, adjoints, gradients."""
    for side in (right, wrong):
        assert side.u
        assert side.s
        assert side.adjoints
    depth, steps = len(right.u), len(right.u[0])
    for i in range(depth):
        for t in range(steps):
            pairs = (right.u[i][t], wrong.u[i][t]), (right.s[i][t], wrong.s[i][t])
            if any(_differ(*pair) for pair in pairs):
                return "state", i, t
    if abs(wrong.loss - right.loss) > 1e-9 * abs(right.loss):
        return "loss or readout", None, None
    for i in reversed(range(depth)):
        for t in reversed(range(steps)):
            if _differ(right.adjoints[i][t], wrong.adjoints[i][t]):
                return "adjoint", i, t
    rounding = 1e-12 * abs(flatten(right.grads)).max()  # of layers that nothing reaches
    for i in reversed(range(len(right.grads))):
        pairs = (flatten((right.grads[i],)), flatten((wrong.grads[i],)))
        if _differ(*pairs) and abs(pairs[1] - pairs[0]).max() > rounding:
            return "gradient", i, None
    return "nothing", None, None


def _differ(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((abs(a - b) > 1e-9 * max(abs(a).max(initial=0.0), abs(b).max(initial=0.0))).any())


def judge(kind: Kind, network: int, *, dtype: str = "float64") -> Row:
    """Plant a fault into a network of its own, check it, and judge what is said."""
    rng = np.random.default_rng([network, *kind.name.encode()])
    case, layers, unshown = draw_faulty(kind, rng)
    gradient = black_box(case, kind, layers, DTYPES[dtype])
    began = time.process_time()
    report = rs.check(gradient, case)
    seconds = time.process_time() - began
    truth = true_place(*(planted_answer(case, each, layers) for each in (None, kind)))
    planted = f"{kind.cause} in {_words(case, layers)}" if layers else kind.cause
    assert isinstance(report, Report)
    return Row(
        kind.name, network, dtype, unshown, planted, str(truth),
        report.verdict == "DISAGREES",
        judge_cause(report, kind, case, layers, dtype),
        judge_place(report, truth),
        "" if report.cause is None else str(report.cause),
        str(report.first), round(seconds, 2), f"{case.network} hard={case.hard} x={case.x.shape}",
    )  # fmt: skip


def _words(case: rs.Case, layers: Sequence[int]) -> str:
    """The layers of a fault as a report names them."""
    if len(layers) == case.network.depth:
        return "all layers"
    named = " and ".join(str(i + 1) for i in layers)
    return f"layer{'s' if len(layers) > 1 else ''} {named}"


def judge_place(report: Report, truth: tuple[str, int | None, int | None]) -> str:
    """Return whether a place is right."""
    first = report.first
    if first is None or first.what == "not known":
        return "not known"
    what, layer, step = truth
    steps = first.time is None or first.time == step
    same = first.what == what and first.layer in (None, layer) and steps
    return "right" if same else "WRONG"


def judge_cause(
    report: Report, kind: Kind, case: rs.Case, layers: Sequence[int], dtype: str
) -> str:
    """Return whether a cause is true."""
    cause = report.cause
    if cause is None or not cause.exact:
        return "unknown"
    for says in (cause.says, *cause.others):
        told = any(all(word in says for word in words) for words in kind.words)
        if told and names_layers(says, kind, case, layers):
            return "true"
    return "same numbers" if has_same_numbers(kind, case, layers, dtype) else "FALSE"


def names_layers(says: str, kind: Kind, case: rs.Case, layers: Sequence[int]) -> bool:
    """Return whether a text names the layers of a fault, as words or as arrays.

    All layers are all that have what the fault needs.
    """
    if not layers or case.network.depth == 1:
        return True
    arrays = {int(n) for n in re.findall(r"grads\[(\d)\]", says)}
    if arrays:
        return arrays == set(layers)
    able = [i for i in range(case.network.depth) if kind.has(case, i)]
    return _words(case, layers) in says or (able == list(layers) and "in all layers" in says)


def has_same_numbers(kind: Kind, case: rs.Case, layers: Sequence[int], dtype: str) -> bool:
    """Return whether the plainest cause gives the answers to fresh questions of the network."""
    gradient = black_box(case, kind, layers, DTYPES[dtype])
    settings = find_settings(gradient, examine(gradient, case))
    rng = np.random.default_rng(7)
    for _ in range(FRESH):
        w = flatten(case.params)
        w = keep_in_range(case.network, w * rng.uniform(0.5, 1.5, w.shape))
        shape = (int(rng.integers(3, 14)), int(rng.integers(2, 6)), case.x.shape[2])
        x = rng.uniform(-0.5, 1.5, shape)
        y = rng.integers(0, case.network.classes, shape[1])
        asked = replace(case, params=unflatten(case.network, w), x=x, y=y)
        exam = examine(gradient, asked)
        answer = solve_setting(asked, settings[0])
        near = SAME / relative_limit(exam.dtype) + SLACK
        if answer is None or misfit(exam, answer) > near:
            return False
    return True
