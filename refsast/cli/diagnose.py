"""``python -m refsast diagnose``: where the accuracy goes that the swap to hard spikes costs."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsast import __version__
from refsast.arrays import is_positive_int
from refsast.cli.argument_types import file_path
from refsast.cli.common import Commands, add_recording_flags, load_held_out
from refsast.codec import Json, read_json
from refsast.data import digest
from refsast.experiment.diagnose.measure import diagnose
from refsast.experiment.diagnose.page import PAGE, RECORD, format_diagnosis, write_diagnosis
from refsast.experiment.record import Data, decode
from refsast.experiment.run_files import RUN, WEIGHTS, read_flat
from refsast.files import arrays_digest, require_writable
from refsast.model import Network, Params, unflatten


@dataclass(frozen=True, eq=False)
class Trained:
    """A network that was read back, and the record of its training."""

    network: Network
    params: Params
    steps: int
    record: Mapping[str, Json]


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "diagnose",
        help="say where the accuracy goes that the swap to hard spikes costs",
        description="Swap the spikes of a trained network layer by layer and write what that "
        f"changes: {RECORD}, figures and a page, {PAGE}. Recordings are the held-out ones that "
        "the flags name, as for train.",
    )
    parser.add_argument(
        "trained",
        type=file_path,
        metavar="FOLDER",
        help="where train wrote to; or a weights file with its record, FILE.npz and FILE.json",
    )
    parser.add_argument(
        "--out",
        type=file_path,
        metavar="FOLDER",
        help="where everything goes (default: the run's; for FILE.npz with FILE.json, FILE)",
    )
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, diagnose, write, and print."""
    path: Path = args.trained
    out = args.out or choose_folder(path)
    require_writable(out / PAGE)
    trained = read_trained(path)
    (x, y), description = load_held_out(args, trained.steps)
    n_in, width = trained.network.sizes[0], np.shape(x)[2]
    if width != n_in:
        raise ValueError(f"recordings must have the network's {n_in} inputs, got {width}")
    facts = describe(trained, (x, y), description)
    diagnosis = diagnose(trained.network, trained.params, x, y)
    page = write_diagnosis(out, diagnosis, facts)
    print(f"{description}: {facts['held out']}\n\n{format_diagnosis(diagnosis)}\npage: {page}")
    return 0


def choose_folder(path: Path) -> Path:
    """Return a run's own folder; beside the weights of one run of many, a folder of their name."""
    if path.suffix != ".npz":
        return path
    return path.with_suffix("") if path.with_suffix(".json").exists() else path.parent


def read_trained(path: Path) -> Trained:
    """Return what is in a run's folder, or in a weights file that has a record.

    Its record is the file of the same name that ends in ``.json``, else ``run.json`` beside it.
    Raises ValueError if either is missing or damaged, or the weights are not those of the record.
    """
    weights = path if path.suffix == ".npz" else path / WEIGHTS
    own = weights.with_suffix(".json")
    where = own if own.exists() else weights.with_name(RUN)
    record = read_json(where)
    network = decode(record.get("network"))
    if not isinstance(network, Network):
        raise ValueError(f"record must name a network, got {where}")
    setting = record.get("setting")
    steps = setting.get("steps") if isinstance(setting, Mapping) else None
    if not isinstance(steps, int) or not is_positive_int(steps):
        raise ValueError(f"record must name its setting's steps, got {where}")
    w = read_flat(network, weights)
    if arrays_digest({"w": w}) != record.get("weights"):
        raise ValueError(f"weights must be those of {where}, got others in {weights}")
    return Trained(network, unflatten(network, w), steps, record)


def describe(trained: Trained, data: Data, description: str) -> dict[str, Json]:
    """Return what was run on what, and whether the training was measured on it, too."""
    record, mark = trained.record, digest(*data)
    if mark == record.get("held_out"):
        held_out = "those that the run was measured on"
    elif mark == record.get("data"):
        held_out = "those that the run was trained on"
    else:
        held_out = "not those that the run was measured on"
    return {
        "recordings": description,
        "held out": held_out,
        "SHA-256 of the recordings": mark,
        "SHA-256 of the weights": record.get("weights"),
        "trained by": f"refsast {record.get('refsast')}",
        "run by": f"refsast {__version__}",
    }
