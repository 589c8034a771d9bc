"""Markers of steps and recordings, and the yardstick of the straight-through estimate."""

from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.gradient import fast
from refsast.model.loss import one_hot, softmax
from tests.strategies import Case


def marked(case: Case) -> Case:
    """Return the case with one more input per step and recording, which fires there alone.

    Their weights are zero, so nothing changes; but the gradient in them is the first layer's delta,
    one column per step and recording.
    """
    time, batch, n_in = case.x.shape
    markers = np.eye(time * batch).reshape(time, batch, -1)
    first = case.params[0]
    wider = replace(first, w=np.hstack([first.w, np.zeros((len(first.w), time * batch))]))
    network = replace(case.network, sizes=(n_in + time * batch, *case.network.sizes[1:]))
    return Case(network, (wider, *case.params[1:]), np.concatenate([case.x, markers], 2), case.y)


def through_inputs(case: Case, of_first_weights: Array, weights: Array) -> Array:
    """Return what the columns of the markers say about the input, through the given weights."""
    time, batch, n_in = case.x.shape
    deltas = of_first_weights[:, n_in:]
    return (deltas.T @ weights).reshape(time, batch, n_in)


def of_straight_through(case: Case) -> rs.Params:
    """Return the magnitudes of the terms of the straight-through estimate."""
    network, params, x, y = case
    trace = rs.run(network, params, x, spike=rs.heaviside)
    signless = tuple(
        rs.Layer(**{k: None if a is None else abs(a) for k, a in vars(layer).items()})
        for layer in params
    )
    rows = zip(network.neurons, signless, (abs(x), *trace.s[:-1]), trace.u, trace.s, strict=False)
    factors = [fast._factors(*row) for row in rows]
    factors = [replace(f, slope=abs(f.slope), r_u=abs(f.r_u), r_s=abs(f.r_s)) for f in factors]
    g = (softmax(trace.logits) + one_hot(y, network.classes)) / y.size
    return fast.walk(network, signless, factors, g)[0]
