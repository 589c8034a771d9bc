"""The theory: each claim with what was proved and tested, its proof, and which rests on which."""

import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from proofs_check import register
from proofs_check.claim import Claim
from proofs_check.draws import Trial
from proofs_check.register import CLAIMS_BY_LABEL, REGISTER
from proofs_check.report import dependency_figure

BLOCK = re.compile(r"<!-- claims (\d) -->\n.*?\n<!-- end of claims -->", flags=re.S)
# The modules of the theory, in order; their docstrings hold the proofs.
MODULES = tuple(module.__name__.rpartition(".")[2] for module in register.MODULES)
CARD = """({anchor})=
:::{{div}} claim
**{label}: {title}**

{statement}

{{.tested}}
*If:* {conditions}. *Source:* {source}.{uses}

{{.tested}}
Proved [by hand](../proofs/{module}.md), tested on {held} instances,
best ratio [{best}](theorems.md).
:::
"""
TABLE_ROW = re.compile(
    r"^\| (\S+) \| [^|]+ \| ([\d,]+) \| (\d+) \| [^|]+ \| ([^|]+) \|$", flags=re.M
)
FORMULAS = tomllib.loads(Path(__file__).with_name("formulas.toml").read_text(encoding="utf-8"))
PROOF = """# {title}

The statements are in the [theory](../docs/theory.md). This is the docstring of
`proofs_check/claims/{module}.py`, whose claims are tested by running them.

````text
{text}
````
"""
TABLE = """# All claims

Each claim is proved by hand and tested by running it. *Tested*: on how many instances all
hypotheses held, and the claim, too. *Best ratio*: measured over bound at the worst instance that a
search found; at 1 the bound is attained ([theorems](theorems.md)).

| claim | about | proved | tested | best ratio |
|---|---|---|---|---|
{rows}

![An arrow leads from a claim to each claim whose proof uses it](figures/claims.svg)

```{{toctree}}
:hidden:

{proofs}
```
"""


def escape(text: str) -> str:
    """Text in which nothing is markup, but that code between backticks stays code."""
    parts = re.split(r"(`+[^`]+`+)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([!-/:-@\[-^_{-~])", r"\\\1", part)
        for part in parts
    )


def fill_claims(root: Path, page: str) -> str:
    """Return the page of theory with the claims of each section between its markers."""
    tested = read_verdicts(root)
    return BLOCK.sub(
        lambda m: "\n".join(
            claim_card(trial, tested[trial.label]) for trial in REGISTER if trial.label[0] == m[1]
        ),
        page,
    )


def read_verdicts(root: Path) -> dict[str, tuple[str, str]]:
    """Return of each claim how many instances held and the best ratio, as docs/theorems.md says."""
    rows = TABLE_ROW.findall((root / "docs/theorems.md").read_text(encoding="utf-8"))
    return {label: (held, best.strip()) for label, held, _, best in rows}


def claim_card(trial: Trial, tested: tuple[str, str]) -> str:
    """Return what is known of a claim, as Markdown."""
    claim = trial.claim
    held, best = tested
    return CARD.format(
        anchor=anchor(claim.label),
        label=claim.label,
        title=escape(claim.title),
        statement=formula(claim),
        conditions=conditions(claim),
        source=escape(claim.source),
        uses=relations(claim),
        module=proof_page(claim),
        held=held,
        best=best,
    )


def proof_page(claim: Claim) -> str:
    """Return the name of the page that holds the proof of a claim."""
    return register.proof_module(claim).__name__.rpartition(".")[2]


def formula(claim: Claim) -> str:
    """Return what a claim says, in LaTeX; ValueError where it said something else at the time."""
    written = FORMULAS["claims"][claim.label]
    if written["digest"] != digest(claim):
        raise ValueError(
            f"the formula of {claim.label} must be of its statement, got one of another: "
            f"write it anew in formulas.toml, with digest {digest(claim)}"
        )
    return written["text"].strip()


def digest(claim: Claim) -> str:
    """Return what changes with the statement of a claim."""
    return sha256(claim.statement.encode()).hexdigest()[:8]


def conditions(claim: Claim) -> str:
    """Return the hypotheses of a claim in one line, in LaTeX where there is one."""
    known = FORMULAS["conditions"]
    texts = [known.get(h.condition) or escape(h.condition) for h in claim.hypotheses]
    return "; ".join(texts) or "nothing more"


def anchor(label: str) -> str:
    """Return where a claim stands on its page."""
    return f"claim-{label}"


def relations(claim: Claim) -> str:
    """Return what a claim's proof rests on, and which proofs rest on the claim, as links."""
    used_by = [trial.label for trial in REGISTER if claim.label in trial.claim.uses]
    pairs = (("Rests on", claim.uses), ("Used by", used_by))
    return "".join(
        f" *{what}:* {', '.join(f'[{label}](#{anchor(label)})' for label in labels)}."
        for what, labels in pairs
        if labels
    )


def claim_pages(root: Path) -> Iterator[tuple[str, str]]:
    """Each page that is written from the claims: the proofs, and the table of all claims."""
    for module in MODULES:
        proof = inspect.getdoc(importlib.import_module(f"proofs_check.claims.{module}")) or ""
        title, _, text = proof.partition("\n\n")
        yield (
            f"proofs/{module}.md",
            PROOF.format(
                title=escape(title.replace("THEORY", "Proofs").rstrip(".")),
                module=module,
                text=text,
            ),
        )
    yield "docs/claims.md", claim_table(root)


def claim_table(root: Path) -> str:
    """Return the page with one row per claim."""
    tested = read_verdicts(root)
    rows = [
        f"| [{trial.label}](theory.md#{anchor(trial.label)}) | {escape(trial.claim.title)} | "
        f"[by hand](../proofs/{proof_page(trial.claim)}.md) | {tested[trial.label][0]} | "
        f"{tested[trial.label][1]} |"
        for trial in REGISTER
    ]
    return TABLE.format(rows="\n".join(rows), proofs="\n".join(f"../proofs/{m}" for m in MODULES))


def draw_graph(path: Path) -> None:
    """Draw which claim rests on which."""
    figure = dependency_figure([trial.claim for trial in CLAIMS_BY_LABEL.values()])
    figure.savefig(path, metadata={"Date": None})
