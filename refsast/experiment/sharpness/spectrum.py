"""The upper end of the spectrum of the Hessian, by Lanczos' method on exact products."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refsast.arrays import Array, as_number, is_count
from refsast.experiment.sharpness.point import checked_point
from refsast.gradient import reference
from refsast.model import Network, Params, flatten
from refsast.model.network import split
from refsast.spikes import Spikes

Count: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The upper end of the spectrum of a Hessian.

    Attributes
    ----------
    values : (k,) array
        Eigenvalues, nats per parameter squared, as wanted first.
    vectors : (p, k) array
        Eigenvectors of length one, in columns.
    residuals : (k,) array
        ``|H v - value v|``: an eigenvalue of the Hessian lies no farther than that from each value.
    products : int
        How many products with the Hessian were taken, those for the residuals included.
    """

    values: Array
    vectors: Array
    residuals: Array
    products: int


def top_eigenvalues(
    network: Network,
    params: Params,
    x: ArrayLike | Spikes,
    y: ArrayLike,
    *,
    k: int,
    rng: np.random.Generator,
    by_magnitude: bool = False,
    tolerance: float = 0.0,
    watch: Count = lambda products: None,
) -> Spectrum:
    """Return the largest eigenvalues of the Hessian of the mean loss, by Lanczos' method.

    All Lanczos vectors are kept and every new one is made orthogonal to them, so that after p
    products the whole Hessian is known; p numbers are held per product.

    Parameters
    ----------
    network : Network
        The network; no neuron may detach its reset, since then there is no Hessian.
    params : tuple of Layer
        Where to look.
    x : (time, batch, n_0) array, or Spikes
        Recordings; all of them are one batch.
    y : (batch,) array of int
        Labels in [0, classes).
    k : int
        How many eigenvalues, 1 to p.
    rng : numpy.random.Generator
        Draws the start vector, and another where the iteration has used one up.
    by_magnitude : bool
        Whether the largest magnitudes are wanted instead of the largest numbers.
    tolerance : float
        Residuals at which to stop, relative to the eigenvalues; zero is all that double precision
        gives. Where the largest ones occur several times, some occurrences may be missed.
    watch : callable
        ``watch(products)`` after every product with the Hessian: how many are done.

    Returns
    -------
    Spectrum
        The largest first.

    Raises
    ------
    ValueError
        If `k` or `tolerance` is out of range, a neuron detaches its reset, or anything else is not
        as `reference.hvp` wants it.

    References
    ----------
    Parlett, "The Symmetric Eigenvalue Problem", SIAM 1998, Ch. 13; THEORY 3b.
    """
    params, x, y = checked_point(network, params, x, y)
    p = network.n_params
    if not is_count(k) or k > p:
        raise ValueError(f"k must be an integer of 1 to {p}, got {k!r}")
    if not 0.0 <= as_number(tolerance, "tolerance") < 1.0:
        raise ValueError(f"tolerance must lie in [0, 1), got {tolerance}")
    products = 0

    def hessian(v: Array) -> Array:
        nonlocal products
        products += 1
        out = flatten(reference.hvp(network, params, x, y, split(network, v)))
        watch(products)
        return out

    def order(values: Array) -> NDArray[np.intp]:
        return np.argsort(-np.abs(values) if by_magnitude else -values, kind="stable")[:k]

    values, vectors = _lanczos(hessian, p, k, order, rng, tolerance)
    apart = [hessian(v) - value * v for value, v in zip(values, vectors.T, strict=True)]
    return Spectrum(values, vectors, np.linalg.norm(apart, axis=1), products)


def _lanczos(
    hessian: Callable[[Array], Array],
    p: int,
    k: int,
    order: Callable[[Array], NDArray[np.intp]],
    rng: np.random.Generator,
    tolerance: float,
) -> tuple[Array, Array]:
    """The first `k` eigenvalues in that order, and their vectors; at most `p` products."""
    eps = np.finfo(np.float64).eps
    basis, diagonal, beside = [_fresh(rng, p, [])], [], []
    while True:
        product = hessian(basis[-1])
        diagonal.append(basis[-1] @ product)
        rest = _across(product, basis)
        beta = float(np.linalg.norm(rest))
        values, turn = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        size, first = np.abs(values).max(), order(values)
        bounds = beta * np.abs(turn[-1, first])  # the residuals, in exact arithmetic
        enough = np.maximum(tolerance * np.abs(values[first]), eps * size)
        if len(basis) == p or (len(basis) >= k and (bounds <= enough).all()):
            return values[first], np.transpose(turn[:, first].T @ np.array(basis))
        found_all = beta <= eps * size  # that the start vector can lead to
        basis.append(_fresh(rng, p, basis) if found_all else rest / beta)
        beside.append(0.0 if found_all else beta)


def _fresh(rng: np.random.Generator, p: int, basis: list[Array]) -> Array:
    """A random direction at right angles to all in `basis`."""
    drawn = _across(rng.standard_normal(p), basis)
    return drawn / np.linalg.norm(drawn)


def _across(vector: Array, basis: list[Array]) -> Array:
    """What is left of a vector at right angles to all in `basis`; twice is enough."""
    for direction in (*basis, *basis):
        vector = vector - (direction @ vector) * direction
    return vector
