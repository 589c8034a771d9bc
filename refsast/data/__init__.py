"""What does it see? Recordings of event cameras, real and synthetic, as arrays of time steps."""

from refsast.data.aedat import parse_aedat
from refsast.data.batch import bin_files, bin_spikes
from refsast.data.binning import DURATION, STEPS, bin_events, count_events, count_late
from refsast.data.cache import digest
from refsast.data.camera import Camera
from refsast.data.corrupt import add_noise, cut_span, drop_events, jitter_times, stretch_times
from refsast.data.corrupt_sensor import (
    add_bursts,
    flip_polarities,
    heat_pixels,
    shift_pixels,
    silence_pixels,
)
from refsast.data.describe import Description, Spread, describe, read_recordings
from refsast.data.dvs_gesture import DVS128, GESTURE_DURATION, POOLED, load_gesture, pool
from refsast.data.events import (
    SIZE,
    Events,
    encode_events,
    parse_events,
    read_events,
    write_events,
)
from refsast.data.gesture_paths import GESTURES
from refsast.data.gesture_windows import load_dvs_gesture, load_dvs_gesture_spikes
from refsast.data.handwriting import Hand
from refsast.data.nmnist import load_nmnist, load_nmnist_spikes
from refsast.data.severities import (
    CORRUPTIONS,
    SEVERITIES,
    Corruption,
    Sensor,
    corrupt_recordings,
)
from refsast.data.split import split_dataset, split_people
from refsast.data.synthetic import (
    synthetic_digits,
    synthetic_events,
    synthetic_recordings,
    synthetic_spikes,
)
from refsast.data.synthetic_files import write_synthetic
from refsast.data.synthetic_gestures import (
    synthetic_gesture,
    synthetic_gesture_recordings,
    synthetic_gesture_spikes,
    synthetic_gestures,
)
from refsast.data.video_camera import VideoCamera

__all__ = [
    "CORRUPTIONS",
    "DURATION",
    "DVS128",
    "GESTURES",
    "GESTURE_DURATION",
    "POOLED",
    "SEVERITIES",
    "SIZE",
    "STEPS",
    "Camera",
    "Corruption",
    "Description",
    "Events",
    "Hand",
    "Sensor",
    "Spread",
    "VideoCamera",
    "add_bursts",
    "add_noise",
    "bin_events",
    "bin_files",
    "bin_spikes",
    "corrupt_recordings",
    "count_events",
    "count_late",
    "cut_span",
    "describe",
    "digest",
    "drop_events",
    "encode_events",
    "flip_polarities",
    "heat_pixels",
    "jitter_times",
    "load_dvs_gesture",
    "load_dvs_gesture_spikes",
    "load_gesture",
    "load_nmnist",
    "load_nmnist_spikes",
    "parse_aedat",
    "parse_events",
    "pool",
    "read_events",
    "read_recordings",
    "shift_pixels",
    "silence_pixels",
    "split_dataset",
    "split_people",
    "stretch_times",
    "synthetic_digits",
    "synthetic_events",
    "synthetic_gesture",
    "synthetic_gesture_recordings",
    "synthetic_gesture_spikes",
    "synthetic_gestures",
    "synthetic_recordings",
    "synthetic_spikes",
    "write_events",
    "write_synthetic",
]
