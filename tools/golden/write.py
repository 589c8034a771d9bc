"""Compute the golden set and write it in the format of `refsast.crosscheck.golden.reader`."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.case import Case
from refsast.crosscheck.golden.reader import FORMAT, INDEX, VERSIONS, YARDSTICK, Golden
from refsast.experiment.record import encode
from refsast.files import write_atomic, write_npz
from refsast.model.network import describe_extension
from refsast.model.params import layer_arrays
from tools.golden.answers import compute_answers, omissions
from tools.golden.digits import errors, values
from tools.golden.equations import EQUATIONS, update_equations
from tools.golden.extended_answers import compute_extended
from tools.golden.extended_equations import EXTENDED_EQUATIONS, extended_updates
from tools.golden.questions import SPECS, Spec, draw_question


def compute_golden(spec: Spec) -> Golden:
    """Return a question with its right answers, computed."""
    question = draw_question(spec)
    compute = compute_extended if describe_extension(spec.network) else compute_answers
    exact = compute(question)
    answers = {name: values(array) for name, array in exact.items()}
    bounds = {name: errors(array) for name, array in exact.items()}
    return Golden(question, answers, bounds, omissions(question.case))


def generate(folder: Path, specs: tuple[Spec, ...] = SPECS) -> None:
    """Compute a set and write it; the same specs give the same bytes on every machine."""
    write_golden(folder, tuple(map(compute_golden, specs)))


def golden_arrays(golden: Golden) -> dict[str, Array | Integers]:
    """Return everything that goes into the archive, by name."""
    question, case = golden.question, golden.question.case
    return {
        "x": case.x,
        "y": case.y,
        "x2": question.second.x,
        "y2": question.second.y,
        **dict(_param_arrays(case)),
        "hvp.direction": question.direction,
        **golden.answers,
        YARDSTICK: np.concatenate([golden.error_bounds[k].ravel() for k in golden.answers]),
    }


def _param_arrays(case: Case) -> Iterator[tuple[str, Array]]:
    for i, layer in enumerate(case.params):
        yield from ((f"params.{i}.{part}", array) for part, array in layer_arrays(layer).items())


def write_golden(folder: Path, goldens: tuple[Golden, ...]) -> None:
    """Write a set: the archives first, the index last."""
    cases = [_write_archive(folder, golden) for golden in goldens]
    plain = not any(map(_is_extended, goldens))
    version, equations = (VERSIONS[0], EQUATIONS) if plain else (VERSIONS[1], EXTENDED_EQUATIONS)
    about = {"format": FORMAT, "version": version, "dtype": "float64", **equations}
    head = json.dumps({**about, "cases": []}, indent=1, allow_nan=False).removesuffix("]\n}")
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases)
    write_atomic(folder / INDEX, f"{head}\n{lines}\n]\n}}\n".encode())


def _is_extended(golden: Golden) -> bool:
    """Whether a case is beyond dense LIF layers."""
    return bool(describe_extension(golden.question.case.network))


def _write_archive(folder: Path, golden: Golden) -> dict[str, object]:
    """Write one archive; what the index says of it."""
    question, case = golden.question, golden.question.case
    file, arrays = f"{golden.name}.npz", golden_arrays(golden)
    write_npz(folder / file, arrays)
    return {
        "name": golden.name,
        "file": file,
        "sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest(),
        "network": encode(case.network),
        "synapse": None if case.synapse is None else asdict(case.synapse),
        "hard": case.hard,
        "update": extended_updates(case) if _is_extended(golden) else update_equations(case),
        "steps": len(case.x),
        "batch": len(case.y),
        "rho": question.rho,
        "seed": question.seed,
        "answers": list(golden.answers),
        "left_out": golden.left_out,
        "arrays": {k: hashlib.sha256(a.tobytes()).hexdigest() for k, a in arrays.items()},
    }
