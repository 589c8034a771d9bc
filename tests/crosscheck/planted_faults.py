"""Networks with planted faults, black boxes of them, and where each is truly wrong first.

``python -m tests.crosscheck.planted_faults [N]`` prints how many of N networks per kind are
detected, with the right cause, at the right place; and at one that is true as far as it goes.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.autodiff.ops import Op
from refsast.autodiff.tape import apply
from refsast.crosscheck.diagnose.derivative_shapes import SHAPES, own_derivative
from refsast.crosscheck.variants import Variant, reference_variant, solve
from refsast.model import reset
from tests.crosscheck.known_faults import readout as readout_faults
from tests.crosscheck.known_faults.faults import Fault, apply_fault, combine, layerwise
from tests.crosscheck.known_faults.spikes import replace_derivative
from tests.crosscheck.known_faults.table import BACKWARD, FORWARD

SURROGATES = (rs.Arctan, rs.Logistic, rs.Algebraic, rs.FastSigmoid, rs.PiecewiseQuadratic)
RESETS = tuple(reset.RESETS.values())
TABLE = {fault.name: fault for fault in (*BACKWARD, *FORWARD)}


def slope(factor: Callable[[float], float]) -> Fault:
    """The spike's derivative multiplied by a function of its slope parameter."""
    scaled = replace_derivative(
        lambda neuron, v: factor(neuron.spike.slope) * own_derivative(neuron, v)
    )
    return Fault("slope factor", "", layerwise(scaled))


KINDS: dict[str, Fault] = {
    **{name: TABLE[name] for name in TABLE if not name.startswith("another surrogate")},
    "another surrogate: Logistic": TABLE["another surrogate: Logistic"],
    "another surrogate: PiecewiseQuadratic, same number": TABLE[
        "another surrogate: PiecewiseQuadratic, same number"
    ],
    "slope factor missing": slope(lambda k: 1.0 / k),
    "slope factor squared": slope(lambda k: k),
    "2/k": slope(lambda k: 2.0 / k),
    "un-normalised": Fault(
        "another surrogate backwards: 1/(1+|k v|)^2",
        "",
        layerwise(replace_derivative(SHAPES["1/(1+|k v|)^2"])),
    ),
    "gradient times 3": Fault("constant factor", "", readout_faults.scale_gradient(3.0)),
}
PAIRS = (
    ("reset detached", "sum over batch"),
    ("leaked subtraction", "input scaled"),
    ("straight-through", "reset detached"),
    ("2/k", "recurrence detached"),
    ("state detached", "bias constant"),
)


def draw_case(
    rng: np.random.Generator, hard: bool = False, detach: bool = False, current: bool = False
) -> rs.Case:
    """A network of any kind with inputs that make it fire; hard ones on a grid: some tie."""
    depth = int(rng.integers(1, 4))
    sizes = tuple(int(n) for n in rng.integers(2, 7, depth + 1))
    if rng.integers(2):  # something square to transpose
        sizes = (*sizes[:-1], sizes[-2])
    spike = SURROGATES[rng.integers(5)](float(np.round(rng.uniform(0.8, 5.0), 2)))
    readouts = (rs.SpikeRate(5.0), rs.LinearReadout(3), rs.LeakyReadout(3, 0.75))
    leak = float(rng.choice([0.25, 0.5, 0.75, 0.875]))
    network = rs.Network(
        sizes,
        rs.LIF(leak, 1.0, spike, RESETS[rng.integers(4)], detach_reset=detach),
        readouts[rng.integers(3)],
        bias=bool(rng.integers(4)),
        recurrent=bool(rng.integers(2)),
    )
    steps, batch = int(rng.integers(3, 9)), int(rng.integers(2, 5))
    w, x = (
        rng.uniform(-1.5, 1.5, network.n_params),
        rng.uniform(-1.0, 2.0, (steps, batch, sizes[0])),
    )
    if hard:
        w, x = np.round(2.0 * w) / 2.0, np.round(2.0 * x) / 2.0
    y = rng.integers(0, network.classes, batch)
    synapse = rs.Synapse(0.5, 0.75, delayed=bool(rng.integers(2))) if current else None
    return rs.Case(network, rs.unflatten(network, w), x, y, synapse, hard=hard)


