"""``python -m tools.golden [--extended] FOLDER``: compute a golden set and write it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tools.golden.extended_questions import EXTENDED_SPECS
from tools.golden.questions import SPECS
from tools.golden.write import generate


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the set into the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tools.golden", description=__doc__)
    parser.add_argument("folder", type=Path, help="made if it is not there")
    parser.add_argument(
        "--extended", action="store_true", help="the set of networks beyond dense LIF layers"
    )
    args = parser.parse_args(arguments)
    generate(args.folder, EXTENDED_SPECS if args.extended else SPECS)


if __name__ == "__main__":
    main()
