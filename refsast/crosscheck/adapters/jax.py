"""JAX: `jax.grad` of a plain scan written from the equations, and of a function of the user's.

Rule 1: double precision is asked for in a context, so that the caller's configuration stays.
Rule 2: adjoints are gradients in zeros that are added to all potentials.
"""

# pyright: reportMissingImports=false
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters.parameter_map import (
    ParameterSlot,
    gather_params,
    map_parameters,
    scatter_params,
)
from refsast.crosscheck.case import Answer, Case, Implementation, Unsupported
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer, Params, layer_arrays
from refsast.model.readout import LeakyReadout, SpikeRate
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.spike import Spike
from refsast.model.surrogate import (
    Algebraic,
    Arctan,
    FastSigmoid,
    Logistic,
    PiecewiseQuadratic,
    Surrogate,
)


def factory(case: Case, dtype: type[np.floating] = np.float64) -> Implementation:
    """Return plain JAX, written from the equations; right for every case.

    Parameters
    ----------
    case : Case
        The question.
    dtype : type
        What to compute in.

    Returns
    -------
    Implementation
        Says all there is to say.

    Raises
    ------
    Unsupported
        If a spike is none of the five families.
    """
    for neuron in case.network.neurons:
        smooth_spike(neuron.spike)
    gradient_of = jax.value_and_grad(partial(_loss, case), argnums=(0, 1, 2), has_aux=True)
    asked = jax.jit(gradient_of)

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        with jax.enable_x64(True):
            leaves = [
                {k: jnp.asarray(a, dtype) for k, a in layer_arrays(p).items()} for p in params
            ]
            sizes = case.network.sizes[1:]
            nudges = [jnp.zeros((*x.shape[:2], n), dtype) for n in sizes]
            (loss, (u, s)), (grads, in_x, adjoints) = asked(
                leaves, jnp.asarray(x, dtype), nudges, jnp.asarray(y)
            )
            grads = tuple(Layer(**{k: np.asarray(a) for k, a in leaf.items()}) for leaf in grads)
            return Answer(
                float(loss),
                grads,
                _to_numpy_arrays(u),
                _to_numpy_arrays(s),
                _to_numpy_arrays(adjoints),
                np.asarray(in_x),
            )

    return Implementation(gradient, name=f"JAX {jax.__version__}")


def single(case: Case) -> Implementation:
    """Return `factory` in single precision."""
    return factory(case, np.float32)


def wrap(
    loss: Callable[..., jax.Array],
    case: Case,
    tree: object,
    *,
    names: Mapping[str, ParameterSlot] | None = None,
    dtype: type[np.floating] = np.float64,
    name: str = "JAX function",
) -> Implementation:
    """Return a user's function as an implementation to be checked.

    Parameters
    ----------
    loss : callable
        ``loss(params, x, y)``: the mean cross entropy of a batch, `params` like `tree`, `x` of
        shape (time, batch, n_0) and `y` integer labels. It is differentiated by `jax.grad`.
    case : Case
        What it should compute.
    tree : pytree
        The user's parameters, for their structure; nothing is written into it.
    names : mapping of str to (int, str), optional
        Which leaf is which parameter: from ``jax.tree_util.keystr(path)``, such as ``"['w1']"``,
        to a layer's index and "w", "b" or "v", or "w.T" or "v.T" where it is stored as (n_in,
        n_out). Default: leaves in their order, which must then have the case's shapes.
    dtype : type
        What to compute in.
    name : str
        For reports.

    Returns
    -------
    Implementation
        With the input gradient, without states.

    Raises
    ------
    ValueError
        If leaves are missing, too many, or of other shapes.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    shapes = {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in paths}
    places = map_parameters(shapes, case.network, names)
    asked = jax.value_and_grad(loss, argnums=(0, 1))

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        with jax.enable_x64(True):
            given = scatter_params(params, places)
            leaves = [jnp.asarray(given[key], dtype) for key in shapes]
            value, (found, in_x) = asked(
                jax.tree_util.tree_unflatten(structure, leaves),
                jnp.asarray(x, dtype),
                jnp.asarray(y),
            )
            found = dict(
                zip(shapes, map(np.asarray, jax.tree_util.tree_leaves(found)), strict=True)
            )
            return Answer(float(value), gather_params(found, places), x=np.asarray(in_x))

    return Implementation(gradient, name=name)


def params_of(
    tree: object, network: Network, names: Mapping[str, ParameterSlot] | None = None
) -> Params:
    """Return what a pytree of a user's parameters holds, as `wrap` reads it; see there."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    found = {jax.tree_util.keystr(path): np.asarray(leaf, np.float64) for path, leaf in leaves}
    places = map_parameters({key: a.shape for key, a in found.items()}, network, names)
    return gather_params(found, places)


