"""The second golden set: what it covers, that it is right, and that it is the same made again."""

import hashlib
import json

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.golden.comparison import ROUNDINGS_PER_OPERATION, compare, compare_case
from refsast.crosscheck.golden.reader import EXTENDED_SET, SHIPPED_SET, read_golden, read_index
from refsast.model.connections.chain import trace_values
from refsast.model.network import describe_extension
from refsast.model.output_potential import output_potentials
from refsast.model.vector import split_vector
from tests.crosscheck.golden_folders import write_answer
from tests.tools.test_golden import slope
from tools.golden.__main__ import main
from tools.golden.answers import norm_and_direction
from tools.golden.digits import lift
from tools.golden.extended_answers import solve_wide, wide_loss, wide_network
from tools.golden.extended_questions import EXTENDED_SPECS
from tools.golden.write import golden_arrays

SET = {golden.name: golden for golden in read_golden(EXTENDED_SET)}
SMOOTH = [name for name, golden in SET.items() if not golden.left_out]


def test_it_is_small():
    assert sum(path.stat().st_size for path in EXTENDED_SET.iterdir()) < 300_000


def test_it_has_its_own_version_and_no_name_of_the_first():
    first, second = (
        json.loads((folder / "index.json").read_text()) for folder in (SHIPPED_SET, EXTENDED_SET)
    )

    assert (first["version"], second["version"]) == (1, 2)
    assert not {case["name"] for case in first["cases"]} & set(SET)
    assert set(first) - {"cases"} <= set(second)


@pytest.mark.slow
def test_made_again_it_has_the_same_bytes(tmp_path):
    main(["--extended", str(tmp_path)])

    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        p.name for p in EXTENDED_SET.iterdir()
    )
    for path in EXTENDED_SET.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_it_covers_every_extension():
    networks = [golden.question.case.network for golden in SET.values()]
    neurons = [n for network in networks for n in network.neurons if isinstance(n, rs.GLIF)]
    parts = {type(p).__name__ for n in networks for chain in n.chains for p in chain}
    numbers = [v for n in neurons for v in (n.leak, n.threshold, n.synapse_leak)]
    learned = [v for v in numbers if isinstance(v, rs.Learned)]

    assert [golden.name for golden in SET.values()] == [spec.name for spec in EXTENDED_SPECS]
    assert all(map(describe_extension, networks[:-1]))
    assert parts == {"Dense", "Conv2d", "AvgPool2d", "MaxPool2d", "Flatten", "Skip"}
    assert {type(n.synapse).__name__ for n in neurons} == {"NoneType", "Synapse", "Alpha"}
    assert {getattr(n.synapse, "delayed", False) for n in neurons} == {True, False}
    assert {(v.per_neuron, v.sigmoid) for v in learned} >= {(True, False), (False, False)}
    assert any(v.sigmoid for v in learned)
    assert any(isinstance(v, tuple) for v in numbers)
    assert {n.refractory for n in neurons} == {0, 1, 2}
    assert {n.adaptation is None for n in neurons} == {n.learn_start for n in neurons}
    assert {type(n.readout).__name__ for n in networks} == {
        "SpikeRate", "LinearReadout", "LeakyReadout", "LastPotential", "MaxPotential",
    }  # fmt: skip
    assert {type(n.loss).__name__ for n in networks} == {
        "CrossEntropy", "StepCrossEntropy", "MeanSquaredRate",
    }  # fmt: skip
    assert max(getattr(n.readout, "population", 1) for n in networks) == 2
    assert sum(golden.question.case.hard for golden in SET.values()) == 1


@pytest.mark.parametrize("name", SET)
def test_nothing_in_a_question_is_rounded_before_the_first_operation(name):
    question = SET[name].question
    arrays = (question.case.x, question.second.x, question.direction)

    for array in (*arrays, rs.flatten(question.case.params)):
        assert (np.float32(array) == array).all()
        assert (64.0 * array == np.round(64.0 * array)).all()


@pytest.mark.parametrize("name", SET)
def test_no_answer_is_nothing_but_zeros(name):
    assert [k for k, a in SET[name].answers.items() if not a.any()] == []


@pytest.mark.parametrize("name", SET)
def test_the_ascent_point_needs_no_projection(name):
    point = SET[name].answers["sam.point"]
    kept = rs.keep_in_range(SET[name].question.case.network, point)

    assert np.array_equal(kept, point)


@pytest.mark.parametrize("name", SET)
def test_every_digest_is_that_of_its_array(name):
    entry = next(entry for entry in read_index(EXTENDED_SET) if entry["name"] == name)

    assert entry["arrays"] == {
        k: hashlib.sha256(a.tobytes()).hexdigest() for k, a in golden_arrays(SET[name]).items()
    }


