"""The last steps to the smallest example: fewer recordings, steps, neurons and layers.

Hypothesis shrinks the choices that an example was drawn by. It stops where a shorter array would
shift all choices that follow; from there on the example itself is cut. One that was stretched has
no such choices: it is cut only.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from refsast.crosscheck.case import Case
from refsast.crosscheck.conformance.extended_cuts import smaller_extended
from refsast.crosscheck.conformance.extensions import extension_names
from refsast.crosscheck.conformance.strategies import Example
from refsast.model.network import Network, describe_extension
from refsast.model.params import Layer, Params, layer_arrays
from refsast.model.readout import SpikeRate

MAX_CUTS = 250  # tried, at most


def shrink_example(example: Example, wrong: Callable[[Example], bool]) -> Example:
    """Return a wrong example with as few of everything as are still answered wrongly."""
    left = MAX_CUTS
    smaller = True
    while smaller:
        smaller = False
        for cut in smaller_examples(example):
            left -= 1
            if left < 0:
                return example
            if wrong(cut):
                example, smaller = cut, True
                break
    return example


def smaller_examples(example: Example) -> Iterator[Example]:
    """Yield the example with less of something, the largest cuts first."""
    time, batch, _ = example.case.x.shape
    yield from _halves(example, time, batch)
    if describe_extension(example.case.network):
        yield from smaller_extended(example)
    yield from chain(narrow_examples(example), shorter_examples(example))


def _halves(example: Example, time: int, batch: int) -> Iterator[Example]:
    """The first and the last half of the recordings, and of the steps."""
    if batch > 3:
        yield slice_example(example, slice(None), slice(0, batch // 2))
        yield slice_example(example, slice(None), slice(batch // 2, None))
    if time > 3:
        yield slice_example(example, slice(0, time // 2), slice(None))
        yield slice_example(example, slice(time // 2, None), slice(None))


def shorter_examples(example: Example) -> Iterator[Example]:
    """Yield the example with one recording only, and without its last or its first step."""
    time, batch, _ = example.case.x.shape
    if batch > 1:
        yield from (slice_example(example, slice(None), slice(i, i + 1)) for i in range(batch))
        yield slice_example(example, slice(None), slice(0, batch - 1))
        yield slice_example(example, slice(None), slice(1, None))
    if time > 1:
        yield slice_example(example, slice(0, time - 1), slice(None))
        yield slice_example(example, slice(1, time), slice(None))


def narrow_examples(example: Example) -> Iterator[Example]:
    """Yield the example without a layer, with half the neurons of one, and with one fewer."""
    network = example.case.network
    if network.connections is not None or "numbers per neuron" in extension_names(network):
        return  # what hangs on the number of neurons is cut by `smaller_extended` alone
    layers = range(len(network.neurons))
    yield from (drop_layer(example, i) for i in layers if _may_drop(network, i))
    for half in (True, False):
        for i, size in enumerate(network.sizes):
            keep = (size + 1) // 2 if half else size - 1
            if 0 < keep < size and _may_narrow(example, i, keep):
                yield narrow_layer(example, i, keep)


def _may_drop(network: Network, layer: int) -> bool:
    """Whether the layer above it, or the readout, could take the input of a layer for its own."""
    last = layer == len(network.neurons) - 1
    plain = network.readout.n_out is None
    return len(network.neurons) > 1 and not (last and plain)


def _may_narrow(example: Example, index: int, keep: int) -> bool:
    """Whether a layer may have fewer neurons: classes must be left for all labels."""
    network = example.case.network
    if index < len(network.neurons) or network.readout.n_out is not None:
        return True
    if isinstance(network.readout, SpikeRate) and network.readout.population > 1:
        return False
    labels = max(int(example.case.y.max(initial=0)), int(example.y.max(initial=0)))
    return keep > labels and keep > 1


def narrow_layer(example: Example, index: int, keep: int) -> Example:
    """Return the example with the first neurons of a layer only; of index 0, with fewer inputs."""
    old = example.case
    sizes = (*old.network.sizes[:index], keep, *old.network.sizes[index + 1 :])
    params = list(old.params)
    if index > 0:
        params[index - 1] = _first_rows(params[index - 1], keep)
    if index < len(params):
        params[index] = replace(params[index], w=params[index].w[:, :keep])
    network = replace(old.network, sizes=sizes)
    inputs = keep if index == 0 else old.x.shape[2]
    return _rebuild(example, network, tuple(params), inputs)


def _first_rows(layer: Layer, keep: int) -> Layer:
    """A layer with its first neurons only."""
    arrays = {name: a[:keep] if a.ndim else a for name, a in layer_arrays(layer).items()}
    return Layer(**arrays | ({} if layer.v is None else {"v": layer.v[:keep, :keep]}))


def drop_layer(example: Example, layer: int) -> Example:
    """Return the example without a spiking layer; what follows takes that layer's input."""
    network = example.case.network
    narrow = min(network.sizes[layer], network.sizes[layer + 1])
    for index in (layer, layer + 1):  # the same size on both sides
        if network.sizes[index] > narrow:
            example = narrow_layer(example, index, narrow)
    old = example.case
    sizes, neurons = list(old.network.sizes), list(old.network.neurons)
    params = list(old.params)
    del sizes[layer + 1], neurons[layer], params[layer]
    network = replace(old.network, sizes=tuple(sizes), neuron=tuple(neurons))
    return _rebuild(example, network, tuple(params), sizes[0])


def _rebuild(example: Example, network: Network, params: Params, inputs: int) -> Example:
    """The example with another network, and its first inputs only."""
    old = example.case
    case = Case(network, params, old.x[:, :, :inputs], old.y, old.synapse, old.hard, name=old.name)
    return _with_case(example, case, slice(None), slice(None), inputs)


def slice_example(example: Example, steps: slice, recordings: slice) -> Example:
    """Return the example with some of its steps and recordings."""
    old = example.case
    case = replace(old, x=old.x[steps, recordings], y=old.y[recordings])
    return _with_case(example, case, steps, recordings, old.x.shape[2])


def _with_case(
    example: Example, case: Case, steps: slice, recordings: slice, inputs: int
) -> Example:
    """The example with another case, its second minibatch cut alike."""
    if example.x is example.case.x:  # of one minibatch only
        return replace(example, case=case, x=case.x, y=case.y)
    x = example.x[steps, recordings, :inputs]
    return replace(example, case=case, x=x, y=example.y[recordings])
