"""The benchmark: how long a gradient takes, here and elsewhere; ``python -m tests.bench --help``.

Rule 1: nobody is timed before the loss and gradients are shown to be those of `rs.reference`.
Rule 2: all are timed in turns, round after round, so that a slow minute is slow for everybody; a
        turn is some steps one after another, as in training, of which the last half counts.
Rule 3: a time is also given as a multiple of that of the dense floor, the matrix products alone, in
        the same round: the ratio says more about the code than about the machine.
"""
