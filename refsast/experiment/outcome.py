"""The runs of a record as pages and pictures need them; of any version that wrote such records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.codec import Json
from refsast.experiment.compare import Mean, estimate_mean
from refsast.experiment.setting_parts import describe_layer

SHARES = (
    "smooth",
    "hard",
    "hard_shared",
    "tied",
    "silent",
)  # scores that a record holds as shares, not in per cent


@dataclass(frozen=True, eq=False)
class Outcome:
    """One run of a record.

    Attributes
    ----------
    arm : str
        Its name.
    seed : int
        Of initial parameters and order.
    epochs : tuple of int
        Epochs with scores.
    scores : dict of (len(epochs),) array
        By name and epoch, see `Scores`: shares in per cent, gap in points, loss in nats. What
        the record does not have is not there.
    retuned : float or None
        Hard accuracy with re-tuned thresholds, in per cent; None if it was not measured.
    diverged : int or None
        The step, from 1, at which loss or parameters were no longer finite; None if they were to
        the end.
    """

    arm: str
    seed: int
    epochs: tuple[int, ...]
    scores: Mapping[str, Array]
    retuned: float | None
    diverged: int | None

    def last(self, measure: str) -> float | None:
        """Return a measure after the last epoch, or None if there is none."""
        if measure == "retuned":
            return self.retuned
        return float(self.scores[measure][-1]) if measure in self.scores else None


def read_outcomes(record: Mapping) -> tuple[Outcome, ...]:
    """Return the runs of a comparison or a sweep, arm after arm as the settings have them.

    Runs that diverged are listed apart in a record, and not at all in older ones.

    Raises ValueError if an accuracy does not lie in [0, 1]; KeyError, TypeError or IndexError if
    the record is not whole.
    """
    lost = [
        Outcome(run["arm"], run["seed"], (), {}, None, run["step"])
        for run in record.get("diverged", ())
    ]
    order = {arm: i for i, arm in enumerate(record["settings"])}
    found = [*map(_read_run, record["runs"]), *lost]
    return tuple(sorted(found, key=lambda outcome: (order[outcome.arm], outcome.seed)))


def _read_run(run: Mapping) -> Outcome:
    """A run that reached the end."""
    epochs, scores = read_curve(run["curve"])
    retuned = run.get("retuned")
    percent = None if retuned is None else _percent("retuned", retuned)
    return Outcome(run["arm"], run["seed"], epochs, scores, percent, None)


def read_curve(curve: Sequence[Mapping]) -> tuple[tuple[int, ...], Mapping[str, Array]]:
    """Return the epochs that have scores, and each measure by epoch.

    Parameters
    ----------
    curve : sequence of dict
        As a record has it: epoch, loss, evaluations, scores.

    Returns
    -------
    epochs : tuple of int
        Those with scores.
    scores : dict of (len(epochs),) array
        As in `Outcome`; a measure is there if every one of the epochs has it.
    """
    scored = [epoch for epoch in curve if epoch["scores"] is not None]
    found: dict[str, Array] = {}
    for name in ("loss", *SHARES):
        values = [epoch["scores"].get(name) for epoch in scored]
        if values and None not in values:
            shares = name in SHARES
            found[name] = np.array([_percent(name, v) if shares else float(v) for v in values])
    if scored:
        found["gap"] = found["smooth"] - found["hard"]
    return tuple(epoch["epoch"] for epoch in scored), found


def _percent(name: str, share: float) -> float:
    """A share in per cent, if it is one."""
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {share}")
    return 100.0 * share


def list_arms(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Return the names of the arms, in the order in which they first appear."""
    return tuple(dict.fromkeys(outcome.arm for outcome in outcomes))


def last_values(outcomes: Iterable[Outcome], arm: str, measure: str) -> dict[int, float]:
    """Return a measure after the last epoch, by seed, of the runs of an arm that have it."""
    values = {o.seed: o.last(measure) for o in outcomes if o.arm == arm}
    return {seed: value for seed, value in values.items() if value is not None}


def mean_of_arm(outcomes: Iterable[Outcome], arm: str, measure: str) -> Mean | None:
    """Return the mean of a measure over the seeds, or None if no run has it."""
    values = last_values(outcomes, arm, measure)
    return estimate_mean(np.array(list(values.values()))) if values else None


def mean_difference(outcomes: Sequence[Outcome], arm: str, other: str, measure: str) -> Mean | None:
    """Return the mean of ``arm - other`` over the seeds that both have, or None without any."""
    ours, theirs = (last_values(outcomes, name, measure) for name in (arm, other))
    both = [seed for seed in ours if seed in theirs]
    if not both:
        return None
    return estimate_mean(np.array([ours[seed] - theirs[seed] for seed in both]))


def count_diverged(outcomes: Iterable[Outcome], arm: str) -> int:
    """Return how many runs of an arm diverged."""
    return sum(o.diverged is not None for o in outcomes if o.arm == arm)


def format_value(value: Json) -> str:
    """Return a field of a setting as a person writes it."""
    if isinstance(value, Mapping):
        if short := describe_layer(value):
            return short
        inside = ", ".join(f"{k}={v}" for k, v in value.items() if k != "is")
        return f"{value['is']}({inside})"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return ", ".join(map(format_value, value)) if isinstance(value, list) else str(value)
