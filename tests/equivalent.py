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

OBJECTIVE, GLIF = "refsast/model/objective.py", "refsast/gradient/glif.py"
TAPE_STEPS = "return cross_entropy(z.reshape(-1, z.shape[-1]), np.tile(y, s.shape[0]))"
HAND_STEPS = "loss, g = loss_and_cotangent(z.reshape(-1, z.shape[-1]), np.tile(y, time))"
LARGEST = "loss, g = loss_and_cotangent(np.where(marks, v, 0.0).sum(axis=0), y)"
POTENTIAL = "refsast/model/output_potential.py"
CURRENTS = "currents = (s.reshape(time * batch, n) @ layer.w.T).reshape(time, batch, -1)"
START = "v, vs = np.zeros(currents.shape[1:], currents.dtype), []"
LATER = "delta, later = np.empty(g.shape, g.dtype), np.zeros(g.shape[1:], g.dtype)"
MARKS = "return np.arange(len(v)).reshape(-1, *(1,) * (v.ndim - 1)) == np.real(v).argmax(axis=0)"
CONV2D = "refsast/model/connections/conv2d.py"
WINDOWS = "return look_up(a, index.reshape(-1, index.shape[2]))"
MATRIX = "return look_up(flat, self._weight_index(shape)).reshape(self.channels, -1)"
GROUPS = "index = np.full((self.groups, out // self.groups, self.groups, inside * places), -1)"
COLUMNS = "columns = self.weight_matrix(w, shape).T @ g.reshape(len(g), self.channels, -1)"
PLACES = "places = columns.reshape(len(g), image[0], -1, columns.shape[2])"
PRODUCT = "matrix = np.matmul(g.reshape(len(g), self.channels, -1), columns).sum(axis=0)"
BIAS = "return g.reshape(len(g), self.channels, -1).sum(axis=(0, 2))"
POOL2D = "refsast/model/connections/pool2d.py"
MEANS = "return np.mean(windows, axis=-2).reshape(a.shape[0], -1)"
NOTHING_LATER = "after = _zero(states[0]) if later is None else later"
DELTA = "delta = np.empty((len(g), *states[0].u.shape), states[0].u.dtype)"

UNKNOWN = "NumPy takes any negative length as the unknown one"
ONES = "x / 1 is x * 1"
SHAPE = "of a state only shape and dtype are read there"
ROW = "a row of zeros is added like a matrix of them"
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
    (OBJECTIVE, TAPE_STEPS, "1  ->  2"): UNKNOWN,
    (OBJECTIVE, HAND_STEPS, "1  ->  2"): UNKNOWN,
    (OBJECTIVE, LARGEST, "0.0  ->  1.0"): "the softmax of logits that are all larger by one number",
    (POTENTIAL, CURRENTS, "1  ->  2"): UNKNOWN,
    (POTENTIAL, START, "1  ->  2"): ROW,
    (POTENTIAL, LATER, "1  ->  2"): ROW,
    (POTENTIAL, MARKS, "1  ->  2"): UNKNOWN,
    (CONV2D, WINDOWS, "1  ->  2"): UNKNOWN,
    (CONV2D, "flat = w.reshape(1, -1)", "1  ->  2"): UNKNOWN,
    (CONV2D, MATRIX, "1  ->  2"): UNKNOWN,
    (CONV2D, GROUPS, "1  ->  2"): "any negative number marks another group",
    (CONV2D, "self.groups, out // self.groups, -1", "1  ->  2"): UNKNOWN,
    (CONV2D, "return index.reshape(out, -1)", "1  ->  2"): UNKNOWN,
    (CONV2D, "return current.reshape(a.shape[0], -1)", "1  ->  2"): UNKNOWN,
    (CONV2D, COLUMNS, "1  ->  2"): UNKNOWN,
    (CONV2D, PLACES, "1  ->  2"): UNKNOWN,
    (CONV2D, PRODUCT, "1  ->  2"): UNKNOWN,
    (CONV2D, BIAS, "1  ->  2"): UNKNOWN,
    (POOL2D, MEANS, "1  ->  2"): UNKNOWN,
    (POOL2D, MEANS, "-2  ->  2"): "of four axes the last but one is axis 2",
    (GLIF, NOTHING_LATER, "0  ->  1"): SHAPE,
    (GLIF, DELTA, "0  ->  1"): SHAPE,
    (SURROGATE, DECAY, "750.0  ->  1500.0"): GONE,
}  # fmt: skip
