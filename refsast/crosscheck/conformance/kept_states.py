"""What the second pass of SAM gives where it starts from the states that the first one left."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.tape import primal
from refsast.crosscheck.case import Case
from refsast.crosscheck.conformance.strategies import Example
from refsast.crosscheck.variants import Rules, Variant, reference_variant, solve
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer, Params, flatten
from refsast.model.readout import LeakyReadout
from refsast.model.synapse import Synapse
from refsast.model.vector import unflatten


def continue_gradient(example: Example, ascent: Array, *, readout: bool = False) -> Array:
    """Return the gradient of the second minibatch at a point, its states those that are left.

    The first minibatch is run at the case's own parameters. No gradient flows into its run. With
    `readout` a leaky readout keeps its state, too. Recordings of the second minibatch that the
    first one does not have start from rest.
    """
    first = example.case
    second = replace(first, params=unflatten(first.network, ascent), x=example.x, y=example.y)
    return flatten(solve(second, continued_variant(first, readout=readout)).grads)


def continued_variant(first: Case, *, readout: bool = False) -> Variant:
    """Return the variant of the network whose first step follows the last one of a case."""
    right = reference_variant(first)
    currents: list[list[Array]] = []
    answer = solve(first, _listen(right, currents))
    layers = []
    for rules, driven, u, s in zip(
        right.layers, currents, answer.u or (), answer.s or (), strict=True
    ):
        layers.append(_start_layer(rules, u[-1], s[-1], driven[-1]))
    read = right.read
    if readout and isinstance(first.network.readout, LeakyReadout):
        assert answer.s
        read = _start_readout(first, first.network.readout.leak, answer.s[-1])
    return replace(right, layers=tuple(layers), read=read)


def _listen(variant: Variant, heard: list[list[Array]]) -> Variant:
    """A variant that writes down each layer's synaptic currents."""

    def listen(rules: Rules) -> Rules:
        mine: list[Array] = []
        heard.append(mine)

        def conduct(synapse: Synapse | None, i: Array, current: Array) -> tuple[Array, Array]:
            i, drive = rules.conduct(synapse, i, current)
            mine.append(_value(i))
            return i, drive

        return replace(rules, conduct=conduct)

    return replace(variant, layers=tuple(listen(rules) for rules in variant.layers))


def _start_layer(rules: Rules, u0: Array, s0: Array, i0: Array) -> Rules:
    """Rules of a layer that starts from a state, not from rest; a step is told by what came."""
    spiked: list[int] = []
    conducted: list[int] = []

    def carry(neuron: LIF, us: Sequence[Array], ss: Sequence[Array]) -> Array:
        if len(us) == 1:
            us, ss = [us[0] + _fit(u0, us[0])], [ss[0] + _fit(s0, ss[0])]
        return rules.carry(neuron, us, ss)

    def recurrent(layer: Layer, s: Array) -> Array:
        spiked.append(1)
        return rules.recurrent(layer, s + _fit(s0, s) if len(spiked) == 1 else s)

    def conduct(synapse: Synapse | None, i: Array, current: Array) -> tuple[Array, Array]:
        conducted.append(1)
        return rules.conduct(synapse, i + _fit(i0, i) if len(conducted) == 1 else i, current)

    return replace(rules, carry=carry, recurrent=recurrent, conduct=conduct)


def _start_readout(first: Case, leak: float, s: Array) -> Callable[[Network, Params, Array], Array]:
    """Logits of a leaky readout that starts from where the first run left it."""
    right = reference_variant(first).read
    last = first.params[-1]
    v = np.zeros((s.shape[1], last.w.shape[0]))
    for spikes in s:
        v = leak * v + spikes @ last.w.T + (0.0 if last.b is None else last.b)

    def read(network: Network, params: Params, spikes: Array) -> Array:
        steps = np.arange(1, len(spikes) + 1)
        logits = right(network, params, spikes)
        return logits + _fit(v, logits) * float(np.mean(leak**steps))

    return read


def _fit(kept: Array, now: Array) -> Array:
    """What is kept, of as many recordings as there are now; zeros for those that are more."""
    batch = now.shape[0]
    rest = np.zeros((max(0, batch - len(kept)), *kept.shape[1:]))
    return np.concatenate([kept[:batch], rest])


def _value(array: Array) -> Array:
    """The numbers of an array, or of a node of the tape."""
    return np.asarray(primal(array))
