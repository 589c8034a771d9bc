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
    load_recordings,
    read_seeds,
    read_setting,
)
from refsast.cli.progress import watch_runs
from refsast.experiment.compare import Result, compare
from refsast.experiment.output_dir import comparison_identity, reserve, write_sweep
from refsast.experiment.presets import Setting
from refsast.experiment.run_files import SWEEP
from refsast.experiment.tables import comparison_rows, format_rows


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="train every combination of some values of a setting",
        description="Train every combination of the given values with every seed. To choose a "
        "setting, add --validation: then the test recordings are not looked at.",
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
    settings = grid(read_setting(args), dict(args.vary))
    parts = {
        steps: load_recordings(args, steps)
        for steps in sorted({setting.steps for setting in settings.values()})
    }
    source, seeds = next(iter(parts.values())).description, read_seeds(args)
    reserve(args.out, SWEEP, comparison_identity(settings, seeds, source))
    results: list[Result] = []
    for steps, recordings in parts.items():
        results += compare(
            {name: setting for name, setting in settings.items() if setting.steps == steps},
            recordings.train,
            recordings.held_out,
            seeds=seeds,
            jobs=args.jobs,
            progress=watch_runs,
        )
    write_sweep(args.out, results, settings, source)
    table = sorted(comparison_rows(results), key=lambda row: -row.hard.value)
    print(f"{source}\n\n{format_rows(table)}\nrecord: {args.out}")
    return 0


def grid(setting: Setting, vary: dict[str, list[tuple[str, object]]]) -> dict[str, Setting]:
    """Return every combination, under a name that says what is varied."""
    settings = {}
    for values in itertools.product(*vary.values()):
        name = ", ".join(f"{key} {text}" for key, (text, _) in zip(vary, values, strict=True))
        changes = {key: value for key, (_, value) in zip(vary, values, strict=True)}
        settings[name] = replace(setting, **changes)
    return settings
