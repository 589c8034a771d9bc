"""Random recurrent programs that are analytic, in the words that NumPy and PyTorch share.

A program is drawn once, as a list of choices; ``build(lib, get)`` writes it for a library. ``get``
hands out a parameter at a step, so that a gradient can be cut at one place of one parameter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import refsast as rs
from refsast.arrays import Array
from refsast.autodiff import stop_gradient, value_and_grad
from refsast.autodiff.numeric import complex_step_gradient

Get = Callable[[Any, str, int], Any]


def get_whole(params, name, t):
    """Return the parameter."""
    return params[name]


@dataclass(frozen=True, eq=False)
class Recipe:
    """The choices of a program."""

    kinds: tuple[str, ...]
    squash: str
    readout: str
    loss: str
    constants: tuple[float, ...]
    params: dict[str, Array]
    x: Array
    y: Array

    @property
    def program(self):
        """The program in NumPy's words."""
        return rs.Program(self.build(np), self.params, self.x, self.y)

    def build(self, lib, get: Get = get_whole):
        """Return the forward pass for a library: ``forward(params, x, y)``."""
        return lambda params, x, y: _forward(self, lib, get, params, x, y)


def _squash(lib, name, z):
    """A smooth spike or activation."""
    if name == "arctan":
        return 0.5 + lib.arctan(2.0 * z) / np.pi
    if name == "logistic":  # whose derivative PyTorch computes as s (1 - s)
        return 1.0 / (1.0 + np.exp(-3.0 * z)) if lib is np else lib.sigmoid(3.0 * z)
    if name == "algebraic":
        return 0.5 + 0.5 * z / lib.sqrt(1.0 + z * z)
    return lib.sin(z) * lib.exp(-0.1 * z * z) if name == "wave" else lib.tanh(z)


def _forward(recipe, lib, get, params, x, y):
    """A layer with the memories that were drawn, a readout and a loss."""
    a, b, c = recipe.constants
    u = s = x[0] @ get(params, "w", 0) * 0.0
    trace, i, v, old, potentials, spikes = u, u, u, [u, u, u], [], []
    for t in range(len(x)):
        current = x[t] @ get(params, "w", t) + get(params, "b", t)
        if "synapse" in recipe.kinds:
            i = get(params, "keep", t) * i + current
            current = i
        if "recurrent" in recipe.kinds:
            current = current + s @ get(params, "v", t)
        if "delayed" in recipe.kinds:
            old = [s, *old[:-1]]
            late = lib.concatenate([old[1][:, :1], old[2][:, 1:]], 1)
            current = current + get(params, "late", t) * late
        if "dendrite" in recipe.kinds:
            v = a * v + get(params, "g", t) * (u - v) + lib.tanh(current)
            current = get(params, "g", t) * (v - u)
        if "gated" in recipe.kinds:
            trace = b * trace + s
            current = current / (1.0 + get(params, "gate", t) * lib.sum(trace, 1)[:, None] ** 2)
        u = get(params, "leak", t) * u * (1.0 - c * s) + current
        s = _squash(lib, recipe.squash, u - 1.0)
        potentials.append(u)
        spikes.append(s)
    z = _read(recipe, lib, get, params, potentials, spikes)
    return _lose(recipe, lib, z, y), {"potentials": potentials, "spikes": spikes}


def _read(recipe, lib, get, params, potentials, spikes):
    """What the readout makes of the run."""
    steps = len(spikes)
    if recipe.readout == "rate":
        pooled = lib.sum(lib.stack(spikes, 0), 0) / steps
    elif recipe.readout == "last":
        pooled = potentials[-1]
    elif recipe.readout == "sums":
        pooled = lib.sum(lib.cumsum(lib.stack(spikes, 0), 0)[1::2], 0) / steps**2
    else:
        weights = np.linspace(0.5, 1.5, steps)
        pooled = lib.einsum("tbn,t->bn", lib.stack(potentials, 0), _like(lib, weights, spikes[0]))
    return pooled @ get(params, "out", steps)


def _like(lib, array, other):
    """A constant as the library has arrays, of the dtype of another."""
    return array if lib is np else lib.tensor(array, dtype=other.dtype)


