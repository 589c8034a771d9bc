"""A training small enough for tests: two epochs take a few milliseconds."""

from dataclasses import replace

import numpy as np

import refsast as rs
from refsast.optim.descent import adam, constant, cosine

NETWORK = rs.Network((6, 5, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
ADAM = adam(learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.01)
CONFIG = rs.Config(epochs=3, batch=4, rho=0.1, warmup=0.0, descent=ADAM, schedule=cosine)
PLAIN = replace(CONFIG, rho=0.0, schedule=constant)


def recordings(n: int = 10, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = (rng.random((4, n, 6)) < 0.2 + 0.6 * (np.arange(6) % 3 == y[:, None])).astype(np.uint8)
    return x, y


def start(dtype: type = np.float64) -> rs.Params:
    w = rs.flatten(rs.init(NETWORK, np.random.default_rng(1)))
    return rs.unflatten(NETWORK, (3.0 * w).astype(dtype))


def train(config: rs.Config = CONFIG, dtype: type = np.float64, **more) -> rs.Run:
    given = {"rng": np.random.default_rng(2), "held_out": recordings(6, seed=3)} | more
    return rs.train(NETWORK, start(dtype), recordings(), config, **given)


def bits(run: rs.Run) -> bytes:
    return rs.flatten(run.params).tobytes()
