"""The convention of each library's cells, in the library's own words.

Rule 1: arguments have the library's names, units and defaults; what is left out is not supported.
Rule 2: every fact here was read in the source of the version that its docstring names, and is held
        against a run of it by the tests where it is installed.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from refsast.crosscheck.adapters.convention import Convention, LibraryReset, ZeroOnAnySpike
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.synapse import Synapse

Resets: TypeAlias = Mapping[str, LibraryReset]  # by the library's names

SNNTORCH_RESETS: Resets = {"subtract": Subtract(), "zero": ToZero(), "none": NoReset()}
NORSE_RESETS: Resets = {"reset_value": ToZero(), "reset_subtract": Subtract(leaked=True)}
SINABS_RESETS: Resets = {
    "MembraneSubtract": Subtract(leaked=True),
    "MembraneReset": ZeroOnAnySpike(),
}


def snntorch_leaky(
    beta: float,
    threshold: float = 1.0,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
) -> Convention:
    """Return the convention of snnTorch's ``Leaky``.

    The reset is computed anew, and detached, from the potential of the step before; also from the
    zero one before the first step, where smooth spikes are not zero.

    Parameters
    ----------
    beta : float
        Fraction kept per step; snnTorch clips it to [0, 1], here it must lie there.
    threshold : float
        Potential at which the neuron fires. Not at it: the hard spike is ``mem > threshold``.
    reset_mechanism : str
        ``"subtract"``, ``"zero"`` or ``"none"``.
    reset_delay : bool
        If False the potential is reset at once, and reported so; the next step still resets by a
        second spike, of what is left.

    References
    ----------
    snnTorch 1.0.0, ``snntorch/_neurons/leaky.py`` and ``neurons.py``.
    """
    return Convention(
        name="snntorch.Leaky",
        leak=beta,
        threshold=threshold,
        reset=_lookup_reset(SNNTORCH_RESETS, "reset_mechanism", reset_mechanism),
        ties_fire=False,
        starts_spiking=True,
        second_spike=not reset_delay,
        detach_reset=True,
    )


def snntorch_synaptic(
    alpha: float,
    beta: float,
    threshold: float = 1.0,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
) -> Convention:
    """Return the convention of snnTorch's ``Synaptic``, a `snntorch_leaky` with a current.

    ``"zero"`` takes the new current away, too: the whole new potential is multiplied.

    Parameters
    ----------
    alpha : float
        Fraction of the current kept per step, in [0, 1].
    beta, threshold, reset_mechanism, reset_delay
        As for `snntorch_leaky`.

    References
    ----------
    snnTorch 1.0.0, ``snntorch/_neurons/synaptic.py``.
    """
    leaky = snntorch_leaky(beta, threshold, reset_mechanism, reset_delay)
    silences = reset_mechanism == "zero"  # the current is added before the multiplication
    return replace(leaky, name="snntorch.Synaptic", synapse=Synapse(alpha), silences=silences)


def snntorch_rleaky(
    beta: float,
    threshold: float = 1.0,
    reset_mechanism: str = "subtract",
    reset_delay: bool = True,
) -> Convention:
    """Return the convention of snnTorch's ``RLeaky``: ``"zero"`` as in `snntorch_synaptic`.

    The recurrent layer's own bias, which it has by default, adds to the layer's.

    Parameters
    ----------
    beta, threshold, reset_mechanism, reset_delay
        As for `snntorch_leaky`.

    References
    ----------
    snnTorch 1.0.0, ``snntorch/_neurons/rleaky.py``.
    """
    plain = snntorch_synaptic(0.0, beta, threshold, reset_mechanism, reset_delay)
    return replace(plain, name="snntorch.RLeaky", synapse=None)


def spikingjelly_lif(
    tau: float = 2.0,
    decay_input: bool = True,
    v_threshold: float = 1.0,
    v_reset: float | None = 0.0,
    detach_reset: bool = False,
) -> Convention:
    """Return the convention of SpikingJelly's ``LIFNode``.

    Potentials are reported after the reset; before it is ``h`` of the functional interface.

    Parameters
    ----------
    tau : float
        Time constant in steps, above 1: the leak is ``1 - 1/tau``.
    decay_input : bool
        Whether the input is divided by `tau`.
    v_threshold : float
        Potential at which the neuron fires; at it, too.
    v_reset : float or None
        Potential after a spike, to which neurons also decay and at which they start. None: a spike
        subtracts `v_threshold`, and the other two are zero.
    detach_reset : bool
        Whether gradients ignore the way through the reset's spike.

    References
    ----------
    SpikingJelly 2.0.0, ``_ops/lif/reference.py`` and ``activation_based/neuron/lif.py``.
    """
    base = 0.0 if v_reset is None else v_reset
    return Convention(
        name="spikingjelly.LIFNode",
        leak=1.0 - 1.0 / tau,
        threshold=v_threshold,
        reset=Subtract(leaked=True) if v_reset is None else ToZero(),
        rest=base,
        landing=base,
        synapse=Synapse(0.0, 1.0 / tau) if decay_input else None,
        after_reset=True,
        detach_reset=detach_reset,
    )


def norse_lif(
    tau_syn_inv: float = 200.0,
    tau_mem_inv: float = 100.0,
    v_leak: float = 0.0,
    v_th: float = 1.0,
    v_reset: float = 0.0,
    dt: float = 0.001,
    detach_reset: bool = False,
) -> Convention:
    """Return the convention of Norse's ``LIFCell`` and ``LIFRecurrentCell``.

    The input joins the current before the potential sees it: there is no delay. Potentials are
    reported after the reset, currents after their decay.

    Parameters
    ----------
    tau_syn_inv, tau_mem_inv : float
        Inverse time constants; times `dt` at most 1. The leaks are ``1 - dt * tau_inv``.
    v_leak, v_th, v_reset : float
        Rest, threshold (at it the neuron does not fire) and potential after a spike.
    dt : float
        Time step.
    detach_reset : bool
        True for ``LIFRecurrentCell``, whose reset is detached; ``LIFCell``'s is not.

    References
    ----------
    Norse 1.1.0, ``norse/torch/functional/lif.py``.
    """
    return Convention(
        name="norse.LIFCell",
        leak=1.0 - dt * tau_mem_inv,
        threshold=v_th,
        reset=ToZero(),
        rest=v_leak,
        landing=v_reset,
        synapse=Synapse(1.0 - dt * tau_syn_inv, dt * tau_mem_inv),
        ties_fire=False,
        after_reset=True,
        decayed_current=True,
        detach_reset=detach_reset,
    )


def norse_lif_box(
    tau_mem_inv: float = 100.0,
    v_leak: float = 0.0,
    v_th: float = 1.0,
    v_reset: float = 0.0,
    reset_method: str = "reset_value",
    dt: float = 0.001,
) -> Convention:
    """Return the convention of Norse's ``LIFBoxCell``: `norse_lif` without a current.

    Parameters
    ----------
    tau_mem_inv, v_leak, v_th, v_reset : float
        As for `norse_lif`.
    reset_method : str
        ``"reset_value"``, or ``"reset_subtract"``, which subtracts `v_th` (not its distance from
        rest) and ignores `v_reset`.
    dt : float
        Time step.

    References
    ----------
    Norse 1.1.0, ``norse/torch/functional/lif_box.py`` and ``reset.py``.
    """
    reset = _lookup_reset(NORSE_RESETS, "reset_method", reset_method)
    landing = v_reset if isinstance(reset, ToZero) else v_leak
    return replace(
        norse_lif(0.0, tau_mem_inv, v_leak, v_th, landing, dt),
        name="norse.LIFBoxCell",
        reset=reset,
        synapse=Synapse(0.0, dt * tau_mem_inv),
        decayed_current=False,
    )


def sinabs_lif(
    tau_mem: float,
    tau_syn: float | None = None,
    spike_threshold: float = 1.0,
    reset_fn: str = "MembraneSubtract",
    norm_input: bool = True,
) -> Convention:
    """Return the convention of Sinabs's ``LIF`` and ``LIFRecurrent``, without ``min_v_mem``.

    Its default ``spike_fn``, ``MultiSpike``, may fire more than once per step; `hard` is that of
    ``SingleSpike``. Potentials are recorded after the reset, currents after their decay.

    Parameters
    ----------
    tau_mem, tau_syn : float
        Time constants in steps: leaks are ``exp(-1/tau)``. Without `tau_syn` there is no current;
        with it, what arrives is multiplied by the current's leak, too.
    spike_threshold : float
        Potential at which the neuron fires; at it, too.
    reset_fn : str
        ``"MembraneSubtract"`` of the threshold, or ``"MembraneReset"`` to zero by whatever spike is
        not zero. (Its ``reset_value`` is added to all neurons at all steps, fired or not.)
    norm_input : bool
        Whether the input is multiplied by one minus the leak.

    References
    ----------
    Sinabs 3.1.3, ``layers/functional/lif.py``, ``activation/reset_mechanism.py``.
    """
    alpha_syn = None if tau_syn is None else math.exp(-1.0 / tau_syn)
    alpha_mem = math.exp(-1.0 / tau_mem)
    return sinabs_lif_from_alpha(alpha_mem, alpha_syn, spike_threshold, reset_fn, norm_input)


def sinabs_lif_from_alpha(
    alpha_mem: float,
    alpha_syn: float | None,
    spike_threshold: float,
    reset_fn: str,
    norm_input: bool,
) -> Convention:
    """Return `sinabs_lif` of the leaks that its layers hold, ``exp(-1/tau)``."""
    current = 0.0 if alpha_syn is None else alpha_syn
    scale = (1.0 - alpha_mem if norm_input else 1.0) * (1.0 if alpha_syn is None else alpha_syn)
    return Convention(
        name="sinabs.LIF",
        leak=alpha_mem,
        threshold=spike_threshold,
        reset=_lookup_reset(SINABS_RESETS, "reset_fn", reset_fn),
        synapse=Synapse(current, scale) if norm_input or alpha_syn is not None else None,
        after_reset=True,
        decayed_current=alpha_syn is not None,
    )


def _lookup_reset(table: Resets, argument: str, name: str) -> LibraryReset:
    """The reset of that name; a ValueError lists the names there are."""
    if name not in table:
        raise ValueError(f"{argument} must be one of {sorted(table)}, got {name!r}")
    return table[name]
