"""Causes and places of faults that people make, in a framework, with equations of our own.

Each kind is drawn on ten networks. A cause has to be named on most of them, and never a false one:
whoever says "exact" has to give the same numbers on another draw of weights and input, too.
"""

from dataclasses import replace

import numpy as np
import pytest

import refsast as rs
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.samples import take_samples
from refsast.crosscheck.diagnose.knobs.search import find_settings

torch = pytest.importorskip("torch")
from tests.crosscheck import torch_faults as faults  # noqa: E402

# What the cause must say, of a fault in every layer.
WORDS = {
    "wipes input": ("reset wiping the input",),
    "synapse ignored": ("synapse's leak 0",),
    "at u": ("derivative taken at u", "backwards the threshold 0"),
    "readout cut": ("readout's state detached",),
    "slope 3.3": ("slope 3.3",),
    "leak 0.77": ("leak 0.77",),
    "theta 0.6": ("threshold 0.6", "derivative", "threshold"),
    "scale 1 - 0.9": ("scale of all input 0.1", "W multiplied by 0.1"),
    "gain 7": ("gain 7", "multiplied by 0.7"),
    "subtracts 1": ("what a reset subtracts", "the reset multiplied by 1.3"),
    "late input": ("input one step late",),
    "half": ("derivative multiplied by 0.5", "derivative replaced", "backwards slope"),
    "clip norm 0.05": ("norm 0.05",),
    "times batch": ("the number of recordings", "multiplied by"),
    "over T": ("the number of steps", "multiplied by"),
    "smoothing 0.1": ("labels smoothed by 0.1",),
}
NETWORKS = 4


def draw(kind: str, n: int):
    rng = np.random.default_rng([ord(c) for c in kind])
    found = []
    while len(found) < n:
        drawn = faults.draw_fault(rng, [kind], torch.float64)
        if drawn is not None and len(drawn[2]) > 1 and not drawn[0].hard:
            found.append(drawn[:2])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", WORDS)
def test_a_fault_in_every_layer_is_named_on_all_networks(kind):
    named = 0
    for case, slip in draw(kind, NETWORKS):
        report, _, place, _ = faults.judge(case, slip, torch.float64)
        assert not report.agrees
        assert place != "WRONG"
        if report.cause.exact:
            says = "; ".join((report.cause.says, *report.cause.others))
            assert any(words in says for words in WORDS[kind]), says
            named += 1
    assert named == NETWORKS


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["half", "slope 3.3", "layer zero"])
def test_a_fault_in_one_layer_is_found_there(kind):
    rng = np.random.default_rng(len(kind))
    seen = 0
    while seen < 5:
        drawn = faults.draw_fault(rng, [kind], torch.float64)
        if drawn is None or len(drawn[2]) > 1 or len(drawn[0].network.neurons) == 1:
            continue
        case, slip, layers = drawn
        report, _, place, _ = faults.judge(case, slip, torch.float64)
        assert place in ("right", "unknown")
        layer = min(layers) + 1
        says = (report.cause.says, *report.cause.others)
        assert any(f"layer {layer}" in text or "input detached" in text for text in says), says
        seen += 1


@pytest.mark.slow
def test_a_setting_found_on_one_network_holds_on_its_next_draw():
    """A false cause fits the numbers that it was found from, and no others."""
    rng = np.random.default_rng(1)
    for kind in ("leak 0.77", "reset cut", "window 0.5", "triangle", "decay", "blocks 3"):
        case, slip = draw(kind, 1)[0]
        gradient = faults.implementation(case, slip, torch.float64)
        found = find_settings(take_samples(gradient, case, np.dtype(float)))
        assert found.settings, kind
        w = rs.flatten(case.params)
        w = w + 0.1 * rng.standard_normal(w.shape)
        again = replace(case, params=rs.unflatten(case.network, w))
        loss, grads = gradient(again.params, again.x, again.y)
        want = np.concatenate([a.ravel() for layer in grads for a in layer.values()])
        answers = [solve_settings(again, [setting])[0] for setting in found.settings]
        assert any(
            abs(rs.flatten(a.grads) - want).max() <= 1e-7 * abs(want).max()
            and a.loss == pytest.approx(loss, rel=1e-8)
            for a in answers
        ), kind
