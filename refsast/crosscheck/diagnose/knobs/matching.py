"""Orthogonal matching: which one, two or three moves explain what is left over?

A move is a knob at a likely value, or a knob whose value is free. One move is tried whole, or
refined; pairs and triples are those whose columns, to first order, explain most together.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.diagnose.knobs.fit import (
    RATIOS,
    Group,
    Residuals,
    apply_values,
    misfits,
    refine,
    round_value,
)

AROUND, PAIRS_AROUND = 12, 24  # moves around which pairs are matched again, and how many of each
NOTHING = 1e-4  # a fitted value that may be zero, to which rounding adds
PAIRS = 160  # pairs that are refined, of all that the linear model offers
# The group that is turned (None: cells of an array), and the whole setting with it.
Move: TypeAlias = tuple[Group | None, dict]
# The same, and the value to begin with where it is refined; None: that of the setting.
Owner: TypeAlias = tuple[Group | None, dict, float | None]
# A setting, groups that are refined on top of it, and where each begins.
Candidate: TypeAlias = tuple[dict, tuple[Group, ...], list[float]]


def find_moves(
    run: Residuals, base: dict, groups: Sequence[Group], depth: int, skip: int = 0,
    cells: Sequence[dict] = (),
) -> list[dict]:  # fmt: skip
    """Settings of at most `depth` groups on top of a base that explain all residuals."""
    moves = [(group, {**base, **turn}) for group in groups for turn in group.tries()]
    moves += [(None, {**base, **cell}) for cell in cells]
    if not moves:
        return []
    r = run([setting for _, setting in moves])
    found = [moves[i][1] for i in np.flatnonzero(misfits(r) <= 1.0)] if not skip else []
    smooth = [group for group in groups if group.smooth]
    start = run([base])[0]
    if not skip:
        first = _first_values(run, base, moves, r, smooth)
        twice = [(group,) for group in smooth for _ in range(2)]
        found += _refine_all(run, [base] * len(twice), twice, first.reshape(-1, 1))
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
    run: Residuals, base: dict, groups: Sequence[Group], moves: Sequence[Move], r: Array
) -> list[dict]:
    """Pairs by matching again around the moves that explain most alone, once they are fitted."""
    norms = np.linalg.norm(np.clip(np.nan_to_num(r, nan=1e100), -1e100, 1e100), axis=1)
    best: dict[Group, int] = {}
    for i in map(int, np.argsort(norms)):
        if (owner := moves[i][0]) is not None:
            best.setdefault(owner, i)
    for group, i in list(best.items())[:AROUND]:
        setting = moves[i][1]
        if group.smooth:
            start = np.array([[group.read(setting)]])
            values, _ = refine(run, [base], [(group,)], start)
            setting = apply_values(base, (group,), values[0])
        others = [g for g in groups if not set(g.keys) & set(group.keys)]
        turned = [(g, {**setting, **turn}) for g in others for turn in g.tries()]
        rows, now = run([s for _, s in turned]), run([setting])[0]
        smooth = [g for g in others if g.smooth]
        columns, owners = _columns(run, setting, now, turned, rows, smooth)
        _, along, kept = _gains(columns, now)
        pairs = []
        for j in np.argsort(-abs(along))[:PAIRS_AROUND]:
            pair = _merge(((group, setting, None), owners[int(kept[j])]), base)
            if pair is not None:
                pairs.append(pair)
        if found := try_candidates(run, pairs):
            return found
    return []


def _first_values(
    run: Residuals, base: dict, moves: Sequence[Move], r: Array, smooth: Sequence[Group]
) -> Array:
    """Where each smooth group's refinement begins: (N, 2), its right value and the best try.

    Where the right value is infinite, as of a limit, the two best tries: one may limit nothing.
    """
    far = [(group, {**base, **group.turn(v)}) for group in smooth for v in group.starts]
    if far:
        moves, r = [*moves, *far], np.concatenate([r, run([setting for _, setting in far])])
    norms = misfits(r)
    best: dict[Group, list[tuple[float, float]]] = {}
    for (group, setting), norm in zip(moves, norms, strict=True):
        if group is not None and group.smooth and np.isfinite(norm):
            best.setdefault(group, []).append((norm, group.read(setting)))
    starts = []
    for group in smooth:
        ranked = [value for _, value in sorted(best.get(group, [(0.0, 1.0)]))]
        right = group.right if np.isfinite(group.right) else ranked[min(1, len(ranked) - 1)]
        starts.append([right, ranked[0]])
    return np.array(starts, dtype=float).reshape(-1, 2)


def _refine_all(
    run: Residuals, bases: Sequence[dict], groups: Sequence[tuple[Group, ...]], starts: Array
) -> list[dict]:
    """The candidates that fit once they are refined."""
    if not len(groups):
        return []
    values, worst = refine(run, bases, groups, starts)
    fits = [int(i) for i in np.flatnonzero(worst <= 1.0)]
    if not len(fits):
        return []
    given = [apply_values(bases[i], groups[i], values[i]) for i in fits]
    near = [list(map(snap, groups[i], values[i])) for i in fits]
    plain = [apply_values(bases[i], groups[i], v) for i, v in zip(fits, near, strict=True)]
    right = misfits(run(plain)) <= 1.0
    return [p if ok else g for p, g, ok in zip(plain, given, right, strict=True)]


def snap(group: Group, value: float) -> float:
    """Return the plain value next to a fitted one."""
    tries = RATIOS if group.relative else group.knobs[0].tries
    for near in (0.0, *tries, group.right):
        if abs(value - near) <= 1e-5 * max(abs(near), 0.1):
            return near
    if abs(value) <= NOTHING:
        return 0.0
    return round_value(value)


def _columns(
    run: Residuals, base: dict, start: Array, moves: Sequence[Move], r: Array,
    smooth: Sequence[Group],
) -> tuple[Array, list[Owner]]:  # fmt: skip
    """What each move adds to the residuals, to first order; with the move itself."""
    with np.errstate(all="ignore"):
        columns = [row - start for row in r]
    owners: list[Owner] = [(group, setting, None) for group, setting in moves]
    smooth = [group for group in smooth if np.isfinite(group.right)]
    h = [1e-5 * max(abs(g.right), 0.1) for g in smooth]
    settings = []
    for group, step in zip(smooth, h, strict=True):
        for sign in (1.0, -1.0):
            settings.append({**base, **group.turn(group.right + sign * step)})
    if settings:
        ends = np.clip(np.nan_to_num(run(settings)), -1e100, 1e100)
        for k, group in enumerate(smooth):
            columns.append((ends[2 * k] - ends[2 * k + 1]) / (2.0 * h[k]))
            owners.append((group, base, group.right))
    return np.clip(np.nan_to_num(np.array(columns)), -1e100, 1e100), owners


def _gains(columns: Array, start: Array) -> tuple[Array, Array, Integers]:
    """Unit columns, and what each takes off the start."""
    norms = np.linalg.norm(columns, axis=1)
    seen = norms > 1e-9 * max(norms.max(initial=0.0), 1e-300)
    unit = columns[seen] / norms[seen, None]
    return unit, unit @ -np.clip(np.nan_to_num(start), -1e100, 1e100), np.flatnonzero(seen)


def _search_pairs(
    run: Residuals, base: dict, start: Array, columns: Array, owners: Sequence[Owner], most: int
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
        pair = _merge((owners[i], owners[j]), base)
        mark = (
            None
            if pair is None
            else (tuple(sorted(pair[0].items())), tuple(g.keys for g in pair[1]))
        )
        if pair is not None and mark not in seen:
            seen.add(mark)
            pairs.append(pair)
        if len(pairs) >= most:
            break
    return try_candidates(run, pairs)


def _merge(owners: Sequence[Owner], base: dict) -> Candidate | None:
    """A setting, the groups to refine on top of it, and where to begin; None: the same knobs."""
    setting = dict(base)
    groups: list[Group] = []
    starts: list[float] = []
    taken: set = set()
    for group, turned, value in owners:
        keys = set(group.keys) if group is not None else set(turned) - set(base)
        if keys & taken:
            return None
        taken |= keys
        if group is not None and group.smooth:
            groups.append(group)
            starts.append(group.read(turned) if value is None else value)
        else:
            setting.update({key: turned[key] for key in keys})
    return setting, tuple(groups), starts


def try_candidates(run: Residuals, candidates: Sequence[Candidate]) -> list[dict]:
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
            found += _refine_all(run, [c[0] for c in some], [c[1] for c in some], starts)
        if found:
            break
    return found


def _search_triples(
    run: Residuals, base: dict, start: Array, columns: Array, owners: Sequence[Owner]
) -> list[dict]:
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
                triple = _merge([owners[int(kept[n])] for n in (i, j, k)], base)
                if triple is not None:
                    mark = (tuple(sorted(triple[0].items())), tuple(g.keys for g in triple[1]))
                    if mark not in seen:
                        seen.add(mark)
                        triples.append(triple)
    return try_candidates(run, triples)
