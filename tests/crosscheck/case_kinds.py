"""Kinds of fault that public reports describe: how each is planted, and what must be said of it.

A kind is a slip in the equations of `torch_faults`, or in what is returned; its variants are drawn
in size, depth, reset, readout, dtype, and in the layers that the slip is in.
``python -m tests.crosscheck.case_kinds [kind ...]`` prints, for ten variants of each, how many are
answered rightly.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

import refsast as rs
from tests.crosscheck import torch_faults as faults
from tests.crosscheck.torch_faults import Slip

VARIANTS = 10
EVERY = frozenset(range(9))
MAX_STEPS, MAX_RECORDINGS = 8, 4


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    plant : callable
        From the layers that it is in to the slip.
    says : tuple of str
        Of these, one has to stand in the cause, or in another cause of the same numbers.
    readout : type or None
        The readout that it needs.
    hard : bool or None
        Whether spikes must be hard, or must not.
    suits : callable
        Whether a network can show it.
    layers : bool
        Whether it may be in one layer alone; the cause has to say so then.
    """

    plant: Callable[[frozenset], Slip]
    says: tuple[str, ...]
    readout: type | None = None
    hard: bool | None = None
    suits: Callable[[rs.Case], bool] = lambda case: True
    layers: bool = False


@dataclass(frozen=True)
class Variant:
    """One network with one slip."""

    case: rs.Case
    slip: Slip
    layers: frozenset
    dtype: torch.dtype


def resets(*allowed: type) -> Callable[[rs.Case], bool]:
    """Whether all neurons of a network are reset in one of these ways."""
    return lambda case: all(isinstance(n.reset, allowed) for n in case.network.neurons)


def number(**change: Callable[[float], float]) -> Callable[[frozenset], Slip]:
    """Another number in place of the right one."""
    return lambda layers: Slip(layers, numbers=change)


def flag(*names: str) -> Callable[[frozenset], Slip]:
    """Slips that `torch_faults` knows by name."""
    return lambda layers: Slip(layers, flags=set(names))


def bent(function: Callable) -> Callable[[frozenset], Slip]:
    """Another derivative: a function of (own, v, u, k, theta, u before, s)."""
    return lambda layers: Slip(layers, derivative=function)


def lost(function: Callable) -> Callable[[frozenset], Slip]:
    """Another loss: a function of (logits, labels, spikes, parameters)."""
    return lambda layers: Slip(layers, loss=function)


def read(function: Callable) -> Callable[[frozenset], Slip]:
    """Another readout: a function of (case, parameters, spikes)."""
    return lambda layers: Slip(layers, logits=function)


def arctan_shape(own, v, u, k, theta, before, s):
    """The derivative of an arctan of the same slope parameter."""
    return 0.5 * k / (1.0 + (np.pi / 2.0 * k * v) ** 2)


def detach_hidden_and_readout(layers: frozenset) -> Slip:
    """``mem.detach_()`` after each update, in every layer, the readout too."""
    slip = faults.KINDS["readout cut"](layers)
    slip.flags.add("state cut")
    return slip


