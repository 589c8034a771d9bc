"""Properties asked about a spike or a network of one's own, as a user does it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MINE = """
import refsast as rs


class Wrong(rs.Arctan):
    def derivative(self, v):
        return 1.5 * super().derivative(v)


right = rs.Logistic(3.0)
wrong = Wrong(2.0)
network = rs.Network((5, 4, 3), rs.LIF(0.9, 1.0, right, rs.Subtract()), rs.SpikeRate(7.0))
detached = rs.Network((5, 3), rs.LIF(0.9, 1.0, right, detach_reset=True), rs.SpikeRate(7.0))
"""


def ask(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the properties in a folder with a module ``mine`` in it."""
    (folder / "mine.py").write_text(MINE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs"]
    return subprocess.run(
        [*command, "refsast.testing.test_properties"],
        cwd=folder,
        env={**os.environ, "REFSAST_EXAMPLES": "5", **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SPIKE=mine:right", "NETWORK=mine:network"])
def test_a_right_one_passes(name, tmp_path):
    key, _, value = name.partition("=")
    done = ask(tmp_path, **{f"REFSAST_{key}": value})

    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


@pytest.mark.slow
def test_a_wrong_derivative_fails_and_is_named(tmp_path):
    done = ask(tmp_path, REFSAST_SPIKE="mine:wrong")

    assert done.returncode == 1
    assert "derivative must be the derivative" in done.stdout
    assert "test_three_gradients_are_one" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"REFSAST_SPIKE": "mine:none"}, "REFSAST_SPIKE must name something in mine, got 'none'"),
        ({"REFSAST_SPIKE": "mine:Wrong"}, "REFSAST_SPIKE must name a spike"),
        ({"REFSAST_NETWORK": "mine:right"}, "REFSAST_NETWORK must name an rs.Network"),
        ({"REFSAST_NETWORK": "mine:detached"}, "must have smooth spikes and no detached reset"),
        ({"REFSAST_EXAMPLES": "0"}, "REFSAST_EXAMPLES must be a positive integer, got '0'"),
    ],
)
def test_a_wrong_environment_is_one_line(environment, says, tmp_path):
    done = ask(tmp_path, **environment)

    assert done.returncode == 4
    assert says in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
