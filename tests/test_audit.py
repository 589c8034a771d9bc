"""The page of the audit says what came of it; the libraries themselves are in `crosscheck`."""

import re
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import refsast as rs
from refsast.crosscheck.check import check
from tests.audit import mode_rows
from tests.audit.__main__ import main
from tests.audit.mode_rows import Row, network_row, row
from tests.audit.modes import MODES, NORSE_DIGITS, Mode, NetworkMode
from tests.audit.network_modes import NETWORK_MODES
from tests.audit.page import (
    STATED,
    UNEXPLAINED,
    line,
    page,
    reason_lines,
    summary_lines,
    tutorial_line,
)
from tests.audit.tutorials import TUTORIALS
from tests.crosscheck.random_cases import draw_case

MODE = Mode("lib", "lib", "factory", "as it comes")


def detached(params, x, y, case=None):
    case = draw_case(0, detach=True)
    return rs.fast.loss_and_grad(case.network, params, x, y)


def right(params, x, y):
    return rs.fast.loss_and_grad(draw_case(0).network, params, x, y)


def test_a_line_counts_what_agrees_and_names_the_cause():
    reports = check(right, draw_case(0)), check(detached, draw_case(0))
    found = line(Row(MODE, "1.0", reports))

    ratio = f"{reports[1].stages[1].ratio:.3g}"
    worst = f"{max(stage.error for stage in reports[0].stages):.2g}"
    assert found == (
        f"| lib 1.0 | as it comes | 1 of 2 | {worst} | {ratio} to {ratio} | reset detached (1) |"
    )


def test_what_is_not_installed_is_a_line(monkeypatch):
    def absent(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(mode_rows, "version", absent)

    assert line(row(MODE, 3)) == "| lib | as it comes | not installed | | | |"


def test_the_page_has_a_line_per_mode():
    rows = [Row(mode, "", ()) for mode in MODES]
    text = page(rows, 7)

    assert text.count("not installed") == len(MODES)
    assert "on 7 drawn networks" in " ".join(text.split())


def network_mode(description: str, note: str = "", network=None) -> NetworkMode:
    def question(seed: int):
        if network is None:
            raise ValueError("neurons must be LIFNode, got KLIFNode: put another in its place")
        case = draw_case(seed)
        return rs.Implementation(network), case

    return NetworkMode("numpy", description, question, note)


def test_a_network_is_asked_once_per_seed_and_a_refusal_is_a_line():
    mode = network_mode("as it is", network=right)
    found = network_row(replace(mode, question=lambda seed: mode.question(0)), 2)
    refused = network_row(network_mode("`KLIFNode`"), 2)

    assert (found.outcome, len(found.reports)) == ("agree", 2)
    assert refused.outcome == "not read"
    assert line(refused).endswith(
        "| `KLIFNode` | not read | | | neurons must be LIFNode, got KLIFNode |"
    )


def test_a_network_that_is_not_installed_is_a_line():
    absent = NetworkMode("no-such-distribution", "as it is", lambda seed: pytest.fail("asked"))

    assert line(network_row(absent, 2)) == (
        "| no-such-distribution | as it is | not installed | | | |"
    )


def test_undecided_cases_are_no_disagreement():
    case = draw_case(0)
    silent = replace(case, params=rs.unflatten(case.network, 0.0 * rs.flatten(case.params)))
    case = replace(silent, x=0.0 * case.x, hard=True)
    report = check(lambda p, x, y: rs.fast.straight_through(case.network, p, x, y), case)
    found = Row(MODE, "1.0", (report, report))

    assert report.verdict == "undecided"
    assert found.outcome == "undecided"
    assert found.factors == ()
    assert line(found) == "| lib 1.0 | as it comes | 0 of 2 |  |  | undecided (2) |"


def test_disagreements_are_counted_and_explained_by_sentence_choice_or_not_at_all():
    reports = (check(detached, draw_case(0)),)
    modes = [
        network_mode("one", "It is a fault."),
        network_mode("two", "It is a fault."),
        network_mode("`Node(detach_reset=True)`"),
        network_mode("three"),
    ]
    rows = [Row(mode, "1.0", reports) for mode in modes]
    rows.append(Row(network_mode("right"), "1.0", (check(right, draw_case(0)),)))

    assert summary_lines(rows)[-1] == "| numpy | 5 | 1 | 4 | 0 | 0 |"
    assert reason_lines(rows) == [
        "- numpy, one; two: It is a fault.",
        "- numpy, `Node(detach_reset=True)`: Asked for by its option.",
        f"- numpy, three: {UNEXPLAINED}",
    ]
    assert "4 seeds of weights" in " ".join(page([], 12, rows, 4).split())


def test_the_page_that_is_committed_has_every_mode_and_explains_every_disagreement():
    text = (Path(__file__).parents[1] / "docs" / "peers.md").read_text("utf-8")

    for mode in (*MODES, *NETWORK_MODES, *TUTORIALS):
        assert f" | {mode.description} | " in text
    assert "not installed" not in text
    assert UNEXPLAINED not in text
    rows = [each for each in text.splitlines() if each.startswith("| ")]
    wrong = [each for each in rows if re.search(r"\| \d+ of \d+ \|", each) and not agrees(each)]
    assert {len(re.findall(r"(?<!\\)\|", each)) for each in rows} == {7, 9}
    reasons = text.partition("## Why they disagree")[2]
    for each in wrong:
        assert each.split(" | ")[1] in reasons


def agrees(line: str) -> bool:
    """Whether a line of the table says that all cases agree."""
    agreeing, cases = re.findall(r"\| (\d+) of (\d+) \|", line)[0]
    return agreeing == cases


def test_descriptions_are_not_given_twice():
    names = [(mode.package, mode.description) for mode in (*MODES, *NETWORK_MODES, *TUTORIALS)]
    assert len(set(names)) == len(names)


PACKAGES = ("torch", "jax", "spikingjelly", "snntorch", "sinabs", "norse")


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_networks_of_a_library_are_read_and_right(package):
    modes = [
        m for m in NETWORK_MODES if m.package == package and not (m.note or STATED in m.description)
    ]
    rows = [network_row(mode, 1) for mode in modes]
    if not rows[0].version:
        pytest.skip(f"{package} is not installed")

    assert {row.outcome for row in rows} <= {"agree", "not read"}
    assert sum(row.outcome == "agree" for row in rows) >= len(rows) / 2


@pytest.mark.slow
@pytest.mark.parametrize("words", ["learn_beta", "the same, all"])
def test_a_network_of_full_size_is_right(words):
    pytest.importorskip("snntorch")
    (mode,) = (m for m in TUTORIALS if words in m.description)

    found = network_row(mode, 1)

    assert found.outcome == "agree"
    assert re.fullmatch(r"\| snntorch .* \| 79\d,\d+ \| \d+ \|", tutorial_line(found))


@pytest.mark.slow
def test_the_network_of_an_example_has_its_size():
    pytest.importorskip("spikingjelly")
    mode = next(m for m in TUTORIALS if m.package == "spikingjelly")

    assert mode.question(0)[1].network.sizes == (784, 100352, 25088, 2048, 10)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["snntorch", "sinabs"])
