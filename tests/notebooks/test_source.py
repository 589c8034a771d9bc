"""Every notebook keeps to the rules, and every rule can be broken."""

import json
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")

from tests.notebooks import rules  # noqa: E402

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
BUILT = sorted(FOLDER.glob("*.ipynb"))


def cells_of(source: Path | str, fmt: str = "py:percent") -> rules.Cells:
    read = jupytext.read(source) if isinstance(source, Path) else jupytext.reads(source, fmt)
    return [(cell.cell_type, cell.source) for cell in read.cells]


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request) -> Path:
    return request.param


def test_there_are_notebooks_and_each_is_built():
    assert SOURCES
    assert [path.stem for path in BUILT] == [path.stem for path in SOURCES]


RULES = (rules.long_functions, rules.unchecked_figures, rules.foreign_imports)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_to_the_rule(source, rule):
    assert rule(cells_of(source)) == []


def test_the_source_has_figures_and_assertions(source):
    trees = rules.code(cells_of(source))

    assert any(rules.shows(tree) for tree in trees)  # otherwise the rule on figures is silent
    assert any(rules.asserts(tree) for tree in trees)


def test_the_built_notebook_is_that_of_the_source(source):
    built = source.with_suffix(".ipynb")

    assert rules.stale(cells_of(source), cells_of(built)) == [], "run: make notebooks"


def test_the_built_notebook_is_small_and_says_nothing_of_the_machine(source):
    built = source.with_suffix(".ipynb")

    assert built.stat().st_size <= rules.LARGEST
    assert rules.unfit_outputs(json.loads(built.read_text())) == []


SIX = "# %%\ndef f(x):\n    a = x\n    b = a\n    c = b\n    d = c\n    return d\n"
SHOWN = "# %%\nplt.subplots()\nplt.show()\n"
BAD = {
    "a function of six lines": (rules.long_functions, SIX, ["f"]),
    "a lambda over six lines": (
        rules.long_functions,
        "# %%\nf = lambda x: (\n    x\n    + 1\n    + 2\n    + 3\n    + 4)\n",
        ["lambda"],
    ),
    "a decorated function": (
        rules.long_functions,
        "# %%\n@one\n@two\ndef f(x):\n    a = x\n    b = a\n    return b\n",
        ["f"],
    ),
    "a figure at the end": (rules.unchecked_figures, SHOWN, [0]),
    "a check two cells on": (
        rules.unchecked_figures,
        SHOWN + "# %%\na = 1\n\n# %%\nassert a\n",
        [0],
    ),
    "a figure as the value of a cell": (
        rules.unchecked_figures,
        "# %%\ncomparison_curves(results)\n",
        [0],
    ),
    "another package": (rules.foreign_imports, "# %%\nimport torch.nn as nn\n", ["torch.nn"]),
    "inside a function": (
        rules.foreign_imports,
        "# %%\ndef f():\n    from pandas import DataFrame\n",
        ["pandas"],
    ),
    "the network": (rules.foreign_imports, "# %%\nimport urllib.request\n", ["urllib.request"]),
    "a neighbour": (rules.foreign_imports, "# %%\nfrom . import build\n", ["."]),
}


@pytest.mark.parametrize(("rule", "text", "found"), BAD.values(), ids=list(BAD))
def test_a_broken_rule_is_found(rule, text, found):
    assert rule(cells_of(text)) == found


GOOD = """# %%
import json

import numpy as np
import refsast.data as data


def f(x):
    a = x
    b = a
    c = b
    return c


# %%
plt.subplots()
plt.show()

# %% [markdown]
# Look at it.

# %%
assert True
"""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_notebook_passes(rule):
    assert rule(cells_of(GOOD)) == []


def test_a_stale_notebook_is_found():
    old = cells_of("# %% [markdown]\n# one\n\n# %%\na = 1\n")

    assert rules.stale(old, old) == []
    assert rules.stale(cells_of("# %% [markdown]\n# two\n\n# %%\na = 1\n"), old) == [0]
    assert rules.stale(cells_of("# %% [markdown]\n# one\n\n# %%\na = 2\n"), old) == [1]
    assert rules.stale(cells_of("# %% [markdown]\n# one\n"), old) == [1]
    assert rules.stale(old, cells_of("# %% [markdown]\n# one\n")) == [1]
    assert rules.stale([("code", "a")], [("markdown", "a")]) == [0]


def output(text: str, **more) -> dict:
    said = {"output_type": "stream", "name": "stdout", "text": [text], **more}
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [said]}
    return {"cells": [cell]}


@pytest.mark.parametrize(
    "text", ["in /home/somebody/project", "'/tmp/x.py'", "C:\\Users\\x", "<f at 0x7f12ab34cd56>"]
)
def test_a_path_in_an_output_is_found(text):
    assert rules.unfit_outputs(output(text)) == ["cell 0 names a path or an address"]


def test_other_unfit_outputs_are_found():
    assert rules.unfit_outputs(output("gap 0.01, w/o rho 1/2")) == []
    assert rules.unfit_outputs(output("", name="stderr")) == ["cell 0 complains"]
    assert rules.unfit_outputs(output("", output_type="error")) == ["cell 0 complains"]
    skipped, marked = output(""), output("")
    skipped["cells"][0]["execution_count"] = None
    marked["cells"][0]["metadata"] = {"execution": {"iopub.execute_input": "2000-01-01"}}
    assert rules.unfit_outputs(skipped) == ["cell 0 was not executed"]
    assert rules.unfit_outputs(marked) == ["cell 0 has metadata"]
