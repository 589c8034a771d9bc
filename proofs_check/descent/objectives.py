"""What is minimised: quadratics, ridges of spikes, and the risk of a network.

Rule 1: every objective speaks one flat vector, shape (p,), and gives its value, its exact gradient
        and exact Hessian-vector products.
Rule 2: `lipschitz` and `lower` are certificates, from norms and closed forms, never from samples.
Rule 3: nothing is evaluated where it is not smooth: no neuron detaches its reset.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

import refsast as rs
from proofs_check.certified.constants import sup_derivative, sup_second
from proofs_check.claims.lipschitz import MAX_LOSS_GRADIENT
from proofs_check.claims.smoothness_constants import (
    DerivativeForms,
    Norms,
    derivative_forms,
    hessian_form,
    joint_smoothness_constant,
    layer_norms,
)
from proofs_check.claims.stability import has_certified_spikes
from proofs_check.norms import euclidean_norm, top_eigenvalue
from proofs_check.rounding import terms_in_ball
from refsast.arrays import Array, Integers, as_array
from refsast.certify.boxes import UNIT_ROUNDOFF
from refsast.model.surrogate import Surrogate


class Objective(Protocol):
    """A smooth function of one flat vector."""

    @property
    def lower(self) -> float:
        """A certified lower bound, ``-inf`` where there is none."""
        ...

    @property
    def twice_differentiable(self) -> bool:
        """Whether f is twice differentiable everywhere."""
        ...

    def value_and_grad(self, w: Array) -> tuple[Array, Array]:
        """Return f and its gradient at `w`."""
        ...

    def hvp(self, w: Array, d: Array) -> Array:
        """Return the Hessian at `w` times `d`."""
        ...

    def lipschitz(self, w: Array, radius: float) -> float:
        """Return a Lipschitz constant of the gradient on the ball of that radius about `w`."""
        ...

    def sizes(self, w: Array, radius: float) -> tuple[float, float]:
        """Return bounds, on that ball, of what f and its gradient are summed from."""
        ...

    def rounded_terms(self, w: Array, radius: float) -> tuple[float, float]:
        """Return the same of everything that is rounded, times what its rounding moves them by.

        `SUM_ROUNDING` of it is how far f and its gradient can be off.
        """
        ...


def _is_twice_differentiable(spike: object) -> bool:
    """Whether sigma'' has no jumps; of the five, two have them."""
    return isinstance(spike, rs.Arctan | rs.Logistic | rs.Algebraic)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The function ``w' h w / 2 + g . w + offset``.

    Attributes
    ----------
    h : (p, p) array
        Its Hessian: symmetric, definite or not.
    g : (p,) array
        Its gradient at zero.
    offset : float
        Its value at zero.
    """

    h: Array
    g: Array
    offset: float = 0.0
    twice_differentiable = True

    def __post_init__(self) -> None:
        as_array(self.h, "h", (self.g.size, self.g.size))
        if not np.array_equal(self.h, self.h.T):
            raise ValueError(f"h must be symmetric, got {self.h.tolist()}")

    @property
    def lower(self) -> float:
        """The minimum, less what rounding may have moved it; ``-inf`` where h is not definite.

        At any point, f exceeds its minimum by at most ``|grad f|^2 / (2 mu)``, mu the smallest
        eigenvalue of h.
        """
        if not (self.h.any() or self.g.any()):
            return self.offset
        off = 2.0 * self.g.size * UNIT_ROUNDOFF * np.linalg.norm(self.h)
        # The eigenvalue less its rounding, so that mu is certified and not only computed.
        mu = float(np.linalg.eigvalsh(self.h)[0] - off)
        if not mu > off:
            return -np.inf
        w = as_array(-np.linalg.solve(self.h, self.g), "w")
        (value, grad), (size, _) = self.value_and_grad(w), self.sizes(w, 0.0)
        return float(
            value - grad @ grad / (2.0 * mu) - 16.0 * (self.g.size + 1) * UNIT_ROUNDOFF * size
        )

    def value_and_grad(self, w: Array) -> tuple[Array, Array]:
        """Return f and its gradient at `w`."""
        bent = self.h @ w
        return np.asarray(0.5 * w @ bent + self.g @ w + self.offset), bent + self.g

    def hvp(self, w: Array, d: Array) -> Array:
        """Return ``h d``."""
        return self.h @ d

    def lipschitz(self, w: Array, radius: float) -> float:
        """Return ``|h|_2``, which serves everywhere."""
        return float(np.linalg.norm(self.h, 2))

    def sizes(self, w: Array, radius: float) -> tuple[float, float]:
        """Return bounds, on that ball, of what f and its gradient are summed from."""
        far = float(euclidean_norm(w)) + radius
        bend, tilt = np.linalg.norm(self.h), np.linalg.norm(self.g)
        value = 0.5 * bend * far * far + tilt * far + abs(self.offset)
        return float(value), float(bend * far + tilt)

    def rounded_terms(self, w: Array, radius: float) -> tuple[float, float]:
        """Return `sizes`: nothing else is rounded."""
        return self.sizes(w, radius)


