"""Rounding of weights as Sinabs does it for DYNAP-CNN chips."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import refsast as rs

torch = pytest.importorskip("torch")
sinabs = pytest.importorskip("sinabs")
# The package around the module wants a chip's driver, the module does not.
PLACE = Path(sinabs.__file__).parent / "backend/dynapcnn/discretize.py"
SPEC = spec_from_file_location("discretize", PLACE)
discretize = module_from_spec(SPEC)
SPEC.loader.exec_module(discretize)


def sinabs_integers(w):
    tensor = torch.from_numpy(w)
    scale = discretize.determine_discretization_scale(tensor, 8)
    return discretize.discretize_tensor(tensor, scale).numpy()


def our_integers(w):
    weights = rs.deploy.WeightFormat(8, "tensor")
    return weights.quantise(w, weights.scales(w), None)


def test_the_integers_are_those_of_sinabs_where_the_largest_weight_is_positive():
    w = np.random.default_rng(0).normal(size=(30, 40))
    w[3, 5] = 5.0

    assert np.array_equal(our_integers(w), sinabs_integers(w))


def test_where_it_is_negative_sinabs_uses_minus_128_too():
    w = np.random.default_rng(0).normal(size=(30, 40))
    w[3, 5] = -5.0

    assert (our_integers(w).min(), sinabs_integers(w).min()) == (-127, -128)
    assert abs(our_integers(w) - sinabs_integers(w)).max() == 1
