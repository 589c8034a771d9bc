"""How libraries differ, as data: order of updates, reset, ties, leak, input, synaptic current.

Each function named after a library's cell returns its equation as a `Convention`, in the library's
own words; `simulate` runs any of them; `convert` turns the parameters of one into those of another,
or says what would be lost; `make_case` writes one as a `Case` that `check` can ask about. No
framework is imported.
"""

from refsast.crosscheck.adapters.convention import Convention, nearest_lif, refsast_lif, simulate
from refsast.crosscheck.adapters.conversion import NoExactConversion, convert, make_case
from refsast.crosscheck.adapters.libraries import (
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
    "nearest_lif",
    "norse_lif",
    "norse_lif_box",
    "refsast_lif",
    "simulate",
    "sinabs_lif",
    "snntorch_leaky",
    "snntorch_rleaky",
    "snntorch_synaptic",
    "spikingjelly_lif",
]
