"""The promised names are there however they are asked for, and type checkers see the same ones."""

import ast
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import refsast as rs

ROOT = Path(rs.__file__).parent
STUB = ast.parse((ROOT / "__init__.pyi").read_text(encoding="utf-8"))

# Whatever was imported before, a name that is also a module's means what is promised.
ORDERS = """
import refsast.crosscheck.check, refsast.experiment.compare, refsast.experiment.evaluate
import refsast.experiment.train, refsast.gradient.rounding
from refsast import check, compare, evaluate, rounding, train
assert all(map(callable, (check, compare, evaluate, rounding, train)))
import refsast as rs
assert (rs.check, rs.train, rs.rounding) == (check, train, rounding)
assert rs.sharpness.__name__ == "refsast.experiment.sharpness"
assert rs.data.binning.STEPS == 20 and rs.arrays.as_array
"""


def test_the_stub_says_what_is_looked_up():
    found = {}
    for node in STUB.body:
        if isinstance(node, ast.ImportFrom):
            names = [alias.asname for alias in node.names]
            if names == [None]:  # from ... import *
                names = import_module(node.module).__all__
            found |= {name: f"{node.module}.{name}" for name in names}

    assert sorted(found) == rs.__all__
    assert found == {name: f"{home}.{name}" for name, home in rs._HOME_OF.items()}


@pytest.mark.parametrize("code", [ORDERS, "from refsast import *; LIF, check, fast.loss_and_grad"])
def test_a_name_is_the_same_however_it_is_imported(code):
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)


@pytest.mark.parametrize("name", rs.__all__)
def test_every_name_is_there_and_listed(name):
    assert getattr(rs, name) is getattr(rs, name)
    assert name in dir(rs)


def test_what_is_not_there_is_said_as_python_says_it():
    with pytest.raises(AttributeError, match="module 'refsast' has no attribute 'nothing'"):
        _ = rs.nothing
    assert not hasattr(rs, "__wrapped__")


def test_records_survive_pickling():
    network = rs.Network((2, 2), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))

    assert pickle.loads(pickle.dumps(network)) == network


def test_type_checkers_may_read_the_annotations():
    assert all((ROOT.parent / name / "py.typed").is_file() for name in ("refsast", "proofs_check"))
