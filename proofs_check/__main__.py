"""The command line: ``python -m proofs_check --help``."""

import argparse
import sys
from collections.abc import Sequence

from refsast.cli.shell import Parser, call_command

EFFORT = 60  # of an attack by default

# The flags that may stand beside the one that chooses the mode; any other would do nothing.
RECORDINGS = (
    *("nmnist", "train", "test", "synthetic_train", "per_class"),
    *("add_synthetic", "data_seed", "validation", "cache"),
)
COMPATIBLE_FLAGS = {
    "replay": (),
    "run": ("seed", "json", "html", "recordings", *RECORDINGS),
    "list": ("claim",),
    "": ("claim", "quick", "full", "seed", "jobs", "effort", "json", "html", "worst"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    # Imported here, where `call_command` deals with interrupts.
    from refsast.cli.common import add_recording_flags, file_path, natural, positive

    whole = Parser(
        prog="proofs_check",
        description="Check every theorem on drawn networks, attack it, and print the table. "
        "Exit code 0: none refuted, 1: one is, 2: bad input.",
    )
    size = whole.add_mutually_exclusive_group()
    size.add_argument(
        "--quick", action="store_true", help="a fiftieth of the instances, for a first look"
    )
    size.add_argument(
        "--full", action="store_true", help="all instances (default: a third of them)"
    )
    whole.add_argument(
        "--claim",
        action="append",
        metavar="LABEL",
        help="only this claim, or all that begin so (3, 3b); may be repeated",
    )
    whole.add_argument("--list", action="store_true", help="print every statement and leave")
    whole.add_argument("--seed", type=natural, default=0, help="of everything drawn (default: 0)")
    whole.add_argument("--jobs", type=positive, default=2, help="processes (default: 2)")
    whole.add_argument(
        "--effort",
        type=natural,
        metavar="N",
        help=f"evaluations per way of attack (default: {EFFORT}); 0 attacks nothing",
    )
    whole.add_argument("--json", type=file_path, metavar="FILE", help="write the table as a record")
    whole.add_argument("--html", type=file_path, metavar="FILE", help="write a page with figures")
    whole.add_argument(
        "--worst",
        type=file_path,
        metavar="FOLDER",
        help="save the worst instance of each claim here",
    )
    whole.add_argument("--replay", type=file_path, metavar="FILE", help="check one saved instance")
    whole.add_argument(
        "--run",
        type=file_path,
        metavar="FOLDER",
        help="say which theorems hold of a trained network: the folder that train wrote to, or its "
        "run.json; recordings are those of the run, unless flags say where they are",
    )
    whole.add_argument(
        "--recordings",
        type=positive,
        default=64,
        metavar="N",
        help="with --run: of the training recordings, the first N make the risk (default: 64)",
    )
    add_recording_flags(whole)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 none refuted, 1 one refuted, 2 bad input, 130 interrupted."""
    return call_command("proofs_check", lambda: run_command(parser().parse_args(argv)))


def run_command(args: argparse.Namespace) -> int:
    """Do what the flags ask for."""
    refuse_idle_flags(args)
    # Imported here, so that a wrong flag is refused before matplotlib and Hypothesis are loaded.
    from proofs_check import commands

    return commands.run(args, default_effort=EFFORT)


def refuse_idle_flags(args: argparse.Namespace) -> None:
    """Raise ValueError where a flag would do nothing."""
    defaults = parser()
    given = [name for name, value in vars(args).items() if value != defaults.get_default(name)]
    mode = next((name for name in ("replay", "run", "list") if name in given), "")
    for name in given:
        if name != mode and name not in COMPATIBLE_FLAGS[mode]:
            flag = f"--{name.replace('_', '-')}"
            beside = f"beside --{mode}" if mode else "without --run"
            raise ValueError(f"{flag} must not stand {beside}, where it does nothing, got it")


if __name__ == "__main__":
    sys.exit(main())
