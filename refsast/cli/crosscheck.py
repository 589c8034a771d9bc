"""``python -m refsast crosscheck``: hold somebody's gradients against the exact ones."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refsast.cli.argument_types import file_path, natural
from refsast.cli.common import Commands
from refsast.cli.progress import progress_bar
from refsast.crosscheck.case import Case, Factory
from refsast.crosscheck.check import Report, check
from refsast.crosscheck.compare import Stage
from refsast.crosscheck.factory import build, load_factory
from refsast.crosscheck.golden.comparison import compare
from refsast.crosscheck.golden.reader import (
    EXTENDED_SET,
    SHIPPED_SET,
    export,
    read_golden,
    read_index,
)
from refsast.crosscheck.implementation import Unsupported
from refsast.crosscheck.integrability import VerdictKind, integrable
from refsast.experiment.html_document import encode_png
from refsast.experiment.tables import align_columns
from refsast.files import require_writable, write_atomic

# In the order in which one case's verdict outweighs another's.
EXIT_CODES = {"DISAGREES": 1, "undecided": 3, "agrees": 0}
CASES = tuple(str(case["name"]) for case in read_index(SHIPPED_SET))


def add(commands: Commands) -> None:
    """Add the command, which has commands of its own."""
    parser = commands.add_parser(
        "crosscheck",
        help="check another implementation's gradients: whether, where and why they are wrong",
        description="Hold another implementation against the exact answers. Exit code: 0 it "
        "agrees, 1 it disagrees, 2 it could not be run, 3 undecided: the cases cannot tell.",
    )
    own = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(own)
    _add_integrable(own)
    exported = own.add_parser("export", help="write the golden vectors: questions with answers")
    exported.add_argument("folder", type=file_path, help="where to write them")
    _add_extended(exported)
    exported.set_defaults(run=run_export)
    compared = own.add_parser("compare", help="judge answers to the golden vectors, from files")
    compared.add_argument("answers", type=file_path, help="folder with an .npz per answered case")
    compared.add_argument(
        "--golden",
        type=file_path,
        metavar="FOLDER",
        help="default: what ships",
    )
    _add_extended(compared)
    compared.set_defaults(run=run_compare)


def _add_extended(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--extended",
        action="store_true",
        help="the set of convolutions, learned numbers and the like, not that of dense LIF layers",
    )


def _add_run(commands: Commands) -> None:
    parser = commands.add_parser(
        "run",
        help="check an implementation on a dozen small networks",
        description="PACKAGE:FACTORY names a function that takes a refsast Case and returns "
        "gradient(params, x, y) -> (loss, grads), or raises refsast.Unsupported.",
    )
    _add_impl(parser)
    parser.add_argument(
        "--figure", type=file_path, default=Path("runs/crosscheck.png"), help="default: %(default)s"
    )
    parser.add_argument(
        "--json", type=file_path, metavar="FILE", help="write all figures there, too"
    )
    parser.set_defaults(run=run_run)


def _add_integrable(commands: Commands) -> None:
    parser = commands.add_parser(
        "integrable",
        help="ask, without any reference, whether it is a gradient at all",
        description="Symmetry of the Hessian, work on closed loops, and Taylor's remainder, each "
        "with its noise floor.",
    )
    _add_impl(parser)
    parser.add_argument("--seed", type=natural, default=0, help="of the directions (default: 0)")
    parser.set_defaults(run=run_integrable)


def _add_impl(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--impl", required=True, metavar="PACKAGE:FACTORY", help="found in this folder, too"
    )
    parser.add_argument(
        "--case",
        action="append",
        choices=CASES,
        metavar="NAME",
        help=f"only these; may be repeated (default: all of {', '.join(CASES)})",
    )


def run_run(args: argparse.Namespace) -> int:
    """Check, print the verdict, and write the figure."""
    require_writable(args.figure)
    require_writable(args.json)
    factory = _factory(args)
    reports: list[Report] = []
    lines, name = [("case", "verdict", "cause", "first wrong")], args.impl
    for case in progress_bar(_cases(args), desc="cases", leave=False):
        try:
            implementation = build(factory, case)
        except Unsupported as reason:
            lines.append((case.name, "left out", "", str(reason)))
            continue
        report = check(implementation, case)
        name = implementation.name if implementation.name != "implementation" else name
        reports.append(report)
        lines.append(_line(report))
    if not reports:
        raise ValueError(f"{args.impl} must have at least one of the networks, got none")
    counts = {verdict: sum(r.verdict == verdict for r in reports) for verdict in EXIT_CODES}
    worst = next(verdict for verdict, count in counts.items() if count)
    shown = max((r for r in reports if r.verdict == worst), key=_error)
    open_cases = f", undecided in {counts['undecided']}" if worst != "undecided" else ""
    open_cases = open_cases if counts["undecided"] else ""
    print(f"{name} {worst} in {counts[worst]} of {len(reports)} cases{open_cases}\n")
    print(align_columns(lines, words=(0, 1, 2, 3)))
    print(f"\n{shown}")
    if args.json is not None:
        write_atomic(args.json, _json(name, reports).encode())
    from refsast.crosscheck.picture import error_map  # here, since Matplotlib is slow to import

    write_atomic(args.figure, encode_png(error_map(shown)))
    print(f"figure: {args.figure}")
    return EXIT_CODES[worst]


def run_integrable(args: argparse.Namespace) -> int:
    """Ask for gradients only, and print a verdict per case."""
    factory, kinds = _factory(args), []
    for case in progress_bar(_cases(args), desc="cases", leave=False):
        try:
            gradient = build(factory, case).gradient
        except Unsupported as reason:
            print(f"{case.name}: left out ({reason})\n")
            continue
        verdict = integrable(gradient, case, rng=np.random.default_rng(args.seed))
        kinds.append(verdict.kind)
        print(f"{case.name}: {verdict}\n")
    if all(kind is VerdictKind.UNDECIDED for kind in kinds):
        return 2
    return 0 if all(kind in (VerdictKind.GRADIENT, VerdictKind.UNDECIDED) for kind in kinds) else 1


def run_export(args: argparse.Namespace) -> int:
    """Write the golden vectors."""
    source = EXTENDED_SET if args.extended else SHIPPED_SET
    export(args.folder, source)
    print(f"{len(read_index(source))} cases: {args.folder}")
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Judge somebody's answers."""
    if args.golden is not None and args.extended:
        raise ValueError("--golden must come without --extended, got both")
    shipped = EXTENDED_SET if args.extended else SHIPPED_SET
    comparison = compare(args.golden or shipped, args.answers)
    print(comparison)
    return EXIT_CODES[comparison.verdict]


