"""THEORY 5: stochastic SAST descends, and its gradients become small on average.

A step is w+ = w - eta g2(w~), w~ = w + e, where e has length at most rho and depends on the first
minibatch B1 only, and g2 is the gradient on the second. Write a = grad f(w), b = grad f(w~), and E
for the mean over all choices of minibatches.

5a. (1) f is L-smooth on a ball that holds w, w~ and w+ in all cases, a convex set, so
        f(w+) <= f(w) - eta <a, g2> + (L eta^2/2) |g2|^2.
    (2) Given B1 the point w~ is fixed, and B2 is independent of it: the mean of g2 is b and that of
        |g2|^2 is |b|^2 plus the variance there, at most |b|^2 + v2.
    (3) <a, b> = (|a|^2 + |b|^2 - |a - b|^2)/2 and |a - b| <= L |e| <= L rho. Together
        E f(w+) <= f(w) - (eta/2)|a|^2 - (eta/2)(1 - L eta) E|b|^2
                   + eta L^2 rho^2/2 + L eta^2 v2/2.                                 (5a-sharp)
    (4) Where eta <= 1/L the term in E|b|^2 is not positive and may be left out.           (5a)
    No line but (4) asks for a small eta: 5a-sharp holds for every eta. It is an equality for
    f = L |w|^2/2 with noise of constant variance, whatever eta is, and so is 5a at eta = 1/L.

5b. Take (1) to (4) at w_k given the past, then the mean; sum over k < K; the values of f telescope
    and f(w_K) >= f*. Divide by eta K/2.

5c. In (2), with B2 = B1 the point w~ is not fixed given what else is averaged, and E g2 need not be
    E b. What is left: a = E grad f_B(w), so |a - E g2| <= E |grad f_B(w) - grad f_B(w + e_B)|
    <= Lbar rho, Lbar the mean over minibatches of the Lipschitz constants of grad f_B. With the
    variance of g2 itself as v2, (1), (3) and (4) with E g2 in place of b give     (5a-shared)
        E f(w+) <= f(w) - (eta/2)|a|^2 + eta Lbar^2 rho^2/2 + L eta^2 v2/2.
    Lbar is at least L and no multiple of L bounds it; `descent.counterexamples` has families where
    5a fails by any factor. The bias |E g2 - E b| is that of h_B = f_B - f, whose gradients average
    to zero at w: E (grad h_B(w + e_B) - grad h_B(w)), at most rho times the mean of their Lipschitz
    constants.                                                                       (5c-bias)
    If L bounds the curvature of every minibatch, too, as the constants of THEORY 3 do, which ignore
    the labels, then Lbar <= L, and in 5a nothing but the variance can fail.

Steps are unbiased by construction: all subsets of one size are equally likely.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

import refsast as rs
from proofs_check.claim import ROUNDING, Claim, Hypothesis
from proofs_check.claims.stability import SOURCE
from proofs_check.descent import enumeration
from proofs_check.descent.enumeration import SastPath, SastStep, step_outcomes, step_radius
from proofs_check.descent.finite_sum import difference_lipschitz
from proofs_check.descent.runs import (
    CUTOFF,
    SastRuns,
    lower_confidence_limit,
    run_averages,
    simulate_runs,
)
from proofs_check.norms import euclidean_norm
from proofs_check.rounding import SUM_ROUNDING
from refsast.arrays import Array

X = TypeVar("X")
SMOOTH = "f is L-smooth on a ball that holds every point visited"
SMALL = "eta <= 1/L"
NOISE = "the variance of a minibatch gradient at the points w + e is at most v2"
INDEPENDENT = "the second minibatch is independent of the first"
LOWER_BOUND = "f >= f*"


def step_gain(x: SastStep) -> float:
    """Return ``E f(w+) - f(w) + (eta/2) |grad f(w)|^2``."""
    f, outcomes = x.family.mean, step_outcomes(x)
    after = np.mean([f.value_and_grad(w)[0] for w in enumeration.end_points(x)])
    return float(after - outcomes.value + 0.5 * x.eta * (outcomes.grad @ outcomes.grad))


def sharp_step_gain(x: SastStep) -> float:
    """Return the same plus ``(eta/2) (1 - L eta) E |grad f(w~)|^2``."""
    grads = [x.family.mean.value_and_grad(w)[1] for w in step_outcomes(x).raised]
    steep = np.mean([g @ g for g in grads])
    return step_gain(x) + float(0.5 * x.eta * (1.0 - x.lipschitz * x.eta) * steep)


def gain_bound(x: SastStep, lipschitz: float) -> float:
    """Return ``eta lipschitz^2 rho^2/2 + L eta^2 v2/2``."""
    return 0.5 * x.eta * ((lipschitz * x.rho) ** 2 + x.lipschitz * x.eta * x.variance)


def mean_batch_lipschitz(x: SastStep) -> float:
    """Return Lbar, the mean over minibatches of their Lipschitz constants."""
    radius = step_radius(x)
    return float(np.mean([b.lipschitz(x.w, radius) for b in x.family.batches()]))


def mean_step_error(x: SastStep) -> Array:
    """Return how far the library's mean step is from grad f(w + e), relatively, by B1."""
    batches, f = x.family.batches(), x.family.mean
    size = x.family.rounded_terms(x.w, step_radius(x))[1]
    raised = step_outcomes(x).raised

    # By the library's own step, not by `step_outcomes`: the claim is about that.
    def error(first: int) -> float:
        one = batches[first].value_and_grad
        others = (None,) if x.shared else tuple(b.value_and_grad for b in batches)
        steps = [rs.sam.gradient(one, x.w, rho=x.rho, second=two) for two in others]
        return float(euclidean_norm(np.mean(steps, axis=0) - f.value_and_grad(raised[first])[1]))

    return np.array([error(i) for i in range(len(batches))]) / (size if size > 0.0 else 1.0)


