"""How libraries differ, as data: order of updates, reset, ties, leak, input, synaptic current.

``libraries`` names each library's equation in its own words; ``convention`` runs any of them;
``conversion`` turns the parameters of one into those of another, or says what would be lost;
``express`` writes one as a `Network` that `check` can ask about.
"""

from refsast.crosscheck.conventions.convention import Convention, simulate
from refsast.crosscheck.conventions.conversion import NoExactConversion, convert
from refsast.crosscheck.conventions.express import make_case, make_network
from refsast.crosscheck.conventions.libraries import (
    norse_lif,
    norse_lif_box,
    sinabs_lif,
    snntorch_leaky,
    snntorch_rleaky,
    snntorch_synaptic,
    spikingjelly_lif,
)

__all__ = [
    "Convention",
    "NoExactConversion",
    "convert",
    "make_case",
    "make_network",
    "norse_lif",
    "norse_lif_box",
    "simulate",
    "sinabs_lif",
    "snntorch_leaky",
    "snntorch_rleaky",
    "snntorch_synaptic",
    "spikingjelly_lif",
]
