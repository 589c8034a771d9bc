"""A second opinion in Arb: spikes from their definitions alone, derivatives by its power series.

Rule 1: no formula of a derivative is written here, and nothing of the room is called.
Rule 2: a half-line at a time, and for PiecewiseQuadratic a piece of it, so that no ball lies across
        a jump. A ball belongs to the piece that its middle is in.
"""

import heapq
import itertools
import math

import pytest

import refsast as rs

flint = pytest.importorskip("flint")
flint.ctx.prec = 160  # bits
TERMS = 5


def ball(lower, upper=None):
    """Return the number, or the ball of the numbers between two."""
    return flint.arb(lower) if upper is None else flint.arb(lower).union(flint.arb(upper))


def arccot(x):
    """Return the arccotangent of a number that is not negative."""
    return (1 / x).atan() if x > 1 else flint.arb.pi() / 2 - x.atan()


def of_sigma(spike, v, side):
    """Return sigma and its derivatives up to the fourth at v, the limits from its half-line."""
    return _derivatives(_sigma(spike, flint.arb_series([v, 1], TERMS), side))


def of_map(neuron, v, side):
    """Return g and its derivatives up to the fourth at threshold + v."""
    leak, threshold, reset = ball(neuron.leak), ball(neuron.threshold), neuron.reset
    v = flint.arb_series([v, 1], TERMS)
    s, u = _sigma(neuron.spike, v, side), threshold + v
    if isinstance(reset, rs.ToZero):
        return _derivatives(leak * u * (1 - s))
    if isinstance(reset, rs.Subtract):
        return _derivatives(
            leak * (u - threshold * s) if reset.leaked else leak * u - threshold * s
        )
    return _derivatives(leak * u)


def _sigma(spike, v, side):
    """Sigma of a power series by the definition, with abs(v) = side v."""
    z = ball(spike.slope) * v
    if isinstance(spike, rs.Arctan):
        return ball(0.5) + (flint.arb.pi() * z / 2).atan() / flint.arb.pi()
    if isinstance(spike, rs.Logistic):
        e = (-side * z).exp()  # at most 1, however large the ball
        return 1 / (1 + e) if side > 0 else e / (1 + e)
    if isinstance(spike, rs.Algebraic):
        return (1 + z / (1 + z * z).sqrt()) / 2
    if isinstance(spike, rs.FastSigmoid):
        return (1 + z / (1 + side * z)) / 2
    if side * float(z[0].mid()) > 1.0:
        return flint.arb_series([(1 + side) // 2], TERMS)
    return ball(0.5) + z - side * z * z / 2


def _derivatives(series):
    return [series[n] * math.factorial(n) for n in range(TERMS)]


def supremum(functions, edges, rel):
    """Return two doubles between which the largest value of all functions between edges lies.

    A function takes a ball and returns those of its values and of its slopes there. The ball most
    promising is cut in two until none promises more than `rel` of the best value.
    """
    best, boxes = -math.inf, []

    def consider(f, low, high):
        nonlocal best
        middle = f(ball((low + high) / 2))[0]
        best = max(best, float(middle.lower()))
        heapq.heappush(boxes, (-_upper(f, middle, low, high), len(boxes), f, low, high))

    for f, (low, high) in itertools.product(functions, itertools.pairwise(edges)):
        consider(f, low, high)
    while -boxes[0][0] > best + rel * abs(best):
        _, _, f, low, high = heapq.heappop(boxes)
        consider(f, low, (low + high) / 2)
        consider(f, (low + high) / 2, high)
    return best, -boxes[0][0]


def _upper(f, middle, low, high):
    """Upper end of f over a ball, by the mean-value theorem if that is less than what Arb says.

    Infinite where Arb gives up, for a divisor that may be zero.
    """
    try:
        value, slope = f(ball(low, high))
    except ValueError:
        return math.inf
    ends = (value, middle + slope * (ball(low, high) - (low + high) / 2))
    return min(math.inf if math.isnan(x) else x for x in (float(end.upper()) for end in ends))
