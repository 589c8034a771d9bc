"""Right implementations of extended networks in PyTorch: how many does `rs.check` call wrong?

``python -m tests.crosscheck.right_extended [N] [SEED]`` draws N networks beyond dense LIF layers
and answers each in float64 or float32, sums in another order, formulas written another way.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from tqdm import trange

import refsast as rs
from refsast.crosscheck.case import Answer
from refsast.crosscheck.tolerance import MAX_SHARE
from refsast.crosscheck.unclear import examine_clear, unclear_recordings
from refsast.model.params import map_params, param_arrays, replace_arrays
from tests.crosscheck.planted_extended.connection_layers import (
    count_windows,
    cut_windows,
    sum_windows,
)
from tests.crosscheck.planted_extended.draw import draw_case
from tests.crosscheck.planted_extended.kind import DTYPES
from tests.gradient.test_torch import Hard, sigma
from tests.gradient.torch_extended import Layer, differentiate, run_network

MOST_STEPS = 24


class Rewritten(Layer):
    """The same layer, its sums in another order, its brackets multiplied out."""

    def convolve(self, part, a):
        windows = cut_windows(a, part, count_windows(a, part))
        return sum_windows(windows, self.parameters["w"], self.parameters.get("b"), part.groups)

    def average(self, part, a):
        windows = cut_windows(a, part, count_windows(a, part))
        return windows.flip(2).sum(dim=2) / (part.kernel[0] * part.kernel[1])

    def multiply(self, a):
        current = a.flatten(1).flip(1) @ self.parameters["w"].flip(1).T
        return current if self.parameters.get("b") is None else self.parameters["b"] + current

    def feed_back(self, s):
        return (s.flip(1)[:, None] * self.parameters["v"].flip(1)).sum(dim=2)

    def reset_by(self, s, leak, threshold):
        kind = self.neuron.reset
        if isinstance(kind, rs.ToZero):
            return leak * self.u - leak * self.u * s
        if isinstance(kind, rs.Subtract) and kind.leaked:
            return leak * self.u - leak * threshold * s
        return super().reset_by(s, leak, threshold)

    def emit(self, raised):
        threshold = self.spread("threshold", self.threshold)
        return self.refrain(self.fire(self.neuron.spike, (self.u - raised) - threshold))


@dataclass(frozen=True)
class Style:
    """How an implementation is written."""

    dtype: str
    layer: type[Layer]
    one_by_one: bool  # whether recordings are run alone, and their gradients averaged
    states: bool  # whether states, adjoints and the gradient in the input are given, too


def draw_style(rng: np.random.Generator) -> Style:
    """Draw any style."""
    dtype = ("float64", "float32")[rng.integers(2)]
    layer = (Layer, Rewritten)[rng.integers(2)]
    return Style(dtype, layer, bool(rng.integers(2)), bool(rng.integers(2)))


def implement(case: rs.Case, style: Style) -> Callable:
    """Return an implementation in a style."""
    fire = (lambda spike, v: Hard.apply(v, spike)) if case.hard else sigma
    dtype = np.dtype(style.dtype)

    def solve(params, x, y) -> Answer:
        asked = replace(case, params=params, x=x, y=y)
        run = run_network(
            asked,  # pyright: ignore[reportArgumentType]
            fire,
            kinds=[style.layer] * case.network.depth,
            dtype=DTYPES[style.dtype],
        )
        potentials = [u for layer in run.layers for u in layer.us]
        for u in potentials:
            if u.requires_grad:
                u.retain_grad()
        grads, in_x = differentiate(run)
        u, s = (
            tuple(np.stack([a.detach().numpy() for a in getattr(each, n)]) for each in run.layers)
            for n in ("us", "ss")
        )
        adjoints = tuple(
            np.stack([np.zeros_like(a.detach()) if a.grad is None else a.grad.numpy()
                      for a in layer.us])
            for layer in run.layers
        )  # fmt: skip
        grads = map_params(lambda a: np.asarray(a, dtype), grads)
        return Answer(run.loss.item(), grads, u, s, adjoints, np.asarray(in_x, dtype))

    def gradient(params, x, y):
        alone = range(len(y)) if style.one_by_one else ()
        found = [solve(params, x[:, i : i + 1], y[i : i + 1]) for i in alone]
        answer = average(found, dtype) if found else solve(params, x, y)
        return answer if style.states else (answer.loss, answer.grads)

    return gradient


def average(answers: list[Answer], dtype: np.dtype) -> Answer:
    """Return the answer to all recordings of those to each, from the last to the first."""
    n = dtype.type(len(answers))
    arrays = [param_arrays(each.grads) for each in reversed(answers)]
    grads = [sum(same[1:], start=same[0]) / n for same in zip(*arrays, strict=True)]

    def join(name: str, by: np.floating) -> tuple:
        sides = [getattr(each, name) for each in answers]
        return tuple(np.concatenate(same, axis=1) / by for same in zip(*sides, strict=True))

    one = dtype.type(1)
    x = np.concatenate([each.x for each in answers if each.x is not None], axis=1) / n
    loss = float(np.mean([each.loss for each in answers]))
    grads = replace_arrays(answers[0].grads, grads)
    return Answer(loss, grads, join("u", one), join("s", one), join("adjoints", n), x)


@dataclass(frozen=True)
class Trial:
    """One right implementation, judged."""

    style: Style
    wrong: tuple[str, ...]  # stages that are called wrong
    vague: bool  # whether rounding moves some array too far to tell
    worst: float  # largest error over tolerance
    text: str


def judge_one(seed: int) -> Trial:
    """Draw a network and an implementation, and compare."""
    rng = np.random.default_rng(seed)
    while True:
        try:
            case = draw_case(rng, {})
        except ValueError:  # a window does not fit
            continue
        break
    steps, batch = int(rng.integers(1, MOST_STEPS + 1)), int(rng.integers(1, 6))
    x = rng.random((steps, batch, case.x.shape[2]))
    case = replace(case, x=x, y=rng.integers(0, case.network.classes, batch))
    style = draw_style(rng)
    exam, _ = examine_clear(implement(case, style), case)
    unclear = bool(exam.wrong) and bool(unclear_recordings(exam))
    worst = max(exam.stages, key=lambda stage: stage.error)
    return Trial(
        style,
        () if unclear else tuple(exam.wrong),
        unclear or any(stage.resolution[1] > MAX_SHARE for stage in exam.stages),
        worst.error,
        f"{seed}: {worst.worst} {style} hard={case.hard} steps {steps} {case.network}",
    )


def main(n: int, seed: int) -> None:
    """Count."""
    trials = []
    for i in trange(seed * 100_000, seed * 100_000 + n, mininterval=5.0):
        trials.append(judge_one(i))
        if trials[-1].wrong:
            print("FALSE ALARM", trials[-1], flush=True)
    for dtype, count in Counter(trial.style.dtype for trial in trials).items():
        own = [trial for trial in trials if trial.style.dtype == dtype]
        sharp = [trial for trial in own if not trial.vague]
        alarms = sum(bool(trial.wrong) for trial in own)
        largest = np.quantile([trial.worst for trial in sharp], (0.5, 0.9, 0.99, 1.0))
        print(f"{dtype}: {count}, false alarms {alarms}, undecided {count - len(sharp)}")
        print("  largest error over tolerance, 50 90 99 100 %:", np.round(largest, 3))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 100,
        int(sys.argv[2]) if len(sys.argv) > 2 else 0,
    )
