"""The golden set: what it covers, that it is right, and that it is the same when made again."""

import hashlib
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.case import Case
from refsast.crosscheck.golden.comparison import ROUNDINGS_PER_OPERATION, compare_case
from refsast.crosscheck.golden.reader import SHIPPED_SET, read_golden, read_index
from refsast.crosscheck.variants import solve, unroll_variant
from refsast.model.synapse import Synapse
from refsast.model.vector import split_vector
from refsast.testing import RESETS, SURROGATES
from tools.golden.__main__ import main
from tools.golden.answers import (
    compute_answers,
    hessian_product,
    name_arrays,
    norm_and_direction,
    solve_wide,
    wide_variant,
)
from tools.golden.digits import Digits, lift, values
from tools.golden.questions import SPECS, draw_question
from tools.golden.write import golden_arrays

SET = {golden.name: golden for golden in read_golden()}
SMOOTH = [name for name, golden in SET.items() if not golden.left_out]
STEP = Digits(Decimal("1e-16"))  # of differences: its square is far below what float64 sees


def test_it_is_small():
    assert sum(path.stat().st_size for path in SHIPPED_SET.iterdir()) < 150_000


def test_made_again_it_has_the_same_bytes(tmp_path):
    main([str(tmp_path)])

    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        p.name for p in SHIPPED_SET.iterdir()
    )
    for path in SHIPPED_SET.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_it_covers_every_variant():
    cases = [golden.question.case for golden in SET.values()]
    networks = [case.network for case in cases]
    neurons = [neuron for network in networks for neuron in network.neurons]

    assert [golden.name for golden in SET.values()] == [spec.name for spec in SPECS]
    assert {type(neuron.spike) for neuron in neurons} == set(SURROGATES)
    assert {neuron.reset for neuron in neurons} == set(RESETS)
    assert {type(network.readout).__name__ for network in networks} == {
        "SpikeRate", "LinearReadout", "LeakyReadout",
    }  # fmt: skip
    assert {network.recurrent for network in networks} == {True, False}
    assert {network.bias for network in networks} == {True, False}
    assert {len(network.neurons) for network in networks} == {1, 2, 3}
    assert any(len(set(network.neurons)) > 1 for network in networks)
    assert {neuron.detach_reset for neuron in neurons} == {True, False}
    assert {case.synapse is None for case in cases} == {case.hard for case in cases}
    assert {1} < {len(case.x) for case in cases}
    assert {1} < {len(case.y) for case in cases}
    assert all(
        (golden.question.second.x != golden.question.case.x).any() for golden in SET.values()
    )


@pytest.mark.parametrize("name", SET)
def test_nothing_in_a_question_is_rounded_before_the_first_operation(name):
    question = SET[name].question
    network, time = question.case.network, len(question.case.x)
    weights = network.readout.time_weights(time)
    numbers = [w for n in network.neurons for w in (n.leak, n.threshold, n.spike.slope)]
    given = [question.case.x, question.second.x, question.direction, question.rho, numbers]

    for array in (*given, rs.flatten(question.case.params)):
        assert (np.float32(array) == np.asarray(array)).all()
    assert all(Fraction(w).denominator <= 2**30 for w in weights)
    if isinstance(network.readout, rs.LeakyReadout):
        kept = [Fraction(network.readout.leak) ** k for k in range(time)]
        assert [Fraction(w) * time for w in weights] == [sum(kept[: time - t]) for t in range(time)]
    else:
        gain = getattr(network.readout, "gain", 1.0)
        assert [Fraction(w) * time for w in weights] == [Fraction(gain)] * time


def test_hard_spikes_meet_the_threshold_exactly():
    golden = SET["straight-through"]
    threshold = golden.question.case.network.neuron.threshold
    tied = [golden.answers[f"u.{i}"] == threshold for i in range(2)]

    assert sum(t.sum() for t in tied) > 0
    assert all((golden.answers[f"s.{i}"][t] == 1.0).all() for i, t in enumerate(tied))