@dataclass(frozen=True, eq=False)
class Ridge:
    """The mean over i of ``spike(a_i . w + b_i)``: bounded, neither convex nor concave.

    Attributes
    ----------
    spike : smooth spike
        One of the five.
    a : (rows, p) array
        Directions.
    b : (rows,) array
        Shifts.
    """

    spike: Surrogate
    a: Array
    b: Array
    lower = 0.0  # a spike is never negative

    @property
    def twice_differentiable(self) -> bool:
        """Whether the spike is."""
        return _is_twice_differentiable(self.spike)

    def value_and_grad(self, w: Array) -> tuple[Array, Array]:
        """Return f and its gradient at `w`."""
        v = self.a @ w + self.b
        return np.asarray(self.spike(v).mean()), self.spike.derivative(v) @ self.a / len(v)

    def hvp(self, w: Array, d: Array) -> Array:
        """Return the Hessian at `w` times `d`."""
        v = self.a @ w + self.b
        return (self.spike.second(v) * (self.a @ d)) @ self.a / len(v)

    def lipschitz(self, w: Array, radius: float) -> float:
        """Return ``D2 |a|_2^2 / rows``, which serves everywhere."""
        return float(sup_second(self.spike).upper * np.linalg.norm(self.a, 2) ** 2 / len(self.a))

    def sizes(self, w: Array, radius: float) -> tuple[float, float]:
        """Return bounds, on that ball, of what f and its gradient are summed from."""
        slope = sup_derivative(self.spike).upper
        far = float(np.linalg.norm(self.a)) * (float(euclidean_norm(w)) + radius) + float(
            euclidean_norm(self.b)
        )
        steep = float(slope + sup_second(self.spike).upper * far) * float(np.linalg.norm(self.a))
        return 1.0 + float(slope * far), steep

    def rounded_terms(self, w: Array, radius: float) -> tuple[float, float]:
        """Return `sizes`, in which the arguments of the spikes are whole: a part may cancel."""
        return self.sizes(w, radius)


@dataclass(frozen=True, eq=False)
class Risk:
    """The mean loss of a smooth spiking network on some recordings.

    Attributes
    ----------
    network : Network
        The network; no neuron detaches its reset: the result would be the gradient of no function.
    x : (time, batch, n_0) array
        Input.
    y : (batch,) array of int
        Labels.
    """

    network: rs.Network
    x: Array
    y: Integers
    lower = 0.0  # a cross entropy is never negative

    @property
    def twice_differentiable(self) -> bool:
        """Whether every spike is."""
        return all(_is_twice_differentiable(n.spike) for n in self.network.neurons)

    def __post_init__(self) -> None:
        if any(neuron.detach_reset for neuron in self.network.neurons):
            raise ValueError("detach_reset must be False for a gradient to exist, got True")

    def value_and_grad(self, w: Array) -> tuple[Array, Array]:
        """Return f and its gradient at `w`."""
        params = rs.unflatten(self.network, w)
        value, grads = rs.fast.loss_and_grad(self.network, params, self.x, self.y)
        return value, rs.flatten(grads)

    def hvp(self, w: Array, d: Array) -> Array:
        """Return the Hessian at `w` times `d`."""
        params, along = (rs.unflatten(self.network, a) for a in (w, d))
        return rs.flatten(rs.reference.hvp(self.network, params, self.x, self.y, along))

    def lipschitz(self, w: Array, radius: float) -> float:
        """Return the constant of 3b-joint on that ball; infinite where nothing is known."""
        known = has_certified_spikes(self.network.neurons) and np.isfinite(radius)
        return float(joint_smoothness_constant(self.ball_forms(w, radius))) if known else np.inf

    def slope(self, w: Array, radius: float) -> float:
        """Return the bound of 3a of the gradient's norm on that ball."""
        return float(MAX_LOSS_GRADIENT * euclidean_norm(self.ball_forms(w, radius).q))

    def ball_forms(self, w: Array, radius: float) -> DerivativeForms:
        """Return the forms of THEORY 3 that hold on the ball of that radius about `w`.

        No norm of a block changes by more than the whole vector moves; a block that the network
        lacks keeps its norm.
        """
        norms = self._ball_norms(rs.unflatten(self.network, w), radius)
        return derivative_forms(self.network, norms, self.x)

    def _ball_norms(self, params: rs.Params, radius: float) -> Norms:
        """The largest norms of the blocks on the ball of that radius about `params`."""
        # The readout of a spike rate has a norm but no weights that could move.
        norms = layer_norms(self.network, params)
        weights = [(True, "v" in shapes) for shapes in self.network.shapes]
        movable = [*weights, (False, False)][: len(norms)]
        return tuple(
            (w_norm + radius * moves_w, v_norm + radius * moves_v)
            for (w_norm, v_norm), (moves_w, moves_v) in zip(norms, movable, strict=True)
        )

    def sizes(self, w: Array, radius: float) -> tuple[float, float]:
        """Return bounds, on that ball, of what f and its gradient are summed from.

        On the way from zero parameters, where the loss is ``log(classes)``, no norm is larger.
        """
        steep = self.slope(w, radius)
        far = float(euclidean_norm(w)) + radius
        return float(np.log(self.network.classes)) + steep * far, steep

    def rounded_terms(self, w: Array, radius: float) -> tuple[float, float]:
        """Return everything that is rounded, on that ball, times what its rounding moves them by.

        What potentials are summed from acts like biases of that size: by the forms of a network
        that has biases. What logits are summed from moves dloss/dz by at most half of that.
        """
        params = rs.unflatten(self.network, w)
        *terms, out = terms_in_ball(self.network, params, self.x, radius)
        network = replace(self.network, bias=True)
        forms = derivative_forms(network, self._ball_norms(params, radius), self.x)
        names = [(i, name) for i, shapes in enumerate(network.shapes) for name in shapes]
        moved = np.zeros(len(names))
        moved[[names.index((i, "b")) for i in range(len(terms))]] = terms
        far, bend = float(euclidean_norm(w)) + radius, hessian_form(forms)
        value = MAX_LOSS_GRADIENT * (forms.q @ moved + out)
        steep = MAX_LOSS_GRADIENT * euclidean_norm(forms.q) + top_eigenvalue(bend) * far
        steep = steep + euclidean_norm(bend @ moved) + 0.5 * out * euclidean_norm(forms.q)
        return float(value + self.sizes(w, radius)[0]), float(steep)
