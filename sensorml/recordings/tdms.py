"""`.tdms`: the log files of LabVIEW and DIAdem, by npTDMS.

The properties `wf_increment`, `wf_start_time` and `unit_string` of a channel are those
that National Instruments' waveforms have ("TDMS File Format Internal Structure").
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sensorml.errors import MissingExtraError, RecordingError
from sensorml.recordings.recording import Recording
from sensorml.recordings.signals import Signal, from_signals

if TYPE_CHECKING:
    from nptdms import TdmsChannel


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read the channels of all groups as a recording.

    Raises:
        RecordingError: it is no such file, or `signals.from_signals` refuses it.
        MissingExtraError: npTDMS is not installed.
    """
    try:
        from nptdms import TdmsFile
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            ".tdms needs npTDMS: install it with pip install 'sensorml[tdms]'"
        ) from err
    # What npTDMS raises for damaged bytes, by trial.
    broken = (ValueError, OSError, EOFError, KeyError, IndexError, TypeError,
              OverflowError, MemoryError)  # fmt: skip
    try:
        with path.open("rb") as opened, TdmsFile.open(opened) as file:
            groups = file.groups()
            found = [
                _signal(channel, f"{group.name}/" if len(groups) > 1 else "")
                for group in groups
                for channel in group.channels()
                if len(channel)
            ]
            cut = file.file_status.incomplete_final_segment
    except broken as err:
        message = (str(err) or type(err).__name__).splitlines()[0][:200]
        raise RecordingError(
            f"{path}: is not a complete .tdms ({message}): copy it again"
        ) from err
    notes = ["its last segment is cut: read as far as it goes"] if cut else []
    return from_signals(
        path, found, channels=channels, rate_hz=rate_hz, unit=unit, notes=notes
    )


def _signal(channel: TdmsChannel, prefix: str) -> Signal:
    properties = channel.properties
    step_s = float(properties.get("wf_increment") or 0.0)
    start = properties.get("wf_start_time")
    return Signal(
        name=f"{prefix}{channel.name}",
        samples=np.asarray(channel[:]),
        rate_hz=1 / step_s if step_s > 0 else None,
        unit=str(properties.get("unit_string") or ""),
        start_ns=int(np.datetime64(start, "ns").astype(np.int64)) if start else 0,
    )
