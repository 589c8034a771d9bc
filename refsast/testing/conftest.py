"""Reads what the properties are asked about; an error is one line and pytest's code for usage."""

import os

import pytest

from refsast.testing.target import Target, read_target

try:
    TARGET: Target | str = read_target(os.environ)
except ValueError as error:
    TARGET = str(error)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark `slow` known, which outside of the repository nothing else does."""
    config.addinivalue_line("markers", "slow: takes more than a quarter of a second")


def pytest_collection_modifyitems() -> None:
    """Refuse a wrong environment before anything runs."""
    if isinstance(TARGET, str):
        raise pytest.UsageError(TARGET)


def pytest_report_header() -> str:
    """Say what is asked."""
    return f"refsast properties of: {TARGET if isinstance(TARGET, str) else TARGET.name}"
