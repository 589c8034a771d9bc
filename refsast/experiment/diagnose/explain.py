"""A diagnosis in four or five plain sentences, which say what the figures support and no more.

Rule 1: a part of the gap is looked for only where a gap is established, by an exact sign test.
Rule 2: a layer is named as the place only where its swap costs at least half of the gap both alone
        and after all others, by more than two standard errors, and no other layer's does.
Rule 3: where no layer and no group of recordings holds half of the gap, the words are that no
        single cause is clear.
"""

from math import sqrt

from refsast.experiment.diagnose.record import Diagnosis, Group, LayerDiagnosis

EXCESS = 1.25  # from how many times the gap on a layer's own cost is called more than the whole


def explain(diagnosis: Diagnosis) -> tuple[str, ...]:
    """Say what a diagnosis shows.

    Parameters
    ----------
    diagnosis : Diagnosis
        The figures.

    Returns
    -------
    tuple of str
        Four or five sentences. Layers count from 1, labels from 0; points are hundredths of the
        recordings.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> x, y = np.ones((4, 1, 2)), np.array([2])
    >>> rs.explain(rs.diagnose(network, params, x, y))[0][:27]
    'With smooth spikes 100.0 % '
    """
    d = diagnosis
    if not has_gap(d):
        return _say_accuracies(d), _say_no_cause(d), _say_silence(d), _say_flips(d)
    ties = (_say_ties(d),) if d.hard.tied else ()
    return _say_accuracies(d), _say_silence(d), *ties, _say_layers(d), _say_rates(d)


def has_gap(diagnosis: Diagnosis) -> bool:
    """Return whether the swap loses recordings, more of them than chance alone would."""
    return diagnosis.swap.cost > 0.0 and diagnosis.swap.is_established


def decisive_layers(diagnosis: Diagnosis) -> tuple[int, ...]:
    """Return the layers, from 1, whose swap costs half of the gap alone and after all others."""
    half = diagnosis.swap.cost / 2.0

    def is_decisive(layer: LayerDiagnosis) -> bool:
        swaps = (layer.only, layer.last)
        return all(s.is_established and s.cost - 2.0 * s.error >= half for s in swaps)

    return tuple(i for i, layer in enumerate(diagnosis.layers, 1) if is_decisive(layer))


def is_chance(diagnosis: Diagnosis) -> bool:
    """Return whether the smooth network reads no more than guesses would, to two errors."""
    guess = 1.0 / diagnosis.classes
    error = sqrt(guess * (1.0 - guess) / diagnosis.recordings)
    return diagnosis.smooth.accuracy <= guess + 2.0 * error


def percent(share: float) -> str:
    """Return a share in per cent, as text; only none is shown as zero, and only all as 100."""
    texts = [f"{100.0 * share:.{digits}f}" for digits in range(1, 16)]
    honest = (text for text in texts if float(text) not in (0.0, 100.0))
    return f"{texts[0] if share in (0.0, 1.0) else next(honest, texts[-1])} %"


def points(share: float) -> str:
    """Return a difference of accuracies in points, as text, without a sign on zero."""
    return f"{round(100.0 * share, 1) + 0.0:.1f}"


def layer_name(number: int, diagnosis: Diagnosis) -> str:
    """Return the name of a layer, counted from 1."""
    is_last = number == len(diagnosis.layers) > 1
    return f"layer {number} (the last)" if is_last else f"layer {number}"


def _say_accuracies(d: Diagnosis) -> str:
    head = (
        f"With smooth spikes {percent(d.smooth.accuracy)} of {d.recordings} recordings are read "
        f"correctly, with hard spikes {percent(d.hard.accuracy)}"
    )
    counts = f"{d.swap.lost} lost, {d.swap.won} won"
    chance = f"sign test p = {d.swap.chance:.2g}"
    if not d.swap.lost + d.swap.won:
        tail = "the same ones"
    elif not d.swap.is_established:
        tail = f"that may be chance ({counts}; {chance})"
    elif d.swap.cost < 0.0:
        tail = f"the swap wins {points(-d.swap.cost)} points ({counts}; {chance})"
    else:
        error = f"standard error {points(d.swap.error)}"
        tail = f"a transfer gap of {points(d.swap.cost)} points ({error}; {counts})"
    guess = "; the smooth network is at the level of chance, so a gap says little"
    return f"{head}: {tail}{guess if is_chance(d) else ''}."


