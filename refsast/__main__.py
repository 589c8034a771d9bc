"""The command line: ``python -m refsast --help``."""

import argparse
import sys
from collections.abc import Sequence

from refsast.cli import compare, crosscheck, data, report, sharpness, sweep, train
from refsast.cli.shell import Parser, call_command

COMMANDS = (train, compare, sweep, sharpness, crosscheck, data, report)


def build_parser() -> argparse.ArgumentParser:
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
    args = build_parser().parse_args(argv)
    return call_command("refsast", lambda: args.run(args))


if __name__ == "__main__":
    sys.exit(main())
