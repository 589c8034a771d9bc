"""How far rounding moves each number of a run: measured, by runs with random errors (Monte Carlo).

A bound on the errors of a recurrent network multiplies norms step by step, and grows without end
where the errors themselves are forgotten. So the run is repeated here, forward and backward by
hand, with a random error of one rounding wherever an implementation rounds. What these runs differ
by from the one without errors is what right implementations differ by.

Rule 1: an error is drawn for every sum and product, in whatever order they may be taken; one for
        every constant, the same at all steps, since its rounding is; one for every formula of a
        spike, whose usual forms lose precision far from the threshold.
Rule 2: a sum of n terms may be taken one after the other, which `sum_noise` allows for.
Rule 3: hard spikes do not flip: whether one may is asked before (`crosscheck.compare`).
"""

from collections.abc import Iterator

import numpy as np

from refsast.arrays import Array
from refsast.autodiff.summation import count_equal_terms, sum_noise
from refsast.gradient.noise_layer import (
    Clean,
    Dials,
    Jitter,
    Spread,
    draw_dials,
    draw_jitter,
    exact_dials,
    locate_errors,
    product_noise,
    run_adjoints,
    run_states,
)
from refsast.gradient.noise_readout import run_readout
from refsast.gradient.noise_run import Run, compute_losses
from refsast.gradient.rounding import ErrorBounds
from refsast.model.params import Layer

REPEATS = 8
# Few repeats leave some errors small by chance: each is drawn towards the mean of its kind, as if
# that were so many more repeats.
PRIOR_REPEATS = 4.0
SMALL = 1e-140  # the squares of smaller numbers lose digits, or all
LOOKED_AT = 64  # entries of a kind
# Numbers that all repeats of a layer may hold at once; a larger run is repeated in several goes.
MAX_NUMBERS = 4_000_000