def test_hard_spikes_meet_the_threshold_exactly():
    answers = SET["hard"].answers
    tied = answers["u.1"] == 1.0

    assert tied.sum() > 0
    assert (answers["s.1"][tied] == 1.0).all()
    assert 0.0 < answers["s.0"].mean() < 0.5


def gaps_of_largest(name: str) -> list[float]:
    """How far the largest of each window and of each output potential is from the next."""
    case = SET[name].question.case
    below, found = [case.x, *(SET[name].answers[f"s.{i}"] for i in range(case.network.depth))], []
    rows = [a.reshape(-1, a.shape[2]) for a in below]
    for i, chain in enumerate(case.network.chains):
        shapes = case.network.chain_shapes[i]
        traced = trace_values(chain, shapes, case.params[i], rows[: i + 1])
        for part, shape, a in zip(chain, shapes, traced, strict=False):
            if isinstance(part, rs.MaxPool2d):
                for image in a.reshape(-1, shape[1], shape[2]):
                    views = np.lib.stride_tricks.sliding_window_view(image, part.kernel)
                    largest = np.sort(views.reshape(-1, views.shape[2] * views.shape[3]))
                    found += list(largest[:, -1] - largest[:, -2])
    if isinstance(case.network.readout, rs.MaxPotential):
        v = output_potentials(case.network.readout.leak, case.params[-1], below[-1])
        largest = np.sort(v, axis=0)
        found += list((largest[-1] - largest[-2]).ravel())
    return found


@pytest.mark.parametrize("name", ["max-pool", "max-potential", "all-at-once"])
def test_no_largest_is_shared(name):
    gaps = gaps_of_largest(name)

    assert gaps
    assert min(gaps) > 1e-6


def answer_in_double(golden) -> dict:
    """All answers by refsast's own functions in float64, the fast ones."""
    question, case = golden.question, golden.question.case
    network, params = case.network, case.params

    def gradient(w, batch):
        method = rs.straight_through if case.hard else rs.fast.loss_and_grad
        loss, grads = method(network, rs.unflatten(network, w), batch.x, batch.y)
        return float(loss), rs.flatten(grads)

    w = rs.flatten(params)
    trace = rs.run(network, params, case.x, rs.heaviside if case.hard else None)
    loss, g = gradient(w, case)
    found = {"loss": np.asarray(loss), "logits": trace.logits}
    for i, (u, s) in enumerate(zip(trace.u, trace.s, strict=True)):
        found |= {f"u.{i}": u, f"s.{i}": s}
    for i, layer in enumerate(rs.unflatten(network, g)):
        found |= {f"grads.{i}.{k}": a for k, a in vars(layer).items() if a is not None}
    found["sam.point"] = rs.sam.ascent_point(w, g, rho=question.rho)
    found["sam.grads"] = gradient(found["sam.point"], question.second)[1]
    if not case.hard:
        found["x_grad"] = rs.fast.input_grad(network, params, case.x, case.y)

        def hvp(w, v):
            both = rs.unflatten(network, w), case.x, case.y, rs.unflatten(network, v)
            return rs.flatten(rs.reference.hvp(network, *both))

        found["hvp"] = hvp(w, question.direction)
        found["sam.exact"] = rs.sam.exact_gradient(
            lambda w: gradient(w, case), hvp, w, rho=question.rho
        )
    return found


@pytest.mark.parametrize("name", SET)
def test_what_refsast_says_in_float64_is_right(name):
    verdict = compare_case(SET[name], answer_in_double(SET[name]))

    assert verdict.agrees, verdict
    adjoints = {key for key in SET[name].answers if key.startswith("adjoints")}
    assert set(verdict.missing) == adjoints | ({"x_grad"} if name == "hard" else set())
    assert max(a.error for a in verdict.arrays) < 1.0 / ROUNDINGS_PER_OPERATION  # the bound itself


DIFFERENCES = ["learned-sigmoid", "max-pool", "synapse", "delayed-synapse", "all-at-once"]


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFERENCES)
def test_gradients_are_differences_of_the_loss_to_the_last_bit(name):
    """Fifty digits leave more than seventeen to a difference: neither tape nor rules are used."""
    case, answers = SET[name].question.case, SET[name].answers
    network, w, x = wide_network(case), lift(rs.flatten(case.params)), lift(case.x)

    def loss(w, x):
        return wide_loss(network, split_vector(network, w), x, case.y)

    grads = np.concatenate([a.ravel() for k, a in answers.items() if k.startswith("grads")])
    in_w = [slope(lambda w: loss(w, x), w, unit) for unit in np.eye(w.size)]
    units = np.eye(x.size).reshape(x.size, *x.shape)
    in_x = [slope(lambda x: loss(w, x), x, unit) for unit in units]

    assert np.array(in_w).tobytes() == grads.tobytes()
    assert np.array(in_x).tobytes() == answers["x_grad"].tobytes()


