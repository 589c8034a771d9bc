"""Inventories of other projects for intersphinx, from the table others.toml: nothing is fetched."""

import tomllib
import zlib
from pathlib import Path

OTHERS = tomllib.loads(Path(__file__).with_name("others.toml").read_text(encoding="utf-8"))
HEAD = "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# Compressed using zlib.\n"


def write_inventories(folder: Path) -> None:
    """Write one inventory per project into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for project, names in OTHERS.items():
        lines = "".join(f"{name} {role} 1 {at} -\n" for name, (role, at) in names.items())
        data = HEAD.format(project).encode() + zlib.compress(lines.encode())
        (folder / f"{project}.inv").write_bytes(data)
