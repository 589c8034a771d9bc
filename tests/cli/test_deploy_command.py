"""``python -m refsast deploy`` from outside."""

import json

import numpy as np
import pytest

import refsast as rs
from refsast.__main__ import main
from tests.cli.conftest import QUICK

RECORDINGS = ["--train", "40", "--test", "20"]


def test_a_run_is_deployed_and_what_is_measured_is_what_is_saved(trained, tmp_path, capsys):
    out = tmp_path / "chip"
    flags = ["--bits", "8", "3", "--rounding", "stochastic", "--seed", "5", "--out", str(out)]
    assert main(["deploy", str(trained), *RECORDINGS, *flags]) == 0
    printed = capsys.readouterr().out
    found = json.loads((out / "deployment.json").read_text())["survey"]

    assert "those that the run was measured on" in printed
    assert [each["bits"] for each in found["deployed"]] == [8, 3]
    steps = json.loads((trained / "run.json").read_text())["setting"]["steps"]
    x, y = rs.synthetic_spikes(20, np.random.default_rng(0).spawn(2)[1], steps=steps)
    for each in found["deployed"]:
        folder = out / f"integers-{each['bits']}-bits"
        logits = rs.deploy.run(rs.deploy.load(folder), x).logits
        assert np.mean(logits.argmax(axis=1) == y) == pytest.approx(each["accuracy"])
        assert 0.0 <= each["certified"] <= each["same_class"]
        assert f"#define STEPS {steps}" in (folder / "network.h").read_text()
        assert (folder / "run.c").exists()
    assert (out / "deployment.html").read_text().count("<img") == 1


def test_a_graph_is_written_where_it_is_asked_for(trained, tmp_path):
    nir, out = pytest.importorskip("nir"), tmp_path / "chip"
    flags = ["--bits", "4", "--nir", "1e-3", "--out", str(out)]
    assert main(["deploy", str(trained), *RECORDINGS, *flags]) == 0

    graph = nir.read(out / "integers-4-bits/network.nir")
    made = rs.deploy.load(out / "integers-4-bits")
    assert str(graph.metadata["deployed_weights"]).startswith("4 bits with sign, -7 to 7")
    maps = [node for node in graph.nodes.values() if hasattr(node, "weight")]
    assert np.array_equal(maps[0].weight, rs.deploy.dequantise(made)[1][0].w)


def test_what_nir_cannot_hold_is_refused_before_anything_is_written(tmp_path, capsys):
    pytest.importorskip("nir")
    run, out = tmp_path / "run", tmp_path / "chip"
    assert main(["train", "--recurrent", "yes", "--out", str(run), *QUICK]) == 0

    assert main(["deploy", str(run), *RECORDINGS, "--nir", "1e-3", "--out", str(out)]) == 2
    assert "network must be feed-forward, got recurrent True" in capsys.readouterr().err
    assert not out.exists() or not any(out.iterdir())


BAD = {
    "no time": (["--nir", "0"], "--nir must be positive"),
    "no width": (["--bits", "0"], "bits must be an integer from 2 to 16, got 0"),
    "33 bits": (["--bits", "33"], "bits must be an integer from 2 to 16, got 33"),
    "no format": (["--potential", "12"], "must be two numbers with a point between, got '12'"),
    "too wide": (["--potential", "30.4"], "width must be at most 31 bits"),
    "too narrow": (["--potential", "1.0"], "threshold of layer 1 must fit into potentials"),
    "per what": (["--per", "row"], "per must be 'tensor' or 'channel', got 'row'"),
    "a kind": (["--leak", "slow"], "kind must be 'product' or 'shift', got 'slow'"),
    "a rounding": (
        ["--rounding", "odd"],
        "rounding must be one of 'nearest', 'stochastic', 'down', 'up', got",
    ),
    "an overflow": (["--overflow", "trap"], "overflow must be 'saturate' or 'wrap', got 'trap'"),
    "a shift": (["--leak-shift", "16"], "shift must be an integer from 0 to 15, got 16"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line(name, trained, tmp_path, capsys):
    flags, message = BAD[name]
    out = tmp_path / "chip"
    try:
        code = main(["deploy", str(trained), *RECORDINGS, *flags, "--out", str(out)])
    except SystemExit as left:  # argparse's own way out
        code = left.code
    said = capsys.readouterr().err

    assert code == 2
    assert message in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not out.exists() or not any(out.iterdir())
