"""Instances whose sums cancel: terms up to a million times as large as what is left of them."""

from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.certified.unit_spikes import SPIKE_FAMILIES
from proofs_check.claims import sam
from proofs_check.claims.reshuffling import SastEpoch, certify_epoch
from proofs_check.claims.stability import trajectory
from proofs_check.descent.draws import MIN_LIPSCHITZ, draw_step, tighten_path
from proofs_check.descent.enumeration import SastPath, SastStep
from proofs_check.descent.finite_sum import FiniteSum
from proofs_check.descent.objectives import Objective, Quadratic, Ridge, Risk
from proofs_check.descent.runs import SastRuns
from proofs_check.draws import RESETS, Source, Trial
from proofs_check.instances import (
    LabelledBatch,
    TwoInputs,
    TwoParameterPoints,
    TwoStartStates,
    move_point,
)
from refsast.model.params import param_arrays
from refsast.model.unroll import input_currents, unroll_layer

SCALES = (1.0, 1e2, 1e4, 1e6)  # of what cancels, beside the potentials
APART = (1.0, 1e-3, 1e-6, 1e-9, 1e-12)  # of two states, inputs or points


def draw_cancelling(source: Source, trial: Trial) -> object:
    """Draw an instance of a claim whose sums cancel, and which meets what the claim asks for."""
    drawn = trial.draw(source)
    if isinstance(drawn, SastStep):
        step = draw_step(source, lambda s: _cancelling_family(s, drawn.family, drawn.w))
        # A minibatch that is shared, and eta beyond 1/L, where this claim draws them.
        changed = replace(
            step, shared=drawn.shared, eta=drawn.eta * drawn.lipschitz / step.lipschitz
        )
        return trial.refit(changed)
    if isinstance(drawn, SastEpoch):
        family, w = _cancelling_family(source, drawn.first.family, drawn.first.w)
        return certify_epoch(replace(drawn, first=replace(drawn.first, family=family, w=w)))
    if isinstance(drawn, SastPath | SastRuns):
        path = drawn if isinstance(drawn, SastPath) else drawn.path
        family, w = _cancelling_family(source, path.first.family, path.first.w)
        first = replace(path.first, family=family, w=w)
        if isinstance(drawn, SastPath):
            return tighten_path(replace(path, first=first))
        part = path.first.eta * path.first.lipschitz
        lipschitz = max(family.lipschitz(w, np.inf), MIN_LIPSCHITZ)
        first = replace(first, eta=part / lipschitz, lipschitz=lipschitz, variance=family.spread)
        return replace(drawn, path=replace(path, first=first, lower=family.lower))
    if isinstance(drawn, sam.Ascent):
        objective, w = _cancelling_objective(source, drawn.objective, drawn.w)
        return sam.certify_smoothness(replace(drawn, objective=objective, w=w))
    if isinstance(drawn, TwoStartStates):
        return _cancelling_states(source, drawn)
    return trial.refit(_cancelling_network(source, drawn))


def _neuron(source: Source, neuron: rs.LIF) -> rs.LIF:
    """The neuron, or one whose threshold is large beside every potential; its spike as flat."""
    threshold = source.choice((neuron.threshold, 10.0, 1e3, 1e6))
    if threshold == neuron.threshold:
        return replace(neuron, spike=type(neuron.spike)(source.choice((1.0, 10.0, 50.0))))
    family, slope = source.choice(SPIKE_FAMILIES), source.choice((0.1, 1.0)) / threshold
    return replace(neuron, threshold=threshold, spike=family(slope))


def _cancelling_layer(
    source: Source, neuron: rs.LIF, layer: rs.Layer, a: np.ndarray, start: np.ndarray
) -> rs.Layer:
    """The layer scaled, and with a bias or a first weight that leaves next to nothing of it all."""
    w, b, v = (
        None if p is None else source.choice(SCALES) * p for p in (layer.w, layer.b, layer.v)
    )
    left = start + source.choice((0.0, 1e-2, 0.3)) * source.array(len(layer.w))
    s = neuron.spike(start - neuron.threshold)
    current = left - neuron.reset(neuron.leak, neuron.threshold, start, s)
    current = current if v is None else current - v @ s
    missing = current - w @ a - (0.0 if b is None else b)
    if b is not None:
        return rs.Layer(w, b + missing, v)
    if np.abs(a).max() < 1e-3:
        return rs.Layer(w, b, v)
    w[:, np.abs(a).argmax()] += missing / a[np.abs(a).argmax()]
    return rs.Layer(w, b, v)


