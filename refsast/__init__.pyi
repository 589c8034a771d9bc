# What `__init__.py` looks up by name, for type checkers.

from refsast.certify.swap import SwapCertificate as SwapCertificate
from refsast.certify.swap import certify_swap as certify_swap
from refsast.crosscheck import program as program
from refsast.crosscheck.case import Answer as Answer
from refsast.crosscheck.case import Case as Case
from refsast.crosscheck.check import Report as Report
from refsast.crosscheck.check import check as check
from refsast.crosscheck.harder import harder as harder
from refsast.crosscheck.implementation import Implementation as Implementation
from refsast.crosscheck.implementation import Unsupported as Unsupported
from refsast.crosscheck.integrability import Verdict as Verdict
from refsast.crosscheck.integrability import integrable as integrable
from refsast.crosscheck.program import Program as Program
from refsast.data import Events as Events
from refsast.data import bin_events as bin_events
from refsast.data import bin_spikes as bin_spikes
from refsast.data import load_dvs_gesture as load_dvs_gesture
from refsast.data import load_dvs_gesture_spikes as load_dvs_gesture_spikes
from refsast.data import load_nmnist as load_nmnist
from refsast.data import load_nmnist_spikes as load_nmnist_spikes
from refsast.data import read_events as read_events
from refsast.data import synthetic_digits as synthetic_digits
from refsast.data import synthetic_gesture_spikes as synthetic_gesture_spikes
from refsast.data import synthetic_gestures as synthetic_gestures
from refsast.data import synthetic_spikes as synthetic_spikes
from refsast.data import write_events as write_events
from refsast.experiment import sharpness as sharpness
from refsast.experiment.compare import compare as compare
from refsast.experiment.diagnose import Diagnosis as Diagnosis
from refsast.experiment.diagnose import diagnose as diagnose
from refsast.experiment.diagnose import explain as explain
from refsast.experiment.diagnose import read_diagnosis as read_diagnosis
from refsast.experiment.evaluate import Scores as Scores
from refsast.experiment.evaluate import evaluate as evaluate
from refsast.experiment.presets import PRESETS as PRESETS
from refsast.experiment.presets import Setting as Setting
from refsast.experiment.record import Config as Config
from refsast.experiment.record import Epoch as Epoch
from refsast.experiment.record import Run as Run
from refsast.experiment.run_files import read_run as read_run
from refsast.experiment.train import train as train
from refsast.gradient import bptt as bptt
from refsast.gradient import fast as fast
from refsast.gradient import reference as reference
from refsast.gradient import rounding as rounding
from refsast.gradient.fast import straight_through as straight_through
from refsast.model import *  # noqa: F403
from refsast.optim import descent as descent
from refsast.optim import sam as sam
from refsast.spikes import Spikes as Spikes
from refsast.spikes import as_spikes as as_spikes

__version__: str
