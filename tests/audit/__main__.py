"""``python -m tests.audit``: released libraries put to the check; write the page."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from refsast.files import write_atomic
from tests.audit.mode_rows import Row, network_row, row
from tests.audit.modes import MODES
from tests.audit.network_modes import NETWORK_MODES
from tests.audit.page import line, page
from tests.audit.tutorials import TUTORIALS

M = TypeVar("M")
NETWORK_SHARE = 3  # of the cases of a dense mode, one in so many for a network beyond


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    found = argparse.ArgumentParser(
        prog="python -m tests.audit", description=__doc__.split(": ")[1]
    )
    found.add_argument("--cases", type=int, default=12, help="networks per mode (12)")
    found.add_argument(
        "--no-tutorials", action="store_true", help="leave out networks of full size"
    )
    found.add_argument("--only", metavar="LIBRARY", help="one of them; nothing is written")
    found.add_argument("--out", type=Path, default=Path("docs"), help="folder of peers.md (docs)")
    return found


def ask_mode(mode: M, ask: Callable[[M, int], Row], cases: int) -> Row:
    """Return what comes of a mode, and print it."""
    found = ask(mode, cases)
    print(line(found), flush=True)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = parser().parse_args(arguments)
    known = list(dict.fromkeys(mode.package for mode in MODES))
    try:
        if options.cases < 1:
            raise ValueError(f"--cases must be positive, got {options.cases}")
        if options.only is not None and options.only not in known:
            raise ValueError(f"--only must be one of {', '.join(known)}, got {options.only}")
        seeds = -(-options.cases // NETWORK_SHARE)
        tables = [
            [ask_mode(mode, ask, cases) for mode in modes if options.only in (None, mode.package)]
            for modes, ask, cases in (
                (MODES, row, options.cases),
                (NETWORK_MODES, network_row, seeds),
                (() if options.no_tutorials else TUTORIALS, network_row, 1),
            )
        ]
        if options.only is None:
            rows, others, tutorials = tables
            text = page(rows, options.cases, others, seeds, tutorials)
            write_atomic(options.out / "peers.md", text.encode())
            print(f"written to {options.out / 'peers.md'}")
    except ValueError as error:
        print(f"tests.audit: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
