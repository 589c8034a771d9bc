"""What a run's record says about its training, as far as the theorems ask."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from refsast.experiment.record import REPLACEMENT

# The name that `descent.sgd` gives itself, without momentum, decay or a projection after it.
PLAIN_SGD = re.compile(r"sgd\(learning_rate=([^,]+), momentum=0\.0, weight_decay=0\.0\)")

PLAIN = "plain descent at a constant rate"
INDEPENDENT_STEPS = "minibatches drawn independently, not by permutation"


@dataclass(frozen=True)
class Training:
    """What the theorems ask about a training.

    Attributes
    ----------
    rho : float
        Radius of SAM.
    learning_rate : float or None
        Step length, eta, where every step is ``w - eta * gradient`` and nothing else; None where
        it is not.
    independent : bool
        Whether the second minibatch is drawn independently of the first.
    bins : int
        Time steps per recording.
    data : str
        Digest of the recordings.
    independent_steps : bool
        Whether the minibatches of different steps are independent: drawn with replacement.
    method : str
        What the steps are where they are not plain descent, such as ``adam``.
    """

    rho: float
    learning_rate: float | None
    independent: bool
    bins: int = 0
    data: str = ""
    independent_steps: bool = True
    method: str = ""

    @property
    def no_descent(self) -> str:
        """Why THEORY 5 says nothing of the steps; empty where it does."""
        if self.learning_rate is not None:
            return ""
        return PLAIN + (f", not {self.method}" if self.method else "")

    @property
    def no_independence(self) -> str:
        """Why 5a and 5b say nothing of the minibatches; empty where they do."""
        return "" if self.independent_steps else INDEPENDENT_STEPS


def read_training(record: Mapping) -> Training:
    """Return what the record of a run says about its training.

    Raises
    ------
    ValueError
        If it is not the record of a run.
    """
    try:
        config = record["config"]
        plain = PLAIN_SGD.fullmatch(str(config["descent"]))
        constant = config["warmup"] == 0.0 and str(config["schedule"]).endswith(".constant")
        # Written only where they are used: steps that no theorem here speaks of.
        plain = plain if not {"ascent", "ascent_batch", "slope_end"} & set(config) else None
        return Training(
            rho=float(config["rho"]),
            learning_rate=float(plain.group(1)) if plain and constant else None,
            independent=not config["shared"],
            bins=int(record["setting"]["steps"]),
            data=str(record["data"]),
            independent_steps=config.get("sampling") == REPLACEMENT,
            method=str(config["descent"]).partition("(")[0].replace("adam", "Adam"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"record must be that of a run, got {error!r}") from error
