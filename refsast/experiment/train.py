"""The training loop: minibatches, SAM's two passes, one descent step, an evaluation per epoch.

Rule 1: the order of the recordings in epoch e follows from two seeds and e alone, so an interrupted
        run goes on to the same bits without the state of a generator.
Rule 2: the minibatch of the ascent has its own random order. With rho = 0 it is never used, and
        what is left is plain descent, bit for bit.
Rule 3: the gradient is an argument.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from refsast.arrays import Integers, NotFinite, all_finite
from refsast.experiment import checkpoint as disk
from refsast.experiment.evaluate import evaluate
from refsast.experiment.record import (
    REPLACEMENT,
    Config,
    Data,
    Epoch,
    Run,
    TrainState,
    fingerprint,
    has_anonymous_function,
)
from refsast.experiment.sam_step import Gradient, select_rows, step_gradient
from refsast.gradient import fast
from refsast.model import Network, Params, flatten
from refsast.model.validation import validate_dataset, validate_params
from refsast.model.vector import clip_vector, split_vector

Watch: TypeAlias = Callable[[int, int, Epoch | None], None]
Observe: TypeAlias = Callable[[int, Params], None]


class Divergence(ValueError):
    """A training whose loss or parameters are no longer finite.

    Attributes
    ----------
    step : int
        The step after which that was seen, counted from 1 over the whole training.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message, step)  # both, so that a process can send it to another
        self.step = step

    def __str__(self) -> str:
        return str(self.args[0])


def train(
    network: Network,
    params: Params,
    data: Data,
    config: Config,
    *,
    rng: np.random.Generator,
    held_out: Data | None = None,
    loss_and_grad: Gradient = fast.loss_and_grad,
    checkpoint: str | Path | None = None,
    watch: Watch | None = None,
    observe: Observe | None = None,
) -> Run:
    """Train a network from `params` and return what came of it.

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Where to start. Their dtype, float32 or float64, is that of the whole training.
    data : (x, y)
        Training recordings, x of shape (time, n, n_0), an array or `Spikes`, which may lie on disk,
        and labels, y of shape (n,).
    config : Config
        How to train; ``rho = 0`` is plain descent.
    rng : numpy.random.Generator
        Draws the order of the recordings; advanced by two numbers.
    held_out : (x, y), optional
        Recordings on which smooth and hard accuracy are measured after every epoch. They never
        influence the training.
    loss_and_grad : callable
        ``(network, params, x, y) -> (loss, grads)``, as `fast.loss_and_grad` and
        `reference.loss_and_grad`, or one's own. For the former both passes of SAM are taken
        together, by `fast.sam_gradient`.
    checkpoint : path, optional
        A file, written after every epoch and replaced as a whole. If it is there already and of
        this very run, the training goes on from it and ends at the same bits.
    watch : callable, optional
        ``watch(step, steps, epoch)`` after every step: how many are done, of how many, and the
        latest finished `Epoch`, or None before there is one.
    observe : callable, optional
        ``observe(epoch, params)`` after every epoch, from 1, with a copy of the parameters:
        whatever it does with them, the run stays the same. Called before the checkpoint is written,
        so of an interrupted and resumed run every epoch is observed, the interrupted one perhaps
        twice; epochs that a checkpoint holds already are not observed again.

    Returns
    -------
    Run
        The parameters after the last epoch and the curve.

    Raises
    ------
    ValueError
        If data or parameters do not fit the network, if the loss stops being finite (then it is a
        `Divergence`, which knows the step), or if the checkpoint is damaged or of another run.

    References
    ----------
    DESIGN 3; THEORY 5 for the update with an independent second minibatch.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> config = rs.Config(2, 1, 0.0, 0.0, method, rs.descent.constant)
    >>> run = rs.train(network, params, (x, y), config, rng=np.random.default_rng(0))
    >>> len(run.curve), run.curve[-1].loss < run.curve[0].loss
    (2, True)
    """
    params = validate_params(network, params)
    data = _validate_data(network, data, "data")
    held_out = None if held_out is None else _validate_data(network, held_out, "held_out")
    seeds = tuple(int(n) for n in rng.integers(2**63, size=2))
    w = flatten(params)
    state = TrainState(0, 0, w, config.descent.init(w), ())
    mark = fingerprint(network, w, config, seeds, data, held_out, loss_and_grad)
    if checkpoint is not None:
        if has_anonymous_function(mark):
            raise ValueError("checkpoint must be of a run whose functions have names, got a lambda")
        state = disk.restore(checkpoint, mark, state)
    steps = _batch_count(data, config) * config.epochs
    while state.epoch < config.epochs:
        state = _run_epoch(
            network, data, config, seeds, loss_and_grad, state, _step_callback(watch, state, steps)
        )
        scores = None
        if held_out is not None:
            now = config.network(network, state.epoch / config.epochs)
            with np.errstate(over="ignore", invalid="ignore"):  # checked below
                scores = evaluate(now, split_vector(network, state.w), *held_out)
        if scores is not None and not np.isfinite(scores.loss):
            raise Divergence(
                f"loss on held-out recordings must stay finite, got {scores.loss} after epoch "
                f"{state.epoch}: is the learning rate too large?",
                state.epoch * _batch_count(data, config),
            )
        done = replace(state.curve[-1], scores=scores)
        state = replace(state, curve=(*state.curve[:-1], done))
        if observe is not None:
            observe(state.epoch, split_vector(network, state.w.copy()))
        if checkpoint is not None:
            disk.save(checkpoint, mark, state)  # after `observe`: no epoch is missed by it
        if watch is not None:
            watch(state.epoch * _batch_count(data, config), steps, done)
    params = split_vector(network, state.w)
    return Run(config.network(network, 1.0), params, config, seeds, state.curve, mark)


