"""``python -m tests.audit``: released libraries put to the check; write the page."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from refsast.files import write_atomic
from tests.audit.mode_rows import row
from tests.audit.modes import MODES
from tests.audit.page import line, page


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    found = argparse.ArgumentParser(
        prog="python -m tests.audit", description=__doc__.split(": ")[1]
    )
    found.add_argument("--cases", type=int, default=12, help="networks per mode (12)")
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
        rows = []
        for mode in MODES:
            if options.only in (None, mode.package):
                rows.append(row(mode, options.cases))
                print(line(rows[-1]), flush=True)
        if options.only is None:
            write_atomic(options.out / "peers.md", page(rows, options.cases).encode())
            print(f"written to {options.out / 'peers.md'}")
    except ValueError as error:
        print(f"tests.audit: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