@pytest.mark.parametrize("name", SMOOTH)
def test_curvature_and_the_gradient_through_sam_are_differences_to_the_last_bit(name):
    question, answers = SET[name].question, SET[name].answers
    case, along = question.case, question.direction
    network, w, x = wide_network(case), lift(rs.flatten(case.params)), lift(case.x)

    def ascended_loss(w):
        raised = w + question.rho * norm_and_direction(solve_wide(case, w)["flat"])[1]
        return wide_loss(network, split_vector(network, raised), x, case.y)

    curved = slope(lambda w: solve_wide(case, w)["flat"], w, along)

    assert curved.tobytes() == answers["hvp"].tobytes()
    along_exact = slope(ascended_loss, w, along)
    assert along_exact == pytest.approx(answers["sam.exact"] @ along, rel=1e-12, abs=1e-13)


def test_adjoints_are_the_derivative_in_an_input_where_that_is_the_potential():
    """Without a synapse u_t takes in W x_t as it is, so dL/dx_t = W' dL/du_t."""
    for name in ("per-neuron", "learned", "adaptation", "refractory"):
        golden = SET[name]
        weights = golden.question.case.params[0].w
        want = golden.answers["adjoints.0"] @ weights

        assert golden.answers["x_grad"] == pytest.approx(want, rel=1e-12, abs=1e-16)


def test_a_first_potential_that_nothing_drives_has_an_adjoint():
    answers = SET["delayed-synapse"].answers

    assert (answers["u.0"][0] == 0.0).all()
    assert (answers["adjoints.0"][0] != 0.0).all()


@pytest.mark.parametrize("name", SET)
def test_a_yardstick_is_no_excuse(name):
    answers, yardsticks = SET[name].answers, SET[name].error_bounds
    share = {}
    for key, want in answers.items():
        wrong = ROUNDINGS_PER_OPERATION * 2.0**-53 * yardsticks[key][want != 0.0]
        share[key] = wrong / abs(want[want != 0.0])

    firm = {key: a for key, a in share.items() if not key.startswith(("sam", "hvp"))}
    assert np.median(np.concatenate(list(share.values()))) < 1e-12
    assert max(a.max(initial=0.0) for a in firm.values()) < 1e-9


@pytest.mark.parametrize("name", SET)
def test_an_error_of_a_thousandth_in_one_entry_of_any_array_is_found(name):
    for key, want in SET[name].answers.items():
        wrong = np.array(want)
        wrong.flat[abs(want).argmax()] *= 1.001
        verdict = compare_case(SET[name], {**SET[name].answers, key: wrong})

        assert [array.name for array in verdict.arrays if not array.agrees] == [key]


def test_answers_in_a_folder_are_judged(tmp_path):
    for name, golden in SET.items():
        write_answer(tmp_path, name, golden.answers)

    verdict = compare(EXTENDED_SET, tmp_path)

    assert verdict.agrees
    assert str(verdict).startswith(f"agrees: {len(SET)} of {len(SET)} cases answered are right")


def test_equations_say_what_each_layer_does():
    updates = {str(entry["name"]): entry["update"] for entry in read_index(EXTENDED_SET)}

    assert updates["synapse"] == [
        "i' = synapse_leak*i + c + V s; u' = leak*u - threshold*s + 1.0*i'; "
        "s' = sigma(u' - threshold)"
    ]
    assert updates["delayed-synapse"] == [
        "i' = 0.75*i + c; u' = leak*u*(1 - s) + 0.5*i; s' = sigma(u' - threshold)"
    ]
    assert updates["alpha"] == [
        "h' = 0.5*h + c; i' = 0.25*i + h'; u' = leak*u*(1 - s) + 0.5*i'; s' = sigma(u' - threshold)"
    ]
    assert updates["refractory"] == [
        "u' = leak*u*(1 - s) + c; s' = sigma(u' - threshold) (1 - s_(t-1)) (1 - s_(t-2))"
    ]
    assert updates["hard"][0] == (
        "u' = leak*u - threshold*s + c; a' = 0.5*a + s; s' = H(u' - threshold - 0.25*a') "
        "(1 - s_(t-1)) (backward: sigma' in place of H')"
    )
