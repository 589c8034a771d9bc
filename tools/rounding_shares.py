"""What no rounding of the weights changes, beside what an adversary's rounding does.

``python -m tools.rounding_shares OUT.csv FOLDER FOLDER ... --nmnist FOLDER``: one line per run, or
kept run of a comparison, and width. *Attacked*: the share of recordings whose class another choice
of neighbours changes, which takes for each recording the upper neighbour where that raises the
loss, by the straight-through gradient; the certified share cannot be above the rest. A
contradiction is a certified recording with another class in a network rounded to the nearest, down,
up or at random, or by that adversary.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

import refsast as rs
from refsast import deploy
from refsast.cli.common import add_recording_flags
from refsast.cli.trained import Trained, load_matching, read_trained
from refsast.deploy.certificate import enclose_weights
from refsast.deploy.formats import ROUNDINGS
from tools.deployment_seeds import find_runs
from tools.table import write_as_measured

WIDTHS = (12, 10, 9, 8, 7, 6)
POTENTIALS = deploy.PotentialFormat(20, 4)  # which no potential leaves
RANDOM = 5  # random roundings per width


def rounded(trained: Trained, formats: deploy.Formats) -> Iterator[deploy.IntegerNetwork]:
    """Yield the network rounded in every way."""
    rng = np.random.default_rng(0)
    for rounding in (*ROUNDINGS, *["stochastic"] * (RANDOM - 1)):
        weights = replace(formats.weights, rounding=rounding)
        yield deploy.to_integers(
            trained.network, trained.params, replace(formats, weights=weights), rng
        )


def attacked_classes(
    trained: Trained,
    formats: deploy.Formats,
    x: NDArray[np.generic] | rs.Spikes,
    classes: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Return the class of each recording in the network that is rounded against it."""
    low, high = enclose_weights(trained.network, trained.params, formats)
    found = []
    for i in range(len(classes)):
        one = x[:, i : i + 1]
        _, grads = rs.fast.straight_through(
            trained.network, trained.params, one, classes[i : i + 1]
        )
        layers = tuple(
            replace(a, w=np.where(g.w > 0.0, b.w, a.w))
            for a, b, g in zip(low.layers, high.layers, grads, strict=False)
        )
        logits = deploy.run(replace(low, layers=layers), one).logits
        found.append(int(logits.argmax()))
    return np.array(found)


def measure(name: str, path: Path, bits: int, args: argparse.Namespace) -> dict[str, object]:
    """Return the line of one run and width."""
    trained = read_trained(path)
    (x, y), _ = load_matching(args, trained)
    formats = deploy.Formats(deploy.WeightFormat(bits, args.per), POTENTIALS)
    start = time.process_time()
    found = deploy.certify_rounding(trained.network, trained.params, x, formats)
    seconds = time.process_time() - start
    others = [deploy.run(made, x).logits.argmax(axis=1) for made in rounded(trained, formats)]
    changed = np.array(others) != found.classes
    attacked = attacked_classes(trained, formats, x, found.classes) != found.classes
    every = np.vstack([changed, attacked])
    return {
        "run": name,
        "bits": bits,
        "recordings": len(y),
        "certified %": _percent(found.certified),
        "certified and correct %": _percent(found.certified & (found.classes == y)),
        "attacked %": _percent(attacked),
        "nearest changes %": _percent(changed[0]),
        "any of all changes %": _percent(every.any(axis=0)),
        "unknown spikes % by layer": " ".join(f"{100.0 * share:.1f}" for share in found.unknown),
        "seconds per recording": round(seconds / len(y), 4),
        "pairs": int(found.certified.sum()) * len(every),
        "contradictions": int((every & found.certified).sum()),
    }


def _percent(which: ArrayLike) -> float:
    return round(100.0 * float(np.asarray(which).mean()), 1)


def main() -> None:
    """Measure run by run and width by width, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--per", default="channel")
    parser.add_argument("--bits", type=int, nargs="+", default=WIDTHS)
    add_recording_flags(parser)
    args = parser.parse_args()
    runs = list(find_runs(args.runs))
    rows = (measure(name, path, bits, args) for name, path in runs for bits in args.bits)
    write_as_measured(args.out, rows)


if __name__ == "__main__":
    main()
