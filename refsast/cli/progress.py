"""How far a command is: a bar on a terminal; elsewhere a line per epoch or run.

All of it goes to standard error, so that what is printed at the end can be piped on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from refsast.experiment.record import Epoch

if TYPE_CHECKING:
    from tqdm import tqdm

    from refsast.experiment.compare import Result

T = TypeVar("T")


def progress_bar(
    items: Iterable[T] = (),
    *,
    desc: str,
    total: int | None = None,
    unit: str = "it",
    leave: bool = True,
) -> tqdm[T]:
    """Return a progress bar, which is silent (`disable`) where standard error is not a terminal."""
    from tqdm import tqdm  # here, so that a command that refuses its arguments need not wait for it

    silent = True if sys.stderr is None else None  # None: where it is no terminal
    return tqdm(
        items, desc=desc, total=total, unit=unit, leave=leave, disable=silent, dynamic_ncols=True
    )


def watch_training(bar: tqdm, name: str = "") -> Callable[[int, int, Epoch | None], None]:
    """Return what `train` is to call: it moves the bar, or prints a line per epoch without one."""
    last = 0

    def watch(step: int, total: int, epoch: Epoch | None) -> None:
        nonlocal last
        bar.total = total
        bar.update(step - bar.n)
        if epoch is None or epoch.epoch == last:
            return
        last, text = epoch.epoch, f"loss {epoch.loss:.4g}, {format_scores(epoch)}"
        if bar.disable:
            print(f"{name}epoch {last}: {text}", file=sys.stderr, flush=True)
        bar.set_postfix_str(text, refresh=False)

    return watch


def watch_runs(results: Iterable[Result], total: int, *, before: int) -> Iterator[Result]:
    """Yield results as they come in, with a bar, or a line for each without one.

    `total` is the number of all runs, of which `before` were there already.
    """
    with progress_bar(desc="runs", total=total, unit=" runs") as bar:
        bar.update(before)
        for i, result in enumerate(results, before + 1):
            bar.update(1)
            if bar.disable:
                text = f"{result.arm}, seed {result.seed}: {_describe(result)}"
                print(f"run {i} of {total}: {text}", file=sys.stderr, flush=True)
            yield result


def _describe(result: Result) -> str:
    """How a run ended."""
    if result.diverged is not None:
        return f"diverged at step {result.diverged}"
    return format_scores(result.run.curve[-1])


def format_scores(epoch: Epoch) -> str:
    """Return the scores of an epoch, in per cent."""
    if epoch.scores is None:
        return "not measured"
    percent = (100.0 * getattr(epoch.scores, name) for name in ("smooth", "hard", "gap"))
    return "smooth {:.1f} %, hard {:.1f} %, gap {:.1f} points".format(*percent)
