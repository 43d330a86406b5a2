"""Make a recording from one sensor of a configuration."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from sensorml.alarms import wiring
from sensorml.commands._arguments import seconds
from sensorml.commands._progress import Progress
from sensorml.config import loading
from sensorml.config.tables import Config, Sensor
from sensorml.errors import ConfigError, Problem, SensormlError
from sensorml.process import noted_signals
from sensorml.recordings.making import NewRecording
from sensorml.recordings.recording import MAX_VALUES, Labels
from sensorml.recordings.writers import ENDINGS
from sensorml.schema import nearest
from sensorml.service.sensor_blocks import Item, open_sensor
from sensorml.types import Block, Channel

_PATIENCE_S: Final = 5.0
"""The time in which a sensor that fails must have its first row."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument(
        "--sensor", required=True, metavar="NAME", help="its name in the file"
    )
    parser.add_argument(
        "--duration", type=seconds, required=True, metavar="S", help="seconds"
    )
    parser.add_argument(
        "--out",
        type=_named,
        required=True,
        metavar="FILE",
        help=f"the format by its ending: {' '.join(ENDINGS)}",
    )


def run(args: argparse.Namespace) -> int:
    config = loading.load(args.config)
    sensor = _sensor(config, args.sensor)
    wiring.use_header()
    with NewRecording(args.out) as recording:
        _report_kept(recording)
        try:
            return _record(recording, sensor, config.store_path(), args.duration)
        except (SensormlError, KeyboardInterrupt):
            rows = recording.rows
            if not rows.rows:
                recording.discard()
            elif recording.part.exists():  # else it is finished
                _report(
                    f"{recording.part}: keeps {rows.rows} samples, {rows.seconds:.1f} "
                    f"s: {_completes(recording.part, recording.path)}"
                )
            raise


def _record(
    recording: NewRecording, sensor: Sensor, store: Path, duration_s: float
) -> int:
    with noted_signals() as signals, open_sensor(sensor, store) as source:
        recording.begin(_labels(source.channels))
        rate_hz = sensor.options.rate_hz or 0.0
        if (warning := too_long(rate_hz, len(source.channels), duration_s)) is not None:
            _report(f"{sensor.name}: {warning}")
        failure = fill(
            recording,
            source.items,
            duration_s,
            sensor.name,
            stopped=lambda: bool(signals),
        )
        if signals:
            end = signals[0].name
            _report(f"{sensor.name}: ended by {end} before {duration_s:g} s")
        # Before the sensor is stopped, because one that hangs does not stop.
        return _finish(recording, sensor.name, duration_s, failure)


def too_long(rate_hz: float, channels: int, duration_s: float) -> str | None:
    """Return a warning if a recording has more values than `recordings.read` takes.

    >>> too_long(3200, 3, 3600)
    >>> too_long(3200, 3, 86_400)
    'train, score and inspect read at most 55924 s of it: make several recordings'
    """
    values_per_s = rate_hz * channels
    if values_per_s * duration_s <= MAX_VALUES:
        return None
    longest_s = int(MAX_VALUES / values_per_s)
    return (
        f"train, score and inspect read at most {longest_s} s of it: make several "
        "recordings"
    )


def _finish(
    recording: NewRecording, name: str, duration_s: float, failure: SensormlError | None
) -> int:
    """Write the recording and report it; return the exit code."""
    rows = recording.rows
    if not rows.rows:
        recording.discard()
        _report(
            f"{name}: no sample in {duration_s:g} s: record for longer, or check the "
            "sensor"
        )
        return 1
    for note in recording.finish():
        _report(f"{recording.path}: {note}")
    print(
        f"{recording.path}: {rows.rows} samples at {rows.rate_hz:.2f} Hz, "
        f"{rows.missed} missed in {rows.gaps} gap{'' if rows.gaps == 1 else 's'}, "
        f"{rows.seconds:.1f} s"
    )
    return 1 if failure else 0


def fill(
    recording: NewRecording,
    items: Iterable[Item],
    duration_s: float,
    name: str,
    *,
    stopped: Callable[[], bool],
    clock: Callable[[], int] = time.monotonic_ns,
) -> SensormlError | None:
    """Write the rows of a time; failures of the sensor are reported and become gaps.

    Args:
        recording: what they are written to.
        items: rows and failures, with times of `clock`.
        duration_s: of the rows, and of the whole.
        name: of the sensor, for messages.
        stopped: whether to end earlier.
        clock: monotonic.

    Returns:
        The failure that the sensor has not recovered from.

    Raises:
        OutputError: the rows cannot be written.
        SensormlError: the sensor fails, and has never had a row.
    """
    begun_ns = clock()
    utc_ns = time.time_ns() - begun_ns
    failure: SensormlError | None = None
    shown = ""
    steps = max(1, round(duration_s))
    step = 0
    with Progress(f"record {name}", steps) as progress:
        for item in items:
            spent_s = (clock() - begun_ns) / 1e9
            if isinstance(item, Block):
                recording.write(replace(item, start_ns=item.start_ns + utc_ns))
                failure, shown = None, ""
            elif item is not None:
                failure = item
                if not recording.rows.rows and spent_s >= min(_PATIENCE_S, duration_s):
                    raise item
                if str(item) != shown:
                    shown = str(item)
                    _report(f"{name}: {item}")
            done_s = max(spent_s, recording.rows.seconds)
            while step < min(int(done_s), steps):
                step += 1
                progress.step(f"{step} s")
            if done_s >= duration_s or stopped():
                break
    return failure


def _named(text: str) -> Path:
    """Return a path whose ending is that of a recording."""
    path = Path(text)
    if path.suffix.lower() not in ENDINGS:
        raise argparse.ArgumentTypeError(
            f"{text}: its ending must be one of {', '.join(ENDINGS)}"
        )
    return path


def _labels(channels: Sequence[Channel]) -> Labels:
    """Return the names of the channels, and their unit if they have the same one."""
    units = {channel.unit for channel in channels}
    return Labels(
        channels=tuple(channel.name for channel in channels),
        unit=units.pop() if len(units) == 1 else "",
    )


def _report_kept(recording: NewRecording) -> None:
    if recording.kept is not None:
        whole = recording.kept.with_suffix("")
        _report(
            f"{recording.part}: was left by a recording that was killed, and is now "
            f"{recording.kept}: {_completes(recording.kept, whole)}"
        )


def _completes(part: Path, path: Path) -> str:
    return f"`sensorml inspect {part} --to {path}` makes a recording of it"


def _report(text: str) -> None:
    print(f"sensorml: {text}", file=sys.stderr)


def _sensor(config: Config, name: str) -> Sensor:
    for sensor in config.sensors:
        if sensor.name == name:
            return sensor
    names = [sensor.name for sensor in config.sensors]
    what = f"there is no sensor {name!r}"
    raise ConfigError(
        [Problem(str(config.path), "--sensor", what, nearest(name, names))]
    )
