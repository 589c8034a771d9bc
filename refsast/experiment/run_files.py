"""Reading back what a run has left in its folder."""

import json
from pathlib import Path

from refsast.experiment.record import decode
from refsast.files import arrays_digest, read_arrays
from refsast.model import Network, Params, unflatten

RUN, COMPARISON, SWEEP, SHARPNESS = "run.json", "compare.json", "sweep.json", "sharpness.json"
WEIGHTS = "weights.npz"


def read_json(path: Path) -> dict:
    """Return a record.

    Raises
    ------
    ValueError
        If the file is missing or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"record must be a readable JSON file, got {path}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"record must be a JSON object, got {path}")
    return content


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
