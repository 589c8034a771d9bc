"""Each how-to guide does what it says: its code is saved and run as a reader would."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs/guides"
PYTHON = re.compile(r"```python\n(.*?)```", flags=re.S)

# What each needs beside refsast, and what it must print, in this order.
AGREES = "module: agrees"
DETACHED = "cause: .*the reference with the reset detached"
SAYS = {
    "add_adapter": ((), ("DISAGREES", "number of recordings", "refused: smooth spikes")),
    "add_claim": (
        (),
        ("held on [1-9]", "refuted: 0", "reset to zero': [1-9]", "recurrent': [1-9]"),
    ),
    "add_reset": ((), (r"[1-9]\d% of the steps fire",)),
    "add_surrogate": (
        (),
        ("largest difference .*e-1[5-7]", r"faults: \(\)", r"D1 in \[1\.0", r"D2 in \[1\.5396"),
    ),
    "check_jax": (("jax",), ("case: agrees", "case: DISAGREES", DETACHED, "case: agrees")),
    "check_norse": (
        ("norse",),
        (AGREES, "module: DISAGREES", r"1/\(1\+\|v\|\)\^2", AGREES),
    ),
    "check_sinabs": (("sinabs",), (AGREES, "module: DISAGREES", DETACHED, AGREES)),
    "check_snntorch": (("snntorch",), ("module: DISAGREES", DETACHED, *3 * [AGREES])),
    "check_spikingjelly": (
        ("spikingjelly",),
        (AGREES, "module: DISAGREES", DETACHED, "False .*detached", *4 * [AGREES]),
    ),
    "sweep_cluster": (("distributed",), (r"rho 0 +2 ", r"rho 0\.1 +2 ", "page: ")),
    "train_nmnist": ((), (r"smooth spikes [5-9]\d%, hard spikes [4-9]\d%",)),
}


def code(guide: str) -> str:
    """All Python of a guide, as one script."""
    return "\n\n".join(PYTHON.findall((GUIDES / f"{guide}.md").read_text(encoding="utf-8")))


def test_every_guide_is_run_and_listed():
    listed = re.findall(r"\]\((\w+)\.md\)", (GUIDES / "README.md").read_text(encoding="utf-8"))

    assert sorted(listed) == sorted(SAYS)
    assert sorted(listed) == sorted(p.stem for p in GUIDES.glob("*.md") if p.stem != "README")


@pytest.mark.slow
@pytest.mark.parametrize("guide", SAYS)
def test_the_guide_runs_and_says_what_the_page_says(guide, tmp_path):
    needs, expected = SAYS[guide]
    for module in needs:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    script = tmp_path / "script.py"
    script.write_text(code(guide), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert re.search(".*?".join(expected), done.stdout, flags=re.S), done.stdout
