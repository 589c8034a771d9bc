"""The one command that builds a notebook: what it writes, and what it refuses."""

import importlib.util
import json
from pathlib import Path

import pytest

for needed in ("jupytext", "nbclient", "ipykernel"):
    pytest.importorskip(needed)

SCRIPT = Path(__file__).parents[2] / "notebooks" / "build.py"
SPEC = importlib.util.spec_from_file_location("build", SCRIPT)
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)

FIGURE = """# %% [markdown]
# A line.

# %%
import os
import matplotlib.pyplot as plt
figure, axis = plt.subplots()
axis.plot([0, 1])
plt.show()
print(sorted(os.listdir()))
"""


@pytest.fixture
def planted(tmp_path):
    def plant(text: str) -> Path:
        source = tmp_path / "01_planted.py"
        source.write_text(text)
        return source

    return plant


def test_cells_keep_their_identity_when_others_come_and_go(planted):
    ids = [cell.id for cell in build.convert(planted("# %%\na\n\n# %%\nb\n\n# %%\na\n")).cells]
    fewer = [cell.id for cell in build.convert(planted("# %%\nb\n\n# %%\na\n")).cells]

    assert len(set(ids)) == 3
    assert fewer == [ids[1], ids[0]]


def test_a_solution_is_folded_and_other_tags_are_kept(planted):
    text = '# %% tags=["solution"]\na\n\n# %% tags=["slow"]\nb\n\n# %%\nc\n'
    folded, tagged, plain = (cell.metadata for cell in build.convert(planted(text)).cells)

    assert folded["tags"] == ["solution", "hide-cell"]
    assert folded["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
    assert build.kept_metadata(build.convert(planted(text)).cells[0]) == folded
    assert tagged == {"tags": ["slow"]}
    assert plain == {}


def test_a_changed_source_is_known(planted):
    source = planted("# %%\na\n")
    assert build.is_changed(source)  # never built

    source.with_suffix(".ipynb").write_bytes(build.render(build.convert(source)))
    assert not build.is_changed(source)
    planted('# %% tags=["solution"]\na\n')
    assert build.is_changed(source)
    planted("# %%\nb\n")
    assert build.is_changed(source)


@pytest.mark.filterwarnings("ignore")
def test_a_build_never_sees_real_recordings(planted, monkeypatch):
    monkeypatch.setenv("REFSAST_NMNIST", "somewhere")
    source = planted('# %%\nimport os\nassert "REFSAST_NMNIST" not in os.environ\n')

    build.build(source, check=True)
    assert build.os.environ["REFSAST_NMNIST"] == "somewhere"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_several_are_built_what_changed_first_and_one_failure_stops_no_other(tmp_path, capfd):
    texts = {"01_same": "# %%\na = 1\n", "02_bad": "# %%\nassert 0\n", "03_new": "# %%\nb = 1\n"}
    paths = [tmp_path / f"{name}.py" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    same, _, new = paths
    same.with_suffix(".ipynb").write_bytes(build.render(build.convert(same)))

    assert build.main(["--jobs", "1", *map(str, paths)]) == 1
    said = capfd.readouterr()
    assert said.out.index("03_new.py: ") < said.out.index("01_same.py: ")
    assert "02_bad.py: error: a cell fails" in said.err
    assert [path.with_suffix(".ipynb").exists() for path in paths] == [True, False, True]
    assert build.main(["--check", "--jobs", "2", str(same), str(new)]) == 0
    with pytest.raises(SystemExit):
        build.main(["--jobs", "0"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_building_twice_gives_the_same_bytes_and_a_check_writes_nothing(planted, capsys):
    source = planted(FIGURE)
    target = source.with_suffix(".ipynb")

    assert build.main(["--check", str(source)]) == 0
    assert not target.exists()
    assert build.main([str(source)]) == 0
    first = target.read_bytes()
    assert build.main([str(source)]) == 0
    assert target.read_bytes() == first
    assert capsys.readouterr().out.count("01_planted.py: ") == 3
    outputs = json.loads(first)["cells"][1]["outputs"]
    assert "image/png" in outputs[0]["data"]
    assert outputs[1]["text"] == ["[]\n"]  # it ran in an empty folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# %%\nassert 1 == 2\n", "a cell fails"),
        ("# %%\nprint(('x' * 99 + chr(10)) * 3000)\n", "bytes"),
    ],
)
def test_what_fails_is_named_and_nothing_is_written(planted, capsys, text, says):
    source = planted(text)

    assert build.main([str(source)]) == 1
    assert not source.with_suffix(".ipynb").exists()
    error = capsys.readouterr().err
    assert "01_planted.py: error: " in error
    assert says in error


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_over_the_limit_is_stopped(planted):
    source = planted("# %%\nimport time\n\n# %%\ntime.sleep(60)\n")

    with pytest.raises(RuntimeError, match="longer than 4 s"):
        build.build(source, check=True, limit=4.0)
