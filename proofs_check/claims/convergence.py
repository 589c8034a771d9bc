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

import numpy as np

import refsast as rs
from proofs_check.claim import ROUNDING, Claim, Hypothesis
from proofs_check.claims.stability import EPS, SOURCE
from proofs_check.descent.enumeration import (
    ULPS,
    Path,
    Step,
    direction_variance,
    end_points,
    max_variance,
    path_bound,
    path_outcomes,
    path_radius,
    step_outcomes,
    step_radius,
    step_rounding,
)
from proofs_check.descent.finite_sum import difference_lipschitz
from proofs_check.descent.runs import CUTOFF, Runs, lower_confidence_limit, run_averages
from proofs_check.norms import euclidean_norm
from refsast.arrays import Array

SMOOTH = "f is L-smooth on a ball that holds every point visited"
SMALL = "eta <= 1/L"
NOISE = "the variance of a minibatch gradient at the points w + e is at most v2"
INDEPENDENT = "the second minibatch is independent of the first"
LOWER_BOUND = "f >= f*"


def is_smooth(x: Step, radius: float) -> bool:
    """Whether L is certified on the ball of that radius about `w`, and known at all."""
    return x.family.lipschitz(x.w, radius) <= x.lipschitz < np.inf


def is_small_step(x: Step) -> bool:
    """Whether eta is at most 1/L."""
    return x.eta <= 1.0 / x.lipschitz


def squared_norm(a: Array) -> float:
    """Return the square of the Euclidean norm."""
    return float(a @ a)


def step_gain(x: Step) -> float:
    """Return ``E f(w+) - f(w) + (eta/2) |grad f(w)|^2``."""
    f = x.family.mean
    after = np.mean([f.value_and_grad(w)[0] for w in end_points(x)])
    return float(after - step_outcomes(x).value + 0.5 * x.eta * squared_norm(step_outcomes(x).grad))


def sharp_step_gain(x: Step) -> float:
    """Return the same plus ``(eta/2) (1 - L eta) E |grad f(w~)|^2``."""
    f = x.family.mean
    steep = np.mean([squared_norm(f.value_and_grad(w)[1]) for w in step_outcomes(x).raised])
    return step_gain(x) + float(0.5 * x.eta * (1.0 - x.lipschitz * x.eta) * steep)


def gain_bound(x: Step, bend: float) -> float:
    """Return ``eta bend^2 rho^2/2 + L eta^2 v2/2``."""
    return 0.5 * x.eta * ((bend * x.rho) ** 2 + x.lipschitz * x.eta * x.variance)


def mean_batch_lipschitz(x: Step) -> float:
    """Return Lbar, the mean over minibatches of their Lipschitz constants."""
    radius = step_radius(x)
    return float(np.mean([b.lipschitz(x.w, radius) for b in x.family.batches()]))


def mean_step_error(x: Step) -> Array:
    """Return how far the library's mean step is from grad f(w + e), relatively, by B1."""
    batches, f = x.family.batches(), x.family.mean
    size = x.family.sizes(x.w, step_radius(x))[1]

    def of(first: int) -> float:
        one = batches[first].value_and_grad
        others = (None,) if x.shared else tuple(b.value_and_grad for b in batches)
        steps = [rs.sam.gradient(one, x.w, rho=x.rho, second=two) for two in others]
        return float(euclidean_norm(np.mean(steps, axis=0) - f.value_and_grad(raised[first])[1]))

    raised = step_outcomes(x).raised
    return np.array([of(i) for i in range(len(batches))]) / (size if size > 0.0 else 1.0)


def one_batch_bias(x: Step) -> float:
    """Return ``|E g_B(w + e_B) - E grad f(w + e_B)|``."""
    f, seen = x.family.mean, step_outcomes(x)
    plain = np.mean([f.value_and_grad(w)[1] for w in seen.raised], axis=0)
    same = np.arange(len(seen.raised))
    return float(euclidean_norm(seen.slopes[same, same].mean(axis=0) - plain))


def one_batch_bias_bound(x: Step) -> float:
    """Return rho times the mean Lipschitz constant of ``grad f_B - grad f``."""
    f = x.family.mean
    return x.rho * float(
        np.mean([difference_lipschitz(b, f, x.w, x.rho) for b in x.family.batches()])
    )


def mean_squared_gradient(x: Path) -> float:
    """Return the mean over k < K of ``E |grad f(w_k)|^2``."""
    return float(np.mean([np.square(g).sum(axis=1).mean() for g in path_outcomes(x).grads]))


def _step_rounding(x: Step) -> float:
    """How far rounding moves the two sides of 5a."""
    return step_rounding(x, step_radius(x)) * max(1.0, x.lipschitz * x.eta)


