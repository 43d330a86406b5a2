"""Recordings: files of samples, read whole into memory.

`.npz` (NumPy), `.csv` and `.csv.gz`, and `.wav` (PCM). Whatever is wrong with
a file is one `RecordingError`: its name, what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from sensorml.errors import RecordingError
from sensorml.recordings.npz import write_npz
from sensorml.recordings.recording import Recording
from sensorml.recordings.segments import Segment

__all__ = ["Recording", "Segment", "read", "write_npz"]

_READERS: Final = {".npz": "npz", ".csv": "csv", ".csv.gz": "csv", ".wav": "wav"}
"""By the ending of a file, the module here that reads it."""


def read(
    path: Path,
    *,
    channels: Sequence[str] | None = None,
    rate_hz: float | None = None,
    unit: str = "",
) -> Recording:
    """Read a recording.

    Args:
        path: Its ending tells the format.
        channels: The columns to take, in this order; all when None (of a CSV,
            all that are numbers and not times).
        rate_hz: The sample rate, where the file does not say.
        unit: The unit of the samples, where the file does not say.

    Raises:
        RecordingError: naming the file, what is wrong and what to do.
    """
    if not path.is_file():  # a pipe would wait for ever
        what = "is not a file" if path.exists() else "there is no such file"
        raise RecordingError(f"{path}: {what}: check the path")
    for ending, name in _READERS.items():
        if path.name.lower().endswith(ending):
            reader = import_module(f"sensorml.recordings.{name}")
            recording: Recording = reader.read(
                path, channels=channels, rate_hz=rate_hz, unit=unit
            )
            return recording
    raise RecordingError(
        f"{path}: is in no format we read: convert it to .npz, .csv, .csv.gz or .wav"
    )
