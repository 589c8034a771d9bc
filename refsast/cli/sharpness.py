"""``python -m refsast sharpness``: top eigenvalue and SAM's remainder along trainings."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from refsast.cli.argument_types import natural, numbers, positive
from refsast.cli.common import (
    Commands,
    Recordings,
    add_out_flag,
    add_recording_flags,
    add_setting_flags,
    load_recordings,
    read_setting,
)
from refsast.cli.progress import progress_bar, watch_training
from refsast.experiment.compare import BASELINE, initialise
from refsast.experiment.folder_lock import lock_folder
from refsast.experiment.output_dir import comparison_identity, write_sharpness
from refsast.experiment.presets import Setting
from refsast.experiment.record import Data, Run
from refsast.experiment.reservation import reserve
from refsast.experiment.run_files import SHARPNESS
from refsast.experiment.sharpness import Point, along_training
from refsast.experiment.tables import fit_columns


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sharpness",
        help="measure the curvature of the loss along a baseline and along SAST",
        description="Train once per radius from the same initial parameters and measure every few "
        "epochs, on some of the training recordings: the top eigenvalue of the Hessian, by "
        "Lanczos' method on exact products, and what SAM's first-order theory leaves out.",
    )
    parser.add_argument(
        "--rhos",
        type=numbers,
        metavar="RHO,RHO",
        help="of the trainings (default: 0, the preset's)",
    )
    parser.add_argument(
        "--radius", type=float, help="at which the remainder is measured (default: largest of rhos)"
    )
    parser.add_argument(
        "--every", type=positive, default=10, metavar="N", help="epochs in between (default: 10)"
    )
    parser.add_argument(
        "--recordings", type=positive, default=200, metavar="N", help="measured on (default: 200)"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-3,
        help="residual of the eigenvalue, as a share of it, at which to stop (default: 0.001)",
    )
    add_out_flag(parser, "runs/sharpness")
    parser.add_argument("--seed", type=natural, default=0, help="of initial weights and order")
    add_setting_flags(parser)
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and measure, write, and print a row per measurement."""
    settings = _settings(args)
    radius = max(s.rho for s in settings.values()) if args.radius is None else args.radius
    if not 0.0 < radius < np.inf:
        raise ValueError(f"radius must be positive and finite, got {radius}")
    if not 0.0 <= args.tolerance < 1.0:
        raise ValueError(f"tolerance must lie in [0, 1), got {args.tolerance}")
    recordings = load_recordings(args, next(iter(settings.values())).steps)
    n = len(recordings.train[1])
    if args.recordings > n:
        raise ValueError(f"recordings must be at most {n}, got {args.recordings}")
    rows = np.sort(np.random.default_rng(args.seed).permutation(n)[: args.recordings])
    on = recordings.train[0][:, rows], recordings.train[1][rows]
    asked = {
        **comparison_identity(settings, [args.seed], recordings.description),
        "radius": radius,
        "every": args.every,
        "measured on": args.recordings,
        "tolerance": args.tolerance,
    }
    runs: dict[str, Run] = {}
    points: dict[str, Sequence[Point]] = {}
    with lock_folder(args.out):
        reserve(args.out, SHARPNESS, asked)
        for arm, setting in settings.items():
            runs[arm], points[arm] = _train_and_measure(arm, setting, recordings, on, radius, args)
        write_sharpness(args.out, runs, points, asked)
    measured = f"measured on {args.recordings} of those to train, radius {radius:g}"
    print(f"{recordings.description}; {measured}\n")
    print(f"{fit_columns(_table_rows(points))}\nrecord and picture: {args.out}")
    return 0


def _settings(args: argparse.Namespace) -> dict[str, Setting]:
    """One setting per radius, by name."""
    setting = read_setting(args)
    rhos = args.rhos or (0.0, setting.rho)
    named = {
        f"SAST, rho {rho:g}" if rho else BASELINE: replace(setting, rho=float(rho)) for rho in rhos
    }
    if len(named) < len(rhos):
        raise ValueError(f"rhos must differ, got {', '.join(f'{rho:g}' for rho in rhos)}")
    return named


def _train_and_measure(
    arm: str,
    setting: Setting,
    recordings: Recordings,
    on: Data,
    radius: float,
    args: argparse.Namespace,
) -> tuple[Run, tuple[Point, ...]]:
    """One training and what was measured along it, with a progress bar."""
    network, params, order = initialise(setting, np.shape(recordings.train[0])[2], args.seed)
    with progress_bar(desc=arm, unit=" steps") as steps:
        return along_training(
            network,
            params,
            recordings.train,
            setting.config,
            rng=order,
            on=on,
            rho=radius,
            every=args.every,
            tolerance=args.tolerance,
            held_out=recordings.held_out,
            watch=watch_training(steps, f"{arm}, "),
            count=lambda products: steps.set_postfix_str(f"measuring: {products} products"),
        )


HEADINGS: tuple[str, ...] = (
    "training",
    "epoch",
    "loss",
    "|gradient|",
    "top eigenvalue",
    "residual",
    "products",
    "first-order remainder",
    "curvature",
    "change of gradient",
    "dropped",
)


def _table_rows(points: Mapping[str, Sequence[Point]]) -> list[tuple[str, ...]]:
    """Headings, and one row per measurement."""
    lines = [HEADINGS]
    for arm, measured in points.items():
        for point in measured:
            r = point.remainder
            before = (r.loss, r.grad_norm, point.top, point.residual)
            after = (r.first_order, r.curvature, r.gradient_change, r.dropped)
            left, right = ([f"{value:.4g}" for value in part] for part in (before, after))
            lines.append((arm, str(point.epoch), *left, str(point.products), *right))
    return lines
