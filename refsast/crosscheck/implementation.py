"""An implementation by somebody else: how it is called, and what it may say."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

T = TypeVar("T")

# The way out where a network is none that refsast can express, or that a library has.
PROGRAM = "write the network as an rs.Program, see docs/program.md"
OTHER_CASE = "ask about a case that it has, or another library"


class Unsupported(ValueError):
    """What a factory raises where its library has no such network: left out, not failed.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], name="mine")
    >>> def factory(case):
    ...     if case.network.recurrent:
    ...         raise rs.Unsupported("recurrent layers")
    ...     return lambda params, x, y: rs.fast.loss_and_grad(case.network, params, x, y)
    >>> rs.check(factory(case), case).verdict
    'agrees'
    """


def refuse_case(text: str) -> Unsupported:
    """Return the refusal of a case by a library that has no such network, with what to do next."""
    return Unsupported(f"{text}; {OTHER_CASE}")


# ``gradient(params, x, y)``: parameters as a tuple of `Layer`, input and labels, all NumPy; returns
# ``(loss, grads)`` or an `Answer`. `grads` may be a sequence of `Layer`, mappings or tuples, or the
# arrays of all layers one after the other, or a mapping with any keys of these (`containers`).
Gradient: TypeAlias = Callable[..., object]


@dataclass(frozen=True)
class Implementation:
    """What a factory may return in place of a bare gradient, to offer more.

    Attributes
    ----------
    gradient : callable
        ``gradient(params, x, y)``, returning ``(loss, grads)`` or an `Answer`.
    sam : callable, optional
        ``sam(params, first, second, rho)`` with two minibatches ``(x, y)``, returning grads: the
        gradient on the second at the ascent point of the first.
    name : str
        Library and version, for reports.
    not_compared : tuple of str
        What it has and no answer shows, such as parameters that a `Case` does not know.
    dtypes : tuple of str
        What it can be asked in, such as ``("float32", "float64")``: the conformance suite hands it
        parameters and inputs of each. Empty: it is handed float64 and answers in what it likes.
    extensions : tuple of str
        What its networks may have beyond dense LIF layers, such as ``("convolution", "alpha")``:
        the conformance suite draws networks with these, if the factory does not refuse them.
        Empty: it draws none. The names are in docs/conformance.md.

    Examples
    --------
    >>> import numpy as np
    >>> import refsast as rs
    >>> network = rs.Network((2, 3), rs.LIF(0.9, 1.0, rs.Arctan(2.0)), rs.SpikeRate(5.0))
    >>> params = rs.init(network, 0)
    >>> case = rs.Case(network, params, np.ones((4, 1, 2)), [2], name="mine")
    >>> def gradient(params, x, y):
    ...     return rs.fast.loss_and_grad(network, params, x, y)
    >>> mine = rs.Implementation(gradient, name="mine 1.0", not_compared=("beta",))
    >>> report = rs.check(mine, case)
    >>> report.verdict, "beta" in report.not_compared
    ('agrees', True)
    """

    gradient: Gradient
    sam: Callable[..., object] | None = None
    name: str = "implementation"
    not_compared: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()


def require_callable(gradient: Gradient | Implementation) -> Gradient:
    """Return the function to call, or raise a ValueError where there is none."""
    found = gradient.gradient if isinstance(gradient, Implementation) else gradient
    if not callable(found):
        raise ValueError(f"gradient must be callable, got {type(found).__name__}")
    return found


def call_foreign(function: Callable[..., T], *args: object, wanted: str) -> T:
    """Call somebody else's code, and turn whatever it raises into one line, a ValueError.

    Only `Unsupported` goes through, because it is an answer. `wanted` begins the message:
    ``NAME must REQUIREMENT``. SystemExit counts as an error: a library that quits must not end the
    program that checks it.
    """
    try:
        return function(*args)
    except Unsupported:
        raise
    except (Exception, SystemExit) as error:
        raise ValueError(f"{wanted}, got {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """Return an exception on one line; PyTorch's on a graph that is used up, by its cause here."""
    if "backward through the graph a second time" in str(error):
        return "a state that is still in the graph of the last call: are states reset?"
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