ONE_STEP_HYPOTHESES = (
    Hypothesis[Step](SMOOTH, lambda x: is_smooth(x, step_radius(x))),
    Hypothesis[Step](SMALL, is_small_step),
    Hypothesis[Step](NOISE, lambda x: x.variance >= max_variance(step_outcomes(x).slopes)),
    Hypothesis[Step](INDEPENDENT, lambda x: not x.shared),
)
ONE_STEP = Claim[Step](
    label="5a",
    title="one step of stochastic SAST, every pair of minibatches",
    source=f"THEORY 5a; {SOURCE}",
    says="E f(w+) <= f(w) - (eta/2) |grad f(w)|^2 + eta L^2 rho^2/2 + L eta^2 v2/2.",
    hypotheses=ONE_STEP_HYPOTHESES,
    measure=step_gain,
    bound=lambda x: gain_bound(x, x.lipschitz),
    rounding=_step_rounding,
)
ONE_STEP_SHARP = Claim[Step](
    label="5a-sharp",
    title="the same for any eta, with nothing left out",
    source="THEORY 5a, sharpened here",
    says="E f(w+) <= f(w) - (eta/2) |grad f(w)|^2 - (eta/2) (1 - L eta) E|grad f(w + e)|^2 "
    "+ eta L^2 rho^2/2 + L eta^2 v2/2, for every eta > 0.",
    hypotheses=tuple(h for h in ONE_STEP_HYPOTHESES if h.says != SMALL),
    measure=sharp_step_gain,
    bound=lambda x: gain_bound(x, x.lipschitz),
    rounding=_step_rounding,
)
SHARED_STEP = Claim[Step](
    label="5a-shared",
    title="one step, with a second minibatch or without",
    source="THEORY 5c (own)",
    says="With B2 = B1 or not, E f(w+) <= f(w) - (eta/2) |grad f(w)|^2 + eta Lbar^2 rho^2/2 "
    "+ L eta^2 v2/2, Lbar the mean Lipschitz constant of the minibatch gradients.",
    hypotheses=(
        *ONE_STEP_HYPOTHESES[:2],
        Hypothesis(
            "the variance of the step's direction is at most v2",
            lambda x: x.variance >= direction_variance(x),
        ),
    ),
    measure=step_gain,
    bound=lambda x: gain_bound(x, mean_batch_lipschitz(x)),
    rounding=_step_rounding,
)
K_STEPS = Claim[Path](
    label="5b",
    title="K steps of stochastic SAST, every path",
    source=f"THEORY 5b; {SOURCE}",
    says="(1/K) sum_{k<K} E|grad f(w_k)|^2 <= 2 (f(w_0) - f*)/(eta K) + L^2 rho^2 + L eta v2.",
    hypotheses=(
        Hypothesis(
            SMOOTH,
            lambda x: is_smooth(x.first, path_radius(x)),
        ),
        Hypothesis(SMALL, lambda x: is_small_step(x.first)),
        Hypothesis(NOISE, lambda x: x.first.variance >= path_outcomes(x).noise),
        Hypothesis(INDEPENDENT, lambda x: not x.first.shared),
        Hypothesis(LOWER_BOUND, lambda x: x.lower <= x.first.family.lower),
    ),
    measure=mean_squared_gradient,
    bound=path_bound,
    uses=("5a",),
    rounding=lambda x: 2.0 * step_rounding(x.first, path_radius(x)) / x.first.eta,
)
SEEDED = Claim[Runs](
    label="5b-seeded",
    title="K steps of stochastic SAST, many runs",
    source=f"THEORY 5b; {SOURCE}",
    says="(1/K) sum_{k<K} E|grad f(w_k)|^2 <= 2 (f(w_0) - f*)/(eta K) + L^2 rho^2 + L eta v2; what "
    "is measured is a lower confidence limit of the left side, which fails once in 1e9.",
    hypotheses=(
        Hypothesis(
            SMOOTH,
            lambda x: is_smooth(x.path.first, np.inf),
        ),
        Hypothesis(SMALL, lambda x: is_small_step(x.path.first)),
        Hypothesis(NOISE, lambda x: x.path.first.variance >= x.path.first.family.spread),
        Hypothesis(INDEPENDENT, lambda x: not x.path.first.shared),
        Hypothesis(LOWER_BOUND, lambda x: x.path.lower <= x.path.first.family.lower),
    ),
    measure=lambda x: lower_confidence_limit(
        run_averages(x), CUTOFF * max(path_bound(x.path), 0.0)
    ),
    bound=lambda x: path_bound(x.path),
    uses=("5a", "5b"),
    rounding=lambda x: 2.0 * step_rounding(x.path.first, 0.0) / x.path.first.eta,
)
UNBIASED = Claim[Step](
    label="5c",
    title="why a second minibatch: the step is unbiased, given the first",
    source=f"THEORY 5c; {SOURCE}",
    says="Given the first minibatch, the mean step of SAST is grad f(w + e).",
    hypotheses=(ONE_STEP_HYPOTHESES[-1],),
    measure=mean_step_error,
    bound=lambda x: ROUNDING,
)
BIAS = Claim[Step](
    label="5c-bias",
    title="how far one minibatch for both passes can bias the step",
    source="THEORY 5c (own)",
    says="|E grad f_B(w + e_B) - E grad f(w + e_B)| <= rho times the mean over minibatches of the "
    "Lipschitz constants of grad f_B - grad f.",
    hypotheses=(),
    measure=one_batch_bias,
    bound=one_batch_bias_bound,
    rounding=lambda x: ULPS * EPS * x.family.sizes(x.w, x.rho)[1],
)
CLAIMS = (ONE_STEP, ONE_STEP_SHARP, SHARED_STEP, K_STEPS, SEEDED, UNBIASED, BIAS)