def one_batch_bias(x: SastStep) -> float:
    """Return ``|E g_B(w + e_B) - E grad f(w + e_B)|``."""
    f, outcomes = x.family.mean, step_outcomes(x)
    plain = np.mean([f.value_and_grad(w)[1] for w in outcomes.raised], axis=0)
    same = np.arange(len(outcomes.raised))  # B2 = B1: the diagonal of all pairs
    return float(euclidean_norm(outcomes.slopes[same, same].mean(axis=0) - plain))


def one_batch_bias_bound(x: SastStep) -> float:
    """Return rho times the mean Lipschitz constant of ``grad f_B - grad f``."""
    f = x.family.mean
    each = [difference_lipschitz(b, f, x.w, x.rho) for b in x.family.batches()]
    return x.rho * float(np.mean(each))


def mean_squared_gradient(x: SastPath) -> float:
    """Return the mean over k < K of ``E |grad f(w_k)|^2``."""
    grads = enumeration.path_outcomes(x).grads
    return float(np.mean([np.square(g).sum(axis=1).mean() for g in grads]))


def step_hypotheses(
    first: Callable[[X], SastStep], radius: Callable[[X], float], variance: Callable[[X], float]
) -> tuple[Hypothesis[X], ...]:
    """Return the hypotheses of 5a for whatever has a first step.

    Parameters
    ----------
    first : callable
        The first step of an instance, with the constants that are claimed.
    radius : callable
        Of a ball about its start that holds all points visited, on which L must be certified.
    variance : callable
        What v2 must bound.
    """

    def is_smooth(x: X) -> bool:
        step = first(x)
        return step.family.lipschitz(step.w, radius(x)) <= step.lipschitz < np.inf

    return (
        Hypothesis(SMOOTH, is_smooth),
        Hypothesis(SMALL, lambda x: first(x).eta <= 1.0 / first(x).lipschitz),
        Hypothesis(NOISE, lambda x: first(x).variance >= variance(x)),
        Hypothesis(INDEPENDENT, lambda x: not first(x).shared),
    )


def _step_rounding(x: SastStep) -> float:
    """How far rounding moves the two sides of 5a."""
    return enumeration.step_rounding(x, step_radius(x)) * max(1.0, x.lipschitz * x.eta)


def _cutoff(x: SastRuns) -> float:
    """Where the averages of many runs are cut off."""
    return CUTOFF * max(enumeration.path_bound(x.path), 0.0)


def _runs_rounding(x: SastRuns) -> float:
    """How far rounding moves the two sides of 5b-seeded; of what is cut off the size is known."""
    averages, distances = simulate_runs(x)
    radius = float(distances[averages <= _cutoff(x)].max(initial=0.0))
    return 2.0 * enumeration.step_rounding(x.path.first, radius) / x.path.first.eta