def test_what_a_note_explains_disagrees(package):
    rows = [network_row(m, 1) for m in NETWORK_MODES if m.package == package and m.note]
    if not rows[0].version:
        pytest.skip(f"{package} is not installed")

    assert {row.outcome for row in rows} == {"disagree"}


@pytest.mark.parametrize("lower", [True, False])
def test_potentials_are_below_twice_the_threshold_where_the_page_says_so(lower):
    pytest.importorskip("snntorch")
    words = "below twice" if lower else "some above it"
    (mode,) = (m for m in NETWORK_MODES if words in m.description)

    for seed in range(4):
        _, case = mode.question(seed)
        u = rs.run(case.network, case.params, case.x, rs.heaviside).u
        peaks = [
            layer.max() / neuron.threshold
            for layer, neuron in zip(u, case.network.neurons, strict=True)
        ]
        assert (max(peaks) < 2.0) == lower


def test_every_mode_can_be_drawn():
    for mode in MODES:
        assert draw_case(0, **mode.options).hard == mode.options.get("hard", False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--cases", "0"], "--cases must be positive, got 0"),
        (["--only", "numpy"], "--only must be one of torch"),
    ],
)
def test_bad_options_end_in_one_line(arguments, says, capsys):
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_the_factor_of_norse_s_tanh_is_found_where_its_derivative_keeps_its_digits(monkeypatch):
    threshold = pytest.importorskip("norse.torch.functional.threshold")
    torch = pytest.importorskip("torch")
    (mode,) = (m for m in MODES if m.note == NORSE_DIGITS)
    case = draw_case(0, **mode.options)
    factory = mode_rows.load_adapter_factory(mode)
    before = check(factory(case), case)

    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / torch.cosh(x * ctx.k).pow(2), None

    monkeypatch.setattr(threshold.HeaviTanh, "backward", staticmethod(backward))
    after = check(factory(case), case)

    assert after.cause is not None
    assert (before.verdict, after.verdict) == ("DISAGREES", "DISAGREES")
    assert after.cause.name == "slope factor"
