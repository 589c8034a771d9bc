"""``python -m refsast certify-swap``: which classes the swap to hard spikes provably keeps."""

import argparse

from refsast.arrays import require_positive
from refsast.certify.swap import certify_swap
from refsast.certify.unit_spike import unit_spike
from refsast.cli.argument_types import positive
from refsast.cli.common import Commands, add_recording_flags
from refsast.cli.progress import progress_bar
from refsast.cli.trained import (
    add_trained_argument,
    choose_folder,
    describe,
    load_matching,
    read_trained,
)
from refsast.codec import write_json
from refsast.experiment.certification import (
    PICTURE,
    RECORD,
    certificate_figure,
    certificate_record,
    describe_certificate,
)
from refsast.experiment.html_document import encode_png
from refsast.files import require_writable, write_atomic


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "certify-swap",
        help="prove for which recordings no slope up to hard spikes changes the class",
        description="For each held-out recording: the slope down to which every slope, up to hard "
        f"spikes, provably gives the class of the hard network. Writes {RECORD} and {PICTURE}.",
    )
    add_trained_argument(parser)
    for flag, parse, default, text in (
        ("--lowest", float, 1.0, "stop at this factor of the slope of training (default: 1)"),
        (
            "--narrowest",
            float,
            1e-6,
            "give up at cells of this relative width (default: 1e-6)",
        ),
        ("--cells", positive, 5000, "cells per recording at most (default: 5000)"),
        ("--first", positive, None, "only the first N recordings (default: all)"),
    ):
        metavar = "N" if parse is positive else "X"
        parser.add_argument(flag, type=parse, default=default, metavar=metavar, help=text)
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, certify, write, and print."""
    require_positive(args.lowest, "lowest")
    out = args.out or choose_folder(args.trained)
    require_writable(out / RECORD)
    trained = read_trained(args.trained)
    (x, y), description = load_matching(args, trained)
    x, y = x[:, : args.first], y[: args.first]
    with progress_bar(desc="recordings", total=len(y), leave=False) as bar:
        found = certify_swap(
            trained.network,
            trained.params,
            x,
            y,
            lowest=args.lowest,
            narrowest=args.narrowest,
            cells=args.cells,
            watch=bar.update,
        )
    slopes = [unit_spike(neuron)[1] for neuron in trained.network.neurons]
    facts = describe(trained, (x, y), description)
    record = certificate_record(found, slopes, y, facts)
    write_json(out / RECORD, record)
    slope = slopes[0] if len(set(slopes)) == 1 else 1.0
    write_atomic(out / PICTURE, encode_png(certificate_figure({args.trained.name: found}, slope)))
    print(f"{description}\n\n{describe_certificate(found, slopes)}\n")
    print(f"record and figure: {out / RECORD}, {out / PICTURE}")
    return 0
