"""Other libraries, each on the same equations as its users would write them.

A library is imported when one of its implementations is built, and not before.
"""

import math
import types
from collections.abc import Callable
from functools import partial

import numpy as np

from refsast.arrays import Array
from tests.bench.implementations import (
    BETAS,
    EPSILON,
    RATE,
    Answer,
    Built,
    Implementation,
    detached,
    exact,
)
from tests.bench.machine import threads
from tests.bench.workloads import GAIN, LEAK, SLOPE, THRESHOLD, Data, Minibatches, Workload


def arctan(torch, v):
    """Return the smooth spike."""
    return 0.5 + torch.atan((0.5 * math.pi * SLOPE) * v) / math.pi


def build_torch(torch, data: Data, work: Workload, logits: Callable, scale: float = 1.0) -> Built:
    """A step of autograd through ``logits(x, weights)``, whose weights are `scale` times ours."""
    torch.set_num_threads(threads())
    dtype = getattr(torch, work.dtype)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    weights = [torch.from_numpy(w * w.dtype.type(scale)).requires_grad_() for w in data.weights]

    def step():
        loss = torch.nn.functional.cross_entropy(logits(x.to(dtype), weights), y)
        return loss, torch.autograd.grad(loss, weights)

    def answer() -> Answer:
        loss, grads = step()
        return loss.item(), [scale * grad.numpy() for grad in grads]

    def train(batches: Minibatches) -> tuple[Array, ...]:
        own = [w.detach().clone().requires_grad_() for w in weights]
        adam = torch.optim.Adam(own, lr=scale * RATE, betas=BETAS, eps=EPSILON, fused=True)
        whole, labels = torch.from_numpy(batches.x), torch.from_numpy(batches.y)

        def gradient(at, rows):
            rows = torch.from_numpy(rows)
            found = logits(whole[:, rows].to(dtype), at)
            return torch.autograd.grad(torch.nn.functional.cross_entropy(found, labels[rows]), at)

        for first, second in zip(batches.ascent, batches.descent, strict=True):
            grads = gradient(own, first)
            if batches.rho > 0.0:
                length = torch.linalg.vector_norm(torch.cat([g.flatten() for g in grads]))
                pairs = zip(own, grads, strict=True)
                moved = [(w.detach() + batches.rho / length * g).requires_grad_() for w, g in pairs]
                grads = gradient(moved, second)
            for w, grad in zip(own, grads, strict=True):
                w.grad = grad
            adam.step()
        return tuple(w.detach().numpy() for w in own)

    return Built(step, answer, train)


def torch_step(torch, u, s, current):
    """Return potential and spike of the next step."""
    u = LEAK * u * (1.0 - s) + current
    return u, arctan(torch, u - THRESHOLD)


def layer_by_layer(torch, product, x, weights):
    """Return the logits: per layer, one product over all steps, then the loop over time."""
    a = x
    for i, w in enumerate(weights):
        currents = product(a, w) if i == 0 else torch.nn.functional.linear(a, w)
        u = s = torch.zeros_like(currents[0])
        spikes = []
        for current in currents.unbind():  # indexing would cost a whole array per step, backwards
            u, s = torch_step(torch, u, s, current)
            spikes.append(s)
        a = torch.stack(spikes)
    return GAIN * a.mean(dim=0)


def step_by_step(torch, x, weights):
    """Return the logits: all layers advance within the loop over time, products and all."""
    states = [(zero, zero) for zero in (x.new_zeros(x.shape[1], len(w)) for w in weights)]
    total = 0.0
    for a in x.unbind():
        for i, w in enumerate(weights):
            states[i] = torch_step(torch, *states[i], torch.nn.functional.linear(a, w))
            a = states[i][1]
        total = total + a
    return GAIN * total / len(x)


def build_torch_layers(work: Workload, data: Data) -> Built:
    """PyTorch, products hoisted out of the loop."""
    import torch

    logits = partial(layer_by_layer, torch, torch.nn.functional.linear)
    return build_torch(torch, data, work, logits)


def build_torch_loop(work: Workload, data: Data) -> Built:
    """PyTorch as most people write it."""
    import torch

    return build_torch(torch, data, work, partial(step_by_step, torch))


