"""Real recordings: what is learnt from synthetic digits holds for them."""

import numpy as np
import pytest

import refsast as rs
from refsast.experiment.presets import PRESETS


@pytest.mark.slow
def test_a_network_trained_on_synthetic_digits_reads_real_ones(nmnist):
    """Hard spikes; chance is 10 %, and half is what the synthetic digits must be good for."""
    setting = PRESETS["shallow"]
    rng = np.random.default_rng(0)
    made = rs.synthetic_digits(500, rng, steps=setting.steps)
    network = setting.network(made[0].shape[2])
    config = rs.Config(8, 32, 0.0, 0.0, setting.config.descent, setting.config.schedule)

    run = rs.train(network, setting.start(network, rng), made, config, rng=rng)

    real = rs.load_nmnist(nmnist, "Test", steps=setting.steps)
    assert rs.evaluate(network, run.params, *real).hard >= 0.5
