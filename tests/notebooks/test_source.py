"""Every notebook keeps to the rules, and every rule can be broken."""

import json
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")

from tests.notebooks import rules  # noqa: E402

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
COURSE = [path for path in SOURCES if path.stem[:2] != "00"]  # the overture has no exercises
BUILT = sorted(FOLDER.glob("*.ipynb"))


def cells_of(source: Path | str, fmt: str = "py:percent") -> rules.Cells:
    read = jupytext.read(source) if isinstance(source, Path) else jupytext.reads(source, fmt)
    return [rules.Cell(c.cell_type, c.source, tags_of(c.metadata)) for c in read.cells]


def tags_of(metadata: dict) -> tuple[str, ...]:
    """Tags but for the one that the build adds."""
    return tuple(tag for tag in metadata.get("tags", []) if tag != "hide-cell")


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request) -> Path:
    return request.param


def test_there_are_notebooks_and_each_is_built():
    assert SOURCES
    assert [path.stem for path in BUILT] == [path.stem for path in SOURCES]


RULES = (
    rules.long_functions,
    rules.unchecked_figures,
    rules.foreign_imports,
    rules.private_names,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_to_the_rule(source, rule):
    assert rule(cells_of(source)) == []


@pytest.mark.parametrize("source", COURSE, ids=lambda path: path.stem)
def test_the_exercises_have_solutions(source):
    assert rules.unfit_exercises(cells_of(source)) == []


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


LONG = "# %%\n@one\ndef f(x):\n" + "    x = x\n" * 13 + "    return x\n"
SHOWN = "# %%\nplt.subplots()\nplt.show()\n"
BAD = {
    "a function of sixteen lines": (rules.long_functions, LONG, ["f"]),
    "a lambda over sixteen lines": (
        rules.long_functions,
        "# %%\nf = lambda x: (\n    x" + "\n    + 1" * 14 + ")\n",
        ["lambda"],
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
    "one check for two figures": (rules.unchecked_figures, SHOWN + SHOWN + "assert a\n", [0]),
    "another package": (rules.foreign_imports, "# %%\nimport torch.nn as nn\n", ["torch.nn"]),
    "inside a function": (
        rules.foreign_imports,
        "# %%\ndef f():\n    from pandas import DataFrame\n",
        ["pandas"],
    ),
    "the network": (rules.foreign_imports, "# %%\nimport urllib.request\n", ["urllib.request"]),
    "a neighbour": (rules.foreign_imports, "# %%\nfrom . import build\n", ["."]),
    "a module of ours that is no promise": (
        rules.private_names,
        "# %%\nfrom refsast.autodiff import numeric, vjp\n",
        ["refsast.autodiff.numeric"],
    ),
    "by its whole name": (
        rules.private_names,
        "# %%\nimport refsast as rs\na = rs.experiment.figures.COLOURS\n",
        ["refsast.experiment", "refsast.experiment.figures", "refsast.experiment.figures.COLOURS"],
    ),
    "an underscore": (
        rules.private_names,
        "# %%\nimport refsast as rs\nrs.sam._x\n",
        ["refsast.sam._x"],
    ),
}


@pytest.mark.parametrize(("rule", "text", "found"), BAD.values(), ids=list(BAD))
def test_a_broken_rule_is_found(rule, text, found):
    assert rule(cells_of(text)) == found


GOOD = """# %%
import json

import numpy as np
import refsast.data as data


def f(x):
    a = data.pool(x)
    b = a
    b = b
    b = b
    b = b
    b = b
    b = b
    b = b
    b = b
    b = b
    b = b
    b = b
    b = b
    return b


# %%
print("no figure")

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


EXERCISES = "# %% [markdown]\n# ## Exercises\n\n" + "\n".join(
    f'# %% [markdown]\n# ### Exercise {k}\n# Do it.\n\n# %% tags=["solution"]\nassert True\n'
    for k in (1, 2, 3)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (EXERCISES.replace("Exercise 3", "Exercise 4"), ["exercises are ["]),
        (EXERCISES.replace("## Exercises", "## Tasks"), ["no heading"]),
        (EXERCISES.replace("assert True", "pass", 1), ["### Exercise 1 has no solution"]),
        (
            EXERCISES.replace(' tags=["solution"]', "", 2),
            ["### Exercise 1 has", "### Exercise 2 h"],
        ),
        (EXERCISES + '\n# %% tags=["slow"]\na = 1\n', ["cell 7 is tagged slow"]),
        ('# %% tags=["solution"]\na = 1\n' + EXERCISES, ["cell 0 is tagged solution"]),
        ("", ["exercises are []", "no heading"]),
        (EXERCISES, []),
    ],
)
def test_unfit_exercises_are_found(text, says):
    found = rules.unfit_exercises(cells_of(text))

    assert len(found) == len(says)
    assert all(map(str.startswith, found, says))


def test_a_stale_notebook_is_found():
    old = cells_of("# %% [markdown]\n# one\n\n# %%\na = 1\n")

    assert rules.stale(old, old) == []
    assert rules.stale(cells_of("# %% [markdown]\n# two\n\n# %%\na = 1\n"), old) == [0]
    assert rules.stale(cells_of("# %% [markdown]\n# one\n\n# %%\na = 2\n"), old) == [1]
    assert rules.stale(cells_of("# %% [markdown]\n# one\n"), old) == [1]
    assert rules.stale(old, cells_of("# %% [markdown]\n# one\n")) == [1]
    assert rules.stale([rules.Cell("code", "a")], [rules.Cell("markdown", "a")]) == [0]
    assert rules.stale([rules.Cell("code", "a", ("solution",))], [rules.Cell("code", "a")]) == [0]


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
    tags = {"tags": ["solution", "hide-cell"]}
    marked["cells"][0]["metadata"] = tags
    assert rules.unfit_outputs(marked) == ["cell 0 has metadata"]  # it is not folded in Jupyter
    marked["cells"][0]["metadata"] = tags | {"jupyter": rules.FOLDED}
    assert rules.unfit_outputs(marked) == []
