"""Sharpness Aware Surrogate Training for spiking neural networks, in NumPy.

Start with ``refsast.run`` (a network through time), ``refsast.reference`` and ``refsast.fast`` (two
gradients, one signature), ``refsast.sam`` and ``refsast.train``; ``python -m refsast --help`` does
the rest without a line of code.

Importing the package imports nothing else: a name is looked up, and its module imported, when it is
first used. ``__init__.pyi`` says the same to type checkers.
"""

from importlib import import_module

__version__ = "0.2.0"

_HOMES = {
    "refsast.certify.swap": ("SwapCertificate", "certify_swap"),
    "refsast.crosscheck": ("program",),
    "refsast.crosscheck.case": ("Answer", "Case"),
    "refsast.crosscheck.implementation": ("Implementation", "Unsupported"),
    "refsast.crosscheck.check": ("Report", "check"),
    "refsast.crosscheck.harder": ("harder",),
    "refsast.crosscheck.program": ("Program",),
    "refsast.crosscheck.integrability": ("Verdict", "integrable"),
    "refsast.data": (
        *("Events", "bin_events", "bin_spikes", "load_nmnist", "load_nmnist_spikes"),
        *("load_dvs_gesture", "load_dvs_gesture_spikes", "read_events", "synthetic_digits"),
        *("synthetic_gesture_spikes", "synthetic_gestures", "synthetic_spikes", "write_events"),
    ),
    "refsast.experiment": ("sharpness",),
    "refsast.experiment.compare": ("compare",),
    "refsast.experiment.diagnose": ("Diagnosis", "diagnose", "explain", "read_diagnosis"),
    "refsast.experiment.evaluate": ("Scores", "evaluate"),
    "refsast.experiment.presets": ("PRESETS", "Setting"),
    "refsast.experiment.record": ("Config", "Epoch", "Run"),
    "refsast.experiment.run_files": ("read_run",),
    "refsast.experiment.train": ("train",),
    "refsast.gradient": ("bptt", "fast", "reference", "rounding"),
    "refsast.gradient.fast": ("straight_through",),
    "refsast.model": (
        *("LIF", "Layer", "Network", "Params", "Trace"),
        *("GLIF", "Adaptation", "Alpha", "Learned", "Synapse"),
        *(
            "LastPotential",
            "MaxPotential",
            "MeanPotential",
            "CrossEntropy",
            "StepCrossEntropy",
            "MeanSquaredRate",
        ),
        *("AvgPool2d", "Conv2d", "Dense", "Flatten", "MaxPool2d", "Skip"),
        *("Algebraic", "Arctan", "FastSigmoid", "Logistic", "PiecewiseQuadratic", "heaviside"),
        *("NoReset", "Subtract", "ToZero", "LeakyReadout", "LinearReadout", "SpikeRate"),
        *("flatten", "freeze_neurons", "init", "keep_in_range", "project", "run", "unflatten"),
    ),
    "refsast.optim": ("descent", "sam"),
    "refsast.spikes": ("Spikes", "as_spikes"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_SUBMODULES = (
    *("arrays", "autodiff", "certify", "crosscheck", "data", "deploy", "experiment", "files"),
    *("gradient", "model", "optim", "spikes"),
)

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    """Import what is asked for by name (PEP 562)."""
    if name in _SUBMODULES:
        return import_module(f"refsast.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'refsast' has no attribute {name!r}")
    home = import_module(_HOME_OF[name])
    found = getattr(home, name) if hasattr(home, name) else import_module(f"{home.__name__}.{name}")
    globals()[name] = found  # the next time nobody asks here
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
