"""Where is an implementation wrong first? From states and adjoints, or by probing other networks.

Rule 1: "first" is in the order of the computation: states by step, then by layer upwards; adjoints
        from the last step, then by layer downwards. Later errors may only follow from it.
Rule 2: a probe changes the question, never the implementation. There are three: fewer steps;
        silenced layers; pulses in inputs whose weights are zero, because the gradients of these
        weights are the adjoints of the first layer, step by step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, Gradient, truncate_case
from refsast.crosscheck.compare import Stage, examine


@dataclass(frozen=True)
class Location:
    """Where two computations differ.

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


def first_difference(stages: Sequence[Stage], how: str) -> Location | None:
    """Return where states, else adjoints, of compared answers differ first; None: in neither.

    `how` says where the answers came from.
    """
    errors = {stage.name: dict(stage.errors) for stage in stages}
    if cell := _first_wrong_cell(layer_errors(errors.get("states", {}))):
        return Location("state", *cell, how)
    # Adjoints are computed from the last step and layer to the first: both axes are reversed.
    adjoints = layer_errors(errors.get("adjoints", {}))
    if cell := _first_wrong_cell([e[::-1] for e in reversed(adjoints)]):
        layer, time = len(adjoints) - 1 - cell[0], len(adjoints[0]) - 1 - cell[1]
        return Location("adjoint", layer, time, *cell[2:], how)
    return None


def layer_errors(errors: dict[str, Array]) -> list[Array]:
    """Return the errors of each layer; of potentials and spikes the larger."""
    found: dict[str, Array] = {}
    for name, array in errors.items():
        layer = name[name.index("[") :]
        found[layer] = np.maximum(found.get(layer, 0.0), array)
    return list(found.values())


def _first_wrong_cell(errors: list[Array]) -> tuple[int, int, int, int] | None:
    """Layer, step, recording and neuron of the first error above 1; None: there is none."""
    wrong = np.array([(e > 1.0).any(axis=(1, 2)) for e in errors]).T  # (time, layer)
    if not wrong.any():
        return None
    time, layer = map(int, np.argwhere(wrong)[0])
    cell = errors[layer][time]
    recording, neuron = np.unravel_index(int(cell.argmax()), cell.shape)
    return layer, time, int(recording), int(neuron)


def probe(gradient: Gradient, case: Case) -> Location | None:
    """Find the first wrong layer and step of an implementation that gives gradients only.

    It is called on variations of the case. None where no probe is answered wrongly. Where the loss
    is wrong, it is the highest layer that is wrong by itself: layers below may be, too.
    """
    # The loss after t steps depends on the first t steps only.
    for steps in range(1, len(case.x) + 1):
        short = truncate_case(case, steps)
        if _has_wrong_loss(gradient, short):
            layer = _find_wrong_layer(gradient, short)
            return Location("state", layer, steps - 1, how="by fewer steps and silenced layers")
    errors = _probe_errors(gradient, case)
    # The forward pass is right. Biases tell adjoints from what is assembled of them.
    location = gradient_location(errors, how="adjoints are right, as the biases' are")
    if location is None or location.what == "gradient":
        return location
    time = _find_wrong_pulse(gradient, case)
    layer = min(location.layer or 0, len(case.network.neurons) - 1)  # the readout has no adjoints
    if time is None and case.network.bias:  # a bias is wrong, so an adjoint is
        return Location("adjoint", layer, how="pulses in the input do not reach it")
    if time is None:
        return replace(location, what="gradient", how="adjoints are right, by pulses in the input")
    if case.synapse is not None and case.synapse.delayed:  # one step in each layer up to there
        time = min(time + 1 + layer, len(case.x) - 1)
    return Location("adjoint", layer, time, how="by pulses in the input")


def array_errors(stages: Sequence[Stage]) -> dict[str, Array]:
    """Return error over tolerance, entry by entry, of each array by its name."""
    return {name: errors for stage in stages for name, errors in stage.errors}


