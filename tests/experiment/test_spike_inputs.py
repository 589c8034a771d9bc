"""Training and evaluation on spikes, in memory or on disk, as on the array they are."""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.gradient.fast import loss_and_grad
from tests.experiment.tiny import CONFIG, NETWORK, PLAIN, bits, recordings, start, train


def as_data(data):
    return rs.as_spikes(data[0]), data[1]


def on_spikes(config=CONFIG, data=None, **more):
    held_out = as_data(recordings(6, seed=3))
    given = {"rng": np.random.default_rng(2), "held_out": held_out} | more
    return rs.train(NETWORK, start(), data or as_data(recordings()), config, **given)


@pytest.mark.parametrize("config", [CONFIG, PLAIN, replace(CONFIG, shared=True)])
def test_training_on_spikes_is_training_on_the_array(config):
    run, same = on_spikes(config), train(config)

    np.testing.assert_allclose(
        rs.flatten(run.params), rs.flatten(same.params), rtol=1e-11, atol=1e-13
    )
    assert run.curve[-1].evaluations == same.curve[-1].evaluations
    assert run.curve[-1].scores.hard == same.curve[-1].scores.hard


def test_the_same_spikes_give_the_same_bits():
    assert bits(on_spikes()) == bits(on_spikes())


def test_a_resumed_training_on_spikes_ends_at_the_same_bits(tmp_path):
    class StopError(Exception):
        pass

    def stop(step, steps, epoch):
        if epoch is not None and epoch.epoch == 2:
            raise StopError

    with pytest.raises(StopError):
        on_spikes(checkpoint=tmp_path / "c.npz", watch=stop)

    assert bits(on_spikes(checkpoint=tmp_path / "c.npz")) == bits(on_spikes())


def test_a_checkpoint_is_of_other_spikes(tmp_path):
    on_spikes(checkpoint=tmp_path / "c.npz")
    x, y = as_data(recordings())

    with pytest.raises(ValueError, match="other data"):
        on_spikes(data=(x[:, ::-1], y[::-1]), checkpoint=tmp_path / "c.npz")


def test_spikes_on_disk_train_like_spikes_in_memory(tmp_path):
    network = rs.Network((2312, 4, 10), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    params = rs.init(network, np.random.default_rng(0))

    def trained(**more):
        data = rs.synthetic_spikes(12, np.random.default_rng(1), steps=3, **more)
        return rs.train(network, params, data, CONFIG, rng=np.random.default_rng(2)), data

    (run, _), (same, data) = trained(), trained(cache=tmp_path)

    assert isinstance(data[0].index, np.memmap)
    assert bits(run) == bits(same)


def test_evaluation_and_calibration_take_spikes():
    params, (x, y) = start(), recordings(9)
    spikes = rs.as_spikes(x)

    assert rs.evaluate(NETWORK, params, spikes, y) == rs.evaluate(NETWORK, params, x, y)
    for ours, theirs in zip(
        rs.run(NETWORK, params, spikes).u, rs.run(NETWORK, params, x).u, strict=True
    ):
        assert (ours == theirs).all()


def test_passes_one_by_one_are_the_passes_together():
    """A gradient of one's own, here the fast one's, goes through `sam.gradient`."""

    def own(network, params, x, y):
        return loss_and_grad(network, params, x, y)

    ours, theirs = on_spikes(loss_and_grad=own), on_spikes()

    np.testing.assert_allclose(
        rs.flatten(ours.params), rs.flatten(theirs.params), rtol=1e-11, atol=1e-13
    )
    assert [e.evaluations for e in ours.curve] == [e.evaluations for e in theirs.curve]
    assert ours.curve[0].loss == pytest.approx(theirs.curve[0].loss, rel=1e-12)


def test_spikes_of_another_size_are_refused():
    with pytest.raises(ValueError, match="x of data must have shape"):
        rs.train(
            NETWORK,
            start(),
            (rs.Spikes(1, 7, np.array([0, 0]), np.array([], np.uint16)), [0]),
            CONFIG,
            rng=np.random.default_rng(0),
        )
