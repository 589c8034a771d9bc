"""How parameters move: SAM (`sam`) and descent methods (`descent`), on flat vectors only."""

from refsast.optim import descent, sam

__all__ = ["descent", "sam"]