def build_torch_sparse(work: Workload, data: Data) -> Built:
    """PyTorch, products hoisted, the input as a sparse matrix prepared beforehand."""
    import torch

    rows = torch.from_numpy(data.x.reshape(-1, work.sizes[0]).astype(work.dtype)).to_sparse_csr()

    def product(_, w):
        return torch.sparse.mm(rows, w.T).view(work.steps, work.batch, -1)

    return build_torch(torch, data, work, partial(layer_by_layer, torch, product))


def build_torch_compile(work: Workload, data: Data) -> Built:
    """PyTorch, products hoisted, compiled as one graph."""
    import torch

    logits = partial(layer_by_layer, torch, torch.nn.functional.linear)
    whole = torch.compile(lambda x, weights: logits(x, weights), fullgraph=True, dynamic=False)
    return build_torch(torch, data, work, whole)


def build_jax(work: Workload, data: Data) -> Built:
    """JAX: one jitted function, products hoisted, `lax.scan` over time in every layer."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", work.dtype == "float64")

    def advance(state, current):
        u, s = state
        u = LEAK * u * (1.0 - s) + current
        s = 0.5 + jnp.arctan((0.5 * math.pi * SLOPE) * (u - THRESHOLD)) / math.pi
        return (u, s), s

    def loss(weights, x, y):
        a = x.astype(work.dtype)
        for w in weights:
            currents = a @ w.T
            zero = jnp.zeros_like(currents[0])
            _, a = jax.lax.scan(advance, (zero, zero), currents)
        log_p = jax.nn.log_softmax(GAIN * a.mean(axis=0))
        return -log_p[jnp.arange(len(y)), y].mean()

    weights, x, y = [jnp.asarray(w) for w in data.weights], jnp.asarray(data.x), jnp.asarray(data.y)
    value_and_grad = jax.jit(jax.value_and_grad(loss))

    @partial(jax.jit, static_argnums=0)
    def update(rho, k, state, first, second):
        own, mean, square = state
        grads = jax.grad(loss)(own, *first)
        if rho > 0.0:
            length = jnp.sqrt(sum((g * g).sum() for g in grads))
            moved = [w + rho / length * g for w, g in zip(own, grads, strict=True)]
            grads = jax.grad(loss)(moved, *second)
        (b1, b2), new = BETAS, []
        for w, m, v, g in zip(own, mean, square, grads, strict=True):
            m, v = b1 * m + (1.0 - b1) * g, b2 * v + (1.0 - b2) * g * g
            move = m / (1.0 - b1**k) / (jnp.sqrt(v / (1.0 - b2**k)) + EPSILON)
            new.append((w - RATE * move, m, v))
        return tuple(list(each) for each in zip(*new, strict=True))

    def train(batches: Minibatches) -> tuple[Array, ...]:
        zeros = [jnp.zeros_like(w) for w in weights]
        state = (weights, zeros, zeros)
        rows = zip(batches.ascent, batches.descent, strict=True)
        for k, pair in enumerate(rows, 1):
            first, second = ((batches.x[:, r], batches.y[r]) for r in pair)
            state = update(batches.rho, float(k), state, first, second)
        return tuple(np.asarray(w) for w in jax.block_until_ready(state[0]))

    def step():
        return jax.block_until_ready(value_and_grad(weights, x, y))

    def answer() -> Answer:
        value, grads = step()
        return float(value), [np.asarray(grad) for grad in grads]

    return Built(step, answer, train)


def linears(torch, work: Workload, weights) -> list:
    """Return a linear map without bias per layer, to be given its weights at every call."""
    pairs = zip(work.sizes, work.sizes[1:], strict=False)
    return [torch.nn.Linear(n_in, n_out, bias=False) for n_in, n_out in pairs]


def build_spikingjelly(work: Workload, data: Data) -> Built:
    """SpikingJelly's multi-step neurons; its surrogate used as the spike itself."""
    import torch
    from spikingjelly.activation_based import functional, neuron, surrogate

    nodes = [
        neuron.LIFNode(
            tau=1.0 / (1.0 - LEAK),
            decay_input=False,
            v_threshold=THRESHOLD,
            v_reset=0.0,
            surrogate_function=surrogate.ATan(alpha=SLOPE, spiking=False),
            detach_reset=False,
            step_mode="m",
        )
        for _ in data.weights
    ]

    def logits(x, weights):
        for node, w in zip(nodes, weights, strict=True):
            functional.reset_net(node)
            x = node(torch.nn.functional.linear(x, w))
        return GAIN * x.mean(dim=0)

    return build_torch(torch, data, work, logits)


