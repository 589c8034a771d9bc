"""Baseline against SAST: the same seeds, the same recordings, one change at a time.

An arm is a setting under a name. Every arm runs with every seed, so that differences are paired:
the same initial parameters and the same order of the recordings.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from refsast.experiment.calibrate import calibrate, scale_threshold
from refsast.experiment.evaluate import evaluate
from refsast.experiment.presets import Setting
from refsast.experiment.record import Data, Run
from refsast.experiment.train import Watch, train
from refsast.model import Network, Params

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
        What came of it; its curve ends with the scores that count.
    retuned : float
        Hard accuracy on the held-out recordings with all thresholds multiplied by the factor that
        is best on the training recordings: a control, see `calibrate`.
    """

    arm: str
    seed: int
    run: Run
    retuned: float

    def measure(self, name: str) -> float:
        """Return ``smooth``, ``hard``, ``gap``, ``loss`` of the last epoch, or ``retuned``."""
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
    """

    value: float
    half_width: float

    @property
    def has_interval(self) -> bool:
        """Whether there were enough values for an interval."""
        return not np.isnan(self.half_width)


def comparison_arms(setting: Setting, rhos: Iterable[float]) -> dict[str, Setting]:
    """Return the arms of a comparison: baseline, baseline with SAST's budget, SAST per rho.

    SAST takes two gradients per step, so the second arm, with twice the epochs, spends as many.
    """
    plain = replace(setting, rho=0.0)
    sast = {f"SAST, rho {rho:g}": replace(setting, rho=float(rho)) for rho in rhos}
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
        Processes at a time, each with its share of the cores.
    progress : callable
        ``progress(results, total)`` wraps the results as they come in.

    Returns
    -------
    tuple of Result
        Seed after seed, arm after arm.
    """
    from joblib import Parallel, delayed

    pairs = [(arm, seed) for seed in seeds for arm in arms]

    def run_one(arm: str, seed: int) -> Result:
        try:
            run = train_arm(arms[arm], data, held_out, seed)
        except ValueError as error:
            raise ValueError(f"{arm}, seed {seed}: {error}") from error
        factor = calibrate(run.network, run.params, *data)
        network = scale_threshold(run.network, factor)
        return Result(arm, seed, run, evaluate(network, run.params, *held_out).hard)

    run_all = Parallel(n_jobs=jobs, return_as="generator")
    # joblib is declared to yield None, too, which it does not do here: for the type checker.
    results = (
        r for r in run_all(delayed(run_one)(*pair) for pair in pairs) if isinstance(r, Result)
    )
    return tuple(progress(results, len(pairs)))


def final_measures(results: Iterable[Result], arm: str, measure: str) -> np.ndarray:
    """Return one measure of an arm (see `Result.measure`), seed by seed."""
    chosen = sorted((r for r in results if r.arm == arm), key=lambda r: r.seed)
    return np.array([r.measure(measure) for r in chosen])


def estimate_mean(values: np.ndarray) -> Mean:
    """Return the mean of a sample with its 95 % interval by Student's t.

    Two values get none: theirs, 12.7 standard errors to each side, says nothing.
    """
    from scipy.special import stdtrit

    n = len(values)
    if n < 3:
        return Mean(float(values.mean()), np.nan)
    spread = values.std(ddof=1) / np.sqrt(n)
    return Mean(float(values.mean()), float(spread * stdtrit(n - 1, 0.975)))
