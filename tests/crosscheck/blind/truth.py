"""What a fault really does: what is wrong first, from all numbers of a wrong and a right run."""

from dataclasses import dataclass

import numpy as np

from tests.crosscheck.blind.hand import Hand

WRONG = 1e-9  # of the right number, both runs being in float64


@dataclass(frozen=True, eq=False)
class Truth:
    """What is wrong first.

    Attributes
    ----------
    size : float
        The largest difference of an array of the answer, relative to its norm.
    stage : str
        state, loss or readout, adjoint or gradient.
    layer, step : int
        From 1; 0 where there is none.
    where : (batch, n) array of bool
        Which recordings and neurons are wrong there.
    arrays : tuple of str
        The gradients that are wrong.
    """

    size: float
    stage: str
    layer: int
    step: int
    where: np.ndarray
    arrays: tuple[str, ...]


def find_truth(kind, case, dtype=np.float64) -> Truth:
    """Run a kind and the right network on a case, in float64, and compare everything."""
    wrong = kind.make(case.network, np.dtype(dtype))
    right = Hand(case.network, np.dtype(np.float64))
    wrong.solve(case.params, case.x, case.y)
    right.solve(case.params, case.x, case.y)
    if kind.place == "":  # what a second call gives
        wrong.solve(case.params, case.x, case.y)
    sizes = {
        f"grads[{i}].{k}": relative(np.asarray(b[k]), a)
        for i, (g, b) in enumerate(zip(right.grads, wrong.grads, strict=True))
        for k, a in g.items()
    }
    arrays = tuple(name for name, each in sizes.items() if each > WRONG)
    loss = abs(wrong.value - right.value) / abs(right.value)
    size = max(loss, *sizes.values())
    return Truth(size, *first_wrong(wrong, right, loss), arrays)


def relative(got, wanted):
    norm = np.linalg.norm(wanted)
    return float(np.linalg.norm(got - wanted) / norm) if norm else float(np.any(got != wanted))


def first_wrong(wrong, right, loss):
    """Stage, layer, step and entries of what is wrong first.

    Of a fault on the readout's way back these are of the first wrong adjoint.
    """
    nothing = np.zeros((0, 0), bool)
    for i in range(right.depth):
        for t in range(1, right.time + 1):
            for found, wanted in ((wrong.u, right.u), (wrong.s, right.s)):
                off = differs(found[i][t], wanted[i][t])
                if off.any():
                    return "state", i + 1, t, off
    if loss > WRONG:
        return "loss or readout", 0, 0, nothing
    readout = isinstance(wrong, Hand) and (
        differs(wrong.dlogits, right.dlogits).any()
        or differs(wrong.read_back(), right.read_back()).any()
    )
    shift = 0 if isinstance(wrong, Hand) else 1
    for i in reversed(range(right.depth)):
        for t in range(right.time, 0, -1):
            off = differs(wrong.delta[i][t - shift], right.delta[i][t])
            if off.any():
                return "loss or readout" if readout else "adjoint", i + 1, t, off
    return "loss or readout" if readout else "gradient", 0, 0, nothing


def differs(got, wanted):
    """Which entries are off."""
    got = np.asarray(got.detach() if hasattr(got, "detach") else got)
    return np.abs(got - wanted) > WRONG * np.abs(wanted) + 1e-300
