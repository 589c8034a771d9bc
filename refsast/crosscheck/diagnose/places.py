"""Where is an implementation wrong that gives gradients only, for an unknown cause? By probing.

Rule 1: a probe changes the question, never the implementation. There are four: one or two steps,
        whose gradients show what layers were given (`activation_probe`); fewer steps;
        saturated layers, whose spikes no fault in them can change; inputs whose weights are zero,
        because the gradients of these weights tell adjoints (`adjoint_probe`).
Rule 2: a probe that cannot be asked is left out, and the others go on.
Rule 3: a place is named only where no other reading is left: what lies before it has to be right,
        too, and a loss that happens to be right does not show that.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case, take_singles, truncate_case
from refsast.crosscheck.compare import Examination, examine
from refsast.crosscheck.diagnose.activation_probe import probe_activations
from refsast.crosscheck.diagnose.adjoint_probe import probe_adjoints
from refsast.crosscheck.diagnose.localise import Location, array_errors, wrong_arrays
from refsast.crosscheck.diagnose.misfit import vanishes
from refsast.crosscheck.implementation import Gradient
from refsast.crosscheck.variants import solve
from refsast.model.loss import CrossEntropy
from refsast.model.network import describe_extension
from refsast.model.params import WEIGHTS, layer_arrays
from refsast.model.spike import first_derivative

HUGE = 1e12  # thresholds: a potential so far from its own saturates every spike
STRONG = 100.0  # times what a layer remembers of the step before
SINGLES = 4  # recordings that are asked one by one
FAINT = 1e-3  # of what a layer hears most, what it may hear of another adjoint
DECISIVE = 1e-6  # relative: a loss that is off by less may be so by a spike not quite saturated


def probe(gradient: Gradient, case: Case) -> Location:
    """Return where an implementation is wrong, by asking it about variations of a case."""
    if case.network.connections is not None or not isinstance(case.network.loss, CrossEntropy):
        return Location("not known", how="gradients alone, and no known cause, do not tell")
    exam = _ask(gradient, case)
    if exam is None:
        return Location("not known", how="it cannot be asked")
    errors = array_errors(exam.stages)
    if errors["loss"] > 1.0:
        return _probe_forward(gradient, case)
    if case.hard:
        return Location("not known", how="the loss is right; hard spikes may hide what is wrong")
    if any(_has_wrong_loss(gradient, other) is not False for other in _vary(case)):
        return Location("not known", how="the loss is right here, but wrong with other weights")
    return _probe_backward(gradient, case, errors, exam)


def _vary(case: Case) -> Iterator[Case]:
    """Yield the case with other weights, in which a state that is wrong shows in the loss."""
    rng = np.random.default_rng(0)
    for size in (0.5, 2.0, 4.0):
        layers = []
        for layer in case.params:  # what neurons learn stays in its range
            arrays = {name: a for name, a in layer_arrays(layer).items() if name in WEIGHTS}
            varied = {n: size * a * rng.uniform(0.5, 1.5, a.shape) for n, a in arrays.items()}
            layers.append(replace(layer, **varied))
        yield replace(case, params=tuple(layers))


def _ask(gradient: Gradient, case: Case) -> Examination | None:
    try:
        return examine(gradient, case)
    except ValueError:
        return None


def _has_wrong_loss(gradient: Gradient, case: Case) -> bool | None:
    """Whether the loss of a case is wrong; None: it cannot be asked."""
    with np.errstate(all="ignore"):
        exam = _ask(gradient, case)
    if exam is None:
        return None
    off = abs(exam.got.loss - exam.right.loss)
    return bool(off > DECISIVE * abs(exam.right.loss) and off > exam.tolerance.loss)


def _probe_forward(gradient: Gradient, case: Case) -> Location:
    """Where what layers were given becomes wrong, and what was tried."""
    if not case.hard and (found := probe_activations(gradient, case)) is not None:
        return found
    if describe_extension(case.network):
        return Location("not known", how="the loss is wrong; tried one step, and two")
    step = _first_wrong_step(gradient, case)
    since = "" if step is None else f" from step {step + 1} on"
    tried = f"the loss is wrong{since}; tried fewer steps and saturated layers"
    singles = take_singles(case, SINGLES) if len(case.y) > 1 else []
    if singles and all(_has_wrong_loss(gradient, one) is False for one in singles):
        return Location(
            "not known", how=f"{tried}; single recordings are right, together they are not"
        )
    short = case if step is None else truncate_case(case, step + 1)
    for layer in reversed(range(0 if case.hard else len(case.network.neurons))):
        for turns in (False, True):
            if (wrong := _has_wrong_saturated(gradient, short, layer, turns=turns)) is None:
                return Location("not known", how=tried)
            if wrong:
                # A spike that a fault multiplies, or centres, is not saturated by any drive.
                above = f"with layers up to {layer + 1} saturated it is wrong, too"
                return Location("not known", how=f"{tried}: {above}")
    if case.hard:
        return Location("not known", how=tried)
    # What a fault makes of a spike that is neither 0 nor 1 shows nowhere where all are.
    open_ = "with layers saturated it is right: state of layer 1, or what is made of smooth spikes"
    return Location("not known", how=f"{tried}; {open_}")


def _has_wrong_saturated(gradient: Gradient, case: Case, layer: int, *, turns: bool) -> bool | None:
    """Whether the loss is wrong with layers up to one saturated; None: it cannot be asked."""
    saturated = _saturate(case, layer, turns=turns)
    return None if saturated is None else _has_wrong_loss(gradient, saturated)


def _first_wrong_step(gradient: Gradient, case: Case) -> int | None:
    for steps in range(1, len(case.x) + 1):
        if _has_wrong_loss(gradient, truncate_case(case, steps)):
            return steps - 1
    return None


def _saturate(case: Case, layer: int, *, turns: bool) -> Case | None:
    """The case with layers up to one fully on and off, half of the neurons each.

    Steady, they are so whatever their leak, threshold and reset; a bias drives them, too, in case
    that their input is late. In turns, spikes change over time and from recording to recording, so
    that what weighs steps, remembers or exchanges recordings has something to do; a wrong leak in
    them may show then. None where a layer has one neuron only, or memory keeps it from turning.
    """
    for off in (1.0, STRONG):
        saturated = _drive(case, layer, off, turns=turns)
        if saturated is None or not turns or len(case.x) == 1:
            return saturated
        s = solve(saturated).s
        assert s is not None
        if (abs(np.diff(s[layer], axis=0)) > 0.5).any():
            return saturated
    return None


def _drive(case: Case, layer: int, off: float, *, turns: bool) -> Case | None:
    """The case with weights that saturate layers; `off` is how much more it is driven to turn."""
    params, below = list(case.params), np.ones(case.x.shape[2])
    for i in range(layer + 1):
        signs = np.ones(case.network.sizes[i + 1])
        signs[1::2] = -1.0
        if len(signs) < 2:
            return None
        old, drive = params[i], HUGE * case.network.neurons[i].threshold
        b = None if old.b is None else (0.0 if turns else drive) * signs
        v = None if old.v is None else np.zeros_like(old.v)
        params[i] = replace(old, w=drive * np.outer(signs, below), b=b, v=v)
        # So that the spikes of either turn drive the next layer as much, or by `off`.
        below = np.where(signs > 0.0, 1.0 / (signs > 0.0).sum(), -off / (signs < 0.0).sum())
    x = np.ones_like(case.x)
    if turns:
        turn = np.add.outer(np.arange(len(x)), np.arange(x.shape[1]))[..., None] % 2
        x *= np.where(turn == 0, 1.0, -off)
    return replace(case, params=tuple(params), x=x)


def _probe_backward(
    gradient: Gradient, case: Case, errors: dict[str, Array], exam: Examination
) -> Location:
    """Which layer's gradients are wrong, and whether its adjoints are."""
    wrong = wrong_arrays(errors)
    if not any(any(parts.values()) for parts in wrong.values()):
        return Location("gradient", how="the gradient in the input alone is wrong")
    top = max(layer for layer, parts in wrong.items() if any(parts.values()))
    rest_right = not any(any(wrong[layer].values()) for layer in range(top))
    if rest_right and top > 0 and _tells(exam, top - 1) and _hears_all(exam, top):
        return Location("gradient", top, how="all layers below are right, so adjoints are")
    if top == len(case.network.neurons):
        below = "all layers below are right" if rest_right else "of layers below, too"
        return Location("not known", how=f"gradients of the readout are wrong; {below}")
    return probe_adjoints(gradient, case, top)


def _hears_all(exam: Examination, layer: int) -> bool:
    """Whether the layer below hears of each adjoint of a layer, so that a wrong one shows there.

    Of the readout, of what each of its logits gives to each step.
    """
    case, right = exam.case, exam.right
    neuron = case.network.neurons[layer - 1]
    if describe_extension(case.network) or right.u is None or right.s is None:
        return False
    above = right.u[layer - 1] - neuron.threshold
    heard = abs(first_derivative(neuron.spike)(above)) @ abs(case.params[layer].w).T
    inputs = case.x if layer == 1 else right.s[layer - 2]
    told = abs(inputs).max(axis=2, keepdims=True)
    heard = heard * (told if case.params[layer - 1].b is None else np.maximum(told, 1.0))
    return bool(heard.min() > FAINT * heard.max())


def _tells(exam: Examination, layer: int) -> bool:
    """Whether the right gradient in W is more than what tolerance tells from zero."""
    return not vanishes(exam.right.grads[layer].w, exam.tolerance.grads[layer].w)
