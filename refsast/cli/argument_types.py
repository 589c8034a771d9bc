"""Types of arguments on the command line.

Where one raises ValueError, argparse says "invalid NAME value": these names are seen by users.
"""

import argparse
import re
from pathlib import Path

from refsast.experiment.setting_parts import Hidden, parse_layer
from refsast.model.reset import RESETS, Reset

MAX_COUNT = 10**7  # of any count on the command line: what is larger is a slip


def positive(text: str) -> int:
    """Parse a positive integer."""
    if not text.isdecimal() or not 0 < int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be an integer of 1 to {MAX_COUNT}, got {text!r}")
    return int(text)


def natural(text: str) -> int:
    """Parse an integer that is not negative."""
    if not text.isdecimal() or int(text) > MAX_COUNT:
        raise argparse.ArgumentTypeError(f"must be an integer of 0 to {MAX_COUNT}, got {text!r}")
    return int(text)


def file_path(text: str) -> Path:
    """Parse a path; an empty one, as of a shell variable that is not set, is no folder."""
    if not text:
        raise argparse.ArgumentTypeError("must be a path, got ''")
    return Path(text)


def layers(text: str) -> tuple[Hidden, ...]:
    """Parse widths such as ``128,128``, or convolutions and pools such as ``12c5-2a-32c5-2a``."""
    return tuple(_layer(part) for part in re.split("[,-]", text))


def _layer(text: str) -> Hidden:
    if text.isdecimal():
        return positive(text)
    try:
        return parse_layer(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def numbers(text: str) -> tuple[float, ...]:
    """Parse numbers such as ``0.1,0.3``."""
    return tuple(float(part) for part in text.split(","))


def switch(text: str) -> bool:
    """Parse yes or no."""
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"must be yes or no, got {text!r}")
    return text == "yes"


def reset(text: str) -> Reset:
    """Parse the name of a reset."""
    if text not in RESETS:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(RESETS)}, got {text!r}")
    return RESETS[text]


def cap(text: str) -> float | None:
    """Parse a number, or none."""
    return None if text.lower() == "none" else float(text)


def count(text: str) -> int | None:
    """Parse a positive integer, or none."""
    return None if text.lower() == "none" else positive(text)
