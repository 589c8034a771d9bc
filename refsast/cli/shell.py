"""How a command ends: in its exit code, and where something is wrong in one line."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and leave with exit code 2."""
        name = self.prog.split()[0]
        self.exit(2, f"{name}: error: {message} (see {self.prog} --help)\n")


def call_command(name: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code; 2 for bad input, 130 if it is interrupted."""
    try:
        return command()
    except (ValueError, OSError) as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, OverflowError) as error:
        print(f"{name}: error: sizes must fit in memory, got {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
