"""What the swap to hard spikes changes, counted in every layer.

Rule 1: everything follows from runs of mixtures, in the dtype of the parameters; accuracies are
        those of `rs.evaluate`.
Rule 2: recordings come in chunks, of which counts are added and logits kept, so the chunk's size
        changes nothing but the rounding of sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array, Integers, as_array, is_positive_int
from refsast.experiment.diagnose.mixture import (
    Mixture,
    all_but_hard,
    first_hard,
    list_mixtures,
    only_hard,
    run_mixtures,
)
from refsast.experiment.diagnose.record import (
    QUANTILES,
    Diagnosis,
    Group,
    LayerDiagnosis,
    Outcome,
    Swap,
)
from refsast.experiment.evaluate import CHUNK
from refsast.model import Network, Params, Trace, heaviside
from refsast.model.glif_step import hard_spikes, thresholds
from refsast.model.unroll import readout_logits
from refsast.model.validation import validate_dataset, validate_real_params, validate_run
from refsast.spikes import Spikes

NEAR = 0.1  # of the threshold: how far from it a potential is called near


@dataclass(frozen=True, eq=False)
class Counts:
    """Sums over recordings and neurons, (layers, time) or (layers,); `silent` is (recordings,)."""

    flips: Array
    own_flips: Array
    mass: Array
    mass_below: Array
    hard_spikes: Array
    near_smooth: Array
    near_hard: Array
    silent: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Readings:
    """What one mixture answers: logits (n, classes), margins (n,), and which are correct (n,)."""

    logits: Array
    margins: Array
    correct: NDArray[np.bool_]


def diagnose(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    chunk: int = CHUNK,
) -> Diagnosis:
    """Measure where the accuracy goes that is lost in the swap to hard spikes.

    Parameters
    ----------
    network, params : Network, tuple of Layer
        The network, with the smooth spikes that it was trained with, and its parameters.
    x : (time, n, n_0) array, or Spikes
        Recordings; any number of them, at least one.
    y : (n,) array of int
        Labels in [0, classes).
    chunk : int
        Recordings run at a time, which bounds the memory.

    Returns
    -------
    Diagnosis
        On these recordings; `explain` says it in sentences.

    Raises
    ------
    ValueError
        If recordings or labels do not fit the network, parameters are complex, there is one class
        only, or a logit is not finite.

    References
    ----------
    DESIGN, "SAST in four lines": nothing changes in the swap but the spike.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> found = rs.diagnose(network, params, x, y)
    >>> found.recordings, found.swap.lost
    (1, 0)
    """
    params = validate_real_params(network, params)
    x, labels = validate_dataset(network, x, y)
    if network.classes < 2:
        raise ValueError(f"network must have two or more classes, got {network.classes}")
    if not is_positive_int(chunk):
        raise ValueError(f"chunk must be a positive integer, got {chunk!r}")
    mixtures = list_mixtures(len(network.neurons))
    counts: list[Counts] = []
    logits: dict[Mixture, list[Array]] = {mixture: [] for mixture in mixtures}
    for start in range(0, len(labels), chunk):
        _, part = validate_run(network, params, x[:, start : start + chunk])
        runs = run_mixtures(network, params, part, mixtures)
        counts.append(_count(network, params, runs))
        for mixture, trace in runs.items():
            logits[mixture].append(trace.logits)
    readings = {mixture: _read(np.concatenate(parts), labels) for mixture, parts in logits.items()}
    silent_logits = readout_logits(
        network, params, np.zeros((x.shape[0], 1, network.sizes[-1]), params[0].w.dtype)
    )
    return _assemble(network, x.shape[0], labels, readings, _add(counts), silent_logits)


def _count(network: Network, params: Params, runs: Mapping[Mixture, Trace]) -> Counts:
    """What is to be added up of the runs of one chunk."""
    depth = len(network.neurons)
    smooth, hard = runs[first_hard(0, depth)], runs[first_hard(depth, depth)]
    rows: dict[str, list[Array]] = {f.name: [] for f in fields(Counts) if f.name != "silent"}
    for i, neuron in enumerate(network.neurons):
        u, s = smooth.u[i], smooth.s[i]
        threshold = thresholds(neuron, params[i], s)
        near, hard_threshold = NEAR * threshold, thresholds(neuron, params[i], hard.s[i])
        above = heaviside(u - threshold)
        called_for = hard_spikes(neuron, above)
        own = runs[only_hard(i, depth)].s[i]
        for name, values, axes in (
            ("flips", called_for != hard.s[i], (1, 2)),
            ("own_flips", called_for != own, (1, 2)),
            ("mass", s, None),
            ("mass_below", s * (1.0 - above), None),
            ("hard_spikes", hard.s[i], None),
            ("near_smooth", abs(u - threshold) <= near, None),
            ("near_hard", abs(hard.u[i] - hard_threshold) <= NEAR * hard_threshold, None),
        ):
            rows[name].append(values.sum(axis=axes, dtype=np.float64))
    arrays = {name: np.array(row) for name, row in rows.items()}
    return Counts(**arrays, silent=hard.s[-1].sum(axis=(0, 2)) == 0.0)


def _add(counts: list[Counts]) -> Counts:
    """The counts of all chunks."""
    silent = np.concatenate([each.silent for each in counts])
    names = [f.name for f in fields(Counts) if f.name != "silent"]
    return Counts(
        **{n: np.sum([getattr(c, n) for c in counts], axis=0) for n in names}, silent=silent
    )


def _read(logits: Array, labels: Integers) -> Readings:
    """Answers and margins, in double precision."""
    logits = as_array(logits, "logits").astype(np.float64)
    rows = np.arange(len(labels))
    others = logits.copy()
    others[rows, labels] = -np.inf
    margins = logits[rows, labels] - others.max(axis=1)
    return Readings(logits, margins, logits.argmax(axis=1) == labels)


def _assemble(
    network: Network,
    steps: int,
    labels: Integers,
    readings: Mapping[Mixture, Readings],
    counts: Counts,
    silent_logits: Array,
) -> Diagnosis:
    """All figures, from what the mixtures answer and from the counts."""
    n, depth = len(labels), len(network.neurons)
    smooth, hard = readings[first_hard(0, depth)], readings[first_hard(depth, depth)]
    tied = _count_largest(hard.logits) > 1
    return Diagnosis(
        recordings=n,
        steps=steps,
        classes=network.classes,
        smooth=_outcome(smooth),
        hard=_outcome(hard),
        swap=_swap(smooth, hard),
        silent=_group(counts.silent, smooth, hard),
        silent_label=int(silent_logits[0].argmax()),
        tied=_group(tied & ~counts.silent, smooth, hard),
        logit_shift=_logit_shift(smooth, hard),
        layers=tuple(
            _layer(i, network.sizes[i + 1], n * steps * network.sizes[i + 1], readings, counts)
            for i in range(depth)
        ),
    )


def _layer(
    i: int, neurons: int, potentials: int, readings: Mapping[Mixture, Readings], counts: Counts
) -> LayerDiagnosis:
    """The figures of layer `i`, counted from 0, which has so many potentials."""
    depth, mass = len(counts.mass), float(counts.mass[i])
    before, after = (readings[first_hard(count, depth)] for count in (i, i + 1))
    smooth, hard = readings[first_hard(0, depth)], readings[first_hard(depth, depth)]
    others = readings[all_but_hard(i, depth)]
    steps = counts.flips.shape[1]
    return LayerDiagnosis(
        neurons=neurons,
        only=_swap(smooth, readings[only_hard(i, depth)]),
        first=_swap(before, after),
        last=_swap(others, hard),
        all_but=float(others.correct.mean()),
        flips=counts.flips[i] * steps / potentials,
        own_flips=counts.own_flips[i] * steps / potentials,
        below=float(counts.mass_below[i]) / mass if mass else None,
        rate_smooth=mass / potentials,
        rate_hard=float(counts.hard_spikes[i]) / potentials,
        near_smooth=float(counts.near_smooth[i]) / potentials,
        near_hard=float(counts.near_hard[i]) / potentials,
        logit_shift=_logit_shift(before, after),
        margin_shift=float(after.margins.mean() - before.margins.mean()),
    )


def _outcome(read: Readings) -> Outcome:
    """What one run of all recordings answers, in figures."""
    largest = _count_largest(read.logits)
    # A margin of zero is a tie that the label is part of; below zero it is no candidate.
    shared = np.where(read.margins >= 0.0, 1.0 / largest, 0.0)
    return Outcome(
        accuracy=float(read.correct.mean()),
        shared=float(shared.mean()),
        tied=float((largest > 1).mean()),
        margins=np.quantile(read.margins, QUANTILES, method="inverted_cdf"),
        mean_margin=float(read.margins.mean()),
    )


def _count_largest(logits: Array) -> Integers:
    """How many logits of each recording are the largest, (n,)."""
    return (logits == logits.max(axis=1, keepdims=True)).sum(axis=1)


def _swap(before: Readings, after: Readings) -> Swap:
    """What changes from one mixture to another."""
    lost, won = before.correct & ~after.correct, after.correct & ~before.correct
    return Swap(float(after.correct.mean()), len(lost), int(lost.sum()), int(won.sum()))


def _group(chosen: NDArray[np.bool_], smooth: Readings, hard: Readings) -> Group:
    """Some recordings, and what the whole swap changes among them."""
    lost = chosen & smooth.correct & ~hard.correct
    won = chosen & hard.correct & ~smooth.correct
    return Group(int(chosen.sum()), int(lost.sum()), int(won.sum()))


def _logit_shift(before: Readings, after: Readings) -> float:
    """Mean size of the change of a logit."""
    return float(abs(after.logits - before.logits).mean())
