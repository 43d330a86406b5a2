"""`.json`, `.cbor`: Edge Impulse's data acquisition format.

Source: Edge Impulse, "Data acquisition format specification": `payload` holds
`interval_ms`, `sensors` (name and units) and `values`, a row a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from sensorml.errors import MissingExtraError, RecordingError
from sensorml.recordings.recording import Recording
from sensorml.recordings.signals import Signal, from_signals

MAX_BYTES: Final = 1 << 28


class _Sensor(msgspec.Struct):
    name: str
    units: str = ""


class _Payload(msgspec.Struct):
    interval_ms: Annotated[float, Meta(gt=0)]
    sensors: Annotated[list[_Sensor], Meta(min_length=1)]
    values: list[list[float] | float]
    """A row a sample; plain numbers where there is one sensor."""


class _File(msgspec.Struct):
    payload: _Payload


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read a file of Edge Impulse as a recording.

    Raises:
        RecordingError: it is none, or `signals.from_signals` refuses it.
        MissingExtraError: cbor2 is not installed.
    """
    if path.stat().st_size > MAX_BYTES:
        raise RecordingError(f"{path}: is larger than {MAX_BYTES >> 20} MB: cut it")
    try:
        payload = _decoded(path).payload
        rows = np.asarray(payload.values, np.float32)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as err:
        message = (str(err) or type(err).__name__).splitlines()[0][:200]
        raise RecordingError(
            f"{path}: is not in Edge Impulse's data acquisition format ({message}): "
            "convert it to .csv or .npz"
        ) from err
    rows = rows.reshape(len(rows), -1)
    if rows.shape[1] != len(payload.sensors):
        raise RecordingError(
            f"{path}: has {rows.shape[1]} values a row and {len(payload.sensors)} "
            "sensors: export it again"
        )
    found = [
        Signal(sensor.name, rows[:, i], 1e3 / payload.interval_ms, sensor.units)
        for i, sensor in enumerate(payload.sensors)
    ]
    return from_signals(path, found, channels=channels, rate_hz=rate_hz, unit=unit)


def _decoded(path: Path) -> _File:
    raw = path.read_bytes()
    if path.suffix.lower() == ".json":
        return msgspec.json.decode(raw, type=_File)
    try:
        import cbor2
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            ".cbor needs cbor2: install it with pip install 'sensorml[edge-impulse]'"
        ) from err
    try:
        return msgspec.convert(cbor2.loads(raw), _File)
    except cbor2.CBORDecodeError as err:
        raise ValueError(str(err)) from err
