"""What may be turned on the way forth, ready to be searched."""

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refsast.crosscheck.case import Case
from refsast.crosscheck.diagnose.knobs.fit import Group, group_layers
from refsast.crosscheck.diagnose.knobs.history_inventory import history_forward
from refsast.crosscheck.diagnose.knobs.inventory import Knob, forward_knobs
from refsast.crosscheck.diagnose.knobs.number_forms import fixed_points
from refsast.crosscheck.diagnose.knobs.orders import joint_orders, order_settings
from refsast.crosscheck.diagnose.knobs.plainness import keep_plainest
from refsast.crosscheck.diagnose.knobs.rare_inventory import rare_forward
from refsast.crosscheck.diagnose.knobs.stages import Search
from refsast.model.reset import NoReset

ROUNDED = ("weights in ", "weights quantised", "parameters of", "spikes in ", "potentials in ")
GRID = tuple(np.geomspace(0.1, 10.0, 13))  # of a number's right value, where spikes are hard


def forward_search(case: Case, fine: bool = False) -> Search:
    """What may be turned on the way forth; `fine`: with many values of each number."""
    knobs = forward_knobs(case)
    if fine:
        knobs = [_refine_tries(knob) for knob in knobs]
    groups = [*group_layers(knobs, len(case.network.neurons)), *_upper_groups(case, knobs)]
    cells = [*order_settings(case).values(), *joint_orders(case), *_soft_resets(case)]
    if len(case.x) > 1:  # the first step is not run
        late = ("readout one step late", len(case.network.neurons))
        cells.append({("input one step early", 0): 1.0, late: 1.0})
    return Search(groups, lambda base: cells, lambda found: keep_plainest(case, found))


def rare_search(case: Case) -> Search:
    """What is seldom turned on the way forth."""
    groups = group_layers(rare_forward(case), len(case.network.neurons))
    cells = fixed_points(case)
    return Search(groups, lambda base: cells, lambda found: keep_plainest(case, found))


def rounded_search(case: Case) -> Search:
    """What is rounded in all layers, which losses of single precision may not show."""
    spiking = len(case.network.neurons)
    knobs = [*forward_knobs(case), *rare_forward(case), *history_forward(case)]
    groups = group_layers([k for k in knobs if k.name.startswith(ROUNDED)], spiking)
    groups = [group for group in groups if spiking == 1 or len(group.knobs) > 1]
    cells = fixed_points(case)
    return Search(groups, lambda base: cells, lambda found: keep_plainest(case, found))


def history_search(case: Case) -> Search:
    """What is seldom and dear: earlier spikes, the step, other recordings."""
    groups = group_layers(history_forward(case), len(case.network.neurons))
    return Search(groups, lambda base: (), lambda found: keep_plainest(case, found))


def _soft_resets(case: Case) -> list[dict]:
    """Settings in which spikes are passed on hard, and reset smoothly: in each layer, in all."""
    if case.hard or len(case.x) == 1:
        return []
    each = [
        {("straight-through", i): 1.0, ("smooth reset", i): 1.0}
        for i, neuron in enumerate(case.network.neurons)
        if not isinstance(neuron.reset, NoReset)
    ]
    return [*each, dict(ChainMap(*each))] if each else []


def _refine_tries(knob: Knob) -> Knob:
    if not knob.smooth or not np.isfinite(knob.right):
        return knob
    grid = [v for f in GRID if knob.low < (v := (knob.right or 1.0) * f) < knob.high]
    return replace(knob, tries=(*knob.tries, *map(float, grid)))


def _upper_groups(case: Case, knobs: Sequence[Knob]) -> list[Group]:
    """What is turned in all layers but the first: delays between layers, and recurrence."""
    names: dict[str, list[Knob]] = {}
    inside = [knob for knob in knobs if 0 < knob.layer < len(case.network.neurons)]
    for knob in inside:
        if knob.name.startswith(("input ", "recurrence gain")):
            names.setdefault(knob.name, []).append(knob)
    return [Group(tuple(found)) for found in names.values() if len(found) > 1]


def try_values_alone(search: Search) -> Search:
    """A search that fits no value."""

    def fix(group: Group) -> Group:
        return replace(group, knobs=tuple(replace(knob, low=0.0, high=0.0) for knob in group.knobs))

    return replace(search, groups=[fix(group) for group in search.groups])
