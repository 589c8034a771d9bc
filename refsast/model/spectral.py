"""Projection onto caps on spectral norms: the nearest parameters within them.

The theorems ask for ``kappa + D1 |V|_2 < 1``; a projection after every step keeps training there.
"""

from dataclasses import replace

import numpy as np

from refsast.arrays import Array, require_nonnegative
from refsast.model.network import Network, require_plain
from refsast.model.params import Params
from refsast.model.validation import validate_real_params


def project(
    network: Network,
    params: Params,
    *,
    w: float | None = None,
    v: float | None = None,
    readout: float | None = None,
) -> Params:
    """Return the nearest parameters whose matrices have spectral norms within the caps.

    Singular values are clipped, which is the Euclidean projection::

        U diag(s) Z'  ->  U diag(min(s, cap)) Z'

    Parameters
    ----------
    network : Network
        The network.
    params : tuple of Layer
        Its parameters.
    w, v : float, optional
        Largest ``|W|_2`` and ``|V|_2`` of every spiking layer, potential per spike. Not negative;
        without one there is no cap. A network without recurrent weights is within any cap on V.
    readout : float, optional
        Largest ``|W_o|_2`` of the readout's matrix, if it has one.

    Returns
    -------
    tuple of Layer
        In the dtype of `params`. A matrix within its cap, and every bias, is the very array that
        came in; what was clipped is within its cap, so that it comes back from a second time.

    Raises
    ------
    ValueError
        If a cap is negative or not finite, or the parameters are not real or not the network's.

    References
    ----------
    THEORY 0 and 2, for what the norms do. The projection: Mirsky, Quart. J. Math. 11 (1960), 50-59.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> capped = rs.project(network, params, w=0.5)
    >>> np.linalg.norm([params[0].w, capped[0].w], ord=2, axis=(1, 2)).round(3)
    array([1.199, 0.5  ])
    """
    for name, cap in (("w", w), ("v", v), ("readout", readout)):
        if cap is not None:
            require_nonnegative(cap, name)
    require_plain(network, "project")
    params, spiking = validate_real_params(network, params), len(network.neurons)
    return tuple(
        replace(
            layer,
            w=_clip_singular_values(layer.w, w if i < spiking else readout),
            v=None if layer.v is None else _clip_singular_values(layer.v, v),
        )
        for i, layer in enumerate(params)
    )


def _spectral_norm(matrix: Array) -> float:
    """The largest singular value, by the smaller of the two Gram matrices."""
    peak, scaled = _normalize(matrix)
    # Its eigenvalues are the squared singular values; far cheaper than those of the matrix.
    gram = scaled @ scaled.T if len(scaled) <= len(scaled.T) else scaled.T @ scaled
    return peak * float(np.sqrt(np.linalg.eigvalsh(gram)[-1]))


def _normalize(matrix: Array) -> tuple[float, Array]:
    """The largest magnitude, and the matrix by it: its squares neither under- nor overflow."""
    peak = float(np.abs(matrix).max())
    return peak, matrix.astype(np.float64) / (peak or 1.0)


def _satisfies_cap(matrix: Array, cap: float) -> bool:
    """Whether the norm is at most `cap`; the Frobenius norm, which costs less, is asked first."""
    peak, scaled = _normalize(matrix)
    return peak * float(np.linalg.norm(scaled)) <= cap or _spectral_norm(matrix) <= cap


def _clip_singular_values(matrix: Array, cap: float | None) -> Array:
    """The nearest matrix within the cap."""
    if cap is None or _satisfies_cap(matrix, cap):
        return matrix
    wide = len(matrix) <= len(matrix.T)
    double = (matrix if wide else matrix.T).astype(np.float64)
    q, r = np.linalg.qr(double.T)  # what is left to decompose is square
    u, s, z = np.linalg.svd(r.T)
    # Rounding the entries moves the norm by at most eps/2 |A|_F <= eps/2 sqrt(n) cap.
    below = cap * (1.0 - 4.0 * np.sqrt(len(s)) * np.finfo(matrix.dtype).eps)
    nearest = ((u * np.minimum(s, below)) @ z @ q.T).astype(matrix.dtype)
    return nearest if wide else nearest.T
