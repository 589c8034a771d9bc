"""The command line: ``python -m proofs_check --help``."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from proofs_check import assessment, evaluation, replay, report
from proofs_check.claim import ClaimResult, check_claim
from proofs_check.evaluation import ChunkResult
from proofs_check.instances import validate_instance
from proofs_check.register import CLAIMS_BY_LABEL, RECORD_TYPES, REGISTER, RegisteredClaim
from proofs_check.training import read_training
from proofs_check.transfer import slope_curve
from refsast import Arctan, Logistic, Network, Params, Spikes, read_run
from refsast.cli.common import (
    Recordings,
    add_recording_flags,
    load_recordings,
    natural,
    positive,
    progress_bar,
)
from refsast.cli.shell import Parser, call_command
from refsast.data import digest
from refsast.experiment.output_dir import write_json
from refsast.experiment.run_files import RUN, read_json
from refsast.files import write_atomic

QUICK, QUICK_EFFORT = 0.02, 10  # of the instances of a full run, and of its attack
EFFORT, SECONDS = 60, 0.3  # of an attack by default, and the most that each evaluation may take
EXIT_REFUTED = 1  # exit code
CURVE_SLOPES = tuple(10.0 ** (k / 2) for k in range(-1, 17))  # of the certificates' curve


# What may be given beside the flag that says what to do; everything else would do nothing.
RECORDINGS = (
    *("nmnist", "train", "test", "synthetic_train", "per_class"),
    *("data_seed", "validation", "cache"),
)
COMPATIBLE_FLAGS = {
    "replay": (),
    "run": ("seed", "json", "html", "recordings", *RECORDINGS),
    "list": ("claim",),
    "": ("claim", "quick", "seed", "jobs", "effort", "json", "html", "worst"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    whole = Parser(
        prog="proofs_check",
        description="Check every theorem on drawn networks, attack it, and print the table. "
        "Exit code 0: none refuted, 1: one is, 2: bad input.",
    )
    whole.add_argument(
        "--quick", action="store_true", help="a fiftieth of the instances, for a first look"
    )
    whole.add_argument(
        "--claim", action="append", metavar="LABEL", help="only this claim; may be repeated"
    )
    whole.add_argument("--list", action="store_true", help="print every statement and leave")
    whole.add_argument("--seed", type=natural, default=0, help="of everything drawn (default: 0)")
    whole.add_argument("--jobs", type=positive, default=2, help="processes (default: 2)")
    whole.add_argument(
        "--effort",
        type=natural,
        metavar="N",
        help=f"evaluations per way of attack (default: {EFFORT}); 0 attacks nothing",
    )
    whole.add_argument("--json", type=Path, metavar="FILE", help="write the table as a record")
    whole.add_argument("--html", type=Path, metavar="FILE", help="write a page with figures")
    whole.add_argument(
        "--worst", type=Path, metavar="FOLDER", help="save the worst instance of each claim here"
    )
    whole.add_argument("--replay", type=Path, metavar="FILE", help="check one saved instance")
    whole.add_argument(
        "--run",
        type=Path,
        metavar="RUN.json",
        help="say which theorems hold of a trained network: the record that train left, with the "
        "flags for its recordings",
    )
    whole.add_argument(
        "--recordings",
        type=positive,
        default=64,
        metavar="N",
        help="with --run: of the training recordings, the first N make the risk (default: 64)",
    )
    add_recording_flags(whole)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 none refuted, 1 one refuted, 2 bad input, 130 interrupted."""
    args = parser().parse_args(argv)
    return call_command("proofs_check", lambda: run_command(args))


def run_command(args: argparse.Namespace) -> int:
    """Do what the flags ask for."""
    refuse_idle_flags(args)
    for path in (args.json, args.html):
        require_writable(path)
    require_writable(None if args.worst is None else args.worst / "1a.json")
    if args.replay is not None:
        return replay_file(args.replay)
    if args.run is not None:
        return assess_run(args)
    entries = select_claims(args.claim)
    if args.list:
        print("\n\n".join(map(format_statement, entries)))
        return 0
    share, effort = (QUICK, QUICK_EFFORT) if args.quick else (1.0, EFFORT)
    effort = effort if args.effort is None else args.effort
    rows = evaluation.evaluate_claims(
        entries,
        seed=args.seed,
        share=share,
        effort=effort,
        seconds=SECONDS * effort,
        jobs=args.jobs,
        progress=_progress,
    )
    print(report.format_table(rows))
    if args.json is not None:
        content = report.record(rows, seed=args.seed, quick=args.quick)
        write_json(args.json, content)
    if args.html is not None:
        write_atomic(args.html, report.html_page(rows).encode())
    if args.worst is not None:
        report.write_worst(args.worst, rows)
    return EXIT_REFUTED if any(row.false for row in rows) else 0


def refuse_idle_flags(args: argparse.Namespace) -> None:
    """Say so where a flag would do nothing."""
    usual = parser()
    given = [name for name, value in vars(args).items() if value != usual.get_default(name)]
    mode = next((name for name in ("replay", "run", "list") if name in given), "")
    for name in given:
        if name != mode and name not in COMPATIBLE_FLAGS[mode]:
            flag = f"--{name.replace('_', '-')}"
            with_it = f"beside --{mode}" if mode else "without --run"
            raise ValueError(f"{flag} must not stand {with_it}, where it does nothing, got it")


