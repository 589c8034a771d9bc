"""Everybody in turns: one process per family of libraries, asked for one step at a time.

Between turns the machine comes to rest, which matters more than who shares a process with whom:
after its last product a thread of OpenBLAS spins on a core for a tenth of a second, and a PyTorch
loop that starts meanwhile takes two to three times as long as it should. After a rest, families
in processes of their own are within 4 % of everybody alone, and all in one process are too but for
JAX, at 10 % (two cores; measured by ``python -m tests.bench.interference``). One that crashes or
runs out of memory then spoils only its own rows.
"""

import logging
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

import numpy as np

from tests.bench.check import verdict
from tests.bench.implementations import REFSAST, AbsentError, Answer, Built, Implementation
from tests.bench.machine import is_installed
from tests.bench.peers import PEERS
from tests.bench.workloads import Workload, draw

ALL: dict[str, Implementation] = {**REFSAST, **PEERS}
LOOK = 0.05  # seconds over which the use of the cores is looked at
CALM = 0.4  # cores in use that count as rest
PATIENCE = 0.6  # seconds to wait for it: OpenBLAS spins for 0.11, other programs as they please
TRIES = 2  # steps in one turn, if other programs were busy around the first
FEWEST = 3  # rounds, however slow
STEPS = (2, 16)  # least and most steps of a turn: the first half wakes threads and fills caches
ENOUGH = 0.3  # seconds, after which no further step is taken


@dataclass(frozen=True)
class Timing:
    """How one implementation did on one workload.

    Attributes
    ----------
    name : str
        Its key in the tables of implementations.
    seconds : tuple of float
        One step each, in the order of the rounds; empty where there was nothing to time.
    first : float
        Seconds to build it and take a first step, compilation included.
    wrong : str
        Why it is not the same loss and gradients; empty if it is.
    absent : str
        Why it was not timed; empty if it was.
    """

    name: str
    seconds: tuple[float, ...] = ()
    first: float = 0.0
    wrong: str = ""
    absent: str = ""


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return float(low), float(middle), float(high)


def ratios(one: Timing, base: Timing) -> list[float]:
    """Return how many times longer one took than the base in the same round."""
    return [a / b for a, b in zip(one.seconds, base.seconds, strict=False)]


def receive(pipe: Connection) -> tuple | None:
    """Return the next request; None also where nobody is left to ask."""
    try:
        return pipe.recv()
    except (EOFError, KeyboardInterrupt):
        return None


def serve(pipe: Connection) -> None:
    """Answer requests until there are no more: what a worker process runs."""
    warnings.simplefilter("ignore")  # of libraries, about themselves
    logging.disable(logging.WARNING)
    built: dict[str, Built] = {}
    while (request := receive(pipe)) is not None:
        try:
            pipe.send((None, ANSWERS[request[0]](built, *request[1:])))
        except AbsentError as error:
            pipe.send((AbsentError(str(error)), None))
        except Exception as error:  # a peer may fail in any way; that is a result, not the end
            pipe.send((AbsentError(f"{type(error).__name__}: {error}".splitlines()[0]), None))


def _build(built: dict[str, Built], name: str, work: Workload) -> tuple[float, Answer | None]:
    """Make one ready; return the seconds until its first step was done, and its answer."""
    data = draw(work)
    start = time.perf_counter()
    one = ALL[name].build(work, data)
    one.step()
    first = time.perf_counter() - start
    built[name] = one
    return first, None if one.answer is None else one.answer()


