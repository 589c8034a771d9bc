"""The options of the suite, read from the environment and validated once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from refsast.crosscheck.conformance.levels import LEVELS, LevelTest

EXAMPLES = 50  # per test


@dataclass(frozen=True)
class Options:
    """What the environment asks of the suite."""

    impl: str  # ``package:factory``
    examples: int  # per test; REFSAST_EXAMPLES
    seed: int | None  # of the examples; None: the same in every run; REFSAST_SEED
    xfails: dict[str, str]  # why, of each test that is to fail, by its id; REFSAST_XFAILS
    report: Path | None  # where the JSON report goes; REFSAST_REPORT


def read_options(environment: Mapping[str, str], tests: Sequence[LevelTest]) -> Options:
    """Read the environment of a process; `tests` are those that there are.

    Raises
    ------
    ValueError
        If something is missing, or not valid.
    """
    given = {k: v for k, v in environment.items() if v}
    if "REFSAST_IMPL" not in given:
        raise ValueError("REFSAST_IMPL must be set to package:factory, got nothing")
    seed, xfails, report = (given.get(f"REFSAST_{k}") for k in ("SEED", "XFAILS", "REPORT"))
    return Options(
        given["REFSAST_IMPL"],
        _parse_count("REFSAST_EXAMPLES", given.get("REFSAST_EXAMPLES", str(EXAMPLES)), 1),
        None if seed is None else _parse_count("REFSAST_SEED", seed, 0),
        {} if xfails is None else read_xfails(Path(xfails), tests),
        None if report is None else Path(report),
    )


def _parse_count(name: str, text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {text!r}")
    return int(text)


def read_xfails(path: Path, tests: Sequence[LevelTest]) -> dict[str, str]:
    """Return which tests are to fail, and why, by a file with one test or level per line.

    Lines are ``gradient[adjoints]`` or ``sam``, each with a reason after a ``#`` if there is one;
    lines that are empty or begin with ``#`` are comments.

    Raises
    ------
    ValueError
        If the file cannot be read, or a line names no test.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"REFSAST_XFAILS must be a readable file, got {path}: {error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, _, reason = (part.strip() for part in line.partition("#"))
        if not name:
            continue
        meant = [str(test) for test in tests if name in (test.level, str(test))]
        if not meant:
            wanted = f"must name one of {', '.join(LEVELS)} or a test such as {tests[0]}"
            raise ValueError(f"line {number} of REFSAST_XFAILS {wanted}, got {name!r}")
        found |= dict.fromkeys(meant, reason or "expected to fail")
    return found
