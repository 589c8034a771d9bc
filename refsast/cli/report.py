"""``python -m refsast report``: the page of a run, a comparison or a sweep, made again."""

import argparse

from refsast.cli.argument_types import file_path
from refsast.cli.common import Commands
from refsast.experiment.output_dir import write_page


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "report",
        help="make the self-contained HTML page of a run, a comparison or a sweep",
        description="Make report.html, and the pictures in it, from the record in a folder.",
    )
    parser.add_argument("folder", type=file_path, help="where train, compare or sweep wrote to")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Make the page and print where it is."""
    print(f"page: {write_page(args.folder)}")
    return 0
