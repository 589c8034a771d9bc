"""The golden sets that ship, and their format: an ``.npz`` per case, ``index.json`` for a set.

An implementer needs no refsast: the files are plain arrays and JSON, and docs/golden.md says how to
read them. What is in them was computed in fifty digits by ``python -m tools.golden`` and rounded to
float64 once, at the end: an entry is the float64 nearest to the exact number.

Rule 1: plain arrays of float64 and int64, little-endian; loading never unpickles.
Rule 2: an archive whose digest is not the one in the index is not opened.
Rule 3: the same numbers give the same bytes: nothing is compressed, no date or version written.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from refsast.arrays import Array, Integers, require_number
from refsast.crosscheck.case import Case
from refsast.crosscheck.foreign_arrays import require_real_array
from refsast.experiment.record import decode
from refsast.experiment.run_files import read_json
from refsast.files import read_npz, write_atomic
from refsast.model.network import Network
from refsast.model.params import Layer
from refsast.model.synapse import Synapse

SHIPPED_SET = Path(__file__).parent / "set"  # dense LIF layers
EXTENDED_SET = Path(__file__).parent / "extended"  # what is beyond them
INDEX, FORMAT = "index.json", "refsast golden vectors"
VERSIONS = (1, 2)  # of a set of dense LIF layers, and of one with more
QUESTION_ARRAYS = ("x", "y", "x2", "y2", "hvp.direction")  # and params
YARDSTICK = "yardstick"  # the archive's name for the error bounds of all answers, one vector


@dataclass(frozen=True, eq=False)
class Question:
    """What an implementation is asked: a case, and what SAM and the Hessian need besides.

    Attributes
    ----------
    case : Case
        Network, parameters and the first minibatch.
    second : Case
        The same with the second, independent minibatch.
    direction : (p,) array
        What the Hessian is multiplied with.
    rho : float
        Radius of SAM's ball.
    seed : int
        What all of it was drawn from.
    """

    case: Case
    second: Case
    direction: Array
    rho: float
    seed: int


@dataclass(frozen=True, eq=False)
class Golden:
    """A question with its right answers.

    Attributes
    ----------
    question : Question
        What is asked.
    answers : dict of ndarray
        Right to the last bit of float64, by name.
    error_bounds : dict of ndarray
        How far rounding may move each entry, in units of one rounding.
    left_out : dict of str
        What has no answer, and why.
    """

    question: Question
    answers: dict[str, Array]
    error_bounds: dict[str, Array]
    left_out: dict[str, str]

    @property
    def name(self) -> str:
        """Of the case."""
        return self.question.case.name


def array_shapes(network: Network, time: int, batch: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of a case, by name; the answers come last."""
    states = [(time, batch, n) for n in network.sizes[1:]]
    x_shape, flat = (time, batch, network.sizes[0]), (network.n_params,)
    weights = {
        f"{i}.{part}": shape
        for i, layer in enumerate(network.shapes)
        for part, shape in layer.items()
    }
    return {
        **{"x": x_shape, "y": (batch,), "x2": x_shape, "y2": (batch,), "hvp.direction": flat},
        **{f"params.{k}": shape for k, shape in weights.items()},
        **{"loss": (), "logits": (batch, network.classes)},
        **{f"{k}.{i}": shape for k in ("u", "s", "adjoints") for i, shape in enumerate(states)},
        **{f"grads.{k}": shape for k, shape in weights.items()},
        **{"x_grad": x_shape, "sam.point": flat, "sam.grads": flat, "sam.exact": flat, "hvp": flat},
    }


def export(folder: str | Path, source: Path = SHIPPED_SET) -> None:
    """Copy a set that ships: the archives first, the index last.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    source : path
        Which: `SHIPPED_SET` or `EXTENDED_SET`.

    Raises
    ------
    ValueError
        If the folder cannot be written, or holds other files under these names.
    """
    shipped = {path.name: path.read_bytes() for path in source.iterdir()}
    for name, content in shipped.items():
        target = Path(folder) / name
        if target.exists() and not (target.is_file() and target.read_bytes() == content):
            raise ValueError(f"folder must hold nothing else under the set's names, got {target}")
    for name in sorted(shipped, key=lambda name: name == INDEX):
        write_atomic(Path(folder) / name, shipped[name])


def read_golden(folder: str | Path = SHIPPED_SET) -> tuple[Golden, ...]:
    """Return a golden set, every archive held against its digest.

    Parameters
    ----------
    folder : path
        Where `export` wrote to; default: the set that ships.

    Returns
    -------
    tuple of Golden
        One per case, in the order of the index.

    Raises
    ------
    ValueError
        If a file is missing or damaged, or holds anything but what it must.
    """
    folder = Path(folder)
    return tuple(read_case(folder, entry) for entry in read_index(folder))


def read_index(folder: Path) -> list[Mapping[str, object]]:
    """Return the entries of the index, one per case; a damaged one is a ValueError."""
    content = read_json(folder / INDEX)
    if content.get("format") != FORMAT or content.get("version") not in VERSIONS:
        got = f"{content.get('format')!r} {content.get('version')!r}"
        raise ValueError(f"{folder / INDEX} must be {FORMAT!r} 1 or 2, got {got}")
    cases = content.get("cases")
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ValueError(f"{folder / INDEX} must have a list of cases, got {type(cases).__name__}")
    return cases


def read_case(folder: Path, entry: Mapping[str, object]) -> Golden:
    """Return one case of a set; its archive must have the digest of the index."""
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
    """The part of an entry of the index that is read; the rest is for people."""

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
    # The name becomes a path: it must not lead out of the folder.
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
    sizes = [math.prod(shapes.get(k, ())) for k in about.answers]
    shapes[YARDSTICK] = (sum(sizes),)
    asked = [k for k in shapes if k in QUESTION_ARRAYS or k.startswith("params.")]
    found = {k: require_array(arrays, k, shapes, path) for k in (*asked, *about.answers, YARDSTICK)}
    # One vector holds the bounds of all answers, in the order of the index.
    pieces = np.split(found[YARDSTICK], np.cumsum(sizes)[:-1])
    error_bounds = {
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
    return Golden(question, answers, error_bounds, dict(about.left_out))


def require_array(
    arrays: Mapping[str, Array], name: str, shapes: Mapping[str, tuple[int, ...]], path: Path
) -> Array:
    """Return an array of an archive; a ValueError if its name, kind or shape is wrong."""
    if name not in shapes:
        raise ValueError(f"{path} must hold arrays among {', '.join(shapes)}, got {name}")
    if name not in arrays:
        raise ValueError(f"{path} must hold {name}, got none of that name")
    return require_real_array(arrays[name], f"{name} of {path}", shapes[name])


def require_labels(y: Array, path: Path) -> Integers:
    """Return the labels, which must be integers."""
    if y.dtype != np.int64:
        raise ValueError(f"y of {path} must be of int64, got {y.dtype}")
    return y  # pyright: ignore[reportReturnType]
