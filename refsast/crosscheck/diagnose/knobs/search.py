"""Which settings of few knobs give the same numbers as an implementation?

Rule 1: forward first, from losses alone, since no fault on the way back changes them; then the
        readout; then layer by layer downwards, since no layer's gradient depends on faults below.
Rule 2: at each level the plainest first: nothing, what was found in the layer above, one knob, two,
        three. All settings that fit are kept, because the levels below may tell them apart.
Rule 3: a setting has to explain every number that was answered, to rounding.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from refsast.arrays import Array
from refsast.crosscheck.diagnose.knobs.dials import WHOLE, Setting, stack_settings
from refsast.crosscheck.diagnose.knobs.fit import (
    Group,
    Residuals,
    apply_values,
    group_layers,
    misfits,
    refine,
)
from refsast.crosscheck.diagnose.knobs.inventory import backward_knobs, forward_knobs
from refsast.crosscheck.diagnose.knobs.levels import LevelView, allowed_errors, view_levels
from refsast.crosscheck.diagnose.knobs.program import solve_settings
from refsast.crosscheck.diagnose.knobs.samples import (
    Samples,
    loss_vector,
    predict_losses,
    relative_limit,
)
from refsast.crosscheck.diagnose.knobs.words import cost_of, known_knobs
from refsast.model.params import flatten, layer_arrays

BEAM = 8  # settings kept from level to level
AROUND, PAIRS_AROUND = 8, 24  # moves around which pairs are matched again, and how many of each
PAIRS = 160  # pairs that are refined, of all that the linear model offers
ELEMENTS = 3_000_000  # of the largest array of a run, K settings side by side


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes
    ----------
    settings : tuple of settings
        That explain all samples, the plainest first.
    explained : tuple of int
        Levels that some setting explained; the readout is the number of spiking layers.
    forward : bool
        Whether the losses were explained.
    """

    settings: tuple[dict, ...]
    explained: tuple[int, ...]
    forward: bool


def find_settings(samples: Samples) -> Found:
    """Return the settings of few knobs that give the numbers that were answered."""
    case = samples.parts[-1].case
    hypotheses = _explain_losses(samples)
    forward = bool(hypotheses)
    explained: list[int] = []
    if forward and (bent := _explain_bend(samples, hypotheses)):
        return Found(tuple(bent), tuple(reversed(range(len(case.params)))), forward)
    for level in reversed(range(len(case.params))):
        extended: list[dict] = []
        for hypothesis in hypotheses:
            view = view_levels(samples, hypothesis)
            extended += _explain_level(view, level, hypothesis)
        hypotheses = _keep_plainest(case, extended)
        if not hypotheses:
            break
        explained.append(level)
    if hypotheses:
        hypotheses = [_widen(samples, hypothesis) for hypothesis in hypotheses]
        least = min(cost_of(case, hypothesis) for hypothesis in hypotheses)
        hypotheses = [h for h in _keep_plainest(case, hypotheses) if cost_of(case, h) <= least + 0.01]
    return Found(tuple(hypotheses), tuple(explained), forward)


def explains_all(samples: Samples, setting: dict, gradients=None) -> bool:
    """Whether a setting explains every number of the samples."""
    want, limit = loss_vector(samples), relative_limit(samples.dtype)
    allowed = limit * abs(want) + 1e-3 * limit * abs(want).max()
    with np.errstate(all="ignore"):
        losses = predict_losses(samples, stack_settings([setting]))
        if misfits((losses - want) / allowed)[0] > 1.0:
            return False
        if gradients is not None:
            return gradients(samples, setting)
        view = view_levels(samples, setting)
        levels = range(len(samples.parts[-1].case.params))
        return all(misfits(view.residuals(level, [setting]))[0] <= 1.0 for level in levels)


