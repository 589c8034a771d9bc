"""THEORY 7: the swap to hard spikes moves what the network says by no more than this.

The proofs are where the bounds are computed: in `transfer.certificate` for one margin and one error
per layer (7-layers, 7-simple), in `refsast.certify.boxes` for a box per neuron and step (7-sharp),
in `refsast.certify.slope_form` for a line in the slope per neuron and step (7-homotopy). If the
hard network's class leads by more than smooth spikes can take away, the smooth network gives the
same class.
"""

import numpy as np

import refsast as rs
from proofs_check.certified.unit_spikes import SPIKE_FAMILIES
from proofs_check.claim import Claim, Hypothesis
from proofs_check.claims.stability import CERTIFIED_SPIKES
from proofs_check.draws import RESETS, Source, draw_inputs, draw_parameters
from proofs_check.instances import LabelledBatch
from proofs_check.transfer import certificate, homotopy
from refsast.arrays import Array
from refsast.certify import boxes, sharp

STEEP_SLOPES = (10.0, 100.0, 1e4, 1e6)
MARGIN_CONDITION = Hypothesis[LabelledBatch](
    "d*_l <= m_l/2 in every layer",
    lambda x: bool(certificate.simple_certificate(x.network, x.params, x.x).applies.all()),
)


def runs(x: LabelledBatch) -> tuple[rs.Trace, rs.Trace]:
    """Return the hard and the smooth run."""
    hard, smooth = (rs.run(x.network, x.params, x.x, spike=s) for s in (rs.heaviside, None))
    return hard, smooth


def lead_losses(x: LabelledBatch) -> Array:
    """Return what each lead of the hard class loses with smooth spikes, (batch, classes)."""
    hard, smooth = (trace.logits for trace in runs(x))
    rows, first = np.arange(len(hard)), hard.argmax(axis=1)
    lead_hard, lead_smooth = (z[rows, first][:, None] - z for z in (hard, smooth))
    return lead_hard - lead_smooth


def run_differences(x: LabelledBatch) -> tuple[Array, ...]:
    """Return the largest differences of potentials and of spikes, per layer and recording."""
    hard, smooth = runs(x)
    pairs = [*zip(hard.u, smooth.u, strict=True), *zip(hard.s, smooth.s, strict=True)]
    return tuple(np.abs(a - b).max(axis=(0, 2)) for a, b in pairs)


def difference_bounds(x: LabelledBatch) -> tuple[Array, ...]:
    """Return d*_l and tail(m_l/2), as `run_differences`."""
    layers = certificate.layer_errors(x.network, x.params, x.x)
    pairs = zip(x.network.neurons, layers, strict=True)
    spikes = (boxes.spike_tail(neuron, 0.5 * layer.margin) for neuron, layer in pairs)
    return (*(layer.potential for layer in layers), *spikes)


def draw_steep_network(source: Source) -> LabelledBatch:
    """Draw a network with steep spikes on recordings that are not near threshold."""
    sizes = tuple(source.choice((1, 2, 3)) for _ in range(source.choice((2, 3))))
    neurons = tuple(
        rs.LIF(
            source.choice((0.0, 0.5, 0.9)),
            source.choice((0.5, 1.0)),
            source.choice(SPIKE_FAMILIES)(source.choice(STEEP_SLOPES)),
            source.choice(RESETS),
        )
        for _ in sizes[1:]
    )
    readout = source.choice((rs.SpikeRate(1.0), rs.LinearReadout(3), rs.LeakyReadout(2, 0.5)))
    network = rs.Network(sizes, neurons, readout, recurrent=source.choice((True, False)))
    x = draw_inputs(source, sizes[0], batch=1)
    y = np.zeros(1, np.int64)
    return LabelledBatch(network, draw_parameters(source, network), x, y)


LAYER_ERRORS = Claim[LabelledBatch](
    label="7-layers",
    title="smooth and hard, layer by layer",
    source="THEORY 7 (own), extended here to every reset, to recurrence and every readout",
    statement="If d*_l <= m_l/2 in every layer, then potentials differ by at most d*_l and spikes "
    "by at most tail(m_l/2), d*_l = c_T(leak) ((R + |V|_inf) tail(m_l/2) + |W|_inf e_{l-1}).",
    hypotheses=(CERTIFIED_SPIKES, MARGIN_CONDITION),
    measure=run_differences,
    bound=difference_bounds,
)
SIMPLE_LEADS = Claim[LabelledBatch](
    label="7-simple",
    title="the hard class keeps its lead: one error per layer",
    source="THEORY 7 (own)",
    statement="Under the same condition the hard class's lead over any other is smaller with "
    "smooth spikes by at most 2 |W_o|_inf e_L sum_t alpha_t; where it is larger than that, both "
    "predict the same class.",
    hypotheses=(CERTIFIED_SPIKES, MARGIN_CONDITION),
    measure=lead_losses,
    bound=lambda x: certificate.simple_certificate(x.network, x.params, x.x).bound,
    uses=("7-layers",),
)
SHARP_LEADS = Claim[LabelledBatch](
    label="7-sharp",
    title="the same by boxes, neuron by neuron and step by step",
    source="THEORY 7, sharpened here: no condition",
    statement="The hard class's lead over any other is smaller with smooth spikes by at most what "
    "boxes of potentials and spikes, carried along the hard run, allow.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=lead_losses,
    bound=lambda x: sharp.sharp_certificate(x.network, x.params, x.x).bound,
)
HOMOTOPY = Claim[LabelledBatch](
    label="7-homotopy",
    title="all slopes of a cell at once: every logit is a line in the slope, and a rest",
    source="THEORY 7 (own)",
    statement="For every slope of a cell, from b to (1 + h) b, each logit of the run is within r "
    "of c + k e, e from -1 to 1 across the cell. So where neighbouring cells reach up to a slope "
    "from which 7-sharp holds, and in each c - abs(k) - r of a class's lead over any other is "
    "positive, every slope in between and above, and the hard network, give that class.",
    hypotheses=(CERTIFIED_SPIKES,),
    measure=homotopy.distances,
    bound=homotopy.radii,
    uses=("7-sharp",),
)
CLAIMS = (LAYER_ERRORS, SIMPLE_LEADS, SHARP_LEADS, HOMOTOPY)