def _lose(recipe, lib, z, y):
    """The loss, of one-hot targets."""
    if recipe.loss == "squares":
        return lib.mean((z - y) ** 2)
    if recipe.loss == "cross entropy":
        return lib.mean(lib.log(lib.sum(lib.exp(z), 1)) - lib.sum(z * y, 1))
    return lib.sum(lib.sqrt(1.0 + lib.sum((z - y) ** 2, 1))) / len(y)


KINDS = ("synapse", "recurrent", "delayed", "dendrite", "gated")


def draw_recipe(seed: int) -> Recipe:
    """Draw a program of up to five memories, 2 to 8 steps, 1 to 4 recordings."""
    rng = np.random.default_rng(seed)
    kinds = tuple(kind for kind in KINDS if rng.random() < 0.5)
    time, batch, n_in, n, classes = (int(rng.integers(*r)) for r in (
        (2, 9), (1, 5), (1, 4), (2, 5), (2, 4)
    ))  # fmt: skip
    params = {
        "w": rng.standard_normal((n_in, n)),
        "b": rng.standard_normal(n),
        "leak": rng.uniform(0.3, 0.95, n) if rng.random() < 0.5 else rng.uniform(0.3, 0.95),
        "out": rng.standard_normal((n, classes)),
    }
    extra = {
        "synapse": {"keep": rng.uniform(0.2, 0.9)},
        "recurrent": {"v": 0.5 * rng.standard_normal((n, n))},
        "delayed": {"late": rng.standard_normal(n)},
        "dendrite": {"g": rng.uniform(0.1, 0.5, n)},
        "gated": {"gate": rng.uniform(0.05, 0.4)},
    }
    for kind in kinds:
        params |= extra[kind]
    single = {name: np.float64(np.float32(a)) for name, a in params.items()}
    return Recipe(
        kinds,
        str(rng.choice(["arctan", "logistic", "algebraic", "wave", "tanh"])),
        str(rng.choice(["rate", "last", "sums", "weighted"])),
        str(rng.choice(["squares", "cross entropy", "roots"])),
        tuple(map(float, rng.uniform(0.2, 0.9, 3))),
        single,
        np.float64(np.float32(rng.standard_normal((time, batch, n_in)))),
        np.eye(classes)[rng.integers(0, classes, batch)],
    )


def solve_by_complex_step(recipe: Recipe):
    """Return an implementation that differentiates by the complex step, entry by entry."""
    forward = recipe.build(np)

    def gradient(params, x, y):
        loss, outputs = forward(params, x, y)
        grads = {
            name: complex_step_gradient(
                lambda z, name=name: forward({**params, name: z}, x, y)[0], np.asarray(params[name])
            )
            for name in params
        }
        return loss, grads, outputs

    return gradient


def cut_at(recipe: Recipe, name: str, step: int):
    """Return an implementation in which one use of one parameter has no gradient."""

    def get(params, wanted, t):
        return stop_gradient(params[wanted]) if (wanted, t) == (name, step) else params[wanted]

    forward = recipe.build(np, get)

    def gradient(params, x, y):
        names = list(params)
        loss, grads = value_and_grad(
            lambda *arrays: forward(dict(zip(names, arrays, strict=True)), x, y)[0],
            *params.values(),
        )
        return loss, dict(zip(names, grads, strict=True))

    return gradient


def plant(recipe: Recipe, rng: np.random.Generator):
    """Return an implementation with one use of a parameter cut, and that parameter's name.

    A use that makes no difference is no error: another one is drawn.
    """
    right = rs.program.loss_and_grad(recipe.program)[1]
    while True:
        name, step = str(rng.choice(list(recipe.params))), int(rng.integers(len(recipe.x) + 1))
        wrong = cut_at(recipe, name, step)
        grad = wrong(recipe.params, recipe.x, recipe.y)[1][name]
        if np.linalg.norm(grad - right[name]) > 1e-9 * np.linalg.norm(right[name]):
            return wrong, name


def solve_by_torch(recipe: Recipe, dtype):
    """Return an implementation by PyTorch's automatic differentiation."""
    import torch

    forward = recipe.build(torch)

    def gradient(params, x, y):
        kind = getattr(torch, dtype)
        leaves = {k: torch.tensor(a, dtype=kind, requires_grad=True) for k, a in params.items()}
        loss, outputs = forward(leaves, *(torch.tensor(a, dtype=kind) for a in (x, y)))
        loss.backward()
        return loss, {k: a.grad for k, a in leaves.items()}, outputs

    return gradient
