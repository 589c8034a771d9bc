"""A function of a JAX user's own, its parameters in a tree of any shape."""

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case, ask
from refsast.crosscheck.check import check
from tests.crosscheck.test_adapters import adapter

jax = pytest.importorskip("jax")
jnp = jax.numpy
pytestmark = pytest.mark.slow

NEURON, GAIN = rs.LIF(0.9, 1.0, rs.Logistic(4.0), rs.Subtract()), 3.0
NAMES = {
    "['in']['w']": (0, "w.T"),
    "['in']['b']": (0, "b"),
    "['out'][0]": (1, "w"),
    "['out'][1]": (1, "b"),
}


@pytest.fixture
def case() -> Case:
    rng = np.random.default_rng(0)
    network = rs.Network((3, 4, 2), NEURON, rs.SpikeRate(GAIN))
    x = rng.integers(0, 3, (4, 3, 3)).astype(float)
    return Case(network, rs.init(network, rng), x, rng.integers(0, 2, 3))


def tree(case: Case):
    """Two layers, each stored in its own way."""
    one, two = case.params
    return {"in": {"w": one.w.T, "b": one.b}, "out": (two.w, two.b)}


def loss(params, x, y):
    def layer(currents):
        u = s = jnp.zeros_like(currents[0])
        spikes = []
        for current in currents:
            u = 0.9 * u - s + current
            s = jax.nn.sigmoid(4.0 * (u - 1.0))
            spikes.append(s)
        return jnp.stack(spikes)

    s = layer(x @ params["in"]["w"] + params["in"]["b"])
    s = layer(s @ params["out"][0].T + params["out"][1])
    log_p = jax.nn.log_softmax(GAIN * s.mean(axis=0))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_function_agrees(case, dtype):
    given = adapter("jax").wrap(loss, case, tree(case), names=NAMES, dtype=dtype)

    report = check(given, case)

    assert report.agrees, report
    assert report.dtype == dtype
    assert report.stages[-1].name == "input gradient"


def test_parameters_are_read_from_a_tree(case):
    read = adapter("jax").params_of(tree(case), case.network, NAMES)

    np.testing.assert_array_equal(rs.flatten(read), rs.flatten(case.params))


def test_parameters_are_taken_in_order_without_names(case):
    library, ours = adapter("jax"), [vars(layer) for layer in case.params]
    in_order = [{"0": layer["w"], "1": layer["b"]} for layer in ours]

    def theirs(params, x, y):
        one, two = params
        return loss({"in": {"w": one["0"].T, "b": one["1"]}, "out": (two["0"], two["1"])}, x, y)

    got = ask(library.wrap(theirs, case, in_order).gradient, case)[0]
    want = rs.fast.loss_and_grad(case.network, case.params, case.x, case.y)

    assert got.loss == pytest.approx(want[0], rel=1e-14)
    np.testing.assert_allclose(rs.flatten(got.grads), rs.flatten(want[1]), rtol=1e-11)


def test_a_tree_of_other_shapes_is_refused(case):
    library = adapter("jax")

    with pytest.raises(ValueError, match="in this order or by names, got"):
        library.wrap(loss, case, tree(case))
    with pytest.raises(ValueError, match=r"\['in'\]\['w'\] must have shape \(4, 3\), got \(3, 4\)"):
        library.wrap(loss, case, tree(case), names={**NAMES, "['in']['w']": (0, "w")})
