"""Named arrays of any program as a recording: `.npz` and MATLAB's `.mat`.

Long arrays are channels, unless their name and their values are those of times; a
single number named like a sample rate is the rate. Where it is not clear which arrays
are meant, they are listed with their shapes, and `--channels` decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensorml.errors import NoChannelError, RecordingError
from sensorml.recordings.recording import (
    MAX_VALUES,
    Recording,
    agreed_rate,
    sound,
)
from sensorml.recordings.segments import Int64
from sensorml.recordings.tables import clocks
from sensorml.recordings.tables.units import common_unit, name_and_unit

Array: TypeAlias = NDArray[np.generic]

_LEAST_ROWS: Final = 16
_MOST_CHANNELS: Final = 256
_SHOWN: Final = 12
_RATE = re.compile(
    r"sr|fs|sps|srate|fsampl?e?|fsampling|ratehz|sampl(e|ing)(rate|freq)\w*"
)
"""Names of a sample rate, without what is no letter. Not "rate" alone, which is often
that of the shaft."""
_STEP = re.compile(r"dt|deltat|tstep|sampl(e|ing)(times?|period|interval)")


class _Signal(NamedTuple):
    """An array that may hold channels: (n, k), one row a sample."""

    name: str
    samples: NDArray[np.number]
    transposed: bool

    def columns(self) -> list[str]:
        count = self.samples.shape[1]
        return (
            [self.name] if count == 1 else [f"{self.name}{i + 1}" for i in range(count)]
        )


def from_named(
    path: Path,
    arrays: Mapping[str, Array],
    *,
    channels: Sequence[str] | None,
    rate_hz: float | None,
    unit: str,
) -> Recording:
    """Return a file's arrays as a recording.

    Args:
        path: the file, for messages.
        arrays: by name; the parts of a structure have names such as "bearing.gs".
        channels: the names of arrays, or of their columns, to take; None: all.
        rate_hz: as given by the user.
        unit: of the samples, where no name has one.

    Raises:
        RecordingError: there is no signal, or several that do not belong together.
    """
    signals = [s for name, array in arrays.items() if (s := _signal(name, array))]
    times, signals, left_out = _without_times(path, signals)
    taken = _chosen(path, signals, channels)
    rows = len(taken[0].samples)
    if rows * sum(s.samples.shape[1] for s in taken) > MAX_VALUES:
        raise RecordingError(f"{path}: is longer than {MAX_VALUES} values: cut it")
    names = [name for signal in taken for name in signal.columns()]
    samples = np.concatenate([s.samples for s in taken], axis=1, dtype=np.float32)
    if channels is not None and not set(channels) <= {s.name for s in taken}:
        samples = samples[:, [names.index(name) for name in channels]]
        names = list(channels)
    units = [name_and_unit(name)[1] for name in names]
    common = common_unit(path, names, units, unit)
    samples *= np.array(common.factors, np.float32)
    recording = sound(
        path,
        samples,
        channels=names,
        unit=common.unit,
        rate_hz=agreed_rate(path, _rate_hz(arrays), rate_hz),
        t_ns=_times_ns(path, times, rows, rate_hz),
    )
    return replace(
        recording, notes=(*_notes(taken, recording, left_out), *common.remarks)
    )


def _signal(name: str, array: Array) -> _Signal | None:
    """Return an array of real numbers with many rows; None for another."""
    if array.dtype.kind not in "iuf" or array.ndim not in {1, 2}:
        return None
    rows = array.reshape(-1, 1) if 1 in array.shape or array.ndim == 1 else array
    transposed = rows.shape[0] < rows.shape[1]
    rows = rows.T if transposed else rows
    if len(rows) < _LEAST_ROWS or rows.shape[1] > _MOST_CHANNELS:
        return None
    return _Signal(name, rows.astype(np.float64, copy=False), transposed)


def _without_times(
    path: Path, signals: Sequence[_Signal]
) -> tuple[_Signal | None, list[_Signal], list[str]]:
    """Return the array of times, the signals, and the names of what only rises."""
    times: _Signal | None = None
    others: list[_Signal] = []
    left_out: list[str] = []
    for signal in signals:
        if signal.samples.shape[1] == 1 and _rises(signal.samples[:, 0]):
            if times is None and clocks.time_name(_last(signal.name)) is not None:
                times = signal
            else:
                left_out.append(f"{signal.name} (only rises, as a clock or a counter)")
        else:
            others.append(signal)
    if not others:
        only = f" but {', '.join(left_out)}" if left_out else ""
        raise RecordingError(
            f"{path}: holds no array of at least {_LEAST_ROWS} samples{only}: save one "
            "of shape (n, channels)"
        )
    return times, others, left_out


def _rises(values: NDArray[np.number]) -> bool:
    steps = np.diff(values)
    return bool((steps >= 0).all() and values[-1] > values[0])


def _chosen(
    path: Path, signals: Sequence[_Signal], channels: Sequence[str] | None
) -> list[_Signal]:
    """Return the signals that are meant, all of one length.

    Raises:
        RecordingError: that is not clear, or a chosen one is not there.
    """
    if channels is not None:
        owners = {c: s for s in signals for c in (*s.columns(), s.name)}
        for name in channels:
            if name not in owners:
                raise NoChannelError(
                    f"{path}: has no array {name!r}: choose of {_listed(signals)}"
                )
        signals = list({owners[name].name: owners[name] for name in channels}.values())
    lengths = {len(signal.samples) for signal in signals}
    wide = sum(signal.samples.shape[1] > 1 for signal in signals)
    if len(lengths) > 1 or (wide and len(signals) > 1 and channels is None):
        raise RecordingError(
            f"{path}: holds several arrays, {_listed(signals)}: choose those of one "
            "length with --channels"
        )
    return list(signals)


def _listed(signals: Sequence[_Signal]) -> str:
    shown = [f"{s.name} {s.samples.shape}" for s in signals[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(signals) > _SHOWN else "")


def _rate_hz(arrays: Mapping[str, Array]) -> float | None:
    """Return the number that is named like a sample rate, or like its period in s."""
    for named, invert in ((_RATE, False), (_STEP, True)):
        for name, array in arrays.items():
            plain = re.sub(r"[^a-z]", "", _last(name).lower())
            number = array.size == 1 and array.dtype.kind in "iuf"
            if number and named.fullmatch(plain):
                value = float(array.reshape(-1)[0])
                if value > 0:
                    return 1 / value if invert else value
    return None


def _times_ns(
    path: Path, times: _Signal | None, rows: int, rate_hz: float | None
) -> Int64 | None:
    if times is None or len(times.samples) != rows:
        return None
    values = np.asarray(times.samples[:, 0], np.float64)
    name = clocks.time_name(_last(times.name))
    unit = clocks.choose_unit(
        path, times.name, values, named=name.unit if name else "", rate_hz=rate_hz
    )
    zero = clocks.DAY_ZERO.get(unit, 0)
    return np.round((values - zero) * clocks.unit_ns(unit)).astype(np.int64)


def _last(name: str) -> str:
    """Return the last part of "bearing.gs"."""
    return name.rpartition(".")[2]


def _notes(
    taken: Sequence[_Signal], recording: Recording, left_out: Sequence[str]
) -> tuple[str, ...]:
    shown = ", ".join(f"{s.name} {s.samples.shape}" for s in taken[:_SHOWN])
    notes = [f"read: {shown}, {recording.rate_hz:.6g} Hz"]
    if turned := [s.name for s in taken if s.transposed]:
        notes.append(f"transposed to one row a sample: {', '.join(turned)}")
    if left_out:
        notes.append(f"left out: {', '.join(left_out)}")
    return tuple(notes)
