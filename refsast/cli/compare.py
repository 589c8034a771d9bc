"""``python -m refsast compare``: baseline against SAST, several seeds, one table."""

import argparse
from collections.abc import Mapping
from dataclasses import replace

from refsast.cli.argument_types import numbers
from refsast.cli.common import (
    SETTING_FIELDS,
    Commands,
    add_recording_flags,
    add_run_flags,
    add_setting_flags,
    read_setting,
)
from refsast.cli.facts import command_facts
from refsast.cli.stored_runs import (
    add_keep_flag,
    complete_runs,
    describe_held_out,
    load_parts,
    parse_field,
)
from refsast.experiment.compare import BASELINE, comparison_arms
from refsast.experiment.folder_lock import lock_folder
from refsast.experiment.headline import conclusion
from refsast.experiment.output_dir import PAGE, write_comparison
from refsast.experiment.presets import Setting
from refsast.experiment.run_files import COMPARISON
from refsast.experiment.tables import comparison_rows, format_rows


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "compare",
        help="train baseline and SAST with several seeds and compare them",
        description="Train the baseline, the baseline with twice the epochs (as many gradients as "
        "SAST takes) and SAST, all with the same seeds, and compare them pair by pair. Each run is "
        "kept when it is done: the same command goes on where it was stopped, and more seeds or "
        "arms are added to those that are there.",
    )
    parser.add_argument(
        "--rhos", type=numbers, metavar="RHO,RHO", help="radii of SAM (default: the preset's)"
    )
    parser.add_argument(
        "--arm",
        action="append",
        default=[],
        type=control,
        metavar="'NAME: FIELD=VALUE ...'",
        help="another arm: the setting with these fields in place, and rho 0 if rho is not among "
        "them; may be repeated",
    )
    add_run_flags(parser, "runs/compare")
    add_keep_flag(parser)
    add_setting_flags(parser)
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def control(text: str) -> tuple[str, dict[str, object]]:
    """Parse ``name: field=value field=value`` into the name and the fields."""
    name, _, rest = text.partition(":")
    if not name.strip() or not rest.strip():
        raise argparse.ArgumentTypeError(f"must be 'NAME: FIELD=VALUE ...', got {text!r}")
    changes: dict[str, object] = {}
    for word in rest.split():
        try:
            field, value = parse_field(word)
            changes[field] = SETTING_FIELDS[field][0](value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error} in {text!r}") from error
    return name.strip(), changes


def add_controls(
    settings: Mapping[str, Setting], controls: list[tuple[str, dict[str, object]]]
) -> dict[str, Setting]:
    """Return the arms and, made from the baseline, those of ``--arm``; ValueError if names meet."""
    arms = dict(settings)
    for name, changes in controls:
        if name in arms:
            raise ValueError(f"arm must have a name of its own, got {name}")
        try:
            arms[name] = replace(settings[BASELINE], **changes)
        except ValueError as error:
            raise ValueError(f"arm {name}: {error}") from error
    return arms


def run(args: argparse.Namespace) -> int:
    """Compare, write, and print the table."""
    setting = read_setting(args)
    rhos = args.rhos or (setting.rho,)
    if not all(rho > 0.0 for rho in rhos):
        raise ValueError(f"rhos must be positive, got {', '.join(f'{rho:g}' for rho in rhos)}")
    settings = comparison_arms(setting, rhos)
    if len(settings) < 2 + len(rhos):
        raise ValueError(f"rhos must differ, got {', '.join(f'{rho:g}' for rho in rhos)}")
    settings = add_controls(settings, args.arm)
    parts = load_parts(args, settings)
    usual = parts[setting.steps]
    held_out, source = describe_held_out(args), usual.description
    with lock_folder(args.out):
        stored = complete_runs(args, COMPARISON, settings, parts)
        write_comparison(
            args.out,
            stored,
            source,
            usual.held_out,
            held_out=held_out,
            facts=command_facts(args),
        )
    results = [s.result for s in stored]
    table = format_rows(comparison_rows(results))
    verdict = conclusion(results, held_out=held_out)
    print(f"{source}\n\n{table}\n\n{verdict}\npage: {args.out / PAGE}")
    return 0
