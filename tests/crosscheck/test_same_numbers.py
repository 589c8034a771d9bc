"""Two causes of the same gradients: both are named, and the place is not known."""

import numpy as np
import pytest

import refsast as rs
from tests.crosscheck.blind.hand import Hand


class ErrorOverSteps(Hand):
    """The mean over steps is not differentiated: the adjoints of all spiking layers times T."""

    def back_alpha(self):
        return self.time * self.alpha()


class GradientsOverSteps(Hand):
    """The adjoints are right; the spiking layers' gradients are summed, then multiplied by T."""

    def finish(self):
        for layer in self.grads[: self.depth]:
            layer.update({name: self.time * array for name, array in layer.items()})


class LastStepAlone(Hand):
    """The error of the logits reaches the spikes of the last step alone."""

    def back_alpha(self):
        return self.alpha() * (np.arange(1, self.time + 1) == self.time)


def draw_case(steps: int = 5) -> rs.Case:
    network = rs.Network((4, 5, 3), rs.LIF(0.8, 0.7, rs.Arctan(2.0), rs.Subtract()),
                         rs.LinearReadout(3))  # fmt: skip
    rng = np.random.default_rng(3)
    params = rs.init(network, rng)
    return rs.Case(network, params, rng.random((steps, 4, 4)), rng.integers(0, 3, 4))


@pytest.mark.parametrize("fault", [ErrorOverSteps, GradientsOverSteps])
def test_a_factor_of_adjoints_and_one_of_sums_are_not_told_apart(fault):
    case = draw_case()

    report = rs.check(fault(case.network, np.dtype(np.float64)), case)

    said = "; ".join((report.cause.says, *report.cause.others))
    assert "what the readout gives to spikes multiplied by 5, the number of steps" in said
    assert "the layer's gradients multiplied by 5, the number of steps" in said
    assert report.first.what == "not known"
    assert "adjoint of layer 2" in str(report.first)
    assert "gradient of layer 2" in str(report.first)


def test_what_is_discounted_by_nothing_is_said_in_words():
    case = draw_case()

    report = rs.check(LastStepAlone(case.network, np.dtype(np.float64)), case)

    said = (report.cause.says, *report.cause.others)
    assert "with what the readout gives to the spikes of the last step alone" in said
    assert "adjoint of layer 2, step 4" in str(report.first)
