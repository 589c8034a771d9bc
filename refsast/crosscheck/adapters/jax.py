"""JAX: `jax.grad` of a plain scan written from the equations, and of a function of the user's.

Rule 1: double precision is enabled in a context, so that the caller's configuration stays.
Rule 2: adjoints are the gradients in zeros that are added to all potentials.
"""

# pyright: reportMissingImports=false
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.adapters import equations
from refsast.crosscheck.adapters.parameter_map import (
    Slots,
    gather_params,
    map_parameters,
    scatter_params,
)
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.implementation import Implementation
from refsast.model.lif import LIF
from refsast.model.network import Network
from refsast.model.params import Layer, Params, layer_arrays
from refsast.model.readout import LeakyReadout, SpikeRate
from refsast.model.spike import Spike

Function = Callable[[jax.Array], jax.Array]


def factory(case: Case, dtype: type[np.floating] = np.float64) -> Implementation:
    """Return plain JAX, written from the equations; right for every case.

    It gives all states and adjoints. Unsupported: a spike that is none of the five families.
    """
    for neuron in case.network.neurons:
        smooth_spike(neuron.spike)  # raises Unsupported now, not when it is called
    # In parameters, input and the zeros beside the potentials.
    loss_and_grads = jax.jit(
        jax.value_and_grad(partial(_loss, case), argnums=(0, 1, 2), has_aux=True)
    )

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        with jax.enable_x64(True):
            leaves = [
                {k: jnp.asarray(a, dtype) for k, a in layer_arrays(p).items()} for p in params
            ]
            nudges = [jnp.zeros((*x.shape[:2], n), dtype) for n in case.network.sizes[1:]]
            (loss, states), (grads, x_grad, adjoints) = loss_and_grads(
                leaves, jnp.asarray(x, dtype), nudges, jnp.asarray(y)
            )
            grads = tuple(Layer(**{k: np.asarray(a) for k, a in leaf.items()}) for leaf in grads)
            u, s, adjoints = (tuple(map(np.asarray, arrays)) for arrays in (*states, adjoints))
            return Answer(float(loss), grads, u, s, adjoints, np.asarray(x_grad))

    return Implementation(gradient, name=f"JAX {jax.__version__}")


def single(case: Case) -> Implementation:
    """Return `factory` in single precision."""
    return factory(case, np.float32)


def wrap(
    loss: Callable[..., jax.Array],
    case: Case,
    tree: object,
    *,
    names: Slots | None = None,
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
    # Leaves by their paths: names that stay the same when the tree is rebuilt.
    paths, structure = jax.tree_util.tree_flatten_with_path(tree)
    shapes = {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in paths}
    slots = map_parameters(shapes, case.network, names)
    loss_and_grads = jax.value_and_grad(loss, argnums=(0, 1))

    def gradient(params: Params, x: Array, y: Integers) -> Answer:
        with jax.enable_x64(True):
            arrays = scatter_params(params, slots)
            leaves = [jnp.asarray(arrays[key], dtype) for key in shapes]
            value, (grads, x_grad) = loss_and_grads(
                jax.tree_util.tree_unflatten(structure, leaves),
                jnp.asarray(x, dtype),
                jnp.asarray(y),
            )
            flat = map(np.asarray, jax.tree_util.tree_leaves(grads))
            grads = gather_params(dict(zip(shapes, flat, strict=True)), slots)
            return Answer(float(value), grads, x=np.asarray(x_grad))

    return Implementation(gradient, name=name)


def params_of(tree: object, network: Network, names: Slots | None = None) -> Params:
    """Return a user's pytree as `Params`; `names` is as for `wrap`."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    found = {jax.tree_util.keystr(path): np.asarray(leaf, np.float64) for path, leaf in leaves}
    slots = map_parameters({key: a.shape for key, a in found.items()}, network, names)
    return gather_params(found, slots)


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
    fire = hard_spike(neuron.spike) if case.hard else smooth_spike(neuron.spike)

    def advance(state: tuple, step_input: tuple) -> tuple:
        (u, s, i), (current, step_nudge) = state, step_input
        current = current if v is None else current + s @ v.T
        reset_spike = jax.lax.stop_gradient(s) if neuron.detach_reset else s
        u, i = equations.membrane_step(neuron, case.synapse, u, reset_spike, i, current)
        u = u + step_nudge
        s = fire(u - neuron.threshold)
        return (u, s, i), (u, s)

    rest = jnp.zeros_like(currents[0])
    return jax.lax.scan(advance, (rest, rest, rest), (currents, nudge))[1]


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


def smooth_spike(spike: Spike) -> Function:
    """Return one of the five smooth spikes as a function of arrays; another is `Unsupported`."""
    return equations.smooth_spike(spike, jnp)


def hard_spike(spike: Spike) -> Function:
    """Return the Heaviside step with the derivative of `smooth_spike` backward."""
    function = smooth_spike(spike)

    # The rule makes JAX differentiate `function` where it ran `step`.
    @jax.custom_jvp
    def step(v: jax.Array) -> jax.Array:
        return (v >= 0.0).astype(v.dtype)

    @step.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple:
        (v,), (dv,) = primals, tangents
        return step(v), jax.jvp(function, (v,), (dv,))[1]

    return step
