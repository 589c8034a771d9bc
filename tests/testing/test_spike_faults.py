"""What `spike_faults` sees, planted one by one, and that it says nothing of right spikes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import refsast as rs
from refsast.testing import SURROGATES, spike_faults


@dataclass(frozen=True)
class Sigmoid:
    """A logistic spike whose parts can be exchanged."""

    slope: float = 2.0
    scale: float = 1.0  # of the value
    back: float = 1.0  # of the derivative
    sup_derivative: float = np.inf

    def __call__(self, v):
        return (self.scale / (1.0 + np.exp(-self.slope * np.clip(v, -100, 100)))).astype(v.dtype)

    def derivative(self, v):
        s = self(v) / self.scale
        return self.back * self.scale * self.slope * s * (1.0 - s)


@pytest.mark.parametrize("slope", [0.01, 0.3, 2.0, 50.0, 5000.0])
@pytest.mark.parametrize("family", SURROGATES)
def test_ours_have_none(family, slope):
    assert spike_faults(family(slope)) == ()


@pytest.mark.parametrize("slope", [0.3, 2.0, 50.0])
def test_a_right_one_of_somebody_else_has_none(slope):
    assert spike_faults(Sigmoid(slope, sup_derivative=slope / 4.0)) == ()


@pytest.mark.parametrize("slope", [0.3, 2.0, 500.0])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scale": 1.1}, "values must lie in [0, 1]"),
        ({"scale": -1.0}, "values must never fall"),
        ({"back": 1.01}, "derivative must be the derivative"),
        ({"sup_derivative": 0.01}, "sup_derivative must be at least"),
    ],
)
def test_a_planted_fault_is_said(change, says, slope):
    faults = spike_faults(replace(Sigmoid(slope), **change))

    assert any(fault.startswith(says) for fault in faults)


def test_an_overflow_is_told_from_a_fall():
    class Algebraic:
        def __call__(self, v):
            return (0.5 + 0.5 * v / np.sqrt(1.0 + v * v)).astype(v.dtype)

    assert "(overflow? clip the argument)" in spike_faults(Algebraic())[0]
    assert "overflow" not in spike_faults(replace(Sigmoid(2.0), scale=-1.0))[1]


def test_a_wrong_second_derivative_is_said():
    class Wrong(rs.Arctan):
        def second(self, v):
            return -super().second(v)

    (fault,) = spike_faults(Wrong(2.0))

    assert fault.startswith("second must be the derivative")


def test_shapes_dtypes_and_what_is_missing_are_said():
    assert "float32" in spike_faults(lambda v: np.asarray(rs.Arctan(2.0)(v), np.float64))[0]
    assert "shape" in spike_faults(lambda v: np.float32(0.5))[-1]
    assert "got none" in spike_faults(rs.heaviside)[0]
    assert "finite" in spike_faults(lambda v: np.where(v > 1e299, np.nan, 0.5).astype(v.dtype))[0]
