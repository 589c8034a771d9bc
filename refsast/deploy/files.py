"""Integer networks on disk: a JSON record beside an archive of integer arrays."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsast import codec
from refsast.arrays import as_array
from refsast.deploy.connections import count_places
from refsast.deploy.formats import Ints, Leak, LeakFormat, PotentialFormat, WeightFormat
from refsast.deploy.network import Formats, IntegerLayer, IntegerNetwork, IntegerReadout
from refsast.experiment.record import MODEL_RECORDS, encode
from refsast.files import arrays_digest, read_arrays, write_arrays
from refsast.model import Network

RECORD, ARRAYS = "integers.json", "integers.npz"
RECORDS = {
    **MODEL_RECORDS,
    **{kind.__name__: kind for kind in (Formats, WeightFormat, PotentialFormat, LeakFormat, Leak)},
}
WANTED = "record must be of an integer network"


def save(made: IntegerNetwork, folder: str | Path) -> None:
    """Write an integer network into a folder, as ``integers.json`` and ``integers.npz``.

    The record is written last, with the digest of the arrays: without it there is no network.

    Parameters
    ----------
    made : IntegerNetwork
        The network.
    folder : path
        It is made if it is missing; files of these names are replaced.

    Raises
    ------
    ValueError
        If the files cannot be written.

    Examples
    --------
    >>> import refsast as rs
    >>> from tempfile import TemporaryDirectory
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> made = rs.deploy.to_integers(network, rs.init(network, 0))
    >>> with TemporaryDirectory() as folder:
    ...     rs.deploy.save(made, folder)
    ...     again = rs.deploy.load(folder)
    >>> bool((again.layers[0].w == made.layers[0].w).all()), again.formats == made.formats
    (True, True)
    """
    folder = Path(folder)
    arrays: dict[str, NDArray] = {}
    for i, layer in enumerate(made.layers):
        named = {"w": layer.w, "b": layer.b, "v": layer.v, "threshold": layer.threshold}
        arrays |= {f"{name}{i}": a for name, a in named.items() if a is not None}
        arrays[f"unit{i}"] = layer.unit
    if made.readout is not None:
        out = made.readout
        arrays |= {"readout_w": out.w, "readout_b": out.b, "readout_unit": np.array(out.unit)}
    write_arrays(folder / ARRAYS, arrays)
    record = {
        "network": encode(made.network),
        "formats": encode(made.formats),
        "leaks": [encode(layer.leak) for layer in made.layers],
        "arrays": arrays_digest(arrays),
    }
    codec.write_json(folder / RECORD, record)


def load(folder: str | Path) -> IntegerNetwork:
    """Return the integer network in a folder, as `save` wrote it.

    Parameters
    ----------
    folder : path
        Where it is.

    Returns
    -------
    IntegerNetwork
        To the bit.

    Raises
    ------
    ValueError
        If a file is missing, damaged, or not of the other.
    """
    folder = Path(folder)
    record, arrays = codec.read_json(folder / RECORD), read_arrays(folder / ARRAYS)
    if arrays_digest(arrays) != record.get("arrays"):
        raise ValueError(f"{folder / ARRAYS} must be the arrays of {RECORD}, got others")
    network, formats, *leaks = (
        codec.decode(part, RECORDS, WANTED)
        for part in (record.get("network"), record.get("formats"), *(record.get("leaks") or ()))
    )
    if not isinstance(network, Network) or not isinstance(formats, Formats):
        raise ValueError(f"{WANTED}, got {folder / RECORD}")
    if len(leaks) != network.depth or not all(isinstance(leak, Leak) for leak in leaks):
        raise ValueError(f"{WANTED}, got {len(leaks)} leaks for {network.depth} layers")
    layers = tuple(
        _read_layer(network, i, leak, arrays)
        for i, leak in enumerate(leaks)
        if isinstance(leak, Leak)
    )
    return IntegerNetwork(network, formats, layers, _read_readout(network, arrays))


def _read_layer(network: Network, i: int, leak: Leak, arrays: dict[str, NDArray]) -> IntegerLayer:
    shapes = network.shapes[i]
    n, channels = network.sizes[i + 1], shapes["w"][0]
    v = _read_ints(arrays, f"v{i}", shapes["v"]) if "v" in shapes else None
    return IntegerLayer(
        _read_ints(arrays, f"w{i}", shapes["w"]),
        _read_ints(arrays, f"b{i}", (channels,)),
        v,
        _read_ints(arrays, f"threshold{i}", (n,)),
        as_array(arrays.get(f"unit{i}", np.nan), f"unit{i}", (n,)),
        leak,
        network.neurons[i].reset,
        count_places(network.chains[i]),
    )


def _read_readout(network: Network, arrays: dict[str, NDArray]) -> IntegerReadout | None:
    if len(network.shapes) == network.depth:
        return None
    shape = network.shapes[-1]["w"]
    return IntegerReadout(
        _read_ints(arrays, "readout_w", shape),
        _read_ints(arrays, "readout_b", shape[:1]),
        float(as_array(arrays.get("readout_unit", np.nan), "readout_unit", ())),
    )


def _read_ints(arrays: dict[str, NDArray], name: str, shape: tuple[int, ...]) -> Ints:
    found = arrays.get(name)
    if found is None or found.dtype != np.int64 or found.shape != shape:
        got = "none" if found is None else f"{found.dtype} of shape {found.shape}"
        raise ValueError(f"{name} must be integers of shape {shape}, got {got}")
    return found
