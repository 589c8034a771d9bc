"""Do libraries that share a process slow each other down?  ``python -m tests.bench.interference``

Every implementation is ready three times over: alone in a process, with its family in one, and with
everybody in one. Each round takes one step of each in each. What is printed is the median over the
rounds of the time in a shared process over the time alone in the same round, and the same of the
shortest times, which the machine's other users cannot lengthen.
"""

import argparse
import statistics

from tests.bench.timing import build_and_check, turn, workers
from tests.bench.workloads import REFERENCE

NAMES = ("floor", "fast", "torch", "torch-loop", "jax", "spikingjelly", "norse", "snntorch")
WAYS = {
    "alone": lambda name, one: name,
    "family": lambda name, one: one.process,
    "together": lambda name, one: "everybody",
}


def measure(names: tuple[str, ...], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return seconds by way and name."""
    with workers(WAYS["alone"]) as a, workers(WAYS["family"]) as b, workers(WAYS["together"]) as c:
        here = dict(zip(WAYS, (a, b, c), strict=True))
        able = {
            way: {t.name for t in build_and_check(w, names, REFERENCE) if not t.absent}
            for way, w in here.items()
        }
        seconds = {way: {name: [] for name in names if name in able[way]} for way in here}
        for _ in range(rounds):
            for name in seconds["alone"]:
                for way, processes in here.items():
                    seconds[way][name].append(turn(processes, name))
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    seconds = measure(NAMES, rounds)
    print(f"{'':14}{'alone, ms':>10}{'family':>10}{'together':>10}   (shortest: family, together)")
    for name, alone in seconds["alone"].items():
        shared = [seconds[way][name] for way in ("family", "together")]
        middle = [
            statistics.median(a / b for a, b in zip(way, alone, strict=True)) for way in shared
        ]
        least = [min(way) / min(alone) for way in shared]
        columns = "".join(f"{ratio:10.2f}" for ratio in (*middle, *least))
        print(f"{name:14}{1e3 * statistics.median(alone):10.1f}{columns}")


if __name__ == "__main__":
    main()
