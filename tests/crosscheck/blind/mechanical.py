"""Faults that nobody has thought of: every small change of the hand-written network, one by one.

    python -m tests.crosscheck.blind.mechanical --out FOLDER [--networks N] [--full]

A change is one of `tests.mutations`, or another step, variable or slice. What gives the numbers of
another change, of the right network, or none, is left out. A cause is true if it foretells what the
changed network answers to other weights and inputs; a place, if it is the one that was measured.
"""

import argparse
import ast
import json
import time
import types
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.compare import examine
from refsast.crosscheck.diagnose.causes import explain_answer
from tests.crosscheck.blind import hand
from tests.crosscheck.blind.__main__ import LEAST, answer_in_full, describe_truth, read_rows
from tests.crosscheck.blind.judge import judge_place
from tests.crosscheck.blind.kinds import Kind
from tests.crosscheck.blind.networks import draw_case
from tests.crosscheck.blind.truth import Truth, find_truth
from tests.mutations import Mutant, mutants, replacements
from tests.targets import Target

METHODS = (
    "forward", "run_layer", "passed", "current", "carried", "alpha", "pooled", "read", "loss",
    "backward", "read_back", "back_alpha", "readout_sums", "adjoints", "slope", "reset_u",
    "reset_s", "feedback", "sums", "below", "softmax", "sigma", "dsigma",
)  # fmt: skip
OTHERS = {"u": "s", "s": "u", "leak": "theta", "theta": "leak", "kappa": "gain", "gain": "kappa"}
VARIABLES = {"delta": "down", "down": "delta", "u": "s", "s": "u", "leak": "theta", "theta": "leak"}
TELLING, TRIES = 12, 120  # networks on which changes are told apart, and tried for one that shows
FORETOLD = 2  # questions of other weights and inputs


