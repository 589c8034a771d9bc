"""Functions of PyTorch's that leave all numbers of a recording in their order.

Rule 1: steps and recordings are the first two axes; only these may be exchanged, picked or joined.
"""

# pyright: reportMissingImports=false, reportPrivateImportUsage=false
from collections.abc import Iterator, Sequence

from torch import Tensor

from refsast.crosscheck.adapters.module_trace import Call

# Of any arguments.
ALWAYS = frozenset(
    [
        *("view", "view_as", "reshape", "reshape_as", "flatten", "ravel", "unflatten"),
        *("squeeze", "squeeze_", "unsqueeze", "unsqueeze_", "contiguous", "clone", "detach"),
        *("to", "cpu", "float", "double", "type", "type_as", "as_tensor", "tensor"),
        *("unbind", "stack", "expand", "expand_as", "broadcast_to", "repeat_interleave"),
        "requires_grad_",
    ]
)
EXCHANGES = frozenset(["transpose", "swapaxes", "swapdims", "movedim", "moveaxis"])
JOINS = frozenset(["cat", "concat", "concatenate"])
AXIS_OPTIONS = ["dim", "dim0", "dim1", "axis", "axis0", "axis1", "source", "destination", "dims"]


def keeps_numbers(call: Call) -> bool:
    """Whether a function leaves all numbers of a recording at a step as they are."""
    name = call.name
    if name in EXCHANGES:
        return call.inputs[0].ndim > 2 and set(_axes(call)) <= {0, 1}
    if name == "permute":
        axes = list(_axes(call))
        return len(axes) > 2 and sorted(axes[:2]) + axes[2:] == list(range(len(axes)))
    if name == "select":
        return next(_axes(call)) in (0, 1)
    if name in ("split", "chunk", "tensor_split"):
        return _axis(call, 2) == 0
    if name == "__getitem__":
        return _picks_steps(call.inputs[0], call.args[1])
    if name in JOINS:
        return _joins_steps(call)
    if name in ("repeat", "tile"):
        axes = call.args[1:]
        counts = axes[0] if axes and isinstance(axes[0], Sequence) else axes
        # Along the first axis alone: an image at every step.
        return len(counts) >= call.inputs[0].ndim and all(count == 1 for count in counts[1:])
    if name in ("dropout", "dropout2d"):
        training = call.options.get("training", call.args[2] if len(call.args) > 2 else True)
        return not training
    return name in ALWAYS


def _axes(call: Call) -> Iterator[int]:
    """The numbers among a function's arguments, from the first axis on where they are negative."""
    given = [*call.args[1:], *(call.options[k] for k in AXIS_OPTIONS if k in call.options)]
    for each in given:
        for axis in each if isinstance(each, Sequence) else [each]:
            if isinstance(axis, int):
                yield axis % call.inputs[0].ndim


def _axis(call: Call, place: int) -> object:
    """The one axis that a function takes at a place, or as an option; else the first."""
    named = call.options.get("dim", call.options.get("axis", 0))
    return call.args[place] if len(call.args) > place else named


def _picks_steps(tensor: Tensor, index: object) -> bool:
    """Whether an index picks steps or recordings, and of them all numbers."""
    parts = list(index) if isinstance(index, tuple) else [index]
    axis = 0
    for i, part in enumerate(parts):
        if part is None:
            continue
        if part is Ellipsis:
            axis = tensor.ndim - sum(each is not None for each in parts[i + 1 :])
            continue
        one = isinstance(part, int) or (isinstance(part, Tensor) and part.ndim == 0)
        places = range(tensor.shape[axis])
        whole = isinstance(part, slice) and places[part] == places
        if not whole and not (one and axis < 2):
            return False
        axis += 1
    return True


def _joins_steps(call: Call) -> bool:
    """Whether tensors are joined one step, or one recording, after the other."""
    shapes = {each.shape for each in call.inputs}
    axis = _axis(call, 1)
    shape = call.inputs[0].shape
    return len(shapes) == 1 and (axis == 0 or (axis == 1 and len(shape) > 2 and shape[1] == 1))
