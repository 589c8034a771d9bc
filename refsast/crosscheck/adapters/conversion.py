"""Parameters of one convention turned into those of another that fires exactly the same.

Rule 1: parameters can change a layer's input only: scale it, and add a multiple of the layer's own
        last spikes by recurrent weights. Everything else must agree already.
Rule 2: exact means for every input, for the spike that the caller names, in exact arithmetic;
        what is not exact is refused, and the error says what would be lost.
Rule 3: only the forward pass counts in `convert`: a detached reset does not matter there.
"""

from dataclasses import dataclass, fields

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters.convention import (
    Convention,
    ZeroOnAnySpike,
    nearest_lif,
    refsast_lif,
)
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import PROGRAM
from refsast.model.network import Network
from refsast.model.params import Layer, Params, layer_arrays
from refsast.model.readout import Readout
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.spike import Spike

ROUNDING = 4.0 * np.finfo(np.float64).eps  # of the few operations behind each number


class NoExactConversion(ValueError):
    """There are no parameters with which one convention fires exactly as another does.

    Its text says what would be lost, and what to do where that must stay.
    """

    def __str__(self) -> str:
        return f"{super().__str__()}; to keep it, {PROGRAM}"


@dataclass(frozen=True)
class Invariants:
    """What two conventions must share, whatever their names and units."""

    leak: float
    zeroing: bool
    wiping: bool
    silences: bool
    second_spike: bool
    current_leak: float
    delayed: bool


LOST = {
    "leak": "how fast potentials decay",
    "zeroing": "whether a spike multiplies the potential or adds to it",
    "wiping": "that any smooth spike, however small, wipes out the potential",
    "silences": "that a reset takes away the input of its step, too",
    "second_spike": "the second spike, of what the reset has left",
    "current_leak": "how fast currents decay",
    "delayed": "the step that lies between current and potential",
    "starts_spiking": "the reset of the first step",
    "ties_fire": "what happens exactly at threshold; where no potential ever is, replace ties_fire",
    "distance": "the spike's slope, which would have to be divided by the ratio",
}


def invariants(convention: Convention, hard: bool) -> Invariants:
    """Return what another convention must share; `hard`: if spikes are hard, else for any spike."""
    c = convention
    synapse = c.synapse
    # After a hard spike has reset to zero, the potential is below threshold: no second spike.
    once = isinstance(c.reset, NoReset) or (hard and isinstance(c.reset, ToZero))
    return Invariants(
        leak=c.leak,
        # Without a leak nothing of the last potential is kept: all resets to zero are one.
        zeroing=isinstance(c.reset, ToZero | ZeroOnAnySpike) and c.leak > 0.0,
        wiping=isinstance(c.reset, ZeroOnAnySpike) and c.leak > 0.0 and not hard,
        silences=c.silences and not (c.second_spike and once),
        second_spike=c.second_spike and not once,
        current_leak=0.0 if synapse is None else synapse.leak,
        delayed=synapse is not None and synapse.delayed,
    )


def reset_offset(convention: Convention) -> float:
    """Return what a spike adds to the potential of the next step, apart from what it multiplies."""
    c = convention
    if isinstance(c.reset, Subtract):  # r = leak u - threshold s, or leak (u - threshold s)
        return -c.threshold * (c.leak if c.reset.leaked else 1.0)
    return c.leak * (c.landing - c.rest)  # of a reset to zero: to where it lands


def same_reset_offset(a: Convention, b: Convention) -> bool:
    """Whether a spike adds the same to the next potential."""
    return _difference(reset_offset(a), reset_offset(b), _scale(a, b)) == 0.0


def convert(
    params: Params, from_: Convention, to: Convention, spike: Spike | None = None
) -> Params:
    """Return parameters with which `to` fires exactly as `from_` does with `params`.

    With g the input scales and lambda the ratio of the distances from rest to threshold::

        (W', b') = lambda g / g' (W, b),      V' = lambda g / g' V + (lambda k - k') / g' I

    where k is what a spike adds to the next potential. Reported potentials differ by the factor
    lambda, by rest, and by whether they are reported before or after the reset.

    Parameters
    ----------
    params : tuple of Layer
        Of spiking layers only: keep a readout's aside.
    from_, to : Convention
        The conventions.
    spike : callable, optional
        The function that both are run with; then their distances from rest to threshold must be
        equal. Default: each is run with its own hard spike; then both must agree on ties.

    Returns
    -------
    tuple of Layer
        The same bits where nothing has to change.

    Raises
    ------
    NoExactConversion
        If there are none; the message says what would be lost.
    """
    _require_invariants(from_, to, spike)
    # Hard spikes do not change if all potentials are scaled; smooth ones do.
    ratio = 1.0 if spike is not None else to.distance / from_.distance
    scale, scale_to = (1.0 if c.synapse is None else c.synapse.scale for c in (from_, to))
    size = max(ratio, 1.0) * _scale(from_, to)
    missing = _difference(ratio * reset_offset(from_), reset_offset(to), size) / scale_to
    # What the reset of `to` does not do must come from recurrent weights.
    if missing != 0.0:
        _require_recurrent(params, to, invariants(to, spike is None), missing)
    factor = ratio * scale / scale_to
    return tuple(_convert_layer(layer, factor, missing) for layer in params)


