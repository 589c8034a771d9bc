"""Is this black box a gradient at all? The test that needs no reference.

A gradient field is conservative: its derivative is symmetric, its work on a closed loop is zero.
The usual gradient estimates of spiking networks are not. Three tests, on one set of samples
(`field`):

1. symmetry of the Hessian:  <d, H e> = <e, H d> for random pairs, H d by a cubic through the
   gradients on a short line;
2. work on a closed loop:  the integral of <g(w), dw> on an ellipse, by the trapezoidal rule, which
   converges faster than any power for smooth fields and needs no more than continuity;
3. Taylor's remainder:  |f(w + h d) - f(w) - h <g, d>| goes with h^2, and with h for anything else.

Rule 1: 1 and 2 ask whether it is the gradient of any function, 3 whether of its own loss.
Rule 2: each has a floor, the largest value that rounding and kinks can produce. A statistic above
        it proves a violation. One below it is agreement only if the floor is low; else undecided.
"""

from collections.abc import Sequence

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.case import Case
from refsast.crosscheck.implementation import Gradient, Implementation, require_callable
from refsast.crosscheck.integrability.field import (
    ABSCISSAE,
    ANGLES,
    LINES,
    STEPS,
    Blank,
    Discrepancy,
    Field,
    Sample,
    sample_field,
    spacing,
)
from refsast.crosscheck.integrability.question import ask_about
from refsast.crosscheck.integrability.verdict import Measurement, Verdict, VerdictKind
from refsast.crosscheck.program.record import Program

SIGMAS = 15.0  # of measured errors in a floor; `integrable` says how it was found
SMOOTH = 5  # higher harmonics are rounding and kinks: a smooth field has them of order radius^4
HARD = (
    "spikes are hard, so the loss is a step function, whose gradient is zero or does not exist; "
    "ask about the smooth network (hard=False), or whether `rs.check` agrees"
)
CUBIC = np.vander(ABSCISSAE, 4, increasing=True)


def integrable(
    gradient: Gradient | Implementation, case: Case | Program, *, rng: np.random.Generator
) -> Verdict:
    """Return whether a black box is the gradient of its loss, of anything, or of nothing.

    Parameters
    ----------
    gradient : callable
        ``gradient(params, x, y)``, returning ``(loss, grads)`` or an `Answer`; see `case`. Called
        at most `field.CALLS` times, and three more where the loss stands still.
    case : Case or Program
        Where to ask: about these parameters, on this batch.
    rng : numpy.random.Generator
        For the directions; advanced.

    Returns
    -------
    Verdict
        Undecided where every gradient is zero or nothing but rounding, where the loss is zero to
        rounding, where it has too few digits, and, without a call, where the case's spikes are
        hard.

    Raises
    ------
    ValueError
        If what comes back has other names, shapes or kinds, or is not finite.

    Notes
    -----
    A floor is `SIGMAS` = 15 times the error that the test measures in itself: the residual of a
    polynomial on a line, and the harmonics on the loop that a smooth field does not have. The
    factor was chosen on 380 drawn right gradients, every fourth of slope 25 and the others of 1 to
    5. Largest statistic, in measured errors, and median floor, relative as the statistics are::

                  float64: largest  floor     float32: largest  floor
        symmetry           3.4      3e-9               7.1      9e-4
        work               3.8      5e-10              4.5      2e-4
        slope              1.5      5e-9               2.9      6e-4

    The largest come from kinks, of surrogates that are differentiable only once. Lines and loop are
    short, to meet few of them: about 6e-6 (float64) or 0.03 of the length over which the gradient
    changes by its own size. The statistic of `work` is divided by the radius, so that its size is
    that of an asymmetry.

    References
    ----------
    Gygax and Zenke, "Elucidating the theoretical underpinnings of surrogate gradient learning in
    spiking neural networks", arXiv:2404.14964 (2024).

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], name="mine")
    >>> def detached(params, x, y):
    ...     neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0), detach_reset=True)
    ...     return rs.fast.loss_and_grad(rs.Network((2, 3), neuron, network.readout), params, x, y)
    >>> verdict = rs.integrable(detached, case, rng=np.random.default_rng(0))
    >>> verdict.kind.name, verdict.kind.value
    ('NONE', 'not a gradient of anything')
    """
    question = ask_about(require_callable(gradient), case)
    if question.hard:
        return Verdict(VerdictKind.UNDECIDED, reason=HARD)
    field = sample_field(question, rng)
    if isinstance(field, Blank):
        return Verdict(VerdictKind.UNDECIDED, reason=field.reason)
    if isinstance(field, Discrepancy):
        return Verdict(VerdictKind.UNREPEATABLE, unrepeated=field)
    symmetry, work, (slope, factor) = _symmetry(field), _work(field), loss_slope(field)
    kind = decide(symmetry, work, slope)
    silent = not field.centre.size.any()
    return Verdict(
        kind, symmetry, work, slope, _exponent(field), factor, silent, reason=field.asked
    )


