"""What each mode of the command line does."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from proofs_check import replay
from proofs_check.claim import ClaimResult, check_claim
from proofs_check.draws import Trial
from proofs_check.instances import validate_instance
from proofs_check.register import CLAIMS_BY_LABEL, RECORD_TYPES, REGISTER
from proofs_check.training import read_training
from refsast import Arctan, Logistic, Network, Params, Spikes, read_run
from refsast.cli.common import Recordings, load_recordings
from refsast.cli.datasets import DATASETS
from refsast.cli.facts import RECORDING_FLAGS, read_flags
from refsast.cli.progress import progress_bar
from refsast.codec import read_json, write_json
from refsast.data import digest
from refsast.experiment.run_files import RUN
from refsast.files import require_writable, write_atomic
from refsast.model.network import describe_extension, replace_spikes

if TYPE_CHECKING:
    from proofs_check.transfer.slope_curve import SlopeCurve

QUICK, QUICK_EFFORT = 0.02, 10  # of the instances of a full run, and of its attack
USUAL = 1 / 3  # of the instances of a full run
SECONDS = 0.3  # the most that each evaluation of an attack may take
EXIT_REFUTED = 1
CURVE_SLOPES = tuple(10.0 ** (k / 2) for k in range(-1, 17))  # of the certificates' curve


def run(args: argparse.Namespace, default_effort: int) -> int:
    """Do what the flags ask for, and return the exit code."""
    for path in (args.json, args.html):
        require_writable(path)
    require_writable(None if args.worst is None else args.worst / "1a.json")
    if args.replay is not None:
        return replay_file(args.replay)
    if args.run is not None:
        return assess_run(args)
    trials = select_claims(args.claim)
    if args.list:
        print("\n\n".join(map(format_statement, trials)))
        return 0
    from proofs_check import evaluation, report  # here, since Hypothesis and Matplotlib are slow

    share = QUICK if args.quick else 1.0 if args.full else USUAL
    effort = QUICK_EFFORT if args.quick else default_effort
    effort = effort if args.effort is None else args.effort
    rows = evaluation.evaluate_claims(
        trials,
        seed=args.seed,
        share=share,
        effort=effort,
        seconds=SECONDS * effort,
        jobs=args.jobs,
        progress=lambda parts, total, what: progress_bar(
            parts, total=total, desc=what, leave=False
        ),
    )
    print(report.format_table(rows))
    if args.json is not None:
        write_json(args.json, report.record(rows, seed=args.seed, share=share))
    if args.html is not None:
        write_atomic(args.html, report.html_page(rows).encode())
    if args.worst is not None:
        report.write_worst(args.worst, rows)
    return EXIT_REFUTED if any(row.false for row in rows) else 0


def assess_run(args: argparse.Namespace) -> int:
    """Assess a trained network, print the table and write what was asked for."""
    path = args.run / RUN if args.run.is_dir() else args.run
    if path.name != RUN:
        raise ValueError(f"run must be the {RUN} that train left, or its folder, got {args.run}")
    network, params = read_run(path.parent)
    record = read_json(path)
    training = read_training(record)
    args = _use_recorded_flags(args, record)
    from proofs_check import assessment

    recordings = load_recordings(args, training.bins)
    if digest(*recordings.train) != training.data:
        raise ValueError(f"recordings must be those of {path}, got {recordings.description}")
    x, y = recordings.train[0][:, : args.recordings], recordings.train[1][: args.recordings]
    findings = assessment.assess(
        network,
        params,
        densify(x),
        y,
        training=training,
        rng=np.random.default_rng(args.seed),
        progress=lambda claims, total: progress_bar(
            claims, total=total, desc="assessing", leave=False
        ),
    )
    print(f"{assessment.format_table(findings)}\n\n{assessment.summary(findings)}")
    if args.json is not None:
        records = [assessment.record(finding) for finding in findings]
        write_json(args.json, {"run": str(path), "findings": records})
    if args.html is not None:
        risk = f"{len(y)} training recordings make the risk"
        source = f"{path.parent.name}; {recordings.description}"
        what = f"{source}; {risk}. {assessment.summary(findings)}"
        curves = _slope_curves(network, params, recordings)
        write_atomic(args.html, assessment.html_page(findings, what, curves).encode())
    return EXIT_REFUTED if any(f.state == "REFUTED" for f in findings) else 0


def _use_recorded_flags(args: argparse.Namespace, record: Mapping) -> argparse.Namespace:
    """The arguments, with the run's own flags for its recordings where they are not given."""
    given = {name for name in RECORDING_FLAGS if getattr(args, name)}
    recorded = {name: v for name, v in read_flags(record).items() if name not in given}
    if given & {"train", "test"}:  # synthetic ones, whatever the run had
        for dataset in DATASETS.values():
            recorded.pop(dataset.flag, None)
    return argparse.Namespace(**{**vars(args), **recorded})


