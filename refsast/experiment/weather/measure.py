"""Accuracy on corrupted recordings, by kind and severity."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array
from refsast.data import CORRUPTIONS, DURATION, SEVERITIES, Events, bin_spikes, corrupt_recordings
from refsast.experiment.evaluate import accuracy, iterate_pairs
from refsast.model import Network, Params
from refsast.model.validation import validate_dataset


@dataclass(frozen=True, eq=False)
class Robustness:
    """What a network reads of corrupted recordings.

    Attributes
    ----------
    recordings : int
        How many were run.
    clean_smooth, clean_hard : float
        Accuracy on the recordings as they are.
    smooth, hard : dict of str to (5,) array
        Accuracy by kind of corruption, at severities 1 to 5.

    Examples
    --------
    >>> import numpy as np
    >>> from refsast.experiment.weather import Robustness
    >>> found = Robustness(10, 1.0, 0.9, {"lost": np.ones(5)}, {"lost": np.full(5, 0.8)})
    >>> round(found.mean_hard, 12)
    0.8
    """

    recordings: int
    clean_smooth: float
    clean_hard: float
    smooth: dict[str, Array]
    hard: dict[str, Array]

    @property
    def mean_smooth(self) -> float:
        """Mean over kinds and severities, with smooth spikes."""
        return float(np.mean([each.mean() for each in self.smooth.values()]))

    @property
    def mean_hard(self) -> float:
        """Mean over kinds and severities, with hard spikes."""
        return float(np.mean([each.mean() for each in self.hard.values()]))


def relative_error(ours: Robustness, baseline: Robustness) -> float:
    """Return errors with hard spikes as a share of the baseline's, averaged over kinds.

    Of each kind the errors of all severities are added first. Below 1 is better than the baseline;
    infinite where the baseline makes none.

    References
    ----------
    Hendrycks and Dietterich, arXiv:1903.12261, Eq. of the mean corruption error.
    """
    shares = []
    for kind, hard in ours.hard.items():
        ours_wrong, theirs = float((1.0 - hard).sum()), float((1.0 - baseline.hard[kind]).sum())
        shares.append(ours_wrong / theirs if theirs else (1.0 if ours_wrong == 0.0 else np.inf))
    return float(np.mean(shares))


def measure_robustness(
    network: Network,
    params: Params,
    recordings: Sequence[Events],
    y: ArrayLike,
    *,
    steps: int,
    seed: int = 0,
    kinds: Sequence[str] = tuple(CORRUPTIONS),
    watch: Callable[[int], object] = lambda more: None,
) -> Robustness:
    """Return what a network reads of recordings in bad weather.

    Parameters
    ----------
    network, params : Network, tuple of Layer
        The network, for N-MNIST's sensor.
    recordings : sequence of Events
        As they are; at least one.
    y : (n,) array of int
        Their labels.
    steps : int
        Time steps, which the network was trained with. Positive.
    seed : int
        Of the corruptions. Not negative.
    kinds : sequence of str
        Which of ``refsast.data.CORRUPTIONS``.
    watch : callable, optional
        Told how many more kinds are done.

    Returns
    -------
    Robustness
        Accuracies.

    Raises
    ------
    ValueError
        If a kind is unknown, or recordings or labels do not fit the network.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from refsast import data
    >>> from refsast.experiment.weather import measure_robustness
    >>> network = rs.Network((2312, 10), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> events, y = data.synthetic_recordings(2, np.random.default_rng(0))
    >>> found = measure_robustness(
    ...     network, rs.init(network, 0), events, y, steps=5, kinds=("lost",)
    ... )
    >>> found.hard["lost"].shape
    (5,)
    """
    unknown = [kind for kind in kinds if kind not in CORRUPTIONS]
    if unknown or not kinds:
        raise ValueError(f"kinds must be of {', '.join(CORRUPTIONS)}, got {', '.join(unknown)}")

    def read(events: Sequence[Events]) -> tuple[float, float]:
        binned = bin_spikes(events, steps=steps, duration=DURATION)
        x, labels = validate_dataset(network, binned, y)
        pairs = [(a.logits, b.logits) for a, b in iterate_pairs(network, params, x)]
        smooth, hard = map(np.concatenate, zip(*pairs, strict=True))
        return accuracy(smooth, labels), accuracy(hard, labels)

    clean = read(recordings)
    smooth, hard = {}, {}
    for kind in kinds:
        scores = [
            read(list(corrupt_recordings(recordings, kind, severity, seed=seed)))
            for severity in range(1, SEVERITIES + 1)
        ]
        smooth[kind], hard[kind] = np.array(scores).T
        watch(1)
    return Robustness(len(recordings), *clean, smooth, hard)