def other_things(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what may stand in place of an expression: also another step, variable or slice."""
    yield from replacements(node)
    if isinstance(node, ast.Subscript) and getattr(node.slice, "id", None) == "t":
        for op in (ast.Sub(), ast.Add()):
            yield ast.Subscript(node.value, ast.BinOp(node.slice, op, ast.Constant(1)))
    if isinstance(node, ast.Attribute) and node.attr in OTHERS:
        yield ast.Attribute(node.value, OTHERS[node.attr], node.ctx)
    if isinstance(node, ast.Name) and node.id in VARIABLES:
        yield ast.Name(VARIABLES[node.id], node.ctx)
    if isinstance(node, ast.Slice) and node.upper is None and node.lower is not None:
        yield ast.Slice(upper=ast.UnaryOp(ast.USub(), node.lower))


def make_kind(mutant: Mutant) -> Kind:
    """Return a mutant of the network by hand as a kind of fault."""
    module = types.ModuleType("changed")
    exec(compile(mutant.text, "changed", "exec"), module.__dict__)
    own = {k: v for k, v in vars(module.Hand).items() if isinstance(v, types.FunctionType)}
    name = f"{mutant.line}: {mutant.change}"
    return Kind(name, type("Changed", (hand.Hand,), own), "", "gradient", "", "", listed=False)


def all_kinds() -> Iterator[Kind]:
    """Yield every mutant as a kind of fault."""
    path = Path(hand.__file__).relative_to(Path(__file__).resolve().parents[3])
    yield from map(make_kind, mutants(Target(str(path), METHODS, ()), other_things))


def distinct_kinds() -> list[Kind]:
    """Return the mutants that run and change an answer, of those of the same numbers the first."""
    found: dict[bytes, Kind] = {}
    for kind in all_kinds():
        numbers = b"".join(_numbers(kind.make, seed) for seed in range(TELLING))
        if numbers.strip(b"-"):
            found.setdefault(numbers, kind)
    right = b"".join(_numbers(hand.Hand, seed) for seed in range(TELLING))
    return [kind for numbers, kind in found.items() if numbers != right]


@cache
def _telling_case(seed: int) -> Case:
    return draw_case(seed + 5)[0]


def _numbers(make: Callable, seed: int) -> bytes:
    """Loss and gradients of a network to seven digits; "-" where it cannot be run."""
    case = _telling_case(seed)
    try:
        with np.errstate(all="ignore"):
            loss, grads = make(case.network, np.dtype(np.float64))(case.params, case.x, case.y)
        values = [loss, *(a for layer in grads for a in layer.values())]
        shapes = [a.shape for p in case.params for a in vars(p).values() if a is not None]
        flat = np.concatenate([np.ravel(a) for a in values])
        if not np.isfinite(flat).all() or [np.shape(a) for a in values[1:]] != shapes:
            return b"-"
    except Exception:  # whatever the change breaks
        return b"-"
    return " ".join(f"{v:.6e}" for v in flat).encode()


def draw_question(kind: Kind, number: int):
    """Return a case on which the change shows, its dtype and what is wrong first; None: none."""
    for seed in range(number * TRIES, (number + 1) * TRIES):
        case, dtype = draw_case(seed + 10_000)
        try:
            with np.errstate(all="ignore"):
                truth = find_truth(kind, case)
        except Exception:
            continue
        if np.isfinite(truth.size) and LEAST[dtype.name] < truth.size < 1e6:
            return case, dtype, truth
    return None


def foretells(kind: Kind, case: Case, dtype: np.dtype) -> str:
    """Whether the cause foretells what is answered to other weights and inputs, in one word."""
    gradient = kind.make(case.network, dtype)
    explanation, cause = explain_answer(gradient, examine(gradient, case))
    if not cause.exact or explanation is None:
        return "unknown"
    rng = np.random.default_rng(1)
    for _ in range(FORETOLD):
        params = tuple(
            rs.Layer(**{
                name: None if a is None else a * rng.uniform(0.7, 1.4, a.shape)
                for name, a in vars(layer).items()
            })
            for layer in case.params
        )  # fmt: skip
        asked = replace(case, params=params, x=case.x * rng.uniform(0.7, 1.4, case.x.shape))
        try:
            got = examine(kind.make(case.network, dtype), asked).got
        except ValueError:  # no number there
            continue
        told = explanation(asked)
        if not told or not any(_are_one(got, each, dtype) for each in told):
            return "FALSE"
    return "foretold"


def _are_one(got, told, dtype: np.dtype) -> bool:
    """Whether loss and gradients are the same, to a thousand roundings of what they are made of."""
    near = 1e3 * np.finfo(dtype).eps * (10.0 if dtype == np.float32 else 1e3)
    a, b = rs.flatten(got.grads), rs.flatten(told.grads)
    off = np.linalg.norm(a - b) <= near * max(np.linalg.norm(a), np.linalg.norm(b))
    return bool(off and abs(got.loss - told.loss) <= near * max(abs(told.loss), 1e-3))


def ask(kind: Kind, number: int, full: bool) -> dict | None:
    """Return one row: what `rs.check` says of one change on one network."""
    question = draw_question(kind, number)
    if question is None:
        return None
    case, dtype, truth = question
    row = {"kind": kind.name, "number": number, "dtype": dtype.name, "steps": len(case.x),
           "sizes": case.network.sizes, **describe_truth(truth)}  # fmt: skip
    begun = time.process_time()
    made = kind.make(case.network, dtype)
    try:
        with np.errstate(all="ignore"):
            report = rs.check(answer_in_full(made) if full else made, case)
    except ValueError as error:  # no number
        return {**row, "seconds": 0.0, "verdict": "refused", "text": str(error)}
    row |= {"seconds": time.process_time() - begun, "verdict": report.verdict, "text": str(report)}
    if report.verdict != "DISAGREES" or report.first is None:
        return row
    first = report.first
    row["located"] = {
        "what": first.what, "layer": first.layer, "time": first.time,
        "recording": first.recording, "neuron": first.neuron, "how": first.how,
    }  # fmt: skip
    row["place"] = _judge_place(row, truth)
    with np.errstate(all="ignore"):
        return {**row, "cause": foretells(kind, case, dtype)}


def _judge_place(row: dict, truth: Truth) -> str:
    """As of the blind set; the readout's way back is also seen in the first wrong adjoint."""
    found = row["located"]
    if truth.stage == "loss or readout" and truth.layer > 0 and found["what"] == "adjoint":
        found = {**found, "recording": None}
        row = {**row, "stage": "adjoint", "located": found}
    return judge_place({**row, "loss_right": False})


def print_table(rows: list[dict]) -> None:
    """Print the shares of verdicts, causes and places, and what is false or wrong."""
    told = [row for row in rows if row["verdict"] == "DISAGREES"]
    for what in ("verdict", "cause", "place"):
        values = [row.get(what) for row in (rows if what == "verdict" else told)]
        counts = {value: values.count(value) for value in dict.fromkeys(values)}
        shares = (f"{k} {n} ({n / max(len(values), 1):.1%})" for k, n in counts.items())
        print(f"{what}: {', '.join(shares)}")
    seconds = np.quantile([row["seconds"] for row in rows], (0.5, 0.9, 1.0))
    print("seconds: median {:.2f}, 90 % {:.1f}, at most {:.1f}".format(*seconds))
    for row in rows:
        if row["verdict"] == "agrees" or {"FALSE", "WRONG"} & {row.get("cause"), row.get("place")}:
            truth = f"{row['stage']} {row['layer']} {row['step']}"
            print(f"\n{row['kind']} (it is {truth})\n{row['text']}")


def main() -> None:
    """Ask about every change, or judge what was answered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1, help="networks per change")
    parser.add_argument("--out", type=Path, required=True, help="folder of the rows")
    parser.add_argument("--full", action="store_true", help="hand over states and adjoints, too")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="which of how many")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    part, parts = options.part
    done = {(row["kind"], row["number"]) for row in read_rows(options.out)}
    # In any order, so that a run that is stopped has asked a fair share.
    kinds = sorted(distinct_kinds(), key=lambda kind: zlib.crc32(kind.name.encode()))[part::parts]
    with (options.out / f"rows{part}.jsonl").open("a") as file:
        for kind, number in tqdm([(k, n) for n in range(options.networks) for k in kinds]):
            if (kind.name, number) not in done and (row := ask(kind, number, options.full)):
                file.write(json.dumps(row) + "\n")
                file.flush()
    print_table(read_rows(options.out))


if __name__ == "__main__":
    main()
