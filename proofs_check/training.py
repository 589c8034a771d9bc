"""What a run's record says about its training, as far as the theorems ask."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Training:
    """What the theorems ask about a training.

    Attributes
    ----------
    rho : float
        Radius of SAM.
    learning_rate : float
        Step length, eta.
    steps : int
        Steps taken, K.
    plain : bool
        Whether a step is ``w - eta * gradient`` and nothing else.
    independent : bool
        Whether the second minibatch is drawn independently of the first.
    bins : int
        Time steps per recording.
    data : str
        Digest of the recordings.
    """

    rho: float
    learning_rate: float
    steps: int
    plain: bool
    independent: bool
    bins: int = 0
    data: str = ""


def training_from(record: Mapping) -> Training:
    """Return what the record of a run says about its training.

    Raises
    ------
    ValueError
        If it is not the record of a run.
    """
    try:
        config, says = record["config"], str(record["config"]["descent"])
        rate = re.search(r"learning_rate=([^,)]+)", says)
        plain = says.startswith("sgd") and "momentum=0.0" in says and "weight_decay=0.0" in says
        constant = config["warmup"] == 0.0 and str(config["schedule"]).endswith("constant")
        return Training(
            rho=float(config["rho"]),
            learning_rate=float(rate.group(1)) if rate else np.nan,
            steps=int(record["evaluations"]) // (1 if config["rho"] == 0.0 else 2),
            plain=plain and constant,
            independent=not config["shared"],
            bins=int(record["setting"]["steps"]),
            data=str(record["data"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"record must be that of a run, got {error!r}") from error
