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
WINDOWS = "return windows.reshape(len(a), self.groups, -1, math.prod(windows.shape[4:]))"
MATRICES = "return w.reshape(self.groups, self.channels // self.groups, -1)"
BY_GROUP = "return g.reshape(len(g), self.groups, self.channels // self.groups, -1)"
BIASES = "current = current + b.reshape(self.groups, -1, 1)"
BIAS = "return g.reshape(len(g), self.channels, -1).sum(axis=(0, 2))"
POOL2D = "refsast/model/connections/pool2d.py"
MEANS = "return total.reshape(len(a), -1) / math.prod(kernel)"
LARGEST_PLACE = "place = windows.argmax(axis=-2)"
LARGEST_INDEX = "return index[channel, place, window].reshape(len(place), -1)"
LARGEST_TAKEN = "return np.take(a.reshape(1, rows * n), index, axis=-1).reshape(*index.shape)"
INDEX = "refsast/model/connections/windows.py"
PLACES_INSIDE = "places = np.where(inside, y * width + x, -1).reshape(-1, rows * columns)"
ANYTHING = "taken = np.take(a, np.where(beyond, anything, index), axis=-1)"
POOLED = "refsast/model/readout.py"
STEP = "refsast/model/glif_step.py"
ADAPTED = "a, raised = np.zeros(s.shape[1:], s.dtype), [np.zeros(s.shape[1:], s.dtype)]"
NOTHING_LATER = "after = _zero(states[0]) if later is None else later"
UNROLL = "refsast/model/unroll.py"
WHOLE = "whole = {j: _join_blocks(each).reshape(time, batch, -1) for j, each in blocks.items()}"
FLAT = (
    "g, chain, shapes = delta.reshape(time * batch, -1), network.chains[i], network.chain_shapes[i]"
)
DENSE = "current = (a.reshape(time * batch, n_in) @ layer.w.T).reshape(time, batch, -1)"
DELTA = "delta = np.empty((len(g), *states[0].u.shape), states[0].u.dtype)"

UNKNOWN = "NumPy takes any negative length as the unknown one"
ONES = "x / 1 is x * 1"
SHAPE = "of a state only shape and dtype are read there"
LAST = "of two axes the last is axis 1"
PADDING = "any negative number marks the padding"
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
    (CONV2D, MATRICES, "1  ->  2"): UNKNOWN,
    (CONV2D, BY_GROUP, "1  ->  2"): UNKNOWN,
    (CONV2D, BIASES, "1  ->  2"): UNKNOWN,
    (CONV2D, "return current.reshape(len(a), -1)", "1  ->  2"): UNKNOWN,
    (CONV2D, BIAS, "1  ->  2"): UNKNOWN,
    (POOL2D, MEANS, "1  ->  2"): UNKNOWN,
    (POOL2D, LARGEST_PLACE, "-2  ->  2"): "of four axes the last but one is axis 2",
    (POOL2D, LARGEST_INDEX, "1  ->  2"): UNKNOWN,
    (POOL2D, LARGEST_TAKEN, "-1  ->  1"): LAST,
    (INDEX, "@lru_cache(maxsize=64)", "64  ->  128"): "how many are remembered changes no number",
    (INDEX, PLACES_INSIDE, "1  ->  2"): f"{PADDING}; {UNKNOWN}",
    (INDEX, "index = np.where(places >= 0, places + first, -1)", "1  ->  2"): PADDING,
    (INDEX, "return np.take(a, index, axis=-1)", "-1  ->  1"): LAST,
    (INDEX, ANYTHING, "-1  ->  1"): LAST,
    (INDEX, "return inside.reshape(rows, -1)", "1  ->  2"): UNKNOWN,
    (POOLED, "return (alpha.reshape(-1, 1, 1) * s).sum(axis=0)", "1  ->  2"): UNKNOWN,
    (STEP, ADAPTED, "1  ->  2"): ROW,
    (GLIF, NOTHING_LATER, "0  ->  1"): SHAPE,
    (GLIF, DELTA, "0  ->  1"): SHAPE,
    (UNROLL, "rows = [a.reshape(time * batch, -1) for a in earlier]", "1  ->  2"): UNKNOWN,
    (UNROLL, "rows = [a.reshape(time * batch, -1) for a in earlier[: i + 1]]", "1  ->  2"):
     UNKNOWN,
    (UNROLL, "return _join_blocks(current).reshape(time, batch, -1)", "1  ->  2"): UNKNOWN,
    (UNROLL, WHOLE, "1  ->  2"): UNKNOWN,
    (UNROLL, FLAT, "1  ->  2"): UNKNOWN,
    (UNROLL, DENSE, "1  ->  2"): UNKNOWN,
    (SURROGATE, DECAY, "750.0  ->  1500.0"): GONE,
}  # fmt: skip
