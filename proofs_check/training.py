"""What a run's record says about its training, as far as the theorems ask."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# The name that `descent.sgd` gives itself, without momentum, decay or a projection after it.
PLAIN_SGD = re.compile(r"sgd\(learning_rate=([^,]+), momentum=0\.0, weight_decay=0\.0\)")


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
    """

    rho: float
    learning_rate: float | None
    independent: bool
    bins: int = 0
    data: str = ""


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
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"record must be that of a run, got {error!r}") from error
