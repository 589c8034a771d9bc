"""What every public function refuses, and how it says so: NAME must REQUIREMENT, got VALUE."""

import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

import refsast as rs
from refsast.arrays import as_array

NEURON = rs.LIF(0.5, 1.0, rs.Arctan(2.0))
NETWORK = rs.Network((2, 3, 2), NEURON, rs.LinearReadout(2), recurrent=True)
PLAIN = rs.Network((2, 3), NEURON, rs.SpikeRate(1.0), bias=False)
PARAMS = rs.init(NETWORK, np.random.default_rng(0))
X, Y = np.ones((4, 2, 2)), np.array([0, 1])
NAN, INF = float("nan"), float("inf")

SPECS = {  # a call, and its message in full
    "leak must lie in [0, 1], got -0.1": lambda: rs.LIF(-0.1, 1.0, rs.Arctan(1.0)),
    "leak must lie in [0, 1], got 1.5": lambda: rs.LIF(1.5, 1.0, rs.Arctan(1.0)),
    "leak must lie in [0, 1], got nan": lambda: rs.LIF(NAN, 1.0, rs.Arctan(1.0)),
    "threshold must be positive and finite, got 0.0": lambda: rs.LIF(0.5, 0.0, rs.Arctan(1.0)),
    "threshold must be positive and finite, got nan": lambda: rs.LIF(0.5, NAN, rs.Arctan(1.0)),
    "threshold must be positive and finite, got inf": lambda: rs.LIF(0.5, INF, rs.Arctan(1.0)),
    "spike must be callable, got 3": lambda: rs.LIF(0.5, 1.0, 3),
    "reset must be ToZero, Subtract or NoReset, got 'zero'": lambda: rs.LIF(
        0.5, 1.0, rs.Arctan(1.0), "zero"
    ),
    "gain must be positive and finite, got 0.0": lambda: rs.SpikeRate(0.0),
    "gain must be positive and finite, got nan": lambda: rs.SpikeRate(NAN),
    "n_out must be a positive integer, got 0": lambda: rs.LinearReadout(0),
    "n_out must be a positive integer, got 2.0": lambda: rs.LeakyReadout(2.0, 0.5),
    "leak must lie in [0, 1], got 1.1": lambda: rs.LeakyReadout(2, 1.1),
    "leak must lie in [0, 1], got inf": lambda: rs.LeakyReadout(2, INF),
    "sizes must be two or more positive integers, got (2,)": lambda: replace(NETWORK, sizes=(2,)),
    "sizes must be two or more positive integers, got (2, 0)": lambda: replace(
        NETWORK, sizes=(2, 0)
    ),
    "sizes must be two or more positive integers, got (2, 3.0)": lambda: replace(
        NETWORK, sizes=(2, 3.0)
    ),
    "neuron must be one per spiking layer, 2, got 1": lambda: replace(NETWORK, neuron=(NEURON,)),
    "neuron must be a LIF, a GLIF or a tuple, got (1, 2)": lambda: replace(NETWORK, neuron=(1, 2)),
    "readout must be SpikeRate, MeanPotential, LinearReadout, LeakyReadout, LastPotential or "
    "MaxPotential, "
    "got None": lambda: replace(NETWORK, readout=None),
}