def _cancelling_network(source: Source, x):
    """A batch, a pair of inputs or of points whose every layer's currents cancel at some step."""
    neurons = x.network.neurons
    if not any(isinstance(n.spike, rs.Arctan) and n.spike.slope >= 10.0 for n in neurons):
        neurons = tuple(_neuron(source, n) for n in neurons)
    network = replace(x.network, neuron=neurons)
    inputs = x.x.copy()
    if source.choice((True, False)):
        inputs[:] = inputs[:1]
    a, params = inputs, []
    at, i = source.choice(range(len(inputs))), source.choice(range(inputs.shape[1]))
    for neuron, layer in zip(neurons, x.params, strict=False):
        near = source.choice((0.0, neuron.threshold, 0.0))
        start = near + 1e-2 * source.array(len(layer.w))
        params.append(_cancelling_layer(source, neuron, layer, a[at, i], start))
        a = unroll_layer(neuron, params[-1], input_currents(params[-1], a))[1]
    for layer in x.params[len(neurons) :]:
        scale = source.choice((1.0, 1e3))
        params.append(rs.Layer(scale * layer.w, None if layer.b is None else scale * layer.b))
    params = tuple(params)
    if isinstance(x, TwoInputs):
        apart = source.choice(APART) * source.array(*inputs.shape)
        return TwoInputs(network, params, inputs, inputs + apart)
    if isinstance(x, TwoParameterPoints):
        batch = LabelledBatch(network, params, inputs, x.y)
        direction = [source.array(*p.shape) for p in param_arrays(params)]
        return move_point(batch, direction, source.choice(APART))
    return replace(x, network=network, params=params, x=inputs)


def _cancelling_states(source: Source, x: TwoStartStates) -> TwoStartStates:
    """Two close states of a layer whose current, reset and recurrence leave them where they are."""
    neuron = _neuron(source, replace(x.neuron, reset=source.choice(RESETS)))
    inputs, n = x.x.copy(), len(x.layer.w)
    inputs[:] = inputs[:1]
    start = source.choice((1e-2, 1.0)) * source.array(*x.start.shape)
    start = start + source.choice((0.0, neuron.threshold))
    layer = replace(x.layer, b=source.choice((None, source.array(n))))
    layer = _cancelling_layer(source, neuron, layer, inputs[0, 0], start[0])
    apart = source.choice(APART) * source.array(*start.shape)
    found = replace(x, neuron=neuron, layer=layer, x=inputs, start=start, other=start + apart)
    assert np.isfinite(trajectory(found, start)).all()
    return found


def _cancelling_objective(
    source: Source, objective: Objective, w: np.ndarray
) -> tuple[Objective, np.ndarray]:
    """The objective with terms that cancel near a point, and the point."""
    scale, left = source.choice(SCALES), source.choice((0.0, 1e-3, 1.0))
    if isinstance(objective, Quadratic):
        w = source.choice(SCALES) * w
        g = left * source.array(w.size) - scale * objective.h @ w
        return Quadratic(scale * objective.h, g, 0.5 * scale * w @ objective.h @ w), w
    if isinstance(objective, Ridge):
        a = source.choice((1.0, 1e3)) * objective.a
        w = scale * w
        return Ridge(objective.spike, a, left * source.array(len(a)) - a @ w), w
    batch = LabelledBatch(
        objective.network, rs.unflatten(objective.network, w), objective.x, objective.y
    )
    batch = _cancelling_network(source, batch)
    return Risk(batch.network, batch.x, batch.y), rs.flatten(batch.params)


def _cancelling_family(
    source: Source, family: FiniteSum, w: np.ndarray
) -> tuple[FiniteSum, np.ndarray]:
    """The family with every sample's terms cancelling near one point, and the point."""
    first, w = _cancelling_objective(source, family.samples[0], w)
    if isinstance(first, Risk):
        samples = tuple(
            Risk(first.network, first.x if i == 0 else s.x, s.y)
            for i, s in enumerate(family.samples)
        )
        return FiniteSum(samples, family.batch), w
    scale, left = source.choice((1.0, 1e4)), source.choice((0.0, 1e-3, 1.0))
    others = []
    for sample in family.samples[1:]:
        if isinstance(sample, Quadratic):
            h = first.h if np.array_equal(sample.h, family.samples[0].h) else scale * sample.h
            others.append(Quadratic(h, left * source.array(w.size) - h @ w))
        else:
            others.append(
                Ridge(sample.spike, sample.a, left * source.array(len(sample.a)) - sample.a @ w)
            )
    return FiniteSum((first, *others), family.batch), w
