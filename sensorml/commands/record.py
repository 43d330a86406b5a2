"""Make a recording from one sensor of a configuration."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sensorml.alarms import wiring
from sensorml.commands._progress import Progress
from sensorml.config import loading
from sensorml.config.tables import Config, Sensor
from sensorml.errors import ConfigError, Problem, SensormlError
from sensorml.recordings import write_npz
from sensorml.schema import nearest
from sensorml.service.sensor_blocks import Item, open_sensor
from sensorml.types import Block


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument(
        "--sensor", required=True, metavar="NAME", help="its name in the file"
    )
    parser.add_argument(
        "--duration", type=float, required=True, metavar="S", help="seconds"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz")


def run(args: argparse.Namespace) -> int:
    sensor = _sensor(loading.load(args.config), args.sensor)
    wiring.use_header()
    utc_ns = time.time_ns() - time.monotonic_ns()
    with open_sensor(sensor) as source:
        channels = source.channels
        blocks = _record(sensor.name, source.items, args.duration)
    if not blocks:
        print(
            f"sensorml: {sensor.name}: no sample in {args.duration:g} s: "
            "record for longer, or check the sensor",
            file=sys.stderr,
        )
        return 1
    write_npz(
        args.out,
        samples=np.concatenate([block.samples for block in blocks]),
        rate_hz=blocks[-1].rate_hz,
        channels=[channel.name for channel in channels],
        unit=channels[0].unit,
        start_ns=blocks[0].start_ns + utc_ns,
        # A block's estimated start may be some ns before the end of the last block.
        t_ns=np.maximum.accumulate(
            np.concatenate([_times_ns(block) for block in blocks]) + utc_ns
        ),
    )
    rows = sum(len(block.samples) for block in blocks)
    missed = sum(block.missed for block in blocks)
    print(f"{args.out}: {rows} samples at {blocks[-1].rate_hz:.2f} Hz, {missed} missed")
    return 0


def _sensor(config: Config, name: str) -> Sensor:
    for sensor in config.sensors:
        if sensor.name == name:
            return sensor
    names = [sensor.name for sensor in config.sensors]
    what = f"there is no sensor {name!r}"
    raise ConfigError(
        [Problem(str(config.path), "--sensor", what, nearest(name, names))]
    )


def _record(name: str, items: Iterable[Item], duration_s: float) -> list[Block]:
    """Collect the blocks of a time; failures are reported, and become gaps."""
    blocks: list[Block] = []
    seconds = max(1, round(duration_s))
    shown_s = 0
    start_s = time.monotonic()
    with Progress(f"record {name}", seconds) as progress:
        for item in items:
            if isinstance(item, SensormlError):
                print(f"sensorml: {name}: {item}", file=sys.stderr)
            elif item is not None:
                blocks.append(item)
            spent_s = time.monotonic() - start_s
            while shown_s < min(int(spent_s), seconds):
                shown_s += 1
                progress.step(f"{shown_s} s")
            if spent_s >= duration_s:
                break
    return blocks


def _times_ns(block: Block) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    steps = np.arange(len(block.samples)) * (1e9 / block.rate_hz)
    return block.start_ns + np.round(steps).astype(np.int64)
