"""How curved is the loss where a training is? Top eigenvalues of the Hessian, and SAM's remainder.

Rule 1: every product with the Hessian is exact (`reference.hvp`); only the iteration for the
        eigenvalues stops early, and the residuals say how early.
Rule 2: double precision, whatever the dtype of the training.
Rule 3: a measurement never influences a training: it works on copies and has its own randomness.
"""

from refsast.experiment.sharpness.remainder import Remainder, sam_remainder
from refsast.experiment.sharpness.spectrum import Spectrum, top_eigenvalues
from refsast.experiment.sharpness.trajectory import Point, along_training

__all__ = [
    "Point",
    "Remainder",
    "Spectrum",
    "along_training",
    "sam_remainder",
    "top_eigenvalues",
]
