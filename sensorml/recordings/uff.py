"""`.uff`, `.unv`: the universal file format of modal analysis, by pyuff.

A signal is data set 58, "Function at Nodal DOF" (SDRC, Universal File Formats),
whose function type is 1, a time response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from sensorml.errors import MissingExtraError, RecordingError
from sensorml.recordings.recording import Recording
from sensorml.recordings.signals import Signal, from_signals

_FUNCTION: Final = 58
_TIME_RESPONSE: Final = 1


def read(
    path: Path, *, channels: Sequence[str] | None, rate_hz: float | None, unit: str
) -> Recording:
    """Read the time responses of a file as a recording.

    Raises:
        RecordingError: it holds none, or `signals.from_signals` refuses it.
        MissingExtraError: pyuff is not installed.
    """
    try:
        from pyuff import UFF
    except ModuleNotFoundError as err:
        raise MissingExtraError(
            ".uff needs pyuff: install it with pip install 'sensorml[uff]'"
        ) from err
    # pyuff raises a plain Exception for a data set that it cannot read.
    try:
        file = UFF(str(path))
        places = [i for i, kind in enumerate(file.get_set_types()) if kind == _FUNCTION]
        sets = [file.read_sets(place) for place in places]
    except Exception as err:
        message = (str(err) or type(err).__name__).splitlines()[0][:200]
        raise RecordingError(
            f"{path}: is not a complete .uff ({message}): export it again"
        ) from err
    found = [
        _signal(path, one, number)
        for number, one in enumerate(sets, 1)
        if one["func_type"] == _TIME_RESPONSE
    ]
    if not found:
        raise RecordingError(
            f"{path}: holds no time response (data set 58, function type 1): export "
            "the time signals"
        )
    return from_signals(path, found, channels=channels, rate_hz=rate_hz, unit=unit)


def _signal(path: Path, one: Mapping[str, object], number: int) -> Signal:
    times_s = np.asarray(one["x"], np.float64)
    samples = np.real(np.asarray(one["data"]))
    step_s = (
        float(times_s[-1] - times_s[0]) / (len(times_s) - 1)
        if len(times_s) > 1
        else 0.0
    )
    steps = np.diff(times_s)
    if len(steps) and float(np.abs(steps - step_s).max()) > 0.01 * step_s:
        raise RecordingError(
            f"{path}: signal {number} has uneven times: resample it before the export"
        )
    place = f"{one.get('rsp_node', number)}:{one.get('rsp_dir', 0)}"
    named = str(one.get("rsp_ent_name", "")).strip()
    name = place if named in {"", "NONE"} else f"{named} {place}"
    return Signal(
        name=name,
        samples=samples,
        rate_hz=1 / step_s if step_s > 0 else None,
        unit=str(one.get("ordinate_axis_units_lab", "")).strip().removeprefix("NONE"),
    )
