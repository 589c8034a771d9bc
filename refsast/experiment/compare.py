"""Baseline against SAST: the same seeds, the same recordings, one change at a time.

An arm is a setting under a name. Every arm runs with every seed, so that differences are paired:
the same initial parameters and the same order of the recordings.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from refsast.experiment.calibrate import calibrate, scale_threshold
from refsast.experiment.evaluate import evaluate
from refsast.experiment.presets import Setting
from refsast.experiment.record import Data, Run
from refsast.experiment.train import Divergence, Watch, train
from refsast.model import Network, Params, freeze_neurons
from refsast.model.network import learned_numbers
from refsast.workers import map_unordered

BASELINE, LONGER = "baseline", "baseline, twice the epochs"


@dataclass(frozen=True, eq=False)
class Result:
    """One arm with one seed.

    Attributes
    ----------
    arm : str
        Its name.
    seed : int
        Of initial parameters and order.
    run : Run
        What came of it; its curve ends with the scores that count. Of a run that diverged the curve
        is empty; of one read from a folder that did not keep its weights, the parameters are.
    retuned : float
        Hard accuracy on the held-out recordings with all thresholds multiplied by the factor that
        is best on the training recordings: a control, see `calibrate`. NaN if the run diverged.
    diverged : int or None
        The step, from 1, after which loss or parameters were no longer finite; None if they stayed.
    """

    arm: str
    seed: int
    run: Run
    retuned: float
    diverged: int | None = None

    def measure(self, name: str) -> float:
        """Return ``smooth``, ``hard``, ``gap``, ``loss`` of the last epoch, or ``retuned``.

        NaN if the run diverged.
        """
        if self.diverged is not None:
            return np.nan
        return self.retuned if name == "retuned" else getattr(self.run.curve[-1].scores, name)


@dataclass(frozen=True)
class Mean:
    """A mean with its confidence interval.

    Attributes
    ----------
    value : float
        The mean.
    half_width : float
        Half of the 95 % interval by Student's t; NaN for fewer than three values.
    values : int
        How many there were. The mean of none is NaN.
    """

    value: float
    half_width: float
    values: int = 0

    @property
    def has_interval(self) -> bool:
        """Whether there were enough values for an interval."""
        return not np.isnan(self.half_width)

    def includes(self, value: float) -> bool:
        """Whether there is an interval, and `value` lies in it."""
        return abs(value - self.value) <= self.half_width


def name_sast(rho: float) -> str:
    """Return the name of the arm that is SAST with this radius."""
    return f"SAST, rho {rho:g}"


def is_sast(result: Result) -> bool:
    """Whether a result is of such an arm, and not of a baseline or another control."""
    return result.arm == name_sast(result.run.config.rho)


def comparison_arms(setting: Setting, rhos: Iterable[float]) -> dict[str, Setting]:
    """Return the arms of a comparison: baseline, baseline with SAST's budget, SAST per rho.

    SAST takes two gradients per step, so the second arm, with twice the epochs, spends as many.
    """
    plain = replace(setting, rho=0.0)
    sast = {name_sast(rho): replace(setting, rho=float(rho)) for rho in rhos}
    return {BASELINE: plain, LONGER: replace(plain, epochs=2 * plain.epochs), **sast}


def initialise(
    setting: Setting, n_in: int, seed: int
) -> tuple[Network, Params, np.random.Generator]:
    """Return network, initial parameters and the order's generator, as the seed fixes them."""
    start, order = np.random.default_rng(seed).spawn(2)
    network = setting.network(n_in)
    return network, setting.start(network, start), order


def train_arm(
    setting: Setting,
    data: Data,
    held_out: Data,
    seed: int,
    *,
    watch: Watch | None = None,
    checkpoint: Path | None = None,
) -> Run:
    """Train one setting with one seed, which fixes the initial parameters and the order."""
    network, params, order = initialise(setting, np.shape(data[0])[2], seed)
    return train(
        network,
        params,
        data,
        setting.config,
        rng=order,
        held_out=held_out,
        watch=watch,
        checkpoint=checkpoint,
    )


