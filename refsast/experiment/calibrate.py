"""The sceptic's control: could rescaling all thresholds after training close the gap as well?"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from refsast.experiment.evaluate import accuracy, predict
from refsast.model import Network, Params, heaviside
from refsast.model.validation import validate_dataset
from refsast.spikes import Spikes

FACTORS = tuple(np.linspace(0.3, 1.7, 15).round(1).tolist())


def scale_threshold(network: Network, factor: float) -> Network:
    """Return the network with all thresholds multiplied by `factor`, and nothing else changed."""
    neurons = tuple(replace(n, threshold=factor * n.threshold) for n in network.neurons)
    return replace(network, neuron=neurons)


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
    x, labels = validate_dataset(network, x, y)

    def score(factor: float) -> tuple[float, float]:
        logits = predict(scale_threshold(network, factor), params, x, spike=heaviside)
        return accuracy(logits, labels), -abs(factor - 1.0)

    return max(factors, key=score)
