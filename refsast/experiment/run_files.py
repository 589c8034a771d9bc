"""Reading back what a run has left in its folder."""

from pathlib import Path

import numpy as np

from refsast.arrays import Array
from refsast.codec import read_json
from refsast.experiment.record import decode
from refsast.files import arrays_digest, read_arrays
from refsast.model import Network, Params, unflatten
from refsast.model.params import ARRAY_NAMES

RUN, COMPARISON, SWEEP, SHARPNESS = "run.json", "compare.json", "sweep.json", "sharpness.json"
WEIGHTS, CHECKPOINT = "weights.npz", "checkpoint.npz"
RUNS = "runs"  # the folder in the folder of a comparison or a sweep, one file per finished run


def read_run(folder: str | Path) -> tuple[Network, Params]:
    """Return the network of a finished run, and its parameters.

    Parameters
    ----------
    folder : path
        Where ``python -m refsast train`` wrote to.

    Returns
    -------
    network : Network
        As it was trained.
    params : tuple of Layer
        After the last epoch.

    Raises
    ------
    ValueError
        If the folder holds no run, or a damaged one.

    Examples
    --------
    >>> import refsast as rs
    >>> from contextlib import redirect_stderr, redirect_stdout
    >>> from io import StringIO
    >>> from tempfile import TemporaryDirectory
    >>> from refsast.__main__ import main
    >>> command = ["train", "--preset", "quick", "--train", "20", "--test", "10", "--epochs", "1"]
    >>> silent = StringIO()
    >>> with TemporaryDirectory() as folder, redirect_stdout(silent), redirect_stderr(silent):
    ...     done = main([*command, "--out", folder + "/run"])
    ...     network, params = rs.read_run(folder + "/run")
    >>> done, network.sizes
    (0, (2312, 32, 10))
    """
    folder = Path(folder)
    record = read_json(folder / RUN)
    network = decode(record.get("network"))
    if not isinstance(network, Network):
        raise ValueError(f"record must name a network, got {folder / RUN}")
    arrays = read_arrays(folder / WEIGHTS)
    if arrays_digest(arrays) != record.get("weights"):
        raise ValueError(f"weights must be those of {folder / RUN}, got others")
    return network, unflatten(network, arrays["w"])


def read_flat(network: Network, path: Path) -> Array:
    """Return the parameters in a file as one vector: kept as one, or by layer as w0, b0, w1, ...

    Raises ValueError if it holds neither.
    """
    arrays = read_arrays(path)
    if "w" in arrays:
        return arrays["w"]
    names = [
        f"{name}{i}"
        for i, shapes in enumerate(network.shapes)
        for name in ARRAY_NAMES
        if name in shapes
    ]
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(f"weights must hold {', '.join(missing)}, got {path} without")
    return np.concatenate([arrays[name].ravel() for name in names])
