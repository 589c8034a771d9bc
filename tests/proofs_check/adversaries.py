"""Who tries to escape a certificate, and whether one does."""

from dataclasses import dataclass, replace

import numpy as np

import refsast as rs
from proofs_check.transfer.certificate import layer_errors, simple_certificate
from refsast.arrays import Array
from refsast.certify.boxes import enclose_states
from refsast.certify.sharp import readout_rounding, sharp_certificate
from refsast.model.network import replace_spikes

CERTIFICATES = (simple_certificate, sharp_certificate)


def no_larger(a, b, network, params, x):
    """``a <= b`` of two bounds on leads, but for what both allow for rounding and round again."""
    hard = rs.run(network, params, x, spike=rs.heaviside).logits.argmax(axis=1)
    rounding = readout_rounding(network, params, len(x), hard)
    return bool(np.all(a <= b * (1.0 + 1e-9) + rounding))


@dataclass(frozen=True, eq=False)
class Erratic:
    """A spike that is anywhere in the envelope of a smooth one, jumps, and never rises or falls."""

    spike: rs.Arctan
    seed: int

    def __call__(self, v: Array) -> Array:
        share = np.random.default_rng(self.seed).random(v.shape)
        far = np.where(np.cos(1e6 * v) > 0.0, share, 1.0) * self.spike(-np.abs(v))
        return np.where(v >= 0.0, 1.0 - far, far)


def steeper(network, factor):
    return replace_spikes(network, lambda spike: replace(spike, slope=spike.slope * factor))


def rivals(network, seed=0):
    """The spikes that a certificate speaks for: smooth, steeper, hard and erratic."""
    erratic = replace_spikes(network, lambda spike: Erratic(spike, seed))
    hard = replace_spikes(network, lambda spike: rs.heaviside)
    return network, steeper(network, 3.0), steeper(network, 1e4), hard, erratic


def inside(box, a):
    return bool(np.all((box.lo <= a) & (a <= box.hi)))


def backwards(params, x):
    """The same network, its inputs in the opposite order: the same but for rounding."""
    first = replace(params[0], w=params[0].w[:, ::-1])
    return (first, *params[1:]), x[..., ::-1]


def boxes_hold(network, params, x, seed=0):
    enclosed = enclose_states(network, params, x)
    traces = [rs.run(rival, params, x) for rival in rivals(network, seed)]
    traces.append(rs.run(network, *backwards(params, x)))
    return all(
        inside(box, a)
        for trace in traces
        for box, a in zip((*enclosed.u, *enclosed.s), (*trace.u, *trace.s), strict=True)
    )


def reach_holds(network, params, x, seed=0):
    """Where it applies, in all layers up to one, no rival is farther from the hard run there."""
    hard = rs.run(network, params, x, spike=rs.heaviside)
    for rival in rivals(network, seed):
        trace, applies = rs.run(rival, params, x), np.ones(x.shape[1], bool)
        for i, layer in enumerate(layer_errors(network, params, x)):
            applies &= layer.applies
            by_u = np.abs(trace.u[i] - hard.u[i]).max(axis=(0, 2)) <= layer.potential
            by_s = np.abs(trace.s[i] - hard.s[i]).max(axis=(0, 2)) <= layer.spike
            if not np.all(by_u & by_s | ~applies):
                return False
    return True


def falls(network, rival, params, x):
    """By how much the leads of the hard class are smaller with the rival's spikes."""
    hard = rs.run(network, params, x, spike=rs.heaviside).logits
    other = rs.run(rival, params, x).logits
    rows, first = np.arange(len(hard)), hard.argmax(axis=1)
    return hard[rows, first][:, None] - hard - (other[rows, first][:, None] - other)


def leads_hold(certify, network, params, x, seed=0):
    """No lead falls by more than the bound, and the class of the certified does not change."""
    given = certify(network, params, x)
    hard = rs.run(network, params, x, spike=rs.heaviside).logits.argmax(axis=1)
    for rival in rivals(network, seed):
        agree = rs.run(rival, params, x).logits.argmax(axis=1) == hard
        if not np.all(falls(network, rival, params, x) <= given.bound):
            return False
        if not np.all(agree | ~given.certified):
            return False
    return True


def sound(network, params, x):
    """Whether everything that is said of one instance is so."""
    leads = all(leads_hold(certify, network, params, x) for certify in CERTIFICATES)
    return leads and boxes_hold(network, params, x) and reach_holds(network, params, x)