@pytest.mark.parametrize("name", SMOOTH)
def test_no_potential_is_where_a_second_derivative_jumps(name):
    for i, neuron in enumerate(SET[name].question.case.network.neurons):
        z = abs(neuron.spike.slope * (SET[name].answers[f"u.{i}"] - neuron.threshold))
        if isinstance(neuron.spike, rs.FastSigmoid | rs.PiecewiseQuadratic):
            assert z.min() > 1e-6
        if isinstance(neuron.spike, rs.PiecewiseQuadratic):
            assert abs(z - 1.0).min() > 1e-6


@pytest.mark.parametrize("name", SET)
def test_every_digest_is_that_of_its_array(name):
    entry = next(entry for entry in read_index(SHIPPED_SET) if entry["name"] == name)

    assert entry["arrays"] == {
        k: hashlib.sha256(a.tobytes()).hexdigest() for k, a in golden_arrays(SET[name]).items()
    }


def answer_in_double(case: Case, second: Case, direction: np.ndarray, rho: float) -> dict:
    """All answers by refsast's own functions in float64."""
    network, w = case.network, rs.flatten(case.params)

    def objective(batch):
        def objective(w):
            answer = solve(batch, params=rs.unflatten(network, w))
            return answer.loss, rs.flatten(answer.grads)

        return objective

    answer = solve(case)
    found = {k: np.asarray(a, float) for k, a in name_arrays(case, answer)}
    found["sam.point"] = rs.sam.ascent_point(w, objective(case)(w)[1], rho=rho)
    found["sam.grads"] = rs.sam.gradient(objective(case), w, rho=rho, second=objective(second))
    if case.synapse is None and not case.hard and not network.neurons[0].detach_reset:

        def hvp(w, v):
            params, along = rs.unflatten(network, w), rs.unflatten(network, v)
            return rs.flatten(rs.reference.hvp(network, params, case.x, case.y, along))

        found["hvp"] = hvp(w, direction)
        found["sam.exact"] = rs.sam.exact_gradient(objective(case), hvp, w, rho=rho)
    return found


@pytest.mark.parametrize("name", SET)
def test_what_refsast_says_in_float64_is_right(name):
    question = SET[name].question
    given = answer_in_double(question.case, question.second, question.direction, question.rho)
    verdict = compare_case(SET[name], given)

    assert verdict.agrees, verdict
    assert set(verdict.missing) == ({"hvp", "sam.exact"} if name == "current-based" else set())
    assert (
        max(array.error for array in verdict.arrays) < 1.0 / ROUNDINGS_PER_OPERATION
    )  # the bound itself


def wide_loss(case: Case, w: np.ndarray, x: np.ndarray) -> Digits:
    """The loss alone, forward, in fifty digits."""
    variant, params = wide_variant(case), split_vector(case.network, w)
    last = np.stack(unroll_variant(case, variant, params, x)[1][-1])
    return variant.loss(variant.read(case.network, params, last), case.y)


def slope(f, at: np.ndarray, along: np.ndarray) -> np.ndarray:
    """The derivative of `f` by a central difference, rounded to float64 once."""
    return values((f(at + STEP * along) - f(at - STEP * along)) / (2.0 * STEP))


@pytest.mark.parametrize("name", ["recurrent", "faint", "current-based"])
def test_gradients_are_differences_of_the_loss_to_the_last_bit(name):
    """Fifty digits leave more than seventeen to a difference: neither tape nor rules are used."""
    case, answers = SET[name].question.case, SET[name].answers
    w, x = lift(rs.flatten(case.params)), lift(case.x)
    grads = np.concatenate([a.ravel() for k, a in answers.items() if k.startswith("grads")])
    in_w = [slope(lambda w: wide_loss(case, w, x), w, unit) for unit in np.eye(w.size)]
    units = np.eye(x.size).reshape(x.size, *x.shape)
    in_x = [slope(lambda x: wide_loss(case, w, x), x, unit) for unit in units]

    assert np.array(in_w).tobytes() == grads.tobytes()
    assert np.array(in_x).tobytes() == answers["x_grad"].tobytes()


