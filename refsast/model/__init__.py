"""The network, written once: neurons, resets, readouts, and their run through time.

Notation, shared by the code, DESIGN and THEORY:

========  ===================  ==================================================================
symbol    name                 unit and meaning
========  ===================  ==================================================================
t         time                 steps, 1..T; u_0 = 0, s_0 = 0
l         layer                1..L; width n_l; s^0_t = x_t is the input
u         potential            arbitrary, set by the threshold
s         spike                in [0, 1], pure number
theta     threshold            potential
tau       leak                 fraction of the potential kept per step
sigma     spike, surrogate     sigma(u - theta) in [0, 1]; H is the hard one
r(u, s)   reset                what is carried over: potential
w, v, b   weights              input, recurrent (potential per spike), bias (potential per step)
z         logits               pure number
rho       radius of SAM        length in the space of parameters
p         parameters           how many numbers the flat vector w holds
========  ===================  ==================================================================

Dynamics, for t = 1..T and l = 1..L::

    u^l_t = r(u^l_{t-1}, s^l_{t-1}) + W^l s^{l-1}_t + V^l s^l_{t-1} + b^l
    s^l_t = sigma(u^l_t - theta)

The hard network has H for sigma and nothing else changed.
"""

from refsast.model.connections import AvgPool2d, Conv2d, Dense, Flatten, MaxPool2d, Skip
from refsast.model.glif import GLIF, Adaptation
from refsast.model.learned import Learned
from refsast.model.lif import LIF
from refsast.model.loss import CrossEntropy, MeanSquaredRate, StepCrossEntropy
from refsast.model.network import Network
from refsast.model.params import Layer, Params, flatten
from refsast.model.readout import (
    LastPotential,
    LeakyReadout,
    LinearReadout,
    MaxPotential,
    MeanPotential,
    SpikeRate,
)
from refsast.model.reset import NoReset, Subtract, ToZero
from refsast.model.spectral import project
from refsast.model.spike import heaviside
from refsast.model.surrogate import Algebraic, Arctan, FastSigmoid, Logistic, PiecewiseQuadratic
from refsast.model.synapse import Alpha, Synapse
from refsast.model.unroll import Trace, run
from refsast.model.vector import freeze_neurons, init, keep_in_range, unflatten

__all__ = [
    "GLIF",
    "LIF",
    "Adaptation",
    "Algebraic",
    "Alpha",
    "Arctan",
    "AvgPool2d",
    "Conv2d",
    "CrossEntropy",
    "Dense",
    "FastSigmoid",
    "Flatten",
    "LastPotential",
    "Layer",
    "LeakyReadout",
    "Learned",
    "LinearReadout",
    "Logistic",
    "MaxPool2d",
    "MaxPotential",
    "MeanPotential",
    "MeanSquaredRate",
    "Network",
    "NoReset",
    "Params",
    "PiecewiseQuadratic",
    "Skip",
    "SpikeRate",
    "StepCrossEntropy",
    "Subtract",
    "Synapse",
    "ToZero",
    "Trace",
    "flatten",
    "freeze_neurons",
    "heaviside",
    "init",
    "keep_in_range",
    "project",
    "run",
    "unflatten",
]
