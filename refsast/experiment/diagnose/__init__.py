"""Where the transfer gap comes from: layer by layer, in figures and in sentences.

``mixture`` runs a network of which only some layers fire hard; ``measure`` counts what the swap
changes; ``record`` holds the figures; ``explain`` says them in words; ``figures`` and ``page`` show
them, made from the record alone.
"""

from refsast.experiment.diagnose.explain import explain
from refsast.experiment.diagnose.measure import diagnose
from refsast.experiment.diagnose.record import (
    Diagnosis,
    Group,
    LayerDiagnosis,
    Outcome,
    Swap,
    read_diagnosis,
)

__all__ = [
    "Diagnosis",
    "Group",
    "LayerDiagnosis",
    "Outcome",
    "Swap",
    "diagnose",
    "explain",
    "read_diagnosis",
]
