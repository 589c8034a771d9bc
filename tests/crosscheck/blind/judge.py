"""What is true of the rows: verdicts, causes by rules of words, places by what was measured."""

import re
from collections import Counter, defaultdict

import numpy as np

from tests.crosscheck.blind import rules, rules_common, rules_porting, rules_usual
from tests.crosscheck.blind.kinds import KINDS
from tests.crosscheck.blind.networks import draw_case
from tests.crosscheck.blind.truth import find_truth

TRUE = rules.TRUE | rules_common.TRUE | rules_porting.TRUE | rules_usual.TRUE
EQUAL = rules.EQUAL | rules_common.EQUAL | rules_porting.EQUAL | rules_usual.EQUAL
ALSO = "; the same numbers on this case: "
EITHER = "causes of the same numbers lie at "
NAMES = {  # what a report calls each stage
    "state": ("state", "potential", "spike"),
    "adjoint": ("adjoint",),
    "loss or readout": ("loss", "readout", "logits"),
    "gradient": ("grad", "sum", "gradient"),
}


def judge_verdict(row: dict) -> str:
    """Agrees, undecided, DISAGREES, or an error."""
    verdict = row["verdict"]
    return verdict if verdict in ("agrees", "undecided", "DISAGREES") else "raised"


def judge_cause(row: dict) -> str:
    """Return true, equal (other words for the same numbers, see `rules`), unknown or FALSE.

    What no rule of its kind calls true is FALSE until somebody has looked at it.
    """
    cause = row.get("cause")
    if KINDS[row["kind"]].place == "" and cause is None:
        return "true" if row.get("repeated") is False else "unknown"  # all that can be said
    if cause is None or cause.startswith("no known cause"):
        return "unknown"
    main, _, also = cause.partition(ALSO)
    if any(re.search(rule, main) for rule in TRUE.get(row["kind"], ())):
        return "true"
    if any(re.search(rule, also) for rule in TRUE.get(row["kind"], ())):
        return "true"
    if any(re.search(rule, cause) for rule in EQUAL.get(row["kind"], ())):
        return "equal"
    return "FALSE"


def judge_place(row: dict) -> str:
    """Return right, one of those named, not known or WRONG: layer and step have to be as measured.

    Programs of the same numbers, such as a factor on the loss's gradient and on all gradients that
    are finished, cannot be told apart from outside; of those a report names the places.

    A fault of the readout's way back is first seen in the first wrong adjoint of the highest layer,
    and may be called either; one of the sums has no layer or step that counts.
    """
    found = row.get("located")
    if found is None:
        return "not known"
    what = found["what"]
    if what == "not known":
        either = [read_place(text) for text in found["how"].partition(EITHER)[2].split("; or ")]
        hits = [judge_place({**row, "located": one}) == "right" for one in either if one]
        return "one of those named" if any(hits) else "not known"
    stage = row["stage"]
    if stage == "loss or readout" and what == "adjoint" and row["loss_right"]:
        kind = KINDS[row["kind"]]  # rows once had no place of the first wrong adjoint
        truth = find_truth(kind, draw_case(row["seed"], kind.needs)[0])
        return "right" if _one_of(found, (truth.layer,), (truth.step, None)) else "WRONG"
    if not any(what.startswith(name) for name in NAMES[stage]):
        return "WRONG"
    if stage in ("state", "adjoint"):
        if not _one_of(found, (row["layer"],), (row["step"], None)):
            return "WRONG"
        place = [found["recording"], found["neuron"]]
        whole = None in place or found["time"] is None
        return "right" if whole or place in row["where"] else "WRONG"
    return "right"


def read_place(text: str) -> dict | None:
    """A place of several that a report names, as that of one alone is written down."""
    what = re.match("(state|loss or readout|adjoint|gradient)", text)
    if not what:
        return None
    numbers = {k: int(n) - 1 for k, n in re.findall(r"(layer|step|recording|neuron) (\d+)", text)}
    parts = ("layer", "recording", "neuron")
    return {"what": what[0], "time": numbers.get("step"), **{k: numbers.get(k) for k in parts}}


def _one_of(found: dict, layers: tuple, steps: tuple) -> bool:
    """Whether layer and step, from 0 or None, are among these, from 1 or None."""
    layer = None if found["layer"] is None else found["layer"] + 1
    step = None if found["time"] is None else found["time"] + 1
    return (layer is None or layer in layers) and step in (*steps, None)


def judge(row: dict) -> dict:
    """Return the row with its judgements."""
    loss_right = "  loss                 agrees" in row.get("text", "")
    row = {**row, "loss_right": loss_right}
    verdict = judge_verdict(row)
    if verdict != "DISAGREES":
        return {**row, "judged": (verdict, "", "")}
    return {**row, "judged": (verdict, judge_cause(row), judge_place(row))}


def print_table(rows: list[dict]) -> None:
    """Print the shares, then kinds by how often they are named, then what is false or wrong."""
    rows = [judge(row) for row in rows]
    _print_shares("all kinds", rows)
    _print_shares(
        "kinds that docs/crosscheck.md names", [r for r in rows if KINDS[r["kind"]].listed]
    )
    _print_shares("other kinds", [r for r in rows if not KINDS[r["kind"]].listed])
    _print_shares("no initial states", [r for r in rows if not r["starts"]])
    _print_shares("initial states", [r for r in rows if r["starts"]])
    by_kind = defaultdict(Counter)
    for row in rows:
        by_kind[row["kind"]][row["judged"][1] or row["judged"][0]] += 1
    print("\nkinds of which some row is not named truly:")
    for name, counts in sorted(by_kind.items(), key=lambda each: (each[1]["true"], each[0])):
        if set(counts) - {"true", "equal"}:
            print(f"  {name:22} {dict(counts)}")
    print("\nFALSE causes, WRONG places, what agrees or raised:")
    for row in rows:
        if {"FALSE", "WRONG", "agrees", "raised"} & set(row["judged"]):
            truth = f"{row['stage']} {row['layer']} {row['step']}"
            print(f"  {row['kind']} {row['number']} {row['judged']}: {row.get('cause')}")
            print(f"      {row.get('place')} (it is {truth}; {row['verdict'][:200]})")


def _print_shares(name: str, rows: list[dict]) -> None:
    verdicts = Counter(row["judged"][0] for row in rows)
    told = [row for row in rows if row["judged"][0] == "DISAGREES"]
    causes = Counter(row["judged"][1] for row in told)
    places = Counter(row["judged"][2] for row in told)
    print(f"{name}: {len(rows)} rows, {dict(verdicts)}")
    for title, counts in (("cause", causes), ("place", places)):
        shares = ", ".join(f"{k} {v} ({v / max(len(told), 1):.1%})" for k, v in counts.items())
        print(f"  {title}: {shares}")
    if rows:
        seconds = np.quantile([row["seconds"] for row in rows], (0.5, 0.9, 1.0))
        print("  seconds: median {:.2f}, 90 % {:.1f}, at most {:.1f}".format(*seconds))
