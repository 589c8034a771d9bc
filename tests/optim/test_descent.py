"""Descent methods against their formulae, step by step, and against PyTorch's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsast.optim import descent
from refsast.testing import directions, min_examples

STEPS = 20
rates, memories, decays = st.floats(1e-3, 1.0), st.floats(0.0, 0.999), st.floats(0.0, 0.5)
factors = st.floats(0.0, 1.0)


def path(method, w, grads, factor=1.0):
    """Return where the method goes with these gradients, and its last state."""
    state, points = method.init(w), []
    for grad in grads:
        grad.flags.writeable = w.flags.writeable = False
        for array in state:
            if isinstance(
                array, np.ndarray
            ):  # a count may be a NumPy scalar, which nobody can write
                array.flags.writeable = False
        state, w = method.update(state, w, grad, factor)
        points.append(w)
    return np.array(points), state


@given(directions(3), directions((STEPS, 3)), rates, factors, memories, decays)
@min_examples(100)
def test_sgd_is_its_formula(w, grads, rate, factor, momentum, decay):
    method = descent.sgd(learning_rate=rate, momentum=momentum, weight_decay=decay)

    points, state = path(method, w, grads, factor)

    for i in range(3):
        at, m = float(w[i]), 0.0
        for k in range(STEPS):
            m = momentum * m + grads[k, i]
            at = at - factor * rate * (m + decay * at)
            assert points[k, i] == pytest.approx(at, rel=1e-12, abs=1e-12)
        assert state[0][i] == pytest.approx(m, rel=1e-12, abs=1e-13)
    assert len(state) == 1


@given(directions(3), directions((STEPS, 3)), rates, factors, memories, memories, decays)
@min_examples(100)
def test_adam_is_its_formula(w, grads, rate, factor, beta1, beta2, decay):
    method = descent.adam(
        learning_rate=rate, beta1=beta1, beta2=beta2, epsilon=1e-4, weight_decay=decay
    )

    points, state = path(method, w, grads, factor)

    for i in range(3):
        at, m, v = float(w[i]), 0.0, 0.0
        for k in range(STEPS):
            g = float(grads[k, i])
            m = beta1 * m + (1.0 - beta1) * g
            v = beta2 * v + (1.0 - beta2) * g * g
            mhat, vhat = m / (1.0 - beta1 ** (k + 1)), v / (1.0 - beta2 ** (k + 1))
            at = at - factor * rate * (mhat / (math.sqrt(vhat) + 1e-4) + decay * at)
            assert points[k, i] == pytest.approx(at, rel=1e-11, abs=1e-11)
        assert state[0][i] == pytest.approx(m, rel=1e-11, abs=1e-13)
        assert state[1][i] == pytest.approx(v, rel=1e-11, abs=1e-13)
    assert (len(state), int(state[2])) == (3, STEPS)


def test_plain_descent_is_one_subtraction():
    method = descent.sgd(learning_rate=0.5, momentum=0.0, weight_decay=0.0)

    (moved,), _ = path(method, np.array([1.0, 2.0]), np.array([[2.0, -4.0]]))

    assert moved.tolist() == [0.0, 4.0]


def test_the_first_step_of_adam_has_the_length_of_the_rate():
    method = descent.adam(
        learning_rate=0.1, beta1=0.9, beta2=0.999, epsilon=1e-300, weight_decay=0.0
    )

    (moved,), _ = path(method, np.zeros(3), np.array([[1e-5, -3.0, 0.0]]))

    assert moved == pytest.approx([-0.1, 0.1, 0.0], rel=1e-12)


METHODS = [
    descent.sgd(learning_rate=0.1, momentum=0.9, weight_decay=0.01),
    descent.adam(learning_rate=0.1, beta1=0.9, beta2=0.99, epsilon=1e-8, weight_decay=0.01),
]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_steps_give_the_same_bits_and_a_path_can_be_cut(method):
    rng = np.random.default_rng(0)
    w, grads = rng.normal(size=4), rng.normal(size=(8, 4))
    whole, last = path(method, w, grads)
    first, state = path(method, w, grads[:3])

    at = first[-1]
    for grad in grads[3:]:
        state, at = method.update(state, at, grad, 1.0)

    assert at.tobytes() == whole[-1].tobytes()
    assert [a.tobytes() for a in state] == [a.tobytes() for a in last]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", [*METHODS, descent.projected(METHODS[0], np.abs, says="abs")])
def test_written_in_place_are_the_same_bits_in_the_same_arrays(method, dtype, monkeypatch):
    rng = np.random.default_rng(0)
    w, grads = rng.normal(size=10).astype(dtype), rng.normal(size=(8, 10)).astype(dtype)
    want, last = path(method, w, grads, factor=0.5)
    for module in ("method", "descent"):  # so that there are several blocks, and threads
        monkeypatch.setattr(f"refsast.optim.{module}.BLOCK_SIZE", 3 - (module == "method"))
    monkeypatch.setattr("refsast.cores.thread_count", lambda: 3)
    own = w.copy()
    state = method.init(own)
    arrays = (own, *state)

    for grad in grads:
        method.update_in_place(state, own, grad, 0.5)

    assert own.tobytes() == want[-1].tobytes()
    assert [a.tobytes() for a in state] == [a.tobytes() for a in last]
    assert all(a is b for a, b in zip(arrays, (own, *state), strict=True))


def adam_with_new_arrays(m, v, k, w, grad, decay):
    m = 0.9 * m + (1.0 - 0.9) * grad
    v = 0.99 * v + (1.0 - 0.99) * (grad * grad)
    move = m / (1.0 - 0.9**k) / (np.sqrt(v / (1.0 - 0.99**k)) + 1e-8)
    return w - 0.5 * 0.1 * (move + decay * w if decay else move)


def sgd_with_new_arrays(m, w, grad, decay):
    return w - 0.5 * 0.1 * (0.9 * m + grad + decay * w)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("k", [1, 100, 170, 5000])  # of 170, 0.9^k is still seen in float64 only
def test_without_new_arrays_a_step_has_the_bits_that_it_has_with_them(k, decay, dtype):
    w, m, v, grad = np.random.default_rng(k).normal(size=(4, 100)).astype(dtype)
    v, count = v * v, np.array(k - 1.0)
    plain = descent.sgd(learning_rate=0.1, momentum=0.9, weight_decay=decay)
    adam = descent.adam(learning_rate=0.1, beta1=0.9, beta2=0.99, epsilon=1e-8, weight_decay=decay)

    _, by_sgd = plain.update((m,), w, grad, 0.5)
    _, by_adam = adam.update((m, v, count), w, grad, 0.5)

    assert by_sgd.tobytes() == sgd_with_new_arrays(m, w, grad, decay).tobytes()
    assert by_adam.tobytes() == adam_with_new_arrays(m, v, k, w, grad, decay).tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(method, dtype):
    points, _ = path(method, np.ones(2, dtype), np.ones((2, 2), dtype))

    assert points.dtype == dtype


@pytest.mark.slow
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_twenty_steps_of_pytorch(name, decay):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    w, grads = rng.normal(size=5), rng.normal(size=(STEPS, 5))
    leaf = torch.tensor(w.copy(), requires_grad=True)
    if name == "sgd":  # its weight decay is coupled: added to the gradient before the momentum
        method = descent.sgd(learning_rate=0.1, momentum=0.9, weight_decay=0.0)
        theirs = torch.optim.SGD([leaf], lr=0.1, momentum=0.9)
    else:
        method = descent.adam(
            learning_rate=0.1, beta1=0.9, beta2=0.99, epsilon=1e-8, weight_decay=decay
        )
        theirs = torch.optim.AdamW([leaf], lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=decay)

    points, _ = path(method, w, grads)

    for grad, point in zip(grads, points, strict=True):
        leaf.grad = torch.tensor(grad.copy())
        theirs.step()
        # They decay w before the step, here both are taken at once: the same to rounding.
        assert point == pytest.approx(leaf.detach().numpy(), rel=1e-12, abs=1e-13)


def test_projected_descent_takes_the_step_and_then_projects():
    plain = descent.sgd(learning_rate=0.5, momentum=0.5, weight_decay=0.0)
    method = descent.projected(plain, lambda w: np.clip(w, -1.0, 1.0), says="|w| <= 1")

    points, state = path(method, np.array([0.5, 0.0]), np.array([[-4.0, 1.0], [1.0, 0.0]]))

    assert points.tolist() == [[1.0, -0.5], [1.0, -0.75]]  # 2.5 -> 1; then 1 + 0.5 -> 1
    assert state[0].tolist() == [-1.0, 0.5]  # the momentum is that of the plain method
    assert method.description == f"{plain.description}, then |w| <= 1"


def test_schedules():
    assert [descent.constant(k / 4) for k in range(4)] == [1.0] * 4
    assert descent.cosine(0.0) == 1.0
    assert descent.cosine(0.5) == pytest.approx(0.5, rel=1e-15)
    assert descent.cosine(1.0 / 3.0) == pytest.approx(0.75, rel=1e-15)
    assert descent.cosine(1.0) == pytest.approx(0.0, abs=1e-15)
    assert [descent.late_linear(share) for share in (0.0, 0.5, 0.75)] == [1.0] * 3
    assert descent.late_linear(0.875) == pytest.approx(0.55, rel=1e-15)
    assert descent.late_linear(1.0) == pytest.approx(0.1, rel=1e-15)


SGD = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0}
ADAM = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.0}
REFUSED = [
    (descent.sgd, SGD, "learning_rate", [0.0, -1.0], "be positive and finite"),
    (descent.sgd, SGD, "momentum", [-0.1, 1.0], r"lie in \[0, 1\)"),
    (descent.sgd, SGD, "weight_decay", [-0.1], "be finite and not negative"),
    (descent.adam, ADAM, "learning_rate", [0.0, -1.0], "be positive and finite"),
    (descent.adam, ADAM, "beta1", [-0.1, 1.0], r"lie in \[0, 1\)"),
    (descent.adam, ADAM, "beta2", [-0.1, 1.0], r"lie in \[0, 1\)"),
    (descent.adam, ADAM, "epsilon", [0.0, -1.0], "be positive and finite"),
    (descent.adam, ADAM, "weight_decay", [-0.1], "be finite and not negative"),
]


@pytest.mark.parametrize(("make", "usual", "name", "values", "must"), REFUSED)
def test_a_number_outside_its_range_is_refused(make, usual, name, values, must):
    for value in (*values, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"^{name} must {must}, got {value}$"):
            make(**usual | {name: value})
    make(**usual)