def test_a_first_potential_that_nothing_drives_has_an_adjoint():
    """A delayed synapse leaves it at zero, whatever the parameters; what follows does not."""
    golden = SET["current-based"]

    assert (golden.answers["u.0"][0] == 0.0).all()
    assert (golden.answers["adjoints.0"][0] != 0.0).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_and_the_gradient_through_sam_are_differences_to_the_last_bit(name):
    question, answers = SET[name].question, SET[name].answers
    case, along = question.case, question.direction
    w, x = lift(rs.flatten(case.params)), lift(case.x)

    def ascended_loss(w):
        g = rs.flatten(solve_wide(case, w).grads)
        return wide_loss(case, w + question.rho * norm_and_direction(g)[1], x)

    curved = slope(lambda w: rs.flatten(solve_wide(case, w).grads), w, along)
    exact = compute_answers(question)["sam.exact"]

    assert curved.tobytes() == answers["hvp"].tobytes()
    assert slope(ascended_loss, w, along) == values(exact @ lift(along))
    assert hessian_product(case, w, lift(0.0 * along)).size == w.size


def evaluate_by_arb(arb, case: Case):
    """Loss, potentials and spikes by Arb, which shares no line with the package.

    One recording at a time, one neuron at a time; zero reset, firing rates.
    """
    total, us, ss = arb(0), {}, {}
    gain, synapse = case.network.readout.gain, case.synapse or Synapse(0.0)
    for k, label in enumerate(case.y):
        a = [[arb(x) for x in row] for row in case.x[:, k]]
        for n, (neuron, layer) in enumerate(zip(case.network.neurons, case.params, strict=True)):
            rows = []
            for j, w in enumerate(layer.w):
                u, s, i, spikes = arb(0), arb(0), arb(0), []
                for t, row in enumerate(a):
                    bias = 0 if layer.b is None else layer.b[j]
                    now = synapse.leak * i + sum(p * q for p, q in zip(w, row, strict=True)) + bias
                    u = neuron.leak * u * (1 - s) + synapse.scale * (i if synapse.delayed else now)
                    i, v = now, neuron.spike.slope * (u - neuron.threshold)
                    if isinstance(neuron.spike, rs.Arctan):
                        s = arb("0.5") + (arb.pi() * v / 2).atan() / arb.pi()
                    else:
                        s = (1 + v / (1 + v * v).sqrt()) / 2
                    us[n, t, k, j], ss[n, t, k, j] = float(u.mid()), float(s.mid())
                    spikes.append(s)
                rows.append(spikes)
            a = [list(row) for row in zip(*rows, strict=True)]
        rates = [gain * sum(column) / len(a) for column in zip(*a, strict=True)]
        total += sum(z.exp() for z in rates).log() - rates[label]
    return float((total / len(case.y)).mid()), us, ss


@pytest.mark.parametrize("name", ["to-zero", "current-based", "faint"])
def test_loss_and_states_are_right_to_the_last_bit_by_a_second_arithmetic(name):
    flint = pytest.importorskip("flint")
    flint.ctx.dps = 60
    answers = SET[name].answers
    loss, us, ss = evaluate_by_arb(flint.arb, SET[name].question.case)

    assert loss == answers["loss"]
    assert us == {(n, *at): answers[f"u.{n}"][tuple(at)] for n, *at in us}
    assert ss == {(n, *at): answers[f"s.{n}"][tuple(at)] for n, *at in ss}


@pytest.mark.parametrize("spec", SPECS, ids=[spec.name for spec in SPECS])
def test_what_is_of_floats_still_is_zero(spec):
    for name, array in compute_answers(draw_question(spec)).items():
        assert all(isinstance(x, Digits) or x == 0.0 for x in np.ravel(array)), name


@pytest.mark.parametrize("name", SET)
def test_a_yardstick_is_no_excuse(name):
    """It leaves float64 twelve digits in the middle entry of a case, nine in each gradient."""
    answers, yardsticks = SET[name].answers, SET[name].error_bounds
    share = {}
    for key, want in answers.items():
        wrong = ROUNDINGS_PER_OPERATION * 2.0**-53 * yardsticks[key][want != 0.0]
        share[key] = wrong / abs(want[want != 0.0])

    assert np.median(np.concatenate(list(share.values()))) < 1e-12
    assert all(a.max() < 1e-9 for key, a in share.items() if not key.startswith(("sam", "hvp")))
