"""``python -m tests.audit``: released libraries put to the check; write the page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from refsast.files import write_atomic
from tests.audit.mode_rows import network_row, row
from tests.audit.modes import MODES
from tests.audit.network_modes import NETWORK_MODES
from tests.audit.page import line, page
from tests.audit.tutorials import TUTORIALS

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
        asked = [
            *((mode, row, options.cases) for mode in MODES),
            *((mode, network_row, seeds) for mode in NETWORK_MODES),
            *((mode, network_row, 1) for mode in TUTORIALS if not options.no_tutorials),
        ]
        rows = []
        for mode, ask, cases in asked:
            if options.only in (None, mode.package):
                rows.append(ask(mode, cases))
                print(line(rows[-1]), flush=True)
        if options.only is None:
            dense, beyond = len(MODES), len(MODES) + len(NETWORK_MODES)
            others, tutorials = rows[dense:beyond], rows[beyond:]
            text = page(rows[:dense], options.cases, others, seeds, tutorials)
            write_atomic(options.out / "peers.md", text.encode())
            print(f"written to {options.out / 'peers.md'}")
    except ValueError as error:
        print(f"tests.audit: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
