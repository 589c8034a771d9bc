"""Profiles of Hypothesis, and where real recordings are.

The profile is `ci` unless the command line says `--hypothesis-profile=long`.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

collect_ignore = [
    "mutate.py",
    "bench",
    "crosscheck/torch_faults.py",
    "crosscheck/case_kinds.py",
    "crosscheck/blind",
    "crosscheck/planted_extended",
    "crosscheck/right_extended.py",
    "gradient/torch_extended.py",
]  # programs, not tests

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=50,  # every run draws the same ones; mutants are caught with 15
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "mutation",
    settings.get_profile("ci"),
    database=None,
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("ci")


@pytest.fixture(scope="session")
def nmnist():
    """The folder of a real N-MNIST subset: $REFSAST_NMNIST, else one beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "nmnist-small"
    root = Path(os.environ.get("REFSAST_NMNIST", beside))
    if not (root / "Train").is_dir():
        pytest.skip(f"no N-MNIST recordings in {root}; set REFSAST_NMNIST")
    return root


@pytest.fixture(autouse=True)
def no_width(monkeypatch):
    """Tables are as wide as they are: pytest-xdist sets a width in its workers."""
    monkeypatch.delenv("COLUMNS", raising=False)
