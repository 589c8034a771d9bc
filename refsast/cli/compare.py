"""``python -m refsast compare``: baseline against SAST, several seeds, one table."""

import argparse

from refsast.cli.common import (
    Commands,
    add_recording_flags,
    add_run_flags,
    add_setting_flags,
    load_recordings,
    numbers,
    read_seeds,
    read_setting,
)
from refsast.cli.progress import watch_runs
from refsast.experiment.compare import compare, comparison_arms
from refsast.experiment.output_dir import PAGE, comparison_identity, reserve, write_comparison
from refsast.experiment.run_files import COMPARISON
from refsast.experiment.tables import comparison_rows, conclusion, format_rows


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "compare",
        help="train baseline and SAST with several seeds and compare them",
        description="Train the baseline, the baseline with twice the epochs (as many gradients as "
        "SAST takes) and SAST, all with the same seeds, and compare them pair by pair.",
    )
    parser.add_argument(
        "--rhos", type=numbers, metavar="RHO,RHO", help="radii of SAM (default: the preset's)"
    )
    add_run_flags(parser, "runs/compare")
    add_setting_flags(parser)
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, write, and print the table."""
    setting = read_setting(args)
    rhos = args.rhos or (setting.rho,)
    if not all(rho > 0.0 for rho in rhos):
        raise ValueError(f"rhos must be positive, got {', '.join(f'{rho:g}' for rho in rhos)}")
    settings = comparison_arms(setting, rhos)
    if len(settings) < 2 + len(rhos):
        raise ValueError(f"rhos must differ, got {', '.join(f'{rho:g}' for rho in rhos)}")
    recordings = load_recordings(args, setting.steps)
    seeds, source = read_seeds(args), recordings.description
    reserve(args.out, COMPARISON, comparison_identity(settings, seeds, source))
    results = compare(
        settings,
        recordings.train,
        recordings.held_out,
        seeds=seeds,
        jobs=args.jobs,
        progress=watch_runs,
    )
    write_comparison(args.out, results, settings, source, recordings.held_out[0])
    table = comparison_rows(results)
    print(f"{source}\n\n{format_rows(table)}\n\n{conclusion(table)}\npage: {args.out / PAGE}")
    return 0
