"""The figures of a diagnosis, as frozen records that go to JSON and come back to the bit.

Shares lie in [0, 1]; layers, steps and recordings are counted; logits and potentials have the units
of the network. What depends on chance is kept as counts, from which errors and tests follow.
"""

from dataclasses import dataclass
from math import comb, sqrt
from pathlib import Path

import numpy as np

from refsast import codec
from refsast.arrays import Array

LEVEL = 0.05  # of the test by which a change is called established
QUANTILES = np.arange(101) / 100.0  # at which margins are kept


@dataclass(frozen=True)
class Swap:
    """What it costs to make some layers fire hard, counted in recordings.

    Attributes
    ----------
    accuracy : float
        Share read correctly after the swap; of equal logits the first counts.
    recordings : int
        How many were looked at.
    lost, won : int
        How many are read correctly before the swap only, and after it only.
    """

    accuracy: float
    recordings: int
    lost: int
    won: int

    @property
    def cost(self) -> float:
        """Accuracy that the swap takes, ``(lost - won) / recordings``."""
        return (self.lost - self.won) / self.recordings

    @property
    def error(self) -> float:
        """Standard error of `cost`; the same recordings are read before and after."""
        return sqrt(((self.lost + self.won) / self.recordings - self.cost**2) / self.recordings)

    @property
    def chance(self) -> float:
        """Two-sided p-value of the exact sign test, as of McNemar: lost and won equally likely."""
        changed = self.lost + self.won
        tail = sum(comb(changed, k) for k in range(min(self.lost, self.won) + 1))
        return min(1.0, 2 * tail / 2**changed)  # integers of any size: nothing overflows

    @property
    def is_established(self) -> bool:
        """Whether chance alone would seldom (`LEVEL`) change as many answers one way."""
        return self.chance < LEVEL


@dataclass(frozen=True)
class Group:
    """Some of the recordings, and their part of the gap.

    Attributes
    ----------
    recordings : int
        How many they are.
    lost, won : int
        How many of them are read correctly with smooth spikes only, and with hard ones only.
    """

    recordings: int
    lost: int
    won: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """What comes out of one run of all recordings.

    Attributes
    ----------
    accuracy : float
        Share read correctly; of equal logits the first counts.
    shared : float
        The same, but where k logits are largest and the label's is one of them it counts 1/k.
    tied : float
        Share of recordings with more than one largest logit.
    margins : (101,) array
        Quantiles, at 0, 1, ..., 100 per cent, of the margin: the label's logit less the largest
        other. Below zero the answer is wrong. Each is the margin of some recording.
    mean_margin : float
        Mean of the margins.
    """

    accuracy: float
    shared: float
    tied: float
    margins: Array
    mean_margin: float


@dataclass(frozen=True, eq=False)
class LayerDiagnosis:
    """What the swap does in, and to, one spiking layer.

    Attributes
    ----------
    neurons : int
        Its width.
    only : Swap
        Cost of its swap while all other layers stay smooth.
    first : Swap
        Cost of its swap after that of all layers before it; these costs add up to the gap.
    last : Swap
        Cost of its swap after that of all others; ``last.accuracy`` is that of the hard network.
    all_but : float
        Accuracy where all layers but this one fire hard.
    flips : (time,) array
        Share of neurons and recordings for which the hard network's spike is not that which the
        smooth network's potential calls for, ``[u_smooth >= threshold]``; during a refractory time
        it calls for none.
    own_flips : (time,) array
        The same where only this layer fires hard: what its own reset and recurrence do. Zero in
        the first step; in the first layer the same as `flips`.
    below : float or None
        Share of the sum of its smooth spikes that comes from potentials below threshold; None where
        that sum is zero.
    rate_smooth, rate_hard : float
        Mean spike over steps, recordings and neurons, in the smooth and in the hard network.
    near_smooth, near_hard : float
        Share of its potentials within a tenth of the threshold from it.
    logit_shift : float
        Mean of ``|change of a logit|`` by its swap after that of all layers before it.
    margin_shift : float
        Mean change of the margin by the same; these add up to the whole change.
    """

    neurons: int
    only: Swap
    first: Swap
    last: Swap
    all_but: float
    flips: Array
    own_flips: Array
    below: float | None
    rate_smooth: float
    rate_hard: float
    near_smooth: float
    near_hard: float
    logit_shift: float
    margin_shift: float


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Where the transfer gap of one network on one set of recordings comes from.

    Attributes
    ----------
    recordings, steps, classes : int
        How many there are.
    smooth, hard : Outcome
        With the network's own spikes, and with hard ones.
    swap : Swap
        The gap: all layers at once.
    silent : Group
        Recordings for which no neuron of the last spiking layer fires hard.
    silent_label : int
        Which label those get: that of the largest logit without any spike.
    tied : Group
        Recordings that are not silent and have more than one largest logit with hard spikes.
    logit_shift : float
        Mean of ``|change of a logit|`` by the whole swap; at most the sum over the layers.
    layers : tuple of LayerDiagnosis
        One per spiking layer.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> found = rs.diagnose(network, params, x, y)
    >>> found.smooth.accuracy, len(found.layers)
    (1.0, 1)
    """

    recordings: int
    steps: int
    classes: int
    smooth: Outcome
    hard: Outcome
    swap: Swap
    silent: Group
    silent_label: int
    tied: Group
    logit_shift: float
    layers: tuple[LayerDiagnosis, ...]

    @property
    def gap(self) -> float:
        """The transfer gap, ``smooth.accuracy - hard.accuracy``."""
        return self.smooth.accuracy - self.hard.accuracy

    @property
    def margin_shift(self) -> float:
        """Mean change of the margin by the whole swap."""
        return self.hard.mean_margin - self.smooth.mean_margin

    def share(self, group: Group) -> float:
        """Return which share of the recordings a group is."""
        return group.recordings / self.recordings

    def gap_part(self, group: Group) -> float:
        """Return the part of the gap that lies in a group; parts of disjoint groups add up."""
        return (group.lost - group.won) / self.recordings


RECORDS: codec.RecordTypes = {
    record.__name__: record for record in (Diagnosis, Group, LayerDiagnosis, Outcome, Swap)
}


def encode_diagnosis(diagnosis: Diagnosis) -> codec.Json:
    """Return a diagnosis as JSON."""
    return codec.encode(diagnosis)


def decode_diagnosis(code: codec.Json) -> Diagnosis:
    """Return what `encode_diagnosis` wrote down; ValueError if it is nothing of that form."""
    wanted = "diagnosis must be a record of a Diagnosis"
    diagnosis = codec.decode(code, RECORDS, wanted)
    if not isinstance(diagnosis, Diagnosis):
        raise ValueError(f"{wanted}, got {type(diagnosis).__name__}")
    return diagnosis


def read_diagnosis(path: str | Path) -> Diagnosis:
    """Return the diagnosis in a file that ``python -m refsast diagnose`` wrote.

    Parameters
    ----------
    path : path
        Of the file, ``diagnosis.json``.

    Returns
    -------
    Diagnosis
        With the bits of what was written.

    Raises
    ------
    ValueError
        If there is no such file, or it is damaged.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> from refsast.experiment.diagnose.page import write_diagnosis
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> found = rs.diagnose(network, params, x, y)
    >>> with TemporaryDirectory() as folder:
    ...     page = write_diagnosis(Path(folder), found, {})
    ...     again = rs.read_diagnosis(Path(folder, "diagnosis.json"))
    >>> again.smooth.accuracy == found.smooth.accuracy
    True
    """
    return decode_diagnosis(codec.read_json(Path(path)).get("diagnosis"))