def build_norse(work: Workload, data: Data) -> Built:
    """Norse's cell without synaptic current; its hard threshold swapped for the smooth spike.

    The cell computes v + dt/tau (current - v): with dt/tau = 1 - leak, weights must be larger by
    1/(1 - leak). Norse has no smooth spike, so a copy of its step looks ``threshold`` up elsewhere.
    """
    import torch
    from norse.torch import LIFBoxCell
    from norse.torch.functional import lif_box

    def smooth(v, method, alpha):
        return arctan(torch, v)

    theirs = lif_box.lif_box_feed_forward_step
    step = types.FunctionType(theirs.__code__, {**theirs.__globals__, "threshold": smooth})
    dt, dtype = 1e-3, getattr(torch, work.dtype)
    tau_mem_inv = torch.tensor((1.0 - LEAK) / dt, dtype=dtype)
    parameters = lif_box.LIFBoxParameters(tau_mem_inv, v_th=torch.tensor(THRESHOLD, dtype=dtype))
    cells = [LIFBoxCell(parameters, dt=dt) for _ in data.weights]
    for cell in cells:
        cell.activation = step

    def logits(x, weights):
        states, total = [None] * len(cells), 0.0
        for a in x.unbind():
            for i, (cell, w) in enumerate(zip(cells, weights, strict=True)):
                a, states[i] = cell(torch.nn.functional.linear(a, w), states[i])
            total = total + a
        return GAIN * total / len(x)

    return build_torch(torch, data, work, logits, scale=1.0 / (1.0 - LEAK))


def build_snntorch(work: Workload, data: Data) -> Built:
    """snnTorch's Leaky with a smooth function as its spike; the reset is always detached."""
    import snntorch
    import torch

    def cell():
        smooth = partial(arctan, torch)
        return snntorch.Leaky(LEAK, THRESHOLD, spike_grad=smooth, reset_mechanism="zero")

    cells = [cell().to(getattr(torch, work.dtype)) for _ in data.weights]

    def logits(x, weights):
        states, total = [x.new_zeros(x.shape[1], len(w)) for w in weights], 0.0
        for a in x.unbind():
            for i, (one, w) in enumerate(zip(cells, weights, strict=True)):
                a, states[i] = one(torch.nn.functional.linear(a, w), states[i])
            total = total + a
        return GAIN * total / len(x)

    return build_torch(torch, data, work, logits)


def _peer(title: str, build, needs: str, oracle=exact, note: str = "") -> Implementation:
    process = "jax" if needs == "jax" else "torch"
    return Implementation(title, process, build, oracle, needs, note)


PEERS = {
    "torch": _peer("PyTorch by hand, products hoisted", build_torch_layers, "torch"),
    "torch-loop": _peer("PyTorch by hand, products in the loop", build_torch_loop, "torch"),
    "torch-sparse": _peer("PyTorch by hand, sparse input", build_torch_sparse, "torch"),
    "torch-compile": _peer("PyTorch by hand, torch.compile", build_torch_compile, "torch"),
    "jax": _peer("JAX, jit and scan", build_jax, "jax"),
    "spikingjelly": _peer("SpikingJelly, multi-step LIFNode", build_spikingjelly, "spikingjelly"),
    "norse": _peer(
        "Norse, LIFBoxCell",
        build_norse,
        "norse",
        note="its hard threshold swapped for the smooth spike",
    ),
    "snntorch": _peer(
        "snnTorch, Leaky", build_snntorch, "snntorch", detached, "reset detached: not this gradient"
    ),
}
