# ruff: noqa: E501
"""Kinds of fault that public reports describe: how each is planted, and what must be said of it.

A kind is a slip in the equations of `torch_faults`; its variants are drawn in size, depth, reset,
readout, dtype, and in the layers that the slip is in.
``python -m tests.crosscheck.case_kinds [kind ...]`` prints, for ten variants of each, how many are
answered rightly, and the others.
"""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

import refsast as rs
from tests.crosscheck import torch_faults as faults
from tests.crosscheck.torch_faults import Slip

VARIANTS = 10
EVERY = frozenset(range(9))
NUMBER = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
RESETS = (rs.ToZero(), rs.Subtract(), rs.Subtract(leaked=True))
READOUTS = (rs.SpikeRate(5.0), rs.LinearReadout(3), rs.LeakyReadout(3, 0.8))
SPIKES = (rs.Arctan, rs.Logistic, rs.FastSigmoid, rs.Algebraic)
HARD = {"hard": (True,)}
SMOOTH = {"hard": (False,)}
LEAKY = {"readouts": READOUTS[2:]}
CURRENT = {"synapses": (rs.Synapse(0.6, 0.5), rs.Synapse(0.35, 1.0))}


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    plant : callable
        From the layers that it is in to the slip.
    says : tuple of str
        Of these, one has to stand in the cause, or in another cause of the same numbers.
    options : dict
        What its networks are drawn from, where that is not everything (`draw_network`).
    alone : bool
        Whether it may be in one layer alone.
    least : int
        How many of ten variants are named; of the others no cause is found, never a false one.
    """

    plant: Callable[[frozenset], Slip]
    says: tuple[str, ...]
    options: dict = field(default_factory=dict)
    alone: bool = False
    least: int = VARIANTS


@dataclass(frozen=True)
class Variant:
    """One network with one slip."""

    case: rs.Case
    slip: Slip
    layers: frozenset
    dtype: torch.dtype


def number(**change: Callable[[float], float]) -> Callable[[frozenset], Slip]:
    """Another number in place of the right one."""
    return lambda layers: Slip(layers, numbers=change)


def flag(*names: str) -> Callable[[frozenset], Slip]:
    """Slips that `torch_faults` knows by name."""
    return lambda layers: Slip(layers, flags=set(names))


def bent(function: Callable) -> Callable[[frozenset], Slip]:
    """Another derivative: a function of (own, v, u, slope)."""
    return lambda layers: Slip(
        layers, derivative=lambda own, v, u, k, *rest: function(own, v, u, k)
    )


def lost(function: Callable) -> Callable[[frozenset], Slip]:
    """Another loss: a function of (spikes, labels)."""
    return lambda layers: Slip(layers, loss=lambda z, y, a, ps: function(a, y))


def arctan_shape(own, v, u, k):
    """The derivative of an arctan of the same slope parameter."""
    return 0.5 * k / (1.0 + (np.pi / 2.0 * k * v) ** 2)


def detach_hidden_and_readout(layers: frozenset) -> Slip:
    """``mem.detach_()`` after each update, in every layer, the readout too."""
    slip = faults.KINDS["readout cut"](layers)
    slip.flags.add("state cut")
    return slip


KINDS = {
    # Numbers. Where nothing resets, a threshold and a constant are one.
    "another slope": Kind(number(slope=lambda k: 1.5 * k), ("slope ",), SMOOTH, alone=True),
    "another slope backwards": Kind(number(slope=lambda k: 1.5 * k), ("backwards slope", ") backwards only"), HARD, alone=True, least=9),
    "another leak": Kind(number(leak=lambda a: 0.875), ("leak 0.875",), SMOOTH, alone=True),
    "another leak of hard neurons": Kind(number(leak=lambda a: 0.875), ("leak 0.875",), HARD, alone=True, least=8),
    "another threshold": Kind(number(theta=lambda a: 0.55, drop=lambda a: 0.55), ("threshold 0.55",), SMOOTH, alone=True),
    "another gain": Kind(faults.KINDS["gain 7"], ("gain 7",), {"readouts": READOUTS[:1]}),
    "input scaled": Kind(number(scale=lambda a: 0.1 * a), ("scale of all input",), CURRENT | SMOOTH),
    "another leak and scale": Kind(number(leak=lambda a: 0.875, scale=lambda a: 0.125), ("leak 0.875",), CURRENT | SMOOTH, least=8),
    "reset subtracts 1": Kind(number(drop=lambda a: 1.0), ("what a reset subtracts", "the reset multiplied"), {"resets": RESETS[1:]} | SMOOTH, alone=True),
    "another readout leak": Kind(faults.KINDS["readout leak 0.6"], ("readout's leak 0.6",), LEAKY),
    # The surrogate, in hidden layers only or in all.
    "derivative times 0.08": Kind(bent(lambda own, v, u, k: 0.08 * own(v)), ("multiplied by 0.08",), alone=True),
    "derivative zero": Kind(bent(lambda own, v, u, k: 0 * v), ("multiplied by 0", "multiplied by zero", "detached"), alone=True),
    "derivative of another shape": Kind(bent(arctan_shape), ("derivative of Arctan",), HARD | {"spikes": SPIKES[1:]}, alone=True),
    "box of another width": Kind(bent(lambda own, v, u, k: (v.abs() < 0.4) * 1.0), ("1 where",), HARD, least=9),
    # What is missing, late or cut.
    "reset wipes the input": Kind(flag("wipes input"), ("reset wiping the input",), {"resets": RESETS[:1]}, least=9),
    "synapse ignored": Kind(flag("synapse ignored"), ("synapse's leak 0",), CURRENT),
    "derivative at u": Kind(bent(lambda own, v, u, k: own(u)), ("derivative taken at u", "threshold 0"), alone=True),
    "readout's state detached": Kind(faults.KINDS["readout cut"], ("readout's state detached",), LEAKY, least=9),
    "states and readout's detached": Kind(detach_hidden_and_readout, ("readout's state detached",), LEAKY, least=9),
    "layers one step late": Kind(flag("late input"), ("input one step late",), SMOOTH, alone=True),
    "leaked subtraction, detached": Kind(flag("other reset", "reset cut"), ("leaked subtraction", "reset by subtraction, before the leak"), {"resets": RESETS[1:2]}, least=8),
    # Factors of everything.
    "summed over the batch": Kind(faults.KINDS["times batch"], ("number of recordings",)),
    "over the steps": Kind(faults.KINDS["over T"], ("number of steps",)),
    "clipped norm": Kind(faults.KINDS["clip norm 0.05"], ("norm 0.05",)),
}  # fmt: skip


def draw_network(
    rng: np.random.Generator,
    *,
    resets=RESETS,
    readouts=READOUTS,
    spikes=SPIKES,
    hard=(True, False, False),
    synapses=(None, None, CURRENT["synapses"][0]),
) -> rs.Case:
    """A small network of any kind, over a few steps, in which neurons fire."""
    depth, readout = int(rng.integers(1, 4)), readouts[rng.integers(len(readouts))]
    sizes = (*map(int, rng.integers(3, 7, depth)), 3 if readout.n_out is None else 4)
    neuron = rs.LIF(
        float(np.round(rng.uniform(0.5, 0.97), 3)),
        float(np.round(rng.uniform(0.7, 1.4), 2)),
        spikes[rng.integers(len(spikes))](float(np.round(rng.uniform(1.0, 5.0), 2))),
        resets[rng.integers(len(resets))],
    )
    bias, recurrent = rng.random() < 0.75, rng.random() < 0.3
    network = rs.Network(sizes, neuron, readout, bias=bias, recurrent=recurrent)
    params = rs.unflatten(network, rng.standard_normal(network.n_params))
    steps, batch = int(rng.integers(4, 9)), int(rng.integers(2, 5))
    x = rng.standard_normal((steps, batch, sizes[0])) + 0.3
    synapse = synapses[rng.integers(len(synapses))]
    y = rng.integers(0, network.classes, batch)
    return rs.Case(network, params, x, y, synapse, hard=bool(hard[rng.integers(len(hard))]))


def draw_variant(kind: Kind, seed: int) -> Variant:
    """A network in which the fault shows: some gradient is off by a hundredth of all."""
    rng = np.random.default_rng(seed)
    dtype = torch.float32 if seed % 3 == 2 else torch.float64
    while True:
        case = draw_network(rng, **kind.options)
        depth = len(case.network.neurons)
        alone = kind.alone and depth > 1 and rng.random() < 0.6
        layers = frozenset({int(rng.integers(depth))}) if alone else EVERY
        slip = kind.plant(layers)
        right, wrong = (gradients(case, each) for each in (Slip(), slip))
        size = np.linalg.norm(right)
        if size > 1e-3 and 1e-2 * size < np.linalg.norm(wrong - right) < np.inf:
            return Variant(case, slip, layers, dtype)


def gradients(case: rs.Case, slip: Slip) -> np.ndarray:
    """All gradients of a network with a slip, one after the other."""
    grads = faults.run(case, slip, case.params, case.x, case.y, torch.float64)[1]
    return np.concatenate([a.ravel() for layer in grads for a in layer.values()])


def judge(kind: Kind, variant: Variant) -> tuple[str, rs.Report]:
    """What is wrong with the report on a variant, in a few words; empty where it is right."""
    report, _, place, found = faults.judge(variant.case, variant.slip, variant.dtype)
    if report.verdict != "DISAGREES":
        return f"{report.verdict}", report
    if place == "WRONG":
        return f"place WRONG, is {found}", report
    if not report.cause.exact:
        return "no cause", report
    texts = (report.cause.says, *report.cause.others)
    closeness = 1e-3 if variant.dtype == torch.float32 else 1e-6
    if not any(mentions(text, words, closeness) for text in texts for words in kind.says):
        return "another cause", report
    return "", report


def mentions(text: str, words: str, closeness: float) -> bool:
    """Whether a text says these words; a number at their end may be off by a share of it."""
    start, _, last = words.rpartition(" ")
    if not re.fullmatch(NUMBER, last):
        return words in text
    found = re.findall(re.escape(start) + " " + NUMBER, text)
    return any(abs(float(each) - float(last)) <= closeness * abs(float(last)) for each in found)


def main(names: list[str]) -> None:
    """Print the table."""
    for name in names:
        kind, right, started = KINDS[name], 0, time.process_time()
        for seed in range(VARIANTS):
            variant = draw_variant(kind, seed)
            wrong, report = judge(kind, variant)
            right += not wrong
            if wrong:
                network, layers = variant.case.network, sorted(variant.layers)
                what = (network.sizes, network.neurons[0], network.readout, network.recurrent)
                print(f"  {seed} {wrong} | layers {layers} {what} {variant.dtype} {variant.case.hard=}"
                      f" | {report.first} | {str(report.cause)[:300]}", flush=True)  # fmt: skip
        seconds = (time.process_time() - started) / VARIANTS
        print(f"{name:34} {right} of {VARIANTS}, {seconds:.2f} s each", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(KINDS))
