"""Norms with derivatives: against NumPy's, and by the complex-free judge of differences."""

import numpy as np
from hypothesis import given

from proofs_check import norms
from refsast.autodiff import value_and_grad
from refsast.testing import directions


def _slope(f, m, d):
    """A central difference of fourth order."""
    h = 1e-3
    near, far = (f(m + k * h * d) - f(m - k * h * d) for k in (1, 2))
    return (8.0 * near - far) / (12.0 * h)


def _agrees(f, m, d):
    value, (grad,) = value_and_grad(f, m)
    np.testing.assert_allclose(value, f(m), rtol=1e-14)
    np.testing.assert_allclose(np.sum(grad * d), _slope(f, m, d), rtol=1e-6, atol=1e-7)


@given(directions((3, 4)), directions((3, 4)))
def test_the_spectral_norm(m, d):
    np.testing.assert_allclose(norms.spectral_norm(m), np.linalg.norm(m, 2), rtol=1e-14)
    _agrees(norms.spectral_norm, m + 3.0 * np.eye(3, 4), d)


@given(directions((3, 3)), directions((3, 3)))
def test_the_top_eigenvalue(m, d):
    form, along = m + m.T + np.diag([0.0, 5.0, 20.0]), d + d.T

    np.testing.assert_allclose(norms.top_eigenvalue(form), np.linalg.eigvalsh(form)[-1], rtol=1e-14)
    _agrees(norms.top_eigenvalue, form, along)


@given(directions((2, 3)), directions((2, 3)))
def test_the_length_of_blocks(a, d):
    joined = np.sqrt((a * a).sum() + (d * d).sum())

    np.testing.assert_allclose(norms.euclidean_norm(a, d), joined, rtol=1e-15)
    np.testing.assert_allclose(
        norms.euclidean_norm(1e-300 * a), 1e-300 * np.linalg.norm(a), rtol=1e-14
    )
    assert norms.euclidean_norm(0.0 * a) == 0.0
    _agrees(norms.euclidean_norm, a, d)


@given(directions(4), directions(4))
def test_largest_outer_symmetric_and_inner(a, b):
    assert norms.max_magnitude(a) == np.abs(a).max()
    np.testing.assert_array_equal(norms.outer(a, b), np.outer(a, b))
    np.testing.assert_array_equal(norms.symmetric_outer(a, b), norms.symmetric_outer(b, a))
    np.testing.assert_allclose(
        a @ norms.symmetric_outer(a, b) @ b, 0.5 * ((a @ a) * (b @ b) + (a @ b) ** 2)
    )
    np.testing.assert_allclose(
        norms.inner_product((a, b), (b, a)), 2.0 * (a @ b), rtol=1e-13, atol=1e-14
    )


@given(directions((2, 2)))
def test_a_gradient_of_a_gradient(m):
    def cubic(x):
        return np.sum(x * x * x)

    (grad,) = value_and_grad(lambda x: np.sum(norms.gradient(cubic, x)[0]), m)[1]
    np.testing.assert_allclose(grad, 6.0 * m, rtol=1e-14)
