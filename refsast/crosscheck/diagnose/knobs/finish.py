"""What may be done to gradients before they are returned: factors, orders, decay, clips."""

import re
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.dials import Dials
from refsast.crosscheck.diagnose.knobs.losses import loss_sizes, power_factor
from refsast.crosscheck.diagnose.knobs.penalties import penalty_slopes
from refsast.crosscheck.diagnose.knobs.precision import LAYER_FORMATS, TOO
from refsast.model.params import ARRAY_NAMES, Layer

# Of a parameter: what is added to its gradient.
DECAYS: Mapping[str, Callable[[Array], Array]] = {
    "decay": lambda a: a,
    "decay of weights": lambda a: a,
    "decay of signs": np.sign,
    "decay of signs of weights": np.sign,
    "decay of feed-forward weights": lambda a: a,
    "decay of signs of feed-forward weights": np.sign,
}
# Of which arrays, where not of all.
DECAYED = {
    **dict.fromkeys(("decay of weights", "decay of signs of weights"), ("w", "v")),
    **{name: ("w",) for name in DECAYS if name.endswith("feed-forward weights")},
}
VECTORS = ("b", "start")  # what has one number for each neuron


def _centre(*axes: int) -> Callable[[Array], Array]:
    return lambda a: a - a.mean(axis=axes, keepdims=True)


# What is done to the gradient of one array over its neurons or inputs.
ARRAY_CHANGES: Mapping[str, Mapping[str, Callable[[Array], Array]]] = {
    "w": {
        "w rows centred": _centre(-1),
        "columns centred": _centre(-2),
        "gradient in W centred": _centre(-2, -1),
    },
    "v": {"v rows centred": _centre(-1)},
    "b": {
        "gradient in the biases centred": _centre(-1),
        "gradient in the biases summed over neurons": lambda a: a.sum(axis=-1, keepdims=True),
    },
}
# Of which weights the gradient stays, where it is zero at all others.
SIGNED: Mapping[str, Callable[[Array], NDArray[np.bool_]]] = {
    "zero at negative weights": lambda a: a > 0.0,
    "zero at positive weights": lambda a: a < 0.0,
}
CELL = re.compile(r"(w|b|v|start) (row|column|entry) (\d+)(?: (\d+))?")


def finish_arrays(
    case: Case, index: int, dials: Dials, layer: Layer, arrays: dict[str, Array]
) -> dict[str, Array]:
    """Return a level's gradients as they are handed over."""
    here = {name for name, at in dials.turned if at == index}
    sizes = (*loss_sizes(case, len(case.y)), ("inputs", layer.w.shape[1]))
    factor = power_factor(dials, index, "layer", sizes)
    found = {}
    for part, array in arrays.items():
        array = reorder(dials, index, part, array)
        k = (-1, *(1,) * (array.ndim - 1))
        array = array * np.reshape(factor, k)
        array = array * np.reshape(power_factor(dials, index, part, sizes), k)
        for name in (name for name in LAYER_FORMATS if name.endswith(TOO)):
            array = change_array(dials, index, name, array, LAYER_FORMATS[name])
        for name, change in ARRAY_CHANGES.get(part, {}).items():
            array = change_array(dials, index, name, array, change)
        for name in here:
            if match := CELL.fullmatch(name):
                array = scale_cell(match, part, array, np.reshape(dials.read(name, index, 1.0), k))
        array = array + penalty_slopes(dials, layer, part)
        for name, slope in DECAYS.items():
            if dials.turns(name, index) and part in DECAYED.get(name, ARRAY_NAMES):
                decay = np.reshape(dials.read(name, index, 0.0), k)
                array = array + decay * slope(getattr(layer, part))
        array = mask_entries(dials, index, part, array, getattr(layer, part))
        array = bend(dials, index, array, k)
        found[part] = array
    return found


def reorder(dials: Dials, index: int, part: str, array: Array) -> Array:
    """A gradient with its neurons or inputs in another order."""
    changes = {
        "reversed": lambda a, axis: np.flip(a, axis),
        "rolled": lambda a, axis: np.roll(a, 1, axis),
        "rolled back": lambda a, axis: np.roll(a, -1, axis),
    }
    axes = {"neurons": 1} if part in VECTORS else {"neurons": 1, "inputs": array.ndim - 1}
    others: dict[str, Callable[[], Array]] = {
        f"{part} {what} {name}": partial(change, array, axis)
        for what, axis in axes.items()
        for name, change in changes.items()
    }
    if part not in VECTORS and array.shape[-1] != array.shape[-2]:
        flat = np.swapaxes(array, -1, -2)
        others[f"{part} gradient by columns"] = lambda: np.reshape(flat, array.shape)
    if part not in VECTORS and array.shape[-1] == array.shape[-2]:
        ones = np.eye(array.shape[-1])
        others[f"{part} gradient symmetric"] = lambda: 0.5 * (array + np.swapaxes(array, -1, -2))
        others[f"{part} gradient transposed"] = lambda: np.swapaxes(array, -1, -2)
        others[f"{part} gradient without diagonal"] = lambda: array - array * ones
        others[f"{part} gradient of the diagonal"] = lambda: array * ones
    found = array
    for name, other in others.items():
        if dials.turns(name, index):
            share = np.reshape(dials.read(name, index, 0.0), (-1, *(1,) * (array.ndim - 1)))
            found = found + share * (other() - array)
    return found


