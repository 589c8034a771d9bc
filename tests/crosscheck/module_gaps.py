"""How far a module's loss and gradients are from those of the network that is read from it."""

from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation
from refsast.model.glif import as_glif

TOLERANCE = 1e-10  # relative; everything is computed in double precision


def whole_network(case: Case) -> rs.Network:
    """The network of a case, with what filters its input in its neurons."""
    if case.synapse is None:
        return case.network
    neurons = [replace(as_glif(each), synapse=case.synapse) for each in case.network.neurons]
    return replace(case.network, neuron=tuple(neurons))


def gaps(implementation: Implementation, case: Case) -> dict[str, float]:
    """Relative differences of loss, gradients by the names in `Layer`, and the input gradient.

    What must be compared is: a gradient of zeros alone is no evidence and fails here.
    """
    answer = implementation.gradient(case.params, case.x, case.y)
    network = whole_network(case)
    solve = rs.reference.straight_through if case.hard else rs.reference.loss_and_grad
    loss, grads = solve(network, case.params, case.x, case.y)
    found = {"loss": abs(answer.loss / float(loss) - 1.0)}
    for name in ("w", "b", "v", "leak", "threshold", "synapse_leak"):
        pairs = [
            (np.asarray(getattr(got, name)), getattr(want, name))
            for got, want in zip(answer.grads, grads, strict=True)
            if getattr(want, name) is not None
        ]
        if pairs:
            scale = max(abs(want).max() for _, want in pairs)
            assert scale > 0.0, name
            found[name] = max(abs(got - want).max() for got, want in pairs) / scale
    if answer.x is not None and not case.hard:
        want = rs.reference.input_grad(network, case.params, case.x, case.y)
        found["x"] = abs(answer.x - want).max() / abs(want).max()
    return found


def largest_gap(implementation: Implementation, case: Case) -> float:
    """The largest of `gaps`."""
    return float(max(gaps(implementation, case).values()))
