"""``python -m tools.golden FOLDER``: compute the golden set and write it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tools.golden.write import generate


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the set into the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tools.golden", description=__doc__)
    parser.add_argument("folder", type=Path, help="made if it is not there")
    generate(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()
