"""The command line: ``python -m refsast --help``."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from refsast import __version__
from refsast.cli.shell import Parser, call_command

COMMANDS = (
    *("train", "compare", "sweep", "diagnose", "deploy", "corrupt", "sharpness"),
    *("crosscheck", "data", "report"),
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="refsast",
        description="Sharpness Aware Surrogate Training for spiking neural networks: train with "
        "smooth spikes, deploy with hard ones, and see what the swap costs.",
    )
    parser.add_argument("--version", action="version", version=f"refsast {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name in COMMANDS:  # imported here, where `call_command` deals with interrupts
        import_module(f"refsast.cli.{name}").add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 disagrees, else see `call_command`."""

    def run() -> int:
        given = sys.argv[1:] if argv is None else argv
        args = build_parser().parse_args(given, argparse.Namespace(argv=given))  # for the record
        return args.run(args)

    return call_command("refsast", run)


if __name__ == "__main__":
    sys.exit(main())
