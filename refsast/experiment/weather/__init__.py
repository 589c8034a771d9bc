"""What a network still reads of corrupted recordings: ``measure`` it, and the ``page`` of that."""

from refsast.experiment.weather.measure import Robustness, measure_robustness

__all__ = ["Robustness", "measure_robustness"]
