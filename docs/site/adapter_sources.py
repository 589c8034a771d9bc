"""The code of the adapters is shown without importing them: each would need its framework."""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = "refsast.crosscheck.adapters."


def find_source(app: Sphinx, module: str) -> tuple[str, dict] | None:
    """Return the code of an adapter, and where in it each name is defined; else nothing."""
    if not module.startswith(ADAPTERS):
        return None
    path = ROOT / f"{module.replace('.', '/')}.py"
    code = path.read_text(encoding="utf-8")
    return code, ModuleAnalyzer.for_string(code, module, str(path)).find_tags()


def find_home(app: Sphinx, module: str | None, name: str) -> str | None:
    """Return that a name of an adapter is its own, if it is one of an adapter."""
    return module if (module or "").startswith(ADAPTERS) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it."""
    app.connect("viewcode-find-source", find_source)
    app.connect("viewcode-follow-imported", find_home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
