"""What a run consists of, section by section, and the record of what came out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

from tests.bench import columns, epochs, workloads
from tests.bench.epochs import EpochTiming, take_turns
from tests.bench.limit import Limit, measure_limit
from tests.bench.machine import processor, threads, versions
from tests.bench.memory import Peak, measure
from tests.bench.timing import Timing, Workers, interleave
from tests.bench.workloads import Workload

Timings = Mapping[str, Timing]
OURS = ("floor", "events", "fast")
PEERS = ("torch", "torch-loop", "torch-sparse", "jax", "spikingjelly", "norse", "snntorch")
SAM = ("sam", "sam-events", "sam-shared", "sam-shared-events")
TRAIN = ("train", "train-sam", "train-events", "train-sam-events")
KEPT = ("events-checkpoint", "fast-checkpoint")


@dataclass
class Results:
    """What a run has found so far; sections that were not asked for are empty.

    Attributes
    ----------
    machine : dict
        What it ran on, and the versions.
    tables : dict
        Timings of a comparison, by its name.
    sweeps : dict
        By what was varied: its values, each with its timings.
    memory : dict
        Peaks, by workload.
    columns : dict
        Products of a first layer, split by column, by workload.
    epochs : dict
        Epochs of training: by set and network, plain or SAST, and by whom.
    limits : dict
        What those cannot do without, by the same keys.
    reading : dict
        Recordings read per second, by the way in which they are read.
    """

    machine: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Timings] = field(default_factory=dict)
    sweeps: dict[str, list[tuple[float, Timings]]] = field(default_factory=dict)
    memory: dict[str, list[Peak]] = field(default_factory=dict)
    columns: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    epochs: dict[str, dict[str, dict[str, EpochTiming]]] = field(default_factory=dict)
    limits: dict[str, dict[str, Limit]] = field(default_factory=dict)
    reading: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Who is timed on what.

    Attributes
    ----------
    work : Workload
        What is computed.
    names : tuple of str
        By whom.
    budget : float
        Seconds for all rounds together.
    """

    work: Workload
    names: tuple[str, ...]
    budget: float


COMPARISONS = {
    "reference": Comparison(
        workloads.REFERENCE, (*OURS, "tape", *PEERS, "torch-compile"), budget=90.0
    ),
    "uniform": Comparison(workloads.UNIFORM, (*OURS, *PEERS), budget=60.0),
    "long": Comparison(workloads.LONG, (*OURS, *KEPT, *PEERS), budget=120.0),
    "deep": Comparison(workloads.DEEP, (*OURS, "tape", *PEERS), budget=60.0),
    "sam": Comparison(workloads.REFERENCE, (*OURS, *SAM, *TRAIN), budget=60.0),
    "sam-small": Comparison(workloads.SMALL, (*OURS, *SAM, *TRAIN), budget=20.0),
}
SWEPT, SWEEP_BUDGET, SWEEP_ROUNDS = (*OURS, "torch"), 6.0, 9
MEMORY = {
    "long": (workloads.MEMORY, ("events", "fast", *KEPT, *PEERS), 5),
    "thousand": (workloads.THOUSAND, ("events", "fast", *KEPT, "torch", "torch-loop", "jax"), 2),
}
SECTIONS = (*COMPARISONS, "training", "columns", "scaling", "memory", "reading")
QUICK = ("reference", "sam-small")
EPOCH_ROUNDS = 5


def machine() -> dict[str, str]:
    """Return what a reader must know of the machine."""
    cores = str(threads())
    found = {"processor": processor(), "cores": cores, "threads": cores, **versions()}
    return found | {"recordings": workloads.describe_recordings(workloads.REFERENCE.steps)}


def tasks(names: tuple[str, ...], rounds: int, *, quick: bool) -> list[tuple[str, Callable]]:
    """Return what is to be done, as (what it is called, ``(workers, results) -> None``) pairs."""
    found: list[tuple[str, Callable]] = []
    for name in names:
        if name in COMPARISONS:
            found.append((name, _comparison(name, rounds, quick=quick)))
        elif name == "scaling":
            found += [
                (f"by {of} = {v:g}", _point(of, v, work, rounds))
                for of, points in workloads.sweeps().items()
                for v, work in points
            ]
        elif name == "training":
            found += _training(rounds, quick=quick)
        elif name == "columns":
            found.append((name, _columns(rounds)))
        elif name == "memory":
            found += [
                (f"memory of {who}", _peak(where, who))
                for where, (_, names, _) in MEMORY.items()
                for who in names
            ]
        else:
            found.append((name, _reading))
    return found


def _comparison(name: str, rounds: int, *, quick: bool):
    plan = COMPARISONS[name]
    slow = ("torch-compile",) if quick else ()
    who = tuple(one for one in plan.names if one not in slow)
    budget = plan.budget / 4.0 if quick else plan.budget

    def run(here: Workers, results: Results) -> None:
        results.tables[name] = interleave(here, who, plan.work, rounds, budget=budget)

    return run


def _point(of: str, value: float, work: Workload, rounds: int):
    def run(here: Workers, results: Results) -> None:
        few = min(rounds, SWEEP_ROUNDS)
        timings = interleave(here, SWEPT, work, few, budget=SWEEP_BUDGET)
        results.sweeps.setdefault(of, []).append((value, timings))

    return run


def _peak(where: str, name: str):
    work, _, steps = MEMORY[where]

    def run(here: Workers, results: Results) -> None:
        here.stop()  # nothing else should hold memory meanwhile
        results.memory.setdefault(where, []).append(measure(name, work, steps))

    return run


def _training(rounds: int, *, quick: bool) -> list[tuple[str, Callable]]:
    """One part for each set and network; synthetic recordings are made anew for each."""
    n = epochs.FEW if quick else epochs.MANY
    few = min(rounds, EPOCH_ROUNDS)

    def part(title: str):
        def run(here: Workers, results: Results) -> None:
            here.stop()  # whole sets are in memory meanwhile
            with TemporaryDirectory() as folder:
                pair = epochs.make_tasks(n, folder)[title]
                results.epochs[title] = {k: take_turns(task, few) for k, task in pair.items()}
                results.limits[title] = {k: measure_limit(task) for k, task in pair.items()}

        return run

    return [(f"training: {title}", part(title)) for title in epochs.make_tasks(n)]


def _columns(rounds: int):
    def run(here: Workers, results: Results) -> None:
        results.columns = columns.measure(rounds)

    return run


def _reading(here: Workers, results: Results) -> None:
    """Time the reading of recordings, where there are some and a program to do it."""
    root = workloads.recordings_folder()
    try:
        from tests.bench import reading
    except ImportError:
        return
    if root is not None:
        results.reading = reading.measure(root)