both = resets(rs.ToZero, rs.Subtract)
subtracts = resets(rs.Subtract)
KINDS = {
    # wrong numbers
    "another slope": Kind(number(slope=lambda k: 1.5 * k), ("slope ",), hard=False, layers=True),
    "another slope backwards": Kind(number(slope=lambda k: 1.5 * k), ("backwards slope",), hard=True, layers=True),
    "another leak": Kind(number(leak=lambda a: 0.875), ("leak 0.875",), layers=True),
    "another threshold": Kind(number(theta=lambda a: 0.55), ("threshold 0.55",), layers=True),
    "another gain": Kind(faults.KINDS["gain 7"], ("gain 7",), rs.SpikeRate),
    "input scaled": Kind(number(scale=lambda a: 0.1 * a), ("scale of all input", "scale"), suits=lambda c: c.synapse is not None),
    "reset subtracts another number": Kind(number(drop=lambda a: 1.3 * a), ("what a reset subtracts", "the reset multiplied"), suits=subtracts, layers=True),
    "another readout leak": Kind(faults.KINDS["readout leak 0.6"], ("readout's leak 0.6",), rs.LeakyReadout),
    # the surrogate wrong in some layers
    "derivative times 0.08": Kind(bent(lambda own, v, u, k, th, p, s: 0.08 * own(v)), ("derivative multiplied by 0.08", "multiplied by 0.08"), layers=True),
    "derivative zero": Kind(bent(lambda own, v, u, k, th, p, s: 0 * v), ("derivative multiplied by 0", "detached", "multiplied by 0"), layers=True),
    "derivative of another shape": Kind(bent(arctan_shape), ("derivative of Arctan",), hard=True, layers=True, suits=lambda c: not any(isinstance(n.spike, rs.Arctan) for n in c.network.neurons)),
    # what is missing or misplaced
    "reset wipes the input": Kind(flag("wipes input"), ("reset wiping the input",), suits=resets(rs.ToZero)),
    "synapse ignored": Kind(flag("synapse ignored"), ("synapse's leak 0",), suits=lambda c: c.synapse is not None),
    "derivative at u": Kind(bent(lambda own, v, u, k, th, p, s: own(u)), ("derivative taken at u", "threshold 0"), layers=True),
    "readout's state detached": Kind(faults.KINDS["readout cut"], ("readout's state detached",), rs.LeakyReadout),
    "states and readout detached": Kind(detach_hidden_and_readout, ("readout's state detached",), rs.LeakyReadout),
    "layers one step late": Kind(flag("late input"), ("input one step late",), layers=True),
    "leaked subtraction, detached": Kind(flag("other reset", "reset cut"), ("leaked subtraction",), suits=lambda c: all(n.reset == rs.Subtract() for n in c.network.neurons)),
    "box of another width": Kind(bent(lambda own, v, u, k, th, p, s: (v.abs() < 0.25) * 1.0), ("1 where",), hard=True),
    # factors of everything
    "summed over the batch": Kind(faults.KINDS["times batch"], ("number of recordings to the power 1",)),
    "mean over the steps": Kind(faults.KINDS["over T"], ("number of steps to the power -1",)),
    "clipped norm": Kind(faults.KINDS["clip norm 0.05"], ("norm 0.05",)),
}  # fmt: skip


def draw_variant(kind: Kind, rng: np.random.Generator) -> Variant:
    """A network of few steps in which the fault shows."""
    dtype = torch.float32 if rng.random() < 0.3 else torch.float64
    while True:
        case = faults.draw(rng, kind.hard)
        readout = kind.readout is None or isinstance(case.network.readout, kind.readout)
        if not readout or not kind.suits(case) or len(case.network.neurons) > 3:
            continue
        case = rs.Case(case.network, case.params, case.x[:MAX_STEPS, :MAX_RECORDINGS],
                       case.y[:MAX_RECORDINGS], case.synapse, case.hard)  # fmt: skip
        depth = len(case.network.neurons)
        alone = kind.layers and depth > 1 and rng.random() < 0.6
        layers = frozenset({int(rng.integers(depth))}) if alone else EVERY
        slip = kind.plant(layers)
        right, wrong = (
            faults.run(case, each, case.params, case.x, case.y, torch.float64)
            for each in (Slip(), slip)
        )
        flat = [np.concatenate([a.ravel() for g in each[1] for a in g.values()]) for each in (right, wrong)]
        norm = np.linalg.norm(flat[0])
        if np.isfinite(flat[1]).all() and norm > 0 and np.linalg.norm(flat[1] - flat[0]) > 1e-2 * norm:
            return Variant(case, slip, layers, dtype)


def judge(kind: Kind, variant: Variant) -> tuple[str, rs.Report]:
    """What is wrong with the report on a variant, in a few words; empty where it is right."""
    report, _, place, found = faults.judge(variant.case, variant.slip, variant.dtype)
    if report.verdict == "undecided":
        return "undecided", report
    if report.agrees:
        return "MISSED", report
    if place == "WRONG":
        return f"place WRONG, is {found}", report
    if not report.cause.exact:
        return "no cause", report
    texts = (report.cause.says, *report.cause.others)
    if not any(words in text for text in texts for words in kind.says):
        return "another cause", report
    return "", report


def main(names: list[str]) -> None:
    """Print the table."""
    for name in names:
        kind, right, started = KINDS[name], 0, time.process_time()
        for seed in range(VARIANTS):
            variant = draw_variant(kind, np.random.default_rng([seed, *map(ord, name)]))
            wrong, report = judge(kind, variant)
            right += not wrong
            if wrong or "-v" in sys.argv:
                at = "all" if variant.layers == EVERY else min(variant.layers) + 1
                n = variant.case.network
                print(f"   {seed} {wrong} | layers {at} {n.sizes} {n.readout} {n.neurons[0].reset} T{len(variant.case.x)} {variant.dtype} hard {variant.case.hard} rec {n.recurrent} | {report.first} | {str(report.cause)[:400]}", flush=True)
        print(f"{name:34} {right} of {VARIANTS}, {(time.process_time() - started) / VARIANTS:.2f} s each", flush=True)


if __name__ == "__main__":
    main([a for a in sys.argv[1:] if a != "-v"] or list(KINDS))
