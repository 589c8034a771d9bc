"""What an implementation answers to parts of a case, small enough for a search through candidates.

Rule 1: the search for a cause asks here, once; what was answered is handed on as `Observations`.
"""

from dataclasses import dataclass, replace

import numpy as np

from refsast.arrays import Integers
from refsast.crosscheck.case import Case, Gradient, ask, truncate_case
from refsast.crosscheck.compare import Examination, cast_case, examine_answer
from refsast.crosscheck.diagnose.knobs.samples import Samples, take_samples
from refsast.model.params import Params

# What a search looks at: enough for every fault to show, little enough to try hundreds.
MAX_STEPS, MAX_RECORDINGS = 6, 4
MAX_INPUTS = 64  # of a wide network, the most active ones; the others are silenced
THRESHOLD_MARGIN = 0.25  # of the threshold: how far the top layer's potentials are from it


@dataclass(frozen=True)
class Observations:
    """All that a search for the cause needs to know of an implementation."""

    parts: tuple[Examination, ...]  # of the case, the smallest first; a cause must explain all
    single: Examination | None  # one step; None: it cannot be asked about fewer steps
    samples: Samples  # small parts, for the search through settings of knobs
    gradient: Gradient  # to ask about longer parts, where the small ones show nothing


def observe(gradient: Gradient, case: Case) -> Observations:
    """Ask about a part of a case, the whole of it, and one step; errors as `ask`."""
    try:
        parts = [observe_inputs(gradient, truncate_case(case, MAX_STEPS, MAX_RECORDINGS))]
        single = observe_one_step(gradient, truncate_case(case, 1, MAX_RECORDINGS))
    except ValueError:  # a module of a fixed number of steps
        part = observe_inputs(gradient, case)
        samples = take_samples(gradient, case, part.dtype)
        return Observations((part,), None, samples, gradient)
    if parts[0].case.x.size < case.x.size:
        parts.append(observe_inputs(gradient, case, None))
    samples = take_samples(gradient, case, parts[0].dtype)
    return Observations(tuple(parts), single, samples, gradient)


def observe_inputs(gradient: Gradient, case: Case, inputs: int | None = MAX_INPUTS) -> Examination:
    """Ask with the most active inputs only, or with all; what is silenced is cut off the answer."""
    activity = abs(case.x).sum(axis=(0, 1))
    kept = np.sort(np.argsort(-activity, kind="stable")[:inputs])
    x = np.zeros_like(case.x)
    x[..., kept] = case.x[..., kept]
    got, dtype = ask(gradient, replace(case, x=x))
    in_x = None if got.x is None else got.x[..., kept]
    got = replace(got, grads=_select_columns(got.grads, kept), x=in_x)
    network = replace(case.network, sizes=(len(kept), *case.network.sizes[1:]))
    params = _select_columns(case.params, kept)
    narrow = replace(case, network=network, params=params, x=case.x[..., kept])
    return examine_answer(got, cast_case(narrow, dtype), dtype)


def observe_one_step(gradient: Gradient, case: Case) -> Examination:
    """Ask about a single step, of a network that fires if the top layer's gradient is zero."""
    seen = observe_inputs(gradient, case)
    if seen.got.grads[len(case.network.neurons) - 1].w.any():
        return seen
    return observe_inputs(gradient, _make_all_fire(case))


def _select_columns(params: Params, kept: Integers) -> Params:
    """Parameters or gradients of some inputs only."""
    return (replace(params[0], w=params[0].w[:, kept]), *params[1:])


def _make_all_fire(case: Case) -> Case:
    """The case with inputs near one and weights of its own signs by which all layers fire at once.

    The top layer comes near its threshold, to either side; exact ties are left out.
    """
    scale = 1.0 if case.synapse is None else case.synapse.scale
    neurons, params = case.network.neurons, list(case.params)
    for i, neuron in enumerate(neurons):
        layer, top = params[i], i == len(neurons) - 1
        size = abs(layer.w).max(initial=0.0) or 1.0
        spread = np.full(layer.w.shape, 2.0)
        if top:
            spread = 1.0 + THRESHOLD_MARGIN * (layer.w + 0.5 * size) / size
        w = spread * neuron.threshold / (scale * layer.w.shape[1])
        b = None if layer.b is None else np.zeros(layer.b.shape)
        params[i] = replace(layer, w=w, b=b)
    x = np.ones(case.x.shape) * np.linspace(0.9, 1.1, case.x.shape[1])[:, None]
    return replace(case, params=tuple(params), x=x)
