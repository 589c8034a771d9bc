"""What makes every term of every bound necessary: an instance that the bound without it gets wrong.

`ATTAINED` has one entry per claim and term: a function that makes an instance which uses at least
`AIM` of the bound, in which that term is what counts, so that the bound is refuted where the term
is dropped or halved; or, where none can exist, a sentence that says why. `NECESSARY` refutes
likewise, but uses little of the bound. A run checks all of them.
"""

from collections.abc import Callable, Mapping

from proofs_check.attained import descent, networks, smoothness, stability

AIM = 0.9
ATTAINED: dict[str, dict[str, Callable[[], object] | str]] = {
    **stability.ATTAINED,
    **networks.ATTAINED,
    **smoothness.ATTAINED,
    **descent.ATTAINED,
}
NECESSARY: Mapping[str, Mapping[str, Callable[[], object]]] = descent.NECESSARY


def make_instances(label: str) -> dict[str, object]:
    """Return the instances of both tables for a claim, by the term that each stands for."""
    found = (*ATTAINED.get(label, {}).items(), *NECESSARY.get(label, {}).items())
    return {term: make() for term, make in found if not isinstance(make, str)}
