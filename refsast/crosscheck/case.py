"""The question and the answer: what an implementation is asked, and what it may return.

Rule 1: an implementation gets NumPy arrays; it may return anything that converts to them
        (``__array__``, DLPack), so that no framework is imported here.
Rule 2: what it returns is validated once, in `read_answer`, and trusted from there on.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from refsast.arrays import Array, Integers
from refsast.crosscheck.containers import NOTHING_FLOWS, arrange_grads
from refsast.crosscheck.foreign_arrays import require_real_array
from refsast.crosscheck.implementation import Gradient, Implementation, call_foreign
from refsast.model.network import Network
from refsast.model.params import WEIGHTS, Layer, Params, map_params
from refsast.model.synapse import Synapse
from refsast.model.validation import validate

BESIDE_LAYERS = "what no layer has goes into its layer's mapping by a name, such as 'beta'"


@dataclass(frozen=True, eq=False)
class Case:
    """A network with parameters and a labelled batch: all that a gradient is a function of.

    Attributes
    ----------
    network : Network
        The network. Its neurons fix reset, leak, threshold and smooth spike.
    params : tuple of Layer
        Its parameters, float64.
    x : (time, batch, n_0) array
        Input, float64.
    y : (batch,) array of int
        Labels in [0, classes).
    synapse : Synapse or None
        What filters each layer's input; None: nothing does, as in `Network`.
    hard : bool
        Whether spikes are Heaviside steps forward and smooth ones backward: the conventional,
        biased estimate. Else they are smooth both ways, and the answer is a gradient.
    name : str
        For reports.

    Raises
    ------
    ValueError
        If a shape, dtype or number is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], name="mine")
    >>> case.x.shape, case.y
    ((4, 1, 2), array([2]))
    """

    network: Network
    params: Params
    x: Array
    y: Integers
    synapse: Synapse | None = None
    hard: bool = False
    name: str = field(default="case", kw_only=True)

    def __post_init__(self) -> None:
        params, x, y = validate(self.network, self.params, self.x, self.y)
        if params[0].w.dtype.kind == "c" or x.dtype.kind == "c":
            raise ValueError("params and x must be real, got complex numbers")
        if not (self.synapse is None or isinstance(self.synapse, Synapse)):
            raise ValueError(f"synapse must be a Synapse or None, got {self.synapse!r}")
        # The record is frozen; this is how it stores what validation returned.
        object.__setattr__(self, "params", cast_params(params, np.float64))
        object.__setattr__(self, "x", x.astype(np.float64))
        object.__setattr__(self, "y", y.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Answer:
    """What an implementation returns for a case; what it leaves out is None.

    Attributes
    ----------
    loss : float
        Mean cross entropy, in nats.
    grads : tuple of Layer
        Gradient in every parameter.
    u, s : tuple of (time, batch, n) array, or None
        Potentials before the reset, and spikes, one array per spiking layer.
    adjoints : tuple of (time, batch, n) array, or None
        dL/du, total: through everything that follows from a potential.
    x : (time, batch, n_0) array, or None
        Gradient in the input.
    extras : tuple of str
        Names that came with the gradients and that no `Layer` has; they are not compared.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], name="mine")
    >>> loss, grads = rs.reference.loss_and_grad(network, params, case.x, case.y)
    >>> trace = rs.run(network, params, case.x)
    >>> def answer(params, x, y):
    ...     return rs.Answer(float(loss), grads, u=trace.u, s=trace.s)
    >>> print(rs.check(answer, case).verdict)
    agrees
    """

    loss: float
    grads: Params
    u: tuple[Array, ...] | None = None
    s: tuple[Array, ...] | None = None
    adjoints: tuple[Array, ...] | None = None
    x: Array | None = None
    extras: tuple[str, ...] = ()


# ``package:factory`` names one. It is called with a case, of which only network, synapse and hard
# matter, and raises `Unsupported` where its library has no such network.
Factory: TypeAlias = Callable[[Case], "Implementation | Gradient"]


def cast_params(params: Params, dtype: np.typing.DTypeLike) -> Params:
    """Return the same parameters in another dtype."""
    return map_params(lambda a: a.astype(dtype), params)


def ask(gradient: Gradient, case: Case) -> tuple[Answer, np.dtype]:
    """Call an implementation on a case and return its answer in float64, with the dtype it had.

    That is the least precise of all floating-point arrays that came back. The implementation gets
    copies, so that whatever it does to them stays with it. Raises ValueError if it raises, or if
    what comes back has other names, shapes or kinds, or is not finite.
    """
    copies = cast_params(case.params, np.float64), case.x.copy(), case.y.copy()
    reply = call_foreign(gradient, *copies, wanted=f"gradient must answer {case.name!r}")
    return read_answer(reply, case)


def read_answer(reply: object, case: Case) -> tuple[Answer, np.dtype]:
    """Return the answer and the dtype in what a gradient returned; errors as `ask`."""
    if isinstance(reply, Answer):
        given = reply
    elif isinstance(reply, tuple | list) and len(reply) == 2:
        given = Answer(reply[0], reply[1])  # pyright: ignore[reportArgumentType]
    else:
        raise ValueError(
            f"gradient must return (loss, grads) or an Answer, got {type(reply).__name__}"
        )
    network, dtypes = case.network, [np.dtype(np.float64)]
    grads, beside = arrange_grads(given.grads, network)

    def read(value: object, name: str, shape: Sequence[int]) -> Array:
        array = require_real_array(value, name, shape)
        if array.dtype.kind == "f":
            dtypes.append(array.dtype)
        return array.astype(np.float64)

    def layers(arrays: object, name: str) -> tuple[Array, ...] | None:
        if arrays is None:
            return None
        wanted = [(*case.x.shape[:2], n) for n in network.sizes[1:]]
        if not isinstance(arrays, Sequence) or len(arrays) != len(wanted):
            raise ValueError(f"{name} must have {len(wanted)} arrays, got {_describe(arrays)}")
        pairs = zip(arrays, wanted, strict=True)
        return tuple(read(array, f"{name}[{i}]", shape) for i, (array, shape) in enumerate(pairs))

    answer = Answer(
        # Its dtype says nothing: a loss is a Python float as a rule, whatever it was computed in.
        float(require_real_array(given.loss, "loss", ())),
        _read_params(grads, network, len(case.x), read),
        layers(given.u, "u"),
        layers(given.s, "s"),
        layers(given.adjoints, "adjoints"),
        None if given.x is None else read(given.x, "x", case.x.shape),
        (
            *(
                f"grads[{i}].{name}"
                for i, (layer, shapes) in enumerate(zip(grads, network.shapes, strict=True))
                if isinstance(layer, Mapping)
                for name in list_extras(layer, shapes)
            ),
            *beside,
        ),
    )
    return answer, min(dtypes, key=lambda dtype: dtype.itemsize)


def _read_params(grads: object, network: Network, steps: int, read: Callable[..., Array]) -> Params:
    """The gradients as layers, or what is wrong with them."""
    if not isinstance(grads, Sequence) or isinstance(grads, str):  # a str is a sequence, too
        raise ValueError(f"grads must be a sequence of layers, got {type(grads).__name__}")
    if len(grads) != len(network.shapes):
        way_out = f": {BESIDE_LAYERS}" if len(grads) > len(network.shapes) else ""
        raise ValueError(f"grads must have {len(network.shapes)} layers, got {len(grads)}{way_out}")
    found = []
    for i, (layer, shapes) in enumerate(zip(grads, network.shapes, strict=True)):
        if layer is None:
            raise ValueError(f"grads[{i}] must be a Layer or a mapping, got None: {NOTHING_FLOWS}")
        if not isinstance(layer, Mapping):
            raise ValueError(f"grads[{i}] must be a Layer or a mapping, got {type(layer).__name__}")
        empty = [k for k in shapes if k in layer and layer[k] is None]
        if empty == ["v"] and steps == 1:  # no spike of a step before
            layer, empty = {**layer, "v": np.zeros(shapes["v"])}, []
        if empty:
            raise ValueError(f"grads[{i}].{empty[0]} must be an array, got None: {NOTHING_FLOWS}")
        got = {k for k, a in layer.items() if a is not None}
        # Names that this layer has not, such as a leak's, are not compared; the report says so.
        if got - set(list_extras(got, shapes)) != set(shapes):
            raise ValueError(f"grads[{i}] must have {sorted(shapes)}, got {sorted(map(str, got))}")
        found.append(Layer(**{k: read(layer[k], f"grads[{i}].{k}", shapes[k]) for k in shapes}))
    return tuple(found)


def list_extras(names: Iterable[object], shapes: Container[object]) -> list[str]:
    """Return the names, of those in a mapping, of what this layer has not."""
    return [str(name) for name in names if name not in WEIGHTS and name not in shapes]


def _describe(value: object) -> str:
    """What was given, in a few words."""
    return f"{len(value)}" if isinstance(value, Sequence) else type(value).__name__


def truncate_case(case: Case, steps: int, batch: int | None = None) -> Case:
    """Return the case with its first steps (and recordings) only."""
    return replace(case, x=case.x[:steps, :batch], y=case.y[:batch])


def take_one(case: Case, b: int) -> Case:
    """Return a case of one recording."""
    return select_recordings(case, np.array([b]))


def take_singles(case: Case, most: int) -> list[Case]:
    """Return cases of single recordings, of the first ones, so many at most."""
    return [take_one(case, b) for b in range(min(len(case.y), most))]


def select_recordings(case: Case, kept: Integers) -> Case:
    """Return the case with some of its recordings only."""
    return replace(case, x=case.x[:, kept], y=case.y[kept])