def compare(
    arms: dict[str, Setting],
    data: Data,
    held_out: Data,
    *,
    seeds: Sequence[int],
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Callable[[Iterable[Result], int], Iterable[Result]] = lambda results, total: results,
) -> tuple[Result, ...]:
    """Train every arm with every seed.

    Parameters
    ----------
    arms : dict of Setting
        By name; see `comparison_arms`.
    data : (x, y)
        Training recordings; the settings' number of steps must be theirs.
    held_out : (x, y)
        Recordings on which smooth and hard accuracy are measured.
    seeds : sequence of int
        Of initial parameters and order, the same for every arm.
    jobs : int
        Processes at a time, each with one core for BLAS; one works in this process, with all.
    scheduler : str, optional
        Address of a Dask cluster to train on instead, such as ``tcp://host:8786``.
    progress : callable
        ``progress(results, total)`` wraps the results as they come in.

    Returns
    -------
    tuple of Result
        Seed after seed, arm after arm. A run that diverges is among them, see `Result.diverged`;
        the others go on.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> import refsast as rs
    >>> data = rs.synthetic_digits(20, np.random.default_rng(0), steps=5)
    >>> quick = replace(rs.PRESETS["quick"], hidden=(8,), epochs=1, batch=10)
    >>> results = rs.compare({"SAST": replace(quick, rho=0.3)}, data, data, seeds=[0])
    >>> [(result.arm, result.seed) for result in results]
    [('SAST', 0)]
    """
    pairs = [(arm, seed) for seed in seeds for arm in arms]
    runs = train_pairs(arms, data, held_out, pairs, jobs=jobs, scheduler=scheduler)
    results = progress(runs, len(pairs))
    return tuple(sorted(results, key=lambda r: pairs.index((r.arm, r.seed))))


def train_pairs(
    arms: Mapping[str, Setting],
    data: Data,
    held_out: Data,
    pairs: Sequence[tuple[str, int]],
    *,
    jobs: int,
    scheduler: str | None = None,
) -> Iterator[Result]:
    """Train these pairs of an arm and a seed and yield each result when it is there, in any order.

    `jobs` is the number of processes and `scheduler` a cluster's address, as in `compare`.
    """
    work = partial(_train_and_retune, arms, data, held_out)
    yield from map_unordered(work, pairs, jobs=jobs, scheduler=scheduler)


def _train_and_retune(
    arms: Mapping[str, Setting], data: Data, held_out: Data, pair: tuple[str, int]
) -> Result:
    """One run with its control; a run that diverges is a result, any other error is one."""
    arm, seed = pair
    try:
        run = train_arm(arms[arm], data, held_out, seed)
    except Divergence as error:
        network, params, _ = initialise(arms[arm], np.shape(data[0])[2], seed)
        stopped = Run(network, params, arms[arm].config, (), (), {})
        return Result(arm, seed, stopped, np.nan, error.step)
    except ValueError as error:
        raise ValueError(f"{arm}, seed {seed}: {error}") from error
    network, params = run.network, run.params
    if any(map(learned_numbers, network.neurons)):
        network, params = freeze_neurons(network, params)
    network = scale_threshold(network, calibrate(network, params, *data))
    return Result(arm, seed, run, evaluate(network, params, *held_out).hard)


def final_measures(results: Iterable[Result], arm: str, measure: str) -> np.ndarray:
    """Return one measure of an arm (see `Result.measure`), seed by seed; no diverged runs."""
    chosen = sorted((r for r in results if r.arm == arm), key=lambda r: r.seed)
    return np.array([r.measure(measure) for r in chosen if r.diverged is None])


def seed_differences(results: Sequence[Result], arm: str, reference: str) -> np.ndarray:
    """Return hard accuracy of `arm` less that of `reference`, of the seeds that both have."""
    by_arm = {
        name: {r.seed: r.measure("hard") for r in results if r.arm == name and r.diverged is None}
        for name in (arm, reference)
    }
    common = sorted(set(by_arm[arm]) & set(by_arm[reference]))
    return np.array([by_arm[arm][seed] - by_arm[reference][seed] for seed in common])


def estimate_mean(values: np.ndarray) -> Mean:
    """Return the mean of a sample with its 95 % interval by Student's t.

    Two values get none: theirs, 12.7 standard errors to each side, says nothing.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 3:
        return Mean(float(values.mean()) if n else np.nan, np.nan, n)
    spread = values.std(ddof=1) / np.sqrt(n)
    return Mean(float(values.mean()), float(spread * stdtrit(n - 1, 0.975)), n)
