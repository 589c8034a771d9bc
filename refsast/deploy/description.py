"""What an integer network is beyond the real network that it stands for, in words."""

from refsast.deploy.network import IntegerLayer, IntegerNetwork
from refsast.model.reset import NoReset, Subtract, ToZero


def describe_integers(made: IntegerNetwork) -> dict[str, str]:
    """Return what formats that know real numbers only, such as NIR, cannot say of a network.

    Parameters
    ----------
    made : IntegerNetwork
        The network.

    Returns
    -------
    dict of str
        Weights, potentials, leaks and resets per layer, and readout, each name with the prefix
        ``deployed_``: metadata of a graph of ``dequantise(made)``.

    Examples
    --------
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> for name, words in rs.deploy.describe_integers(made).items():
    ...     print(f"{name}: {words}")
    deployed_weights: 8 bits with sign, -127 to 127, one scale per channel, nearest
    deployed_potentials: Q13.4 in weight steps, saturate, thresholds and biases on this grid
    deployed_leaks: (115 u + 64) >> 7
    deployed_resets: to zero
    deployed_readout: spikes counted over all steps, 1 neuron per class; first of equals
    """
    weights, potentials = made.formats.weights, made.formats.potentials
    whole, part = potentials.integer_bits, potentials.fraction_bits
    return {
        "deployed_weights": f"{weights.bits} bits with sign, {-weights.largest} to "
        f"{weights.largest}, one scale per {weights.per}, {weights.rounding}",
        "deployed_potentials": f"Q{whole}.{part} in weight steps, {potentials.overflow}, "
        "thresholds and biases on this grid",
        "deployed_leaks": "; ".join(
            f"({leak.factor} u + {leak.offset}) >> {leak.shift}"
            for leak in (layer.leak for layer in made.layers)
        ),
        "deployed_resets": "; ".join(map(_describe_reset, made.layers)),
        "deployed_readout": _describe_readout(made),
    }


def _describe_reset(layer: IntegerLayer) -> str:
    match layer.reset:
        case ToZero():
            return "to zero"
        case Subtract(leaked=leaked):
            return f"threshold subtracted {'before' if leaked else 'after'} the leak"
        case NoReset():
            return "none"


def _describe_readout(made: IntegerNetwork) -> str:
    if made.readout is not None:
        return (
            "integer weights of one scale on spikes counted over all steps, plus bias per step; "
            "first of equals"
        )
    population = getattr(made.network.readout, "population", 1)
    return f"spikes counted over all steps, {population} neuron per class; first of equals"
