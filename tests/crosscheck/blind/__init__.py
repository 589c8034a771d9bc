"""Kinds of fault made by somebody who had read nothing of how causes and places are found.

Rule 1: the network is written here, twice, by hand and in PyTorch, and shares no code with refsast.
Rule 2: a kind says what is wrong, where it is wrong first, and what a true cause has to say, before
        any check is run; where it is wrong first is also measured, on each network (`truth`).
Rule 3: a fault that changes no array of the answer by its `LEAST` share is none on that network,
        and another network is drawn.
Rule 4: `judge` alone says what is true. Its rules of words were written after the answers were
        seen, and every row that they call false or wrong was looked at.

``python -m tests.crosscheck.blind --networks 3 --out FOLDER`` asks, and goes on where it was
stopped; ``python -m tests.crosscheck.blind --judge --out FOLDER`` counts. It needs PyTorch.
"""