def rounding_noise(
    run: Run, *, unit: float, rng: np.random.Generator, inputs: bool = True, repeats: int = REPEATS
) -> ErrorBounds:
    """Return the root mean square by which errors of `unit` move each number of a run.

    Parameters
    ----------
    run : Run
        The run without errors.
    unit : float
        Size of one error, as a fraction: a multiple of ``eps / 2``.
    rng : numpy.random.Generator
        Of the errors.
    inputs : bool
        Whether to give the gradient in the input, too; else it is zero.
    repeats : int
        Number of runs with errors.

    Returns
    -------
    ErrorBounds
        In the units of the numbers themselves.
    """
    spreads = tuple(
        locate_errors(each, run.hard, unit, inputs or i > 0) for i, each in enumerate(run.layers)
    )
    size = max(each.u.size for each in run.layers)
    many = int(np.clip(MAX_NUMBERS // size, 1, repeats))
    drawn: dict[str, Array] = {}
    for start in range(0, repeats, many):
        count = min(many, repeats - start)
        for name, size in _drawn_errors(run, spreads, unit, count, rng, inputs):
            drawn[name] = _add_squares(drawn[name], size) if name in drawn else size
    found = {}
    for name, local in _last_errors(run, spreads, unit, inputs):
        found[name] = combine_errors(drawn[name], np.asarray(local), repeats)
    return _gather(run, found)


def combine_errors(drawn: Array, local: Array, repeats: int) -> Array:
    """The error of each entry, from what was drawn and from what arises in it last.

    Of few repeats some are small by chance, so that each entry is drawn towards its neighbours',
    relative to what arises last: of the same neuron, of the same row.
    """
    shape = drawn.shape
    local = np.broadcast_to(local, shape)
    if drawn.ndim == 3:  # a neuron's steps and recordings
        drawn, local = (each.reshape(-1, shape[2]).T for each in (drawn, local))
    usual = _usual_errors(drawn, local, np.sqrt(PRIOR_REPEATS / repeats))
    found = _add_squares(usual, drawn, np.sqrt(repeats + PRIOR_REPEATS) * local)
    found = found / np.sqrt(repeats + PRIOR_REPEATS)
    return found.T.reshape(shape) if len(shape) == 3 else found


def _usual_errors(drawn: Array, local: Array, share: float) -> Array:
    """A share of what is usually drawn beside such last errors in a row, and of all drawn in it."""
    if drawn.ndim == 0:
        return np.zeros(())
    few = slice(None, None, max(1, drawn.shape[-1] // LOOKED_AT))  # are enough
    some, last = drawn[..., few], local[..., few]
    with np.errstate(over="ignore"):
        ratio = np.divide(some, last, out=np.zeros(some.shape), where=last > 0.0)
        usual = share * np.median(ratio, axis=-1, keepdims=True) * local
    return np.minimum(usual, share * drawn.max(axis=-1, keepdims=True, initial=0.0), out=usual)


def _add_squares(*sizes: Array) -> Array:
    """The root of the sum of squares; of numbers whose squares underflow, their sum."""
    with np.errstate(over="ignore"):
        found = np.square(sizes[0])
        for size in sizes[1:]:
            found += np.square(size)
        found = np.sqrt(found)
    small = found < SMALL
    return np.where(small, sum(sizes), found) if small.any() else found


def _root_squares(errors: Array, axis: int = 0) -> Array:
    """The root of the sum of squares over repeats; where they underflow, no less than it."""
    terms = "tr" if axis else "r"
    found = np.sqrt(np.einsum(f"{terms}...,{terms}...->{terms[:-1]}...", errors, errors))
    small = found < SMALL
    if not small.any():
        return found
    return np.where(small, np.sqrt(errors.shape[axis]) * abs(errors).max(axis=axis), found)


def _drawn_errors(
    run: Run,
    spreads: tuple[Spread, ...],
    unit: float,
    repeats: int,
    rng: np.random.Generator,
    inputs: bool,
) -> Iterator[tuple[str, Array]]:
    """The errors of every array, by its name: the root of the sum of squares over repeats."""
    dials = [
        draw_dials(exact_dials(each.neuron, run.synapse), unit, repeats, rng) for each in run.layers
    ]
    alpha = run.alpha * (1.0 + unit * rng.standard_normal((repeats, 1, 1)))
    jitters = [draw_jitter(spread, repeats, rng) for spread in spreads]
    states, a = [], run.layers[0].a
    for i, clean in enumerate(run.layers):
        u, s = _noisy_states(run, clean, dials[i], a, jitters[i], shared=i == 0)
        yield f"u[{i}]", _root_squares(u - clean.u, 1)
        yield f"s[{i}]", _root_squares(s - clean.s, 1)
        states.append((a, u, s))
        a = s
    loss, pooled, g, cotangent = run_readout(run, alpha, a, unit, repeats, rng)
    yield "loss", _root_squares(loss - compute_losses(run, run.logits))
    n = len(run.layers)
    if run.network.readout.n_out is not None:
        w = np.swapaxes(g, 1, 2) @ pooled - run.g[0].T @ run.pooled[0]
        yield f"grads[{n}].w", _root_squares(w)
        if run.readout.b is not None:
            b = (g.sum(axis=1) - run.g.sum(axis=1)) * run.alpha.sum()
            yield f"grads[{n}].b", _root_squares(b)
    for i in reversed(range(n)):
        clean, (a, u, s) = run.layers[i], states[i]
        delta, current = run_adjoints(
            clean.neuron, clean.layer, run.synapse, dials[i], u, s, cotangent, jitters[i]
        )
        yield f"adjoints[{i}]", _root_squares(delta - clean.delta, 1)
        yield from _gradient_errors(clean, current, a, s, f"grads[{i}]")
        if i > 0:
            cotangent = current @ clean.layer.w
            cotangent += spreads[i].back * rng.standard_normal(cotangent.shape, dtype=np.float32)
        elif inputs:
            yield "x", _root_squares((current - clean.current) @ clean.layer.w, 1)


def _gradient_errors(
    clean: Clean, current: Array, a: Array, s: Array, name: str
) -> Iterator[tuple[str, Array]]:
    """The errors of a layer's gradients, from the adjoints of its current."""
    yield f"{name}.w", _product_errors(current, clean.current, a, clean.a)
    if clean.layer.b is not None:
        yield f"{name}.b", _root_squares((current - clean.current).sum(axis=(0, 2)))
    if clean.layer.v is not None:
        later, earlier = current[1:], s[:-1]
        yield f"{name}.v", _product_errors(later, clean.current[1:], earlier, clean.s[:-1])


def _noisy_states(
    run: Run, clean: Clean, dials: Dials, a: Array, jitter: Jitter, *, shared: bool
) -> tuple[Array, Array]:
    """Potentials and spikes of a layer with errors; what comes in may be shared by all repeats."""

    def fire(t: int, v: Array) -> Array:
        if run.hard:
            return np.broadcast_to(clean.s[t], v.shape)
        return clean.neuron.spike(v) + jitter("s", t)

    currents = clean.inflow
    if not shared:
        bias = 0.0 if clean.layer.b is None else clean.layer.b
        currents = a @ clean.layer.w.T + bias
    return run_states(clean.neuron, clean.layer, run.synapse, dials, currents, jitter, fire)


def _product_errors(left: Array, left_0: Array, right: Array, right_0: Array) -> Array:
    """Errors of ``sum left right'``, over repeats; one side may be shared."""
    if right is right_0:  # linear in what is left: one product for all repeats
        error = np.moveaxis(left - left_0, 3, 0).swapaxes(1, 2)  # (n, repeats, time, batch)
        n, repeats = error.shape[:2]
        flat = right.reshape(-1, right.shape[-1])
        # Three digits of an error are enough, and single precision is twice as fast: it holds the
        # squares if rows and columns are about one.
        rows, columns = _peaks(error.reshape(n, -1).T), _peaks(flat)
        error = (error.reshape(n, -1) / rows[:, None]).astype(np.float32)
        product = error.reshape(n * repeats, -1) @ (flat / columns).astype(np.float32)
        product = product.reshape(n, repeats, -1)
        square = np.einsum("irj,irj->ij", product, product).astype(np.float64)
        return np.sqrt(square) * rows[:, None] * columns
    left, left_0 = (
        np.moveaxis(each, 1, 0).reshape(each.shape[1], -1, each.shape[3]) for each in (left, left_0)
    )
    right, right_0 = (
        np.moveaxis(each, 1, 0).reshape(each.shape[1], -1, each.shape[3])
        for each in (right, right_0)
    )
    return _root_squares(np.swapaxes(left, 1, 2) @ right - np.swapaxes(left_0, 1, 2) @ right_0)


def _peaks(a: Array) -> Array:
    """The largest magnitude in each column; of zeros one."""
    peaks = abs(a).max(axis=0, initial=0.0)
    return np.where(peaks > 0.0, peaks, 1.0)


def _last_errors(
    run: Run, spreads: tuple[Spread, ...], unit: float, inputs: bool
) -> Iterator[tuple[str, Array | float]]:
    """The errors that arise in the last operation before a number is given."""
    n, time = len(run.layers), len(run.alpha)
    loss = float(compute_losses(run, run.logits)[0])
    depth = abs(run.logits).max(axis=-1).mean()
    yield "loss", unit * (1.0 + depth + loss * np.sqrt(len(run.truth)))
    if run.network.readout.n_out is not None:
        w = run.g[0].T @ run.pooled[0]
        yield f"grads[{n}].w", unit * product_noise(run.g, run.pooled, w)
        if run.readout.b is not None:
            total, terms = run.g[0].sum(axis=0), abs(run.g[0]).sum(axis=0)
            batch = len(run.truth)  # whose terms are the same at every step
            noise = sum_noise(total, terms, batch * time, time, time * np.sqrt(batch))
            yield f"grads[{n}].b", unit * noise * run.alpha.sum()
    for i, (clean, spread) in enumerate(zip(run.layers, spreads, strict=True)):
        yield f"u[{i}]", spread.u[:, 0]
        yield f"s[{i}]", spread.s[:, 0]
        yield f"adjoints[{i}]", spread.delta[:, 0]
        current = clean.current
        flat = [each.reshape(-1, each.shape[-1]) for each in (current, clean.a)]
        yield f"grads[{i}].w", unit * product_noise(current, clean.a, flat[0].T @ flat[1])
        if clean.layer.b is not None:
            total, terms = (each.sum(axis=(0, 1, 2)) for each in (current, abs(current)))
            alike = count_equal_terms(abs(flat[0]))
            yield f"grads[{i}].b", unit * sum_noise(total, terms, len(flat[0]), time, alike)
        if clean.layer.v is not None:
            later, s = current[1:], clean.s[:-1]
            product = later.reshape(-1, later.shape[-1]).T @ s.reshape(-1, s.shape[-1])
            yield f"grads[{i}].v", unit * product_noise(later, s, product)
        if i == 0 and inputs:
            yield "x", spread.back[:, 0]


def _gather(run: Run, sizes: dict[str, Array]) -> ErrorBounds:
    """The record of all sizes."""
    many = range(len(run.layers))
    u, s, adjoints = (
        tuple(np.asarray(sizes[f"{name}[{i}]"]) for i in many) for name in ("u", "s", "adjoints")
    )
    grads = []
    for i in range(len(run.network.shapes)):
        b, v = (sizes.get(f"grads[{i}].{part}") for part in ("b", "v"))
        grads.append(Layer(sizes[f"grads[{i}].w"], b, v))
    x = sizes.get("x", np.zeros(run.layers[0].a[:, 0].shape))
    return ErrorBounds(float(sizes["loss"]), u, s, adjoints, tuple(grads), x)
