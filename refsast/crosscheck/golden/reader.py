"""The format of golden vectors: one ``.npz`` per case, and ``index.json`` for the set.

Rule 1: plain arrays of float64 and int64, little-endian; loading never unpickles.
Rule 2: an archive has the digest that the index says, or is not looked into.
Rule 3: the same numbers give the same bytes: nothing is compressed, no date or version written.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from refsast.arrays import Array, Integers, format_shape, require_number
from refsast.crosscheck.case import Case
from refsast.crosscheck.golden.questions import Question
from refsast.crosscheck.golden.text import EQUATIONS, update_equations
from refsast.experiment.record import decode, encode
from refsast.experiment.run_files import read_json
from refsast.files import read_npz, write_atomic, write_npz
from refsast.model.network import Network
from refsast.model.params import Layer, layer_arrays
from refsast.model.synapse import Synapse

INDEX, FORMAT, VERSION = "index.json", "refsast golden vectors", 1
QUESTION_ARRAYS = ("x", "y", "x2", "y2", "hvp.direction")  # and params
YARDSTICK = "yardstick"  # of all answers, one after the other


@dataclass(frozen=True, eq=False)
class Golden:
    """A question with its right answers.

    Attributes
    ----------
    question : Question
        What is asked.
    answers : dict of ndarray
        Right to the last bit of float64, by name.
    yardsticks : dict of ndarray
        How far rounding may move each entry, in units of one rounding.
    left_out : dict of str
        What has no answer, and why.
    """

    question: Question
    answers: dict[str, Array]
    yardsticks: dict[str, Array]
    left_out: dict[str, str]

    @property
    def name(self) -> str:
        """Of the case."""
        return self.question.case.name


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
        YARDSTICK: np.concatenate([golden.yardsticks[k].ravel() for k in golden.answers]),
    }


def _param_arrays(case: Case) -> Iterator[tuple[str, Array]]:
    for i, layer in enumerate(case.params):
        yield from ((f"params.{i}.{part}", array) for part, array in layer_arrays(layer).items())


def array_shapes(network: Network, time: int, batch: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of a case, by name; the answers come last."""
    spiking = [(time, batch, n) for n in network.sizes[1:]]
    of_x, flat = (time, batch, network.sizes[0]), (network.n_params,)
    of = {f"{i}.{part}": n for i, layer in enumerate(network.shapes) for part, n in layer.items()}
    states = {f"{kind}.{i}": n for kind in ("u", "s", "adjoints") for i, n in enumerate(spiking)}
    return {
        **{"x": of_x, "y": (batch,), "x2": of_x, "y2": (batch,), "hvp.direction": flat},
        **{f"params.{k}": n for k, n in of.items()},
        **{"loss": (), "logits": (batch, network.classes)},
        **states,
        **{f"grads.{k}": n for k, n in of.items()},
        **{"x_grad": of_x, "sam.point": flat, "sam.grads": flat, "sam.exact": flat, "hvp": flat},
    }


def write_golden(folder: Path, goldens: tuple[Golden, ...]) -> None:
    """Write a set: the archives first, the index last."""
    cases = [_write_archive(folder, golden) for golden in goldens]
    about = {"format": FORMAT, "version": VERSION, "dtype": "float64", **EQUATIONS}
    head = json.dumps({**about, "cases": []}, indent=1, allow_nan=False).removesuffix("]\n}")
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases)
    write_atomic(folder / INDEX, f"{head}\n{lines}\n]\n}}\n".encode())


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
        "update": update_equations(case),
        "steps": len(case.x),
        "batch": len(case.y),
        "rho": question.rho,
        "seed": question.seed,
        "answers": list(golden.answers),
        "left_out": golden.left_out,
        "arrays": {k: hashlib.sha256(a.tobytes()).hexdigest() for k, a in arrays.items()},
    }


def read_index(folder: Path) -> list[Mapping[str, object]]:
    """Return what the index says of each case, or say what is wrong with it."""
    content = read_json(folder / INDEX)
    if content.get("format") != FORMAT or content.get("version") != VERSION:
        got = f"{content.get('format')!r} {content.get('version')!r}"
        raise ValueError(f"{folder / INDEX} must be {FORMAT!r} {VERSION}, got {got}")
    cases = content.get("cases")
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ValueError(f"{folder / INDEX} must have a list of cases, got {type(cases).__name__}")
    return cases


