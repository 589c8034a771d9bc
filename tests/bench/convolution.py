"""``python -m tests.bench.convolution``: a convolutional network's gradient, beside PyTorch's.

The network of docs/networks.md, 2x34x34, 12c5-2a-32c5-2a-10. Both take turns in one process with
as many threads, A B A B, and must agree before they are timed; memory is that of a process each.
"""

import argparse
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import refsast as rs
from refsast.arrays import Array, Integers
from refsast.cores import thread_count
from tests.bench.memory import peak, settle
from tests.bench.workloads import GAIN, LEAK, SLOPE, THRESHOLD

SIZES: Any = (
    (2, 34, 34),
    rs.Conv2d(12, 5),
    (rs.AvgPool2d(2), rs.Conv2d(32, 5)),
    (rs.AvgPool2d(2), 10),
)
AGREE = {"float32": 1e-4, "float64": 1e-11}  # of the largest entry of each array
Step = Callable[[], tuple[float, list[Array]]]


@dataclass(frozen=True, eq=False)
class Batch:
    """A minibatch, (time, batch, 2312) and labels, and the parameters, all of one dtype."""

    x: Array
    y: Integers
    params: rs.Params


def draw(options: argparse.Namespace, batch: int) -> Batch:
    """Return recordings, real ones from the folder that was given, and seeded parameters."""
    rng = np.random.default_rng(0)
    if options.nmnist is None:
        x, y = rs.synthetic_digits(batch, rng, steps=options.steps)
    else:
        each = math.ceil(batch / 10)
        x, y = rs.load_nmnist(options.nmnist, "Train", steps=options.steps, per_class=each)
        chosen = rng.permutation(len(y))[:batch]
        x, y = x[:, chosen], y[chosen]
    flat = rs.flatten(rs.init(network(), 0)).astype(options.dtype)
    return Batch(np.ascontiguousarray(x, options.dtype), y, rs.unflatten(network(), flat))


def network() -> rs.Network:
    """Return the network, with arctangent spikes, reset to zero and spike rates as logits."""
    return rs.Network(SIZES, rs.LIF(LEAK, THRESHOLD, rs.Arctan(SLOPE)), rs.SpikeRate(GAIN))


def build_fast(batch: Batch) -> Step:
    """Return a step of `rs.fast`."""

    def step() -> tuple[float, list[Array]]:
        loss, grads = rs.fast.loss_and_grad(network(), batch.params, batch.x, batch.y)
        return float(loss), [a for layer in grads for a in (layer.w, layer.b) if a is not None]

    return step


def build_torch(batch: Batch) -> Step:
    """Return a step of autograd, the convolutions of all steps together, layer by layer."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(thread_count())
    arrays = [a.copy() for layer in batch.params for a in (layer.w, layer.b) if a is not None]
    params = [torch.from_numpy(a).requires_grad_() for a in arrays]
    w1, b1, w2, b2, w3, b3 = params
    x, y = torch.from_numpy(batch.x), torch.from_numpy(batch.y)
    time, rows = x.shape[0], x.shape[:2].numel()

    def spikes(currents):
        u = s = torch.zeros_like(currents[0])
        found = []
        for current in currents:
            u = LEAK * u * (1.0 - s) + current
            s = 0.5 + torch.atan((0.5 * math.pi * SLOPE) * (u - THRESHOLD)) / math.pi
            found.append(s)
        return torch.stack(found).flatten(0, 1)

    def by_time(currents):
        return currents.unflatten(0, (time, -1))

    def step() -> tuple[float, list[Array]]:
        a = spikes(by_time(functional.conv2d(x.reshape(rows, *SIZES[0]), w1, b1)))
        a = spikes(by_time(functional.conv2d(functional.avg_pool2d(a, 2), w2, b2)))
        a = functional.linear(functional.avg_pool2d(a, 2).flatten(1), w3, b3)
        loss = functional.cross_entropy(GAIN * by_time(spikes(by_time(a))).mean(0), y)
        return loss.item(), [grad.numpy() for grad in torch.autograd.grad(loss, params)]

    return step


BUILD = {"refsast": build_fast, "PyTorch": build_torch}


def require_agreement(steps: dict[str, Step], dtype: str) -> None:
    """Raise ValueError unless both compute the same gradient."""
    (_, ours), (_, theirs) = (step() for step in steps.values())
    gap = max(abs(a - b).max() / abs(b).max() for a, b in zip(ours, theirs, strict=True))
    if not gap <= AGREE[dtype]:
        raise ValueError(f"gradients must agree to {AGREE[dtype]}, got {gap:.1e}")


def take_turns(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of processor time of every step, after one that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(rounds + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name] += [time.process_time() - start] if i > 0 else []
    return seconds


def measure_peak(name: str, options: argparse.Namespace) -> float:
    """Return the bytes that one step needs above a process that has taken a tiny one."""
    BUILD[name](draw(options, 2))()
    step = BUILD[name](draw(options, options.batch))
    before = settle()
    step()
    return peak() - before


def parser() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    found = argparse.ArgumentParser(
        prog="python -m tests.bench.convolution",
        description="a convolutional network's gradient, beside PyTorch's",
    )
    found.add_argument("--batch", type=int, default=32, help="recordings (32)")
    found.add_argument("--steps", type=int, default=10, help="time steps (10)")
    found.add_argument("--dtype", choices=sorted(AGREE), default="float32")
    found.add_argument("--rounds", type=int, default=15, help="turns for both (15)")
    found.add_argument("--nmnist", type=Path, help="folder of N-MNIST; without it synthetic digits")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = parser().parse_args(arguments)
    try:
        for name in ("batch", "steps", "rounds"):
            if getattr(options, name) < 1:
                raise ValueError(f"--{name} must be positive, got {getattr(options, name)}")
        batch = draw(options, options.batch)
        steps = {name: build(batch) for name, build in BUILD.items()}
        require_agreement(steps, options.dtype)
    except (ValueError, OSError, ImportError) as error:
        print(f"tests.bench.convolution: {error}", file=sys.stderr)
        return 2
    seconds = take_turns(steps, options.rounds)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        peaks = {name: fresh.apply(measure_peak, (name, options)) for name in BUILD}
    for name, each in seconds.items():
        low, middle, high = 1e3 * np.percentile(each, (25, 50, 75))
        mib = peaks[name] / 2**20
        print(
            f"{name:8}{middle:7.0f} ms ({low:.0f} to {high:.0f}) of processor time,{mib:5.0f} MiB"
        )
    ratios = [ours / theirs for ours, theirs in zip(*seconds.values(), strict=True)]
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    print(f"refsast takes {middle:.2f} ({low:.2f} to {high:.2f}) times as long, {options.dtype}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
