"""Signals that a file describes one by one, put together as one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import RecordingError
from sensorml.recordings.recording import (
    MAX_VALUES,
    Recording,
    agreed_rate,
    chosen,
    sound,
)
from sensorml.recordings.tables.units import common_unit, spelled

_SHOWN: Final = 12
_ALIKE: Final = 1e-6  # relative difference of two rates that are one


class Signal(NamedTuple):
    """One channel of a file."""

    name: str
    samples: NDArray[np.generic]
    """(n,), numbers or not."""
    rate_hz: float | None
    unit: str
    """As the file spells it; "" where it has none."""
    start_ns: int = 0
    """The time of the first sample in UTC; 0 if unknown."""


def from_signals(
    path: Path,
    signals: Sequence[Signal],
    *,
    channels: Sequence[str] | None,
    rate_hz: float | None,
    unit: str,
    notes: Sequence[str] = (),
) -> Recording:
    """Return the signals of a file as a recording.

    Args:
        path: the file, for messages.
        signals: in the order of the file; those that are no numbers are left out.
        channels: the names of those to take; None: all.
        rate_hz: as given by the user.
        unit: of the samples, where the file has none.
        notes: about the file, for people.

    Raises:
        RecordingError: there is none, or they differ in length or rate.
    """
    numbers = [s for s in signals if s.samples.dtype.kind in "iuf"]
    if not numbers:
        raise RecordingError(f"{path}: holds no signal of numbers: check what it is")
    if channels is not None:
        places = chosen(path, [signal.name for signal in numbers], channels)
        numbers = [numbers[place] for place in places]
    first = numbers[0]
    if any(not _alike(first, other) for other in numbers):
        raise RecordingError(
            f"{path}: its signals differ in length or rate, {_listed(numbers)}: choose "
            "those of one length and rate with --channels"
        )
    if len(first.samples) * len(numbers) > MAX_VALUES:
        raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
    units = [spelled(signal.unit) or signal.unit for signal in numbers]
    common = common_unit(path, [signal.name for signal in numbers], units, unit)
    samples = np.empty((len(first.samples), len(numbers)), np.float32)
    for column, (signal, scale) in enumerate(zip(numbers, common.factors, strict=True)):
        samples[:, column] = signal.samples
        samples[:, column] *= scale
    recording = sound(
        path,
        samples,
        channels=[signal.name for signal in numbers],
        unit=common.unit,
        rate_hz=agreed_rate(path, first.rate_hz, rate_hz),
        start_ns=first.start_ns,
    )
    left_out = [s.name for s in signals if s.samples.dtype.kind not in "iuf"]
    layout = f"read: {_listed(numbers)}, {recording.rate_hz:.6g} Hz"
    left = [f"left out: {', '.join(left_out)} (no numbers)"] if left_out else []
    return replace(recording, notes=(layout, *left, *notes, *common.remarks))


def _alike(a: Signal, b: Signal) -> bool:
    a_hz, b_hz = a.rate_hz or 0.0, b.rate_hz or 0.0
    return len(a.samples) == len(b.samples) and abs(a_hz - b_hz) <= _ALIKE * a_hz


def _listed(signals: Sequence[Signal]) -> str:
    shown = [
        f"{s.name} ({len(s.samples)} samples"
        + (f" at {s.rate_hz:.6g} Hz)" if s.rate_hz else ")")
        for s in signals[:_SHOWN]
    ]
    return ", ".join(shown) + (", …" if len(signals) > _SHOWN else "")
