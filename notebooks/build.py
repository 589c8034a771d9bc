"""Build the notebooks: ``python notebooks/build.py [--check] [--jobs N] [SOURCE ...]``.

Rule 1: the source is ``NN_name.py``; ``NN_name.ipynb`` is made from it here, never by hand.
Rule 2: equal outputs make equal bytes: no times, versions, names or paths are kept, and the
        identity of a cell follows from its text.
Rule 3: a cell that raises, a notebook that is too slow or a file that is too large is a failure,
        and the old ``.ipynb`` stays.
Rule 4: a cell keeps its tags, and one with the tag "solution" is folded.
Rule 5: what changed is built first, so that its errors are seen first.
"""

import argparse
import base64
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image

from refsast.files import write_atomic

HERE = Path(__file__).resolve().parent
AIM, LIMIT = 20.0, 400.0  # seconds per notebook: what is wanted, and what is refused
LARGEST = 200_000  # bytes of a built notebook
PALETTE = 96  # colours per figure, which makes it a third as large and looks the same
FOLDED = {"source_hidden": True, "outputs_hidden": True}  # in Jupyter; "hide-cell" in myst-nb
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources(folder: Path = HERE) -> list[Path]:
    """Return the sources in a folder, in order."""
    return sorted(folder.glob("[0-9][0-9]_*.py"))


def convert(source: Path) -> NotebookNode:
    """Return the notebook of a source, not executed, without jupytext's marks."""
    notebook = jupytext.read(source)
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        cell.id = f"{digest}-{seen[digest]}" if seen[digest] else digest
        seen[digest] += 1
        cell.metadata = kept_metadata(cell)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def kept_metadata(cell: NotebookNode) -> NotebookNode:
    """Return the tags of a cell, and for a solution what folds it."""
    tags = cell.metadata.get("tags", [])
    if "solution" in tags:
        tags = list(dict.fromkeys([*tags, "hide-cell"]))
        return nbformat.from_dict({"tags": tags, "jupyter": FOLDED})
    return nbformat.from_dict({"tags": tags} if tags else {})


def is_changed(source: Path) -> bool:
    """Return whether the built notebook is missing or not that of its source."""
    built = source.with_suffix(".ipynb")
    if not (source.exists() and built.exists()):
        return True
    pair = convert(source), nbformat.read(built, as_version=4)
    ours, theirs = ([(c.id, c.metadata) for c in notebook.cells] for notebook in pair)
    return ours != theirs


def execute(notebook: NotebookNode, limit: float) -> float:
    """Execute a notebook in place, in an empty folder, and return the seconds that it took.

    Raises
    ------
    RuntimeError
        If a cell raises, or all together take longer than `limit` seconds.
    """
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as empty,
        tempfile.TemporaryDirectory() as settings,
        _environment(settings),
    ):
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout_func=lambda _: max(1, round(limit - (time.monotonic() - start))),
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": empty}},
        )
        try:
            client.execute()
        except CellTimeoutError as error:
            raise RuntimeError(f"takes longer than {limit:g} s") from error
        except (CellExecutionError, DeadKernelError) as error:
            raise RuntimeError(f"a cell fails:\n{error}") from error
    for cell in notebook.cells:
        cell.metadata = kept_metadata(cell)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = smaller(output.data["image/png"])
    notebook.metadata = nbformat.from_dict(METADATA)
    return time.monotonic() - start


def smaller(png: str) -> str:
    """Return a picture, in base64, with few colours and nothing said about who drew it."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        pale = picture.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE)
    pale.info.clear()
    out = io.BytesIO()
    pale.save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def render(notebook: NotebookNode) -> bytes:
    """Return a notebook as the content of its file."""
    nbformat.validate(notebook)
    return (nbformat.writes(notebook, indent=1).rstrip("\n") + "\n").encode()


@contextmanager
def _environment(folder: str) -> Iterator[None]:
    """One thread, no real recordings, and an empty folder for the user's kernels and settings."""
    ours = {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "JUPYTER_DATA_DIR": folder,
        "IPYTHONDIR": folder,
    }
    before = dict(os.environ)
    os.environ.update(ours)
    os.environ.pop("REFSAST_NMNIST", None)  # outputs are the same where there are recordings
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def build(source: Path, *, check: bool, limit: float = LIMIT) -> str:
    """Convert and execute one notebook, write it unless `check`, and say how it went.

    Raises
    ------
    RuntimeError
        If it fails, is too slow or too large; nothing is written then.
    """
    notebook = convert(source)
    seconds = execute(notebook, limit)
    content = render(notebook)
    if len(content) > LARGEST:
        raise RuntimeError(f"makes {len(content)} bytes, more than {LARGEST}")
    if not check:
        write_atomic(source.with_suffix(".ipynb"), content)
    slow = "" if seconds <= AIM else f", more than the {AIM:g} s it should"
    return f"{seconds:.1f} s{slow}, {len(content) // 1000} kB"


def build_apart(source: Path, options: Sequence[str]) -> bool:
    """Build one notebook in a process of its own, and return whether it came out."""
    command = [sys.executable, str(Path(__file__).resolve()), *options, str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, end="", flush=True)
    print(done.stderr, end="", file=sys.stderr, flush=True)
    return done.returncode == 0


def main(argv: Sequence[str] | None = None) -> int:
    """Build all notebooks, or those named; return 0 if every one came out, else 1."""
    parser = argparse.ArgumentParser(prog="build.py", description="Build and execute notebooks.")
    parser.add_argument("sources", nargs="*", type=Path, metavar="SOURCE", help="default: all")
    parser.add_argument("--check", action="store_true", help="execute, but write nothing")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at a time")
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f"--jobs must be positive, got {args.jobs}")
    wanted = sorted(args.sources or sources(), key=lambda source: not is_changed(source))
    if len(wanted) > 1:
        with ThreadPoolExecutor(args.jobs) as pool:
            built = pool.map(lambda s: build_apart(s, ["--check"] * args.check), wanted)
            return int(not all(list(built)))
    for source in wanted:
        try:
            print(f"{source.name}: {build(source, check=args.check)}", flush=True)
        except (RuntimeError, ValueError, OSError) as error:
            print(f"{source.name}: error: {error}", file=sys.stderr, flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
