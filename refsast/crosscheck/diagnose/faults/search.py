"""Which settings of faults explain small parts of a case: the usual ones first, then pairs.

Rule 1: a run of the whole case is dear; parts of few steps and recordings are explained first.
Rule 2: what the search costs is a matter of its order, not of time, so that it finds the same
        everywhere.
"""

from collections.abc import Generator, Iterator, Sequence
from itertools import combinations

import numpy as np

from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.faults.connection import connection_faults
from refsast.crosscheck.diagnose.faults.fault import Fault
from refsast.crosscheck.diagnose.faults.fit import fit_values
from refsast.crosscheck.diagnose.faults.gradient import (
    factor_faults,
    late_faults,
    list_factors,
)
from refsast.crosscheck.diagnose.faults.loss import loss_faults, scale_loss
from refsast.crosscheck.diagnose.faults.neuron import neuron_faults
from refsast.crosscheck.diagnose.faults.setting import (
    Planted,
    Setting,
    build,
    compute_loss,
    fits,
    measure_share,
    solve_setting,
)

PAIRED = 10  # faults that explain most, of which pairs are tried


def search_settings(parts: list[Examination], whole: Examination) -> Iterator[Setting]:
    """Yield the settings that explain all parts, the plainest first.

    Faults that leave the loss as it is come first where it is right; where spikes are hard, or a
    maximum decides, others may leave it right, too. Where a layer is silent the others are searched
    in any case: what they do with its spikes does not show in the loss.
    """
    explained: list[tuple[float, Setting]] = []
    found = False
    if not any("loss" in each.wrong for each in (*parts, whole)):
        found = yield from _search_kind(parts, whole, explained, backward=True)
        if found and all(s.any() for s in whole.right.s or ()):
            return
    others = yield from _search_kind(parts, whole, explained, backward=False)
    if not found and not others:
        yield from _search_pairs(parts, whole, explained)


def _search_kind(
    parts: list[Examination],
    whole: Examination,
    explained: list[tuple[float, Setting]],
    *,
    backward: bool,
) -> Generator[Setting, None, bool]:
    """Yield single faults that explain all parts; return whether there are any.

    A value that is fitted is less plain than one that is usual, a fault of some layers less than
    one of a single layer, or of all.
    """
    depth = whole.case.network.depth
    usual = [(i,) for i in range(depth)] + ([tuple(range(depth))] if depth > 1 else [])
    some = [pair for pair in combinations(range(depth), 2) if len(pair) < depth]
    wrong, rest = _wrong_gradients(whole), []
    for find, where in ((_single, usual), (_fit, usual), (_single, some)):
        found = False
        for fault, which in _candidates(where, backward=backward):
            if backward and not _may_be_all(fault, which, wrong):
                if find is _single and where is usual and _may_be_some(fault, which, wrong):
                    rest.append((fault, which))
                continue
            for setting, share in find(parts, fault, which):
                explained.append((share, setting))
                if share >= 1.0:
                    found = True
                    yield setting
        if find is _single and where is usual:
            for setting in () if found else _with_finish(parts, ()):
                found = True
                yield setting
        if found:
            return True
    for fault, which in rest:
        for setting, share in _single(parts, fault, which):
            explained.append((share, setting))
            if share >= 1.0:
                found = True
                yield setting
    return found


def _search_pairs(
    parts: list[Examination], whole: Examination, explained: list[tuple[float, Setting]]
) -> Iterator[Setting]:
    """Yield two faults that explain all parts, one of them backward, or at the end."""
    yield from _search_scaled(parts, whole)
    best = [s for share, s in sorted(explained, key=lambda each: -each[0]) if share > 0.0]
    for setting in best[: 4 * PAIRED]:
        yield from _with_finish(parts, setting)
    depth = whole.case.network.depth
    usual = [(i,) for i in range(depth)] + ([tuple(range(depth))] if depth > 1 else [])
    for first in best[:PAIRED]:
        for fault, layers in _candidates(usual, backward=True):
            if fault.name == first[0].fault.name and layers == first[0].layers:
                continue
            for value in fault.values(whole.case, layers[0])[:3]:
                pair = (*first, Planted(fault, layers, (value,) * len(layers)))
                if all(fits(part, pair) for part in parts):
                    yield pair


