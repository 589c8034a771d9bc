"""Both measures along a training."""

from dataclasses import dataclass

import numpy as np

from refsast.arrays import is_positive_int
from refsast.experiment.record import Config, Data, Run
from refsast.experiment.sharpness.remainder import Remainder, sam_remainder
from refsast.experiment.sharpness.spectrum import Count, top_eigenvalues
from refsast.experiment.train import Watch, train
from refsast.model import Network, Params


@dataclass(frozen=True)
class Point:
    """What was measured after one epoch of a training.

    Attributes
    ----------
    epoch : int
        Epochs done; 0 is the start.
    top, residual : float
        The largest eigenvalue of the Hessian, and its residual; see `Spectrum`.
    products : int
        Products with the Hessian that it took.
    remainder : Remainder
        At the same parameters.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> config = rs.Config(2, 1, 0.0, 0.0, method, rs.descent.constant)
    >>> run, points = rs.sharpness.along_training(
    ...     network, params, (x, y), config, rng=np.random.default_rng(0), on=(x, y), rho=0.1,
    ...     every=1, tolerance=1e-3,
    ... )
    >>> [point.epoch for point in points]
    [0, 1, 2]
    """

    epoch: int
    top: float
    residual: float
    products: int
    remainder: Remainder


def along_training(
    network: Network,
    params: Params,
    data: Data,
    config: Config,
    *,
    rng: np.random.Generator,
    on: Data,
    rho: float,
    every: int,
    tolerance: float,
    held_out: Data | None = None,
    watch: Watch | None = None,
    count: Count = lambda products: None,
) -> tuple[Run, tuple[Point, ...]]:
    """Train as `train` does, to the same bits, and measure at the start and every few epochs.

    Parameters
    ----------
    network : Network
        The network; no neuron may detach its reset, since then there is no Hessian.
    params, data, config
        As `train` takes them.
    rng : numpy.random.Generator
        As `train` takes it; the start vectors are drawn from a child of it.
    on : (x, y)
        The recordings that the measured loss is the mean over.
    rho : float
        Radius of the remainder, whatever the radius of the training. Positive.
    every : int
        Epochs from one measurement to the next; the last epoch is measured in any case.
    tolerance : float
        Of the eigenvalue; see `top_eigenvalues`.
    held_out, watch
        As `train` takes them.
    count : callable
        ``count(products)`` after every product with a Hessian, anew with every measurement.

    Returns
    -------
    run : Run
        What came of the training.
    points : tuple of Point
        What was measured, the start first.

    Raises
    ------
    ValueError
        If something is not as `train`, `top_eigenvalues` or `sam_remainder` want it.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> method = rs.descent.sgd(learning_rate=0.1, momentum=0.0, weight_decay=0.0)
    >>> config = rs.Config(2, 1, 0.0, 0.0, method, rs.descent.constant)
    >>> run, points = rs.sharpness.along_training(
    ...     network, params, (x, y), config, rng=np.random.default_rng(0), on=(x, y), rho=0.1,
    ...     every=2, tolerance=1e-3,
    ... )
    >>> len(run.curve), [point.epoch for point in points]
    (2, [0, 2])
    """
    if not is_positive_int(every):
        raise ValueError(f"every must be a positive integer, got {every!r}")
    (child,) = rng.spawn(1)
    points: list[Point] = []

    def observe(epoch: int, params: Params) -> None:
        if epoch % every and epoch < config.epochs:
            return
        now = config.network(network, epoch / config.epochs)
        remainder = sam_remainder(now, params, *on, rho=rho)
        top = top_eigenvalues(now, params, *on, k=1, rng=child, tolerance=tolerance, watch=count)
        value, residual = float(top.values[0]), float(top.residuals[0])
        points.append(Point(epoch, value, residual, top.products, remainder))

    observe(0, params)
    run = train(
        network, params, data, config, rng=rng, held_out=held_out, watch=watch, observe=observe
    )
    return run, tuple(points)
