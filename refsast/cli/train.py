"""``python -m refsast train``: one run, with a record, pictures and a page."""

import argparse
from pathlib import Path

from refsast.cli.argument_types import file_path, natural
from refsast.cli.common import (
    Commands,
    add_recording_flags,
    add_setting_flags,
    load_recordings,
    read_setting,
)
from refsast.cli.facts import command_facts
from refsast.cli.progress import format_scores, progress_bar, watch_training
from refsast.experiment.compare import train_arm
from refsast.experiment.folder_lock import lock_folder
from refsast.experiment.output_dir import PAGE, write_run
from refsast.experiment.reservation import reserve
from refsast.experiment.run_files import CHECKPOINT, RUN


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="train one network and show what the swap to hard spikes costs",
        description="Train one network. An interrupted run, started again with the same arguments, "
        "goes on from its last finished epoch and ends at the same bits.",
    )
    parser.add_argument("--out", type=file_path, metavar="FOLDER", help="where everything goes")
    parser.add_argument("--seed", type=natural, default=0, help="of initial weights and order")
    add_setting_flags(parser)
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, write, and print the outcome."""
    setting = read_setting(args)
    out = args.out or Path("runs") / f"{args.preset}-rho{setting.rho:g}-seed{args.seed}"
    recordings = load_recordings(args, setting.steps)
    with lock_folder(out), progress_bar(desc="training", unit=" steps") as steps:
        reserve(out, RUN, {})
        done = train_arm(
            setting,
            recordings.train,
            recordings.held_out,
            args.seed,
            watch=watch_training(steps),
            checkpoint=out / CHECKPOINT,
        )
        steps.close()
        shown, source = recordings.held_out[0][:, :200], recordings.description
        write_run(out, done, setting, args.seed, source, shown, command_facts(args))
    last = done.curve[-1]
    scores = f"{format_scores(last)}, {last.evaluations} gradients"
    print(f"{recordings.description}\nepoch {last.epoch}: {scores}")
    print(f"page: {out / PAGE}")
    return 0
