"""Numbers rounded to fewer bits, as half precision, brain floats, TF32 and small integers do."""

from collections.abc import Callable, Mapping

import numpy as np

from refsast.arrays import Array


def round_bits(array: Array, bits: int) -> Array:
    """Return an array rounded to so many significant bits, ties to even."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def truncate_bits(array: Array, bits: int) -> Array:
    """Return an array cut to so many significant bits, towards zero."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.trunc(np.ldexp(mantissa, bits)), exponent - bits)


def half(array: Array) -> Array:
    """Return an array as float16 holds it, which overflows to its largest number."""
    return np.clip(array, -65504.0, 65504.0).astype(np.float16).astype(np.float64)


def round_to_grid(array: Array, step: float) -> Array:
    """Return an array rounded to multiples of a step, ties to even."""
    return np.round(array / step) * step


def _quantise(array: Array, levels: int, rows: bool = False) -> Array:
    """A matrix, or several, in steps of the largest number over so many, of the whole or of rows.

    Of biases there is one row.
    """
    axes = tuple(range(-min(array.ndim, 1 if rows and array.ndim > 1 else 2), 0))
    step = abs(array).max(axis=axes, keepdims=True, initial=0.0) / levels
    step = np.where(step == 0.0, 1.0, step)
    return np.round(array / step) * step


ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "half precision (float16)": half,
    "bfloat16": lambda a: round_bits(a, 8),
    "bfloat16, cut off": lambda a: truncate_bits(a, 8),
}
TOO = ", gradients too"  # what flows back is rounded as what goes forth, as by a cast


def _by_single(change: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A rounding of what was rounded to single precision, as frameworks cast double precision."""
    return lambda a: change(a.astype(np.float32).astype(np.float64))


CASTS: Mapping[str, Callable[[Array], Array]] = {
    f"{name}{TOO}": _by_single(ROUNDINGS[name]) for name in ("half precision (float16)", "bfloat16")
}
# All arrays of one layer as they are cast, straight through or not.
LAYER_FORMATS: Mapping[str, Callable[[Array], Array]] = {
    f"parameters of the layer in {name}": change for name, change in {**ROUNDINGS, **CASTS}.items()
}
WEIGHT_ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    **{f"parameters in {name}": change for name, change in ROUNDINGS.items()},
    "parameters in TF32": lambda a: round_bits(a, 11),
    **{
        f"parameters quantised to {bits} bits": lambda a, n=2 ** (bits - 1) - 1: _quantise(a, n)
        for bits in (8, 4, 2)
    },
    **{
        f"parameters quantised to {bits} bits, each row": lambda a, n=2 ** (bits - 1) - 1: (
            _quantise(a, n, rows=True)
        )
        for bits in (8, 4)
    },
    "signs of the parameters": np.sign,
}


def round_product(a: Array) -> Array:
    """Return a factor of a product in TF32: eleven significant bits, halves away from zero."""
    mantissa, exponent = np.frexp(a)
    scaled = np.ldexp(mantissa, 11)
    return np.ldexp(np.trunc(scaled + np.copysign(0.5, scaled)), exponent - 11)


def round_to_bits(bits: Array | float, a: Array, change: Callable[[Array], Array]) -> Array:
    """Return multiples of 2^-bits, `change` saying which; of infinite bits values as they are."""
    finite = np.isfinite(bits)
    unit = 2.0 ** np.where(finite, bits, 0.0)
    return np.where(finite, change(a * unit) / unit, a)
