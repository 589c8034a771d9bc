"""Do libraries that share a process slow each other down?  ``python -m tests.bench.interference``

Each implementation is timed with the floor beside it in three ways: alone in a process with the
floor, all in one process, and one process per family. What is printed is its median time, and in the
last two columns how much longer it took than alone.
"""

import statistics
import sys

from tests.bench.timing import interleave, workers
from tests.bench.workloads import REFERENCE

NAMES = ("floor", "fast", "torch", "torch-loop", "jax", "spikingjelly", "norse", "snntorch")


def medians(process_of, names: tuple[str, ...], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each, those that are not here left out."""
    with workers(process_of) as here:
        timings = interleave(here, names, REFERENCE, rounds, budget=60.0)
    return {
        name: 1e3 * statistics.median(one.seconds) for name, one in timings.items() if one.seconds
    }


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    pairs = [("floor", name) for name in NAMES[1:]]
    alone = {}
    for pair in pairs:
        alone.update(medians(lambda one: "one", pair, rounds))
    together = medians(lambda one: "one", NAMES, rounds)
    family = medians(lambda one: one.process, NAMES, rounds)
    print(f"{'':14} alone ms  one process  per family")
    for name in family:
        columns = [f"{100 * (way[name] / alone[name] - 1):+9.0f} %" for way in (together, family)]
        print(f"{name:14} {alone[name]:8.1f} {'  '.join(columns)}")


if __name__ == "__main__":
    main()