def _widen(samples: Samples, setting: dict) -> dict:
    """The setting with what is turned in some layers turned in all, where that fits as well."""
    case = samples.parts[-1].case
    knobs, spiking = known_knobs(case), len(case.network.neurons)
    for name in {name for name, _ in setting}:
        values = {v for (n, _), v in setting.items() if n == name}
        first = 1 if name.startswith(("layer path", "transposed weight backward")) else 0
        missing = [
            (n, at) for n, at in knobs if n == name and first <= at < spiking and (n, at) not in setting
        ]
        if len(values) == 1 and missing and any(at < spiking for n, at in setting if n == name):
            wider = {**setting, **dict.fromkeys(missing, values.pop())}
            if explains_all(samples, wider):
                setting = wider
    return setting


def _keep_plainest(case, settings: list[dict]) -> list[dict]:
    unique: dict = {}
    for setting in settings:
        mark = tuple(sorted((key, float(f"{value:.6g}")) for key, value in setting.items()))
        unique.setdefault(mark, setting)
    ranked = sorted(unique.values(), key=lambda setting: (cost_of(case, setting), len(setting)))
    if not ranked:
        return []
    least = cost_of(case, ranked[0])
    return [s for s in ranked if cost_of(case, s) <= least + 1.0][:BEAM]


def _explain_bend(samples: Samples, hypotheses: list[dict]) -> list[dict]:
    """Settings in which all gradients are bent at the end: clipped, or brought to a norm."""
    whole = [flatten(sample.got.grads) for sample in samples.all]
    norm = max(float(np.linalg.norm(g)) for g in whole)
    peak = max(float(abs(g).max(initial=0.0)) for g in whole)
    if any(explains_whole(samples, hypothesis) for hypothesis in hypotheses):
        return []
    found = []
    for name, limit in (("clipped to a norm", norm), ("brought to a norm", norm),
                        ("clipped to values", peak)):  # fmt: skip
        for hypothesis in hypotheses if limit > 0.0 else ():
            tried = {**hypothesis, (name, WHOLE): round_value(limit)}
            if explains_all(samples, tried, explains_whole):
                found.append(tried)
    return found


def explains_whole(samples: Samples, setting: dict) -> bool:
    """Whether a setting explains all gradients, with what is done to them together."""
    for sample in samples.all:
        answer = solve_settings(sample.case, [setting])[0]
        for level, (got, given) in enumerate(zip(answer.grads, sample.got.grads, strict=True)):
            for part, array in layer_arrays(given).items():
                allowed = allowed_errors(samples, sample, level, part)
                if not (abs(getattr(got, part) - array) <= allowed).all():
                    return False
    return True


def round_value(value: float) -> float:
    """The value of three digits next to one, if it is that but for rounding."""
    near = float(f"{value:.3g}")
    return near if abs(value - near) <= 1e-5 * abs(near) else value


def _explain_losses(samples: Samples) -> list[dict]:
    """Settings of forward knobs that explain all losses."""
    want, limit = loss_vector(samples), relative_limit(samples.dtype)
    allowed = limit * abs(want) + 1e-3 * limit * abs(want).max()
    case = samples.parts[-1].case
    size = case.x[..., 0].size * max(case.network.sizes)

    def run(settings: Sequence[Setting]) -> Array:
        return _run_chunks(
            lambda part: (predict_losses(samples, stack_settings(part)) - want) / allowed,
            settings, size,
        )  # fmt: skip

    if misfits(run([{}]))[0] <= 1.0:
        return [{}]
    groups = group_layers(forward_knobs(case), len(case.network.neurons))
    if found := _search(run, {}, groups, depth=1):
        return found
    # What shows in a single step must be part of the cause.
    first = len(samples.losses[0])

    def run_first(settings: Sequence[Setting]) -> Array:
        return run(settings)[:, :first]

    bases = _search(run_first, {}, groups, depth=1) if misfits(run_first([{}]))[0] > 1.0 else []
    for base in _keep_plainest(case, bases)[:4]:
        found += _search(run, base, groups, depth=1)
    return found or _search(run, {}, groups, depth=2, skip=1)


