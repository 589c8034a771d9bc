"""The projection onto caps on spectral norms, from the properties that define it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import refsast as rs
from refsast.model.params import layer_arrays
from refsast.model.spectral import _spectral_norm
from refsast.testing import arrays, min_examples, networks, parameters, seeds

CAPS = st.sampled_from((None, 0.0, 0.5, 1.0)) | st.floats(1e-3, 4.0)


@st.composite
def capped(draw):
    """A network, parameters of either precision, and three caps."""
    network = draw(networks())
    params = draw(parameters(network))
    if draw(st.booleans()):
        params = rs.unflatten(network, rs.flatten(params).astype(np.float32))
    return network, params, {name: draw(CAPS) for name in ("w", "v", "readout")}


def pairs(network, params, caps):
    """Every matrix with its cap, written out once more."""
    spiking = len(network.sizes) - 1
    for i, layer in enumerate(params):
        yield layer.w, caps["w"] if i < spiking else caps["readout"]
        if layer.v is not None:
            yield layer.v, caps["v"]


def norm(matrix):
    return np.linalg.norm(matrix.astype(np.float64), 2)


@given(st.tuples(st.integers(1, 5), st.integers(1, 7)).flatmap(arrays), st.integers(-200, 200))
def test_the_norm_is_the_largest_singular_value_at_any_scale(matrix, power):
    assert _spectral_norm(matrix) == pytest.approx(norm(matrix), rel=1e-14)
    assert _spectral_norm(matrix * 2.0**power) == _spectral_norm(matrix) * 2.0**power
    assert _spectral_norm(matrix.T) == pytest.approx(_spectral_norm(matrix), rel=1e-14)


@given(capped())
def test_caps_are_kept_and_what_is_within_them_is_not_touched(drawn):
    network, params, caps = drawn

    inside = rs.project(network, params, **caps)

    for (old, cap), (new, _) in zip(
        pairs(network, params, caps), pairs(network, inside, caps), strict=True
    ):
        assert new.dtype == old.dtype
        assert cap is None or norm(new) <= cap
        if cap is None or norm(old) <= cap * (1.0 - 1e-12):
            assert new is old
    assert all(a.b is b.b for a, b in zip(params, inside, strict=True))


@given(capped())
def test_a_second_time_changes_nothing(drawn):
    network, params, caps = drawn
    once = rs.project(network, params, **caps)

    twice = rs.project(network, once, **caps)

    for a, b in zip(once, twice, strict=True):
        assert all(layer_arrays(b)[name] is array for name, array in layer_arrays(a).items())


@given(capped(), seeds())
@min_examples(200)
def test_no_other_point_within_the_caps_is_nearer(drawn, seed):
    """The obtuse angle: ``<a - proj(a), z - proj(a)> <= 0`` for every z within the caps."""
    network, params, caps = drawn
    rng = np.random.default_rng(seed)
    inside = rs.project(network, params, **caps)

    for (old, cap), (new, _) in zip(
        pairs(network, params, caps), pairs(network, inside, caps), strict=True
    ):
        if cap is None:
            continue
        old, new = old.astype(np.float64), new.astype(np.float64)
        other = rng.standard_normal(old.shape) + new * rng.uniform(0.0, 3.0)
        other *= cap * rng.choice([1.0, rng.random()]) / max(norm(other), 1e-300)
        scale = np.linalg.norm(old) + cap
        slack = 1e-5 if params[0].w.dtype == np.float32 else 1e-12
        assert np.sum((old - new) * (other - new)) <= slack * scale**2


def test_scaling_the_whole_matrix_is_not_the_nearest():
    """What a planted error would do: the check above must tell them apart."""
    network = rs.Network((2, 2), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0), bias=False)
    a = np.diag([2.0, 0.5])

    (layer,) = rs.project(network, (rs.Layer(a),), w=1.0)

    np.testing.assert_allclose(layer.w, np.diag([1.0, 0.5]), rtol=1e-14)
    assert np.linalg.norm(a - layer.w) < np.linalg.norm(a - a / 2.0)
    assert np.sum((a - a / 2.0) * (layer.w - a / 2.0)) > 0.06


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(200, 16), (16, 200)])
@pytest.mark.parametrize("cap", [0.0, 1e-6, 0.7])
def test_wide_and_tall_matrices_are_clipped_as_their_decomposition_says(dtype, sizes, cap):
    network = rs.Network(sizes, rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))
    drawn = rs.init(network, np.random.default_rng(0))
    params = rs.unflatten(network, rs.flatten(drawn).astype(dtype))
    u, s, z = np.linalg.svd(params[0].w.astype(np.float64), full_matrices=False)

    (layer,) = rs.project(network, params, w=cap)

    nearest = (u * np.minimum(s, cap)) @ z
    np.testing.assert_allclose(layer.w, nearest, atol=100 * cap * np.finfo(dtype).eps)


def test_bad_caps_and_parameters_are_refused():
    network = rs.Network((2, 2), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0))
    params = rs.init(network, np.random.default_rng(0))

    for name in ("w", "v", "readout"):
        for cap in (-1.0, np.nan, np.inf):
            with pytest.raises(ValueError, match=f"^{name} must be finite and not negative, got"):
                rs.project(network, params, **{name: cap})
        with pytest.raises(ValueError, match=f"^{name} must be a number, got True"):
            rs.project(network, params, **{name: True})
    with pytest.raises(ValueError, match=r"^params must be real, got dtype complex128$"):
        rs.project(network, rs.unflatten(network, rs.flatten(params) + 1j), w=1.0)
    with pytest.raises(ValueError, match=r"^params must have 1 layers, got 2$"):
        rs.project(network, params * 2, w=1.0)


def test_a_matrix_of_just_that_norm_is_within_the_cap():
    network = rs.Network((2, 2), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.diag([2.0, 1.0])),)

    assert rs.project(network, params, w=2.0)[0].w is params[0].w
    assert rs.project(network, params, w=np.nextafter(2.0, 0.0))[0].w is not params[0].w


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 8), (40, 60)])
def test_rounding_lifts_no_norm_above_its_cap(shape, dtype):
    neuron = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
    network = rs.Network((shape[1], shape[0]), neuron, rs.SpikeRate(1.0), bias=False)
    for seed in range(20):
        w = np.random.default_rng(seed).normal(size=shape).astype(dtype)

        (inside,) = rs.project(network, (rs.Layer(w),), w=0.3)

        assert norm(inside.w) <= 0.3
