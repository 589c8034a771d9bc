"""What a kind of fault is; the modules beside this one register theirs."""

from collections.abc import Callable
from dataclasses import dataclass

KINDS: dict[str, "Kind"] = {}


@dataclass(frozen=True)
class Kind:
    """A fault that somebody who writes BPTT for spiking neurons could make.

    Attributes
    ----------
    name : str
        Of the class that has the fault.
    make : callable
        ``make(network, dtype)`` gives an implementation.
    says : str
        The fault in one sentence.
    place : str
        What is wrong first, in the words of docs/crosscheck.md: state, loss or readout, adjoint,
        gradient; "" where an answer is not repeated and has no place.
    cause : str
        What a true cause has to say.
    needs : str
        Words for `draw_case`.
    listed : bool
        Whether docs/crosscheck.md names it among the knobs, as it stood before the set was made.
    """

    name: str
    make: Callable
    says: str
    place: str
    cause: str
    needs: str
    listed: bool


def kind(says, *, place, cause, needs="", listed=False):
    """Register the decorated implementation as a kind of fault."""

    def register(make):
        if make.__name__ in KINDS:
            raise ValueError(f"name must be new, got {make.__name__}")
        KINDS[make.__name__] = Kind(make.__name__, make, says, place, cause, needs, listed)
        return make

    return register
