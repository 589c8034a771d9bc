"""What the tests of golden files share: archives read, changed and written."""

import hashlib
import json
from pathlib import Path

import numpy as np

from refsast.crosscheck.golden.reader import INDEX

ONE = "to-zero"  # the first case, on which damage is done


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def rewrite_index(folder: Path, change, *, sealed: bool = False) -> None:
    """Change the index; seal: with the digest of the first archive as it is now."""
    path = folder / INDEX
    content = json.loads(path.read_text())
    if sealed:
        digest = hashlib.sha256((folder / f"{ONE}.npz").read_bytes()).hexdigest()
        content["cases"][0]["sha256"] = digest
    change(content)
    path.write_text(json.dumps(content))


def rewrite_arrays(**more: object):
    """Write an archive again with some arrays in place of its own; None: without."""

    def change(path: Path) -> None:
        arrays = {**read_arrays(path), **more} if path.exists() else more
        np.savez(path, **{k: a for k, a in arrays.items() if a is not None})  # pyright: ignore

    return change


def write_answer(folder: Path, name: str, arrays: dict) -> Path:
    folder.mkdir(exist_ok=True)
    np.savez(folder / f"{name}.npz", **arrays)
    return folder
