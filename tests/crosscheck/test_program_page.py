"""docs/program.md: its examples run, its report is what is printed, its table is the tape's."""

import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import refsast as rs
from refsast.autodiff import ops, stop_gradient
from refsast.autodiff.functions import COMPOSITES, CONSTANTS, PRIMITIVES
from refsast.autodiff.tape import METHODS, Node
from tests.test_pages import plain

PAGE = (Path(__file__).resolve().parents[2] / "docs/program.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
OUTPUT = re.search(r"```\n(program: .*?)```", PAGE, flags=re.S)


def run(skip_torch):
    """Run the page, and return what it defined."""
    names = {}
    for block in BLOCKS:
        if "import torch" not in block or not skip_torch:
            exec(compile(block, "docs/program.md", "exec"), names)
    return names


def test_the_first_network_has_twenty_lines():
    assert len(BLOCKS[0].strip().splitlines()) <= 24  # with its batch and its two imports
    assert len(BLOCKS) == 6


def test_the_page_runs_and_prints_what_it_says(capsys):
    torch = find_spec("torch") is not None
    names = run(skip_torch=not torch)
    said = capsys.readouterr().out

    assert "straight-through" in said
    assert names["bounds"]['grads["w"]'].shape == (4, 3)
    if torch:
        assert OUTPUT is not None
        assert names["verdict"].kind.name == "NONE"
        printed = said[said.index("program: ") : said.index("loss on the tape")]
        assert plain(printed) == plain(OUTPUT[1])


def spelled(function):
    """The name that a program writes."""
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".replace("numpy", "np")


def test_the_table_is_what_the_tape_has():
    section = PAGE[PAGE.index("## What the tape has") : PAGE.index("Comparisons and what counts")]
    functions = {*ops.UFUNCS, *ops.ZERO_GRADIENT, *PRIMITIVES, *COMPOSITES, *CONSTANTS}
    properties = {n for n, v in vars(Node).items() if isinstance(v, property)}
    methods = {f.__name__ for f in METHODS} | properties | {"reshape", "transpose"}

    listed = re.findall(r"`(np\.[\w.]+)`", section)
    assert len(listed) == len(set(listed))
    assert set(listed) == {
        f"np.{f.__name__}" if isinstance(f, np.ufunc) else spelled(f) for f in functions
    }
    assert set(re.findall(r"`x\.(\w+)`", section)) == methods


def cut(program, name):
    """An implementation of a program in which one use of a parameter is that of a constant.

    In the forward pass it is the same number; what it lacks is a part of that gradient alone.
    """

    class Cut(dict):
        reads = 0

        def __getitem__(self, key):
            value = dict.__getitem__(self, key)
            if key != name:
                return value
            self.reads += 1
            return stop_gradient(value) if self.reads == 6 else value

    def gradient(params, x, y):
        names = list(params)

        def loss(*arrays):
            reply = program.forward(Cut(zip(names, arrays, strict=True)), x, y)
            return reply[0] if isinstance(reply, tuple) else reply

        value, grads = rs.autodiff.value_and_grad(
            loss, *(np.asarray(a, float) for a in params.values())
        )
        return value, dict(zip(names, grads, strict=True))

    return gradient


@pytest.mark.parametrize(
    ("network", "wrong"),
    [
        ("program", "decay"),
        ("neuron", "g"),
        ("neuron", "leaks"),
        ("synapse", "w"),
        ("question", "leak"),
    ],
)
def test_an_error_in_one_parameter_is_located_to_it(network, wrong, capsys):
    program = run(skip_torch=True)[network]

    report = rs.check(cut(program, wrong), program)

    assert report.verdict == "DISAGREES"
    assert [s.name for s in report.stages if not s.agrees] == [f'grads["{wrong}"]']
    assert report.worst.name == f'grads["{wrong}"]'
    assert report.smallest.x.shape[0] < program.x.shape[0]
    assert "first wrong: step " in str(report)
    assert rs.check(partial(rs.program.loss_and_grad, program), program).agrees
