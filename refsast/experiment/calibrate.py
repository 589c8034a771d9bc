"""The sceptic's control: could rescaling all thresholds after training close the gap as well?"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from refsast.experiment.evaluate import accuracy, predict
from refsast.model import Network, Params, heaviside
from refsast.model.learned import Learned
from refsast.model.network import Neuron
from refsast.model.validation import validate_dataset
from refsast.spikes import Spikes

FACTORS = tuple(np.linspace(0.3, 1.7, 15).round(1).tolist())


def scale_threshold(network: Network, factor: float | Sequence[float]) -> Network:
    """Return the network with its thresholds multiplied, by one factor or by one per layer.

    Raises ValueError where a threshold is learned: `freeze_neurons` makes it a number.
    """
    layers = network.neurons
    each = [factor] * len(layers) if isinstance(factor, int | float) else factor
    if len(each) != len(layers):
        raise ValueError(f"factor must be one or one per layer, got {len(each)} of {len(layers)}")
    return replace(network, neuron=tuple(map(_scale_neuron, layers, each)))


def _scale_neuron(neuron: Neuron, factor: float) -> Neuron:
    threshold = neuron.threshold
    if isinstance(threshold, Learned):
        raise ValueError(f"threshold must be fixed to be multiplied, got {threshold}")
    if isinstance(threshold, tuple):
        return replace(neuron, threshold=tuple(factor * each for each in threshold))
    return replace(neuron, threshold=factor * threshold)


def calibrate(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    factors: Sequence[float] = FACTORS,
) -> float:
    """Return the factor on all thresholds at which the hard network reads most recordings.

    To be chosen on recordings of the training, never on those of the test. Of equally good factors
    the nearest to 1 is taken. Raises ValueError if there are no factors, one is not positive, or
    the recordings do not fit the network.
    """
    if not factors:
        raise ValueError("factors must not be empty, got none")
    return _best_factor(partial(scale_threshold, network), factors, params, x, y)


def _best_factor(
    scale: Callable[[float], Network],
    factors: Sequence[float],
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
) -> float:
    """The factor at which the hard network reads most recordings; of several the nearest to 1."""
    x, labels = validate_dataset(scale(1.0), x, y)

    def score(factor: float) -> tuple[float, float]:
        logits = predict(scale(factor), params, x, spike=heaviside)
        return accuracy(logits, labels), -abs(factor - 1.0)

    return max(factors, key=score)


def calibrate_layers(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    factors: Sequence[float] = FACTORS,
) -> tuple[float, ...]:
    """Return one factor per layer on the thresholds, found layer by layer from the input on.

    Each is the best, by `calibrate`, while the thresholds before it are re-tuned already and those
    after it are multiplied by the best single factor: never worse, on these recordings, than that.
    Raises ValueError as `calibrate` does.
    """
    best = [calibrate(network, params, x, y, factors=factors)] * len(network.neurons)
    for i, start in enumerate(best):
        scaled = scale_threshold(network, best)
        # Multiples of the start, which is one of the factors: 1 is among them and keeps it.
        tried = [factor / start for factor in factors]

        def scale_one(factor: float, scaled: Network = scaled, i: int = i) -> Network:
            return scale_threshold(scaled, [factor if j == i else 1.0 for j in range(len(best))])

        best[i] = start * _best_factor(scale_one, tried, params, x, y)
    return tuple(best)
