"""The certificate for all roundings, against every rounding, random ones and an adversary's."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import refsast as rs
from refsast.deploy.certificate import enclose_weights, keeps_class
from refsast.deploy.enclosure import enclose_runs
from refsast.deploy.formats import ROUNDINGS, Leak
from tests.deploy.integers import RESETS

deploy = rs.deploy
NEURON = rs.LIF(0.9, 1.0, rs.Arctan(2.0))
KINDS = {
    "zero": dict(reset=rs.ToZero()),
    "zero, low range": dict(reset=rs.ToZero(), potentials=deploy.PotentialFormat(5, 2)),
    "zero, wraps": dict(
        reset=rs.ToZero(), potentials=deploy.PotentialFormat(5, 2, overflow="wrap")
    ),
    "zero, recurrent": dict(reset=rs.ToZero(), recurrent=True),
    "zero, affine": dict(reset=rs.ToZero(), readout=rs.LinearReadout(2)),
    **{str(reset): dict(reset=reset) for reset in RESETS[1:]},
}


def draw(seed, kind, steps=6):
    """A network of six weights, formats, and two recordings of one input."""
    rng = np.random.default_rng(seed)
    has = {"recurrent": False, "readout": rs.SpikeRate(1.0), "potentials": deploy.PotentialFormat()}
    has |= KINDS[kind]
    neuron = replace(NEURON, leak=float(rng.choice([0.5, 0.9])), reset=has["reset"])
    deep = not has["recurrent"] and has["readout"].n_out is None
    sizes = (1, 2, 2) if deep else (1, 2)
    network = rs.Network(sizes, neuron, has["readout"], recurrent=has["recurrent"])
    params = rs.unflatten(network, rng.normal(size=network.n_params))
    if network.readout.n_out is not None:  # two classes that are read nearly alike
        alike = params[-1].w[0] + np.array([[0.0], [0.3]]) * rng.normal(size=2)
        params = (*params[:-1], rs.Layer(alike, np.zeros(2)))
    bits = int(rng.choice([2, 3, 4]))
    formats = deploy.Formats(deploy.WeightFormat(bits, "tensor"), has["potentials"])
    return network, params, formats, rng.integers(0, 3, (steps, 2, 1))


def every_rounding(low, high):
    """All networks between two whose weights are neighbours."""
    parts = [(layer, "w") for layer in range(len(low.layers))]
    parts += [(0, "v")] if low.layers[0].v is not None else []
    parts += [("readout", "w")] if low.readout is not None else []
    ends = [_get(low, part).ravel() for part in parts], [_get(high, part).ravel() for part in parts]
    flat = [np.concatenate(side) for side in ends]
    open_places = np.flatnonzero(flat[0] != flat[1])
    for choice in product((0, 1), repeat=len(open_places)):
        codes = flat[0].copy()
        codes[open_places] += choice
        yield _fill(low, parts, codes)


def _get(made, part):
    owner = made.readout if part[0] == "readout" else made.layers[part[0]]
    return getattr(owner, part[1])


def _fill(made, parts, codes):
    for part in parts:
        shape = _get(made, part).shape
        here, codes = codes[: np.prod(shape)].reshape(shape), codes[np.prod(shape) :]
        if part[0] == "readout":
            made = replace(made, readout=replace(made.readout, w=here))
        else:
            layers = list(made.layers)
            layers[part[0]] = replace(layers[part[0]], **{part[1]: here})
            made = replace(made, layers=tuple(layers))
    return made


def escapes(run, bounds):
    """Whether any number of a run is outside of its interval."""
    numbers = [*zip(run.u, bounds.u, strict=True), *zip(run.s, bounds.s, strict=True)]
    numbers.append((run.s[-1].sum(axis=0), bounds.counts))
    return any(((a < low) | (a > high)).any() for a, (low, high) in numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_no_rounding_leaves_the_intervals_or_changes_a_certified_class(kind):
    certified = constant = 0
    for seed in range(10):
        network, params, formats, x = draw(seed, kind)
        ends = enclose_weights(network, params, formats)
        bounds, found = enclose_runs(*ends, x), deploy.certify_rounding(network, params, x, formats)
        kept = np.ones(2, bool)
        for made in every_rounding(*ends):
            run = deploy.run(made, x)
            assert not escapes(run, bounds)
            kept &= run.logits.argmax(axis=1) == found.classes
        assert not (found.certified & ~kept).any()
        certified, constant = certified + found.certified.sum(), constant + kept.sum()
    assert 0 < certified < 20  # else nothing was said
    assert certified >= 0.5 * constant


def test_a_spike_that_may_come_later_is_one_spike():
    """Some roundings fire in step 2, some in step 3; the count is certain, and so is the class."""
    network = rs.Network((1, 2), replace(NEURON, leak=1.0), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.array([[0.5 + 1e-3], [-1.0]])),)
    formats = deploy.Formats(deploy.WeightFormat(4, "tensor"))
    bounds = enclose_runs(*enclose_weights(network, params, formats), np.ones((3, 1, 1), int))

    assert [end[:, 0, 0].tolist() for end in bounds.s[0]] == [[0, 0, 0], [0, 1, 1]]
    assert [end[0].tolist() for end in bounds.counts] == [[1, 0], [1, 0]]


@pytest.mark.parametrize("kind", ["zero", "zero, recurrent"])
def test_without_the_rounding_of_the_leak_a_run_escapes(kind, monkeypatch):
    """In sums over several steps it is a bound of its own; step by step it is exact."""
    monkeypatch.setattr(Leak, "largest_error", property(lambda leak: -1.0))
    found = 0
    for seed in range(8):
        network, params, formats, x = draw(seed, kind)
        ends = enclose_weights(network, params, formats)
        bounds = enclose_runs(*ends, x)
        found += any(escapes(deploy.run(made, x), bounds) for made in every_rounding(*ends))
    assert (found > 0) == (kind == "zero")


def test_certified_recordings_keep_their_class_whatever_rounds():
    x, _ = rs.synthetic_spikes(40, np.random.default_rng(0), steps=5)
    network = rs.Network((2312, 24, 10), NEURON, rs.SpikeRate(1.0))
    params = tuple(replace(layer, w=4.0 * layer.w) for layer in rs.init(network, 0))
    rng, shares = np.random.default_rng(1), []
    for bits in (14, 10, 8, 6):
        formats = deploy.Formats(deploy.WeightFormat(bits), deploy.PotentialFormat(20, 4))
        found = deploy.certify_rounding(network, params, x, formats)
        shares.append(found.certified.mean())
        for rounding in (*ROUNDINGS, "stochastic", "stochastic"):
            weights = replace(formats.weights, rounding=rounding)
            made = deploy.to_integers(network, params, replace(formats, weights=weights), rng)
            same = deploy.run(made, x).logits.argmax(axis=1) == found.classes
            assert same[found.certified].all()
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.8
    assert shares[-1] < 0.5


def test_of_equal_logits_the_first_is_certified_alone():
    network = rs.Network((1, 3), NEURON, rs.SpikeRate(1.0), bias=False)
    silent = (rs.Layer(np.full((3, 1), 0.1)),)
    ends = enclose_weights(network, silent, deploy.Formats())
    bounds = enclose_runs(*ends, np.ones((2, 1, 1), int))

    assert [keeps_class(ends, bounds, np.array([c]))[0] for c in range(3)] == [True, False, False]


def test_a_weight_on_the_grid_stays_there_however_it_is_rounded():
    class Largest(np.random.Generator):
        def random(self, size=None):
            return np.full(size, 1.0 - 2.0**-53)

    rows = np.array([[3.0, 2.0, 1.5, -3.0]])
    for rounding in ROUNDINGS:
        weights = deploy.WeightFormat(3, rounding=rounding)
        codes = weights.quantise(rows, weights.scales(rows), Largest(np.random.PCG64(0)))
        assert codes[0, [0, 1, 3]].tolist() == [3, 2, -3]
        assert codes[0, 2] in (1, 2)


def test_negative_counts_are_refused():
    network = rs.Network((2, 3), NEURON, rs.SpikeRate(1.0))
    with pytest.raises(ValueError, match="x must hold counts, none below 0, got -1"):
        deploy.certify_rounding(network, rs.init(network, 0), np.full((1, 1, 2), -1))


def test_the_class_is_that_of_double_precision_whatever_the_parameters_have():
    """Ten times 0.099999994 is 1 in single precision, and fires; in double it is below."""
    network = rs.Network((1, 2), replace(NEURON, leak=1.0), rs.SpikeRate(1.0), bias=False)
    single = (rs.Layer(np.array([[-0.099999994], [0.099999994]], np.float32)),)
    double = (rs.Layer(single[0].w.astype(np.float64)),)
    x = np.ones((10, 1, 1), int)
    assert [rs.run(network, p, x, rs.heaviside).logits.argmax() for p in (single, double)] == [1, 0]

    found = deploy.certify_rounding(network, single, x)

    assert found.classes.tolist() == [0]
    assert not found.certified[0]  # in integers it fires


@pytest.mark.parametrize("layer", [1, 2])
def test_sums_of_roundings_between_the_ends_must_fit_too(layer):
    """Half of the weights rounded up, the others down: twice the sum of either end."""
    n, half = 1000, np.resize([0.5, -0.5], 999)
    rows = np.vstack([[3.0, *half], [-3.0, *half]])
    first = (rs.Layer(np.ones((n, 1))),) if layer == 2 else ()
    sizes = (1, n, 2) if layer == 2 else (n, 2)
    network = rs.Network(sizes, NEURON, rs.SpikeRate(1.0), bias=False)
    bits = deploy.PotentialFormat(8, 21 if layer == 2 else 14)
    formats = deploy.Formats(deploy.WeightFormat(3, "tensor"), bits)
    x = np.zeros((1, 1, sizes[0]), int)
    x[0, 0, 0] = 1 if layer == 2 else 200
    for made in enclose_weights(network, (*first, rs.Layer(rows)), formats):
        deploy.run(made, x)  # both ends fit

    with pytest.raises(ValueError, match=f"sum of a step of layer {layer} must stay within 32"):
        deploy.certify_rounding(network, (*first, rs.Layer(rows)), x, formats)


@pytest.mark.parametrize("formats", [None, 8, deploy.WeightFormat()])
def test_what_are_no_formats_is_refused(formats):
    network = rs.Network((2, 3), NEURON, rs.SpikeRate(1.0))
    with pytest.raises(ValueError, match=f"formats must be Formats, got {type(formats).__name__}"):
        deploy.certify_rounding(network, rs.init(network, 0), np.ones((1, 1, 2)), formats)


def test_what_wraps_around_below_its_threshold_leaves_the_sum_over_its_window():
    """7 + 7 is -2 of 4 bits and leaks to -1; without the wrap it would be 7, and fire."""
    network = rs.Network((1, 2, 1), replace(NEURON, leak=0.5), rs.SpikeRate(1.0), bias=False)
    params = (rs.Layer(np.ones((2, 1))), rs.Layer(np.ones((1, 2))))
    potentials = deploy.PotentialFormat(3, 0, overflow="wrap")
    formats = deploy.Formats(deploy.WeightFormat(4), potentials)
    ends, x = enclose_weights(network, params, formats), np.array([[[1]], [[0]]])

    run = deploy.run(ends[0], x)

    assert run.u[1].ravel().tolist() == [-2, -1]
    assert not escapes(run, enclose_runs(*ends, x))


@pytest.mark.parametrize(
    ("lead", "steps", "certain"), [(0.5, 1, False), (0.5, 3, False), (1.1, 3, True)]
)
def test_a_spike_that_may_come_counts_against_the_class_that_it_weakens(lead, steps, certain):
    """Half a weight step decides whether there is a spike; it reads as 1 for the second class."""
    neuron = replace(NEURON, leak=0.0, threshold=0.55)
    network = rs.Network((2, 1), neuron, rs.LinearReadout(2))
    affine = rs.Layer(np.array([[0.0], [1.0]]), np.array([lead, 0.0]))
    params = (rs.Layer(np.array([[1.0, 0.5]]), np.zeros(1)), affine)
    formats = deploy.Formats(deploy.WeightFormat(4))
    x = np.tile([0, 1], (steps, 1, 1))

    found = deploy.certify_rounding(network, params, x, formats)

    runs = [deploy.run(made, x) for made in enclose_weights(network, params, formats)]
    assert [run.s[0].sum() for run in runs] == [0, steps]
    assert [run.logits[0].argmax() for run in runs] == [0, 0 if certain else 1]
    assert (found.classes[0], found.certified[0]) == (0, certain)