def _step_callback(watch: Watch | None, state: TrainState, steps: int) -> Callable[[int], None]:
    """What to call after each step of an epoch, with the number of steps done."""
    latest = state.curve[-1] if state.curve else None
    return (lambda step: None) if watch is None else (lambda step: watch(step, steps, latest))


def _run_epoch(
    network: Network,
    data: Data,
    config: Config,
    seeds: tuple[int, ...],
    loss_and_grad: Gradient,
    state: TrainState,
    report_step: Callable[[int], None],
) -> TrainState:
    """One pass over the recordings, without scores yet."""
    batches = _batch_count(data, config)
    sam_gradient = step_gradient(loss_and_grad, config)
    w, moments, evaluations = state.w, state.moments, state.evaluations
    step = config.descent.update_in_place
    if step is not None:
        w, moments = w.copy(), tuple(a.copy() for a in moments)  # what `state` has stays
    losses: list[float] = []
    order, ascent_order = (_epoch_order(seed, state.epoch, data, config) for seed in seeds)
    for i in range(batches):
        share = (state.epoch + i / batches) / config.epochs
        rho = config.radius(share)
        # The ascent's own minibatch is drawn only where there is an ascent: rule 2.
        one_batch = config.shared or rho == 0.0
        first = select_rows(data, order[i] if one_batch else ascent_order[i])
        second = None if one_batch else select_rows(data, order[i])
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is checked below
            now, rng = config.network(network, share), _step_rng(seeds, state, i)
            try:
                loss, grad, spent = sam_gradient(now, w, first, second, rho, rng)
            except NotFinite as error:  # all that came in was finite
                raise _divergence(str(error), state.epoch, i, batches) from error
            grad = grad.astype(w.dtype, copy=False)  # a user's gradient may be in double precision
            if step is not None:
                step(moments, w, grad, config.schedule(share))
            else:
                moments, w = config.descent.update(moments, w, grad, config.schedule(share))
        losses.append(loss)  # before the step
        evaluations += spent
        if not (np.isfinite(loss) and all_finite(w)):
            message = f"loss and parameters must stay finite, got a loss of {loss}"
            raise _divergence(message, state.epoch, i, batches)
        w = clip_vector(network, w)
        report_step(state.epoch * batches + i + 1)
    done = Epoch(state.epoch + 1, float(np.mean(losses)), evaluations, None)
    return TrainState(done.epoch, done.evaluations, w, moments, (*state.curve, done))


def _batch_count(data: Data, config: Config) -> int:
    """How many minibatches an epoch has; the last may be smaller."""
    return -(-len(data[1]) // config.batch)


def _epoch_order(seed: int, epoch: int, data: Data, config: Config) -> list[Integers]:
    """The rows of every minibatch of an epoch, each recording in one of them, unless drawn anew."""
    rng, n = np.random.default_rng((seed, epoch)), len(data[1])
    if config.sampling == REPLACEMENT:
        return list(rng.integers(n, size=(_batch_count(data, config), config.batch)))
    rows = rng.permutation(n)
    return [rows[start : start + config.batch] for start in range(0, len(rows), config.batch)]


def _step_rng(seeds: tuple[int, ...], state: TrainState, batch: int) -> np.random.Generator:
    """What an ascent may draw from: as the order, it follows from seeds, epoch and minibatch."""
    return np.random.default_rng((*seeds, state.epoch, batch))


def _validate_data(network: Network, data: Data, name: str) -> Data:
    """A pair of recordings and labels that fit the network."""
    if not isinstance(data, Sequence) or len(data) != 2:
        raise ValueError(f"{name} must be a pair (x, y), got {type(data).__name__}")
    return validate_dataset(network, *data, name=f"x of {name}")


def _divergence(message: str, epoch: int, batch: int, batches: int) -> Divergence:
    """What to raise in a minibatch that takes the training out of the finite numbers."""
    where = f"epoch {epoch + 1}, minibatch {batch + 1}"
    return Divergence(f"{message} at {where}", epoch * batches + batch + 1)
