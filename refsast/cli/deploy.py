"""``python -m refsast deploy``: a trained network in integers, for a chip."""

import argparse
import re
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from refsast.arrays import require_positive
from refsast.cli.argument_types import natural
from refsast.cli.common import Commands, add_recording_flags
from refsast.cli.progress import progress_bar
from refsast.cli.trained import (
    add_trained_argument,
    choose_folder,
    describe,
    load_matching,
    read_trained,
)
from refsast.deploy.c_code import write_c
from refsast.deploy.conversion import to_integers
from refsast.deploy.description import describe_integers
from refsast.deploy.files import save
from refsast.deploy.formats import ROUNDINGS, LeakFormat, PotentialFormat, WeightFormat
from refsast.deploy.network import Formats, IntegerNetwork, dequantise
from refsast.deploy.page import PAGE, RECORD, format_survey, write_survey
from refsast.deploy.survey import survey
from refsast.files import require_writable

GRAPH = "network.nir"
WIDTHS = (8, 6, 4, 3, 2)
WORDS = (
    (
        "--per",
        ("channel", "tensor"),
        "whether a scale is of a neuron or of a whole layer",
    ),
    ("--rounding", ROUNDINGS, "how weights are rounded"),
    ("--overflow", ("saturate", "wrap"), "what becomes of a potential that does not fit"),
    ("--leak", ("product", "shift"), "a leak is a product and a shift, or a shift alone"),
)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "deploy",
        help="run a trained network in integers and write it for a chip",
        description="Run a trained network in integers, with weights of several widths, and write "
        "what it still reads, what that costs, and on how many recordings provably no rounding of "
        f"the weights changes the class: {RECORD}, a figure and a page, {PAGE}; and per width "
        "a folder with the integers (JSON and npz) and a C program. Recordings are the "
        "held-out ones that the flags name, as for train.",
    )
    add_trained_argument(parser)
    parser.add_argument(
        "--bits",
        type=int,
        nargs="+",
        default=list(WIDTHS),
        metavar="N",
        help=f"widths of a weight, 2 to 16 (default: {' '.join(map(str, WIDTHS))})",
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="of that (default: 0)")
    parser.add_argument(
        "--potential",
        type=_parse_fixed_point,
        default=(13, 4),
        metavar="M.N",
        help="integer and fraction bits of a potential, in weight steps (default: 13.4)",
    )
    parser.add_argument(
        "--leak-shift",
        type=natural,
        default=8,
        metavar="M",
        help="leaks are k/2^M (default: 8), or, with --leak shift, 1 - 2^-k with k up to M",
    )
    parser.add_argument(
        "--nir",
        type=float,
        metavar="DT",
        help=f"write {GRAPH}, too, a NIR graph of each width with steps of DT seconds; its "
        "metadata say what NIR has no field for",
    )
    for flag, words, text in WORDS:
        parser.add_argument(
            flag, default=words[0], metavar="|".join(words), help=f"{text} (default: {words[0]})"
        )
    add_recording_flags(parser)
    parser.set_defaults(run=run)


def _parse_fixed_point(text: str) -> tuple[int, int]:
    if not re.fullmatch(r"\d+\.\d+", text):
        raise argparse.ArgumentTypeError(f"must be two numbers with a point between, got {text!r}")
    whole, part = text.split(".")
    return int(whole), int(part)


def _require_nir(dt: float) -> None:
    require_positive(dt, "--nir")
    if find_spec("nir") is None:
        raise ValueError("--nir must have the package nir beside refsast, got none")


def _make_writer(made: IntegerNetwork, dt: float) -> Callable[[Path], None]:
    """Return what writes the network that integers stand for as NIR, with what NIR cannot say."""
    from refsast.crosscheck.adapters import nir  # which imports a package that not everybody has

    network, params = dequantise(made)
    graph = nir.to_nir(network, params, dt=dt, rule=nir.EULER, notes=describe_integers(made))
    return partial(nir.write_nir, graph)


def run(args: argparse.Namespace) -> int:
    """Read, make integers, run, write, and print."""
    out = args.out or choose_folder(args.trained)
    require_writable(out / PAGE)
    if args.nir is not None:
        _require_nir(args.nir)
    whole, fraction = args.potential
    potentials = PotentialFormat(whole, fraction, args.overflow)
    leaks = LeakFormat(args.leak_shift, args.leak)
    weights = [WeightFormat(b, args.per, args.rounding) for b in args.bits]
    trained = read_trained(args.trained)
    rng = np.random.default_rng(args.seed)
    made = [
        to_integers(trained.network, trained.params, Formats(each, potentials, leaks), rng)
        for each in weights
    ]
    # What NIR cannot hold is refused before the long part.
    writers = [_make_writer(each, args.nir) for each in made] if args.nir is not None else []
    (x, y), description = load_matching(args, trained)
    with progress_bar(desc="widths", total=len(made), unit=" widths") as bar:
        found = survey(made, trained.params, x, y, watch=bar.update)
    for i, each in enumerate(made):
        folder = out / f"integers-{each.formats.weights.bits}-bits"
        save(each, folder)
        write_c(each, folder, steps=trained.steps)
        if writers:
            writers[i](folder / GRAPH)
    facts = {
        **describe(trained, (x, y), description),
        "weights": f"{args.per}, {args.rounding}, seed {args.seed}",
        "potentials": f"Q{potentials.integer_bits}.{potentials.fraction_bits}, {args.overflow}",
        "leaks": ", ".join(f"{layer.leak.factor}/2^{layer.leak.shift}" for layer in made[0].layers),
    }
    page = write_survey(out, found, facts)
    print(f"{description}: {facts['held out']}\n\n{format_survey(found)}\npage: {page}")
    return 0
