"""How a command ends: in its exit code, and where something is wrong in one line.

Only the standard library is imported here, so that this is in force while all else is.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141  # the latter two as shells have it: 128 + signal


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and leave with exit code 2."""
        name = self.prog.split()[0]
        self.exit(BAD_INPUT, f"{name}: error: {message} (see {self.prog} --help)\n")


def call_command(name: str, command: Callable[[], int]) -> int:
    """Run a command of the program `name` and return its exit code.

    That is 2 for bad input, 130 if it is interrupted, 141 if its output is not read to the end.
    """
    with _handle_interrupts(name):
        try:
            return _flush_after(command)
        except BrokenPipeError:
            # Python flushes once more at its end, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE
        except (ValueError, OSError) as error:
            print(f"{name}: error: {error}", file=sys.stderr)
            return BAD_INPUT
        except (MemoryError, OverflowError) as error:
            print(f"{name}: error: sizes must fit in memory, got {error}", file=sys.stderr)
            return BAD_INPUT
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
            return INTERRUPTED


def _flush_after(command: Callable[[], int]) -> int:
    """Run the command and flush its output where a closed pipe is handled.

    Also after ``--help``, which raises SystemExit.
    """
    try:
        return command()
    finally:
        if sys.stdout is not None:  # None: closed by the shell, ``>&-``
            sys.stdout.flush()


@contextmanager
def _handle_interrupts(name: str) -> Iterator[None]:
    """Raise KeyboardInterrupt as usual, but leave at once while something is imported.

    Extension modules turn an interrupt during their import into other errors, with a traceback.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                os.write(2, f"{name}: interrupted\n".encode())
                os._exit(INTERRUPTED)
            frame = frame.f_back
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not in the main thread, which alone is interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
