"""``python -m refsast diagnose``: where the accuracy goes that the swap to hard spikes costs."""

import argparse
from pathlib import Path

from refsast.cli.common import Commands, add_recording_flags
from refsast.cli.trained import (
    add_trained_argument,
    choose_folder,
    describe,
    load_matching,
    read_trained,
)
from refsast.experiment.diagnose.measure import diagnose
from refsast.experiment.diagnose.page import PAGE, RECORD, format_diagnosis, write_diagnosis
from refsast.files import require_writable


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "diagnose",
        help="say where the accuracy goes that the swap to hard spikes costs",
        description="Swap the spikes of a trained network layer by layer and write what that "
        f"changes: {RECORD}, figures and a page, {PAGE}. Recordings are the held-out ones that "
        "the flags name, as for train.",
    )
    add_trained_argument(parser)
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, diagnose, write, and print."""
    path: Path = args.trained
    out = args.out or choose_folder(path)
    require_writable(out / PAGE)
    trained = read_trained(path)
    (x, y), description = load_matching(args, trained)
    facts = describe(trained, (x, y), description)
    diagnosis = diagnose(trained.network, trained.params, x, y)
    page = write_diagnosis(out, diagnosis, facts)
    print(f"{description}: {facts['held out']}\n\n{format_diagnosis(diagnosis)}\npage: {page}")
    return 0
