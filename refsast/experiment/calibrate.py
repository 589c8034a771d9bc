"""The sceptic's control: could re-tuning one number after training close the gap as well?"""

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

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    x : (time, n, n_0) array, or Spikes
        Recordings to choose on: those of the training, never those of the test.
    y : (n,) array of int
        Labels in [0, classes).
    factors : sequence of float
        What to try. Positive.

    Returns
    -------
    float
        One of `factors`; of equally good ones the one nearest to 1.

    Raises
    ------
    ValueError
        If there are no factors, or one is not positive, or the recordings are not as they must be.
    """
    if not factors:
        raise ValueError("factors must not be empty, got none")
    x, labels = validate_dataset(network, x, y)

    def worth(factor: float) -> tuple[float, float]:
        logits = predict(scale_threshold(network, factor), params, x, spike=heaviside)
        return accuracy(logits, labels), -abs(factor - 1.0)

    return max(factors, key=worth)
