"""The kinds of fault, by what is wrong first; importing this registers them."""

from tests.crosscheck.blind.faults import (  # noqa: F401
    finished,
    losses,
    more_adjoints,
    more_gradients,
    more_losses,
    more_states,
    numbers,
    ordinary_adjoints,
    ordinary_losses,
    ordinary_states,
    ordinary_sums,
    paths,
    question,
    readout_back,
    remnants,
    resets,
    spikes_back,
    sums,
    time_back,
)