@pytest.mark.parametrize("message", SPECS)
def test_a_spec_refuses(message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        SPECS[message]()


def replace_arrays(index, **parts):
    """Return the parameters with some parts of one layer replaced."""
    return tuple(replace(p, **parts) if i == index else p for i, p in enumerate(PARAMS))


def set_last_entry(array, value, dtype=float):
    """Return the array with its last entry replaced."""
    changed = array.astype(dtype)
    changed[(-1,) * array.ndim] = value
    return changed


BAD_INPUTS = {  # params, x, y that is refused, and its message in full
    "params must have 3 layers, got 2": (PARAMS[:2], X, Y),
    "params must have 3 layers, got 0": ((), X, Y),
    "params[0] must have ['b', 'v', 'w'], got ['v', 'w']": (replace_arrays(0, b=None), X, Y),
    "params[1] must have ['b', 'v', 'w'], got ['b', 'w']": (replace_arrays(1, v=None), X, Y),
    "params[2] must have ['b', 'w'], got ['b', 'v', 'w']": (replace_arrays(2, v=np.eye(2)), X, Y),
    "params[0].w must have shape (3, 2), got (2, 3)": (replace_arrays(0, w=np.ones((2, 3))), X, Y),
    "params[1].b must have shape (2,), got (3,)": (replace_arrays(1, b=np.ones(3)), X, Y),
    "params[0].v must have shape (3, 3), got (9,)": (replace_arrays(0, v=np.ones(9)), X, Y),
    "params[0].w must be finite, got nan at (2, 1)": (
        replace_arrays(0, w=set_last_entry(PARAMS[0].w, NAN)), X, Y,
    ),
    "params[2].b must be finite, got -inf at (1,)": (
        replace_arrays(2, b=set_last_entry(PARAMS[2].b, -INF)), X, Y,
    ),
    "params[0].w must hold numbers, got dtype object": (
        replace_arrays(0, w=set_last_entry(PARAMS[0].w, None, object)), X, Y,
    ),
    "params must share one dtype, got ['float32', 'float64']": (
        replace_arrays(0, w=PARAMS[0].w.astype(np.float32)), X, Y,
    ),
    "x must have shape (time, batch, 2), got (4, 2)": (PARAMS, X[:, :, 0], Y),
    "x must have shape (time, batch, 2), got (4, 2, 1)": (PARAMS, X[:, :, :1], Y),
    "x must have shape (time, batch, 2), got ()": (PARAMS, 1.0, Y),
    "x must have at least one step and one recording, got shape (0, 2, 2)": (PARAMS, X[:0], Y),
    "x must have at least one step and one recording, got shape (4, 0, 2)": (
        PARAMS, X[:, :0], Y[:0],
    ),
    "x must be finite, got inf at (3, 1, 1)": (PARAMS, set_last_entry(X, INF), Y),
    "x must hold numbers, got dtype object": (PARAMS, X.astype(object), Y),
    "x must hold numbers, got dtype <U3": (PARAMS, X.astype("<U3"), Y),
    "x must be a rectangular array, got a ragged one": (PARAMS, [[1.0], [1.0, 2.0]], Y),
    "y must have shape (2,), got (3,)": (PARAMS, X, np.array([0, 1, 0])),
    "y must have shape (2,), got (2, 1)": (PARAMS, X, Y[:, None]),
    "y must have shape (2,), got ()": (PARAMS, X, 1),
    "y must hold integers, got dtype float64": (PARAMS, X, np.array([0.0, 1.0])),
    "y must hold integers, got dtype bool": (PARAMS, X, np.array([False, True])),
    "y must hold integers, got dtype object": (PARAMS, X, np.array([0, None])),
    "y must lie in [0, 2), got 2": (PARAMS, X, np.array([0, 2])),
    "y must lie in [0, 2), got -1": (PARAMS, X, np.array([-1, 0])),
}  # fmt: skip
ENTRY_POINTS = {
    "bptt": rs.bptt.loss_and_grad,
    "fast": rs.fast.loss_and_grad,
    "reference": rs.reference.loss_and_grad,
    "loss": rs.reference.loss,
    "fast input": rs.fast.input_grad,
    "reference input": rs.reference.input_grad,
    "straight-through": rs.straight_through,
    "straight-through by tape": rs.reference.straight_through,
    "rounding": rs.rounding,
    "hvp": lambda network, params, x, y: rs.reference.hvp(network, params, x, y, PARAMS),
    "run": lambda network, params, x, y: rs.run(network, params, x),
}


REFUSALS = [
    (d, m) for d in ENTRY_POINTS for m in BAD_INPUTS if not (d == "run" and m.startswith("y "))
]


@pytest.mark.parametrize(("name", "message"), REFUSALS)
def test_a_public_function_refuses(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ENTRY_POINTS[name](NETWORK, *BAD_INPUTS[message])


@pytest.mark.parametrize("w", [np.ones(3), np.ones((6, 1)), np.full(6, NAN), np.full(6, None), "w"])
def test_unflatten_refuses(w):
    with pytest.raises(ValueError, match=r"^w must "):
        rs.unflatten(PLAIN, w)


@pytest.mark.parametrize("array", [np.array([1j]), np.array([1.0 + 1j], np.complex64)])
def test_complex_numbers_pass_in_double(array):
    assert as_array(array, "x").dtype == np.complex128


def test_what_fits_is_not_copied_and_everything_else_becomes_double():
    for dtype in (np.float32, np.float64, np.complex128):
        array = np.ones(3, dtype)
        assert as_array(array, "x", ("n",)) is array
    for dtype in (bool, np.uint8, np.int64, np.float16):
        assert as_array(np.ones(3, dtype), "x").dtype == np.float64


def test_specs_and_records_cannot_be_changed():
    for record in (NETWORK, NEURON, PARAMS[0], NEURON.spike, NETWORK.readout):
        field = next(iter(record.__dataclass_fields__))
        with pytest.raises(FrozenInstanceError):
            setattr(record, field, None)


def test_a_spike_without_a_slope_has_no_gradient_by_hand_and_one_by_tape():
    bare = replace(NETWORK, neuron=replace(NEURON, spike=lambda v: 0.5 + 0.5 * np.tanh(v)))

    assert rs.flatten(rs.reference.loss_and_grad(bare, PARAMS, X, Y)[1]).any()
    for function in (
        rs.bptt.loss_and_grad,
        rs.fast.loss_and_grad,
        rs.straight_through,
        rs.rounding,
    ):
        with pytest.raises(ValueError, match=r"^spike must have a method \w+, got "):
            function(bare, PARAMS, X, Y)