ONE_STEP_HYPOTHESES = step_hypotheses(
    lambda x: x, step_radius, lambda x: step_outcomes(x).gradient_variance
)
ONE_STEP = Claim[SastStep](
    label="5a",
    title="one step of stochastic SAST, every pair of minibatches",
    source=f"THEORY 5a; {SOURCE}",
    statement="E f(w+) <= f(w) - (eta/2) |grad f(w)|^2 + eta L^2 rho^2/2 + L eta^2 v2/2.",
    hypotheses=ONE_STEP_HYPOTHESES,
    measure=step_gain,
    bound=lambda x: gain_bound(x, x.lipschitz),
    rounding=_step_rounding,
)
ONE_STEP_SHARP = Claim[SastStep](
    label="5a-sharp",
    title="the same for any eta, with nothing left out",
    source="THEORY 5a, sharpened here",
    statement="E f(w+) <= f(w) - (eta/2) |grad f(w)|^2 - (eta/2) (1 - L eta) E|grad f(w + e)|^2 "
    "+ eta L^2 rho^2/2 + L eta^2 v2/2, for every eta > 0.",
    hypotheses=tuple(h for h in ONE_STEP_HYPOTHESES if h.condition != SMALL),
    measure=sharp_step_gain,
    bound=lambda x: gain_bound(x, x.lipschitz),
    rounding=_step_rounding,
)
SHARED_STEP = Claim[SastStep](
    label="5a-shared",
    title="one step, with a second minibatch or without",
    source="THEORY 5c (own)",
    statement="With B2 = B1 or not, E f(w+) <= f(w) - (eta/2) |grad f(w)|^2 "
    "+ eta Lbar^2 rho^2/2 + L eta^2 v2/2, Lbar the mean Lipschitz constant of the minibatch "
    "gradients.",
    hypotheses=(
        *ONE_STEP_HYPOTHESES[:2],
        Hypothesis(
            "the variance of the step's direction is at most v2",
            lambda x: x.variance >= step_outcomes(x).direction_variance,
        ),
    ),
    measure=step_gain,
    bound=lambda x: gain_bound(x, mean_batch_lipschitz(x)),
    rounding=_step_rounding,
)
K_STEPS = Claim[SastPath](
    label="5b",
    title="K steps of stochastic SAST, every path",
    source=f"THEORY 5b; {SOURCE}",
    statement="(1/K) sum_{k<K} E|grad f(w_k)|^2 <= 2 (f(w_0) - f*)/(eta K) + L^2 rho^2 + L eta v2.",
    hypotheses=(
        *step_hypotheses(
            lambda x: x.first,
            enumeration.path_radius,
            lambda x: enumeration.path_outcomes(x).gradient_variance,
        ),
        Hypothesis(LOWER_BOUND, lambda x: x.lower <= x.first.family.lower),
    ),
    measure=mean_squared_gradient,
    bound=enumeration.path_bound,
    uses=("5a",),
    rounding=lambda x: (
        2.0 * enumeration.step_rounding(x.first, enumeration.path_radius(x)) / x.first.eta
    ),
)
SEEDED = Claim[SastRuns](
    label="5b-seeded",
    title="K steps of stochastic SAST, many runs",
    source=f"THEORY 5b; {SOURCE}",
    statement="(1/K) sum_{k<K} E|grad f(w_k)|^2 <= 2 (f(w_0) - f*)/(eta K) + L^2 rho^2 + L eta v2; "
    "what is measured is a lower confidence limit of the left side, which fails once in 1e9.",
    hypotheses=(
        *step_hypotheses(
            lambda x: x.path.first, lambda x: np.inf, lambda x: x.path.first.family.spread
        ),
        Hypothesis(LOWER_BOUND, lambda x: x.path.lower <= x.path.first.family.lower),
    ),
    measure=lambda x: lower_confidence_limit(run_averages(x), _cutoff(x)),
    bound=lambda x: enumeration.path_bound(x.path),
    uses=("5a", "5b"),
    rounding=_runs_rounding,
)
UNBIASED = Claim[SastStep](
    label="5c",
    title="why a second minibatch: the step is unbiased, given the first",
    source=f"THEORY 5c; {SOURCE}",
    statement="Given the first minibatch, the mean step of SAST is grad f(w + e).",
    hypotheses=(ONE_STEP_HYPOTHESES[-1],),
    measure=mean_step_error,
    bound=lambda x: ROUNDING,
)
BIAS = Claim[SastStep](
    label="5c-bias",
    title="how far one minibatch for both passes can bias the step",
    source="THEORY 5c (own)",
    statement="|E grad f_B(w + e_B) - E grad f(w + e_B)| <= rho times the mean over minibatches of "
    "the Lipschitz constants of grad f_B - grad f.",
    hypotheses=(),
    measure=one_batch_bias,
    bound=one_batch_bias_bound,
    rounding=lambda x: SUM_ROUNDING * x.family.rounded_terms(x.w, x.rho)[1],
)
CLAIMS = (ONE_STEP, ONE_STEP_SHARP, SHARED_STEP, K_STEPS, SEEDED, UNBIASED, BIAS)
