"""The command line: ``python -m refsast --help``."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from refsast.cli import compare, data, report, sharpness, sweep, train

COMMANDS = (train, compare, sweep, sharpness, data, report)


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and leave with exit code 2."""
        self.exit(2, f"refsast: error: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    whole = Parser(
        prog="refsast",
        description="Sharpness Aware Surrogate Training for spiking neural networks: train with "
        "smooth spikes, deploy with hard ones, and see what the swap costs.",
    )
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 2 bad input, 130 interrupted."""
    args = parser().parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, OSError) as error:
        print(f"refsast: error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, OverflowError) as error:
        print(f"refsast: error: sizes must fit in memory, got {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("refsast: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
