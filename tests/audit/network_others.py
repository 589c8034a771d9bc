"""The same for Norse, Sinabs, and PyTorch's and JAX's functions without any library."""

from typing import Any

import numpy as np

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Implementation
from tests.audit.network_questions import SPIKE, STEPS, Make, draw_batch


def norse_layers(cell: str, *, image: bool = False, **settings: float) -> Make:
    """Two layers of a cell of Norse, called with all steps."""

    def make() -> Any:
        import norse.torch as norse
        import torch
        from torch import nn

        numbers = {name: torch.tensor(value) for name, value in settings.items()}
        parameters = {"LSNN": norse.LSNNParameters}.get(cell, norse.LIFParameters)

        def neuron() -> Any:
            if cell not in ("LIF", "LSNN"):
                return getattr(norse, cell)()
            return getattr(norse, cell)(
                parameters(method="tanh", alpha=torch.tensor(2.0), **numbers)
            )

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc1 = nn.Conv2d(1, 2, 3) if image else nn.Linear(4, 5)
                self.one, self.two = neuron(), neuron()
                self.pool, self.fc2 = nn.AvgPool2d(2), nn.Linear(8 if image else 5, 3)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                if not image:
                    return self.two(self.fc2(self.one(self.fc1(x))[0]))[0]
                s = self.one(self.fc1(x.flatten(0, 1)).unflatten(0, x.shape[:2]))[0]
                s = self.pool(s.flatten(0, 1)).flatten(1).unflatten(0, x.shape[:2])
                return self.two(self.fc2(s))[0]

        return Net()

    return make


def sinabs_layers(
    kind: str, *, hard: bool = False, subtract: float | None = None, **settings: Any
) -> Make:
    """Two layers of Sinabs, whose reset subtracts the threshold or another number."""

    def make() -> Any:
        from sinabs import layers
        from torch import nn

        def layer(n: int) -> Any:
            numbers = {k: v(n) if callable(v) else v for k, v in settings.items()}
            return getattr(layers, kind)(**sinabs_spike(hard, subtract), **numbers)

        return nn.Sequential(nn.Linear(4, 5), layer(5), nn.Linear(5, 3), layer(3))

    return make


def sinabs_spike(hard: bool, subtract: float | None = None) -> dict[str, Any]:
    """Options of a layer: the smooth spike, or the library's single one with its derivative."""
    from sinabs import activation

    from tests.audit.mode_rows import load_adapter

    reset = {"reset_fn": activation.MembraneSubtract(subtract)}
    if not hard:
        return {"spike_fn": load_adapter("sinabs").SmoothSpike(SPIKE), **reset}
    derivative = load_adapter("torch").smooth_spike_derivative(SPIKE)
    return {
        "spike_fn": activation.SingleSpike,
        "surrogate_grad_fn": lambda v, threshold: derivative(v - threshold),
        **reset,
    }


def sinabs_images(pool: str, *, hard: bool) -> Make:
    """A convolution, pooling and a linear layer; steps are recordings to them."""

    def make() -> Any:
        import torch
        from sinabs import layers

        from tests.audit.network_questions import BATCH

        spike = {"batch_size": BATCH, **sinabs_spike(hard)}
        pooling = {"SumPool2d": layers.SumPool2d, "AvgPool2d": torch.nn.AvgPool2d}[pool]

        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net = torch.nn.Sequential(
                    *(torch.nn.Conv2d(1, 3, 3), layers.IAFSqueeze(**spike), pooling(2)),
                    *(torch.nn.Flatten(), torch.nn.Linear(12, 3)),
                    layers.LIFSqueeze(tau_mem=5.0, **spike),
                )

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.net(x.flatten(0, 1)).unflatten(0, (BATCH, -1))

        return Net()

    return make


