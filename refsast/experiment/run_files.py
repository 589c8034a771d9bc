"""Reading back what a run has left in its folder."""

from pathlib import Path

from refsast.codec import read_json
from refsast.experiment.record import decode
from refsast.files import arrays_digest, read_arrays
from refsast.model import Network, Params, unflatten

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
