"""Where is it wrong first? From states and adjoints, or by asking about other networks.

Rule 1: first in the order of the computation: states by step, then by layer upwards; adjoints from
        the last step, then by layer downwards. What comes later may only follow from it.
Rule 2: probing changes the question, never the implementation: fewer steps, silenced layers, and
        pulses in inputs whose weights are zero, whose gradients are the adjoints of the first
        layer, step by step.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Answer, Case, Gradient, ask, truncate_case
from refsast.crosscheck.compare import Stage, compare_answers, tolerances
from refsast.crosscheck.variants import solve


@dataclass(frozen=True)
class Location:
    """Where two computations part.

    Attributes
    ----------
    what : str
        "state", "adjoint", "gradient" (the adjoints are right, what is assembled from them is not)
        or "loss" (the states are right).
    layer : int or None
        Spiking layer, from 0; the number of spiking layers is the readout; None: not known.
    time : int or None
        Step, from 0; None where there is none.
    recording, neuron : int or None
        In the batch and in the layer, from 0; None: not known.
    how : str
        How it was found.
    """

    what: str
    layer: int | None = None
    time: int | None = None
    recording: int | None = None
    neuron: int | None = None
    how: str = ""

    def __str__(self) -> str:
        names = ("layer", "step", "recording", "neuron")
        at = (self.layer, self.time, self.recording, self.neuron)
        known = [f"{name} {i + 1}" for name, i in zip(names, at, strict=True) if i is not None]
        return f"{self.what} of {', '.join(known) or 'the whole'} ({self.how})"


def first_difference(stages: tuple[Stage, ...], how: str) -> Location | None:
    """Return the first place where states or adjoints of compared answers part.

    Parameters
    ----------
    stages : tuple of Stage
        Of `judge.compared`.
    how : str
        Where the answers came from.

    Returns
    -------
    Place or None
        None where neither parts, or neither was given.
    """
    errors = {stage.name: dict(stage.errors) for stage in stages}
    if cell := _first_wrong_cell(layer_errors(errors.get("states", {})), backwards=False):
        return Location("state", *cell, how)
    if cell := _first_wrong_cell(layer_errors(errors.get("adjoints", {})), backwards=True):
        return Location("adjoint", *cell, how)
    return None


def layer_errors(errors: dict[str, Array]) -> list[Array]:
    """Return the errors of each layer; of potentials and spikes the larger."""
    found: dict[str, Array] = {}
    for name, array in errors.items():
        layer = name[name.index("[") :]
        found[layer] = np.maximum(found.get(layer, 0.0), array)
    return list(found.values())


def _first_wrong_cell(errors: list[Array], *, backwards: bool) -> tuple[int, int, int, int] | None:
    """Layer, step, recording and neuron of the first error above 1."""
    if not errors:
        return None
    wrong = np.array([(e > 1.0).any(axis=(1, 2)) for e in errors]).T  # (time, layer)
    if backwards:
        wrong = wrong[::-1, ::-1]
    if not wrong.any():
        return None
    time, layer = np.argwhere(wrong)[0]
    if backwards:
        time, layer = len(wrong) - 1 - time, len(errors) - 1 - layer
    cell = errors[layer][time]
    recording, neuron = np.unravel_index(int(cell.argmax()), cell.shape)
    return int(layer), int(time), int(recording), int(neuron)


def probe(gradient: Gradient, case: Case, dtype: np.dtype) -> Location | None:
    """Find the first wrong layer and step of an implementation that gives gradients only.

    Parameters
    ----------
    gradient : callable
        The implementation; it is called on variations of the case.
    case : Case
        Where it is wrong, as seen in `dtype`.
    dtype : numpy.dtype
        What it computes in.

    Returns
    -------
    Place or None
        None where no probe is answered wrongly. Where the loss is wrong, the highest layer that is
        wrong by itself: layers below may be, too.
    """
    for steps in range(1, len(case.x) + 1):
        short = truncate_case(case, steps)
        if _is_wrong(gradient, short, dtype, "loss"):
            layer = _find_wrong_layer(gradient, short, dtype)
            return Location("state", layer, steps - 1, how="by fewer steps and silenced layers")
    place = gradient_location(
        _compare_case(gradient, case, dtype), how="adjoints are right, as the biases' are"
    )
    if place is None or place.what == "gradient":
        return place
    time = _find_wrong_pulse(gradient, case, dtype)
    top = len(case.network.neurons) - 1
    layer = min(place.layer or 0, top)
    if time is None and case.network.bias:  # a bias is wrong, so an adjoint is
        return Location("adjoint", layer, how="pulses in the input do not reach it")
    if time is None:
        return replace(place, what="gradient", how="adjoints are right, by pulses in the input")
    if case.synapse is not None and case.synapse.delayed:  # one step in each layer up to there
        time = min(time + 1 + layer, len(case.x) - 1)
    return Location("adjoint", layer, time, how="by pulses in the input")


def gradient_location(stages: tuple[Stage, ...], how: str) -> Location | None:
    """Return the highest layer whose gradients are wrong; None where none is.

    It is a "gradient" where biases, whose gradients are sums of adjoints, have right ones in every
    layer; else it may be an "adjoint".
    """
    errors = {n: e for s in stages if s.name == "parameter gradients" for n, e in s.errors}
    wrong = [name for name, e in errors.items() if e.max(initial=0.0) > 1.0]
    if not wrong:
        return None
    layer = max(int(name[name.index("[") + 1 : name.index("]")]) for name in wrong)
    biases = [name for name in errors if name.endswith(".b")]
    right = len(biases) > layer and not any(name in wrong for name in biases)
    return Location("gradient" if right else "adjoint", layer, how=how)


def _compare_case(gradient: Gradient, case: Case, dtype: np.dtype) -> tuple[Stage, ...]:
    right = solve(case)
    got: Answer = ask(gradient, case)[0]
    return compare_answers(got, right, tolerances(case, right, dtype))


def _is_wrong(gradient: Gradient, case: Case, dtype: np.dtype, name: str) -> bool:
    return any(s.name == name and not s.agrees for s in _compare_case(gradient, case, dtype))


def _find_wrong_layer(gradient: Gradient, case: Case, dtype: np.dtype) -> int:
    """The highest layer whose states are wrong when nothing reaches it from below."""
    for layer in reversed(range(1, len(case.network.neurons))):
        if _is_wrong(gradient, _silence_layer(case, layer), dtype, "loss"):
            return _blame_layer_or_next(gradient, case, dtype, layer)
    return _blame_layer_or_next(gradient, case, dtype, 0) if len(case.network.neurons) > 1 else 0


def _silence_layer(case: Case, layer: int, bias: float | None = None) -> Case:
    """The case with nothing reaching a layer from below, and perhaps another bias in it."""
    params = list(case.params)
    old = params[layer]
    b = old.b if bias is None or old.b is None else np.full(len(old.b), bias)
    params[layer] = replace(old, w=np.zeros_like(old.w), b=b)
    return replace(case, params=tuple(params))


def _blame_layer_or_next(gradient: Gradient, case: Case, dtype: np.dtype, layer: int) -> int:
    """Whether it is this layer or what the next one makes of its spikes.

    Only in a single step, where no memory has a say: with no bias a potential is zero; with the
    threshold for a bias every symmetric spike is one half.
    """
    neuron, params = case.network.neurons[layer], case.params[layer]
    if len(case.x) > 1 or params.b is None or layer + 1 == len(case.network.neurons):
        return layer
    if not _is_wrong(gradient, _silence_layer(case, layer, 0.0), dtype, "loss"):
        return layer
    scale = 1.0 if case.synapse is None else case.synapse.scale
    half = _silence_layer(case, layer, neuron.threshold / scale)
    return layer + 1 if _is_wrong(gradient, half, dtype, "loss") else layer


def _find_wrong_pulse(gradient: Gradient, case: Case, dtype: np.dtype) -> int | None:
    """The last step whose adjoint in the first layer is wrong."""
    for pulsed, steps in _pulse_cases(case):
        right = solve(pulsed)
        got = ask(gradient, pulsed)[0]
        allowed = tolerances(pulsed, right, dtype)
        errors = abs(got.grads[0].w - right.grads[0].w) / allowed.grads[0].w
        wrong = [t for i, t in enumerate(steps) if errors[:, i].max() > 1.0]
        if wrong:
            return max(wrong)
    return None


def _pulse_cases(case: Case) -> Iterator[tuple[Case, list[int]]]:
    """Yield cases with pulses in some inputs, of no weight, and at which steps; latest first."""
    n_in, order = case.x.shape[2], list(reversed(range(len(case.x))))
    many = max(1, n_in // 2)
    for start in range(0, len(order), many):
        steps = order[start : start + many]
        x, w = case.x.copy(), case.params[0].w.copy()
        x[:, :, : len(steps)], w[:, : len(steps)] = 0.0, 0.0
        x[steps, :, range(len(steps))] = 1.0
        yield replace(case, x=x, params=(replace(case.params[0], w=w), *case.params[1:])), steps
