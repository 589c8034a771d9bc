"""How many recordings per second are read and binned: ``python -m tests.bench.reading FOLDER``."""

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from refsast.data import STEPS, load_nmnist, load_nmnist_spikes

ROUNDS = 7


def measure(root: str | Path, *, split: str = "Train", rounds: int = ROUNDS) -> dict[str, float]:
    """Return recordings per second, the median over interleaved rounds.

    Parameters
    ----------
    root : path
        Recordings as `load_nmnist` reads them.
    split : str
        Which of them.
    rounds : int
        How often each way is timed; the ways take turns, so that a slow minute is slow for all.

    Returns
    -------
    dict
        By way of reading; ``"tonic"`` where it is installed and `root` holds a folder.
    """
    with tempfile.TemporaryDirectory() as cache:
        read = partial(load_nmnist_spikes, root, split, steps=STEPS)
        ways = {
            "one core": partial(read, jobs=1),
            "all cores": read,
            "all cores, dense": partial(load_nmnist, root, split, steps=STEPS),
            "cached": partial(read, cache=cache),
        } | _tonic(Path(root) / split)
        n = len(ways["cached"]()[1])  # and once each, unmeasured
        times = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                start = perf_counter()
                way()
                times[name].append(perf_counter() - start)
    return {name: n / median(found) for name, found in times.items()}


def _tonic(folder: Path) -> dict[str, Callable]:
    """Tonic's own reader and binning."""
    try:
        from tonic.datasets import NMNIST
        from tonic.io import read_mnist_file
        from tonic.transforms import ToFrame
    except ImportError:
        return {}
    if not folder.is_dir():
        return {}
    paths = sorted(folder.rglob("*.bin"))
    to_frame = ToFrame(sensor_size=NMNIST.sensor_size, n_time_bins=STEPS)
    return {"tonic": lambda: [to_frame(read_mnist_file(p, dtype=NMNIST.dtype)) for p in paths]}


if __name__ == "__main__":
    print(json.dumps({name: round(rate) for name, rate in measure(sys.argv[1]).items()}, indent=2))
