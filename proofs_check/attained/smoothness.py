"""THEORY 3: where a slope or a curvature of the loss is all that counts."""

from dataclasses import replace

import numpy as np

import refsast as rs
from proofs_check.attained.networks import TWO_WAYS, WRONG, Chain, saturated, two_points
from proofs_check.certified.constants import sup_second
from proofs_check.instances import LabelledBatch, TwoParameterPoints

# So steep that its curvature, which grows with the square of the slope, outweighs all else.
CLIFF = rs.LIF(0.0, 1e-3, rs.Arctan(1e4), rs.NoReset())
BEND = replace(
    Chain((CLIFF,), out=0.01 * TWO_WAYS, bias=WRONG), offset=float(sup_second(CLIFF.spike).point)
)
FLAT = rs.LIF(0.0, 1.0, rs.PiecewiseQuadratic(1e-3), rs.NoReset())


def undecided() -> LabelledBatch:
    """Return a neuron that fires wholly, and two classes that are as likely: softmax regression."""
    x = Chain((FLAT,), out=0.0 * TWO_WAYS).batch()
    return replace(x, x=np.zeros((1, 1, 1)), params=(_lift(x.params[0], 1e4), x.params[1]))


def _lift(layer: rs.Layer, bias: float) -> rs.Layer:
    """The layer with another bias."""
    return rs.Layer(layer.w, np.full(len(layer.w), bias), layer.v)


def bent_loss() -> TwoParameterPoints:
    """Return `undecided`, and a point along the direction in which its loss is curved most."""
    return two_points(undecided(), 0.0, 0.0, 1e-3 * TWO_WAYS, 1e-3 * TWO_WAYS[:, 0])


def steep_loss() -> TwoParameterPoints:
    """Return a spike at its bend, a wrong class that is certain, and a point a little further."""
    return two_points(_bias_drive(), 0.0, 1e-8, 0.0, 0.0)


def _bias_drive() -> LabelledBatch:
    """`BEND` with its current in the bias, so that the input's weight does not count."""
    x = BEND.batch()
    bias = float(x.x[0, 0, 0])
    return replace(x, x=np.zeros((1, 1, 1)), params=(_lift(x.params[0], bias), x.params[1]))


def certain() -> LabelledBatch:
    """Return neurons that fire wholly, and a wrong class that is certain."""
    x = saturated(9)
    return replace(x, params=(x.params[0], rs.Layer(x.params[1].w, np.array(WRONG))))


_POINTS = {"slope of the loss": steep_loss, "curvature of the loss": bent_loss}
ATTAINED = {
    "3a": {
        "readout": certain,
        "layers": lambda: Chain((CLIFF,), out=TWO_WAYS, bias=WRONG).batch(),
    },
    "3b-quotient": _POINTS,
    "3b-product": _POINTS,
    "3b-eigenvalue": {
        "slope of the loss": _bias_drive,
        "curvature of the loss": undecided,
    },
    "3b-joint": _POINTS,
}
