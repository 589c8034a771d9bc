"""One small trained run for all who read one."""

from pathlib import Path

import pytest

from refsast.__main__ import main

QUICK = ["--preset", "quick", "--train", "40", "--test", "20", "--hidden", "8,8", "--epochs", "2"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on 40 synthetic recordings, measured on 20; nobody writes into it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "--out", str(out), *QUICK]) == 0
    return out
