"""A connection past one layer or several."""

from dataclasses import dataclass

from refsast.arrays import is_int


@dataclass(frozen=True)
class Skip:
    """Adds the spikes of an earlier layer to what comes, both of one shape.

    Before the weights of a chain it joins their input, after them the currents, as in a residual
    network.

    Attributes
    ----------
    layer : int
        Whose spikes: 0 for the input of the network, 1 for its first spiking layer.

    Examples
    --------
    >>> import refsast as rs
    >>> neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    >>> network = rs.Network((4, 8, (8, rs.Skip(1)), 3), neuron, rs.SpikeRate(5.0))
    >>> network.sizes
    (4, 8, 8, 3)
    """

    layer: int

    def __post_init__(self) -> None:
        if not is_int(self.layer, 0):
            raise ValueError(f"layer must be an integer of at least 0, got {self.layer!r}")
