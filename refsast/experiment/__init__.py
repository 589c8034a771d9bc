"""What happens when it trains? Presets, the loop, evaluation, records, comparisons, pages."""

from refsast.experiment import sharpness
from refsast.experiment.compare import compare
from refsast.experiment.evaluate import Scores, evaluate
from refsast.experiment.presets import PRESETS, Setting
from refsast.experiment.record import Config, Epoch, Run
from refsast.experiment.run_files import read_run
from refsast.experiment.train import train

__all__ = [
    "PRESETS",
    "Config",
    "Epoch",
    "Run",
    "Scores",
    "Setting",
    "compare",
    "evaluate",
    "read_run",
    "sharpness",
    "train",
]