def _slope_curves(
    network: Network, params: Params, recordings: Recordings
) -> "dict[str, SlopeCurve]":
    """The certificates of the recordings held out, with spikes of two families."""
    from proofs_check.transfer import slope_curve

    if describe_extension(network):  # no certificate is there
        return {}
    return {
        name: slope_curve.slope_curve(
            replace_spikes(network, lambda spike, family=family: family(1.0)),
            params,
            densify(recordings.held_out[0]),
            CURVE_SLOPES,
            progress=lambda slopes, name=name: progress_bar(
                slopes, desc=f"slopes, {name}", leave=False
            ),
        )
        for name, family in (("arctangent", Arctan), ("logistic", Logistic))
    }


def densify(x: np.ndarray | Spikes) -> np.ndarray:
    """Return recordings as an array in double precision."""
    return x.dense(np.float64) if isinstance(x, Spikes) else np.asarray(x, float)


def select_claims(labels: Sequence[str] | None) -> tuple[Trial, ...]:
    """Return the claims with these labels, or all; the beginning of a label takes its group."""
    if not labels:
        return REGISTER
    chosen = {label for given in labels for label in _claim_group(given)}
    return tuple(trial for trial in REGISTER if trial.label in chosen)


def _claim_group(given: str) -> list[str]:
    """The label itself, or all that begin with it."""
    group = [given] if given in CLAIMS_BY_LABEL else []
    group = group or [label for label in CLAIMS_BY_LABEL if given and label.startswith(given)]
    if not group:
        raise ValueError(f"claim must be one of {', '.join(CLAIMS_BY_LABEL)}, got {given}")
    return group


def format_statement(trial: Trial) -> str:
    """Return a claim as text."""
    claim = trial.claim
    lines = (claim.statement, f"if: {claim.conditions}", claim.source)
    return "\n  ".join((f"{claim.label}: {claim.title}", *lines))


def replay_file(path: Path) -> int:
    """Check a saved instance and print the result."""
    label, instance = replay.load_instance(path, RECORD_TYPES)
    if label not in CLAIMS_BY_LABEL:
        raise ValueError(f"replay must name one of the claims, got {label}")
    result = recheck_instance(CLAIMS_BY_LABEL[label], instance)
    if not result.applies:
        print(f"{label}: silent ({'; '.join(result.unmet)})")
        return 0
    word = "REFUTED" if result.refuted else "holds"
    sides = f"measured {result.measured:.17g}, bound {result.bound:.17g}"
    print(f"{label}: {word}, {sides}, ratio {result.ratio:.6f}")
    return EXIT_REFUTED if result.refuted else 0


def recheck_instance(trial: Trial, instance: object) -> ClaimResult:
    """Check a claim on an instance from a file, or say what is wrong with that."""
    if type(instance) is not trial.instance_type:
        wanted, got = trial.instance_type.__name__, type(instance).__name__
        raise ValueError(f"instance must be a {wanted} for {trial.label}, got a {got}")
    try:
        validate_instance(instance)
        return check_claim(trial.claim, instance)
    except (AttributeError, IndexError, TypeError) as error:
        raise ValueError(f"instance must be whole, got {error}") from error
