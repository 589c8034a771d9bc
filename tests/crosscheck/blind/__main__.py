"""The command line of the blind set: ask about every kind on drawn networks, or judge the rows."""

import argparse
import json
import time
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

import refsast as rs
from tests.crosscheck.blind import faults  # noqa: F401 (registers the kinds)
from tests.crosscheck.blind.hand import Hand
from tests.crosscheck.blind.kinds import KINDS, Kind
from tests.crosscheck.blind.networks import draw_case
from tests.crosscheck.blind.truth import Truth, find_truth

LEAST = {"float64": 1e-6, "float32": 3e-3}  # what a fault has to change, of some array's norm
TRIES = 200


def draw_question(kind: Kind, number: int):
    """Return a case on which the fault shows, its dtype, its seed and what is wrong first."""
    first = zlib.crc32(kind.name.encode()) % 100_000 * 10_000 + number * TRIES
    for seed in range(first, first + TRIES):
        case, dtype = draw_case(seed, kind.needs)
        truth = find_truth(kind, case)
        if np.isfinite(truth.size) and truth.size > LEAST[dtype.name]:
            return case, dtype, seed, truth
    raise ValueError(f"{kind.name} must change an answer, got none in {TRIES} networks")


def answer_in_full(made):
    """Return a gradient that hands over states and adjoints, too, where they are of the input."""

    def answer(params, x, y):
        made.solve(params, x, y)
        grads = tuple(rs.Layer(**{k: np.asarray(a) for k, a in g.items()}) for g in made.grads)
        first = 1 if isinstance(made, Hand) else 0  # of adjoints
        u, s = ([read_array(each)[1:] for each in states] for states in (made.u, made.s))
        adjoints = [read_array(each)[first : first + len(x)] for each in made.delta]
        if any(each.shape[:2] != x.shape[:2] for each in (*u, *s, *adjoints)):
            return rs.Answer(made.value, grads)
        return rs.Answer(made.value, grads, tuple(u), tuple(s), tuple(adjoints))

    return answer


def read_array(steps) -> np.ndarray:
    """What steps hold, of PyTorch or NumPy."""
    return np.stack([np.asarray(a.detach() if hasattr(a, "detach") else a) for a in steps])


def ask(kind: Kind, number: int, full: bool = False) -> dict:
    """Return one row: what `rs.check` says of one kind on one network, `full`: of all arrays."""
    case, dtype, seed, truth = draw_question(kind, number)
    row = {
        "kind": kind.name,
        "number": number,
        "seed": seed,
        "dtype": dtype.name,
        "steps": len(case.x),
        "sizes": case.network.sizes,
        "starts": case.params[0].start is not None,
        **describe_truth(truth),
    }
    begun = time.process_time()
    try:
        made = kind.make(case.network, dtype)
        report = rs.check(answer_in_full(made) if full else made, case)
    except Exception as error:
        return {**row, "verdict": f"raised {type(error).__name__}: {error}", "seconds": 0.0}
    first = report.first
    return {
        **row,
        "seconds": time.process_time() - begun,
        "verdict": report.verdict,
        "repeated": report.repeated,
        "cause": None if report.cause is None else str(report.cause),
        "place": None if first is None else str(first.line),
        "located": None if first is None else json.loads(json.dumps(asdict(first), default=str)),
        "text": str(report),
    }


def describe_truth(truth: Truth) -> dict:
    """The truth as JSON has it."""
    return {
        "size": truth.size,
        "stage": truth.stage,
        "layer": truth.layer,
        "step": truth.step,
        "where": np.argwhere(truth.where).tolist()[:200],
        "arrays": truth.arrays,
    }


def read_rows(folder: Path) -> list[dict]:
    """The rows of a folder."""
    files = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def main() -> None:
    """Ask or judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.crosscheck.blind", description=__doc__)
    parser.add_argument("--networks", type=int, default=3, help="networks per kind")
    parser.add_argument("--out", type=Path, required=True, help="folder of the rows")
    parser.add_argument("--kinds", nargs="*", default=None, help="these kinds alone")
    parser.add_argument("--full", action="store_true", help="hand over states and adjoints, too")
    parser.add_argument("--judge", action="store_true", help="count the rows that are there")
    options = parser.parse_args()
    if options.judge:
        from tests.crosscheck.blind.judge import print_table

        print_table(read_rows(options.out))
        return
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    done = {(row["kind"], row["number"]) for row in read_rows(options.out)}
    names = options.kinds or list(KINDS)
    wanted = [(KINDS[name], n) for n in range(options.networks) for name in names]
    with (options.out / "rows.jsonl").open("a") as file:
        for kind, number in tqdm([each for each in wanted if (each[0].name, each[1]) not in done]):
            file.write(json.dumps(ask(kind, number, options.full)) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