def gradient_location(errors: Mapping[str, Array], how: str) -> Location | None:
    """Return the highest layer whose gradients are wrong, of `array_errors`; None where none is.

    It is a "gradient" where biases, whose gradients are sums of adjoints, have right ones in every
    layer; else it may be an "adjoint".
    """
    grads = {name: e.max(initial=0.0) for name, e in errors.items() if name.startswith("grads")}
    wrong = [name for name, error in grads.items() if error > 1.0]
    if not wrong:
        return None
    layer = max(int(name[name.index("[") + 1 : name.index("]")]) for name in wrong)
    biases = [name for name in grads if name.endswith(".b")]
    right = len(biases) > layer and not any(name in wrong for name in biases)
    return Location("gradient" if right else "adjoint", layer, how=how)


def _probe_errors(gradient: Gradient, case: Case) -> dict[str, Array]:
    return array_errors(examine(gradient, case).stages)


def _has_wrong_loss(gradient: Gradient, case: Case) -> bool:
    return bool(_probe_errors(gradient, case)["loss"] > 1.0)


def _find_wrong_layer(gradient: Gradient, case: Case) -> int:
    """The highest layer whose states are wrong when nothing reaches it from below."""
    # From the top down: an error below does not pass a layer that nothing reaches.
    for layer in reversed(range(1, len(case.network.neurons))):
        if _has_wrong_loss(gradient, _silence_layer(case, layer)):
            return _blame_layer_or_next(gradient, case, layer)
    return _blame_layer_or_next(gradient, case, 0)


def _silence_layer(case: Case, layer: int, bias: float | None = None) -> Case:
    """The case with nothing reaching a layer from below, and perhaps another bias in it."""
    params = list(case.params)
    old = params[layer]
    b = old.b if bias is None or old.b is None else np.full(len(old.b), bias)
    params[layer] = replace(old, w=np.zeros_like(old.w), b=b)
    return replace(case, params=tuple(params))


def _blame_layer_or_next(gradient: Gradient, case: Case, layer: int) -> int:
    """The layer, or the next one where that is what is wrong.

    In a single step no memory has a say. With bias 0 every potential of the layer is 0; if the loss
    is right then, blame the layer. With the threshold for a bias every s is 1/2, whatever the
    symmetric surrogate; if the loss is still wrong, blame the next layer, which reads these spikes.
    """
    neuron, params = case.network.neurons[layer], case.params[layer]
    if len(case.x) > 1 or params.b is None or layer + 1 == len(case.network.neurons):
        return layer
    if not _has_wrong_loss(gradient, _silence_layer(case, layer, 0.0)):
        return layer
    scale = 1.0 if case.synapse is None else case.synapse.scale
    half = _silence_layer(case, layer, neuron.threshold / scale)
    return layer + 1 if _has_wrong_loss(gradient, half) else layer


def _find_wrong_pulse(gradient: Gradient, case: Case) -> int | None:
    """The last step whose adjoint in the first layer is wrong."""
    for pulsed, steps in _pulse_cases(case):
        errors = _probe_errors(gradient, pulsed)["grads[0].w"]
        wrong = [t for i, t in enumerate(steps) if errors[:, i].max() > 1.0]
        if wrong:
            return max(wrong)
    return None


def _pulse_cases(case: Case) -> Iterator[tuple[Case, list[int]]]:
    """Yield cases with pulses in some inputs, of no weight, and at which steps; latest first."""
    n_in, order = case.x.shape[2], list(reversed(range(len(case.x))))
    many = max(1, n_in // 2)  # the other inputs keep the network alive
    for start in range(0, len(order), many):
        steps = order[start : start + many]
        x, w = case.x.copy(), case.params[0].w.copy()
        x[:, :, : len(steps)], w[:, : len(steps)] = 0.0, 0.0
        x[steps, :, range(len(steps))] = 1.0
        yield replace(case, x=x, params=(replace(case.params[0], w=w), *case.params[1:])), steps