def scale_cell(match: re.Match, part: str, array: Array, factor: Array) -> Array:
    """A gradient with one row, column or entry of one array multiplied."""
    if match[1] != part:
        return array
    mask = np.zeros(array.shape[1:], dtype=bool)
    if match[2] == "column":
        mask[:, int(match[3])] = True
    elif match[2] == "row" or match[4] is None:
        mask[int(match[3])] = True
    else:
        mask[int(match[3]), int(match[4])] = True
    return np.where(mask, factor * array, array)


def norm_of(array: Array) -> Array:
    """The norm of each setting's array, of the same number of axes."""
    return np.sqrt((array**2).sum(axis=tuple(range(1, array.ndim)), keepdims=True))


def bend(dials: Dials, index: int, array: Array, k: tuple[int, ...]) -> Array:
    """A gradient clipped, entry by entry or by its norm, or made to signs."""
    for name, change in BENDS.items():
        if dials.turns(name, index):
            limit = np.reshape(dials.read(name, index, np.nan), k)
            array = np.where(np.isnan(limit), array, change(array, limit, norm_of(array)))
    for name, change in FORMS.items():
        array = change_array(dials, index, name, array, change)
    return array


def change_array(
    dials: Dials, index: int, name: str, array: Array, change: Callable[[Array], Array]
) -> Array:
    """A gradient (K, ...) changed in the settings in which the knob of that name is turned."""
    if not dials.turns(name, index):
        return array
    share = np.reshape(dials.read(name, index, 0.0), (-1, *(1,) * (array.ndim - 1)))
    return array + share * (change(array) - array)


def mask_entries(dials: Dials, index: int, part: str, array: Array, weights: Array) -> Array:
    """A gradient with some of its entries zero: by the signs or sizes of weights, or its own."""
    if dials.turns(LARGEST_OF_EACH, index):
        array = _keep_largest(array, abs(array), dials.read(LARGEST_OF_EACH, index, 0.0))
    if part not in ("w", "v"):
        return array
    for name, stays in SIGNED.items():
        kept = partial(np.multiply, stays(weights))
        array = change_array(dials, index, f"{part} {name}", array, kept)
    for name, sizes in ((SMALL_WEIGHTS, abs(weights)[None]), (LARGEST, abs(array))):
        if dials.turns(f"{part} {name}", index):
            array = _keep_largest(array, sizes, dials.read(f"{part} {name}", index, 0.0))
    if dials.turns(PRUNED, index):
        array = np.where(abs(weights) >= dials.read(PRUNED, index, 0.0), array, 0.0)
    return array


def _keep_largest(array: Array, sizes: Array, share: Array | float) -> Array:
    """A gradient (K, ...) with a share of its entries zero, those of the smallest sizes."""
    shares = np.clip(np.ravel(share), 0.0, 1.0)  # a fit may leave the range
    rows = np.broadcast_to(sizes, (len(shares), *sizes.shape[1:])).reshape(len(shares), -1)
    least = [np.quantile(row, share) for row, share in zip(rows, shares, strict=True)]
    kept = sizes >= np.reshape(least, (-1, *(1,) * (array.ndim - 1)))
    return np.where(kept, array, 0.0)


def bend_size(name: str, array: Array) -> float:
    """Return what a gradient has where one of `BENDS` has changed it: its limit."""
    if "values" not in name:
        return float(np.linalg.norm(array))
    return float((array if "above" in name else abs(array)).max(initial=0.0))


# What a limit makes of a gradient, given its norm or that of all gradients.
BENDS: Mapping[str, Callable[[Array, Array, Array], Array]] = {
    "clipped to values": lambda array, limit, norm: np.clip(array, -abs(limit), abs(limit)),
    "clipped to values from above": lambda array, limit, norm: np.minimum(array, abs(limit)),
    "clipped to a norm": lambda array, limit, norm: (
        array * np.minimum(1.0, limit / np.where(norm == 0.0, 1.0, norm))
    ),
    "brought to a norm": lambda array, limit, norm: (
        array * (limit / np.where(norm == 0.0, 1.0, norm))
    ),
    # As `torch.nn.utils.clip_grad_norm_` has it.
    "clipped to a norm, norm + 1e-6": lambda array, limit, norm: (
        array * np.minimum(1.0, limit / (norm + 1e-6))
    ),
    "brought to a norm, norm + 1e-6": lambda array, limit, norm: array * (limit / (norm + 1e-6)),
}
ADAM = "first step of Adam"
SMALL_WEIGHTS, LARGEST = "zero at small weights", "largest entries alone"
LARGEST_OF_EACH = "largest entries of each array alone"
PRUNED = "zero at weights below a limit"
# Each array over its norm, with what keeps that from zero.
NORMED = {f"each array over its norm + {plus:g}": plus for plus in (1e-8, 1e-12, 1e-6, 1e-10)}
# What is made of a gradient at the end.
FORMS: Mapping[str, Callable[[Array], Array]] = {
    "absolute values": abs,
    ADAM: lambda a: a / (abs(a) + 1e-8),
    **{name: lambda a, plus=plus: a / (norm_of(a) + plus) for name, plus in NORMED.items()},
    "signs": np.sign,
}