def require_writable(path: Path | None) -> None:
    """Say before the work where its result could not be written."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path} must be writable, got {error.strerror}") from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path} must be writable, got a folder or one that is closed")


def assess_run(args: argparse.Namespace) -> int:
    """Assess a trained network, print the table and write what was asked for."""
    if args.run.name != RUN:
        raise ValueError(f"run must be the {RUN} that train left, got {args.run}")
    network, params = read_run(args.run.parent)
    record = read_json(args.run)
    training = read_training(record)
    recordings = load_recordings(args, training.bins)
    if digest(*recordings.train) != training.data:
        raise ValueError(f"recordings must be those of {args.run}, got {recordings.says}")
    x, y = recordings.train[0][:, : args.recordings], recordings.train[1][: args.recordings]
    findings = assessment.assess(
        network,
        params,
        to_dense(x),
        y,
        training=training,
        rng=np.random.default_rng(args.seed),
        progress=lambda claims, total: progress_bar(
            claims, total=total, desc="assessing", leave=False
        ),
    )
    print(f"{assessment.format_table(findings)}\n\n{assessment.summary(findings)}")
    if args.json is not None:
        content = {"run": str(args.run), "findings": [assessment.record(f) for f in findings]}
        write_json(args.json, content)
    if args.html is not None:
        write_atomic(
            args.html, _assessment_page(args, network, params, recordings, findings).encode()
        )
    return EXIT_REFUTED if any(f.state == "REFUTED" for f in findings) else 0


def _assessment_page(
    args: argparse.Namespace,
    network: Network,
    params: Params,
    recordings: Recordings,
    findings: Sequence[assessment.Assessment],
) -> str:
    """The page of an assessment, with the certificates of the recordings held out."""
    curves = {
        name: slope_curve.slope_curve(
            slope_curve.replace_spikes(network, lambda spike, family=family: family(1.0)),
            params,
            to_dense(recordings.held_out[0]),
            CURVE_SLOPES,
            progress=lambda ladder, name=name: progress_bar(
                ladder, desc=f"slopes, {name}", leave=False
            ),
        )
        for name, family in (("arctangent", Arctan), ("logistic", Logistic))
    }
    risk = f"{min(args.recordings, len(recordings.train[1]))} training recordings make the risk"
    says = f"{args.run.parent.name}; {recordings.says}; {risk}. {assessment.summary(findings)}"
    return assessment.page(findings, says, curves)


def to_dense(x: np.ndarray | Spikes) -> np.ndarray:
    """Return recordings as an array in double precision."""
    return x.dense(np.float64) if isinstance(x, Spikes) else np.asarray(x, float)


def select_claims(labels: Sequence[str] | None) -> tuple[RegisteredClaim, ...]:
    """Return the entries with these labels, or all."""
    for label in labels or ():
        if label not in CLAIMS_BY_LABEL:
            raise ValueError(f"claim must be one of {', '.join(CLAIMS_BY_LABEL)}, got {label}")
    return tuple(e for e in REGISTER if not labels or e.claim.label in labels)


def format_statement(entry: RegisteredClaim) -> str:
    """Return a claim as text."""
    claim = entry.claim
    conditions = "; ".join(h.says for h in claim.hypotheses) or "none"
    return f"{claim.label}: {claim.title}\n  {claim.says}\n  if: {conditions}\n  {claim.source}"


def replay_file(path: Path) -> int:
    """Check a saved instance and print the verdict."""
    label, instance = replay.load_instance(path, RECORD_TYPES)
    if label not in CLAIMS_BY_LABEL:
        raise ValueError(f"replay must name one of the claims, got {label}")
    verdict = recheck_instance(CLAIMS_BY_LABEL[label], instance)
    if not verdict.applies:
        print(f"{label}: silent ({'; '.join(verdict.unmet)})")
        return 0
    word = "REFUTED" if verdict.refuted else "holds"
    sides = f"measured {verdict.measured:.17g}, bound {verdict.bound:.17g}"
    print(f"{label}: {word}, {sides}, ratio {verdict.ratio:.6f}")
    return EXIT_REFUTED if verdict.refuted else 0


def recheck_instance(entry: RegisteredClaim, instance: object) -> ClaimResult:
    """Check a claim on an instance from a file, or say what is wrong with that."""
    if type(instance) is not entry.kind:
        wanted, got = entry.kind.__name__, type(instance).__name__
        raise ValueError(f"instance must be a {wanted} for {entry.claim.label}, got a {got}")
    try:
        validate_instance(instance)
        return check_claim(entry.claim, instance)
    except (AttributeError, IndexError, TypeError) as error:
        raise ValueError(f"instance must be whole, got {error}") from error


def _progress(parts: Iterable[ChunkResult], total: int, what: str) -> Iterable[ChunkResult]:
    return progress_bar(parts, total=total, desc=what, leave=False)


if __name__ == "__main__":
    sys.exit(main())