def draw_faulty_case(rng: np.random.Generator, *faults: Fault) -> rs.Case:
    """A network in which all of these faults show, each beyond the others."""
    hard = any(f.name in ("tie rule", "smooth forward") for f in faults)
    detach = any(f.name == "reset attached" for f in faults)
    current = any(f.name == "scale missing" for f in faults)
    while True:
        case = draw_case(rng, hard, detach, current)
        if any(apply_fault(case, fault) is None for fault in faults):
            continue
        variants = [reference_variant(case), *(apply_fault(case, fault) for fault in faults)]
        if KINDS["un-normalised"] in faults:  # which is a factor alone where FastSigmoid spikes
            variants.append(apply_fault(case, KINDS["2/k"]))
        if len(faults) > 1:
            variants.append(apply_fault(case, combine(*faults)))
        answers = [rs.flatten(solve(case, p).grads) for p in variants]
        gaps = [
            np.abs(a - b).max() / max(np.abs(a).max(), 1e-300)
            for i, a in enumerate(answers)
            for b in answers[:i]
        ]
        if np.isfinite(gaps).all() and min(gaps) > 1e-6:
            return case


def _apply_faults(case: rs.Case, faults: tuple[Fault, ...]) -> Variant:
    """The variant of a case with these faults, wherever it can show them."""
    variant = reference_variant(case)
    for fault in faults:
        variant = fault.change(variant, case) or variant
    return variant


def black_box(case: rs.Case, *faults: Fault) -> Callable[..., tuple[float, rs.Params]]:
    """An implementation with these faults, wherever a network can show them; gradients only."""

    def gradient(params: rs.Params, x: Array, y: Array) -> tuple[float, rs.Params]:
        asked = replace(case, params=params, x=x, y=y)
        answer = solve(asked, _apply_faults(asked, faults))
        return answer.loss, answer.grads

    return gradient


def true_location(case: rs.Case, *faults: Fault) -> tuple[str, int | None, int | None] | None:
    """Kind, layer and step of what is wrong first, by plain loops.

    States of the lowest layer from its first step, the loss, adjoints of the highest from its last.
    """
    right, wrong = solve(case), solve(case, _apply_faults(case, faults))
    steps, layers = range(len(case.x)), range(len(case.network.neurons))
    for i in layers:
        for t in steps:
            for name in ("u", "s"):
                if _differ(getattr(right, name)[i][t], getattr(wrong, name)[i][t]):
                    return "state", i, t
    if _differ(np.array([right.loss]), np.array([wrong.loss])):
        return "loss or readout", None, None
    for i in reversed(layers):
        for t in reversed(steps):
            if _differ(right.adjoints[i][t], wrong.adjoints[i][t]):
                return "adjoint", i, t
    return None


def _differ(a: Array, b: Array) -> bool:
    return bool((abs(a - b) > 1e-11 * abs(a).max()).any())


def nudge_potential(layer: int, step: int) -> Fault:
    """A potential that is off in one layer and step, for no known reason."""

    def change(variant: Variant, case: rs.Case) -> Variant | None:
        if step >= len(case.x):
            return None
        rules = variant.layers[layer]

        def carry(n, us, ss):
            return rules.carry(n, us, ss) + (0.125 if len(us) == step + 1 else 0.0)

        layers = list(variant.layers)
        layers[layer] = replace(rules, carry=carry)
        return replace(variant, layers=tuple(layers))

    return Fault("unknown", "", change)


def bend_derivative(layer: int, step: int) -> Fault:
    """A gradient that is half too large on its way back through one layer and step."""
    op = Op("bent", lambda a: a, (lambda g, y, a: 1.5 * g,))

    def change(variant: Variant, case: rs.Case) -> Variant | None:
        if step >= len(case.x):
            return None
        rules = variant.layers[layer]

        def carry(n, us, ss):
            carried = rules.carry(n, us, ss)
            return apply(op, carried) if len(us) == step + 1 else carried

        layers = list(variant.layers)
        layers[layer] = replace(rules, carry=carry)
        return replace(variant, layers=tuple(layers))

    return Fault("unknown", "", change)


