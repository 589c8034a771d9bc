"""``python -m refsast sweep``: every combination of some values, one row each."""

import argparse
import itertools
from dataclasses import replace

from refsast.cli.common import (
    SETTING_FIELDS,
    Commands,
    add_recording_flags,
    add_run_flags,
    add_setting_flags,
    read_setting,
)
from refsast.cli.facts import command_facts
from refsast.cli.stored_runs import add_keep_flag, complete_runs, load_parts
from refsast.experiment.folder_lock import lock_folder
from refsast.experiment.output_dir import PAGE, write_sweep
from refsast.experiment.presets import Setting
from refsast.experiment.run_files import SWEEP
from refsast.experiment.tables import comparison_rows, format_rows


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="train every combination of some values of a setting",
        description="Train every combination of the given values with every seed. To choose a "
        "setting, add --validation: then the test recordings are not looked at. Each run is kept "
        "when it is done: the same command goes on where it was stopped.",
    )
    parser.add_argument(
        "--vary",
        action="append",
        required=True,
        type=variation,
        metavar="NAME=VALUE/VALUE",
        help="values of one part of the setting, such as rho=0/0.1/0.3 or hidden=64/64,64",
    )
    add_run_flags(parser, "runs/sweep")
    add_keep_flag(parser)
    add_setting_flags(parser)
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def variation(text: str) -> tuple[str, list[tuple[str, object]]]:
    """Parse ``name=value/value`` into the name and the values, each as text and as itself."""
    name, _, values = text.partition("=")
    name = name.replace("-", "_")
    if name not in SETTING_FIELDS or not values:
        known = ", ".join(SETTING_FIELDS)
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE/VALUE, NAME of {known}, got {text}")
    try:
        parse, _ = SETTING_FIELDS[name]
        return name, [(value, parse(value)) for value in values.split("/")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must hold values of {name}, got {values}") from error


def run(args: argparse.Namespace) -> int:
    """Train, write, and print a row per combination."""
    names = [name for name, _ in args.vary]
    if len(set(names)) < len(names):
        raise ValueError(f"vary must name each part once, got {', '.join(names)}")
    for name, values in args.vary:
        if any(value == other for (_, value), (_, other) in itertools.combinations(values, 2)):
            texts = "/".join(text for text, _ in values)
            raise ValueError(f"vary must name each value once, got {name}={texts}")
    settings = grid(read_setting(args), dict(args.vary))
    parts = load_parts(args, settings)
    source = next(iter(parts.values())).description
    with lock_folder(args.out):
        stored = complete_runs(args, SWEEP, settings, parts)
        write_sweep(args.out, stored, source, command_facts(args))
    # A mean of nothing, where all runs diverged, comes last.
    rows = comparison_rows([s.result for s in stored])
    table = sorted(rows, key=lambda row: (row.hard.values == 0, -row.hard.value))
    print(f"{source}\n\n{format_rows(table)}\npage: {args.out / PAGE}")
    return 0


def grid(setting: Setting, vary: dict[str, list[tuple[str, object]]]) -> dict[str, Setting]:
    """Return every combination, under a name that says what is varied."""
    settings = {}
    for values in itertools.product(*vary.values()):
        name = ", ".join(f"{key} {text}" for key, (text, _) in zip(vary, values, strict=True))
        changes = {key: value for key, (_, value) in zip(vary, values, strict=True)}
        settings[name] = replace(setting, **changes)
    return settings