def ask_spytorch(
    seed: int, sizes: tuple[int, int, int] = (6, 8, 3), steps: int = STEPS
) -> tuple[Implementation, Case]:
    """The tutorials of spytorch: functions of tensors, the largest potential over time."""
    import torch

    from tests.audit.mode_rows import load_adapter

    library, spike = load_adapter("torch"), rs.FastSigmoid(20.0)
    fire, alpha, beta = library.hard_spike(spike), 0.8, 0.9
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        "w1": _draw_weights(sizes[0], sizes[1], 5.0, generator),
        "w2": _draw_weights(sizes[1], sizes[2], 3.0, generator),
    }
    synapse = rs.Synapse(alpha, delayed=True)
    neuron = rs.GLIF(beta, 1.0, spike, rs.Subtract(), detach_reset=True, synapse=synapse)
    network = rs.Network(sizes[:2], neuron, rs.MaxPotential(sizes[2], beta), bias=False)
    names = {"w1": (0, "w.T"), "w2": (1, "w.T")}
    params = library.params_of(tensors, network, names)
    case = Case(network, params, *draw_batch(seed, sizes[0], steps=steps), hard=True)

    def loss(tensors: Any, x: Any, y: Any) -> Any:
        # It fires at the beginning of a step; one more step shows the last potential.
        h1 = torch.cat([x, torch.zeros_like(x[:1])]) @ tensors["w1"]
        current = mem = torch.zeros_like(h1[0])
        out, potentials = torch.zeros_like(h1[0] @ tensors["w2"]), []
        for h in h1:
            s = fire(mem - 1.0)
            current, mem = alpha * current + h, beta * mem + current - s.detach()
            out = beta * out + s @ tensors["w2"]
            potentials.append(out)
        return torch.nn.functional.cross_entropy(torch.stack(potentials).max(dim=0).values, y)

    return library.wrap(loss, case, tensors, names=names), case


def _draw_weights(n_in: int, n_out: int, scale: float, generator: Any) -> Any:
    """Weights (n_in, n_out) of PyTorch whose sums do not grow with their number."""
    import torch

    drawn = torch.randn(n_in, n_out, generator=generator, dtype=torch.float64)
    return scale * drawn / n_in**0.5


def ask_scan(
    seed: int, sizes: tuple[int, int, int] = (4, 5, 3), steps: int = STEPS
) -> tuple[Implementation, Case]:
    """A scan by hand in JAX: learned leaks and thresholds, adaptation, a loss at every step."""
    import jax
    import jax.numpy as jnp

    from tests.audit.mode_rows import load_adapter

    rng = np.random.default_rng(seed)
    leak, threshold = rs.Learned(0.9), rs.Learned(1.0, per_neuron=True)
    adaptation = rs.Adaptation(0.8, 0.3)
    neuron = rs.GLIF(leak, threshold, SPIKE, rs.Subtract(), adaptation=adaptation)
    network = rs.Network(sizes, neuron, rs.SpikeRate(5.0), loss=rs.StepCrossEntropy())
    x, y = draw_batch(seed, sizes[0], scale=3.0, steps=steps)
    case = Case(network, rs.init(network, rng), x, y)

    def layer(p: Any, x: Any) -> Any:
        def step(state: Any, current: Any) -> Any:
            u, s, a = state
            u = p["leak"] * u - p["threshold"] * s + current
            a = 0.8 * a + s
            s = 0.5 + jnp.arctan(jnp.pi * (u - p["threshold"] - 0.3 * a)) / jnp.pi
            return (u, s, a), s

        currents = x @ p["w"].T + p["b"]
        rest = jnp.zeros_like(currents[0])
        return jax.lax.scan(step, (rest, rest, rest), currents)[1]

    def loss(params: Any, x: Any, y: Any) -> Any:
        z = jax.nn.log_softmax(5.0 * layer(params[1], layer(params[0], x)))
        return -z[:, jnp.arange(len(y)), y].mean()

    leaves = [{k: a for k, a in vars(each).items() if a is not None} for each in case.params]
    parts = ("w", "b", "leak", "threshold")
    names = {f"[{i}]['{part}']": (i, part) for i in range(2) for part in parts}
    return load_adapter("jax").wrap(jax.jit(loss), case, leaves, names=names), case