def _run_chunks(
    run: Callable[[Sequence[Setting]], Array], settings: Sequence[Setting], size: int
) -> Array:
    """Run settings, as many side by side as memory allows."""
    chunk = max(1, ELEMENTS // max(size, 1))
    with np.errstate(all="ignore"):
        parts = []
        for start in range(0, len(settings), chunk):
            piece = settings[start : start + chunk]
            found = run(piece)
            parts.append(np.broadcast_to(found, (len(piece), found.shape[1])))
    return np.concatenate(parts)


def _explain_level(view: LevelView, level: int, hypothesis: dict) -> list[dict]:
    """Extensions of a setting that explain the gradients of a level."""
    case = view.samples.parts[-1].case

    def run(settings: Sequence[Setting]) -> Array:
        return _run_chunks(lambda part: view.residuals(level, part), settings, view.size(level))

    base = [hypothesis]
    if misfits(run(base))[0] <= 1.0:
        return base
    knobs = backward_knobs(case, level)
    copies = list(_copies(hypothesis, level, {knob.name for knob in knobs}))
    if copies:
        fits = misfits(run(copies)) <= 1.0
        if fits.any():
            return [copies[i] for i in np.flatnonzero(fits)]
    groups = [*array_groups(knobs), *(Group((knob,)) for knob in knobs)]
    starts = copies[:4]
    found = _search(run, hypothesis, groups, depth=1, cells=view.cells(level, hypothesis))
    for copy in starts if not found else ():
        found += _search(run, copy, groups, depth=1, cells=view.cells(level, copy))
    return found or _search(run, hypothesis, groups, depth=3, skip=1)


def array_groups(knobs: Iterable) -> list[Group]:
    """Groups of the knobs of one level that are one mistake: the same reordering of all arrays."""
    names: dict[str, list] = {}
    for knob in knobs:
        if knob.name[:2] in ("w ", "b ", "v ") and not knob.smooth:
            names.setdefault(knob.name[2:], []).append(knob)
    return [NamedGroup(tuple(found)) for found in names.values() if len(found) > 1]


class NamedGroup(Group):
    """A group of knobs of several names."""


def _copies(setting: Setting, level: int, names: set[str]) -> Iterable[dict]:
    """A setting with what is turned in the layer above turned in this one, too: all, then each."""
    above: dict = {}
    for layer in range(level + 1, level + 8):
        above = {name: v for (name, at), v in setting.items() if at == layer and name in names}
        if above:
            break
    if not above:
        return
    yield {**setting, **{(name, level): value for name, value in above.items()}}
    if len(above) > 1:
        for name, value in above.items():
            yield {**setting, (name, level): value}


def _search(
    run: Residuals, base: dict, groups: Sequence[Group], depth: int, skip: int = 0,
    cells: Sequence[dict] = (),
) -> list[dict]:  # fmt: skip
    """Settings of at most `depth` groups on top of a base that explain all residuals."""
    moves = [(group, {**base, **turn}) for group in groups for turn in group.tries()]
    moves += [(None, {**base, **cell}) for cell in cells]
    r = run([setting for _, setting in moves])
    found = [moves[i][1] for i in np.flatnonzero(misfits(r) <= 1.0)] if not skip else []
    smooth = [group for group in groups if group.smooth]
    start = run([base])[0]
    if not skip:
        first = _first_values(run, base, moves, r, smooth)
        twice = [(group,) for group in smooth for _ in range(2)]
        found += _refined(run, [base] * len(twice), twice, first.reshape(-1, 1))
    if found or depth == 1:
        return found
    columns, owners = _columns(run, base, start, moves, r, smooth)
    found = _search_pairs(run, base, start, columns, owners, PAIRS)
    if not found:
        found = _search_around(run, base, groups, moves, r)
    if found or depth == 2:
        return found
    return _search_triples(run, base, start, columns, owners)


def _search_around(
    run: Residuals, base: dict, groups: Sequence[Group], moves, r: Array
) -> list[dict]:
    """Pairs by matching again around the moves that explain most alone, fitted as well as can be."""
    norms = np.linalg.norm(np.clip(np.nan_to_num(r, nan=1e100), -1e100, 1e100), axis=1)
    for i in np.argsort(norms)[:AROUND]:
        group, setting = moves[i]
        if group is None:
            continue
        if group.smooth:
            start = np.array([[setting[group.keys[0]]]])
            values, _ = refine(run, [base], [(group,)], start)
            setting = apply_values(base, (group,), values[0])
        others = [g for g in groups if not set(g.keys) & set(group.keys)]
        turned = [(g, {**setting, **turn}) for g in others for turn in g.tries()]
        rows, now = run([s for _, s in turned]), run([setting])[0]
        smooth = [g for g in others if g.smooth]
        columns, owners = _columns(run, setting, now, turned, rows, smooth)
        unit, along, kept = _gains(columns, now)
        pairs = []
        for j in np.argsort(-abs(along))[:PAIRS_AROUND]:
            first = (group, setting, None)
            pair = _merge(first, owners[int(kept[j])], base)
            if pair is not None:
                pairs.append(pair)
        if found := _try_all(run, pairs):
            return found
    return []


def _first_values(run: Residuals, base: dict, moves, r: Array, smooth: Sequence[Group]) -> Array:
    """Where the refinement of each smooth group begins: (N, 2), its right value and the best try."""
    far = [(group, {**base, **group.turn(v)}) for group in smooth for v in group.knobs[0].starts]
    if far:
        moves, r = [*moves, *far], np.concatenate([r, run([setting for _, setting in far])])
    norms = misfits(r)
    best: dict[Group, tuple[float, float]] = {}
    for (group, setting), norm in zip(moves, norms, strict=True):
        if group is not None and group.smooth:
            value = setting[group.keys[0]]
            if norm < best.get(group, (np.inf, 0.0))[0]:
                best[group] = (norm, value)
    starts = []
    for group in smooth:
        right, near = group.knobs[0].right, best.get(group, (0.0, 1.0))[1]
        starts.append([right if np.isfinite(right) else near, near])
    return np.array(starts, dtype=float).reshape(-1, 2)


def _refined(
    run: Residuals, bases: Sequence[dict], groups: Sequence[tuple[Group, ...]], starts: Array
) -> list[dict]:
    """The candidates that fit once they are refined."""
    if not len(groups):
        return []
    values, worst = refine(run, bases, groups, starts)
    fits = np.flatnonzero(worst <= 1.0)
    if not len(fits):
        return []
    given = [apply_values(bases[i], groups[i], values[i]) for i in fits]
    plain = [
        apply_values(bases[i], groups[i], [_snap(g, v) for g, v in zip(groups[i], values[i])])
        for i in fits
    ]
    right = misfits(run(plain)) <= 1.0
    return [p if ok else g for p, g, ok in zip(plain, given, right, strict=True)]


def _snap(group: Group, value: float) -> float:
    """The plain value next to a fitted one."""
    knob = group.knobs[0]
    for near in (0.0, *knob.tries, knob.right, float(f"{value:.3g}")):
        if abs(value - near) <= 1e-5 * max(abs(near), 0.1):
            return near
    return value


def _columns(run: Residuals, base: dict, start: Array, moves, r: Array, smooth: Sequence[Group]):
    """What each move adds to the residuals, to first order; with the move itself."""
    with np.errstate(all="ignore"):
        columns = [row - start for row in r]
    owners = [(group, setting, None) for group, setting in moves]
    smooth = [group for group in smooth if np.isfinite(group.knobs[0].right)]
    h = [1e-5 * max(abs(g.knobs[0].right), 0.1) for g in smooth]
    settings = []
    for group, step in zip(smooth, h, strict=True):
        for sign in (1.0, -1.0):
            turned = {knob.key: knob.right + sign * step for knob in group.knobs}
            settings.append({**base, **turned})
    if settings:
        ends = run(settings)
        for k, group in enumerate(smooth):
            columns.append((ends[2 * k] - ends[2 * k + 1]) / (2.0 * h[k]))
            owners.append((group, base, group.knobs[0].right))
    return np.clip(np.nan_to_num(np.array(columns)), -1e100, 1e100), owners


def _gains(columns: Array, start: Array) -> tuple[Array, Array, Array]:
    """Unit columns, and what each takes off the start."""
    norms = np.linalg.norm(columns, axis=1)
    seen = norms > 1e-9 * max(norms.max(initial=0.0), 1e-300)
    unit = columns[seen] / norms[seen, None]
    return unit, unit @ -start, np.flatnonzero(seen)


def _search_pairs(
    run: Residuals, base: dict, start: Array, columns: Array, owners, most: int
) -> list[dict]:
    """Pairs of moves, those first that explain most of the residuals together."""
    unit, along, kept = _gains(columns, start)
    gram = np.clip(unit @ unit.T, -1.0, 1.0)
    room = 1.0 - gram**2
    with np.errstate(all="ignore"):
        gain = (along[:, None] ** 2 + along**2 - 2.0 * gram * along[:, None] * along) / room
    gain[(room < 1e-8) | np.tri(len(unit), dtype=bool)] = -1.0
    order = np.argsort(-gain, axis=None)[: 4 * most]
    pairs, seen = [], set()
    for flat in order:
        i, j = (int(kept[k]) for k in np.unravel_index(flat, gain.shape))
        pair = _merge(owners[i], owners[j], base)
        mark = None if pair is None else (tuple(sorted(pair[0].items())), tuple(g.keys for g in pair[1]))
        if pair is not None and mark not in seen:
            seen.add(mark)
            pairs.append(pair)
        if len(pairs) >= most:
            break
    return _try_all(run, pairs)


def _merge(first, second, base: dict, more=None):
    """A setting, the groups to refine on top of it, and where to begin; None: the same knobs."""
    setting, groups, starts = dict(base), [], []
    taken: set = set()
    for group, turned, value in (first, second) if more is None else (first, second, more):
        keys = set(group.keys) if group is not None else set(turned) - set(base)
        if keys & taken:
            return None
        taken |= keys
        if group is not None and group.smooth:
            groups.append(group)
            starts.append(turned[group.keys[0]] if value is None else value)
        else:
            setting.update({key: turned[key] for key in keys})
    return setting, tuple(groups), starts


def _try_all(run: Residuals, candidates: list) -> list[dict]:
    """The candidates that fit as they are or refined, by how many values they have."""
    whole = [apply_values(s, groups, starts) for s, groups, starts in candidates]
    if not whole:
        return []
    found = [whole[i] for i in np.flatnonzero(misfits(run(whole)) <= 1.0)]
    if found:
        return found
    for m in (1, 2, 3):
        some = [c for c in candidates if len(c[1]) == m]
        if some:
            starts = np.array([c[2] for c in some], dtype=float)
            found += _refined(run, [c[0] for c in some], [c[1] for c in some], starts)
        if found:
            break
    return found


def _search_triples(run: Residuals, base: dict, start: Array, columns: Array, owners) -> list[dict]:
    """Triples by orthogonal matching from the best pairs."""
    unit, along, kept = _gains(columns, start)
    triples, seen = [], set()
    for i in np.argsort(-abs(along))[:12]:
        rest = -start - along[i] * unit[i]
        other = unit - (unit @ unit[i])[:, None] * unit[i]
        norms = np.linalg.norm(other, axis=1)
        other = np.where(norms[:, None] > 1e-6, other / np.maximum(norms, 1e-300)[:, None], 0.0)
        second = other @ rest
        for j in np.argsort(-abs(second))[:5]:
            last = rest - second[j] * other[j]
            third = other - (other @ other[j])[:, None] * other[j]
            norms = np.linalg.norm(third, axis=1)
            third = np.where(norms[:, None] > 1e-6, third / np.maximum(norms, 1e-300)[:, None], 0.0)
            for k in np.argsort(-abs(third @ last))[:3]:
                triple = _merge(*(owners[int(kept[n])] for n in (i, j)), base, owners[int(kept[k])])
                if triple is not None:
                    mark = (tuple(sorted(triple[0].items())), tuple(g.keys for g in triple[1]))
                    if mark not in seen:
                        seen.add(mark)
                        triples.append(triple)
    return _try_all(run, triples)
