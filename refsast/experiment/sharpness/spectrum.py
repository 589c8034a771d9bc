"""The upper end of the spectrum of the Hessian, by Lanczos' method on exact products."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, is_positive_int, require_number
from refsast.experiment.sharpness.validation import validate_point
from refsast.gradient import reference
from refsast.model import Network, Params, flatten
from refsast.model.vector import split_vector
from refsast.spikes import Spikes

Count: TypeAlias = Callable[[int], None]
SUBSPACE = 12  # vectors that are kept, or more where more eigenvalues are wanted
DENSE_LIMIT = 64  # parameters, up to which the whole Hessian is computed


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

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> rng = np.random.default_rng(0)
    >>> found = rs.sharpness.top_eigenvalues(network, params, x, y, k=2, rng=rng)
    >>> found.values.shape, found.vectors.shape
    ((2,), (9, 2))
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

    By ARPACK, through `scipy.sparse.linalg.eigsh`, on ``max(2 k + 1, 12)`` vectors; where there are
    no more than 64 parameters, or than those vectors, by the whole Hessian.

    Parameters
    ----------
    network, params, x, y
        As `reference.hvp` takes them: no neuron may detach its reset. The recordings are one batch.
    k : int
        How many eigenvalues, 1 to p.
    rng : numpy.random.Generator
        Draws the start vector.
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
        as `reference.hvp` wants it; or if ARPACK does not reach the tolerance, as it may not where
        a wanted eigenvalue is zero to rounding.

    References
    ----------
    Lehoucq, Sorensen and Yang, "ARPACK Users' Guide", SIAM 1998; THEORY 3b.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> rng = np.random.default_rng(0)
    >>> found = rs.sharpness.top_eigenvalues(network, params, x, y, k=1, rng=rng)
    >>> bool(found.residuals[0] < 1e-6)
    True
    """
    params, x, y = validate_point(network, params, x, y)
    p = network.n_params
    if not is_positive_int(k) or k > p:
        raise ValueError(f"k must be an integer of 1 to {p}, got {k!r}")
    if not 0.0 <= require_number(tolerance, "tolerance") < 1.0:
        raise ValueError(f"tolerance must lie in [0, 1), got {tolerance}")
    products = 0

    def hessian(v: Array) -> Array:
        nonlocal products
        products += 1
        out = flatten(reference.hvp(network, params, x, y, split_vector(network, v)))
        watch(products)
        return out

    values, vectors = _top_eigenpairs(hessian, p, k, by_magnitude, rng, tolerance)
    residuals = [hessian(v) - value * v for value, v in zip(values, vectors.T, strict=True)]
    return Spectrum(values, vectors, np.linalg.norm(residuals, axis=1), products)


def _top_eigenpairs(
    hessian: Callable[[Array], Array],
    p: int,
    k: int,
    by_magnitude: bool,
    rng: np.random.Generator,
    tolerance: float,
) -> tuple[Array, Array]:
    """The first `k` eigenvalues and their vectors; a small Hessian is computed whole."""
    which, subspace = "LM" if by_magnitude else "LA", max(2 * k + 1, SUBSPACE)
    start = rng.standard_normal(p)
    if p <= max(DENSE_LIMIT, subspace):
        values, vectors = np.linalg.eigh(np.stack([hessian(unit) for unit in np.eye(p)]))
    elif not hessian(start).any():  # a Hessian of zeros, which ARPACK refuses
        values, vectors = np.zeros(k), np.eye(p, k)
    else:
        values, vectors = _arpack_eigenpairs(hessian, p, k, which, start, subspace, tolerance)
    first = np.argsort(-np.abs(values) if by_magnitude else -values, kind="stable")[:k]
    return values[first], vectors[:, first]


def _arpack_eigenpairs(
    hessian: Callable[[Array], Array],
    p: int,
    k: int,
    which: str,
    start: Array,
    subspace: int,
    tolerance: float,
) -> tuple[Array, Array]:
    """By ARPACK, whose failure to converge is raised as a bad `tolerance`."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((p, p), matvec=hessian, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    try:
        values, vectors = eigsh(
            operator,
            k,
            which=which,
            v0=start,
            ncv=subspace,
            tol=tolerance,  # pyright: ignore[reportArgumentType]
        )
        return np.asarray(values), np.asarray(vectors)
    except ArpackNoConvergence as error:
        wanted = "be one that ARPACK reaches"
        raise ValueError(f"tolerance must {wanted}, got {tolerance}: {error}") from error
