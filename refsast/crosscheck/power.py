"""What a case could have shown: faults are planted into the right computation of this very case.

Rule 1: a fault counts as seen where it moves some entry of a gradient beyond the tolerance that the
        answer had; a backward path is switched off in one layer at a time, which is cheap.
Rule 2: what is said is of gradients in parameters alone, which every answer has.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.compare import Examination
from refsast.gradient.noise_layer import Clean, Dials, exact_dials, no_jitter, run_adjoints
from refsast.gradient.noise_run import Run
from refsast.model.lif import LIF
from refsast.model.params import Layer, layer_arrays, param_arrays
from refsast.model.reset import NoReset, Reset

QUIET = 1e-3  # spikes that never exceed this are silent
COLUMNS = 32  # of a wide layer: the most active inputs are looked at first

# ``(layer of the run, its dials) -> (neuron, layer, dials)`` of the faulty backward pass; None: the
# layer has no such path.
Plant: TypeAlias = Callable[[Clean, Dials], tuple[LIF, Layer, Dials] | None]


@dataclass(frozen=True)
class Power:
    """What a case could have shown.

    Attributes
    ----------
    rates : tuple of float
        Spikes per neuron and step, of each spiking layer.
    silent : int
        Neurons of the last layer that never fire.
    nonzero : float
        Share of the gradients in parameters that are not zero.
    planted : int
        How many faults were planted.
    unseen : tuple of str
        Those that would have gone unseen.
    """

    rates: tuple[float, ...]
    silent: int
    nonzero: float
    planted: int
    unseen: tuple[str, ...]

    def __str__(self) -> str:
        rates = ", ".join(f"{rate:.2g}" for rate in self.rates)
        silent = f"; {self.silent} silent outputs" if self.silent else ""
        share = f"{100.0 * self.nonzero:.3g} % of gradients are not zero"
        if len(self.unseen) == self.planted:
            shown = f"none of {self.planted} planted faults would show"
        elif self.unseen:
            shown = f"would NOT show: {', '.join(self.unseen)} (of {self.planted} planted faults)"
        else:
            shown = f"each of {self.planted} planted faults would show"
        return f"spikes per step {rates}{silent}; {share}; {shown}"


@dataclass(frozen=True)
class ForgetState:
    """A reset whose derivative in the potential is missing, as where states are detached."""

    reset: Reset

    def __call__(self, leak: float, threshold: float, u: Array, s: Array) -> Array:
        """Return what the reset leaves."""
        return self.reset(leak, threshold, u, s)

    def partials(
        self, leak: float, threshold: float, u: Array, s: Array
    ) -> tuple[float, Array | float]:
        """Return the derivatives, the first of them zero."""
        return 0.0, self.reset.partials(leak, threshold, u, s)[1]


def _detach_reset(clean: Clean, dials: Dials) -> tuple[LIF, Layer, Dials] | None:
    if clean.neuron.detach_reset or isinstance(clean.neuron.reset, NoReset):
        return None
    return replace(clean.neuron, detach_reset=True), clean.layer, dials


def _forget_state(clean: Clean, dials: Dials) -> tuple[LIF, Layer, Dials] | None:
    if clean.neuron.leak == 0.0:
        return None
    neuron = replace(clean.neuron)
    # The record admits only resets of the model; this one lives in the backward pass alone.
    object.__setattr__(neuron, "reset", ForgetState(clean.neuron.reset))
    return neuron, clean.layer, dials


def _cut_recurrence(clean: Clean, dials: Dials) -> tuple[LIF, Layer, Dials] | None:
    if clean.layer.v is None or not clean.layer.v.any():
        return None
    return clean.neuron, replace(clean.layer, v=None), dials


def _forget_current(clean: Clean, dials: Dials) -> tuple[LIF, Layer, Dials] | None:
    return (
        None
        if not dials.keep.any()
        else (clean.neuron, clean.layer, replace(dials, keep=0.0 * dials.keep))
    )


PLANTS: dict[str, Plant] = {
    "reset detached": _detach_reset,
    "state detached": _forget_state,
    "recurrence detached": _cut_recurrence,
    "synapse detached": _forget_current,
}


def judge_power(exam: Examination, seen: Mapping[str, bool]) -> Power:
    """Return what a case could have shown, of which planted faults are `seen` or not."""
    spikes: Sequence[Array] = exam.right.s or [np.zeros((1, 1, 1))]
    grads = np.concatenate([a.ravel() for a in param_arrays(exam.right.grads)])
    return Power(
        tuple(float(s.mean()) for s in exam.right.s or ()),
        int((spikes[-1].max(axis=(0, 1)) <= QUIET).sum()),
        float(np.count_nonzero(grads) / grads.size),
        len(seen),
        tuple(name for name, shows in seen.items() if not shows),
    )


def plant_in_lif_layers(exam: Examination, run: Run) -> dict[str, bool]:
    """Return the names of faults planted into dense LIF layers, and whether each would show."""
    return {
        f"{name} in layer {layer + 1}": shows
        for layer in range(len(run.layers))
        for name, shows in _plant_in_layer(run, exam, layer)
    }


def _plant_in_layer(run: Run, exam: Examination, layer: int) -> Iterator[tuple[str, bool]]:
    """The names of faults in a layer, and whether each would show."""
    clean, dials = run.layers[layer], exact_dials(run.layers[layer].neuron, run.synapse)
    pairs = zip(
        layer_arrays(exam.right.grads[layer]).values(),
        layer_arrays(exam.tolerance.grads[layer]).values(),
        strict=True,
    )
    yield "no gradient", any(bool((abs(g) > near).any()) for g, near in pairs)
    for name, plant in PLANTS.items():
        faulty = plant(clean, dials)
        if faulty is not None:
            neuron, params, changed = faulty
            adjoints = run_adjoints(
                neuron, params, run.synapse, changed, clean.u, clean.s, clean.g, no_jitter
            )
            yield name, _would_show(run, exam, layer, adjoints[1])


def _would_show(run: Run, exam: Examination, layer: int, current: Array) -> bool:
    """Whether faulty adjoints of the currents show in the gradients of a layer, or below it."""
    for i in reversed(range(layer + 1)):
        clean = run.layers[i]
        if _moves_gradient(clean, current - clean.current, exam.tolerance.grads[i]):
            return True
        if i == 0:
            return False
        below = run.layers[i - 1]
        dials = exact_dials(below.neuron, run.synapse)
        _, current = run_adjoints(
            below.neuron, below.layer, run.synapse, dials, below.u, below.s,
            current @ clean.layer.w, no_jitter,
        )  # fmt: skip
    return False


def _moves_gradient(clean: Clean, error: Array, tolerance: Layer) -> bool:
    """Whether an error of the currents' adjoints moves a layer's gradient beyond the tolerance."""
    if not error.any():
        return False
    if tolerance.b is not None and (abs(error.sum(axis=(0, 1, 2))) > tolerance.b).any():
        return True
    flat, a = (each.reshape(-1, each.shape[-1]) for each in (error, clean.a))
    busy = np.argsort(-abs(a).sum(axis=0), kind="stable")
    for columns in (busy[:COLUMNS], busy[COLUMNS:]):
        if (abs(flat.T @ a[:, columns]) > tolerance.w[:, columns]).any():
            return True
    if tolerance.v is None:
        return False
    n = len(tolerance.v)
    product = error[1:].reshape(-1, n).T @ clean.s[:-1].reshape(-1, n)
    return bool((abs(product) > tolerance.v).any())