def _to_numpy_arrays(arrays: Sequence[jax.Array]) -> tuple[Array, ...]:
    return tuple(map(np.asarray, arrays))


def _loss(case: Case, leaves: list, x: jax.Array, nudges: list, y: jax.Array) -> tuple:
    """The mean cross entropy; with it potentials and spikes of all layers."""
    us, ss, a = [], [], x
    for neuron, leaf, nudge in zip(case.network.neurons, leaves, nudges, strict=False):
        currents = a @ leaf["w"].T + leaf.get("b", 0.0)
        u, a = _scan_layer(case, neuron, leaf.get("v"), currents, nudge)
        us.append(u)
        ss.append(a)
    log_p = jax.nn.log_softmax(_logits(case.network, leaves, a))
    return -log_p[jnp.arange(len(y)), y].mean(), (us, ss)


def _scan_layer(
    case: Case, neuron: LIF, v: jax.Array | None, currents: jax.Array, nudge: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Potentials and spikes of one layer."""
    fire, synapse = (
        hard_spike(neuron.spike) if case.hard else smooth_spike(neuron.spike),
        case.synapse,
    )

    def advance(state: tuple, given: tuple) -> tuple:
        u, s, i = state
        current = given[0] if v is None else given[0] + s @ v.T
        now = drive = current
        if synapse is not None:
            now = synapse.leak * i + current
            drive = synapse.scale * (i if synapse.delayed else now)
        u = apply_reset(neuron, u, s) + drive + given[1]
        s = fire(u - neuron.threshold)
        return (u, s, now), (u, s)

    rest = jnp.zeros_like(currents[0])
    return jax.lax.scan(advance, (rest, rest, rest), (currents, nudge))[1]


def apply_reset(neuron: LIF, u: jax.Array, s: jax.Array) -> jax.Array:
    """Return what the reset leaves of a potential `u` with spike `s`."""
    s = jax.lax.stop_gradient(s) if neuron.detach_reset else s
    match neuron.reset:
        case ToZero():
            return neuron.leak * u * (1.0 - s)
        case Subtract(leaked=True):
            return neuron.leak * (u - neuron.threshold * s)
        case Subtract():
            return neuron.leak * u - neuron.threshold * s
        case NoReset():
            return neuron.leak * u


def _logits(network: Network, leaves: list, s: jax.Array) -> jax.Array:
    """The readout of the last layer's spikes, step by step where it integrates."""
    readout = network.readout
    if isinstance(readout, SpikeRate):
        return readout.gain * s.mean(axis=0)
    w, b = leaves[-1]["w"], leaves[-1].get("b", 0.0)
    if not isinstance(readout, LeakyReadout):
        return s.mean(axis=0) @ w.T + b

    def advance(v: jax.Array, current: jax.Array) -> tuple:
        v = readout.leak * v + current
        return v, v

    currents = s @ w.T + b
    return jax.lax.scan(advance, jnp.zeros_like(currents[0]), currents)[1].mean(axis=0)


def smooth_spike(spike: Spike) -> Callable[[jax.Array], jax.Array]:
    """Return one of the five smooth spikes as a function of JAX's arrays (DESIGN 4)."""
    if not isinstance(spike, Surrogate):
        raise Unsupported(f"spike must be one of the five families, got {spike!r}")
    k = spike.slope

    def from_tail(tail: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
        def whole(v: jax.Array) -> jax.Array:
            below = tail(jnp.where(v < 0.0, -v, v))  # abs would have slope 0 at a tie
            return jnp.where(v < 0.0, below, 1.0 - below)

        return whole

    def algebraic(far: jax.Array) -> jax.Array:
        root = jnp.sqrt(1.0 + (k * far) ** 2)
        return 0.5 / (root * (root + k * far))

    match spike:
        case Arctan():
            return lambda v: 0.5 + jnp.arctan(0.5 * math.pi * k * v) / math.pi
        case Logistic():
            return from_tail(lambda far: jnp.exp(-k * far) / (1.0 + jnp.exp(-k * far)))
        case Algebraic():
            return from_tail(algebraic)
        case FastSigmoid():
            return from_tail(lambda far: 0.5 / (1.0 + k * far))
        case PiecewiseQuadratic():
            return from_tail(lambda far: 0.5 * jnp.maximum(1.0 - k * far, 0.0) ** 2)


def hard_spike(spike: Spike) -> Callable[[jax.Array], jax.Array]:
    """Return the Heaviside step with the derivative of `smooth_spike` backward."""
    function = smooth_spike(spike)

    @jax.custom_jvp
    def step(v: jax.Array) -> jax.Array:
        return (v >= 0.0).astype(v.dtype)

    @step.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple:
        (v,), (dv,) = primals, tangents
        return step(v), jax.jvp(function, (v,), (dv,))[1]

    return step