def _search_scaled(parts: list[Examination], whole: Examination) -> Iterator[Setting]:
    """Yield faults forward together with a loss that is multiplied by a size of the case."""
    first, depth = parts[0], whole.case.network.depth
    if "loss" not in first.wrong:
        return
    for fault, layers in _candidates([(i,) for i in range(depth)], backward=False):
        for value in fault.values(first.case, layers[0]):
            setting = (Planted(fault, layers, (value,)),)
            plan = build(first.case, setting)
            ratio = 0.0 if plan is None else first.got.loss / (compute_loss(first, plan) or np.inf)
            for words, factor in list_factors():
                if abs(factor(first.case) - ratio) <= 1e-6 * abs(ratio):
                    says = f"with the loss multiplied by {words}"
                    scaled = Fault(says[9:], says, scale_loss(factor), layered=False)
                    pair = (*setting, Planted(scaled, (0,), (1.0,)))
                    if all(fits(part, pair) for part in parts):
                        yield pair


def _wrong_gradients(whole: Examination) -> set[tuple[int, str]]:
    """Layer and name of each gradient in parameters that is wrong."""
    return {
        (int(name[6 : name.index("]")]), name[name.index(".") + 1 :])
        for stage in whole.stages
        if stage.name == "parameter gradients"
        for name, errors in stage.errors
        if errors.max(initial=0.0) > 1.0
    }


def _may_be_all(fault: Fault, layers: Sequence[int], wrong: set[tuple[int, str]]) -> bool:
    """Whether gradients that are wrong may all be by a backward fault, unless some cancel.

    A fault changes the gradients of its layer, or those below alone; the highest wrong one tells.
    """
    if not wrong or not fault.layered:
        return True
    if fault.local:
        return wrong <= {(i, name) for i in layers for name in fault.local}
    top = max(i for i, _ in wrong)
    return len(layers) > 1 or (layers[0] > top if fault.below else layers[0] == top)


def _may_be_some(fault: Fault, layers: Sequence[int], wrong: set[tuple[int, str]]) -> bool:
    """Whether some gradients that are wrong may be by a fault, all others by a second one."""
    if fault.local:
        return bool(wrong & {(i, name) for i in layers for name in fault.local})
    return layers[0] > max(i for i, _ in wrong)


def _candidates(
    where: Sequence[tuple[int, ...]], *, backward: bool
) -> Iterator[tuple[Fault, tuple[int, ...]]]:
    """The faults that may be, and the layers in which each may be."""
    for fault in (*neuron_faults(), *connection_faults(), *loss_faults()):
        if fault.backward == backward:
            for which in where if fault.layered else where[:1] and [(0,)]:
                yield fault, which


def _single(
    parts: list[Examination], fault: Fault, layers: tuple[int, ...]
) -> Iterator[tuple[Setting, float]]:
    """A fault with each of its usual numbers, and which share of the wrong arrays it explains."""
    usual = [fault.values(parts[0].case, i) for i in layers]
    alike = [(value,) * len(layers) for value in dict.fromkeys(v for each in usual for v in each)]
    own = list(zip(*usual, strict=False))  # in each layer its own
    for values in dict.fromkeys((*alike, *own)):
        planted = (Planted(fault, layers, values),)
        if (share := measure_share(parts, planted)) is not None:
            yield planted, share
            if share >= 1.0:
                return


def _fit(
    parts: list[Examination], fault: Fault, layers: tuple[int, ...]
) -> Iterator[tuple[Setting, float]]:
    """The same with the number that fits best, where it may be any; a factor of different ones."""
    rights = [fault.right(parts[0].case, i) for i in layers] if fault.right else []
    known = [right for right in rights if right is not None]
    if not known or len(known) < len(rights):
        return
    alike = len(set(known)) == 1
    values = fit_values(parts[0], fault, layers, [1.0] * len(known) if alike else known,
                         known[0] if alike else 1.0)  # fmt: skip
    if values is None or np.allclose(values, known, rtol=1e-5, atol=1e-8):
        return
    planted = (Planted(fault, layers, values),)
    if (share := measure_share(parts, planted)) is not None:
        yield planted, share


def _with_finish(parts: list[Examination], setting: Setting) -> Iterator[Setting]:
    """A setting with what is done to its gradient at the end."""
    last = parts[-1]
    answer = solve_setting(last.case, setting)
    if answer is None:
        return
    with np.errstate(all="ignore"):
        faults = [*factor_faults(last, answer), *late_faults(last, answer)]
    for fault in faults:
        found = (*setting, Planted(fault, (0,), (1.0,)))
        if all(fits(part, found) for part in parts):
            yield found
