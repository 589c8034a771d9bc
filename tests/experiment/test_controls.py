"""The controls: other ascents, one ascent per piece, a slope that moves, weight decay."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.experiment.record import run_record
from refsast.optim import sam
from tests.experiment.tiny import CONFIG, NETWORK, bits, recordings, start, train

ONE_STEP = replace(CONFIG, epochs=1, batch=10)
NO_SLOPE = rs.Network((6, 5, 3), rs.LIF(0.9, 1.0, rs.heaviside), rs.SpikeRate(5.0))


def one_gradient(w: np.ndarray, rows: np.ndarray) -> np.ndarray:
    x, y = recordings()
    params = rs.unflatten(NETWORK, w)
    return rs.flatten(rs.fast.loss_and_grad(NETWORK, params, x[:, rows], y[rows])[1])


def orders() -> list[np.ndarray]:
    """The rows of the only minibatch: of the descent, of the ascent."""
    seeds = [int(n) for n in np.random.default_rng(2).integers(2**63, size=2)]
    return [np.random.default_rng((seed, 0)).permutation(10) for seed in seeds]


def step_from(grad: np.ndarray) -> bytes:
    w = rs.flatten(start())
    return CONFIG.descent.update(CONFIG.descent.init(w), w, grad, 1.0)[1]


def test_the_mean_over_pieces_is_that_of_their_own_sam_gradients():
    w, (descent, ascent) = rs.flatten(start()), orders()
    parts = []
    for piece in (slice(0, 4), slice(4, 8), slice(8, 10)):
        g = one_gradient(w, ascent[piece])
        there = w + CONFIG.rho * g / np.linalg.norm(g)
        parts.append(one_gradient(there, descent[piece]))
    expected = step_from(np.average(parts, axis=0, weights=[4, 4, 2]))

    run = train(replace(ONE_STEP, ascent_batch=4))

    np.testing.assert_allclose(rs.flatten(run.params), expected, rtol=1e-12, atol=1e-14)
    assert run.curve[-1].evaluations == 2  # of a whole minibatch


def test_asam_in_training_is_asam_written_out_by_hand():
    w, (descent, ascent) = rs.flatten(start()), orders()
    g = one_gradient(w, ascent)
    there = w + CONFIG.rho * w * w * g / np.linalg.norm(np.abs(w) * g)
    expected = step_from(one_gradient(there, descent))

    run = train(replace(ONE_STEP, ascent=sam.adaptive_ascent))

    np.testing.assert_allclose(rs.flatten(run.params), expected, rtol=1e-12, atol=1e-14)


def test_a_random_ascent_takes_one_gradient_per_step_at_the_radius():
    seen = []

    def record(network, params, x, y):
        seen.append(rs.flatten(params))
        return rs.fast.loss_and_grad(network, params, x, y)

    run = train(replace(ONE_STEP, ascent=sam.random_ascent), loss_and_grad=record)

    assert len(seen) == run.curve[-1].evaluations == 1
    assert np.linalg.norm(seen[0] - rs.flatten(start())) == pytest.approx(CONFIG.rho, rel=1e-12)


def test_every_step_draws_another_direction():
    seen = []

    def record(network, params, x, y):
        seen.append(rs.flatten(params))
        return rs.fast.loss_and_grad(network, params, x, y)

    still = rs.descent.sgd(learning_rate=1e-300, momentum=0.0, weight_decay=0.0)
    train(replace(CONFIG, ascent=sam.random_ascent, descent=still), loss_and_grad=record)

    assert len(np.unique(np.stack(seen), axis=0)) == len(seen) == 9


@pytest.mark.parametrize(
    "change",
    [{"ascent": sam.random_ascent}, {"ascent_batch": 2}, {"slope_end": 8.0}],
    ids=["random", "pieces", "slope"],
)
def test_an_interrupted_control_resumes_to_the_same_bits(tmp_path, change):
    config, calls = replace(CONFIG, **change), []

    def stop(step, steps, epoch):
        calls.append(step)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, checkpoint=tmp_path / "c.npz", watch=stop)

    assert bits(train(config, checkpoint=tmp_path / "c.npz")) == bits(train(config))
    with pytest.raises(ValueError, match="other config"):
        train(CONFIG, checkpoint=tmp_path / "c.npz")


def test_a_slope_that_ends_where_it_began_changes_no_bit():
    assert bits(train(replace(CONFIG, slope_end=2.0))) == bits(train())


def test_a_slope_moves_in_a_line_and_the_run_ends_at_its_end():
    slopes = []

    def record(network, params, x, y):
        slopes.append(network.neurons[0].spike.slope)
        return rs.fast.loss_and_grad(network, params, x, y)

    plain = replace(CONFIG, rho=0.0, epochs=2, batch=5, slope_end=10.0)
    run = train(plain, loss_and_grad=record)

    assert slopes == [2.0, 4.0, 6.0, 8.0]
    assert {neuron.spike.slope for neuron in run.network.neurons} == {10.0}
    assert run.curve[-1].scores == rs.evaluate(run.network, run.params, *recordings(6, seed=3))
    middle = run.curve[0].scores.loss
    assert middle != rs.evaluate(NETWORK, run.params, *recordings(6, seed=3)).loss


def test_the_record_names_the_network_as_it_was_at_the_end():
    record = run_record(train(replace(CONFIG, slope_end=10.0)))

    assert record["network"]["neuron"][0]["spike"]["slope"] == 10.0
    assert record["config"]["slope_end"] == 10.0


def test_a_slope_is_refused_where_a_spike_has_none():
    with pytest.raises(ValueError, match="slope_end must come with spikes of this package"):
        replace(CONFIG, slope_end=3.0).network(NO_SLOPE, 0.5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"slope_end": 0.0}, "slope_end must be positive"),
        ({"slope_end": np.nan}, "slope_end must be positive"),
        ({"ascent_batch": 0}, "ascent_batch must be a positive integer"),
        ({"ascent_batch": 2.5}, "ascent_batch must be a positive integer"),
        ({"ascent": "sideways"}, "ascent must be one of"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
    ],
)
def test_bad_numbers_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        replace(rs.PRESETS["quick"], **change)


def test_a_setting_hands_its_controls_to_the_training():
    setting = replace(
        rs.PRESETS["quick"], ascent="adaptive", ascent_batch=8, slope_end=4.0, weight_decay=0.1
    )

    config = setting.config

    assert config.ascent is sam.adaptive_ascent
    assert (config.ascent_batch, config.slope_end) == (8, 4.0)
    assert "weight_decay=0.1" in config.descent.description
