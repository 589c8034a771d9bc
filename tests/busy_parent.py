"""A program for tests: it keeps workers busy, in calls of NumPy that take for ever, until it ends.

Each worker says in a file that it is at work: ``python -m tests.busy_parent FOLDER``.
"""

import os
import sys
from pathlib import Path

import numpy as np

from refsast.cli.shell import call_command
from refsast.workers import map_unordered

WORKERS = 2


def main(folder: Path) -> int:
    def work(_: int) -> None:
        (folder / f"{os.getpid()}").touch()
        while True:
            np.linalg.svd(np.ones((1500, 1500)))  # seconds, without a look at the interpreter

    for _ in map_unordered(work, range(2 * WORKERS), jobs=WORKERS):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(call_command("busy", lambda: main(Path(sys.argv[1]))))
