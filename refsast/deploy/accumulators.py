"""What must fit into 32 bits: the sums of a step, the readout's, and what comes in."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from refsast.deploy.formats import Ints
from refsast.deploy.network import Formats, IntegerLayer, IntegerNetwork, IntegerReadout

ACCUMULATOR = 2**31 - 1


def require_accumulator(layer: IntegerLayer, i: int, peak: int, formats: Formats) -> None:
    """Raise where a sum of one step can exceed 32 bits, for inputs of at most `peak`."""
    part = 2**formats.potentials.fraction_bits
    before, after = layer.places
    weights = abs(layer.w).reshape(len(layer.w), -1).sum(axis=1)
    most = after * (part * peak * before * weights + abs(layer.b))
    if layer.v is not None:
        most = most + part * abs(layer.v).sum(axis=1)
    # What is carried over is a potential, less a threshold where a spike subtracts it.
    most = np.repeat(most, len(layer.threshold) // len(most))  # channel by channel
    total = int((most + layer.threshold).max()) + 2 ** (formats.potentials.width - 1)
    _require_32_bits(f"sum of a step of layer {i}", total)


def require_sum(readout: IntegerReadout, time: int, formats: Formats) -> None:
    """Raise where the readout's sums over so many steps can exceed 32 bits."""
    part = 2**formats.potentials.fraction_bits
    most = part * abs(readout.w).sum(axis=1) + abs(readout.b)
    _require_32_bits(f"sum of the readout over {time} steps", time * int(most.max()))


def join_widest(low: IntegerNetwork, high: IntegerNetwork) -> IntegerNetwork:
    """Return the network with the larger in size of each weight's two ends.

    No network between two adds up more than it; one may add up more than either of them: between
    (0, -1) and (1, 0) is (1, -1).
    """
    layers = tuple(
        replace(
            a,
            w=np.maximum(abs(a.w), abs(b.w)),
            v=None if a.v is None or b.v is None else np.maximum(abs(a.v), abs(b.v)),
        )
        for a, b in zip(low.layers, high.layers, strict=True)
    )
    readout = low.readout
    if readout is not None and high.readout is not None:
        readout = replace(readout, w=np.maximum(abs(readout.w), abs(high.readout.w)))
    return replace(low, layers=layers, readout=readout)


def _require_32_bits(name: str, most: int) -> None:
    if most > ACCUMULATOR:
        raise ValueError(f"{name} must stay within 32 bits, {ACCUMULATOR}, got up to {most}")


def require_counts(values: ArrayLike, cells: int) -> Ints:
    """Return inputs (time, batch, n_0) as int64; raise unless they are integers of that shape."""
    x = np.asarray(values)
    if x.ndim != 3 or x.shape[2] != cells or 0 in x.shape:
        raise ValueError(f"x must have shape (time, batch, {cells}), got {x.shape}")
    if x.dtype.kind not in "biuf" or not (np.isfinite(x).all() and (x == np.rint(x)).all()):
        raise ValueError(f"x must hold integers, got others, of dtype {x.dtype}")
    peak = max(abs(int(x.max())), abs(int(x.min())))  # abs(x) would wrap around at -2^63
    if peak > ACCUMULATOR:
        raise ValueError(f"x must fit into 32 bits, got {peak}")
    return x.astype(np.int64)