def decide(symmetry: Measurement, work: Measurement, slope: Measurement) -> VerdictKind:
    """Combine three measurements into one verdict."""
    if symmetry.fails or work.fails:
        return VerdictKind.NONE
    if slope.fails:
        return VerdictKind.OTHER if symmetry.holds or work.holds else VerdictKind.ELSEWHERE
    return VerdictKind.GRADIENT if slope.holds else VerdictKind.UNDECIDED


def _symmetry(field: Field) -> Measurement:
    """<d, H e> - <e, H d>, relative to such products."""
    fits = [
        _derivative(products, 4, field.eps * size)
        for line in field.lines
        for products, size in zip(_projections(line)[:LINES], line[0].size[:LINES], strict=True)
    ]
    hessian, errors = np.array(fits).T.reshape(2, LINES, LINES)
    pairs = np.triu_indices(LINES, 1)
    scale = _rms(np.concatenate([hessian[pairs], hessian.T[pairs]]))
    gaps = (hessian - hessian.T)[pairs]
    return _combine(gaps, np.hypot(errors, errors.T)[pairs], scale)


def _work(field: Field) -> Measurement:
    """Integral of the gradient on the loop, relative to that of its magnitude and to the radius."""
    n = len(field.loop)
    tangent = np.stack([-np.sin(ANGLES), np.cos(ANGLES)])
    force = (tangent * _projections(field.loop)[LINES:]).sum(axis=0)
    weights = np.full(n // 2 + 1 - SMOOTH, 2.0)
    weights[-1] = 1.0  # the highest harmonic has no sine
    # What a smooth field does not have on a loop this small measures the noise of the mean.
    high = abs(np.fft.rfft(force)[SMOOTH:]) ** 2
    error = np.sqrt(weights @ high / weights.sum()) / n
    rounding = field.eps * _rms(field.centre.size[LINES:]) / np.sqrt(n)
    errors = np.array([np.hypot(error, rounding)])
    return _combine(np.array([force.mean()]), errors, field.radius * float(abs(force).mean()))


def loss_slope(field: Field) -> tuple[Measurement, float]:
    """The loss's own derivative against <g, d>, and the factor between the two; see `Verdict`."""
    unit = loss_unit(np.concatenate([_losses(line) for line in field.lines]))
    fits = [_excess_slope(field, line, j, unit) for j, line in enumerate(field.lines)]
    excess, errors = np.array(fits).T
    given = field.centre.products[:LINES]
    own = given + excess
    sizes = field.eps * field.centre.size[:LINES]
    moves = np.isfinite(errors)  # elsewhere the loss does not, and says nothing
    if not moves.any():
        return Measurement(0.0, np.inf), np.inf if _rms(given) > SIGMAS * _rms(sizes) else np.nan
    given, own, errors = (each[moves] for each in (given, own, np.hypot(errors, sizes)))
    scale = max(_rms(own), _rms(given))
    return _combine(given - own, errors, scale), _factor(given, own, errors, scale)


def _factor(given: Array, own: Array, errors: Array, scale: float) -> float:
    """By what to multiply the loss's own derivatives to get <g, d>."""
    if not _rms(own) > SIGMAS * _rms(errors):
        return np.inf if _rms(given) > SIGMAS * _rms(errors) else np.nan
    factor = float(given @ own / (own @ own))
    rest = _combine(given - factor * own, errors * (1.0 + abs(factor)), scale)
    return np.nan if rest.fails else factor


def loss_grain(losses: Array) -> float:
    """Return the smallest jump of a loss that moves in jumps on a line; infinite if it stands.

    A loss summed in single precision, or of hard spikes, takes a few values on a line. Zero where
    it takes many, as that of a smooth function does.

    Examples
    --------
    >>> coarse, still, smooth = [0.75, 1.0, 0.75, 0.75], [0.75] * 4, [0.0, 1.0, 2.0, 4.0]
    >>> [loss_grain(np.array(line)) for line in (coarse, still, smooth)]
    [0.25, inf, 0.0]
    """
    values = np.unique(losses)
    if 3 * len(values) > 2 * len(losses):
        return 0.0
    return float(np.diff(values).min(initial=np.inf))


def loss_unit(losses: Array) -> float:
    """Return the number that all differences of losses are multiples of; 0 where there is none.

    So it is where a loss was summed in single precision. Equal jumps leave no residual on a line.

    Examples
    --------
    >>> loss_unit(np.array([0.5, 0.75, 1.5])), loss_unit(np.array([0.5, 0.75, 1.6]))
    (0.25, 0.0)
    """
    gaps = np.diff(np.unique(losses))
    if not gaps.size:
        return 0.0
    multiples = gaps / gaps.min()
    return float(gaps.min()) if (abs(multiples - np.round(multiples)) < 1e-3).all() else 0.0


def _excess_slope(field: Field, line: Sequence[Sample], j: int, unit: float) -> tuple[float, float]:
    """The slope of ``f(w + h d) - (integral of <g, d> up to there)``, zero for a gradient."""
    # The gradient along the line as a cubic, and its integral from the centre.
    powers = np.linalg.pinv(CUBIC) @ _projections(line)[j]
    work = ABSCISSAE * (CUBIC @ (powers / np.arange(1, 5)))
    loss = _losses(line)
    excess = (loss - field.centre.loss) / field.step - work
    # The loss alone may be of single precision; below 1 it is what is left of larger numbers.
    digits = spacing(loss) * max(1.0, abs(loss).max())
    rounding = max(field.eps * abs(loss).max(), digits, unit, loss_grain(loss))
    return _derivative(excess, 3, rounding / field.step)


def _exponent(field: Field) -> float:
    """The exponent of h in the remainder, by least squares on logarithms; NaN if it is rounding."""
    linear = np.outer(field.centre.products[:LINES], field.step * ABSCISSAE)
    remainder = np.array([_losses(line) for line in field.lines]) - field.centre.loss - linear
    sides = np.concatenate([remainder[:, STEPS + 1 :], remainder[:, STEPS - 1 :: -1]])
    sizes = np.sqrt(np.mean(sides**2, axis=0))
    # Only steps whose remainder is above rounding enter the fit.
    clear = sizes > SIGMAS * field.eps * abs(field.centre.loss)
    if clear.sum() < STEPS - 1:
        return np.nan
    return float(np.polyfit(np.log(ABSCISSAE[STEPS + 1 :][clear]), np.log(sizes[clear]), 1)[0])


def _derivative(values: Array, powers: int, rounding: float) -> tuple[float, float]:
    """The derivative in the middle of a line, by a polynomial, and its error, by the residual."""
    basis = CUBIC[:, :powers]
    inverse = np.linalg.pinv(basis)
    fit = inverse @ values
    residual = np.linalg.norm(values - basis @ fit) / np.sqrt(len(values) - powers)
    return float(fit[1]), float(np.hypot(residual, rounding) * np.linalg.norm(inverse[1]))


def _projections(samples: Sequence[Sample]) -> Array:
    """Products with every direction, a row each, at all samples."""
    return np.array([sample.products for sample in samples]).T


def _losses(samples: Sequence[Sample]) -> Array:
    """The loss at all samples."""
    return np.array([sample.loss for sample in samples])


def _combine(gaps: Array, errors: Array, scale: float) -> Measurement:
    """All gaps as one number, each weighted by its error; undecided where all is zero."""
    if not (scale > 0.0 and (errors > 0.0).all()):
        return Measurement(0.0, np.inf)
    # 1 / rms(1 / errors), in a form whose squares cannot overflow.
    noise = errors.min() / _rms(errors.min() / errors)
    return Measurement(_rms(gaps / errors) * noise / scale, SIGMAS * noise / scale)


def _rms(values: Array) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))