def _factory(args: argparse.Namespace) -> Factory:
    """What ``--impl`` names; found in the current folder, too."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return load_factory(args.impl)


def _cases(args: argparse.Namespace) -> list[Case]:
    cases = [golden.question.case for golden in read_golden()]
    return [case for case in cases if args.case is None or case.name in args.case]


def _error(report: Report) -> float:
    return max(stage.error for stage in report.stages)


def _line(report: Report) -> tuple[str, str, str, str]:
    cause = report.cause.name if report.cause and report.cause.exact else ""
    if report.verdict == "DISAGREES":
        cause = cause or ("another answer when asked again" if not report.repeated else "unknown")
    return report.case.name, report.verdict, cause, str(report.first or "")


def _json(name: str, reports: Sequence[Report]) -> str:
    """All figures of all cases."""
    found = [
        {
            "case": report.case.name,
            "agrees": report.agrees,
            "verdict": report.verdict,
            "undecided": report.undecided,
            "left out": report.left_out,
            "not compared": report.not_compared,
            "power": None if report.power is None else vars(report.power),
            "repeated": report.repeated,
            "dtype": str(report.dtype),
            "stages": [_stage(stage) for stage in report.stages],
            "first": None if report.first is None else vars(report.first),
            "cause": None if report.cause is None else vars(report.cause),
        }
        for report in reports
    ]
    return json.dumps({"implementation": name, "cases": found}, indent=1) + "\n"


def _stage(stage: Stage) -> dict[str, object]:
    return {
        "name": stage.name,
        "agrees": stage.agrees,
        "error over tolerance": stage.error,
        "cosine": stage.cosine,
        "ratio": _finite(stage.ratio),
        "resolution": _finite(stage.resolution[1]),
        "worst": vars(stage.worst) | {"tolerance": _finite(stage.worst.tolerance)},
    }


def _finite(value: float) -> float | None:
    """A number that JSON has."""
    return value if np.isfinite(value) else None
