"""What a case of any network could have shown: gradient paths are cut, one kind in one layer."""

from collections.abc import Iterator

from refsast.crosscheck.case import Answer, Case
from refsast.crosscheck.compare import Examination
from refsast.crosscheck.diagnose.faults.connection import connection_faults
from refsast.crosscheck.diagnose.faults.fault import Fault
from refsast.crosscheck.diagnose.faults.neuron import neuron_faults
from refsast.crosscheck.general.plan import right_plan, solve_plan
from refsast.crosscheck.power import Power, judge_power, plant_in_lif_layers
from refsast.model.glif import GLIF, as_glif
from refsast.model.params import param_arrays
from refsast.model.reset import NoReset
from refsast.model.synapse import Synapse

PLANTED = (
    "input detached", "reset detached", "potential detached", "synapse detached",
    "adaptation detached", "recurrence detached",
)  # fmt: skip


def measure_power(exam: Examination) -> Power:
    """Return what the case of an examination could have shown."""
    run = exam.run  # of dense LIF layers, where a backward pass costs little
    return judge_power(exam, dict(_plant(exam)) if run is None else plant_in_lif_layers(exam, run))


def _plant(exam: Examination) -> Iterator[tuple[str, bool]]:
    faults: dict[str, Fault] = {f.name: f for f in (*neuron_faults(), *connection_faults())}
    case = exam.case
    for name in PLANTED:
        for i in range(case.network.depth):
            if name == "input detached" and i == 0:
                continue  # nothing is below it
            plan = faults[name].change(case, right_plan(case), i, 1.0)
            if plan is not None and _has_path(case, i, name):
                yield f"{name} in layer {i + 1}", _shows(exam, solve_plan(case, plan))


def _has_path(case: Case, i: int, name: str) -> bool:
    """Whether a layer has what a fault cuts."""
    neuron = as_glif(case.network.neurons[i])
    return {
        "reset detached": not isinstance(neuron.reset, NoReset),
        "synapse detached": _remembers(neuron),
    }.get(name, True)


def _remembers(neuron: GLIF) -> bool:
    """Whether a synapse's current depends on that of the step before."""
    synapse = neuron.synapse
    if isinstance(synapse, Synapse):
        return bool(synapse.leak or synapse.delayed or neuron.synapse_leak is not None)
    return synapse is not None


def _shows(exam: Examination, wrong: Answer) -> bool:
    """Whether a wrong answer moves some gradient beyond the tolerance."""
    sides = (param_arrays(side.grads) for side in (wrong, exam.right, exam.tolerance))
    return any(bool((abs(a - b) > near).any()) for a, b, near in zip(*sides, strict=True))
