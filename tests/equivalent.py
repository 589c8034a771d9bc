"""Mutants that no test can tell from the original, because they are it, and why.

Known by the file, the line of code and the change, so that they are found wherever the line moves.
"""

PRODUCTS, SAM = "refsast/gradient/fast/inputs.py", "refsast/gradient/fast/sam.py"
OPS, SURROGATE = "refsast/autodiff/ops.py", "refsast/model/surrogate.py"
OVER_TIME = "return matmul(flatten_steps(a), w).reshape(*a.shape[:2], -1)"
MIXED = "return (gram @ other.signal_rows(delta)).reshape(*self.x.shape[:2], -1)"
STEPS = "return rows.reshape(batch, steps, -1).swapaxes(0, 1)"
FLATTEN = "return signal.reshape(-1, signal.shape[-1])"
SAFE = "if SMALLEST_NORM < total < 1.0 / SMALLEST_NORM:"
NOTHING = "peak = max((float(np.abs(a).max(initial=0.0)) for a in arrays), default=0.0)"
REPRESENTABLE = "representable = SMALLEST_NORM < length < 1.0 / SMALLEST_NORM"
FORMED = "if not (representable and square >= CANCELLATION * diagonal):"
SPREAD = "return np.reshape(g, kept) * np.ones(np.shape(x))"

UNKNOWN = "NumPy takes any negative length as the unknown one"
ONES = "x / 1 is x * 1"
GONE = "exp(-750) is zero already"
DECAY = "return z, np.exp(-np.minimum(_magnitude(z), 750.0))  # exp(-750) is zero"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (PRODUCTS, OVER_TIME, "1  ->  2"): UNKNOWN,
    (PRODUCTS, MIXED, "1  ->  2"): UNKNOWN,
    (PRODUCTS, STEPS, "1  ->  2"): UNKNOWN,
    (PRODUCTS, FLATTEN, "1  ->  2"): UNKNOWN,
    (SAM, SAFE, "1.0  ->  2.0"): "either way gives the norm there",
    (SAM, REPRESENTABLE, "1.0  ->  2.0"): "either way gives the gradient there",
    (SAM, FORMED, "square >= CANCELLATION * diagonal  ->  square > CANCELLATION * diagonal"):
     "equal only where both are zero, and either way serves there",
    (SAM, "return grads, 0.0", "0.0  ->  1.0"): "no multiple of a zero gradient moves anything",
    (SAM, NOTHING, "0.0  ->  1.0"): "where there is nothing, so is any multiple of it",
    (OPS, SPREAD, "np.reshape(g, kept) * np.ones(np.shape(x))  ->  "
     "np.reshape(g, kept) / np.ones(np.shape(x))"): ONES,
    (SURROGATE, DECAY, "750.0  ->  1500.0"): GONE,
}  # fmt: skip
