"""Write what follows from the claims into the pages: ``python -m tools.theory``.

The statements in docs/theory.md stand between markers, one block for each section, and are those of
``python -m proofs_check --list``; docs/figures/claims.png shows which claim's proof uses which.
"""

import re
import textwrap
from pathlib import Path

from proofs_check.commands import format_statement
from proofs_check.register import REGISTER
from proofs_check.report import dependency_figure

DOCS = Path(__file__).resolve().parents[1] / "docs"
BLOCK = re.compile(r"(<!-- claims (\d) -->\n).*?(\n<!-- end of claims -->)", flags=re.S)


def fill_statements(page: str) -> str:
    """Return the page with the statements of each section between its markers."""
    return BLOCK.sub(lambda m: f"{m[1]}```text\n{section_text(m[2])}\n```{m[3]}", page)


def section_text(number: str) -> str:
    """Return the statements of one section of the theory, in lines of at most 100 characters."""
    lines = [
        textwrap.fill(line, 100, subsequent_indent="    ")
        for trial in REGISTER
        if trial.label[0] == number
        for line in (*format_statement(trial).splitlines(), "")
    ]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    path = DOCS / "theory.md"
    path.write_text(fill_statements(path.read_text(encoding="utf-8")), encoding="utf-8")
    dependency_figure([trial.claim for trial in REGISTER]).savefig(
        DOCS / "figures" / "claims.png", dpi=96
    )
