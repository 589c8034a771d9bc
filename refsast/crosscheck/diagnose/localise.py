"""Where is an implementation wrong first? From what was answered, or from its cause.

Rule 1: "first" is in the order of the computation: states of the lowest layer, from its first step;
        then readout and loss; then adjoints of the highest layer, from its last step; then
        gradients.
Rule 2: what was handed over and agrees is never blamed, nor what it follows from.
Rule 3: where the place is not known, that is said, with what was tried.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.compare import Stage

ROUNDINGS = 1e4  # tolerances: by less a simulation in another order may be off, a fault is by more


@dataclass(frozen=True)
class Location:
    """Where two computations differ.

    Attributes
    ----------
    what : str
        "state"; "loss or readout" (the states are right); "adjoint"; "gradient" (the adjoints are
        right, what is assembled from them is not); or "not known".
    layer : int or None
        Spiking layer, from 0; the number of spiking layers is the readout; None: not known.
    time : int or None
        Step, from 0; None where there is none.
    recording, neuron : int or None
        In the batch and in the layer, from 0; None: not known.
    how : str
        How it was found; where the place is not known, what was tried.
    """

    what: str
    layer: int | None = None
    time: int | None = None
    recording: int | None = None
    neuron: int | None = None
    how: str = ""

    @property
    def line(self) -> str:
        """What a report prints."""
        if self.what == "not known":
            return f"place not known: {self.how}"
        return f"first wrong: {self}"

    def __str__(self) -> str:
        names = ("layer", "step", "recording", "neuron")
        at = (self.layer, self.time, self.recording, self.neuron)
        known = [f"{name} {i + 1}" for name, i in zip(names, at, strict=True) if i is not None]
        if self.what in ("loss or readout", "not known"):
            return f"{self.what} ({self.how})"
        return f"{self.what} of {', '.join(known) or 'the whole'} ({self.how})"


def first_difference(stages: Sequence[Stage], how: str) -> Location | None:
    """Return where compared answers differ first, in the order of the computation.

    Only from what they hold: None where they hold too little, or nothing is wrong. `how` says where
    the answers came from.
    """
    errors = {stage.name: dict(stage.errors) for stage in stages}
    wrong = {stage.name for stage in stages if not stage.agrees}
    if cell := _first_wrong_cell(layer_errors(errors.get("states", {}))):
        return Location("state", *cell, how)
    if "loss" in wrong:
        return Location("loss or readout", how=how) if "states" in errors else None
    # Adjoints are computed from the last step and layer to the first: both axes are reversed.
    adjoints = layer_errors(errors.get("adjoints", {}))
    if cell := _first_wrong_cell([e[::-1] for e in reversed(adjoints)]):
        layer, time = len(adjoints) - 1 - cell[0], len(adjoints[0]) - 1 - cell[1]
        return Location("adjoint", layer, time, *cell[2:], how)
    if not adjoints:
        return None
    if "parameter gradients" in wrong:
        return gradient_location(array_errors(stages), how)
    return Location("gradient", how=f"in the input, {how}") if "input gradient" in wrong else None


def layer_errors(errors: dict[str, Array]) -> list[Array]:
    """Return the errors of each layer; of potentials and spikes the larger."""
    found: dict[str, Array] = {}
    for name, array in errors.items():
        layer = name[name.index("[") :]
        found[layer] = np.maximum(found.get(layer, 0.0), array)
    return list(found.values())


def _first_wrong_cell(errors: list[Array]) -> tuple[int, int, int, int] | None:
    """Layer, step, recording and neuron of the first error above 1; None: there is none."""
    wrong = np.array([(e > 1.0).any(axis=(1, 2)) for e in errors])  # (layer, time)
    if not wrong.any():
        return None
    layer, time = map(int, np.argwhere(wrong)[0])
    cell = errors[layer][time]
    recording, neuron = np.unravel_index(int(cell.argmax()), cell.shape)
    return layer, time, int(recording), int(neuron)


def array_errors(stages: Sequence[Stage]) -> dict[str, Array]:
    """Return error over tolerance, entry by entry, of each array by its name."""
    return {name: errors for stage in stages for name, errors in stage.errors}


def wrong_arrays(errors: Mapping[str, Array]) -> dict[int, dict[str, bool]]:
    """Return whether each gradient is wrong, by layer and part, of `array_errors`."""
    found: dict[int, dict[str, bool]] = {}
    for name, array in errors.items():
        if name.startswith("grads"):
            layer = int(name[name.index("[") + 1 : name.index("]")])
            part = name.rpartition(".")[2]
            found.setdefault(layer, {})[part] = bool(array.max(initial=0.0) > 1.0)
    return found


def gradient_location(errors: Mapping[str, Array], how: str) -> Location | None:
    """Return the layer whose gradients are wrong though adjoints are right; None where none is.

    All layers alike are said at once: no layer then. Else it is the highest, which comes first.
    """
    wrong = {layer: any(parts.values()) for layer, parts in wrong_arrays(errors).items()}
    if not any(wrong.values()):
        return None
    if all(wrong.values()) and len(wrong) > 1:
        return Location("gradient", how=how)
    return Location(
        "gradient", max(layer for layer, is_wrong in wrong.items() if is_wrong), how=how
    )


def _forgive(stage: Stage) -> Stage:
    """A stage of a simulation, whose own roundings are no place."""
    errors = tuple((name, array / ROUNDINGS) for name, array in stage.errors)
    return replace(stage, error=stage.error / ROUNDINGS, errors=errors)


def _lies_in_readout(stages: Sequence[Stage], runs: Sequence[Sequence[Stage]]) -> bool:
    """Whether gradients of the readout are wrong with adjoints, in every run of a cause.

    No adjoint reaches the readout's gradients: what has made both wrong comes before them.
    """

    def is_wrong(parts: Mapping[int, Mapping[str, bool]], depth: int) -> bool:
        return any(parts.get(depth, {"": False}).values())

    found = []
    for run in runs:
        depth = len(dict(next((s.errors for s in run if s.name == "adjoints"), ())))
        found += [is_wrong(wrong_arrays(array_errors(each)), depth) for each in (stages, run)]
    return bool(found) and all(found)


def _locate_in_run(run: Sequence[Stage], right: Container[str]) -> Location | None:
    """Where a run of a cause is wrong first, `right` being the stages that it leaves as they are.

    Where an error grows out of rounding, from step to step or layer to layer, where it begins is
    not known.
    """
    forgiven = [_forgive(stage) for stage in run]
    kept = [own.name not in right or own.agrees for own in forgiven]
    first, place = (
        first_difference([s for s, keep in zip(side, kept, strict=True) if keep], "by its cause")
        for side in (run, forgiven)
    )
    if place is None or first is None or (first.what, first.layer) != (place.what, place.layer):
        return place
    return place if first.time == place.time else Location(place.what, place.layer, how=place.how)


def locate(
    stages: Sequence[Stage], runs: Sequence[Sequence[Stage]], *, of_readout: bool = False
) -> Location | None:
    """Return where an answer is wrong first, from what it holds, else from runs of its causes.

    `of_readout`: the cause is one thing, in the readout, and may come before all adjoints. Causes
    of the same numbers that lie at different places leave the place unknown.
    """
    wrong = {stage.name for stage in stages if not stage.agrees}
    given = first_difference(stages, "from the states and adjoints given")
    in_readout = of_readout and _lies_in_readout(stages, runs)
    if given and (given.what != "adjoint" or not in_readout):
        return given
    has = {stage.name for stage in stages}
    # What was handed over and agrees stays right in a run of a cause that leaves it as it is; the
    # loss may be wrong by less than its precision shows.
    right = has - wrong - {"loss"}
    places: dict[tuple, Location] = {}
    for run in runs:
        place = _locate_in_run(run, right)
        if place is not None and place.what == "adjoint" and in_readout:
            place = Location("loss or readout", how="by its cause")
        if place is not None:
            key = place.what, place.layer, place.time
            first = places.setdefault(key, place)
            if (first.recording, first.neuron) != (place.recording, place.neuron):
                places[key] = replace(first, recording=None, neuron=None)
    found = list(places.values())
    if len(found) > 1:
        names = "; or ".join(str(place) for place in found)
        return Location("not known", how=f"causes of the same numbers lie at {names}")
    zero = any(stage.name == "parameter gradients" and stage.ratio == 0.0 for stage in stages)
    if zero and [place.what for place in found] == ["gradient"]:
        return Location("not known", how="every gradient is zero, by whatever made it so")
    return found[0] if found else None