def _time(built: dict[str, Built], name: str) -> float:
    """Take steps one after another, as training does; return the median seconds of the last."""
    step, begun = built[name].step, time.perf_counter()
    seconds: list[float] = []
    while len(seconds) < STEPS[1]:
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
        if len(seconds) >= STEPS[0] and time.perf_counter() - begun > ENOUGH:
            break
    return float(np.median(seconds[len(seconds) // 2 :]))


def _oracle(_: dict[str, Built], name: str, work: Workload) -> Answer:
    """Return what an implementation must answer."""
    return ALL[name].oracle(work)


ANSWERS = {"build": _build, "time": _time, "oracle": _oracle, "forget": dict.clear}


ProcessOf: TypeAlias = Callable[[str, Implementation], str]


def family(name: str, one: Implementation) -> str:
    """Return the process that an implementation shares with its family of libraries."""
    return one.process


@dataclass
class Workers:
    """The processes, by name, started when first asked.

    Attributes
    ----------
    process_of : callable
        Which process an implementation runs in, by its name and itself.
    turns, disturbed : int
        Turns taken, and those around which other programs kept the machine busy.
    """

    process_of: ProcessOf = family
    turns: int = 0
    disturbed: int = 0
    _running: dict[str, tuple[multiprocessing.Process, Connection]] = field(default_factory=dict)

    def ask(self, process: str, *request: object):
        """Return what a process answers; what it raises is raised here."""
        if process not in self._running:
            self._running[process] = _start()
        pipe = self._running[process][1]
        try:
            pipe.send(request)
            error, result = pipe.recv()
        except (EOFError, OSError) as lost:  # killed, for want of memory for instance
            self._running.pop(process)[0].join()
            raise AbsentError("its process died") from lost
        if error is not None:
            raise error
        return result

    def forget(self) -> None:
        """Let every process free what it has built."""
        for process in list(self._running):
            self.ask(process, "forget")

    def stop(self) -> None:
        """End all processes."""
        for worker, pipe in self._running.values():
            with suppress(OSError):  # it has died already
                pipe.send(None)
            worker.join()
        self._running.clear()


def _start() -> tuple[multiprocessing.Process, Connection]:
    """Start a worker, in a fresh interpreter: forked pools of threads do not work."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    worker = context.Process(target=serve, args=(there,))
    worker.start()
    there.close()
    return worker, here


@contextmanager
def workers(process_of: ProcessOf = family) -> Iterator[Workers]:
    """Give processes, and end them whatever happens."""
    here = Workers(process_of)
    try:
        yield here
    finally:
        here.stop()


def build_and_check(here: Workers, names: Sequence[str], work: Workload) -> Iterator[Timing]:
    """Build and check everybody; yield what is known before the clock runs."""
    wanted: dict[int, Answer] = {}
    for name in names:
        one = ALL[name]
        if not is_installed(one.needs):
            yield Timing(name, absent=f"{one.needs} is not installed")
            continue
        try:
            first, answer = here.ask(here.process_of(name, one), "build", name, work)
            wrong = ""
            if one.oracle is not None and answer is not None:
                key = id(one.oracle)
                if key not in wanted:
                    wanted[key] = here.ask("refsast", "oracle", name, work)
                wrong = verdict(answer, wanted[key])
            yield Timing(name, first=first, wrong=wrong)
        except AbsentError as error:
            yield Timing(name, absent=str(error))


def interleave(
    here: Workers,
    names: Sequence[str],
    work: Workload,
    rounds: int,
    *,
    budget: float,
) -> Mapping[str, Timing]:
    """Return the timings of all, taken in turns: A B C, A B C, ...

    Parameters
    ----------
    here : Workers
        The processes.
    names : sequence of str
        Who takes part.
    work : Workload
        What is computed.
    rounds : int
        How often everybody's turn comes, after a round that is not counted.
    budget : float
        Seconds, beyond which no round is begun, but for the first three.
    """
    found = {one.name: one for one in build_and_check(here, names, work)}
    able = [name for name, one in found.items() if not one.absent]
    seconds: dict[str, list[float]] = {name: [] for name in able}
    for name in able:
        here.ask(here.process_of(name, ALL[name]), "time", name)
    end = time.monotonic() + budget
    for i in range(rounds):
        if i >= FEWEST and time.monotonic() > end:
            break
        for name in able:
            seconds[name].append(turn(here, name))
    here.forget()
    return {
        name: Timing(name, tuple(seconds.get(name, ())), one.first, one.wrong, one.absent)
        for name, one in found.items()
    }


def turn(here: Workers, name: str) -> float:
    """Return the seconds of one step that found the machine at rest, and left it so."""
    here.turns += 1
    one = ALL[name]
    for _ in range(TRIES):
        calm = wait_for_rest()
        seconds = here.ask(here.process_of(name, one), "time", name)
        if calm and cores_in_use() <= CALM + (one.process == "refsast"):  # whose OpenBLAS spins
            return seconds
    here.disturbed += 1
    return seconds


def wait_for_rest() -> bool:
    """Wait until the machine is at rest; return whether it came to be."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if cores_in_use() <= CALM:
            return True
    return False


def cores_in_use() -> float:
    """Look for a moment; return how many cores were in use."""
    before, start = cpu_seconds(), time.monotonic()
    time.sleep(LOOK)
    return (cpu_seconds() - before) / (time.monotonic() - start)


def cpu_seconds() -> float:
    """Return the seconds that all cores have worked so far; 0 where the system does not say."""
    try:
        user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    except OSError:
        return 0.0
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")
