"""SpikingJelly: its `LIFNode` and `IFNode`, as implementations to be checked.

What a node computes, the reset following the spike within a step::

    v_reset = 0       u_t = (1 - 1/tau) u_{t-1} (1 - s_{t-1}) + input              ToZero
    v_reset = None    u_t = (1 - 1/tau) (u_{t-1} - threshold s_{t-1}) + input      Subtract(True)

and with ``decay_input`` the input is divided by tau, too: ``Synapse(0, 1/tau)``.

Rule 1: spikes are the library's own: its surrogates, ``spiking=False`` where they are to be smooth.
Rule 2: it shows no potentials before the reset; adjoints are read from what arrives.
"""

# pyright: reportMissingImports=false
from collections.abc import Callable
from importlib.metadata import version

import torch
from spikingjelly.activation_based import neuron as nodes
from spikingjelly.activation_based import surrogate as theirs
from torch import Tensor

from refsast.crosscheck.adapters import torch as plain
from refsast.crosscheck.adapters.autograd import Cell, Fired, Population, stepwise, through
from refsast.crosscheck.case import Case, Implementation, Unsupported
from refsast.model.lif import LIF
from refsast.model.reset import Subtract, ToZero
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, Logistic, PiecewiseQuadratic
from refsast.model.synapse import Synapse

NEAR = 1e-12  # relative; 1/tau is not exactly one minus the leak


def factory(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return single-step nodes that detach the reset where the case's neurons do.

    Parameters
    ----------
    case : Case
        The question.
    dtype : torch.dtype
        What to compute in.

    Returns
    -------
    Implementation
        With spikes and adjoints, without potentials.

    Raises
    ------
    Unsupported
        If a reset, leak, spike or synapse is not the library's.
    """
    return through(case, in_steps(case, None), name=_name(), dtype=dtype)


def keeping_reset(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `factory` with ``detach_reset=False``, whatever the case says; see there."""
    return through(case, in_steps(case, False), name=_name(), dtype=dtype)


def detaching_reset(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `factory` with ``detach_reset=True``, whatever the case says; see there."""
    return through(case, in_steps(case, True), name=_name(), dtype=dtype)


def keeping_reset_at_once(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `keeping_reset` in multi-step mode: one call of a node for all steps; see there."""
    return through(case, in_one(case, False), name=_name(), dtype=dtype)


def detaching_reset_at_once(case: Case, dtype: torch.dtype = torch.float64) -> Implementation:
    """Return `detaching_reset` in multi-step mode: one call of a node for all steps; see there."""
    return through(case, in_one(case, True), name=_name(), dtype=dtype)


def in_steps(case: Case, detach: bool | None) -> Population:
    """Return nodes called step by step."""
    made = [node_of(case, neuron, detach, "s") for neuron in case.network.neurons]

    def make(i: int) -> Cell:
        node = made[i]()
        return lambda current: (node(current), None)

    return stepwise(make)


def in_one(case: Case, detach: bool | None) -> Population:
    """Return nodes called once for all steps."""
    if case.network.recurrent:
        raise Unsupported("recurrent must be False, got True: a node takes all steps at once")
    made = [node_of(case, neuron, detach, "m") for neuron in case.network.neurons]

    def population(i: int, currents: Tensor, _: Tensor | None) -> Fired:
        return Fired(made[i]()(currents), None, currents)

    return population


def node_of(
    case: Case, neuron: LIF, detach: bool | None, mode: str
) -> Callable[[], torch.nn.Module]:
    """Return what makes the node of a neuron, at rest."""
    scaled = _scaled(case.synapse, neuron.leak)
    settings = {
        "v_threshold": float(neuron.threshold),
        "v_reset": _v_reset(neuron),
        "surrogate_function": spike_of(neuron, hard=case.hard),
        "detach_reset": neuron.detach_reset if detach is None else detach,
        "step_mode": mode,
    }
    if neuron.leak == 0.0:
        raise Unsupported("leak must be positive, got 0.0: tau must be larger than 1")
    if neuron.leak == 1.0:
        return lambda: nodes.IFNode(**settings)
    tau = 1.0 / (1.0 - neuron.leak)
    return lambda: nodes.LIFNode(tau=tau, decay_input=scaled, **settings)


def _scaled(synapse: Synapse | None, leak: float) -> bool:
    """Whether the input is divided by tau."""
    if synapse is None:
        return False
    wanted = Synapse(0.0, 1.0 - leak) if leak < 1.0 else None
    if synapse.leak or synapse.delayed or abs(synapse.scale - (1.0 - leak)) > NEAR * synapse.scale:
        raise Unsupported(f"synapse must be None or {wanted}, got {synapse}")
    return True


def _v_reset(neuron: LIF) -> float | None:
    match neuron.reset:
        case ToZero():
            return 0.0
        case Subtract(leaked=True):
            return None
    raise Unsupported(f"reset must be ToZero() or Subtract(leaked=True), got {neuron.reset}")


def spike_of(neuron: LIF, *, hard: bool) -> Callable[[Tensor], Tensor]:
    """Return the library's surrogate of that family, or a smooth function where it has none."""
    match neuron.spike:
        case Arctan(slope):
            return theirs.ATan(alpha=slope, spiking=hard)
        case Logistic(slope):
            return theirs.Sigmoid(alpha=slope, spiking=hard)
        case FastSigmoid(slope):
            return theirs.SoftSign(alpha=slope, spiking=hard)
        case PiecewiseQuadratic(slope):
            return theirs.PiecewiseQuadratic(alpha=slope, spiking=hard)
        case Algebraic() if not hard:
            return plain.smooth(neuron.spike)
    raise Unsupported(f"spike must be a surrogate of SpikingJelly's, got {neuron.spike!r}")


def _name() -> str:
    return f"SpikingJelly {version('spikingjelly')}"