def draw_unknown_fault(rng: np.random.Generator, plant: Callable[[int, int], Fault]):
    """A network with an unknown fault in one layer and step."""
    while True:
        case = draw_case(rng)
        layer = int(rng.integers(len(case.network.neurons)))
        fault = plant(layer, int(rng.integers(1, len(case.x))))
        answers = [
            rs.flatten(a.grads) for a in (solve(case), solve(case, apply_fault(case, fault)))
        ]
        if np.abs(answers[0] - answers[1]).max() > 1e-6 * np.abs(answers[0]).max():
            return case, fault


@dataclass(frozen=True)
class Diagnosis:
    """What a report says of a planted fault.

    Attributes
    ----------
    detected : bool
        Whether it does not agree.
    named, equal : bool
        Whether the cause is that fault; or that, or another of equal numbers. A small network may
        not tell two faults apart: with one layer and no memory, a factor in the derivative is one
        in the gradient.
    placed : bool
        Whether kind, layer and step are the true ones, all of them said.
    partly : bool
        Whether a place is named and true, be it that less is said: the step is left out where
        gradients alone do not tell it, and where causes of the same numbers lie at several places,
        these are listed, the true one among them. Where no place is known at all it is false.
    """

    detected: bool
    named: bool = False
    equal: bool = False
    placed: bool = False
    partly: bool = False


def diagnose_fault(case: rs.Case, *faults: Fault) -> Diagnosis:
    """Check an implementation with these faults, and judge the report."""
    report = rs.check(black_box(case, *faults), case)
    if report.agrees:
        return Diagnosis(False)
    truth, place = true_location(case, *faults), report.first
    found = (
        None if place is None or place.what == "gradient" else (place.what, place.layer, place.time)
    )
    named = set(report.cause.name.split(" + ")) if report.cause.exact else {"unknown"}
    if named != {fault.name for fault in faults} or found != truth:
        print("   ", [f.name for f in faults], truth, "->", report.cause, place, file=sys.stderr)
    right = named == {fault.name for fault in faults}
    unknown = all(fault.name == "unknown" for fault in faults)
    partly = placed = found == truth
    if found is not None and truth is not None and found[2] is None:
        partly = found[:2] == truth[:2]
    if place is not None and place.what == "not known" and truth is not None:
        what, layer, _ = truth
        layers = None if layer is None else f"{what} of layer {layer + 1}, or "  # no step is said
        partly = _describe_place(truth) in place.how or bool(layers and layers in place.how)
    equal = right or (report.cause.exact and not unknown)
    return Diagnosis(True, right, equal, placed, partly)


def _describe_place(truth: tuple[str, int | None, int | None]) -> str:
    """The beginning of a place in words."""
    what, layer, time = truth
    return (
        what if layer is None or time is None else f"{what} of layer {layer + 1}, step {time + 1}"
    )


def main(n: int) -> None:
    """Print the table."""
    rows: list[tuple[str, Callable[[np.random.Generator], tuple]]] = [
        (name, lambda rng, f=fault: (draw_faulty_case(rng, f), f)) for name, fault in KINDS.items()
    ]
    rows += [
        (
            " + ".join(pair),
            lambda rng, fs=tuple(KINDS[k] for k in pair): (draw_faulty_case(rng, *fs), *fs),
        )
        for pair in PAIRS
    ]
    rows += [
        ("unknown, forward", lambda rng: draw_unknown_fault(rng, nudge_potential)),
        ("unknown, backward", lambda rng: draw_unknown_fault(rng, bend_derivative)),
    ]
    print(f"{'kind':50} detected  cause  equal  place  true    s")
    for i, (name, draw) in enumerate(rows):
        rng, start = np.random.default_rng(i), time.perf_counter()
        counts = np.sum([astuple(diagnose_fault(*draw(rng))) for _ in range(n)], axis=0)
        took = (time.perf_counter() - start) / n
        print(
            f"{name:50} {counts[0]:8} {counts[1]:6} {counts[2]:6} {counts[3]:6} {counts[4]:5} "
            f"{took:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
