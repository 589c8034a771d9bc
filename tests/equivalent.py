"""Mutants that no test can tell from the original, because they are it, and why.

Known by the file, the line of code and the change, so that they are found wherever the line moves.
"""

FAST, OPS = "refsast/gradient/fast.py", "refsast/autodiff/ops.py"
SURROGATE = "refsast/model/surrogate.py"
READOUT = "grads.append(_readout_grads(network, params[-1], g, s))"
ALPHA = "g = delta = network.readout.time_weights(len(s)).astype(s.dtype).reshape(-1, 1, 1) * g"
THROUGH = "return (flat(delta) @ w).reshape(*delta.shape[:2], -1)"
SPREAD = "return np.reshape(g, kept) * np.ones(np.shape(x))"

ONLY_BIAS = "only whether there is a bias is read, and all layers share that"
UNKNOWN = "NumPy takes any negative length as the unknown one"
ONES = "x / 1 is x * 1"
GONE = "exp(-750) is zero already"
DECAY = "return z, np.exp(-np.minimum(_magnitude(z), 750.0))"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (FAST, READOUT, "-1  ->  1"): ONLY_BIAS,
    (FAST, READOUT, "1  ->  2"): ONLY_BIAS,
    (FAST, ALPHA, "1  ->  2"): UNKNOWN,
    (FAST, THROUGH, "1  ->  2"): UNKNOWN,
    (OPS, SPREAD, "np.reshape(g, kept) * np.ones(np.shape(x))  ->  "
     "np.reshape(g, kept) / np.ones(np.shape(x))"): ONES,
    (SURROGATE, DECAY, "750.0  ->  1500.0"): GONE,
}  # fmt: skip
