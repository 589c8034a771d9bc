"""The right answers to a golden question, in fifty digits, and how far rounding may move them.

Rule 1: the equations are those of `reference_variant`, evaluated on `Digits` in place of floats.
        Only what would fall back to float64 is written here again: pi, and three lines of SAM.
Rule 2: nothing is rounded here; `write` rounds each number once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from refsast.arrays import Array
from refsast.autodiff import hvp, straight_through
from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.golden.reader import Question
from refsast.crosscheck.tolerance import COARSE
from refsast.crosscheck.variants import Variant, reference_variant, solve, unroll_variant
from refsast.model.params import flatten, layer_arrays, param_arrays, replace_arrays
from refsast.model.spike import Spike, first_derivative
from refsast.model.surrogate import Arctan
from refsast.model.vector import split_vector
from tools.golden.digits import Digits, lift, pi

BIASED = "the gradient is biased: no function has it, so it has no Hessian"


@dataclass(frozen=True)
class WideArctan:
    """`Arctan` with more digits of pi than float64 has.

    Attributes
    ----------
    slope : float
        As of `Arctan`.
    pi : Digits
        The number.
    """

    slope: float
    pi: Digits

    def _z(self, v: Array) -> Array:
        return self.pi * (0.5 * self.slope) * v

    def __call__(self, v: Array) -> Array:
        """Return sigma(v), any shape."""
        return 0.5 + np.arctan(self._z(v)) / self.pi

    def derivative(self, v: Array) -> Array:
        """Return sigma'(v)."""
        z = self._z(v)
        return 0.5 * self.slope / (1.0 + z * z)


def widen(spike: Spike) -> Spike:
    """Return a spike that keeps all digits of a `Digits` argument: `Arctan` needs a wider pi."""
    return WideArctan(spike.slope, pi()) if isinstance(spike, Arctan) else spike


def wide_variant(case: Case) -> Variant:
    """Return `reference_variant` the case for arrays of `Digits`."""
    variant = reference_variant(case)
    spike_of = hard_spike if case.hard else smooth_spike
    fire = lambda neuron, v: spike_of(neuron.spike, v)  # noqa: E731
    rules = tuple(replace(rules, fire=fire) for rules in variant.layers)
    return replace(variant, layers=rules)


def smooth_spike(spike: Spike, v: Array) -> Array:
    """Return the smooth spike, with the rounding errors that other libraries' formulas have.

    Some add to one half, and so keep no relative precision in the tail; and derivatives such as
    ``k s (1 - s)`` have rounding errors that do not shrink with their value (`COARSE`).
    """
    v = v + _zero_with_error(0.0)  # a layer at rest still holds floats: make them `Digits`
    first, second = _error_terms(spike)

    # Zero with zero derivative; both carry an error.
    def zero_slope(v: Array) -> Array:
        return straight_through(lambda v: first + 0.0 * v, lambda v: second + 0.0 * v)(v)

    noise = straight_through(lambda v: 0.0 * v, zero_slope)
    return 0.5 + (widen(spike)(v) - 0.5) + noise(v)


def hard_spike(spike: Spike, v: Array) -> Array:
    """Return the Heaviside step forward, the smooth spike's derivative backward."""
    v = v + _zero_with_error(0.0)  # as in `smooth_spike`
    slope, (first, _) = first_derivative(widen(spike)), _error_terms(spike)

    def step(v: Array) -> Array:
        return lift(np.where(v >= 0.0, 1.0, 0.0))

    return straight_through(step, lambda v: slope(v) + first)(v)


def _error_terms(spike: Spike) -> tuple[Digits, Digits]:
    """Two zeros, with the errors of a first and of a second derivative far from threshold."""
    largest = float(first_derivative(spike)(np.zeros(())))
    # sup abs(sigma'') <= (2 sup sigma')^2 for all five families.
    return _zero_with_error(COARSE * largest), _zero_with_error(COARSE * (2.0 * largest) ** 2)


def _zero_with_error(error: float) -> Digits:
    """Zero, with an error."""
    return Digits(Decimal(0), Decimal(error))


def compute_answers(question: Question) -> dict[str, Array]:
    """Return every right answer, as arrays of `Digits`, by its name in the file.

    Parameters
    ----------
    question : Question
        Of which ``case`` and ``second`` share a network and parameters.

    Returns
    -------
    dict of ndarray
        ``loss``, ``logits``, ``u.0``, ``s.0``, ``adjoints.0``, ..., ``grads.0.w``, ..., ``x_grad``;
        ``sam.point``, ``sam.grads``, ``sam.exact``, ``hvp`` as flat vectors. The last two are left
        out where there is no Hessian, which `omissions` says.
    """
    case, rho = question.case, question.rho
    w = lift(flatten(case.params))
    first = solve_wide(case, w)
    g = flatten(first.grads)
    norm, unit = norm_and_direction(g)
    point = w + rho * unit
    found = {
        **dict(name_arrays(case, first)),
        "sam.point": point,
        "sam.grads": flatten(solve_wide(question.second, point).grads),
    }
    if omissions(case):
        return found
    # Exact gradient of f(w + rho g/|g|): g' + (rho/|g|) H (g' - unit (unit, g')), g' at the point.
    ascended = flatten(solve_wide(case, point).grads)
    tangential = ascended - unit * (unit @ ascended)
    exact = ascended + rho * hessian_product(case, w, tangential) / norm
    return {**found, "sam.exact": exact, "hvp": hessian_product(case, w, lift(question.direction))}


def omissions(case: Case) -> dict[str, str]:
    """Return what has no answer, and why."""
    detached = any(neuron.detach_reset for neuron in case.network.neurons)
    return {"hvp": BIASED, "sam.exact": BIASED} if case.hard or detached else {}


def solve_wide(case: Case, w: Array) -> Answer:
    """Return the answer to a case at other parameters, a flat vector of `Digits`."""
    return solve(case, wide_variant(case), params=split_vector(case.network, w), x=lift(case.x))


def norm_and_direction(g: Array) -> tuple[Digits, Array]:
    """The norm of a gradient and its direction, as in `refsast.optim.sam`, which is of float64."""
    norm = np.sqrt(np.sum(g * g, keepdims=True))[0]
    return norm, g / norm


def name_arrays(case: Case, answer: Answer) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of an answer with their names in the file."""
    variant, s = wide_variant(case), list(answer.s or ())
    logits = variant.read(case.network, case.params, s[-1])
    yield "loss", np.array(variant.loss(logits, case.y), object)
    yield "logits", logits
    for name, arrays in (("u", answer.u), ("s", answer.s), ("adjoints", answer.adjoints)):
        yield from ((f"{name}.{i}", array) for i, array in enumerate(arrays or ()))
    for i, layer in enumerate(answer.grads):
        yield from ((f"grads.{i}.{part}", array) for part, array in layer_arrays(layer).items())
    yield "x_grad", np.asarray(answer.x)


def hessian_product(case: Case, w: Array, direction: Array) -> Array:
    """Return the Hessian of the loss at `w` times a direction; all are flat vectors of `Digits`."""
    variant, x = wide_variant(case), lift(case.x)

    def loss(*arrays: Array) -> Array:
        params = replace_arrays(case.params, arrays)
        ss = unroll_variant(case, variant, params, x)[1]
        return variant.loss(variant.read(case.network, params, np.stack(ss[-1])), case.y)

    point, tangent = (param_arrays(split_vector(case.network, v)) for v in (w, direction))
    return np.concatenate([a.ravel() for a in hvp(loss, point, tangent)])
