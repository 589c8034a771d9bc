"""How much memory a few steps take: the peak above a process that has everything loaded.

Each implementation has a process of its own. Libraries are imported, the data are there in the form
in which the implementation keeps them, and a tiny step has been taken; the steps that follow are
what is measured, compilation included.
"""

import ctypes
import gc
import logging
import multiprocessing
import resource
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from tests.bench.implementations import AbsentError
from tests.bench.machine import is_installed
from tests.bench.timing import ALL
from tests.bench.workloads import TINY, Workload, draw

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Peak:
    """What some steps of one implementation took.

    Attributes
    ----------
    name : str
        Its key in the tables of implementations.
    above : float
        Bytes at the peak, above those before the first step.
    whole : float
        Bytes of the whole process at the peak.
    seconds : float
        Of all the steps.
    absent : str
        Why it was not measured; empty if it was.
    """

    name: str
    above: float = 0.0
    whole: float = 0.0
    seconds: float = 0.0
    absent: str = ""


def field(name: str) -> float:
    """Return a number of bytes of ``/proc/self/status``."""
    lines = STATUS.read_text().splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def settle() -> float:
    """Give back what is free, forget the peak so far, and return the bytes in use."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return field("VmRSS")
    except (OSError, AttributeError):
        return peak()


def peak() -> float:
    """Return the most bytes that the process has had since it settled, or since it began."""
    try:
        return field("VmHWM")
    except OSError:
        unit = 1.0 if sys.platform == "darwin" else 1024.0
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def steps_of(name: str, work: Workload, steps: int) -> Peak:
    """Take the steps in this process."""
    ALL[name].build(TINY, draw(TINY)).step()
    built = ALL[name].build(work, draw(work))
    before, start = settle(), time.perf_counter()
    for _ in range(steps):
        built.step()
    seconds, most = time.perf_counter() - start, peak()
    return Peak(name, most - before, most, seconds)


def _child(pipe, name: str, work: Workload, steps: int) -> None:
    """What the process of one implementation does."""
    warnings.simplefilter("ignore")  # of libraries, about themselves
    logging.disable(logging.WARNING)
    try:
        pipe.send(steps_of(name, work, steps))
    except AbsentError as error:
        pipe.send(Peak(name, absent=str(error)))
    except Exception as error:  # a peer may fail in any way; that is a result, not the end
        pipe.send(Peak(name, absent=f"{type(error).__name__}: {error}".splitlines()[0]))


def measure(name: str, work: Workload, steps: int) -> Peak:
    """Return the peak of some steps, in a fresh process."""
    if not is_installed(ALL[name].needs):
        return Peak(name, absent=f"{ALL[name].needs} is not installed")
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_child, args=(there, name, work, steps))
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        return Peak(name, absent="its process died")
    finally:
        child.join()
