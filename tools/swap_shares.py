"""Certified shares of trained networks, beside their ceiling, and an attempt to contradict them.

``python -m tools.swap_shares OUT.csv FOLDER FOLDER ... --nmnist FOLDER``: one line per run. The
ceiling is the share of recordings that keep the hard network's class at all of 60 slopes up to 10^6
times that of training; what contradicts a certificate is a run with another class at a slope, drawn
log-uniformly between training's and 10^4 times that, for which the certificate speaks.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import refsast as rs
from refsast.certify.search import Problem, pose_problem, scale_slopes
from refsast.cli.common import add_recording_flags
from refsast.cli.trained import load_matching, read_trained
from refsast.model.unroll import input_currents, readout_logits, unroll_layer
from tools.table import write_as_measured

SAMPLES, CEILING = 40, np.geomspace(1.0, 1e6, 60)


def classes_at(problem: Problem, factor: float) -> NDArray[np.intp]:
    """Return the classes of the run at a factor of the network's slopes."""
    network, currents, s = scale_slopes(problem.network, factor), problem.first, None
    for neuron, layer in zip(network.neurons, problem.params, strict=False):
        currents = currents if s is None else input_currents(layer, s)
        _, s = unroll_layer(neuron, layer, currents)
    assert s is not None
    return readout_logits(network, problem.params, s).argmax(axis=1)


def measure(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Return the line of one run."""
    trained = read_trained(folder)
    (x, y), _ = load_matching(args, trained)
    start = time.process_time()
    found = rs.certify_swap(trained.network, trained.params, x, y)
    seconds = time.process_time() - start
    problem = pose_problem(trained.network, trained.params, x)
    keeps = [classes_at(problem, factor) == found.classes for factor in CEILING]
    rng = np.random.default_rng(0)
    pairs = contradictions = 0
    for factor in 10.0 ** rng.uniform(0.0, 4.0, SAMPLES):
        asked = found.factor <= factor
        pairs += int(asked.sum())
        contradictions += int(np.sum(asked & (classes_at(problem, factor) != found.classes)))
    counts = Counter(found.reason)
    correct = found.classes == y
    return {
        "run": folder.name,
        "recordings": len(y),
        "certified %": round(100.0 * float(found.certified.mean()), 1),
        "ceiling %": round(100.0 * float(np.all(keeps, axis=0).mean()), 1),
        "certified and correct %": round(100.0 * float((found.certified & correct).mean()), 1),
        "hard accuracy %": round(100.0 * float(correct.mean()), 1),
        "from slope x10 %": round(100.0 * float(found.share(10.0)), 1),
        "from slope x1000 %": round(100.0 * float(found.share(1e3)), 1),
        "tie": counts["tie"],
        "other class": counts["other class"],
        "open": counts["open"],
        "seconds per recording": round(seconds / len(y), 4),
        "pairs": pairs,
        "contradictions": contradictions,
    }


def main() -> None:
    """Measure run by run, and write the table after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    add_recording_flags(parser)
    args = parser.parse_args()
    write_as_measured(args.out, (measure(folder, args) for folder in args.runs))


if __name__ == "__main__":
    main()
