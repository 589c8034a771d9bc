"""Mutants that no test can tell from the original, because they are it, and why.

Known by the file, the line of code and the change, so that they are found wherever the line moves.
"""

PRODUCTS, SAM = "refsast/gradient/fast/inputs.py", "refsast/gradient/fast/sam.py"
OPS, SURROGATE = "refsast/autodiff/ops.py", "refsast/model/surrogate.py"
THROUGH = "return product(flat(a), w).reshape(*a.shape[:2], -1)"
MIXED = "return (gram @ other.in_rows(delta)).reshape(*self.x.shape[:2], -1)"
IN_TIME = "return rows.reshape(batch, steps, -1).swapaxes(0, 1)"
FLAT = "return signal.reshape(-1, signal.shape[-1])"
SAFE = "if SAFE < total < 1.0 / SAFE:"
NOTHING = "peak = max((float(np.abs(a).max(initial=0.0)) for a in arrays), default=0.0)"
FORMED = "if not (SAFE < length < 1.0 / SAFE and square >= CANCELLED * alone):"
SPREAD = "return np.reshape(g, kept) * np.ones(np.shape(x))"

UNKNOWN = "NumPy takes any negative length as the unknown one"
ONES = "x / 1 is x * 1"
GONE = "exp(-750) is zero already"
DECAY = "return z, np.exp(-np.minimum(_magnitude(z), 750.0))"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (PRODUCTS, THROUGH, "1  ->  2"): UNKNOWN,
    (PRODUCTS, MIXED, "1  ->  2"): UNKNOWN,
    (PRODUCTS, IN_TIME, "1  ->  2"): UNKNOWN,
    (PRODUCTS, FLAT, "1  ->  2"): UNKNOWN,
    (SAM, SAFE, "1.0  ->  2.0"): "either way gives the norm there",
    (SAM, FORMED, "1.0  ->  2.0"): "either way gives the gradient there",
    (SAM, FORMED, "square >= CANCELLED * alone  ->  square > CANCELLED * alone"):
     "equal only where both are zero, and either way serves there",
    (SAM, "return grads, 0.0", "0.0  ->  1.0"): "no multiple of a zero gradient moves anything",
    (SAM, NOTHING, "0.0  ->  1.0"): "where there is nothing, so is any multiple of it",
    (OPS, SPREAD, "np.reshape(g, kept) * np.ones(np.shape(x))  ->  "
     "np.reshape(g, kept) / np.ones(np.shape(x))"): ONES,
    (SURROGATE, DECAY, "750.0  ->  1500.0"): GONE,
}  # fmt: skip
