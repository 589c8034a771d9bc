"""Right implementations that add in other orders: neurons, inputs and recordings permuted.

``python -m tests.crosscheck.permutations [N]`` counts false alarms among N of them.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from tqdm import trange

import refsast as rs
from refsast.arrays import Array
from refsast.crosscheck.case import cast_params
from refsast.model.params import Layer, Params
from tests.crosscheck.planted_faults import draw_case

DTYPES = (np.float64, np.float32)


def permute_implementation(
    network: rs.Network, rng: np.random.Generator, dtype: type = np.float64
) -> Callable[..., tuple[float, Params]]:
    """An implementation that permutes everything, computes in `dtype`, and permutes back."""
    orders = [rng.permutation(n) for n in network.sizes]
    rows = [*orders[1:], slice(None)]
    columns = [*orders[:-1], orders[-1]]

    def permute(params: Params) -> Params:
        found = []
        for layer, row, column in zip(params, rows, columns, strict=False):
            b = None if layer.b is None else layer.b[row]
            v = None if layer.v is None else layer.v[row][:, row]
            found.append(Layer(layer.w[row][:, column], b, v))
        return tuple(found)

    def back(grads: Params) -> Params:
        found = []
        for layer, row, column in zip(grads, rows, columns, strict=False):
            w, b, v = np.empty_like(layer.w), layer.b, layer.v
            lines = np.arange(len(w)) if isinstance(row, slice) else row
            w[np.ix_(lines, column)] = layer.w
            if layer.b is not None:
                b = np.empty_like(layer.b)
                b[lines] = layer.b
            if layer.v is not None:
                v = np.empty_like(layer.v)
                v[np.ix_(lines, lines)] = layer.v
            found.append(Layer(w, b, v))
        return tuple(found)

    def gradient(params: Params, x: Array, y: Array) -> tuple[float, Params]:
        batch = rng.permutation(len(y))
        x = x[:, batch][:, :, orders[0]].astype(dtype)
        if network.readout.n_out is not None:
            loss, grads = rs.fast.loss_and_grad(
                network, permute(cast_params(params, dtype)), x, y[batch]
            )
            return float(loss), back(grads)
        labels = np.argsort(orders[-1])[y[batch]]  # a class is a neuron of the last layer
        loss, grads = rs.fast.loss_and_grad(network, permute(cast_params(params, dtype)), x, labels)
        return float(loss), back(grads)

    return gradient


def draw_steep_case(rng: np.random.Generator) -> rs.Case:
    """As `draw_case`, of any steepness and any length up to 30 steps."""
    case = draw_case(rng)
    neuron = case.network.neurons[0]
    spike = replace(neuron.spike, slope=float(10.0 ** rng.uniform(-0.5, 1.4)))
    steps = int(rng.integers(1, 31))
    x = rng.uniform(-1.0, 2.0, (steps, *case.x.shape[1:]))
    network = replace(case.network, neuron=replace(neuron, spike=spike))
    return replace(case, network=network, x=x)


def main(n: int) -> None:
    """Count."""
    rng, alarms, largest = np.random.default_rng(0), 0, {dtype: 0.0 for dtype in DTYPES}
    for i in trange(n):
        case, dtype = draw_steep_case(rng), DTYPES[i % 2]
        report = rs.check(permute_implementation(case.network, rng, dtype), case)
        largest[dtype] = max(largest[dtype], *(stage.error for stage in report.stages))
        if not report.agrees:
            alarms += 1
            print(report, case.network)
    print(f"{alarms} false alarms among {n}; largest error over tolerance", largest)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