def _say_no_cause(d: Diagnosis) -> str:
    if d.swap.is_established:  # in favour of the hard network
        return "The hard network reads more, so there is no loss to explain."
    return "No gap is established on these recordings, so no cause is named."


def _say_silence(d: Diagnosis) -> str:
    if not d.silent.recordings:
        says = "In every recording some neuron of the last layer fires hard"
        return f"{says}: none is lost to a silent output." if has_gap(d) else f"{says}."
    return (
        f"{percent(d.share(d.silent))} of the recordings ({d.silent.recordings}) fire no neuron of "
        f"the last layer with hard spikes and are all given label {d.silent_label}"
        f"{_say_part(d, d.silent)}."
    )


def _say_part(d: Diagnosis, group: Group) -> str:
    """The part of the gap that lies in a group of recordings, where there is a gap."""
    if not has_gap(d):
        return ""
    part = d.gap_part(group)
    if part <= 0.0:
        return "; no part of the gap lies there"
    return f"; {points(part)} of the {points(d.swap.cost)} points are lost there"


def _say_ties(d: Diagnosis) -> str:
    shared = f"with a tie of k counted as 1/k the hard accuracy is {percent(d.hard.shared)}"
    if not d.tied.recordings:
        return f"Only silent outputs are tied; {shared}."
    share = f"{percent(d.share(d.tied))} of the recordings fire and end in a tie"
    return f"{share}, of which the first label counts{_say_part(d, d.tied)}; {shared}."


def _say_layers(d: Diagnosis) -> str:
    if len(d.layers) == 1:
        return f"There is one layer only, so its swap is the whole gap{_say_unclear(d)}."
    found, gap = decisive_layers(d), points(d.swap.cost)
    if len(found) == 1:
        layer, name = d.layers[found[0] - 1], layer_name(found[0], d)
        says = (
            f"Swapping only {name} costs {points(layer.only.cost)} points, and with only it left "
            f"smooth {points(layer.last.cost)} of the {gap} points are back"
        )
        if layer.only.cost > EXCESS * d.swap.cost:
            says += "; alone it costs more than swapping all: the other swaps partly repair it"
        return f"{says}."
    alone, after = (
        ", ".join(points(swap.cost) for swap in swaps)
        for swaps in zip(*((layer.only, layer.last) for layer in d.layers), strict=True)
    )
    if found:
        numbers = " and ".join(map(str, found))
        return (
            f"Each of the layers {numbers} holds at least half of the {gap} points, alone and "
            f"after all others (alone {alone}; last {after}): no single layer is the place."
        )
    return (
        f"No single layer explains the {gap} points. Cost of swapping only this layer, layer by "
        f"layer: {alone}; of swapping it last: {after}{_say_unclear(d)}."
    )


def _say_unclear(d: Diagnosis) -> str:
    """That there is no clear cause, unless silent or tied outputs hold half of the gap."""
    parts = max(d.gap_part(d.silent), d.gap_part(d.tied))
    return "" if parts >= d.swap.cost / 2.0 else "; no single cause is clear from these figures"


def _say_rates(d: Diagnosis) -> str:
    """What becomes of the spikes of the decisive layer, or of the last."""
    found = decisive_layers(d)
    number = found[0] if len(found) == 1 else len(d.layers)
    layer = d.layers[number - 1]
    says = (
        f"The mean spike of {layer_name(number, d)} goes from {layer.rate_smooth:.3g} to "
        f"{layer.rate_hard:.3g}"
    )
    if layer.below is None:
        return f"{says}."
    return f"{says}, and {percent(layer.below)} of its smooth spikes come from below the threshold."


def _say_flips(d: Diagnosis) -> str:
    flips = [float(layer.flips.mean()) for layer in d.layers]
    low, high = percent(min(flips)), percent(max(flips))
    share = low if low == high else f"{low} to {high}"
    return f"By layer, {share} of the hard spikes are not what the smooth potentials call for."