def _convert_layer(layer: Layer, factor: float, missing: float) -> Layer:
    """The layer with its input scaled and `missing` added to each neuron's weight to itself."""
    arrays = {name: factor * array for name, array in layer_arrays(layer).items()}
    if missing != 0.0:
        arrays["v"] = arrays["v"] + missing * np.eye(len(layer.w))
    return Layer(**arrays)


def _require_invariants(a: Convention, b: Convention, spike: Spike | None) -> None:
    """Refuse two conventions that differ in what no parameter can change."""
    first, second = invariants(a, spike is None), invariants(b, spike is None)
    for field in fields(Invariants):
        _require_equal(field.name, a, b, getattr(first, field.name), getattr(second, field.name))
    if spike is None:
        return _require_equal("ties_fire", a, b, a.ties_fire, b.ties_fire)
    _require_equal("distance", a, b, a.distance, b.distance, _scale(a, b))
    # A smooth spike at rest is small, not zero, so that it matters which library counts it.
    at_rest = float(spike(np.array([-a.distance]))[0])
    starts = [_first_reset(c, at_rest) for c in (a, b)]
    return _require_equal("starts_spiking", a, b, starts[0], starts[1], _scale(a, b))


def _first_reset(c: Convention, at_rest: float) -> float:
    """The effect of the spike at rest on the first step.

    A factor on the input where the library silences it, else a term added to the potential.
    """
    if not c.starts_spiking or at_rest == 0.0:
        return 0.0
    return at_rest if c.silences else at_rest * reset_offset(c)


def _require_equal(
    name: str, a: Convention, b: Convention, first: float, second: float, size: float = 0.0
) -> None:
    """Refuse two numbers or booleans that differ by more than rounding."""
    if _difference(first, second, size) != 0.0:
        raise NoExactConversion(
            f"{b.name} must have {name} {first} as {a.name}, got {second}; lost: {LOST[name]}"
        )


def _require_recurrent(params: Params, to: Convention, shared: Invariants, missing: float) -> None:
    """Refuse to add recurrent weights where there are none, or where they act at another place."""
    wanted = f"a weight of {missing:.6g} from every neuron to itself"
    if shared.current_leak != 0.0 or shared.delayed or shared.second_spike:
        raise NoExactConversion(
            f"{to.name} must let its own spikes act as its reset does, to add {wanted}, got a "
            "synapse or a second spike between them; lost: how much a reset takes"
        )
    if any(layer.v is None for layer in params):
        raise NoExactConversion(
            f"params must have recurrent weights, to add {wanted}, got none; lost: how much a "
            f"reset of {to.name} takes"
        )


def _difference(a: float, b: float, size: float = 0.0) -> float:
    """``a - b``, or zero where that is no more than rounding of numbers of this size."""
    return 0.0 if abs(a - b) <= ROUNDING * max(abs(a), abs(b), size) else a - b


def _scale(a: Convention, b: Convention) -> float:
    """The largest potential of either: the scale of the rounding of their differences."""
    return max(abs(u) for c in (a, b) for u in (c.threshold, c.rest, c.landing))


def make_case(
    convention: Convention,
    params: Params,
    x: Array,
    y: Integers,
    spike: Spike,
    readout: Readout,
    *,
    hard: bool = False,
) -> Case:
    """Return a library's network as a case, with parameters that make refsast fire the same.

    Parameters
    ----------
    convention : Convention
        Of all spiking layers.
    params : tuple of Layer
        In the library's convention; the last is the readout's, if that has parameters.
    x, y, readout, hard
        As for `Case` and `Network`.
    spike : callable
        The smooth spike.

    Returns
    -------
    Case
        With the library's synapse, and potentials counted from rest.

    Raises
    ------
    NoExactConversion
        If no parameters make refsast fire as the library does, or make its gradients stop where
        the library's stop.
    """
    depth = len(params) - (readout.n_out is not None)
    sizes = (params[0].w.shape[1], *(layer.w.shape[0] for layer in params[:depth]))
    has = {name for layer in params for name in layer_arrays(layer)}
    neuron = nearest_lif(convention, spike)
    network = Network(sizes, neuron, readout, bias="b" in has, recurrent="v" in has)
    own = refsast_lif(neuron, convention.synapse)
    # Recurrent weights would carry the gradient that the detached reset stops.
    if convention.detach_reset and not same_reset_offset(convention, own):
        raise NoExactConversion(
            f"{convention.name} must not detach a reset that recurrent weights make up for, got "
            "detach_reset True; lost: where gradients stop"
        )
    spiking = convert(params[:depth], convention, own, None if hard else spike)
    return Case(network, spiking + params[depth:], x, y, convention.synapse, hard)
