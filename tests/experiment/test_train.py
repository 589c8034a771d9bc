"""The loop: what it computes, that it computes it again, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.model.params import as_vector
from tests.experiment.tiny import CONFIG, NETWORK, PLAIN, bits, recordings, start, train


def by_hand(config: rs.Config) -> np.ndarray:
    """SAST written out for this one case: flat vectors, no loop of the package."""
    x, y = recordings()
    seeds = [int(n) for n in np.random.default_rng(2).integers(2**63, size=2)]
    w = rs.flatten(start())
    state = config.descent.init(w)

    def grad(w, rows):
        return rs.flatten(
            rs.fast.loss_and_grad(NETWORK, rs.unflatten(NETWORK, w), x[:, rows], y[rows])[1]
        )

    for epoch in range(config.epochs):
        descent, ascent = (np.random.default_rng((s, epoch)).permutation(10) for s in seeds)
        batches = -(-10 // config.batch)  # the last may be smaller
        for i in range(batches):
            rows = slice(config.batch * i, config.batch * (i + 1))
            first = descent[rows] if config.shared else ascent[rows]
            at, done = w, (epoch + i / batches) / config.epochs
            rho = config.rho * (min(done / config.warmup, 1.0) if config.warmup else 1.0)
            if rho > 0.0:
                g = grad(w, first)
                at = w + rho * g / np.linalg.norm(g)
            state, w = config.descent.update(
                state, w, grad(at, descent[rows]), config.schedule(done)
            )
    return w


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("warmup", [0.0, 0.6])
@pytest.mark.parametrize("batch", [4, 7, 10, 11])
def test_training_is_sast_as_written_out_by_hand(shared, warmup, batch):
    config = replace(CONFIG, shared=shared, warmup=warmup, batch=batch)

    np.testing.assert_allclose(
        rs.flatten(train(config).params), by_hand(config), rtol=1e-12, atol=1e-14
    )


def test_rho_zero_is_plain_descent_bit_for_bit():
    assert bits(train(PLAIN)) == by_hand(PLAIN).tobytes()


@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_a_step_takes_the_gradient_where_it_is_and_makes_no_copy(rho, monkeypatch):
    x, y = recordings()
    _, grads = rs.fast.sam_gradient(NETWORK, start(), (x, y), rho=rho)
    vector = as_vector(grads)

    assert vector.tobytes() == rs.flatten(grads).tobytes()
    assert all(np.shares_memory(vector, layer.w) for layer in grads)
    monkeypatch.setattr("refsast.model.params.flatten", None)
    assert as_vector(grads) is vector


def test_a_method_that_is_not_written_in_place_ends_at_the_same_bits():
    pure = replace(CONFIG, descent=replace(CONFIG.descent, update_in_place=None))

    assert bits(train(pure)) == bits(train(CONFIG))


def test_the_second_minibatch_matters():
    assert bits(train(CONFIG)) != bits(train(replace(CONFIG, shared=True)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(dtype):
    once, again = train(dtype=dtype), train(dtype=dtype)
    other = train(dtype=dtype, rng=np.random.default_rng(4))

    assert rs.flatten(once.params).dtype == dtype
    assert bits(once) == bits(again) != bits(other)
    assert once.curve == again.curve


def test_the_gradient_is_an_argument_and_the_tape_trains_alike():
    np.testing.assert_allclose(
        rs.flatten(train(loss_and_grad=rs.reference.loss_and_grad).params),
        rs.flatten(train().params),
        rtol=1e-9,
    )


def test_the_budget_is_counted():
    assert [epoch.evaluations for epoch in train(CONFIG).curve] == [6, 12, 18]
    assert [epoch.evaluations for epoch in train(PLAIN).curve] == [3, 6, 9]


def test_the_curve_holds_the_scores_of_the_parameters_of_its_epoch():
    run = train()

    assert run.curve[-1].scores == rs.evaluate(NETWORK, run.params, *recordings(6, seed=3))
    assert train(held_out=None).curve[-1].scores is None


def test_held_out_recordings_do_not_influence_the_training():
    assert bits(train(held_out=None)) == bits(train())


def test_training_learns():
    run = train(replace(PLAIN, epochs=60))

    assert run.curve[-1].loss < 0.3 * run.curve[0].loss
    assert rs.evaluate(NETWORK, run.params, *recordings()).smooth == 1.0


def test_watchers_are_told_of_every_step_and_every_epoch():
    seen = []
    train(watch=lambda step, steps, epoch: seen.append((step, steps, epoch and epoch.epoch)))

    assert [s for s, _, _ in seen] == [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9]
    assert {steps for _, steps, _ in seen} == {9}
    assert [e for _, _, e in seen] == [None] * 3 + [1] * 4 + [2] * 4 + [3]


def test_observers_see_the_parameters_of_every_epoch_and_change_nothing():
    seen = []

    def vandal(epoch, params):
        seen.append((epoch, rs.flatten(params)))
        for layer in params:
            layer.w[:] = np.nan

    run = train(observe=vandal)

    assert bits(run) == bits(train())
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert seen[-1][1].tobytes() == bits(run)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"epochs": 0}, "epochs must be a positive integer, got 0"),
        ({"batch": 2.5}, "batch must be a positive integer, got 2.5"),
        ({"rho": -0.1}, "rho must be finite and not negative, got -0.1"),
        ({"warmup": 1.5}, r"warmup must lie in \[0, 1\], got 1.5"),
        ({"rho": float("nan")}, "rho must be finite and not negative, got nan"),
    ],
)
def test_bad_configurations_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        replace(CONFIG, **change)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ((np.zeros((4, 3, 5)), np.zeros(3, int)), r"x of data must have shape \(time, n, 6\)"),
        ((np.zeros((4, 0, 6)), np.zeros(0, int)), r"x of data must have shape"),
        ((np.zeros((4, 3, 6)), np.array([0, 1, 3])), r"y must lie in \[0, 3\), got 3"),
        ((np.zeros((4, 3, 6)), np.zeros(3)), "y must hold integers"),
        ((np.full((4, 3, 6), np.inf), np.zeros(3, int)), "x must be finite, got inf"),
    ],
)
def test_bad_recordings_are_refused(data, says):
    with pytest.raises(ValueError, match=says):
        rs.train(NETWORK, start(), data, CONFIG, rng=np.random.default_rng(0))


def test_a_loss_that_explodes_stops_the_training_with_a_reason():
    def exploding(network, params, x, y):
        loss, grads = rs.fast.loss_and_grad(network, params, x, y)
        return loss * np.inf, grads

    with pytest.raises(ValueError, match="must stay finite, got a loss of inf at epoch 1"):
        train(loss_and_grad=exploding)


def test_a_gradient_that_is_not_a_number_stops_the_training():
    def broken(network, params, x, y):
        loss, grads = rs.fast.loss_and_grad(network, params, x, y)
        return loss, tuple(rs.Layer(layer.w * np.nan, layer.b) for layer in grads)

    for config in (CONFIG, PLAIN):
        with pytest.raises(ValueError, match="grad must be finite, got nan"):
            train(config, loss_and_grad=broken)
