"""``python -m refsast compare``: baseline against SAST, several seeds, one table."""

import argparse

from refsast.cli.common import (
    Commands,
    add_recordings,
    add_runs,
    add_setting,
    numbers,
    recordings_from,
    results_bar,
    seeds_from,
    setting_from,
)
from refsast.experiment.compare import arms, compare
from refsast.experiment.folder import PAGE, claim, identity, write_comparison
from refsast.experiment.saved import COMPARISON
from refsast.experiment.tables import rows, text, verdict


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
    add_runs(parser, "runs/compare")
    add_setting(parser)
    add_recordings(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, write, and print the table."""
    setting = setting_from(args)
    rhos = args.rhos or (setting.rho,)
    if not all(rho > 0.0 for rho in rhos):
        raise ValueError(f"rhos must be positive, got {', '.join(f'{rho:g}' for rho in rhos)}")
    settings = arms(setting, rhos)
    if len(settings) < 2 + len(rhos):
        raise ValueError(f"rhos must differ, got {', '.join(f'{rho:g}' for rho in rhos)}")
    recordings = recordings_from(args, setting.steps)
    claim(args.out, COMPARISON, identity(settings, seeds_from(args), recordings.says))
    results = compare(
        settings,
        recordings.train,
        recordings.held_out,
        seeds=seeds_from(args),
        jobs=args.jobs,
        progress=results_bar,
    )
    write_comparison(args.out, results, settings, recordings.says, recordings.held_out[0])
    table = rows(results)
    print(f"{recordings.says}\n\n{text(table)}\n\n{verdict(table)}\npage: {args.out / PAGE}")
    return 0
