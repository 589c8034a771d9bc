"""How many instances a test draws: a fifth of what is stated, unless all are asked for.

``REFSAST_DRAWS=all``, as `make test-all` sets it, draws all; every run draws the same ones.
"""

import os

ALL = os.environ.get("REFSAST_DRAWS") == "all"


def draws(stated: int) -> int:
    """Return how many of the stated instances are drawn, one at least."""
    return stated if ALL else max(1, stated // 5)