def read_case(folder: Path, entry: Mapping[str, object]) -> Golden:
    """Return one case of a set, its archive held against what the index says."""
    try:
        about = _parse_entry(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        name = entry.get("name")
        raise ValueError(f"case {name!r} of {folder / INDEX} must be whole, got {error}") from error
    path = folder / f"{about.name}.npz"
    if _digest(path) != about.sha256:
        raise ValueError(f"{path} must have the SHA-256 of the index, got another")
    return _assemble(path, about, read_npz(path))


@dataclass(frozen=True)
class IndexEntry:
    """What the index says of a case, besides what is for people."""

    name: str
    sha256: str
    network: Network
    synapse: Synapse | None
    hard: bool
    steps: int
    batch: int
    rho: float
    seed: int
    answers: tuple[str, ...]
    left_out: dict[str, str]


def _parse_entry(entry: Mapping[str, object]) -> IndexEntry:
    """Read an entry of the index."""
    known = {k: entry[k] for k in IndexEntry.__dataclass_fields__}
    answers, left_out, synapse = known["answers"], known["left_out"], known["synapse"]
    network = decode(known["network"])  # pyright: ignore[reportArgumentType]
    for key, kind in (("name", str), ("hard", bool), ("steps", int), ("batch", int), ("seed", int)):
        if type(known[key]) is not kind:
            raise ValueError(f"{key} of another kind: {known[key]!r}")
    if not isinstance(network, Network) or not isinstance(answers, list):
        raise ValueError(f"network or answers of another kind: {network!r}, {answers!r}")
    if not isinstance(left_out, dict) or not isinstance(synapse, dict | None):
        raise ValueError(f"left_out or synapse of another kind: {left_out!r}, {synapse!r}")
    if Path(str(known["name"])).name != known["name"]:
        raise ValueError(f"a name that is not one of a file: {known['name']!r}")
    known["synapse"] = None if synapse is None else Synapse(**synapse)
    if not 0.0 <= require_number(known["rho"], "rho") < np.inf:
        raise ValueError(f"a radius that is none: {known['rho']!r}")
    return IndexEntry(**{**known, "network": network, "answers": tuple(map(str, answers))})  # pyright: ignore[reportArgumentType]


def _digest(path: Path) -> str:
    """The SHA-256 of a file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{path} must be readable, got {error.strerror}") from error


def _assemble(path: Path, about: IndexEntry, arrays: Mapping[str, Array]) -> Golden:
    """Put a case together from its arrays, each checked."""
    shapes = array_shapes(about.network, about.steps, about.batch)
    sizes = [int(np.prod(shapes.get(k, ()))) for k in about.answers]
    shapes[YARDSTICK] = (sum(sizes),)
    asked = [k for k in shapes if k in QUESTION_ARRAYS or k.startswith("params.")]
    found = {k: require_array(arrays, k, shapes, path) for k in (*asked, *about.answers, YARDSTICK)}
    pieces = np.split(found[YARDSTICK], np.cumsum(sizes)[:-1])
    yardsticks = {
        k: piece.reshape(shapes[k]) for k, piece in zip(about.answers, pieces, strict=True)
    }
    layers = enumerate(about.network.shapes)
    params = tuple(Layer(**{k: found[f"params.{i}.{k}"] for k in layer}) for i, layer in layers)
    case = Case(
        about.network, params, found["x"], require_labels(found["y"], path),
        about.synapse, about.hard, name=about.name,
    )  # fmt: skip
    second = replace(case, x=found["x2"], y=require_labels(found["y2"], path))
    question = Question(case, second, found["hvp.direction"], about.rho, about.seed)
    answers = {k: found[k] for k in about.answers}
    return Golden(question, answers, yardsticks, dict(about.left_out))


def require_array(
    arrays: Mapping[str, Array], name: str, shapes: Mapping[str, tuple[int, ...]], path: Path
) -> Array:
    """Return an array of an archive in the shape it must have, or say what is wrong with it."""
    if name not in shapes:
        raise ValueError(f"{path} must hold arrays among {', '.join(shapes)}, got {name}")
    if name not in arrays:
        raise ValueError(f"{path} must hold {name}, got none of that name")
    array = arrays[name]
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} of {path} must hold real numbers, got dtype {array.dtype}")
    if array.dtype == np.float16:
        raise ValueError(f"{name} of {path} must be float32 or float64, got float16")
    if array.shape != shapes[name]:
        wanted, got = format_shape(shapes[name]), format_shape(array.shape)
        raise ValueError(f"{name} of {path} must have shape {wanted}, got {got}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} of {path} must be finite, got {array[where]} at {where}")
    return array


def require_labels(y: Array, path: Path) -> Integers:
    """The labels, which are integers."""
    if y.dtype != np.int64:
        raise ValueError(f"y of {path} must be of int64, got {y.dtype}")
    return y  # pyright: ignore[reportReturnType]
