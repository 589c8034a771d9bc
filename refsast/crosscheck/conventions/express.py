"""A library's network as a network of refsast's, where there is one that fires the same."""

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.conventions.convention import Convention, ZeroOnAnySpike, refsast_lif
from refsast.crosscheck.conventions.conversion import NoExactConversion, convert, same_reset_offset
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Params, layer_arrays
from refsast.model.readout import Readout
from refsast.model.reset import ToZero
from refsast.model.spike import Spike


def make_network(
    convention: Convention,
    sizes: tuple[int, ...],
    spike: Spike,
    readout: Readout,
    *,
    bias: bool = True,
    recurrent: bool = False,
) -> Network:
    """Return the network of refsast that comes nearest; `convert` says whether it is the same.

    Parameters
    ----------
    convention : Convention
        Of all layers; its synapse stands beside the network.
    sizes, spike, readout, bias, recurrent
        As for `Network` and `LIF`; the spike smooth.

    Returns
    -------
    Network
        Its potentials are counted from rest.
    """
    c = convention
    reset = ToZero() if isinstance(c.reset, ZeroOnAnySpike) else c.reset
    neuron = LIF(c.leak, c.distance, spike, reset, c.detach_reset)
    return Network(sizes, neuron, readout, bias, recurrent)


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
    """Return the case that is a library's network, with parameters that refsast fires as it with.

    Parameters
    ----------
    convention : Convention
        Of all spiking layers.
    params : tuple of Layer
        In the library's convention; the last is the readout's, if that has parameters.
    x, y : arrays
        Input and labels, as for `Case`.
    spike : callable
        The smooth spike.
    readout : SpikeRate, LinearReadout or LeakyReadout
        The readout.
    hard : bool
        Whether spikes are hard forward, as in `Case`.

    Returns
    -------
    Case
        With the library's synapse, and potentials counted from rest.

    Raises
    ------
    NoExactConversion
        If no parameters make refsast fire as the library does, or its gradients stop where the
        library's do.
    """
    depth = len(params) - (readout.n_out is not None)
    sizes = (params[0].w.shape[1], *(layer.w.shape[0] for layer in params[:depth]))
    has = {name for layer in params for name in layer_arrays(layer)}
    network = make_network(convention, sizes, spike, readout, bias="b" in has, recurrent="v" in has)
    own = refsast_lif(network.neurons[0], convention.synapse)
    if convention.detach_reset and not same_reset_offset(convention, own):
        raise NoExactConversion(
            f"{convention.name} must not detach a reset that recurrent weights make up for, got "
            "detach_reset True; lost: where gradients stop"
        )
    spiking = convert(params[:depth], convention, own, None if hard else spike)
    return Case(network, spiking + params[depth:], x, y, convention.synapse, hard)
