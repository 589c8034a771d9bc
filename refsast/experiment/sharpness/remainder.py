"""What first-order theory leaves out of a SAM step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from refsast.arrays import Array, require_positive
from refsast.experiment.sharpness.validation import validate_point
from refsast.gradient import reference
from refsast.model import Network, Params, flatten
from refsast.model.validation import require_range
from refsast.model.vector import split_vector
from refsast.optim import sam
from refsast.spikes import Spikes


@dataclass(frozen=True)
class Remainder:
    """What first-order theory leaves out of a SAM step.

    Attributes
    ----------
    rho : float
        Radius, in units of the parameters.
    loss, grad_norm : float
        ``f(w)`` in nats, and ``|grad f(w)|`` in nats per parameter.
    first_order : float
        ``f(w + e) - f(w) - rho |grad f(w)|`` with ``e = rho grad f(w) / |grad f(w)|``, in nats.
    gradient_change : float
        ``|grad f(w + e) - grad f(w)|``, in nats per parameter.
    dropped : float
        Distance of SAM's gradient from the exact gradient of ``w -> f(w + e(w))``.

    References
    ----------
    THEORY 4a, 4c and 4d, where each is bounded.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> found = rs.sharpness.sam_remainder(network, params, x, y, rho=0.1)
    >>> found.rho, abs(found.first_order) < found.rho * found.grad_norm
    (0.1, True)
    """

    rho: float
    loss: float
    grad_norm: float
    first_order: float
    gradient_change: float
    dropped: float

    @property
    def curvature(self) -> float:
        """Mean curvature along the ascent step, ``2 first_order / rho^2``; at most L_s (4a)."""
        return 2.0 * self.first_order / self.rho**2


def sam_remainder(
    network: Network, params: Params, x: ArrayLike | Spikes, y: ArrayLike, *, rho: float
) -> Remainder:
    """Return what SAM's first-order theory leaves out at a point, all of it exact.

    Two gradients and one product with the Hessian.

    Parameters
    ----------
    network, params, x, y
        As `reference.hvp` takes them: no neuron may detach its reset. The recordings are one batch,
        which serves both passes.
    rho : float
        Radius, in units of the parameters. Positive.

    Returns
    -------
    Remainder
        Zero throughout where the gradient is, since nothing moves there.

    Raises
    ------
    ValueError
        If `rho` is not positive, a neuron detaches its reset, the ascent point leaves the range of
        what neurons learn, or anything else is not as `reference.hvp` wants it.

    References
    ----------
    THEORY 4.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> found = rs.sharpness.sam_remainder(network, params, x, y, rho=0.1)
    >>> found.dropped > 0
    True
    """
    params, x, y = validate_point(network, params, x, y)
    require_positive(rho, "rho")
    evaluated: list[tuple[float, Array]] = []

    def objective(w: Array) -> tuple[Array, Array]:
        moved = split_vector(network, w)
        require_range(network, moved, "ascent_point")  # 4d knows no projection
        loss, grads = reference.loss_and_grad(network, moved, x, y)
        evaluated.append((float(loss), flatten(grads)))
        return loss, evaluated[-1][1]

    def hvp(w: Array, direction: Array) -> Array:
        parts = (split_vector(network, vector) for vector in (w, direction))
        return flatten(reference.hvp(network, next(parts), x, y, next(parts)))

    exact = sam.exact_gradient(objective, hvp, flatten(params), rho=rho)
    (loss, grad), (raised, sam_gradient) = evaluated  # at w, then at w + e
    norm = float(np.linalg.norm(grad))
    return Remainder(
        rho=float(rho),
        loss=loss,
        grad_norm=norm,
        first_order=raised - loss - rho * norm if norm > 0.0 else 0.0,
        gradient_change=float(np.linalg.norm(sam_gradient - grad)),
        dropped=float(np.linalg.norm(exact - sam_gradient)),
    )
