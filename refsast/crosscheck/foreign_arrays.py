"""Arrays of any library as NumPy's, or in one line what is wrong with them."""

from collections.abc import Sequence

import numpy as np

from refsast.arrays import as_array
from refsast.crosscheck.containers import NOTHING_FLOWS

SHORT_DTYPES = ("float16", "float8_e4m3fn", "float8_e5m2")  # endings: bfloat16, too


def convert_array(value: object, name: str) -> np.ndarray:
    """Return anything array-like as a NumPy array of real numbers; `name` is for the message.

    Accepted are numbers, arrays, and whatever has ``__array__`` or DLPack. A tensor that requires
    gradients, or is on another device, refuses both: ``detach`` and ``cpu`` come first.
    """
    dtype = str(getattr(value, "dtype", ""))
    if dtype.endswith(SHORT_DTYPES):
        found = dtype.rpartition(".")[2]
        raise ValueError(f"{name} must be float32 or float64, got {found}: it tells too little")
    try:
        for method in ("detach", "cpu"):
            value = getattr(value, method, lambda value=value: value)()
        try:
            array = np.asarray(value)
        except (TypeError, RuntimeError):  # a library that has no ``__array__``, or forbids it
            if not hasattr(value, "__dlpack__"):
                raise
            array = np.from_dlpack(value)  # pyright: ignore[reportArgumentType]
    except Exception as error:
        raise ValueError(f"{name} must turn into an array of numbers, got {error}") from error
    if array.dtype == object and array.shape == () and array.item() is None:
        raise ValueError(f"{name} must be an array, got None: {NOTHING_FLOWS}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array


def require_real_array(value: object, name: str, shape: Sequence[int]) -> np.ndarray:
    """Return `convert_array` of a value that is finite and of that shape."""
    array = convert_array(value, name)
    if array.dtype == np.float16:  # of what has no dtype before it is an array
        raise ValueError(f"{name} must be float32 or float64, got float16: it tells too little")
    as_array(array.astype(np.float64), name, shape)
    return array
